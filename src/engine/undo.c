/* After a job that failed or was cancelled: what it made and could not bring to run goes again, so
 * that nothing half-made is left behind. What ran, if only for a moment, stays with its log; so
 * does what was there before. */
#include "engine/executor.h"
#include "volume/volume.h"

static void told(struct supervisor *s, const char *what, const struct err *err)
{
	event_warning(s, "%s was made in vain and cannot be removed: %s", what, err->msg);
}

/* Everything was there but the program: what is wrong is in the image or the Compose file, and the
 * container stays to be looked at, as with Docker. */
static bool lacks_program(const struct container *c)
{
	return c->start_time && (c->exit_code == 126 || c->exit_code == 127);
}

/* Made by this job, and nothing of it has ever run. */
static bool is_half_made(const struct life *life)
{
	const struct container *c = life->c;
	return !life->gone && c->started == 0 && !container_is_up(c->state) &&
	       c->state != CONTAINER_BACKOFF && !lacks_program(c);
}

static const struct life *other_in_slot(struct supervisor *s, const struct life *life)
{
	map_each(e, &s->lives) {
		const struct life *other = e->value;
		if (other != life && str_eq(other->c->slot, life->c->slot))
			return other;
	}
	return NULL;
}

/* One that was to replace another: the other one runs on in its slot, or the slot is all that is
 * left of it, with its log and its volumes. */
static bool is_needed(struct supervisor *s, const struct step *step, const struct life *life)
{
	return step->recreate && !other_in_slot(s, life);
}

/* Its volumes were renewed for one that does not come. */
static void give_back_volumes(struct supervisor *s, const struct step *step,
			      const struct life *other)
{
	struct slot slot = { 0 };
	cleanup_err struct err err = ERR_INIT;
	if (!other)
		return;
	if (slot_open(&s->paths, s->name, step->slot, step->service, step->number, &slot, &err) < 0)
		told(s, step->slot, &err);
	else
		anonymous_give_back(s, &slot, other->c);
	slot_done(&slot);
}

static void undo_containers(struct job *job)
{
	for (size_t i = 0; i < job->plan.steps.n; i++) {
		const struct step *step = &job->plan.steps.v[i];
		struct life *life = job->steps[i].life;
		cleanup_err struct err err = ERR_INIT;
		if (step->kind != STEP_CREATE || !life || !is_half_made(life) ||
		    is_needed(job->s, step, life))
			continue;
		cleanup_free char *what = xasprintf("container '%s'", life->c->name);
		const struct life *other = step->recreate ? other_in_slot(job->s, life) : NULL;
		if (steps__destroy(life, step->recreate, !step->recreate, NULL, &err) < 0)
			told(job->s, what, &err);
		give_back_volumes(job->s, step, other);
	}
}

static bool network_is_used(struct supervisor *s, const char *name)
{
	map_each(e, &s->lives) {
		vec_each(n, &((struct life *)e->value)->c->networks) {
			if (str_eq(n->network, name))
				return true;
		}
	}
	return false;
}

static bool volume_is_used(struct supervisor *s, const char *name)
{
	map_each(e, &s->lives) {
		vec_each(v, &((struct life *)e->value)->c->volumes) {
			if (str_eq(v->name, name))
				return true;
		}
	}
	return false;
}

static void undo_networks_and_volumes(struct job *job)
{
	struct supervisor *s = job->s;
	for (size_t i = 0; i < job->plan.steps.n; i++) {
		const struct step *step = &job->plan.steps.v[i];
		cleanup_err struct err err = ERR_INIT;
		int r = 0;
		if (!job->steps[i].made)
			continue;
		if (step->kind == STEP_NETWORK_CREATE && !network_is_used(s, step->name))
			r = net_network_remove(s->net, step->name, &err);
		else if (step->kind == STEP_VOLUME_CREATE && !volume_is_used(s, step->name))
			r = volume_remove(s->paths.root, step->name, &err);
		if (r < 0)
			told(s, step->name, &err);
	}
}

void undo_half_made(struct job *job)
{
	struct supervisor *s = job->s;
	enum goal_kind kind = job->goal.kind;
	cleanup_err struct err err = ERR_INIT;
	/* What `create` made is whole: it was not asked to run. */
	if (job->err.no == 0 || !job->steps ||
	    (kind != GOAL_UP && kind != GOAL_RUN && kind != GOAL_SCALE))
		return;
	undo_containers(job);
	if (supervisor_sweep(s, NULL, &err) < 0)
		told(s, "an address or an interface", &err);
	undo_networks_and_volumes(job);
	err_done(&err);
	if (s->lives.live == 0 && state_project_remove(&s->paths, s->name, &err) < 0)
		told(s, "the project's directory", &err);
}
