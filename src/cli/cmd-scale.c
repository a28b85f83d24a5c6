/* scale: so many replicas of these services. */
#include "cli/apply.h"
#include "cli/provider.h"

struct scale_args {
	bool no_deps;
};

static const struct option scale_options[] = {
	{ 0, "no-deps", OPTION_FLAG, offsetof(struct scale_args, no_deps), NULL, NULL,
	  "Do not start linked services", 0 },
	{ .name = NULL },
};

static int scale_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct scale_args *o = options;
	cleanup_goal struct goal goal = { .kind = GOAL_SCALE, .no_deps = o->no_deps };
	int r = apply_scale(args, NULL, &goal, err);
	if (r < 0)
		return r;
	vec_each(scale, &goal.scale) {
		if (!project_service(cli->project, scale->service))
			return err_not_found(err, "no such service: %s", scale->service);
		strv_add(&goal.services, scale->service);
	}
	r = provider_up(cli, &goal.services, goal.no_deps, err);
	return r < 0 ? r : apply_goal(cli, &goal, err);
}

const struct cmd cmd_scale = {
	.name = "scale",
	.summary = "Scale services",
	.args = "SERVICE=REPLICAS...",
	.options = scale_options,
	.options_size = sizeof(struct scale_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT,
	.run = scale_run,
};
