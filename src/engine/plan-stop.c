/* Plans for what exists: start, stop, restart, down, rm. */
#include "engine/plan-impl.h"

static const char *state_reason(const struct container *c, char buf[64])
{
	if (c->state == CONTAINER_EXITED)
		snprintf(buf, 64, "exited (%d)", c->exit_code);
	else
		snprintf(buf, 64, "%s", container_state_name(c->state));
	return buf;
}

/* Leaves the containers that the goal names: those of `run` are among them when they are named. */
static void keep_chosen(struct planner *p)
{
	vec_each(e, &p->entries) {
		size_t kept = 0;
		vec_each(c, &e->replicas)
			if (strv_has(&p->goal->containers, (*c)->id))
				e->replicas.v[kept++] = *c;
		e->replicas.n = kept;
		vec_each(c, &e->oneoffs)
			if (strv_has(&p->goal->containers, (*c)->id))
				vec_push(&e->replicas, *c);
		e->selected = e->replicas.n > 0;
	}
}

static int prepare(struct planner *p, bool deps, struct err *err)
{
	int r = plan__select(p, deps, true, err);
	if (r == 0 && p->goal->containers.n)
		keep_chosen(p);
	return r < 0 ? r : plan__sort(p, false, err);
}

/* The entries that are selected, dependencies first (or, backwards, dependents first). */
static struct plan_entry *ordered(struct planner *p, size_t i, bool backwards)
{
	struct plan_entry *e = plan__entry(p, p->order.v[backwards ? p->order.n - 1 - i : i]);
	return e->selected ? e : NULL;
}

int plan__start(struct planner *p, struct err *err)
{
	int r = prepare(p, !p->goal->no_deps, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->order.n; i++) {
		struct plan_entry *e = ordered(p, i, false);
		if (!e || plan__is_orphan(p, e))
			continue;
		if (e->named && !e->replicas.n)
			return err_not_found(err, "service '%s' has no container to start",
					     e->name);
		vec_each(c, &e->replicas) {
			char why[64];
			if (container_is_up((*c)->state) && (*c)->state != CONTAINER_STOPPING &&
			    (*c)->health_state != HEALTH_STARTING)
				continue;
			bool running = container_is_up((*c)->state);
			if (running && !e->dependents.n)
				continue; /* nobody waits for its health */
			uint32_t step = plan__container_step(p, STEP_START, *c,
							     running ? "waiting until it is healthy"
								     : state_reason(*c, why));
			plan__wait_for_dependencies(p, e, step);
			vec_push(&e->starts, step);
		}
	}
	return 0;
}

int plan__stop_all(struct planner *p, struct err *err)
{
	int r = prepare(p, false, err);
	for (size_t i = 0; i < p->order.n && r == 0; i++) {
		struct plan_entry *e = ordered(p, i, true);
		if (!e)
			continue;
		vec_each(c, &e->replicas)
			plan__stop(p, e, *c, "asked to stop");
	}
	return r;
}

/* Dependents that said restart: true go along, and theirs. */
static void select_restarting_dependents(struct planner *p)
{
	for (size_t i = 0; i < p->order.n; i++) {
		struct plan_entry *e = plan__entry(p, p->order.v[i]);
		vec_each(edge, &e->edges)
			e->selected |= edge->restart && plan__entry(p, edge->to)->selected;
	}
}

int plan__restart(struct planner *p, struct err *err)
{
	int r = prepare(p, false, err);
	if (r < 0)
		return r;
	if (!p->goal->no_deps)
		select_restarting_dependents(p);
	for (size_t i = 0; i < p->order.n; i++) {
		struct plan_entry *e = ordered(p, i, true);
		if (!e)
			continue;
		vec_each(c, &e->replicas) {
			struct plan_replica *replica = vec_add(&e->plans);
			replica->have = *c;
			replica->stop = plan__stop(p, e, *c, "asked to restart");
		}
	}
	for (size_t i = 0; i < p->order.n; i++) {
		struct plan_entry *e = ordered(p, i, false);
		if (!e)
			continue;
		vec_each(replica, &e->plans) {
			uint32_t step = plan__container_step(p, STEP_START, replica->have,
							     "asked to restart");
			plan__after(p, step, replica->stop, WHEN_DONE);
			/* As `docker compose restart`: in order, without waiting for health. */
			vec_each(edge, &e->edges) {
				vec_each(start, &plan__entry(p, edge->to)->starts)
					plan__after(p, step, *start, WHEN_DONE);
			}
			vec_push(&e->starts, step);
		}
	}
	return 0;
}

