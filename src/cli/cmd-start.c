/* start: existing containers run again, as they were created. */
#include "cli/apply.h"

struct start_args {
	bool wait;
	struct option_duration wait_timeout;
};

static const struct option start_options[] = {
	{ 0, "wait", OPTION_FLAG, offsetof(struct start_args, wait), NULL, NULL,
	  "Wait until services are running or healthy", 0 },
	{ 0, "wait-timeout", OPTION_DURATION, offsetof(struct start_args, wait_timeout), "SECONDS",
	  NULL, "Most time to wait", 0 },
	{ .name = NULL },
};

static int start_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct start_args *o = options;
	struct goal goal = {
		.kind = GOAL_START,
		.services = *args,
		.wait = o->wait,
		.has_wait_timeout = o->wait_timeout.set && o->wait_timeout.ns > 0,
		.wait_timeout = o->wait_timeout.ns,
	};
	cleanup_containers struct containers found = { 0 };
	int r = cli_containers(cli, args, &found, err);
	if (r < 0)
		return r;
	if (!found.items.n && args->n)
		return err_not_found(err, "service \"%s\" has no container to start", args->v[0]);
	if (!found.items.n)
		return err_not_found(err, "project '%s' has no container to start: use `stave up`",
				     cli->project_name);
	return apply_goal(cli, &goal, err);
}

const struct cmd cmd_start = {
	.name = "start",
	.summary = "Start services",
	.args = "[SERVICE...]",
	.options = start_options,
	.options_size = sizeof(struct start_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME | CMD_SERVICE_ARGS,
	.run = start_run,
};
