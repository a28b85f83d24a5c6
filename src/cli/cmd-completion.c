/* completion: a script for the shell, made from the tables; and how Docker's command line gets to
 * know us as a plugin. */
#include "cli/cli.h"

#include "base/json.h"

#include <stdio.h>

static int completion_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	(void)cli;
	(void)options;
	if (args->n && strcmp(args->v[0], "bash") != 0)
		return err_unsupported(err, "no completion for '%s': only bash", args->v[0]);
	completion_bash();
	return 0;
}

const struct cmd cmd_completion = {
	.name = "completion",
	.summary = "Print a completion script for bash",
	.args = "[bash]",
	.details = "To use it:  source <(stave completion bash)",
	.max_args = 1,
	.run = completion_run,
};

/* `docker` runs every docker-* in its plugin directories with this word. */
static int plugin_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	(void)cli;
	(void)options;
	(void)args;
	(void)err;
	cleanup_json json_t *j = json_pack(
		"{s:s, s:s, s:s, s:s}", "SchemaVersion", "0.1.0", "Vendor", "stave", "Version",
		STAVE_VERSION, "ShortDescription", "Compose projects without a daemon (stave)");
	cleanup_free char *text = json_text(j);
	printf("%s\n", text);
	return 0;
}

const struct cmd cmd_docker_cli_plugin_metadata = {
	.name = "docker-cli-plugin-metadata",
	.summary = "What Docker's command line asks a plugin",
	.max_args = ARGS_ANY,
	.flags = CMD_HIDDEN,
	.run = plugin_run,
};
