/* Runs plans: every step whose dependencies are met is begun at once; what takes time (a
 * container's start or end) goes on while others begin. One job at a time; the others wait their
 * turn. */
#include "engine/executor.h"

#include "base/fs.h"
#include "base/log.h"
#include "compose/compose.h"
#include "engine/conn.h"

static void begin_next(struct supervisor *s);

struct conn *job_conn(const struct supervisor *s)
{
	return s->jobs.n > 0 ? s->jobs.v[0]->conn : NULL;
}

/* --- making and ending --- */

static json_t *run_answer(const struct job *job, int *ret_fd)
{
	*ret_fd = FD_NONE;
	if (!job->oneoff)
		return NULL;
	if (job->oneoff->c->tty && !job->goal.oneoff->detach)
		*ret_fd = job->oneoff->console;
	return json_pack("{s:s}", "id", job->oneoff->c->id);
}

static void job_end(struct job *job)
{
	struct supervisor *s = job->s;
	if (job->cancelled && job->err.no == 0)
		(void)err_new(&job->err, ERR_CANCELLED, ECANCELED, "cancelled");
	prepare_end(s);
	ahead_end(s);
	undo_half_made(job);
	publish_now(s);
	cleanup_err struct err sync = ERR_INIT;
	if (fs_sync_settle(&sync) < 0)
		job__fail(job, &sync);
	cleanup_err struct err sweep = ERR_INIT;
	if (supervisor_sweep(s, NULL, &sweep) < 0)
		event_warning(s, "%s", sweep.msg);
	if (job->conn) {
		int fd = FD_NONE;
		json_t *extra = job->err.no ? NULL : run_answer(job, &fd);
		conn_result(job->conn, job->err.no ? &job->err : NULL, extra, fd);
	}
	vec_remove(&s->jobs, 0);
	job__free(job);
	if (s->jobs.n == 0)
		supervisor_forget_project(s);
	begin_next(s);
	supervisor_idle_check(s);
}

/* --- dependencies --- */

/* 1: met, 0: not yet, negative: never, with the reason. */
static int dependency_met(const struct job *job, const struct step_run *run,
			  const struct step *step, enum step_when when, struct err *err)
{
	if (when == WHEN_OVER)
		return 1;
	if (run->state == STEP_FAILED || run->state == STEP_SKIPPED)
		return err_new(err, ERR_CONTAINER, ECANCELED, "dependency '%s' failed",
			       step->service ? step->service : step->name);
	const struct container *c = run->life ? run->life->c : NULL;
	if (when == WHEN_DONE || !c)
		return 1;
	const char *last = "";
	if (c->health_log.n > 0 && c->health_log.v[c->health_log.n - 1].output)
		last = c->health_log.v[c->health_log.n - 1].output;
	bool up = container_is_up(c->state) || c->state == CONTAINER_BACKOFF;
	if (when == WHEN_COMPLETED) {
		if (up)
			return 0;
		if (c->exit_code == 0)
			return 1;
		return err_new(err, ERR_CONTAINER, ECANCELED,
			       "service \"%s\" didn't complete successfully: exit %d", c->service,
			       c->exit_code);
	}
	if (!up)
		return err_new(err, ERR_CONTAINER, ECANCELED,
			       "dependency failed to start: container %s exited (%d)", c->name,
			       c->exit_code);
	if (c->health_state == HEALTH_UNHEALTHY)
		return err_new(err, ERR_CONTAINER, ECANCELED,
			       "dependency failed to start: container %s is unhealthy%s%.200s%s",
			       c->name, *last ? " (last check: " : "", last, *last ? ")" : "");
	(void)job;
	return c->state == CONTAINER_RUNNING &&
	       (c->health_state == HEALTH_HEALTHY || c->health_state == HEALTH_NONE);
}

static void step_over(struct job *job, uint32_t index, enum step_state state);

static void skip(struct job *job, uint32_t index)
{
	if (job->steps[index].state == STEP_WAITING)
		step_over(job, index, STEP_SKIPPED);
}

static void tell_waiting(struct job *job, uint32_t index, bool met)
{
	struct step_run *run = &job->steps[index];
	const struct step *step = &job->plan.steps.v[index];
	bool health = run->life && run->life->c->health.enabled;
	if (!met && !run->waited)
		job__event(job, step, "wait", "Waiting", NULL);
	else if (met && run->waited)
		job__event(job, step, "done", health ? "Healthy" : "Exited", NULL);
	run->waited = !met;
}

