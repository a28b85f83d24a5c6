/* Plans that bring services up: first the fate of every container is decided, dependencies first,
 * since one's recreation can decide another's; then the steps are made in an order that could be
 * run as it stands: what has to go before a network is remade, networks, volumes, creations, stops
 * (dependents first), starts (dependencies first). */
#include "engine/plan-impl.h"
#include "engine/service-name.h"

/* --- checks --- */

static int check_dependencies(struct planner *p, const struct plan_entry *e, struct err *err)
{
	vec_each(d, &e->service->depends_on) {
		const struct plan_entry *to = plan__find(p, d->service);
		const char *file = d->place.file ? d->place.file : "compose file";
		if (!d->required || (to && to->service && (!to->disabled || to->selected)))
			continue;
		if (to && to->service)
			return err_input(
				err,
				"%s:%d: service '%s' depends on '%s', which no active profile "
				"has; activate one of its profiles, or say required: false",
				file, d->place.line, e->name, d->service);
		return err_input(err, "%s:%d: service '%s' depends on '%s', which is not there",
				 file, d->place.line, e->name, d->service);
	}
	return 0;
}

/* Names every image that is missing, not only the first. */
static int check_images(struct planner *p, struct err *err)
{
	cleanup_str struct str missing = STR_INIT;
	size_t n = 0;
	vec_each(e, &p->entries) {
		bool creates = false;
		vec_each(r, &e->plans)
			creates |= !r->have || r->fate == FATE_RECREATE;
		if (!creates)
			continue;
		cleanup_free char *name = service_image_name(p->project, e->service);
		if (!e->image_id)
			str_addf(&missing, "%s'%s' of service '%s'", n++ ? ", " : "", name,
				 e->name);
		vec_each(mount, &e->service->mounts) {
			const char *id = NULL;
			if (mount->kind == MOUNT_KIND_IMAGE && mount->source &&
			    !(observed_mounted(p->observed, mount->source, &id) && id))
				str_addf(&missing, "%s'%s' that service '%s' mounts",
					 n++ ? ", " : "", mount->source, e->name);
		}
	}
	if (n == 0)
		return 0;
	return err_not_found(err, "image%s not in the store: %s", n > 1 ? "s" : "",
			     str_text(&missing));
}

/* --- fates --- */

static uint32_t wanted_replicas(const struct planner *p, const struct plan_entry *e)
{
	if (e->service->provider) /* somebody else's: it has no containers */
		return 0;
	vec_each(scale, &p->goal->scale) {
		if (str_eq(scale->service, e->name))
			return scale->replicas;
	}
	return e->service->scale;
}

/* The image as people know it: "sha256:0123456789ab" is enough of an id. */
enum { SHORT_ID = sizeof("sha256:") - 1 + 12 };

static char *image_reason(const struct container *c, const char *image_id)
{
	return xasprintf("image '%s' is now %.*s", c->image ? c->image : "?", SHORT_ID, image_id);
}

/* An image that it has mounted, and that is another one now. */
static char *mounted_reason(const struct planner *p, const struct container *c)
{
	vec_each(v, &c->volumes) {
		const char *id = NULL;
		if (v->image_id && observed_mounted(p->observed, v->source, &id) && id &&
		    !str_eq(id, v->image_id))
			return xasprintf("image '%s', mounted on '%s', is now %.*s", v->source,
					 v->target, SHORT_ID, id);
	}
	return NULL;
}

static const char *remade_network(const struct planner *p, const struct container *c)
{
	vec_each(n, &c->networks) {
		if (map_has(&p->remade, n->network))
			return n->network;
	}
	return NULL;
}

/* A dependency whose replacement takes away what this container holds of it. */
static char *dependency_recreates(struct planner *p, const struct plan_entry *e)
{
	vec_each(edge, &e->edges) {
		const struct plan_entry *to = plan__entry(p, edge->to);
		if (edge->kind == EDGE_VOLUMES && to->recreated)
			return xasprintf("takes volumes from '%s', which is recreated", to->name);
	}
	return NULL;
}