/* --- removal --- */

static uint32_t remove_after_stop(struct planner *p, struct plan_entry *e,
				  const struct container *c, const char *reason)
{
	uint32_t stop = plan__stop(p, e, c, reason);
	uint32_t step = plan__container_step(p, STEP_REMOVE, c, reason);
	p->plan->steps.v[step].volumes = p->goal->volumes || c->auto_remove;
	plan__after(p, step, stop, WHEN_DONE);
	return step;
}

int plan__rm(struct planner *p, struct err *err)
{
	int r = prepare(p, false, err);
	for (size_t i = 0; i < p->order.n && r == 0; i++) {
		struct plan_entry *e = ordered(p, i, true);
		if (!e)
			continue;
		vec_each(c, &e->replicas) {
			bool up = container_is_up((*c)->state) || (*c)->state == CONTAINER_BACKOFF;
			if (!up || p->goal->stop_first)
				remove_after_stop(p, e, *c, "asked to remove");
		}
	}
	return r;
}

/* What uses a network or volume, by real name: REMOVE steps to wait for. */
struct users {
	VEC(uint32_t) steps;
};
static void users_free(void *value)
{
	struct users *users = value;
	vec_done(&users->steps);
	free(users);
}

static void add_user(struct map *users, const char *name, uint32_t step)
{
	struct users *u = map_get(users, name);
	if (!u) {
		u = new0(struct users);
		map_set(users, name, u);
	}
	vec_push(&u->steps, step);
}

static void after_users(struct planner *p, uint32_t step, const struct map *users, const char *name)
{
	const struct users *u = map_get(users, name);
	for (size_t i = 0; u && i < u->steps.n; i++)
		plan__after(p, step, u->steps.v[i], WHEN_DONE);
}

struct down {
	struct map networks, volumes; /* struct users */
	struct map kept;	      /* networks and volumes of containers that stay */
	size_t remaining;	      /* containers that stay */
};

static void down_container(struct planner *p, struct down *down, struct plan_entry *e,
			   const struct container *c)
{
	uint32_t step = remove_after_stop(p, e, c, "asked to take it down");
	vec_each(n, &c->networks)
		add_user(&down->networks, n->network, step);
	vec_each(v, &c->volumes) {
		if (v->name)
			add_user(&down->volumes, v->name, step);
	}
}

static void down_keeps(struct down *down, const struct plan_entry *e)
{
	vec_each(c, &e->replicas) {
		vec_each(n, &(*c)->networks)
			map_set(&down->kept, n->network, down);
		vec_each(v, &(*c)->volumes) {
			if (v->name)
				map_set(&down->kept, v->name, down);
		}
	}
	down->remaining += e->replicas.n + e->oneoffs.n;
}

static void down_network(struct planner *p, struct down *down, const char *name, const char *key,
			 struct map *done)
{
	/* After a reboot, or a crash half-way, its bridge is gone and its record is there. */
	bool there = map_has(&p->networks, name) || strv_has(&p->observed->own_networks, name);
	if (!there || map_has(done, name))
		return;
	map_set(done, name, done);
	if (map_has(&down->kept, name)) {
		strv_addf(&p->plan->warnings, "network '%s' is still in use", name);
		return;
	}
	uint32_t step = plan__step(p, STEP_NETWORK_REMOVE, "asked to take it down");
	p->plan->steps.v[step].name = xstrdup(name);
	p->plan->steps.v[step].key = xstrdup(key);
	after_users(p, step, &down->networks, name);
}