/* After any change of step `index` or its container: who waited for that? */
static void check_dependents(struct job *job, uint32_t index)
{
	const struct step_run *run = &job->steps[index];
	const struct step *step = &job->plan.steps.v[index];
	for (size_t i = 0; i < run->count; i++) {
		struct dependent *d = &job->dependents[run->first + i];
		struct step_run *waiter = &job->steps[d->step];
		cleanup_err struct err err = ERR_INIT;
		if (d->met || waiter->state != STEP_WAITING)
			continue;
		int r = dependency_met(job, run, step, d->when, &err);
		if (r < 0) {
			job__event(job, &job->plan.steps.v[d->step], "error", "Error", err.msg);
			job__fail(job, &err);
			skip(job, d->step);
			continue;
		}
		if (d->when == WHEN_HEALTHY || d->when == WHEN_COMPLETED)
			tell_waiting(job, index, r > 0);
		if (r == 0)
			continue;
		d->met = true;
		if (--waiter->waits_for == 0)
			vec_push(&job->ready, d->step);
	}
}

static void step_over(struct job *job, uint32_t index, enum step_state state)
{
	struct step_run *run = &job->steps[index];
	run->state = state;
	job->left--;
	if (job->plan.steps.v[index].kind == STEP_CREATE)
		job->creates_left--;
	check_dependents(job, index);
}

/* --- running --- */

static void step_result(struct job *job, uint32_t index, int r, struct err *err)
{
	const struct step *step = &job->plan.steps.v[index];
	if (r > 0)
		return;
	if (r == 0) {
		const char *word = job->steps[index].stays ? "Resource is still in use"
							   : steps__word(step, true);
		job__event(job, step, "done", word, NULL);
		step_over(job, index, STEP_DONE);
		return;
	}
	job__event(job, step, "error", "Error", err->msg);
	job__fail(job, err);
	step_over(job, index, STEP_FAILED);
}

static void run_step(struct job *job, uint32_t index)
{
	const struct step *step = &job->plan.steps.v[index];
	cleanup_err struct err err = ERR_INIT;
	job->steps[index].state = STEP_RUNNING;
	debug("step %u: %s %s (%s)", index, step_name(step->kind), step->name ? step->name : "",
	      step->reason);
	job__event(job, step, "start", steps__word(step, false), step->reason);
	job->steps[index].busy = true;
	int r = steps__run(job, index, &err);
	job->steps[index].busy = false;
	step_result(job, index, r, &err);
}

static void poll_step(struct job *job, uint32_t index)
{
	cleanup_err struct err err = ERR_INIT;
	job->steps[index].busy = true;
	int r = steps__poll(job, index, &err);
	job->steps[index].busy = false;
	step_result(job, index, r, &err);
}

/* All of them, before the first container starts. */
static int check_ports(struct job *job, struct err *err)
{
	vec_each(step, &job->plan.steps) {
		if (step->kind != STEP_START)
			continue;
		struct life *life = step->container ? supervisor_life(job->s, step->container)
						    : supervisor_life_by_slot(job->s, step->slot);
		if (!life || life_runs(life))
			continue;
		int r = publish_check(job->s, life->c, err);
		if (r < 0)
			return err_wrap(err, "service '%s'", life->c->service);
	}
	return 0;
}

static bool is_creation(enum step_kind kind)
{
	return kind == STEP_CREATE || kind == STEP_NETWORK_CREATE || kind == STEP_VOLUME_CREATE;
}

/* Whether something can be made right now. (Not so where a network is made anew: there a stop comes
 * first.) */
static bool creation_is_ready(const struct job *job)
{
	vec_each(index, &job->ready) {
		if (*index != UINT32_MAX && is_creation(job->plan.steps.v[*index].kind))
			return true;
	}
	return false;
}

/* A START, and the STOP of what is replaced, waits until everything that is to be made is made:
 * then ports are checked once, and a mistake in one service is found before another one is touched.
 */
