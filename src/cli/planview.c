/* Printing plans. */
#include "cli/planview.h"

#include "cli/progress.h"
#include "cli/provider.h"
#include "engine/observe.h"

#include <stdio.h>

static const char *subject(const struct step *step)
{
	switch (step->kind) {
	case STEP_NETWORK_CREATE:
	case STEP_NETWORK_REMOVE: return "network";
	case STEP_VOLUME_CREATE:
	case STEP_VOLUME_REMOVE: return "volume";
	case STEP_PROJECT_REMOVE: return "project";
	default: return "container";
	}
}

static void print_step(const struct step *step)
{
	const char *verb =
		step->kind == STEP_CREATE && step->recreate ? "recreate" : step_name(step->kind);
	cleanup_free char *what =
		xasprintf("%s %s", subject(step), step->name ? step->name : step->slot);
	printf("%-9s %-34s  %s\n", verb, what, step->reason);
}

static void print_plan(const struct plan *plan)
{
	if (!plan->steps.n)
		printf("nothing to do\n");
	vec_each(step, &plan->steps)
		print_step(step);
}

static int make(struct cli *cli, const struct goal *goal, struct plan *ret,
		struct observed *ret_observed, struct err *err)
{
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup(image_store_free_cleanup) struct image_store *images = NULL;
	int r = net_open(cli->paths.root, cli->paths.run, &net, err);
	if (r == 0)
		r = cli_image_store(cli, &images, err);
	if (r == 0)
		r = observe(&cli->paths, net, images, cli->project, cli->project_name, ret_observed,
			    err);
	if (r == 0)
		r = plan_make(cli->project, ret_observed, goal, ret, err);
	for (size_t i = 0; r == 0 && i < ret->warnings.n; i++)
		cli_warn(cli, "%s", ret->warnings.v[i]);
	return r;
}

int planview_run(struct cli *cli, const struct goal *goal, const char *format, struct err *err)
{
	cleanup_plan struct plan plan = { 0 };
	cleanup(observed_done) struct observed observed = { 0 };
	int r = make(cli, goal, &plan, &observed, err);
	if (r < 0)
		return r;
	if (!str_eq(format, "json")) {
		print_plan(&plan);
		return 0;
	}
	cleanup_json json_t *j = plan_to_json(&plan);
	cleanup_free char *text = json_text(j);
	printf("%s\n", text);
	return 0;
}

/* --- a dry run --- */

/* What is said when a step begins and when it is done. */
static const struct {
	const char *subject, *start, *done;
} words[STEP_MAX_] = {
	[STEP_NETWORK_CREATE] = { "Network", "Creating", "Created" },
	[STEP_NETWORK_REMOVE] = { "Network", "Removing", "Removed" },
	[STEP_VOLUME_CREATE] = { "Volume", "Creating", "Created" },
	[STEP_VOLUME_REMOVE] = { "Volume", "Removing", "Removed" },
	[STEP_CREATE] = { "Container", "Creating", "Created" },
	[STEP_START] = { "Container", "Starting", "Started" },
	[STEP_STOP] = { "Container", "Stopping", "Stopped" },
	[STEP_REMOVE] = { "Container", "Removing", "Removed" },
	[STEP_UPDATE] = { "Container", "Updating", "Updated" },
	[STEP_PROJECT_REMOVE] = { NULL, NULL, NULL },
};

static void tell(struct progress *progress, const struct goal *goal, const struct step *step)
{
	bool replaces = step->kind == STEP_CREATE && step->recreate;
	bool restarts = goal->kind == GOAL_RESTART;
	const char *start = replaces ? "Recreate" : words[step->kind].start;
	const char *done = replaces ? "Recreated" : words[step->kind].done;
	/* What goes for a replacement is part of that. */
	if (!start || (step->recreate && !replaces))
		return;
	cleanup_free char *subject =
		xasprintf("%s %s", words[step->kind].subject, step->name ? step->name : step->slot);
	cleanup_free char *why = replaces || step->kind == STEP_UPDATE
					 ? xasprintf("%s (%s)", start, step->reason)
					 : NULL;
	if (restarts && step->kind == STEP_STOP)
		progress_step(progress, subject, "start", "Restarting");
	else if (!restarts)
		progress_step(progress, subject, "start", why ? why : start);
	if (!restarts || step->kind != STEP_STOP)
		progress_step(progress, subject, "done", done);
}

static bool is_named(const struct goal *goal, const char *service)
{
	return goal->services.n == 0 || strv_has(&goal->services, service);
}

int planview_dry_run(struct cli *cli, const struct goal *goal, struct err *err)
{
	cleanup_plan struct plan plan = { 0 };
	cleanup(observed_done) struct observed observed = { 0 };
	bool ups = goal->kind == GOAL_UP || goal->kind == GOAL_CREATE || goal->kind == GOAL_RUN;
	int r = ups ? provider_up(cli, &goal->services, goal->no_deps, err) : 0;
	if (r == 0)
		r = make(cli, goal, &plan, &observed, err);
	if (r < 0)
		return r;
	struct progress *progress = progress_new(cli, 0);
	vec_each(step, &plan.steps)
		tell(progress, goal, step);
	vec_each(c, &observed.containers.items) {
		cleanup_free char *subject = xasprintf("Container %s", (*c)->name);
		if ((goal->kind == GOAL_UP || goal->kind == GOAL_SCALE) && !(*c)->oneoff &&
		    is_named(goal, (*c)->service) && container_is_up((*c)->state) &&
		    !progress_seen(progress, subject))
			progress_step(progress, subject, "done", "Running");
	}
	progress_done(progress);
	return 0;
}
