/* plan: what `up` (or another verb) would do, and why. */
#include "cli/cli.h"
#include "cli/planview.h"

struct plan_args {
	const char *format;
	bool force_recreate, no_deps, no_recreate, remove_orphans, down, volumes;
};

#define O(field) offsetof(struct plan_args, field)
static const struct option plan_options[] = {
	{ 0, "down", OPTION_FLAG, O(down), NULL, NULL, "What `down` would do", 0 },
	{ 0, "force-recreate", OPTION_FLAG, O(force_recreate), NULL, NULL,
	  "As `up --force-recreate`", 0 },
	{ 0, "format", OPTION_TEXT, O(format), "FORMAT", "text", "text or json", 0 },
	{ 0, "no-deps", OPTION_FLAG, O(no_deps), NULL, NULL, "As `up --no-deps`", 0 },
	{ 0, "no-recreate", OPTION_FLAG, O(no_recreate), NULL, NULL, "As `up --no-recreate`", 0 },
	{ 0, "remove-orphans", OPTION_FLAG, O(remove_orphans), NULL, NULL,
	  "As `up --remove-orphans`", 0 },
	{ 'v', "volumes", OPTION_FLAG, O(volumes), NULL, NULL, "With --down: as `down --volumes`",
	  0 },
	{ .name = NULL },
};

static int plan_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct plan_args *o = options;
	if (strcmp(o->format, "text") != 0 && strcmp(o->format, "json") != 0)
		return err_usage(err, "invalid value '%s' for '--format': expected text or json",
				 o->format);
	struct goal goal = {
		.kind = o->down ? GOAL_DOWN : GOAL_UP,
		.services = *args,
		.force_recreate = o->force_recreate,
		.no_deps = o->no_deps,
		.no_recreate = o->no_recreate,
		.remove_orphans = o->remove_orphans,
		.volumes = o->volumes,
	};
	return planview_run(cli, &goal, o->format, err);
}

const struct cmd cmd_plan = {
	.name = "plan",
	.summary = "Show what `up` would do, and why, and do nothing",
	.args = "[SERVICE...]",
	.options = plan_options,
	.options_size = sizeof(struct plan_args),
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS,
	.run = plan_run,
};