static char *dependency_restarts(struct planner *p, const struct plan_entry *e)
{
	vec_each(edge, &e->edges) {
		const struct plan_entry *to = plan__entry(p, edge->to);
		if (edge->restart && (to->recreated || to->restarted))
			return xasprintf("depends on '%s' with restart: true", to->name);
		if (edge->kind == EDGE_NAMESPACE && (to->recreated || to->restarted || to->started))
			return xasprintf("shares a namespace of '%s', which starts anew", to->name);
	}
	return NULL;
}

/* Why it has to be replaced, or NULL; and what can be updated in place. */
static char *recreate_reason(struct planner *p, struct plan_entry *e, const struct container *c,
			     const json_t *config, char **ret_update)
{
	const struct goal *goal = p->goal;
	if (goal->no_recreate)
		return NULL;
	if (goal->force_recreate && (e->named || goal->services.n == 0))
		return xstrdup("asked to recreate");
	if (goal->always_recreate_deps && !e->named && goal->services.n)
		return xstrdup("asked to recreate dependencies");

	struct plan_difference d;
	reason__compare(c->config, config, e->service, &d);
	if (!d.fixed && e->image_id && c->image_id && !str_eq(e->image_id, c->image_id))
		d.fixed = image_reason(c, e->image_id);
	if (!d.fixed)
		d.fixed = mounted_reason(p, c);
	const char *network = remade_network(p, c);
	if (!d.fixed && network)
		d.fixed = xasprintf("network '%s' is made anew", network);
	if (!d.fixed)
		d.fixed = dependency_recreates(p, e);
	/* Nothing to compare with: a record of another version. */
	if (!d.fixed && (!c->config || !json_object_get(config, "service")) &&
	    !str_empty(e->service->config_hash) && !str_eq(c->config_hash, e->service->config_hash))
		d.fixed = xstrdup("configuration changed");
	*ret_update = d.live;
	return d.fixed;
}

static void decide(struct planner *p, struct plan_entry *e, struct plan_replica *r,
		   const json_t *config)
{
	const struct container *c = r->have;
	bool up = container_is_up(c->state);
	r->reason = recreate_reason(p, e, c, config, &r->update_reason);
	if (r->reason) {
		r->fate = FATE_RECREATE;
		r->remake = remade_network(p, c) != NULL;
		e->recreated = true;
		return;
	}
	if (up && c->state != CONTAINER_STOPPING) {
		r->reason = dependency_restarts(p, e);
		r->fate = r->reason ? FATE_RESTART : FATE_KEEP;
		e->restarted |= r->reason != NULL;
	} else if (c->state == CONTAINER_BACKOFF) {
		r->fate = FATE_KEEP; /* its restart policy is at work */
	} else if (up) {
		r->fate = FATE_RESTART;
		r->reason = xstrdup("is stopping");
		e->restarted = true;
	} else {
		r->fate = FATE_START;
		r->reason = c->state == CONTAINER_EXITED
				    ? xasprintf("exited (%d)", c->exit_code)
				    : xasprintf("%s, not running", container_state_name(c->state));
		e->started = true;
	}
}

static struct plan_replica *add_plan(struct plan_entry *e, uint32_t number,
				     const struct container *have)
{
	struct plan_replica *r = vec_add(&e->plans);
	r->number = number;
	r->have = have;
	r->create = r->stop = r->remove = r->start = r->update = NO_STEP;
	return r;
}

static void add_removal(struct plan_entry *e, const struct container *c, char *reason)
{
	struct plan_replica *r = add_plan(e, c->number, c);
	r->fate = FATE_REMOVE;
	r->reason = reason;
}

/* The lowest `want` numbers that exist stay, the rest goes; of two in one slot (a recreation that
 * was cut off) the newer stays. Missing ones fill the gaps from below. */