static bool may_run(struct job *job, const struct step *step)
{
	bool replaced = step->kind == STEP_STOP && step->recreate;
	if (step->kind != STEP_START && !replaced)
		return true;
	if (job->creates_left > 0)
		return replaced && !creation_is_ready(job);
	if (!job->ports_checked && !job->cancelled) {
		cleanup_err struct err err = ERR_INIT;
		job->ports_checked = true;
		if (check_ports(job, &err) < 0) {
			job__fail(job, &err);
			job->cancelled = true;
		} else {
			ahead_begin(job->s, &job->plan);
		}
	}
	return true;
}

/* Creations that failed, and what a cancelled job has not begun. */
static bool stops_here(const struct job *job, const struct step *step)
{
	bool replaced = step->kind == STEP_STOP && step->recreate;
	if (job->cancelled)
		return true;
	if ((step->kind != STEP_START && !replaced) || job->err.no == 0)
		return false;
	for (size_t i = 0; i < job->plan.steps.n; i++) {
		bool failed =
			job->steps[i].state == STEP_FAILED || job->steps[i].state == STEP_SKIPPED;
		if (job->plan.steps.v[i].kind == STEP_CREATE && failed)
			return true;
	}
	return false;
}

/* Between steps the supervisor has other work: names to answer, clients, the ends of containers. */
#define TURN (20 * NSEC_PER_MSEC)

/* Runs what is ready. False: the turn is over, and there may be more. */
static bool run_ready(struct job *job)
{
	nsec_t begun = now_mono();
	bool in_time = true;
	for (bool moved = true; moved && in_time;) {
		moved = false;
		for (size_t i = 0; i < job->ready.n && in_time; i++) {
			uint32_t index = job->ready.v[i];
			if (index == UINT32_MAX)
				continue; /* begun in this turn */
			const struct step *step = &job->plan.steps.v[index];
			if (!may_run(job, step))
				continue;
			job->ready.v[i] = UINT32_MAX;
			moved = true;
			if (stops_here(job, step))
				skip(job, index);
			else
				run_step(job, index);
			in_time = now_mono() - begun < TURN;
		}
		size_t kept = 0;
		for (size_t i = 0; i < job->ready.n; i++)
			if (job->ready.v[i] != UINT32_MAX)
				job->ready.v[kept++] = job->ready.v[i];
		job->ready.n = kept;
	}
	return in_time;
}

static void job_advance(struct job *job)
{
	if (job->advancing)
		return;
	job->advancing = true;
	if (!run_ready(job))
		job__advance_later(job);
	if (job->cancelled) {
		for (uint32_t i = 0; i < job->plan.steps.n; i++) {
			skip(job, i);
			if (job->steps[i].state == STEP_RUNNING)
				steps__cancel(job, i);
			/* A stop goes on by itself; who comes next may be in more of a hurry. */
			if (job->steps[i].state == STEP_RUNNING && !job->conn &&
			    job->plan.steps.v[i].kind == STEP_STOP)
				step_over(job, i, STEP_FAILED);
		}
		job->waiting = false;
	}
	job->advancing = false;
	if (job->left == 0 && !job->waiting && (job->err.no || job->cancelled || !wait__begin(job)))
		job_end(job);
}

static void advance_deferred(void *data)
{
	struct supervisor *s = data;
	if (s->jobs.n > 0 && s->jobs.v[0]->began)
		job_advance(s->jobs.v[0]);
}

void job_container_changed(struct life *life)
{
	struct supervisor *s = life->s;
	struct job *job = s->jobs.n > 0 ? s->jobs.v[0] : NULL;
	if (!job || !job->began)
		return;
	if (job->waiting)
		wait__check(job);
	for (uint32_t i = 0; i < job->plan.steps.n; i++) {
		struct step_run *run = &job->steps[i];
		if (run->life != life || run->busy)
			continue;
		if (run->state == STEP_RUNNING)
			poll_step(job, i);
		else if (run->state == STEP_DONE)
			check_dependents(job, i);
	}
	job__advance_later(job);
}

void job_removal_over(struct supervisor *s)
{
	struct job *job = s->jobs.n > 0 ? s->jobs.v[0] : NULL;
	if (!job || !job->began)
		return;
	for (uint32_t i = 0; i < job->plan.steps.n; i++)
		if (job->steps[i].state == STEP_RUNNING && job->steps[i].removals.last)
			poll_step(job, i);
	job__advance_later(job);
}

