/* stave called as `docker`: the words of Docker's CLI for what stave has under other names. */
#include "cli/cli.h"

/* NULL: the same words. */
static const char *const words[][2] = {
	{ "attach", "container attach" },
	{ "build", "image build" },
	{ "builder", NULL },
	{ "buildx build", "image build" },
	{ "compose", NULL },
	{ "container list", "container ls" },
	{ "container ps", "container ls" },
	{ "container", NULL },
	{ "cp", "container cp" },
	{ "exec", "container exec" },
	{ "help", NULL },
	{ "history", "image history" },
	{ "image list", "image ls" },
	{ "image remove", "image rm" },
	{ "image", NULL },
	{ "images", "image ls" },
	{ "import", "image import" },
	{ "inspect", NULL },
	{ "kill", "container kill" },
	{ "load", "image load" },
	{ "login", NULL },
	{ "logout", NULL },
	{ "logs", "container logs" },
	{ "network list", "network ls" },
	{ "network remove", "network rm" },
	{ "network", NULL },
	{ "pause", "container pause" },
	{ "port", "container port" },
	{ "ps", "container ls" },
	{ "pull", "image pull" },
	{ "push", "image push" },
	{ "restart", "container restart" },
	{ "rm", "container rm" },
	{ "rmi", "image rm" },
	{ "save", "image save" },
	{ "start", "container start" },
	{ "stats", "container stats" },
	{ "stop", "container stop" },
	{ "system", NULL },
	{ "tag", "image tag" },
	{ "top", "container top" },
	{ "unpause", "container unpause" },
	{ "version", NULL },
	{ "volume list", "volume ls" },
	{ "volume remove", "volume rm" },
	{ "volume", NULL },
	{ "wait", "container wait" },
};

/* How many of args[1..] are the words of `text`; 0: they are others. */
static size_t matching(const struct strv *args, const char *text)
{
	cleanup_strv struct strv parts = strv_split(text, ' ');
	for (size_t i = 0; i < parts.n; i++)
		if (i + 1 >= args->n || strcmp(args->v[i + 1], parts.v[i]) != 0)
			return 0;
	return parts.n;
}

int cli_docker_words(struct strv *args, struct err *err)
{
	if (args->n < 2 || args->v[1][0] == '-')
		return 0;
	for (size_t w = 0; w < ARRAY_SIZE(words); w++) {
		size_t used = matching(args, words[w][0]);
		if (!used)
			continue;
		if (!words[w][1])
			return 0;
		cleanup_strv struct strv old = *args;
		*args = (struct strv){ 0 };
		strv_add(args, old.v[0]);
		cleanup_strv struct strv own = strv_split(words[w][1], ' ');
		strv_copy(args, &own);
		for (size_t i = 1 + used; i < old.n; i++)
			strv_add(args, old.v[i]);
		return 0;
	}
	return err_unsupported(err,
			       "'docker %s' is not supported: containers are made from a Compose "
			       "file (see 'stave --help')",
			       args->v[1]);
}