static void decide_replicas(struct planner *p, struct plan_entry *e, uint32_t want)
{
	cleanup_json json_t *config = service_config(p->project, e->service);
	uint32_t kept = 0;
	for (size_t i = 0; i < e->replicas.n; i++) {
		const struct container *c = e->replicas.v[i];
		while (i + 1 < e->replicas.n && e->replicas.v[i + 1]->number == c->number) {
			const struct container *other = e->replicas.v[++i];
			bool newer = other->created > c->created;
			add_removal(e, newer ? c : other, xstrdup("left over from a replacement"));
			c = newer ? other : c;
		}
		if (kept < want) {
			kept++;
			decide(p, e, add_plan(e, c->number, c), config);
		} else {
			add_removal(e, c, xasprintf("scale is %u", want));
		}
	}
	/* Existing ones are sorted by number, so one walk finds the gaps. */
	size_t at = 0;
	for (uint32_t number = 1; kept < want; number++) {
		while (at < e->replicas.n && e->replicas.v[at]->number < number)
			at++;
		if (at < e->replicas.n && e->replicas.v[at]->number == number)
			continue;
		add_plan(e, number, NULL)->reason = xstrdup("not there yet");
		e->started = true;
		kept++;
	}
}

/* --- steps --- */

/* Whose namespaces or volumes are shared has to have a record by then. */
static void after_shared(struct planner *p, const struct plan_entry *e, uint32_t step)
{
	vec_each(edge, &e->edges) {
		if (edge->kind == EDGE_DEPENDS)
			continue;
		vec_each(r, &plan__entry(p, edge->to)->plans)
			plan__after(p, step, r->create, WHEN_DONE);
	}
}

static void create_step(struct planner *p, struct plan_entry *e, struct plan_replica *r)
{
	r->create = plan__step(p, STEP_CREATE, r->reason);
	struct step *step = &p->plan->steps.v[r->create];
	step->service = xstrdup(e->name);
	step->slot = xasprintf("%s-%u", e->name, r->number);
	step->number = r->number;
	step->name = service_container_name(p->project, e->service, r->number);
	step->recreate = r->have != NULL;
	step->renew_volumes = r->have && p->goal->renew_volumes;
	plan__after_networks_and_volumes(p, e, r->create);
	after_shared(p, e, r->create);
	if (r->remake)
		plan__after(p, r->create, r->remove, WHEN_DONE);
}

static void remove_steps(struct planner *p, struct plan_entry *e, struct plan_replica *r)
{
	bool replaced = r->fate == FATE_RECREATE;
	r->stop = plan__stop(p, e, r->have, r->reason);
	if (r->stop != NO_STEP) {
		p->plan->steps.v[r->stop].recreate = replaced;
		plan__after(p, r->stop, r->create, WHEN_DONE);
	}
	r->remove = plan__container_step(p, STEP_REMOVE, r->have, r->reason);
	p->plan->steps.v[r->remove].recreate = replaced;
	p->plan->steps.v[r->remove].volumes = replaced && p->goal->renew_volumes;
	plan__after(p, r->remove, r->stop, WHEN_DONE);
	plan__after(p, r->remove, r->create, WHEN_DONE);
}

static bool starts_anything(const struct planner *p)
{
	return p->goal->kind != GOAL_CREATE && !p->goal->no_start;
}

static bool needs_start(const struct planner *p, const struct plan_replica *r)
{
	return starts_anything(p) && (!r->have || r->fate == FATE_START ||
				      r->fate == FATE_RESTART || r->fate == FATE_RECREATE);
}

static void start_step(struct planner *p, struct plan_entry *e, struct plan_replica *r)
{
	if (r->create != NO_STEP) {
		r->start = plan__step(p, STEP_START, r->reason);
		struct step *made = &p->plan->steps.v[r->create];
		struct step *step = &p->plan->steps.v[r->start];
		step->service = xstrdup(e->name);
		step->slot = xstrdup(made->slot);
		step->name = xstrdup(made->name);
		step->number = r->number;
	} else {
		r->start = plan__container_step(p, STEP_START, r->have, r->reason);
	}
	plan__after(p, r->start, r->create, WHEN_DONE);
	plan__after(p, r->start, r->remove, WHEN_DONE);
	if (r->create == NO_STEP)
		plan__after(p, r->start, r->stop, WHEN_DONE);
	plan__after(p, r->start, r->update, WHEN_DONE);
	plan__wait_for_dependencies(p, e, r->start);
	vec_push(&e->starts, r->start);
}

