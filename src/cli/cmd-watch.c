/* watch: services follow the files that they are made of. */
#include "cli/apply.h"
#include "cli/progress.h"
#include "cli/provide.h"
#include "cli/watching.h"

struct watch_args {
	bool no_up, prune, quiet;
};

#define O(field) offsetof(struct watch_args, field)
static const struct option watch_options[] = {
	{ 0, "no-up", OPTION_FLAG, O(no_up), NULL, NULL,
	  "Do not build and start services before watching", 0 },
	{ 0, "prune", OPTION_FLAG, O(prune), NULL, "true",
	  "Remove images that a rebuild leaves without a name", 0 },
	{ 0, "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Hide build output", 0 },
	{ .name = NULL },
};

static int start(struct cli *cli, const struct watch_args *o, const struct strv *services,
		 struct err *err)
{
	const struct provide provide = { .build = true, .quiet_build = o->quiet };
	const struct goal goal = { .kind = GOAL_UP, .services = *services };
	int r = provide_images(cli, services, false, &provide, err);
	return r < 0 ? r : apply_goal(cli, &goal, err);
}

static int watch_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct watch_args *o = options;
	const struct watching_options watching = { .prune = o->prune, .quiet = o->quiet };
	int r = cli_need_root(err);
	if (r == 0)
		r = watching_check(cli, args, err);
	if (r < 0 || cli->global.dry_run)
		return r;
	r = watching_protect(err);
	if (r == 0 && !o->no_up)
		r = start(cli, o, args, err);
	return r < 0 ? r : watching_run(cli, args, &watching, err);
}

const struct cmd cmd_watch = {
	.name = "watch",
	.summary = "Watch build context for service and rebuild/refresh containers when files are "
		   "updated",
	.args = "[SERVICE...]",
	.details =
		"What is watched, and what a change does, is said by the services' develop.watch.",
	.options = watch_options,
	.options_size = sizeof(struct watch_args),
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS,
	.run = watch_run,
};
