/* Plans as data: names, JSON, release. */
#include "engine/plan.h"

static const char *const step_names[] = {
	[STEP_NETWORK_CREATE] = "network-create",
	[STEP_NETWORK_REMOVE] = "network-remove",
	[STEP_VOLUME_CREATE] = "volume-create",
	[STEP_VOLUME_REMOVE] = "volume-remove",
	[STEP_CREATE] = "create",
	[STEP_START] = "start",
	[STEP_STOP] = "stop",
	[STEP_REMOVE] = "remove",
	[STEP_UPDATE] = "update",
	[STEP_PROJECT_REMOVE] = "project-remove",
};
_Static_assert(ARRAY_SIZE(step_names) == STEP_MAX_, "a step without a name");

const char *step_name(enum step_kind kind)
{
	return step_names[kind];
}

const char *step_when_name(enum step_when when)
{
	static const char *const names[] = {
		[WHEN_DONE] = "done",
		[WHEN_HEALTHY] = "healthy",
		[WHEN_COMPLETED] = "completed",
		[WHEN_OVER] = "over",
	};
	return names[when];
}

void observed_done(struct observed *o)
{
	containers_done(&o->containers);
	strv_done(&o->networks);
	strv_done(&o->networks_differ);
	strv_done(&o->volumes);
	strv_done(&o->own_networks);
	strv_done(&o->own_volumes);
	strv_done(&o->anonymous_volumes);
	strv_done(&o->damaged);
	strv_done(&o->damaged_volumes);
	vec_each(image, &o->images) {
		free(image->service);
		free(image->image_id);
	}
	vec_done(&o->images);
	vec_each(image, &o->mounted) {
		free(image->source);
		free(image->image_id);
	}
	vec_done(&o->mounted);
}

bool observed_mounted(const struct observed *o, const char *source, const char **ret_id)
{
	vec_each(image, &o->mounted) {
		if (str_eq(image->source, source)) {
			*ret_id = image->image_id;
			return true;
		}
	}
	return false;
}

void plan_done(struct plan *plan)
{
	vec_each(step, &plan->steps) {
		free(step->service);
		free(step->slot);
		free(step->container);
		free(step->name);
		free(step->key);
		free(step->reason);
		vec_done(&step->deps);
	}
	vec_done(&plan->steps);
	strv_done(&plan->warnings);
}

static json_t *step_to_json(const struct step *step)
{
	json_t *j = json_object();
	json_put_str(j, "step", step_name(step->kind));
	json_put_str(j, "name", step->name);
	json_put_str(j, "reason", step->reason);
	json_put_str(j, "service", step->service);
	json_put_str(j, "slot", step->slot);
	json_put_str(j, "container", step->container);
	json_put_str(j, "key", step->key);
	if (step->recreate)
		json_put(j, "recreate", json_true());
	json_t *after = json_array();
	vec_each(dep, &step->deps) {
		json_t *d = json_object();
		json_put(d, "step", json_integer(dep->step));
		json_put_str(d, "when", step_when_name(dep->when));
		json_array_append_new(after, d);
	}
	json_put(j, "after", after);
	return j;
}

json_t *plan_to_json(const struct plan *plan)
{
	json_t *j = json_object(), *steps = json_array();
	vec_each(step, &plan->steps)
		json_array_append_new(steps, step_to_json(step));
	json_put(j, "steps", steps);
	json_put(j, "warnings", json_from_strv(&plan->warnings));
	return j;
}
