/* A container's record in memory: what it was created as, how it is, and the words for its states.
 * Plain data: reads no file, asks no kernel. */
#ifndef STAVE_ENGINE_CONTAINER_H
#define STAVE_ENGINE_CONTAINER_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "compose/project.h"
#include "net/net.h"
#include "runtime/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CONTAINER_STATES(X)                                                                        \
	X(CREATED, "created")	/* recorded, never started */                                      \
	X(STARTING, "starting") /* cloned, not yet executed */                                     \
	X(RUNNING, "running")                                                                      \
	X(PAUSED, "paused")                                                                        \
	X(STOPPING, "stopping") /* stop signal sent, grace period running */                       \
	X(EXITED, "exited")                                                                        \
	X(BACKOFF, "restarting") /* exited, will be started again at `restart_at` */               \
	X(REMOVING, "removing")                                                                    \
	X(DEAD, "dead") /* could not be started or cleaned up; `error` says why */

enum container_state {
#define X(name, text) CONTAINER_##name,
	CONTAINER_STATES(X)
#undef X
		CONTAINER_STATE_MAX_
};
const char *container_state_name(enum container_state state);
/* What people are told, in Docker's words: "created", "running", "paused", "restarting",
 * "removing", "exited", "dead". */
const char *container_state_shown(enum container_state state);
/* NULL-terminated list of them, for messages and checks. */
extern const char *const container_states_shown[];
/* Whether the state means that a process exists: starting, running, paused, stopping. */
bool container_is_up(enum container_state state);

enum container_health {
	HEALTH_NONE, /* no health check */
	HEALTH_STARTING,
	HEALTH_HEALTHY,
	HEALTH_UNHEALTHY,
	HEALTH_MAX_
};
const char *
container_health_name(enum container_health health); /* "", "starting", "healthy", "unhealthy" */

/* The health check as it is run: the service's, over the image's, over the defaults (30 s, 30 s, 3,
 * 0 s, 5 s). */
struct health_config {
	bool enabled;
	struct strv test; /* ["CMD", ...] or ["CMD-SHELL", "..."] */
	nsec_t interval, timeout, start_period, start_interval;
	int retries;
};

struct health_result {
	nsec_t start, end; /* wall */
	int exit_code;	   /* -1: timed out */
	char *output;	   /* at most 4096 bytes */
};

struct container_network {
	char *network; /* real network name, as net/ knows it */
	char *key;     /* key in the project ("default") */
	struct strv link_local;
	struct strv aliases; /* every name that points here: service, container name, aliases, short
				id */
	char *ipv4_static, *ipv6_static, *mac_static, *ifname;
	int priority, gw_priority;
	char *place;	   /* "compose.yaml:14", for what goes wrong with a given address */
	struct strv avoid; /* the project's given addresses: never chosen for this one */
	bool internal;	   /* known once attached: no way out */
	struct net_address address; /* empty while not attached */
};

struct container_volume { /* mounts, for ps/inspect/rm: what is where */
	char *name;	  /* volume name; NULL for binds, tmpfs and images */
	char *source, *target;
	char *image_id; /* of a mounted image; source is then its name */
	bool anonymous, read_only;
};

struct container {
	/* fixed at creation; the fields marked live are changed by an update step
	 */
	char id[SPEC_ID_LEN + 1];
	char *project, *service, *slot, *name;
	uint32_t number; /* 0 for one-offs */
	bool oneoff;
	bool auto_remove; /* run --rm */
	char *image;	  /* as the service says */
	char *image_id;
	struct strv command; /* entrypoint + arguments, for ps and ls */
	char *config_hash;   /* of the service (struct service's), plus image id: recreate when it
				differs */
	nsec_t created;	     /* wall */
	json_t *labels;	     /* live; object */
	struct strv depends_on; /* services, for stop order when there is no project file */
	char *network_mode;	/* NULL: own networks */
	char *pid_mode,
		*ipc_mode; /* "service:NAME", "container:NAME": joined at each start; else NULL */
	VEC(struct container_network) networks;
	VEC(struct net_port) ports; /* live; as asked for */
	VEC(struct container_volume) volumes;
	int stop_signal;	     /* live */
	nsec_t stop_grace;	     /* live */
	enum restart_policy restart; /* live */
	nsec_t restart_delay,
		restart_window;	     /* live; of deploy.restart_policy, 0: our own backoff */
	int restart_retries;	     /* live; 0: no limit */
	struct health_config health; /* live */
	json_t *logging;	     /* live; {"driver":..., "options":{}} or NULL */
	bool tty, stdin_open, attach;
	char *hostname, *domainname;
	struct strv extra_hosts; /* "name=address", for /etc/hosts */
	bool serves_names;	 /* port 53 is published or exposed: all of it is its own */
	struct strv expose;	 /* "80/tcp", "53/udp": of the image and of the service, for ps */
	struct strv dns, dns_search, dns_opt; /* for /etc/resolv.conf and the asker's forwarding */
	json_t *config; /* what the plan compares and names in reasons: service_config() */

	/* how it is */
	enum container_state state;
	bool wanted; /* should run: false once the user stopped it */
	pid_t pid;   /* 0 when it does not run */
	uint64_t start_time;
	int exit_code; /* 128 + signal when killed by one */
	bool oom_killed;
	char *error;		  /* why a start failed */
	nsec_t started, finished; /* wall; 0: never */
	uint32_t restarts;
	nsec_t restart_at; /* wall, with BACKOFF */
	enum container_health health_state;
	int health_failing;
	bool held;	/* paused for who asked for it (client_hold); goes on when that one goes */
	bool hooks_due; /* started by a command, and its post_start hooks are not through yet */
	VEC(struct health_result) health_log; /* the last five */

	size_t changes; /* not part of the record: bytes of state in its file (state.c) */
};
void container_free(struct container *c);
DEFINE_CLEANUP(struct container, container_free)
bool container_runs(const struct container *c); /* has a process */
/* Index of the network whose gateway is the default route; the container has at least one. */
size_t container_default_network(const struct container *c);

struct containers {
	VEC(struct container *) items; /* sorted by service, number, name; owned */
	/* Ids whose record cannot be read, and for each the reason, with its file. The others are
	 * none the worse for it; `down` removes what is there of them. */
	struct strv broken_ids, broken;
};
void containers_done(struct containers *list);
#define cleanup_containers cleanup(containers_done)

/* --- the record's tables, for who reads and writes it --- */

struct record;
extern const struct record state__container_record; /* what was created */
extern const struct record state__state_record;	    /* how it is, without the addresses */

/* How it is, with the addresses of the networks that c is on. */
json_t *state__state_to_json(const struct container *c); /* new reference */
int state__state_from_json(const json_t *j, const char *what, struct container *c, struct err *err);

#endif
