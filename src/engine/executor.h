/* One goal at work: the plan, how far each step is, who asked. For executor.c
 * and the files below it only. */
#ifndef STAVE_ENGINE_EXECUTOR_H
#define STAVE_ENGINE_EXECUTOR_H

#include "engine/observe.h"
#include "engine/removal.h"
#include "engine/supervisor.h"

enum step_state { STEP_WAITING, STEP_RUNNING, STEP_DONE, STEP_FAILED, STEP_SKIPPED };

struct step_run {
	enum step_state state;
	size_t waits_for;	      /* dependencies that are not yet met */
	struct removal_span removals; /* of a REMOVE: what is still to go */
	struct life *life;	      /* of a CREATE, START or STOP; NULL when it is removed */
	bool begun;		      /* START: the order has been given */
	bool busy;	     /* its function is being run: what changes now is in its answer */
	bool stays;	     /* a network that others use, and that is not removed */
	bool made;	     /* a network or volume that was not there before */
	bool waited;	     /* somebody waits for its health, and has been told so */
	size_t first, count; /* its dependents, in job->dependents */
};

struct dependent {
	uint32_t step;
	enum step_when when;
	bool met;
};

struct job {
	struct supervisor *s;
	struct conn *conn; /* NULL: nobody listens */
	json_t *body;
	struct goal goal;
	bool run;
	int stdio[3];
	struct project *project; /* borrowed from the supervisor, or own_project */
	struct project *own_project;
	struct image_store *images;
	struct map found; /* image name -> struct image * */
	struct plan plan;
	struct step_run *steps;
	struct dependent *dependents;
	VEC(uint32_t) ready;
	size_t left;	     /* steps that are WAITING or RUNNING */
	size_t creates_left; /* CREATE steps of these: nothing starts before they are done */
	bool began, cancelled, advancing, ports_checked, waiting;
	struct timer *timeout, *settle; /* of `up --wait` */
	struct err err;			/* the first failure */
	struct life *oneoff;
	void (*advance)(void *supervisor); /* looks at what is ready */
};

/* --- steps.c: what each kind of step does --- */

/* 0: done, 1: under way (job__step_over will be called), negative: failed. */
int steps__run(struct job *job, uint32_t index, struct err *err);
/* A step that is under way: the same answers for the container, or for what is being removed, as it
 * is now. */
int steps__poll(struct job *job, uint32_t index, struct err *err);
/* The job is cancelled: what this step is waiting for, and may do without, ends. */
void steps__cancel(struct job *job, uint32_t index);
/* "Creating", "Created", ...; "" for a step that people need not see. */
const char *steps__word(const struct step *step, bool done);
/* Removes a container that does not run: record, slot (unless kept), leases, with `volumes` its
 * anonymous ones. Its files may take longer: see removal_begin. */
int steps__destroy(struct life *life, bool keep_slot, bool volumes, struct removal_span *span,
		   struct err *err);

/* --- undo.c --- */

/* At the end of a job that has failed: removes what it made and what never ran. */
void undo_half_made(struct job *job);

/* --- wait.c --- */

/* 1: there is something to wait for (job->waiting, until it is over). */
int wait__begin(struct job *job);
void wait__check(struct job *job); /* a container has changed */

/* --- job.c --- */

/* Takes the request's body and stdio, also when it fails (ERR_INPUT, NULL). */
struct job *job__make(struct supervisor *s, struct job_request *request, struct err *err);
void job__free(struct job *job);
void job__fail(struct job *job, struct err *err); /* takes err's content; the first one is kept */
void job__warn(struct job *job, const char *text);

/* The slot's anonymous volumes become those that the container has. */
void anonymous_of(const struct container *c, struct slot *slot);
/* After a container that was to take the slot and did not: those of its volumes that the container
 * which stays in it (NULL: none) does not have were made for nobody, and go. */
void anonymous_give_back(struct supervisor *s, struct slot *slot, const struct container *stays);
void job__advance_later(struct job *job); /* at the end of this round */
void job__event(struct job *job, const struct step *step, const char *action, const char *text,
		const char *reason);

/* --- job-plan.c: what a job begins with --- */
/* Takes the project, observes, plans. */
int job__plan(struct job *job, struct err *err);
void job__index(struct job *job);	 /* who waits for whom, of job->plan */
void job__tell_running(struct job *job); /* what was asked to be up and is already */

#endif