/* Somebody who starts needs this one healthy, or finished, and it is not yet. */
static bool is_awaited(struct planner *p, const struct plan_entry *e, const struct plan_replica *r)
{
	vec_each(d, &e->dependents) {
		const struct plan_entry *dependent = plan__entry(p, *d);
		bool starts = dependent->started || dependent->recreated || dependent->restarted;
		if (!dependent->selected || !starts)
			continue;
		vec_each(edge, &dependent->edges) {
			if (plan__entry(p, edge->to) != e)
				continue;
			if (edge->condition == DEPENDS_COMPLETED)
				return true;
			if (edge->condition == DEPENDS_HEALTHY &&
			    (r->have->health_state == HEALTH_STARTING ||
			     r->have->health_state == HEALTH_UNHEALTHY ||
			     r->have->state == CONTAINER_BACKOFF))
				return true;
		}
	}
	return false;
}

static void start_steps(struct planner *p, struct plan_entry *e)
{
	vec_each(r, &e->plans) {
		if (r->have && r->update_reason && r->fate != FATE_RECREATE)
			r->update = plan__container_step(p, STEP_UPDATE, r->have, r->update_reason);
		if (needs_start(p, r)) {
			start_step(p, e, r);
		} else if (starts_anything(p) && r->fate == FATE_KEEP &&
			   (r->have->hooks_due || is_awaited(p, e, r))) {
			r->start = plan__container_step(
				p, STEP_START, r->have,
				r->have->hooks_due ? "its post_start hooks are not through"
						   : "others wait for it");
			vec_push(&e->starts, r->start);
		}
	}
}

static void orphan_steps(struct planner *p)
{
	cleanup_str struct str names = STR_INIT;
	if (p->goal->kind == GOAL_RUN || p->goal->kind == GOAL_SCALE)
		return;
	vec_each(e, &p->entries) {
		bool orphan = plan__is_orphan(p, e);
		for (size_t i = 0; i < e->replicas.n + e->oneoffs.n; i++) {
			bool oneoff = i >= e->replicas.n;
			const struct container *c =
				oneoff ? e->oneoffs.v[i - e->replicas.n] : e->replicas.v[i];
			/* One-offs that have ended count as left over too, as with Docker. */
			if (oneoff ? container_is_up(c->state) : !orphan)
				continue;
			if (!p->goal->remove_orphans) {
				if (orphan)
					str_addf(&names, "%s%s", names.len ? ", " : "", c->name);
				continue;
			}
			uint32_t stop = plan__stop(p, e, c, "its service is not in the project");
			uint32_t gone = plan__container_step(
				p, STEP_REMOVE, c,
				oneoff && !orphan ? "a one-off that has ended"
						  : "its service is not in the project");
			plan__after(p, gone, stop, WHEN_DONE);
		}
	}
	if (names.len)
		strv_addf(&p->plan->warnings,
			  "containers of services that are not in the project any more: %s "
			  "(--remove-orphans removes them)",
			  str_text(&names));
}

/* --- run --- */

static int oneoff_steps(struct planner *p, struct err *err)
{
	const struct oneoff *o = p->goal->oneoff;
	struct plan_entry *e = plan__find(p, o->service);
	if (!e->image_id) {
		cleanup_free char *name = service_image_name(p->project, e->service);
		return err_not_found(err, "image not in the store: '%s' of service '%s'", name,
				     e->name);
	}
	static const enum step_kind kinds[] = { STEP_CREATE, STEP_START };
	uint32_t steps[2];
	for (int i = 0; i < 2; i++) {
		steps[i] = plan__step(p, kinds[i], "asked to run");
		struct step *step = &p->plan->steps.v[steps[i]];
		step->service = xstrdup(e->name);
		step->slot = xstrdup(o->slot);
		step->name =
			o->name ? xstrdup(o->name) : xasprintf("%s-%s", p->project->name, o->slot);
	}
	plan__after_networks_and_volumes(p, e, steps[0]);
	after_shared(p, e, steps[0]);
	plan__after(p, steps[1], steps[0], WHEN_DONE);
	plan__wait_for_dependencies(p, e, steps[1]);
	return 0;
}