void job_forget_life(struct life *life)
{
	struct supervisor *s = life->s;
	struct job *job = s->jobs.n > 0 ? s->jobs.v[0] : NULL;
	if (!job || !job->steps)
		return;
	for (size_t i = 0; i < job->plan.steps.n; i++)
		if (job->steps[i].life == life)
			job->steps[i].life = NULL;
	if (job->oneoff == life)
		job->oneoff = NULL;
}

/* --- beginning --- */

static void job_begin(struct job *job)
{
	cleanup_err struct err err = ERR_INIT;
	job->began = true;
	fs_sync_aside();
	if (job__plan(job, &err) < 0) {
		job__fail(job, &err);
		job_end(job);
		return;
	}
	for (size_t i = 0; i < job->plan.warnings.n; i++)
		job__warn(job, job->plan.warnings.v[i]);
	job__tell_running(job);
	job__index(job);
	prepare_begin(job->s, &job->plan);
	job_advance(job);
}

static void begin_deferred(void *data)
{
	struct supervisor *s = data;
	if (s->jobs.n > 0 && !s->jobs.v[0]->began && !s->ends_unknown)
		job_begin(s->jobs.v[0]);
}

static void begin_next(struct supervisor *s)
{
	if (s->jobs.n > 0)
		loop_defer(s->loop, begin_deferred, s);
}

void jobs_go_on(struct supervisor *s)
{
	begin_next(s);
}

/* stop, down and rm do not wait for a start that may never end. */
static bool overrules(enum goal_kind kind)
{
	return kind == GOAL_STOP || kind == GOAL_DOWN || kind == GOAL_RM;
}

/* A grace period that runs is cut to what this one gives. */
static void hurry(struct supervisor *s, const struct goal *goal)
{
	map_each(e, &s->lives) {
		struct life *life = e->value;
		cleanup_err struct err ignored = ERR_INIT; /* it is stopped again in its turn */
		bool meant = goal->services.n == 0 || strv_has(&goal->services, life->c->service);
		if (!meant || life->c->state != CONTAINER_STOPPING)
			continue;
		life->stop_timeout = goal->timeout;
		(void)life_event(life, LIFE_STOP, &ignored);
	}
}

void job_new(struct supervisor *s, struct job_request *request)
{
	cleanup_err struct err err = ERR_INIT;
	struct job *job = job__make(s, request, &err);
	if (!job) {
		conn_result(request->conn, &err, NULL, FD_NONE);
		return;
	}
	job->advance = advance_deferred;
	struct job *at_work = s->jobs.n > 0 ? s->jobs.v[0] : NULL;
	vec_push(&s->jobs, job);
	if (at_work && overrules(job->goal.kind) && job->goal.has_timeout)
		hurry(s, &job->goal);
	if (at_work && overrules(job->goal.kind) && !overrules(at_work->goal.kind)) {
		cleanup_err struct err why = ERR_INIT;
		(void)err_new(&why, ERR_CANCELLED, ECANCELED,
			      "cancelled: '%s' was asked for meanwhile", goal_name(job->goal.kind));
		job__fail(at_work, &why);
		at_work->cancelled = true;
		job__advance_later(at_work);
	} else if (at_work) {
		cleanup_free char *text =
			xasprintf("'%s' is at work on this project: waiting for it to end",
				  goal_name(at_work->goal.kind));
		job__warn(job, text);
	}
	if (!at_work)
		begin_next(s);
}

void job_cancel(struct supervisor *s, struct conn *conn, bool conn_gone)
{
	for (size_t i = s->jobs.n; i-- > 0;) {
		struct job *job = s->jobs.v[i];
		if (job->conn != conn)
			continue;
		job->cancelled = true;
		if (conn_gone)
			job->conn = NULL;
		if (job->began) {
			job__advance_later(job);
		} else if (i > 0) {
			cleanup_err struct err err = ERR_INIT;
			(void)err_new(&err, ERR_CANCELLED, ECANCELED, "cancelled");
			if (job->conn)
				conn_result(job->conn, &err, NULL, FD_NONE);
			vec_remove(&s->jobs, i);
			job__free(job);
		}
	}
}
