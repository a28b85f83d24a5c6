/* Services and containers become entries, their dependencies a graph. Every name is looked up by
 * hash, every edge walked once. */
#include "engine/plan-impl.h"

#include "base/vec.h"

struct plan_entry *plan__find(struct planner *p, const char *name)
{
	uintptr_t at = (uintptr_t)map_get(&p->by_name, name);
	return at ? plan__entry(p, (uint32_t)(at - 1)) : NULL;
}

static struct plan_entry *add_entry(struct planner *p, const char *name)
{
	struct plan_entry *e = plan__find(p, name);
	if (e)
		return e;
	e = vec_add(&p->entries);
	e->name = name;
	map_set(&p->by_name, name, (void *)(uintptr_t)p->entries.n);
	return e;
}

static void add_entries(struct planner *p)
{
	if (p->project) {
		vec_each(s, &p->project->services)
			add_entry(p, s->name)->service = s;
		vec_each(s, &p->project->disabled) {
			struct plan_entry *e = add_entry(p, s->name);
			e->disabled = e->service == NULL;
			e->service = e->service ? e->service : s;
		}
	}
	vec_each(c, &p->observed->containers.items) {
		struct plan_entry *e = add_entry(p, (*c)->service);
		if ((*c)->state == CONTAINER_REMOVING)
			continue;
		if ((*c)->oneoff)
			vec_push(&e->oneoffs, *c);
		else
			vec_push(&e->replicas, *c);
	}
	vec_each(image, &p->observed->images) {
		struct plan_entry *e = plan__find(p, image->service);
		if (e)
			e->image_id = image->image_id;
	}
}

void plan__graph_done(struct planner *p)
{
	vec_each(e, &p->entries) {
		vec_each(r, &e->plans) {
			free(r->reason);
			free(r->update_reason);
		}
		vec_done(&e->edges);
		vec_done(&e->dependents);
		vec_done(&e->replicas);
		vec_done(&e->oneoffs);
		vec_done(&e->plans);
		vec_done(&e->starts);
		vec_done(&e->stops);
	}
	vec_done(&p->entries);
	vec_done(&p->order);
	map_done(&p->by_name);
}

bool plan__is_orphan(const struct planner *p, const struct plan_entry *e)
{
	return p->project && !e->service;
}

/* --- the graph --- */

/* `seen[to]` is the index + 1 of the edge of the present entry that leads there, so that one
 * service that is named twice (depends_on and network_mode) is one edge with the stronger meaning.
 */
struct edges {
	struct planner *p;
	struct plan_entry *e;
	uint32_t *seen;
};

static void add_edge(struct edges *edges, const char *name, const struct plan_edge *want)
{
	struct planner *p = edges->p;
	struct plan_entry *to = plan__find(p, name);
	if (!to || to == edges->e)
		return; /* missing ones are told of by check_dependencies */
	uint32_t index = (uint32_t)(to - p->entries.v);
	struct plan_entry *e = edges->e;
	if (edges->seen[index] == 0) {
		vec_push(&e->edges, *want);
		e->edges.v[e->edges.n - 1].to = index;
		edges->seen[index] = (uint32_t)e->edges.n;
		vec_push(&to->dependents, (uint32_t)(e - p->entries.v));
		return;
	}
	struct plan_edge *edge = &e->edges.v[edges->seen[index] - 1];
	edge->kind = want->kind > edge->kind ? want->kind : edge->kind;
	edge->required |= want->required;
	edge->restart |= want->restart;
}

static void add_implied(struct edges *edges, const char *value, const char *prefix,
			enum plan_edge_kind kind)
{
	const char *name = value ? str_after(value, prefix) : NULL;
	const struct plan_edge edge = { .kind = kind,
					.condition = DEPENDS_STARTED,
					.required = true };
	if (name)
		add_edge(edges, name, &edge);
}

/* "service[:more]" */
static void add_implied_list(struct edges *edges, const struct strv *values,
			     enum plan_edge_kind kind)
{
	for (size_t i = 0; i < values->n; i++) {
		cleanup_free char *name = xstrdup(values->v[i]);
		name[strcspn(name, ":")] = '\0';
		if (!str_starts(values->v[i], "container:"))
			add_implied(edges, name, "", kind);
	}
}

static void add_service_edges(struct edges *edges, const struct service *s)
{
	vec_each(d, &s->depends_on) {
		const struct plan_edge edge = {
			.kind = EDGE_DEPENDS,
			.condition = d->condition,
			.required = d->required,
			.restart = d->restart,
			.place = &d->place,
		};
		add_edge(edges, d->service, &edge);
	}
	add_implied_list(edges, &s->links, EDGE_DEPENDS);
	add_implied(edges, s->network_mode, "service:", EDGE_NETWORK);
	add_implied(edges, s->pid, "service:", EDGE_NAMESPACE);
	add_implied(edges, s->ipc, "service:", EDGE_NAMESPACE);
	add_implied_list(edges, &s->volumes_from, EDGE_VOLUMES);
}

