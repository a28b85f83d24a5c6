/* From what is wanted and what is, to what to do, and why. Pure: reads no file, asks no kernel,
 * changes nothing; `stave plan`, `up --dry-run` and the supervisor call the same function, and
 * tests check it without root.
 *
 * What stave itself owns is applied live by an update step (restart policy, healthcheck, logging,
 * published ports, labels, stop signal and grace, resource limits, scale); only what is fixed at
 * exec time recreates a container. */
#ifndef STAVE_ENGINE_PLAN_H
#define STAVE_ENGINE_PLAN_H

#include "engine/state.h"

enum goal_kind {
	GOAL_UP,      /* create, recreate what changed, start */
	GOAL_CREATE,  /* up without the start */
	GOAL_START,   /* start existing containers */
	GOAL_STOP,    /* in reverse dependency order */
	GOAL_RESTART, /* stop and start in place */
	GOAL_DOWN,    /* stop, remove containers, networks, and, asked for, volumes */
	GOAL_RM,      /* remove stopped containers */
	GOAL_SCALE,   /* up for the named services' numbers only */
	GOAL_RUN,     /* dependencies of one service up, and a one-off of it (struct oneoff) */
	GOAL_MAX_
};
const char *goal_name(enum goal_kind kind); /* "up", ... */

struct goal_scale {
	char *service;
	uint32_t replicas;
};

/* `run`: what the one-off changes on its service. NULL/unset: as the service says. */
struct oneoff {
	char *service, *name; /* name NULL: <project>-<service>-run-<hex> */
	char *slot;	      /* filled by the client before sending, so that it can find the log */
	struct command command, entrypoint;
	struct strv env; /* "KEY=value", over the service's */
	struct strv labels;
	struct strv volumes, publish; /* short forms, added */
	struct strv cap_add, cap_drop;
	char *user, *workdir, *pull;
	bool service_ports, use_aliases, auto_remove, tty, interactive, no_deps, detach;
};

struct goal {
	enum goal_kind kind;
	struct strv services;	/* empty: all */
	struct strv containers; /* ids, of START, STOP, RESTART, RM; empty: all of the services' */
	VEC(struct goal_scale) scale;
	bool no_deps, force_recreate, no_recreate, always_recreate_deps, remove_orphans,
		renew_volumes, no_start;
	bool volumes;	 /* down -v, rm -v */
	char *rmi;	 /* down --rmi: "all", "local" (done by the client afterwards) */
	bool stop_first; /* rm -s */
	bool has_timeout;
	nsec_t timeout; /* -t */
	bool wait;	/* up --wait: done only when all are running or healthy */
	bool has_wait_timeout;
	nsec_t wait_timeout;
	struct oneoff *oneoff; /* GOAL_RUN */
};
void goal_done(struct goal *goal);
#define cleanup_goal cleanup(goal_done)
json_t *goal_to_json(const struct goal *goal);
int goal_from_json(const json_t *j, struct goal *ret, struct err *err);

/* What is, as far as a plan needs it. Gathered by observe() (engine/observe.h). */
struct observed_image {
	char *service, *image_id; /* image_id NULL: not in the store */
};
struct observed_mounted {	 /* by a volume of `type: image` */
	char *source, *image_id; /* image_id NULL: not in the store */
};
struct observed {
	struct containers containers;
	struct strv networks; /* names of networks that exist */
	struct strv
		networks_differ; /* "name: why" of those whose settings differ from the project's */
	struct strv volumes;	 /* names that exist */
	struct strv own_networks, own_volumes; /* those of them whose record names this project */
	struct strv anonymous_volumes;	       /* this project's unnamed ones */
	VEC(struct observed_image) images;
	VEC(struct observed_mounted) mounted; /* each source once */
	struct strv damaged;	     /* what is to be said of records that cannot be read */
	struct strv damaged_volumes; /* names of this project's among those that exist */
};
void observed_done(struct observed *o);
/* False: no service mounts an image by this name. *ret_id may be NULL. Borrowed. */
bool observed_mounted(const struct observed *o, const char *source, const char **ret_id);

