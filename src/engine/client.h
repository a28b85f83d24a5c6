/* How the cli and api/ reach a project's supervisor. Requests carry intentions, replies are events
 * and one result; data (logs, state, stats, terminals) never passes through here except as
 * descriptors. Every call blocks.
 *
 *	struct client *client;
 *	client_open(&paths, project, CLIENT_SPAWN, interrupt_fd, &client, &err);
 *	client_apply(client, project, &goal, interrupt_fd, on_event, data, &err);
 *	client_free(client);
 */
#ifndef STAVE_ENGINE_CLIENT_H
#define STAVE_ENGINE_CLIENT_H

#include "engine/plan.h"

enum { CLIENT_SPAWN = 1u << 0 };

struct client;
/* Without CLIENT_SPAWN: ERR_NOT_FOUND when no supervisor runs. A supervisor of another protocol
 * version (with CLIENT_SPAWN: of another build) is asked to step aside for this binary's. No call
 * waits for a supervisor that hangs: after 20 s (STAVE_PATIENCE) without an answer to a greeting it
 * is ERR_TIMEOUT, naming the process. interrupt_fd (borrowed; FD_NONE): becomes readable at Ctrl-C,
 * which ends the opening. */
int client_open(const struct engine_paths *paths, const char *project, unsigned flags,
		int interrupt_fd, struct client **ret, struct err *err);
void client_free(struct client *client);
DEFINE_CLEANUP(struct client, client_free)

/* The pid of the project's supervisor, or 0: none listens. Asks the kernel, not the supervisor. */
pid_t client_supervisor_pid(const struct engine_paths *paths, const char *project);

/* One event. Borrowed for the call. */
struct engine_event {
	nsec_t time;	     /* wall */
	const char *kind;    /* "step" (see below), "container", "network", "volume", "health",
				"warning", "plan" */
	const char *action;  /* container: create, start, die, stop, kill, oom, restart, pause,
				unpause, destroy, health_status,  exec_...; step: "start", "done",
				"error", "wait" */
	const char *subject; /* "Container demo-web-1", "Network demo_default", ... */
	const char *text; /* step: what people read: "Starting", "Started", "Healthy", "Error ...";
			     warning: the message */
	const char *reason;
	const char *service, *container; /* container: id; NULL where there is none */
	int exit_code;			 /* with action die */
	const json_t *raw;
};
typedef void (*client_event_fn)(const struct engine_event *event, void *data);

/* Hands over the resolved project (NULL: as last applied) and the goal; blocks until it is reached
 * or has failed; events on the way. With an interrupt descriptor that becomes readable (a signalfd
 * of the cli) the work is cancelled: what runs finishes, nothing new starts, ERR_CANCELLED; a
 * second time: at once, without waiting for that. */
int client_apply(struct client *client, const struct project *project, const struct goal *goal,
		 int interrupt_fd, client_event_fn fn, void *data, struct err *err);

/* Signals, pauses: by container ids; empty: all of the project. */
int client_kill(struct client *client, const struct strv *ids, int signo, struct err *err);
int client_pause(struct client *client, const struct strv *ids, bool pause, struct err *err);
/* Pauses them for as long as this client is there: when it is freed, or its process is killed, the
 * supervisor lets them go on, and so does a supervisor that comes after it. */
int client_hold(struct client *client, const struct strv *ids, struct err *err);
/* Blocks until the container has exited; its exit code. `started` (its record's) names the run that
 * is meant: the wait is over also when another one has begun, or is about to. 0: until it has
 * exited for good. */
int client_wait(struct client *client, const char *id, nsec_t started, int *ret_exit_code,
		struct err *err);
/* Follows the project's events until fn's owner stops it through interrupt_fd. */
int client_events(struct client *client, int interrupt_fd, client_event_fn fn, void *data,
		  struct err *err);

/* `run`: creates and starts the one-off with these three descriptors as its stdio (tty: the pty
 * master comes back in *ret_console, else FD_NONE). Dependencies are brought up first. The
 * container's id in ret_id (owned). Wait with client_wait. */
int client_run(struct client *client, const struct project *project, const struct goal *goal,
	       const int stdio[3], int interrupt_fd, client_event_fn fn, void *data, char **ret_id,
	       int *ret_console, struct err *err);
/* Attach to a running container's stdio: with a tty its pty master; else a socket that carries its
 * output and takes its input. */
int client_attach(struct client *client, const char *id, int *ret_fd, struct err *err);

/* Runs a process in a running container, straight, without the supervisor. Blocks only for the
 * set-up; the child is the caller's own. */
struct runtime_child;
struct exec_options {
	struct strv args;
	struct strv env; /* over the container's */
	const char *user, *workdir;
	bool tty, privileged, detach;
	int stdio[3];
};
int engine_exec(const struct engine_paths *paths, const struct container *c,
		const struct exec_options *options, struct runtime_child *ret, struct err *err);

/* The roles of the binary, called by main: `stave --root R keeper PROJECT` and `stave --root R
 * supervisor PROJECT`. They return the exit status. */
int keeper_main(const struct engine_paths *paths, const char *project, char **argv);
int supervisor_main(const struct engine_paths *paths, const char *project, char **argv);

#endif
