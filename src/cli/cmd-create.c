/* create: containers as `up` would make them, not started. */
#include "cli/apply.h"
#include "cli/provide.h"

struct create_args {
	bool build, force_recreate, no_build, no_recreate, quiet_pull, remove_orphans, yes;
	const char *pull;
	struct strv scale;
};

#define O(field) offsetof(struct create_args, field)
static const struct option create_options[] = {
	{ 0, "build", OPTION_FLAG, O(build), NULL, NULL, "Build images before creating containers",
	  0 },
	{ 0, "force-recreate", OPTION_FLAG, O(force_recreate), NULL, NULL,
	  "Recreate containers even if nothing changed", 0 },
	{ 0, "no-build", OPTION_FLAG, O(no_build), NULL, NULL,
	  "Do not build an image, even if it is missing", 0 },
	{ 0, "no-recreate", OPTION_FLAG, O(no_recreate), NULL, NULL,
	  "Leave existing containers as they are", 0 },
	{ 0, "pull", OPTION_TEXT, O(pull), "WHEN", "policy", "Pull images: always, missing, never",
	  0 },
	{ 0, "quiet-pull", OPTION_FLAG, O(quiet_pull), NULL, NULL, "Pull without progress", 0 },
	{ 0, "remove-orphans", OPTION_FLAG, O(remove_orphans), NULL, NULL,
	  "Remove containers of services that are not in the Compose file", 0 },
	{ 0, "scale", OPTION_LIST, O(scale), "SERVICE=N", NULL, "Number of containers of a service",
	  0 },
	{ 'y', "yes", OPTION_FLAG, O(yes), NULL, NULL,
	  "Accepted for compatibility: stave asks nothing", OPTION_HIDDEN },
	{ .name = NULL },
};

static int create_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct create_args *o = options;
	cleanup_goal struct goal goal = {
		.kind = GOAL_CREATE,
		.force_recreate = o->force_recreate,
		.no_recreate = o->no_recreate,
		.remove_orphans = o->remove_orphans,
		.no_start = true,
	};
	struct provide provide = {
		.pull = o->pull,
		.build = o->build,
		.no_build = o->no_build,
		.quiet_pull = o->quiet_pull,
	};
	if (o->force_recreate && o->no_recreate)
		return err_usage(err, "--force-recreate and --no-recreate are incompatible");
	strv_copy(&goal.services, args);
	int r = apply_scale(&o->scale, "--scale", &goal, err);
	if (r == 0 && !cli->global.dry_run)
		r = provide_images(cli, args, false, &provide, err);
	return r < 0 ? r : apply_goal(cli, &goal, err);
}

const struct cmd cmd_create = {
	.name = "create",
	.summary = "Create containers for services",
	.args = "[SERVICE...]",
	.options = create_options,
	.options_size = sizeof(struct create_args),
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS,
	.run = create_run,
};