enum step_kind {
	STEP_NETWORK_CREATE,
	STEP_NETWORK_REMOVE,
	STEP_VOLUME_CREATE,
	STEP_VOLUME_REMOVE,
	STEP_CREATE, /* a container in a slot */
	STEP_START,
	STEP_STOP,
	STEP_REMOVE,
	STEP_UPDATE,	     /* live */
	STEP_PROJECT_REMOVE, /* what is left of the project's directory */
	STEP_MAX_
};
const char *step_name(enum step_kind kind); /* "create", ... */

/* What the executor can rely on:
 * - Steps stand in an order in which they could be run one after the other: deps point backwards.
 * - A container is replaced by CREATE (new), STOP (old), REMOVE (old), START (new), so that a
 * create that fails leaves the old one running; for a moment two containers share a slot. Only when
 * a network of it is made anew, by STOP, REMOVE, NETWORK_REMOVE, NETWORK_CREATE, CREATE, START.
 * - A STEP_START of a container that runs already is a place to wait at (others need it healthy):
 * it succeeds at once.
 * - STEP_NETWORK_REMOVE gives back what leases this project's slots still hold on it.
 * - STEP_UPDATE: service_update() says what to change.
 *
 * A step waits for others, in the sense of `when`. */
enum step_when {
	WHEN_DONE,	/* the step has succeeded */
	WHEN_HEALTHY,	/* ... and the container it started is healthy (no health check: running) */
	WHEN_COMPLETED, /* ... and the container it started has exited with 0 */
	WHEN_OVER /* the step has ended, whatever came of it (stop orders; depends_on required:
		     false) */
};
struct step_dep {
	uint32_t step;
	enum step_when when;
};
struct step {
	enum step_kind kind;
	char *service, *slot; /* container steps */
	uint32_t number;
	char *container; /* id of the existing one; NULL for one that a STEP_CREATE of this plan
			    makes for the same slot */
	char *name;	 /* network, volume or container name, for people */
	char *key;	 /* network or volume key in the project. NULL with STEP_NETWORK_CREATE:
			    that of network_mode: bridge (service_network_config(project, NULL)) */
	char *reason; /* "not there yet", "environment.TZ added, compose.yaml:14", ... never NULL */
	bool recreate; /* a STEP_CREATE that replaces, and the STEP_STOP and STEP_REMOVE of what is
			  replaced: the slot with its log, addresses and anonymous volumes stays.
			  A STEP_REMOVE without it takes the slot away too */
	bool renew_volumes; /* STEP_CREATE: with new anonymous volumes; the slot forgets the old */
	bool volumes;	    /* STEP_REMOVE: the container's anonymous volumes go with it */
	nsec_t timeout;	    /* STEP_STOP: -1: the container's own */
	VEC(struct step_dep) deps;
};
struct plan {
	VEC(struct step) steps;
	struct strv warnings; /* orphans found, networks that differ, ... */
};
void plan_done(struct plan *plan);
#define cleanup_plan cleanup(plan_done)

/* What of a service the plan compares: its canonical object and what its networks, volumes, secrets
 * and configs stand for. Kept in the container's record. New reference. */
json_t *service_config(const struct project *project, const struct service *service);

/* Fails with INPUT for what cannot be planned: a cycle (named), an unknown service, a dependency
 * that is disabled or missing, an image that is not there for a service that must be created
 * (ERR_NOT_FOUND, all of them named). project may be NULL for GOAL_DOWN, STOP, ... on a project
 * without files: then the containers' own records are used. */
int plan_make(const struct project *project, const struct observed *observed,
	      const struct goal *goal, struct plan *ret, struct err *err);
/* {"steps": [{"step": "create", "reason": ..., "after": [{"step": 0, "when": "done"}]}],
 * "warnings":
 * []}. New reference. */
json_t *plan_to_json(const struct plan *plan);
const char *step_when_name(enum step_when when); /* "done", "healthy", "completed", "over" */

#endif
