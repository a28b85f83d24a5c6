/* env: every variable of a service, where it comes from and what it overrode. */
#include "cli/cli.h"
#include "compose/explain.h"

#include <stdio.h>

struct env_args {
	const char *format;
};

static const struct option env_options[] = {
	{ 0, "format", OPTION_TEXT, offsetof(struct env_args, format), "FORMAT", "text",
	  "text or json", 0 },
	{ .name = NULL },
};

static void print_text(const json_t *all)
{
	size_t i, k;
	json_t *v, *loser;
	json_array_foreach(all, i, v) {
		const char *value = json_str(v, "value", NULL);
		printf("%s%s%s\t(%s)\n", json_str(v, "name", ""), value ? "=" : "",
		       value ? value : "", json_str(v, "source", ""));
		json_array_foreach(json_object_get(v, "losers"), k, loser)
			printf("  instead of %s\t(%s)\n", json_str(loser, "value", "nothing"),
			       json_str(loser, "source", ""));
	}
}

static int env_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct env_args *o = options;
	if (strcmp(o->format, "text") != 0 && strcmp(o->format, "json") != 0)
		return err_usage(err, "invalid value '%s' for '--format': expected text or json",
				 o->format);
	cleanup_json json_t *all = explain_environment(&cli->compose, args->v[0], err);
	if (!all)
		return -err->no;
	if (strcmp(o->format, "text") == 0)
		print_text(all);
	else {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	return 0;
}

const struct cmd cmd_env = {
	.name = "env",
	.summary = "Show the variables of a service, where each comes from and what it overrode",
	.args = "SERVICE",
	.options = env_options,
	.options_size = sizeof(struct env_args),
	.min_args = 1,
	.max_args = 1,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS,
	.run = env_run,
};
