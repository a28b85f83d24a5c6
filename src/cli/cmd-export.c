/* export: a service container's file system as a tar archive. */
#include "cli/cli.h"
#include "engine/commit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct export_args {
	const char *output;
	struct option_int index;
};

#define O(field) offsetof(struct export_args, field)
static const struct option export_options[] = {
	{ 0, "index", OPTION_INT, O(index), "N", NULL, "Which replica of the service", 0 },
	{ 'o', "output", OPTION_TEXT, O(output), "FILE", NULL,
	  "Write to a file instead of standard output", 0 },
	{ .name = NULL },
};

/* Half an archive is worse than none. */
static void drop_half(const char *path, int fd)
{
	struct stat st;
	if (path && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		(void)unlink(path);
}

static int export_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct export_args *o = options;
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup_fd int file = FD_NONE;
	if (!o->output && cli->stdout_tty)
		return err_usage(err, "standard output is a terminal: name a file with --output");
	int r = cli_need_root(err);
	if (r == 0)
		r = cli_any_container(cli, args->v[0], (int)o->index.value, &c, err);
	if (r < 0 || cli->global.dry_run)
		return r;
	if (o->output) {
		file = open(o->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (file < 0)
			return err_sys(err, errno, "write '%s'", o->output);
	}
	r = engine_export(&cli->paths, c, file >= 0 ? file : STDOUT_FILENO, err);
	if (r < 0)
		drop_half(o->output, file);
	return r;
}

const struct cmd cmd_export = {
	.name = "export",
	.summary = "Export a service container's filesystem as a tar archive",
	.args = "SERVICE",
	.details = "What is mounted in it, volumes for example, is not part of it.",
	.options = export_options,
	.options_size = sizeof(struct export_args),
	.min_args = 1,
	.max_args = 1,
	.flags = CMD_NAME | CMD_ALL_SERVICES,
	.run = export_run,
};
