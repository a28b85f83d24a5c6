/* restart: stop and start in place; changes of the Compose file do not count. */
#include "cli/apply.h"

struct restart_args {
	bool no_deps;
	struct option_duration timeout;
};

static const struct option restart_options[] = {
	{ 0, "no-deps", OPTION_FLAG, offsetof(struct restart_args, no_deps), NULL, NULL,
	  "Do not restart services that depend on these", 0 },
	{ 't', "timeout", OPTION_DURATION, offsetof(struct restart_args, timeout), "SECONDS", NULL,
	  "Grace period before what still runs is killed", 0 },
	{ .name = NULL },
};

static int restart_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct restart_args *o = options;
	struct goal goal = {
		.kind = GOAL_RESTART,
		.services = *args,
		.no_deps = o->no_deps,
		.has_timeout = o->timeout.set,
		.timeout = o->timeout.ns,
	};
	cleanup_containers struct containers found = { 0 };
	int r = cli_containers(cli, args, &found, err);
	if (r < 0 || !found.items.n)
		return r;
	return apply_goal(cli, &goal, err);
}

const struct cmd cmd_restart = {
	.name = "restart",
	.summary = "Restart service containers",
	.args = "[SERVICE...]",
	.options = restart_options,
	.options_size = sizeof(struct restart_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME | CMD_SERVICE_ARGS,
	.run = restart_run,
};
