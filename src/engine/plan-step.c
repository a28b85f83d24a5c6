/* Steps of a plan, and what they wait for. */
#include "engine/plan-impl.h"

uint32_t plan__step(struct planner *p, enum step_kind kind, const char *reason)
{
	struct step *step = vec_add(&p->plan->steps);
	step->kind = kind;
	step->reason = xstrdup(reason);
	step->timeout = p->goal->has_timeout ? p->goal->timeout : -1;
	return (uint32_t)(p->plan->steps.n - 1);
}

uint32_t plan__container_step(struct planner *p, enum step_kind kind, const struct container *c,
			      const char *reason)
{
	uint32_t index = plan__step(p, kind, reason);
	struct step *step = &p->plan->steps.v[index];
	step->service = xstrdup(c->service);
	step->slot = xstrdup(c->slot);
	step->number = c->number;
	step->container = xstrdup(c->id);
	step->name = xstrdup(c->name);
	return index;
}

void plan__after(struct planner *p, uint32_t step, uint32_t on, enum step_when when)
{
	if (on != NO_STEP)
		vec_push(&p->plan->steps.v[step].deps,
			 (struct step_dep){ .step = on, .when = when });
}

uint32_t plan__stop(struct planner *p, struct plan_entry *e, const struct container *c,
		    const char *reason)
{
	if (!container_is_up(c->state) && c->state != CONTAINER_BACKOFF)
		return NO_STEP;
	uint32_t step = plan__container_step(p, STEP_STOP, c, reason);
	vec_each(d, &e->dependents) {
		struct plan_entry *dependent = plan__entry(p, *d);
		vec_each(stop, &dependent->stops)
			plan__after(p, step, *stop, WHEN_OVER);
	}
	vec_push(&e->stops, step);
	return step;
}

void plan__wait_for_dependencies(struct planner *p, struct plan_entry *e, uint32_t step)
{
	static const enum step_when whens[] = {
		[DEPENDS_STARTED] = WHEN_DONE,
		[DEPENDS_HEALTHY] = WHEN_HEALTHY,
		[DEPENDS_COMPLETED] = WHEN_COMPLETED,
	};
	vec_each(edge, &e->edges) {
		struct plan_entry *to = plan__entry(p, edge->to);
		vec_each(start, &to->starts)
			plan__after(p, step, *start,
				    edge->required ? whens[edge->condition] : WHEN_OVER);
	}
}