static void add_edges(struct planner *p)
{
	struct edges edges = { .p = p };
	edges.seen = xcalloc(p->entries.n, sizeof(*edges.seen));
	vec_each(e, &p->entries) {
		edges.e = e;
		if (e->service) {
			add_service_edges(&edges, e->service);
		} else if (e->replicas.n) {
			const struct container *c = e->replicas.v[0];
			add_implied_list(&edges, &c->depends_on, EDGE_DEPENDS);
		}
		vec_each(edge, &e->edges)
			edges.seen[edge->to] = 0;
	}
	free(edges.seen);
}

void plan__graph_make(struct planner *p)
{
	add_entries(p);
	add_edges(p);
}

static int no_such_service(struct planner *p, const char *name, struct err *err)
{
	const char *near = NULL;
	size_t best = 3; /* further away is another word */
	vec_each(e, &p->entries) {
		size_t d = str_distance(name, e->name, best);
		if (d < best && e->service) {
			best = d;
			near = e->name;
		}
	}
	if (near)
		return err_input(err, "no such service: '%s'; did you mean '%s'?", name, near);
	return err_input(err, "no such service: '%s'", name);
}

int plan__select(struct planner *p, bool deps, bool containers, struct err *err)
{
	VEC(uint32_t) todo = { 0 };
	int r = 0;
	for (size_t i = 0; i < p->goal->services.n && r == 0; i++) {
		struct plan_entry *e = plan__find(p, p->goal->services.v[i]);
		if (!e || (!e->service && !(containers && e->replicas.n + e->oneoffs.n)))
			r = no_such_service(p, p->goal->services.v[i], err);
		else
			e->named = true;
	}
	bool all = p->goal->services.n == 0;
	vec_each(e, &p->entries) {
		bool there = e->service ? containers || !e->disabled : containers;
		e->selected = e->named || (all && there);
		if (e->selected && r == 0)
			vec_push(&todo, (uint32_t)(e - p->entries.v));
	}
	while (deps && todo.n) {
		struct plan_entry *e = plan__entry(p, todo.v[--todo.n]);
		vec_each(edge, &e->edges) {
			struct plan_entry *to = plan__entry(p, edge->to);
			bool usable = to->service && (!to->disabled || containers);
			if (to->selected || !(usable || (containers && to->replicas.n)))
				continue;
			to->selected = true;
			vec_push(&todo, edge->to);
		}
	}
	vec_done(&todo);
	return r;
}

struct visit {
	uint32_t entry;
	size_t next; /* edge to follow */
};
struct visits {
	VEC(struct visit) stack;
};

static int report_cycle(struct planner *p, const struct visits *visits, uint32_t back_to,
			struct err *err)
{
	cleanup_str struct str path = STR_INIT;
	size_t i = visits->stack.n - 1;
	while (visits->stack.v[i].entry != back_to)
		i--;
	for (; i < visits->stack.n; i++) {
		const struct visit *v = &visits->stack.v[i];
		const struct plan_entry *e = plan__entry(p, v->entry);
		const struct place *place = e->edges.v[v->next - 1].place;
		str_addf(&path, "%s -> ", e->name);
		if (place && place->file)
			str_addf(&path, "(%s:%d) ", place->file, place->line);
	}
	return err_input(err, "services depend on each other in a circle: %s%s", str_text(&path),
			 plan__entry(p, back_to)->name);
}

/* Depth first, with a stack of our own: a chain of dependencies may be as long as the file allows.
 */
static int visit_from(struct planner *p, uint32_t root, unsigned char *state, bool strict,
		      struct err *err)
{
	enum { NEW, OPEN, READY };
	struct visits visits = { 0 };
	int r = 0;
	vec_push(&visits.stack, (struct visit){ .entry = root });
	state[root] = OPEN;
	while (visits.stack.n && r == 0) {
		struct visit *top = &visits.stack.v[visits.stack.n - 1];
		struct plan_entry *e = plan__entry(p, top->entry);
		if (top->next == e->edges.n) {
			state[top->entry] = READY;
			vec_push(&p->order, top->entry);
			visits.stack.n--;
			continue;
		}
		uint32_t to = e->edges.v[top->next++].to;
		if (state[to] == OPEN && strict && e->selected) {
			r = report_cycle(p, &visits, to, err);
		} else if (state[to] == NEW) {
			state[to] = OPEN;
			vec_push(&visits.stack, (struct visit){ .entry = to });
		}
	}
	vec_done(&visits.stack);
	return r;
}

int plan__sort(struct planner *p, bool strict, struct err *err)
{
	cleanup_free unsigned char *state = xcalloc(p->entries.n, 1);
	int r = 0;
	for (uint32_t i = 0; i < p->entries.n && r == 0; i++) {
		if (state[i] == 0)
			r = visit_from(p, i, state, strict, err);
	}
	return r;
}
