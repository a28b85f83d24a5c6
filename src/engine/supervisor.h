/* What the supervisor's files share. One supervisor per project and process; all work is done from
 * its event loop. */
#ifndef STAVE_ENGINE_SUPERVISOR_H
#define STAVE_ENGINE_SUPERVISOR_H

#include "base/loop.h"
#include "base/map.h"
#include "engine/keeper-protocol.h"
#include "engine/life.h"
#include "engine/plan.h"
#include "net/dns.h"
#include "net/net.h"

struct job;
struct conn;
struct supervisor;

/* What the files below say to those above them: nobody below knows who listens. Set by supervisor.c
 * before anything else. */
struct supervisor_tell {
	/* to_job: also to whom the job at work belongs */
	void (*event)(struct supervisor *s, const json_t *event, bool to_job);
	void (*started)(struct life *life);	    /* its set-up is over, its program runs */
	void (*start_failed)(struct life *life);    /* it could not even begin: life->start_error */
	void (*changed)(struct life *life);	    /* state, health, or its hooks are through */
	void (*over)(struct life *life);	    /* neither up nor about to be again */
	void (*removed)(struct life *life);	    /* freed at the end of the round */
	void (*removal_over)(struct supervisor *s); /* removal.h: somebody may wait for it */
	void (*exited)(struct supervisor *s, pid_t pid, int status); /* a child of the keeper's */
	void (*new_keeper)(struct supervisor *s);		     /* to be given everything */
};

enum { STDIO_CHUNK = 64 << 10 };

struct supervisor {
	const struct supervisor_tell *tell;
	struct engine_paths paths; /* borrowed text */
	const char *name;	   /* the project's */
	struct loop *loop;
	struct net *net;
	struct dns *dns;

	int keeper; /* the socket */
	struct watch *keeper_watch;
	struct map held; /* name -> int *: what the keeper gave back at the start and nobody has
			    claimed yet */

	struct map lives;  /* container id -> struct life *, owned */
	struct map berths; /* slot name -> struct berth *, owned */

	struct project *project; /* as last applied; NULL until supervisor_project() */

	struct removals *removals; /* removal.c; NULL: there were none */
	struct preparer *preparer; /* of the job at work; NULL */
	struct ahead *ahead;	   /* likewise */
	VEC(struct job *) jobs;	   /* the first is at work, the others wait their turn */
	VEC(struct conn *) conns;
	int listener;
	struct watch *listener_watch;

	/* Containers that removed themselves (run --rm), for a `wait` that comes after: the last
	 * few. */
	struct ended {
		char id[SPEC_ID_LEN + 1];
		int exit_code;
	} ended[64];
	size_t ended_count;

	bool fresh;	   /* the keeper was started with this supervisor */
	bool ends_unknown; /* containers are recorded as running whose end is still to be heard of:
			      jobs wait */
	bool removal_due;
	bool sweep_due; /* slots have gone: supervisor_sweep() */

	/* publish.c */
	bool publish_due;
	struct map published; /* owner -> digest of what is set */

	/* stdio.c: one pipe to look into others without taking, one buffer for all */
	int scratch[2];
	char *chunk; /* STDIO_CHUNK bytes */

	struct timer *linger;
	bool leaving;
};

/* --- supervisor-roster.c --- */

/* `up` after `stop`, `run` after `run`: the same supervisor goes on. */
#define SUPERVISOR_LINGER NSEC_PER_SEC

/* The project as last applied, loaded when it is not in memory. Borrowed until the end of the
 * round. NULL (err filled) when there is none. */
struct project *supervisor_project(struct supervisor *s, struct err *err);
void supervisor_forget_project(struct supervisor *s);
/* Takes away interfaces, leases and port records of slots that are no more, all at once; nothing
 * when none has gone. leaving: as in net_sweep(). */
int supervisor_sweep(struct supervisor *s, const char *leaving, struct err *err);
/* Those that removed themselves: the last few. NULL: not remembered. */
void supervisor_remember_end(struct supervisor *s, const struct container *c);
const struct ended *supervisor_ended(const struct supervisor *s, const char *id);
/* Something ended: leave soon if nothing is left to look after. */
void supervisor_idle_check(struct supervisor *s);
bool supervisor_is_idle(const struct supervisor *s);
struct life *supervisor_life_by_slot(const struct supervisor *s, const char *slot); /* NULL */
/* "service:NAME" or "container:NAME": the running container that is meant (the lowest number).
 * NULL. */