static void down_volume(struct planner *p, struct down *down, const char *name, const char *key,
			struct map *done)
{
	if (!map_has(&p->volumes, name) || map_has(done, name))
		return;
	map_set(done, name, done);
	if (map_has(&down->kept, name)) {
		strv_addf(&p->plan->warnings, "volume '%s' is still in use", name);
		return;
	}
	uint32_t step = plan__step(p, STEP_VOLUME_REMOVE, "asked to remove volumes");
	p->plan->steps.v[step].name = xstrdup(name);
	p->plan->steps.v[step].key = xstrdup(key);
	after_users(p, step, &down->volumes, name);
}

static void down_rest(struct planner *p, struct down *down)
{
	struct map networks = MAP_INIT, volumes = MAP_INIT;
	const struct observed *o = p->observed;
	if (p->project) {
		vec_each(n, &p->project->networks) {
			if (!n->external)
				down_network(p, down, n->name, n->key, &networks);
			else
				map_set(&networks, n->name, p);
		}
		vec_each(v, &p->project->volumes) {
			if (p->goal->volumes && !v->external)
				down_volume(p, down, v->name, v->key, &volumes);
			else
				map_set(&volumes, v->name, p);
		}
	}
	for (size_t i = 0; i < o->own_networks.n; i++)
		down_network(p, down, o->own_networks.v[i], NULL, &networks);
	for (size_t i = 0; p->goal->volumes && i < o->own_volumes.n; i++)
		down_volume(p, down, o->own_volumes.v[i], NULL, &volumes);
	for (size_t i = 0; p->goal->volumes && i < o->anonymous_volumes.n; i++)
		down_volume(p, down, o->anonymous_volumes.v[i], NULL, &volumes);
	map_done(&networks);
	map_done(&volumes);
}

/* With services named: the project's volumes that only they had. */
static void down_volumes_of(struct planner *p, struct down *down, const struct plan_entry *e)
{
	struct map done = MAP_INIT;
	vec_each(c, &e->replicas)
		vec_each(v, &(*c)->volumes)
			if (v->name && strv_has(&p->observed->own_volumes, v->name) &&
			    !map_has(&down->kept, v->name))
				down_volume(p, down, v->name, NULL, &done);
	map_done(&done);
}

/* Last of all, when nothing stays and all has gone well. */
static void down_project(struct planner *p)
{
	uint32_t last = (uint32_t)p->plan->steps.n;
	uint32_t step = plan__step(p, STEP_PROJECT_REMOVE, "asked to take it down");
	p->plan->steps.v[step].name = xstrdup(p->project_name);
	for (uint32_t i = 0; i < last; i++)
		plan__after(p, step, i, WHEN_DONE);
}

int plan__down(struct planner *p, struct err *err)
{
	int r = prepare(p, false, err);
	if (r < 0)
		return r;
	bool all = p->goal->services.n == 0;
	struct down down = { .networks = MAP_INIT_FREE(users_free),
			     .volumes = MAP_INIT_FREE(users_free) };
	for (size_t i = 0; i < p->order.n; i++) {
		struct plan_entry *e = plan__entry(p, p->order.v[p->order.n - 1 - i]);
		bool orphan = plan__is_orphan(p, e) && !p->goal->remove_orphans && !e->named;
		if (!e->selected || orphan) {
			down_keeps(&down, e);
			continue;
		}
		vec_each(c, &e->oneoffs)
			down_container(p, &down, e, *c);
		vec_each(c, &e->replicas)
			down_container(p, &down, e, *c);
	}
	if (all)
		down_rest(p, &down);
	for (size_t i = 0; !all && p->goal->volumes && i < p->order.n; i++) {
		struct plan_entry *e = plan__entry(p, p->order.v[i]);
		if (e->selected)
			down_volumes_of(p, &down, e);
	}
	if (all && down.remaining == 0)
		down_project(p);
	map_done(&down.networks);
	map_done(&down.volumes);
	map_done(&down.kept);
	return 0;
}
