/* The planner's frame: the graph of services is made, the goal's own file makes the steps. */
#include "engine/plan-impl.h"

static int (*const planners[])(struct planner *p, struct err *err) = {
	[GOAL_UP] = plan__up,	      [GOAL_CREATE] = plan__up,	      [GOAL_START] = plan__start,
	[GOAL_STOP] = plan__stop_all, [GOAL_RESTART] = plan__restart, [GOAL_DOWN] = plan__down,
	[GOAL_RM] = plan__rm,	      [GOAL_SCALE] = plan__up,	      [GOAL_RUN] = plan__up,
};
_Static_assert(ARRAY_SIZE(planners) == GOAL_MAX_, "a goal without a planner");

static bool needs_project(enum goal_kind kind)
{
	return planners[kind] == plan__up;
}

static void index_names(struct map *map, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++)
		map_set(map, names->v[i], names->v[i]);
}

int plan_make(const struct project *project, const struct observed *observed,
	      const struct goal *goal, struct plan *ret, struct err *err)
{
	if (!project && needs_project(goal->kind))
		return err_input(err, "'%s' needs a Compose file", goal_name(goal->kind));
	cleanup_plan struct plan plan = { 0 };
	struct planner p = {
		.project = project, .observed = observed, .goal = goal, .plan = &plan
	};
	if (project)
		p.project_name = project->name;
	else if (observed->containers.items.n)
		p.project_name = observed->containers.items.v[0]->project;
	index_names(&p.networks, &observed->networks);
	index_names(&p.volumes, &observed->volumes);
	plan__graph_make(&p);
	int r = planners[goal->kind](&p, err);
	plan__graph_done(&p);
	map_done(&p.networks);
	map_done(&p.volumes);
	map_done(&p.used_networks);
	map_done(&p.network_steps);
	map_done(&p.volume_steps);
	map_done(&p.remade);
	if (r < 0)
		return r;
	*ret = plan;
	plan = (struct plan){ 0 };
	return 0;
}