struct life *supervisor_life_by_mode(const struct supervisor *s, const char *mode);
struct life *supervisor_life(const struct supervisor *s, const char *id); /* NULL */
/* Adds to `lives`; takes it. */
void supervisor_add(struct supervisor *s, struct life *life);
/* What runs; when that cannot be read any more, as much as finds its cgroup. */
void supervisor_spec(struct supervisor *s, const struct container *c, struct spec *ret);
void supervisor_upgrade(struct supervisor *s); /* step aside for the newest binary */

/* --- supervisor-keeper.c: the supervisor's side of the keeper --- */

/* Receives everything the keeper holds, up to LIST_END. Exits that come with it are kept for
 * link_exits(). */
int link_open(struct supervisor *s, struct err *err);
/* Starts to follow the keeper (tell->exited, tell->new_keeper); first hands on the exits that came
 * with the list. */
void link_follow(struct supervisor *s);
void link_hold(struct supervisor *s, const char *owner, const char *what,
	       int fd); /* "<owner>/<what>" */
void link_drop(struct supervisor *s, const char *owner,
	       const char *what); /* what NULL: all of the owner's */
/* What a former supervisor gave the keeper. Owned; FD_NONE when there is nothing. */
int link_claim(struct supervisor *s, const char *owner, const char *what);
/* Closes what nobody claimed, here and in the keeper. */
void link_drop_unclaimed(struct supervisor *s);

/* --- supervisor-control.c: clients --- */

int control_open(struct supervisor *s, struct err *err);
void control_close(struct supervisor *s);
/* A container has ended or gone: answers those who WAIT for it. */
void control_container_ended(struct supervisor *s, struct life *life);
/* A run that is waited for may be over though the container is not (restart policies). */
void control_container_changed(struct supervisor *s, struct life *life);
/* To every client that follows EVENTS. */
void control_broadcast(struct supervisor *s, const json_t *event);

/* --- events.c --- */

