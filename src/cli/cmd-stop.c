/* stop: containers end, and stay to be started again. */
#include "cli/apply.h"

struct stop_args {
	struct option_duration timeout;
};

static const struct option stop_options[] = {
	{ 't', "timeout", OPTION_DURATION, offsetof(struct stop_args, timeout), "SECONDS", NULL,
	  "Grace period before what still runs is killed", 0 },
	{ .name = NULL },
};

static int stop_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct stop_args *o = options;
	struct goal goal = {
		.kind = GOAL_STOP,
		.services = *args,
		.has_timeout = o->timeout.set,
		.timeout = o->timeout.ns,
	};
	cleanup_containers struct containers found = { 0 };
	int r = cli_containers(cli, args, &found, err); /* refuses unknown services */
	if (r < 0 || !found.items.n)
		return r;
	return apply_goal(cli, &goal, err);
}

const struct cmd cmd_stop = {
	.name = "stop",
	.summary = "Stop services",
	.args = "[SERVICE...]",
	.options = stop_options,
	.options_size = sizeof(struct stop_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME | CMD_ALL_SERVICES,
	.run = stop_run,
};
