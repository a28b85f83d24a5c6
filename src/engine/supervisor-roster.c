/* What a supervisor looks after: the project, its containers, those that have gone; and whether
 * anything of it is left. */
#include "engine/removal.h"
#include "engine/supervisor.h"

#include "base/log.h"
#include "engine/client.h"

#include <malloc.h>

struct life *supervisor_life(const struct supervisor *s, const char *id)
{
	return map_get(&s->lives, id);
}

/* The newest in the slot: while one replaces the other there are two. */
struct life *supervisor_life_by_slot(const struct supervisor *s, const char *slot)
{
	struct life *found = NULL;
	map_each(e, &s->lives) {
		struct life *life = e->value;
		if (str_eq(life->c->slot, slot) && !life->gone &&
		    (!found || life->c->created >= found->c->created))
			found = life;
	}
	return found;
}

struct life *supervisor_life_by_mode(const struct supervisor *s, const char *mode)
{
	const char *service = str_after(mode, "service:");
	const char *name = str_after(mode, "container:");
	struct life *found = NULL;
	map_each(e, &s->lives) {
		struct life *life = e->value;
		if (!life_runs(life))
			continue;
		bool is = service ? str_eq(life->c->service, service) && !life->c->oneoff
				  : str_eq(life->c->name, name) || str_eq(life->c->id, name);
		if (is && (!found || life->c->number < found->c->number))
			found = life;
	}
	return found;
}

void supervisor_add(struct supervisor *s, struct life *life)
{
	map_set(&s->lives, life->c->id, life);
}

struct project *supervisor_project(struct supervisor *s, struct err *err)
{
	if (!s->project && state_project_load(&s->paths, s->name, &s->project, err) < 0)
		return NULL;
	return s->project;
}

void supervisor_forget_project(struct supervisor *s)
{
	project_free(s->project);
	s->project = NULL;
	(void)malloc_trim(0); /* it was most of what was in use */
}

int supervisor_sweep(struct supervisor *s, const char *leaving, struct err *err)
{
	cleanup_strv struct strv keep = { 0 };
	if (!s->sweep_due)
		return 0;
	s->sweep_due = false;
	map_each(e, &s->lives) {
		const struct container *c = ((struct life *)e->value)->c;
		strv_addf(&keep, "%s/%s", s->name, c->slot);
		strv_addf(&keep, "%s/%s", s->name, c->service);
	}
	return net_sweep(s->net, s->name, &keep, leaving, err);
}

void supervisor_remember_end(struct supervisor *s, const struct container *c)
{
	struct ended *ended = &s->ended[s->ended_count++ % ARRAY_SIZE(s->ended)];
	snprintf(ended->id, sizeof(ended->id), "%s", c->id);
	ended->exit_code = c->exit_code;
}

const struct ended *supervisor_ended(const struct supervisor *s, const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->ended); i++)
		if (strcmp(s->ended[i].id, id) == 0)
			return &s->ended[i];
	return NULL;
}

void supervisor_spec(struct supervisor *s, const struct container *c, struct spec *ret)
{
	cleanup_err struct err ignored = ERR_INIT;
	if (state_spec_load(&s->paths, c, ret, &ignored) == 0)
		return;
	*ret = (struct spec){ .project = xstrdup(s->name) };
	snprintf(ret->id, sizeof(ret->id), "%s", c->id);
}

bool supervisor_is_idle(const struct supervisor *s)
{
	if (s->jobs.n > 0 || s->conns.n > 0 || removal_pending(s))
		return false;
	map_each(e, &s->lives) {
		const struct life *life = e->value;
		if (container_is_up(life->c->state) || life->c->state == CONTAINER_BACKOFF)
			return false;
	}
	return true;
}

void supervisor_idle_check(struct supervisor *s)
{
	if (!supervisor_is_idle(s))
		return;
	/* Nothing is there to come back to: a `down` is not to leave a process behind for a second.
	 */
	timer_again(s->linger, s->lives.live > 0 ? SUPERVISOR_LINGER : 0);
}

void supervisor_upgrade(struct supervisor *s)
{
	loop_stop(s->loop, SUPERVISOR_UPGRADE);
}