struct event {
	const char *kind, *action, *subject, *text, *reason, *service, *container;
	int exit_code;
	bool has_exit_code;
	json_t *attributes; /* borrowed; members are added to the event */
};
json_t *event_json(const struct event *event);
/* A container event, to all who follow. */
void event_container(struct life *life, const char *action);
void event_container_kill(struct life *life, int signo);
void event_container_exit(struct life *life, const char *action, int exit_code);
/* A message for people, to the job at work and all who follow. */
void event_warning(struct supervisor *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* --- berth.c: what a slot keeps while containers come and go --- */

struct berth {
	struct supervisor *s;
	char *slot, *key;	 /* key: "<project>/<slot>", its name in net/ */
	int user, net;		 /* namespaces; FD_NONE */
	struct spec_idmap idmap; /* of `user` */
	int udp, tcp;		 /* DNS sockets */
	bool dns;		 /* registered with dns/ */
	struct strv networks;	 /* attached to */
};
struct berth *berth_get(struct supervisor *s, const char *slot); /* makes it when missing */
/* The namespaces for a start: made or found, networks attached, addresses written to the record,
 * DNS ready. `spec` gets the id map of a joined namespace. ret borrows. */
struct runtime_namespaces;
int berth_open(struct berth *berth, struct life *life, struct spec *spec,
	       struct runtime_namespaces *ret, struct err *err);
/* After a supervisor's death: claims what the keeper held, from the running process what it did
 * not. */
void berth_adopt(struct berth *berth, struct life *life);
void berth_hold(struct berth *berth); /* gives the keeper what is here */
/* Gives up namespaces and what is in them. */
void berth_close(struct berth *berth);
void berth_free(void *berth);

/* --- prepare.c: a process beside the supervisor, for the namespaces of a wave of starts --- */

enum { AHEAD_LEAST = 4 }; /* fewer are started sooner than a process */

/* For what the plan is about to start; nothing when that is little. */
void prepare_begin(struct supervisor *s, const struct plan *plan);
/* One whose spec is known now, and that will be started. */
void prepare_expect(struct life *life);
/* Gives the berth the namespaces that were made for it. False: none were, or they are mapped
 * otherwise. */
bool prepare_take(struct supervisor *s, struct berth *berth, const struct spec_idmap *idmap);
void prepare_end(struct supervisor *s);

/* --- ahead.c: a process beside the supervisor, for a wave of starts --- */

/* What the plan is about to start; nothing when that is little. */
void ahead_begin(struct supervisor *s, const struct plan *plan);
/* When a start that was handed over is done. child->pid <= 0: it could not be, there. All is
 * borrowed, but what it takes out of child. */
struct runtime_child;
typedef void (*ahead_answer)(struct life *life, const struct spec *spec,
			     const struct runtime_namespaces *ns, const int stdio[3],
			     struct runtime_child *child);
/* Hands a start over. Takes the spec's content and the descriptors, and borrows ns until `answer`
 * is called. False, and nothing taken: it is to be done here. */
bool ahead_start(struct life *life, struct spec *spec, const struct runtime_namespaces *ns,
		 int stdio[3], ahead_answer answer);
/* Waits for the start, if one is under way; then the container has its process, or has failed. */
void ahead_settle(struct life *life);
void ahead_settle_all(struct supervisor *s);
void ahead_end(struct supervisor *s);

/* --- start.c --- */

int start_begin(struct life *life, struct err *err); /* action of START and BACKOFF_OVER */
/* After the end of the process: last log lines, cgroup, what only a running container holds. */
void start_ended(struct life *life);
char *start_container_dir(const struct life *life);

/* --- stdio.c --- */

/* Makes the pipes (or not, for a tty), opens the log. child: three descriptors for the container,
 * to be closed by the caller after the start; FD_NONE where there is none. */
int stdio_open(struct life *life, int child[3], struct err *err);
void stdio_started(struct life *life); /* the console is in life->console when there is one */
void stdio_adopt(struct life *life);
void stdio_relimit(struct life *life); /* logging: has changed */
void stdio_hold(struct life *life);    /* gives the keeper what is here */
/* Writes what is still in the pipes and closes them. Waits for nobody. */
void stdio_close(struct life *life);
/* A descriptor that carries the container's output and takes its input (a tty: the console). Owned.
 */
int stdio_attach(struct life *life, struct err *err);
/* The client that had the console is gone: its output goes to the log again. */
void stdio_console_back(struct life *life);

/* --- publish.c: names and ports follow the containers --- */

void publish_later(struct supervisor *s); /* at the end of this round, once for all changes */
void publish_now(struct supervisor *s);
/* Whether replicas of the same service are there that answer, and well. */
bool publish_others_answer(const struct life *life);
/* Ports of a service that are about to be published are free. */
int publish_check(struct supervisor *s, const struct container *c, struct err *err);

/* --- replica.c: one of several behind the same ports --- */

/* Its program runs (adopted: it did already): it is given connections as soon as it listens, when
 * it has no health check to say so. */
void replica_began(struct life *life, bool adopted);
/* Takes it out of the map before it is told to end, and calls `then` when it has accepted what it
 * was given before, or some time of its grace is over. False: there is nobody else who answers, or
 * this was begun before; then there is nothing to wait for. */
bool replica_leaves(struct life *life, nsec_t grace, void (*then)(struct life *life));
void replica_ended(struct life *life);

/* --- health.c --- */

void health_start(struct life *life); /* at STARTED and after adoption */
void health_stop(struct life *life);  /* no further checks; kills one that runs */

/* --- hook.c: commands in a container after its start and before its stop --- */

enum hook_kind { HOOK_POST_START, HOOK_PRE_STOP };
bool hooks_has(const struct container *c, enum hook_kind kind);
/* Begins the container's hooks of that kind, one after the other until one fails. 1: they run
 * (life->hooks; when they are through tell->changed is called, and life->hook_error says
 * what failed); 0: there are none. */
int hooks_begin(struct life *life, enum hook_kind kind);
/* Kills the one that runs: it fails as one that was killed, and no further one begins. */
void hooks_abort(struct life *life);
void hooks_end(struct life *life); /* the same, at once and without a word */

/* --- executor.c --- */

struct job_request {
	struct conn *conn; /* NULL: nobody listens (any more) */
	json_t *body;	   /* {project?, goal}; taken */
	int stdio[3];	   /* RUN; taken */
	bool run;
};
void job_new(struct supervisor *s, struct job_request *request);
/* The client is gone or has cancelled: what is at work ends, nothing new starts. conn_gone: there
 * is nobody to tell. */
void job_cancel(struct supervisor *s, struct conn *conn, bool conn_gone);
/* Something that a step may wait for has been removed (removal.h). */
void job_removal_over(struct supervisor *s);
void jobs_go_on(struct supervisor *s); /* ends_unknown is over */
/* A container's state or health has changed. */
void job_container_changed(struct life *life);
void job_forget_life(struct life *life); /* it is removed */
/* Takes the events of steps. NULL: no job is at work. */
struct conn *job_conn(const struct supervisor *s);

#endif