/* The service itself has to be in the graph, but only what it needs is brought up. */
static int select_for_run(struct planner *p, struct err *err)
{
	const struct oneoff *o = p->goal->oneoff;
	if (!o || !o->slot)
		return err_input(err, "run: no service");
	vec_each(e, &p->entries)
		e->selected = false;
	struct goal goal = *p->goal;
	struct strv one = { 0 };
	strv_add(&one, o->service);
	goal.services = one;
	const struct goal *asked = p->goal;
	p->goal = &goal;
	int r = plan__select(p, !asked->no_deps && !o->no_deps, false, err);
	p->goal = asked;
	strv_done(&one);
	return r;
}

/* --- */

/* Nobody asked for this one, but what it depends on is replaced under it. */
static void decide_bystander(struct planner *p, struct plan_entry *e)
{
	vec_each(c, &e->replicas) {
		if (!container_is_up((*c)->state))
			continue;
		char *reason = dependency_restarts(p, e);
		if (!reason)
			return;
		struct plan_replica *r = add_plan(e, (*c)->number, *c);
		r->fate = FATE_RESTART;
		r->reason = reason;
	}
	e->restarted = e->plans.n > 0;
}

static int decide_all(struct planner *p, struct err *err)
{
	int r = plan__check_networks(p, err);
	if (r == 0 && p->goal->kind != GOAL_RUN)
		r = plan__check_ports(p, err);
	if (r == 0 && p->goal->kind != GOAL_RUN)
		r = plan__check_addresses(p, err);
	for (size_t i = 0; i < p->order.n && r == 0; i++) {
		struct plan_entry *e = plan__entry(p, p->order.v[i]);
		if (!e->selected || !e->service) {
			if (!p->goal->no_deps && p->goal->kind != GOAL_SCALE)
				decide_bystander(p, e);
			continue;
		}
		r = check_dependencies(p, e, err);
		if (p->goal->kind == GOAL_RUN && str_eq(e->name, p->goal->oneoff->service))
			e->started = true; /* its one-off: the dependencies are waited for */
		else if (r == 0)
			decide_replicas(p, e, wanted_replicas(p, e));
	}
	return r < 0 ? r : check_images(p, err);
}

static void remove_where(struct planner *p, bool remake)
{
	for (size_t i = p->order.n; i > 0; i--) {
		struct plan_entry *e = plan__entry(p, p->order.v[i - 1]);
		vec_each(r, &e->plans) {
			bool goes = r->fate == FATE_RECREATE || r->fate == FATE_REMOVE;
			if (r->have && goes && r->remake == remake)
				remove_steps(p, e, r);
			else if (!remake && r->fate == FATE_RESTART && starts_anything(p))
				r->stop = plan__stop(p, e, r->have, r->reason);
		}
	}
}

int plan__up(struct planner *p, struct err *err)
{
	bool run = p->goal->kind == GOAL_RUN;
	bool deps = !p->goal->no_deps && p->goal->kind != GOAL_SCALE;
	int r = run ? select_for_run(p, err) : plan__select(p, deps, false, err);
	if (r == 0)
		r = plan__sort(p, true, err);
	if (r == 0)
		r = decide_all(p, err);
	if (r < 0)
		return r;
	remove_where(p, true);
	plan__network_steps(p);
	r = plan__volume_steps(p, err);
	for (size_t i = 0; i < p->order.n && r == 0; i++) {
		struct plan_entry *e = plan__entry(p, p->order.v[i]);
		vec_each(replica, &e->plans) {
			if (!replica->have || replica->fate == FATE_RECREATE)
				create_step(p, e, replica);
		}
	}
	if (r < 0)
		return r;
	remove_where(p, false);
	orphan_steps(p);
	for (size_t i = 0; i < p->order.n; i++)
		start_steps(p, plan__entry(p, p->order.v[i]));
	return run ? oneoff_steps(p, err) : 0;
}
