/* Networks and volumes of a plan that brings services up: what is missing is made, what differs is
 * made anew where everything that uses it is part of the plan. */
#include "engine/plan-impl.h"

static const char *difference_of(const struct planner *p, const char *network)
{
	const struct strv *differ = &p->observed->networks_differ;
	for (size_t i = 0; i < differ->n; i++) {
		const char *rest = str_after(differ->v[i], network);
		if (rest && str_starts(rest, ": "))
			return rest + 2;
	}
	return NULL;
}

/* A network can be made anew only when everything of ours on it is part of this plan. */
static const char *user_out_of_scope(const struct planner *p, const char *network)
{
	vec_each(e, &p->entries) {
		for (size_t i = 0; i < e->replicas.n + e->oneoffs.n; i++) {
			bool oneoff = i >= e->replicas.n;
			const struct container *c =
				oneoff ? e->oneoffs.v[i - e->replicas.n] : e->replicas.v[i];
			vec_each(n, &c->networks) {
				if (str_eq(n->network, network) && (oneoff || !e->selected))
					return c->name;
			}
		}
	}
	return NULL;
}

static int check_network(struct planner *p, const struct project_network *n, struct err *err)
{
	bool there = map_has(&p->networks, n->name);
	if (n->external && !there)
		return err_not_found(
			err,
			"network '%s' is declared as external, but there is none of that "
			"name (%s:%d)",
			n->name, n->place.file ? n->place.file : "compose file", n->place.line);
	const char *difference = there && !n->external ? difference_of(p, n->name) : NULL;
	if (!difference)
		return 0;
	const char *user = user_out_of_scope(p, n->name);
	if (p->goal->no_recreate || user)
		strv_addf(&p->plan->warnings,
			  "network '%s' differs from the Compose file (%s) and is left as it "
			  "is%s%s%s",
			  n->name, difference, user ? ": '" : "", user ? user : "",
			  user ? "' uses it" : "");
	else
		map_set(&p->remade, n->name, (void *)difference);
	return 0;
}

/* The project's networks that selected services are on, by key. */
static void find_used_networks(struct planner *p)
{
	vec_each(e, &p->entries) {
		if (!e->selected || !e->service)
			continue;
		vec_each(n, &e->service->networks)
			map_set(&p->used_networks, n->network, p);
	}
}

int plan__check_networks(struct planner *p, struct err *err)
{
	int r = 0;
	find_used_networks(p);
	vec_each(n, &p->project->networks) {
		if (r == 0 && map_has(&p->used_networks, n->key))
			r = check_network(p, n, err);
	}
	return r;
}

static void network_step(struct planner *p, const struct project_network *n)
{
	const char *difference = map_get(&p->remade, n->name);
	if (n->external || (map_has(&p->networks, n->name) && !difference) ||
	    !map_has(&p->used_networks, n->key))
		return;
	cleanup_free char *why = difference ? xasprintf("settings differ: %s", difference)
					    : xstrdup("not there yet");
	uint32_t gone = NO_STEP;
	if (difference) {
		gone = plan__step(p, STEP_NETWORK_REMOVE, why);
		p->plan->steps.v[gone].name = xstrdup(n->name);
		p->plan->steps.v[gone].key = xstrdup(n->key);
		vec_each(e, &p->entries) {
			vec_each(r, &e->plans) {
				if (r->remake)
					plan__after(p, gone, r->remove, WHEN_DONE);
			}
		}
	}
	uint32_t made = plan__step(p, STEP_NETWORK_CREATE, why);
	p->plan->steps.v[made].name = xstrdup(n->name);
	p->plan->steps.v[made].key = xstrdup(n->key);
	plan__after(p, made, gone, WHEN_DONE);
	map_set(&p->network_steps, n->key, (void *)(uintptr_t)(made + 1));
}

static bool on_bridge(const struct service *s)
{
	return str_eq(s->network_mode, "bridge") || str_eq(s->network_mode, "default");
}

/* What services with network_mode: bridge share. It is no key of the file; "" stands for it here.
 */
static void bridge_step(struct planner *p)
{
	bool used = false;
	vec_each(e, &p->entries)
		used |= e->selected && e->service && on_bridge(e->service);
	cleanup_free char *name = xasprintf("%s_bridge", p->project->name);
	if (!used || map_has(&p->networks, name))
		return;
	uint32_t made = plan__step(p, STEP_NETWORK_CREATE, "not there yet");
	p->plan->steps.v[made].name = ptr_take(name);
	map_set(&p->network_steps, "", (void *)(uintptr_t)(made + 1));
}

void plan__network_steps(struct planner *p)
{
	vec_each(n, &p->project->networks)
		network_step(p, n);
	bridge_step(p);
}

static int volume_step(struct planner *p, const char *key, struct err *err)
{
	const struct project_volume *v = project_volume(p->project, key);
	if (!v || map_has(&p->volume_steps, key) || map_has(&p->volumes, v->name))
		return 0;
	if (v->external)
		return err_not_found(
			err,
			"volume '%s' is declared as external, but there is none of that "
			"name (%s:%d)",
			v->name, v->place.file ? v->place.file : "compose file", v->place.line);
	uint32_t step = plan__step(p, STEP_VOLUME_CREATE, "not there yet");
	p->plan->steps.v[step].name = xstrdup(v->name);
	p->plan->steps.v[step].key = xstrdup(v->key);
	map_set(&p->volume_steps, key, (void *)(uintptr_t)(step + 1));
	return 0;
}

int plan__volume_steps(struct planner *p, struct err *err)
{
	int r = 0;
	for (size_t i = 0; i < p->order.n; i++) {
		struct plan_entry *e = plan__entry(p, p->order.v[i]);
		if (!e->selected || !e->service)
			continue;
		vec_each(m, &e->service->mounts) {
			if (r == 0 && m->kind == MOUNT_KIND_VOLUME && m->source)
				r = volume_step(p, m->source, err);
		}
	}
	return r;
}

static void after_key(struct planner *p, uint32_t step, const struct map *steps, const char *key)
{
	uintptr_t at = (uintptr_t)map_get(steps, key);
	if (at)
		plan__after(p, step, (uint32_t)(at - 1), WHEN_DONE);
}

void plan__after_networks_and_volumes(struct planner *p, const struct plan_entry *e, uint32_t step)
{
	if (on_bridge(e->service))
		after_key(p, step, &p->network_steps, "");
	vec_each(n, &e->service->networks)
		after_key(p, step, &p->network_steps, n->network);
	vec_each(m, &e->service->mounts) {
		if (m->kind == MOUNT_KIND_VOLUME && m->source)
			after_key(p, step, &p->volume_steps, m->source);
	}
}
