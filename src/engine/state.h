/* What is: the records on disk. Every fact that matters is a small file, written whole and renamed
 * (a container's changes are lines added to its file: container-file.c); the supervisor of a
 * project is their only writer while it lives, anybody may read them at any time (ps, logs, exec,
 * ls), and a fresh supervisor starts from them alone.
 *
 * STAVE_ROOT/projects/<project>/
 *   project.json      the project as last applied (project_to_json; mode 0600: it holds secrets)
 *   slots/<slot>.json             what outlives a container: id map, anonymous volumes
 *   slots/<slot>/log, log.1, ...  CRI text (engine/log.h), from the first line on
 *   containers/<id>/container.jsonl  a line each: what was created (struct container, the first
 *                     half), what runs (runtime/spec.h), how it is (the second half); mode 0600
 *   containers/<id>/upper, work   the writable layer
 * STAVE_ROOT/mountpoints          the lowest layer of every container
 * STAVE_ROOT/idmaps/<index>       a leased range of 65,536 host ids; another name of the slot's
 *                     record, as that was when it was leased
 * STAVE_RUN/projects/<project>/lock     held (flock) by the keeper
 * STAVE_RUN/projects/<project>/control  the supervisor's socket
 *
 * A slot is named "<service>-<number>" ("web-2"), a one-off's "<service>-run-<8 hex>". Its key in
 * net/ is "<project>/<slot>". */
#ifndef STAVE_ENGINE_STATE_H
#define STAVE_ENGINE_STATE_H

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

/* Where everything is. Filled once by the cli (options, environment) and handed down. */
struct engine_paths {
	char *root; /* STAVE_ROOT, absolute */
	char *run;  /* STAVE_RUN, absolute */
};

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
	char *network;	     /* real network name, as net/ knows it */
	char *key;	     /* key in the project ("default") */
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
	char *name;	  /* volume name; NULL for binds and tmpfs */
	char *source, *target;
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

struct containers {
	VEC(struct container *) items; /* sorted by service, number, name; owned */
	/* Ids whose record cannot be read, and for each the reason, with its file. The others are
	 * none the worse for it; `down` removes what is there of them. */
	struct strv broken_ids, broken;
};
void containers_done(struct containers *list);
#define cleanup_containers cleanup(containers_done)

/* A name from outside before it becomes part of a path: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 200
 * bytes. `what` is "project", "container", ... ERR_INPUT. */
int state_name_check(const char *what, const char *name, struct err *err);
/* Whether the state means that a process exists: starting, running, paused, stopping. */
bool container_is_up(enum container_state state);

/* Reading: safe at any time, from any process. A container whose record is being removed or not yet
 * whole is left out. Containers recorded as running whose process is gone are given as EXITED. A
 * project that is not there has no containers (0). */
int state_containers(const struct engine_paths *paths, const char *project, struct containers *ret,
		     struct err *err);
/* Only those of one service: a fraction of the time. */
int state_containers_of(const struct engine_paths *paths, const char *project, const char *service,
			struct containers *ret, struct err *err);
/* The same as the files say, without that correction: for the supervisor, which asks the keeper how
 * they ended. */
int state_containers_recorded(const struct engine_paths *paths, const char *project,
			      struct containers *ret, struct err *err);
/* By exact name, id or unique id prefix, in one project or (project NULL) in all. */
int state_find(const struct engine_paths *paths, const char *project, const char *name,
	       struct container **ret, struct err *err);
int state_projects(const struct engine_paths *paths, struct strv *ret_names, struct err *err);
/* ERR_NOT_FOUND when nothing of that name was ever applied. */
int state_project_load(const struct engine_paths *paths, const char *project, struct project **ret,
		       struct err *err);
int state_spec_load(const struct engine_paths *paths, const struct container *c, struct spec *ret,
		    struct err *err);
/* Directory of a container, a slot or all slots, owned text. */
char *state_container_dir(const struct engine_paths *paths, const char *project, const char *id);
char *state_slot_dir(const struct engine_paths *paths, const char *project, const char *slot);
char *state_slots_dir(const struct engine_paths *paths, const char *project);
char *state_mountpoints_dir(const struct engine_paths *paths); /* runtime_mountpoints_make */

/* Writing: the supervisor only. project.json is synced; the rest is not: after a power cut no
 * container runs, and what is torn is reported by name. */
int state_project_save(const struct engine_paths *paths, const struct project *project,
		       struct err *err);
/* Makes the directory with upper and work, and last its file: from then on the container is there
 * for everybody. */
int state_container_create(const struct engine_paths *paths, struct container *c,
			   const struct spec *spec, struct err *err);
int state_container_save(const struct engine_paths *paths, struct container *c,
			 const struct spec *spec, struct err *err); /* all of it */
int state_container_save_state(const struct engine_paths *paths, struct container *c,
			       struct err *err); /* how it is */
int state_container_remove(const struct engine_paths *paths, const struct container *c,
			   struct err *err);
/* Removes what a crash left half made or half removed. Called by a supervisor as it starts. */
int state_sweep(const struct engine_paths *paths, const char *project, struct err *err);
/* Removes everything of a project below STAVE_ROOT that is left once its containers are gone. */
int state_project_remove(const struct engine_paths *paths, const char *project, struct err *err);

/* What outlives a container. */
struct anonymous_volume {
	char *target, *volume; /* path inside, name in volume/ */
};
struct slot {
	char *project;
	char *name; /* "web-1" */
	char *service;
	uint32_t number;
	struct spec_idmap idmap; /* count 0: none leased */
	VEC(struct anonymous_volume) volumes;
	bool stored; /* not part of the record: there is one */
};
void slot_done(struct slot *slot);
/* Loads the record, or makes one that is not stored yet: by slot_save, or with its lease. */
int slot_open(const struct engine_paths *paths, const char *project, const char *name,
	      const char *service, uint32_t number, struct slot *ret, struct err *err);
int slot_save(const struct engine_paths *paths, const char *project, struct slot *slot,
	      struct err *err);
/* Leases an id range when it has none, and stores the record. */
int slot_lease_idmap(const struct engine_paths *paths, const char *project, struct slot *slot,
		     struct err *err);
/* Gives back the id range and removes the directory with its logs. Leaves volumes and network
 * leases to their rooms. */
int slot_remove(const struct engine_paths *paths, const char *project, const char *name,
		struct err *err);

#endif
