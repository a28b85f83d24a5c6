/* metrics: what Prometheus reads, printed once or served. */
#include "cli/cli.h"

#include <stdio.h>

struct metrics_args {
	bool all;
	const char *listen;
};

#define O(field) offsetof(struct metrics_args, field)
static const struct option metrics_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL, "Every project of the machine", 0 },
	{ 0, "listen", OPTION_TEXT, O(listen), "ADDRESS", NULL,
	  "Serve them at http://ADDRESS/metrics instead: ADDR:PORT, PORT (of 127.0.0.1) or "
	  "unix:/PATH",
	  0 },
	{ .name = NULL },
};

static void say_ready(const char *url)
{
	fprintf(stderr, "Listening on %s%s\n", url, *url == 'u' ? "" : "/metrics");
}

static int metrics_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct metrics_args *o = options;
	cleanup_str struct str text = STR_INIT;
	int r = o->all ? 0 : cli_find_project(cli, CMD_NAME | CMD_NAME_ONLY, args, err);
	if (r < 0)
		return r;
	const char *project = o->all ? NULL : cli->project_name;
	if (o->listen)
		return cli->api->metrics_serve(&cli->paths, project, o->listen, say_ready, err);
	r = cli->api->metrics_text(&cli->paths, project, &text, err);
	if (r == 0)
		fwrite(str_text(&text), 1, text.len, stdout);
	return r;
}

const struct cmd cmd_metrics = {
	.name = "metrics",
	.summary = "Print or serve metrics for Prometheus",
	.args = "",
	.details =
		"Each container's state, health, restarts and use of resources, and each project's "
		"supervisor, in Prometheus' text format; read from state files and the kernel at "
		"that moment. With --listen they are served in the foreground until Ctrl-C or "
		"SIGTERM; /-/healthy answers \"ok\". There is no password: who reaches the address "
		"can read them.\n\n"
		"    stave metrics --all --listen 127.0.0.1:9323",
	.options = metrics_options,
	.options_size = sizeof(struct metrics_args),
	.max_args = 0,
	.run = metrics_run,
};
