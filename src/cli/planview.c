/* Printing plans. */
#include "cli/planview.h"

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

int planview_run(struct cli *cli, const struct goal *goal, const char *format, struct err *err)
{
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup(image_store_free_cleanup) struct image_store *images = NULL;
	cleanup_plan struct plan plan = { 0 };
	cleanup(observed_done) struct observed observed = { 0 };
	int r = net_open(cli->paths.root, cli->paths.run, &net, err);
	if (r == 0)
		r = cli_image_store(cli, &images, err);
	if (r == 0)
		r = observe(&cli->paths, net, images, cli->project, cli->project_name, &observed,
			    err);
	if (r == 0)
		r = plan_make(cli->project, &observed, goal, &plan, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan.warnings.n; i++)
		cli_warn(cli, "%s", plan.warnings.v[i]);
	if (!str_eq(format, "json")) {
		print_plan(&plan);
		return 0;
	}
	cleanup_json json_t *j = plan_to_json(&plan);
	cleanup_free char *text = json_text(j);
	printf("%s\n", text);
	return 0;
}
