/* The planner's working memory, for plan*.c and reason.c only.
 *
 * Every service that the project names or a container remembers is one entry, known by its index;
 * names are hashed once. `order` lists all entries, dependencies first. Steps are known by index
 * too, since the array moves. */
#ifndef STAVE_ENGINE_PLAN_IMPL_H
#define STAVE_ENGINE_PLAN_IMPL_H

#include "base/map.h"
#include "engine/plan.h"

enum plan_edge_kind {
	EDGE_DEPENDS,	/* depends_on, links */
	EDGE_NETWORK,	/* network_mode: service:X. The namespace belongs to X's slot and outlives
			   X's containers: only the order matters */
	EDGE_NAMESPACE, /* pid:, ipc: service:X. The namespace dies with X's container */
	EDGE_VOLUMES,	/* volumes_from: X */
};

struct plan_edge {
	uint32_t to;
	enum plan_edge_kind kind;
	enum depends_condition condition;
	bool required, restart;
	const struct place *place; /* NULL for implied ones */
};

/* What becomes of one existing container. */
enum plan_fate {
	FATE_KEEP,
	FATE_START,    /* exists, does not run */
	FATE_RESTART,  /* runs, has to be stopped and started */
	FATE_RECREATE, /* another one takes its slot */
	FATE_REMOVE,
};

struct plan_replica {
	const struct container *have; /* NULL: to be created */
	uint32_t number;
	enum plan_fate fate;
	char *reason;	     /* of the fate; of a creation when have is NULL */
	char *update_reason; /* NULL: nothing to update live */
	bool remake;	     /* is on a network that is made anew: removed before it, not after */
	uint32_t create, stop, remove, start, update; /* steps; NO_STEP */
};

struct plan_entry {
	const char *name;
	const struct service *service; /* NULL: only containers remember it */
	bool disabled;		       /* of an inactive profile */
	bool named, selected;
	bool recreated, restarted, started; /* what happens to its containers, for dependents */
	const char *image_id;		    /* NULL: not in the store */
	VEC(struct plan_edge) edges;	    /* what it depends on */
	VEC(uint32_t) dependents;
	VEC(const struct container *) replicas, oneoffs;
	VEC(struct plan_replica) plans;
	VEC(uint32_t) starts, stops; /* steps of its containers, for others to wait for */
};

#define NO_STEP UINT32_MAX

struct planner {
	const struct project *project;
	const struct observed *observed;
	const struct goal *goal;
	struct plan *plan;
	VEC(struct plan_entry) entries;
	struct map by_name; /* entry index + 1 */
	VEC(uint32_t) order;
	struct map networks, volumes; /* names that exist */
	struct map used_networks;     /* keys of the project's that selected services are on */
	struct map network_steps, volume_steps,
		remade; /* by key in the project: step + 1; by name */
	const char *project_name;
};

static inline struct plan_entry *plan__entry(struct planner *p, uint32_t index)
{
	return &p->entries.v[index];
}

/* --- plan-graph.c --- */

/* Fills entries, by_name and the edges from project and observed; _done takes them back. */
void plan__graph_make(struct planner *p);
void plan__graph_done(struct planner *p);
struct plan_entry *plan__find(struct planner *p, const char *name); /* NULL */
bool plan__is_orphan(const struct planner *p, const struct plan_entry *e);
/* Marks named services (all when none are named) and, with `deps`, what they depend on. ERR_INPUT
 * for a name that neither the project nor (with `containers`) a container knows. */
int plan__select(struct planner *p, bool deps, bool containers, struct err *err);
/* Fills order. With `strict` a cycle is an error that names its path, else it is cut somewhere. */
int plan__sort(struct planner *p, bool strict, struct err *err);

/* --- plan-step.c --- */

/* Adds a step; strings are copied, reason too. */
uint32_t plan__step(struct planner *p, enum step_kind kind, const char *reason);
/* The same for an existing container. */
uint32_t plan__container_step(struct planner *p, enum step_kind kind, const struct container *c,
			      const char *reason);
void plan__after(struct planner *p, uint32_t step, uint32_t on, enum step_when when);
/* One STOP for each of the entry's containers that is up, after those of its dependents. */
uint32_t plan__stop(struct planner *p, struct plan_entry *e, const struct container *c,
		    const char *reason);
/* START steps wait for the dependencies' starts, each in its condition's sense. */
void plan__wait_for_dependencies(struct planner *p, struct plan_entry *e, uint32_t step);

/* --- the parts of a goal --- */

/* plan-ports.c. ERR_CONFLICT when two selected services publish the same port of the host. */
int plan__check_ports(struct planner *p, struct err *err);
int plan__check_addresses(struct planner *p, struct err *err);

/* plan-networks.c. The check comes before fates are decided: it fills `remade`; the steps after the
 * early removals. Creations wait for what their service uses. */
int plan__check_networks(struct planner *p, struct err *err);
void plan__network_steps(struct planner *p);
int plan__volume_steps(struct planner *p, struct err *err);
void plan__after_networks_and_volumes(struct planner *p, const struct plan_entry *e, uint32_t step);

int plan__up(struct planner *p, struct err *err);    /* UP, CREATE, SCALE, RUN */
int plan__start(struct planner *p, struct err *err); /* plan-stop.c: existing containers */
int plan__stop_all(struct planner *p, struct err *err);
int plan__restart(struct planner *p, struct err *err);
int plan__down(struct planner *p, struct err *err);
int plan__rm(struct planner *p, struct err *err);

/* What differs between two configs (service_config); either may be NULL (then nothing is compared).
 * Owned texts, NULL when nothing of the kind differs: `fixed` recreates, `live` updates. */
struct plan_difference {
	char *fixed, *live;
};
void reason__compare(const json_t *old, const json_t *new, const struct service *service,
		     struct plan_difference *ret);

#endif
