/* The life of a container as the supervisor sees it: its record, what it holds while the container
 * runs, and the one table, state x event -> next state and action, by which it changes.
 * life_event() makes every transition; it alone logs, stores and announces. */
#ifndef STAVE_ENGINE_LIFE_H
#define STAVE_ENGINE_LIFE_H

#include "base/loop.h"
#include "engine/state.h"

struct supervisor;
struct berth;
struct stdio;
struct health;
struct hooks;
struct wish;
struct life;

#define LIFE_EVENTS(X)                                                                             \
	X(START, "start")		/* wanted to run, now */                                   \
	X(STARTED, "started")		/* the program has been executed */                        \
	X(START_FAILED, "start-failed") /* ... or could not be */                                  \
	X(DIED, "died")			/* the first process is gone, and that is that */          \
	X(DIED_RETRY, "died-retry")	/* ... and its restart policy wants it back */             \
	X(STOP, "stop")			/* wanted to end, with its grace period */                 \
	X(GRACE_OVER, "grace-over")                                                                \
	X(PAUSE, "pause")                                                                          \
	X(UNPAUSE, "unpause")                                                                      \
	X(BACKOFF_OVER, "backoff-over")                                                            \
	X(REMOVE, "remove")

enum life_event {
#define X(name, text) LIFE_##name,
	LIFE_EVENTS(X)
#undef X
		LIFE_EVENT_MAX_
};
const char *life_event_name(enum life_event event);

/* What to do; may fail. NULL only where nothing is to be done. */
typedef int (*life_action)(struct life *life, struct err *err);

struct life_cell {
	enum {
		CELL_EMPTY,  /* none of the table is */
		CELL_GO,     /* to `next`, doing `action` */
		CELL_IGNORE, /* it makes no difference here */
		CELL_REFUSE, /* somebody asked for what cannot be done in this state: an error */
		CELL_NEVER,  /* only a bug in stave can bring this event here: logged, ignored */
	} sort;
	enum container_state next;
	enum container_state failed; /* where it is when the action fails */
	life_action action;
	const char *announce[2]; /* container events, in order */
};
const struct life_cell *life_cell(enum container_state state, enum life_event event);

struct life {
	struct supervisor *s;
	struct container *c; /* owned */
	struct berth *berth; /* of its slot; borrowed */
	struct spec *spec;   /* as created, until the first start; NULL: it is on disk only */
	int pidfd;	     /* while there is a process */
	bool foreign; /* the process is not the keeper's child (its keeper was killed): its end
			 shows on the pidfd */
	struct watch *pidfd_watch;
	bool over;	    /* the pidfd has said so; what remains comes from the keeper */
	bool deaf;	    /* among other replicas: does not listen yet */
	struct timer *look; /* while deaf, or leaving */
	nsec_t look_every, leaves_by;
	void (*left)(struct life *life); /* replica_leaves() */
	int status_fd;			 /* while STARTING */
	struct watch *status_watch;
	struct err start_error; /* why the set-up failed, until the process is gone */
	struct timer *timer;	/* grace period or backoff */
	nsec_t backoff;		/* the last one */
	nsec_t started;		/* monotonic */
	uint64_t busy; /* processor time at the last look, while it may learn to handle its stop
			  signal */
	nsec_t stop_timeout; /* of the next STOP; -1: the container's own */
	struct stdio *io;
	struct health *health;
	struct oom *oom;       /* oom.h */
	struct hooks *hooks;   /* while post_start or pre_stop hooks run */
	struct err hook_error; /* of the last hooks that failed; the step takes it */
	int given_stdio[3];    /* `run`: the client's, until the start; FD_NONE: logs */
	int console;	       /* pty master; owned, the keeper holds it too */
	bool interactive;      /* a client has the console: its output is not ours to read */
	size_t step;	       /* of the job at work, + 1; executor.c's */
	struct wish *ahead;    /* its start is under way in the process beside; ahead.c's */
	bool gone;	       /* removed from disk; freed at the end of the round */
};

/* Takes the record. */
struct life *life_new(struct supervisor *s, struct container *c);
void life_free(struct life *life);
void life_forget_spec(struct life *life); /* what is on disk has changed */

/* Makes the transition. 0; -EINVAL when the event is refused in this state (kind CONFLICT); or the
 * action's failure, which is in the record too (c->error). */
int life_event(struct life *life, enum life_event event, struct err *err);
/* The keeper (or the pidfd) says that the first process is gone. status: as wait() gives it; -1:
 * unknown. */
void life_exited(struct life *life, int status);
/* Sends a signal to the first process; the stop signal and SIGKILL also end what `restart:` wants.
 */
int life_signal(struct life *life, int signo, struct err *err);
/* Takes over a running container after a supervisor's death. False: it does not run (any more). */
bool life_adopt(struct life *life);

static inline bool life_runs(const struct life *life) /* has a process */
{
	return container_runs(life->c);
}

#endif
