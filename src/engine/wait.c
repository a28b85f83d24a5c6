/* up --wait: when the steps are done, until all are running or healthy, or one never will be. */
#include "engine/executor.h"

static bool waits_for_end(const struct job *job, const char *service)
{
	vec_each(other, &job->project->services) {
		vec_each(d, &other->depends_on) {
			if (d->condition == DEPENDS_COMPLETED && str_eq(d->service, service))
				return true;
		}
	}
	return false;
}

/* A program that fails does so at once: one without a health check has to have run for this long.
 * Docker Compose looks for the first time after as long. */
#define WAIT_SETTLES (500 * NSEC_PER_MSEC)

static bool settled(const struct container *c)
{
	return c->state == CONTAINER_RUNNING &&
	       (c->health_state == HEALTH_HEALTHY ||
		(c->health_state == HEALTH_NONE && now_wall() - c->started >= WAIT_SETTLES));
}

/* 1: all are as they should be, 0: not yet, negative: one never will. */
static int all_well(struct job *job, struct err *err)
{
	int well = 1;
	map_each(e, &job->s->lives) {
		const struct container *c = ((struct life *)e->value)->c;
		bool selected =
			job->goal.services.n == 0 || strv_has(&job->goal.services, c->service);
		if (c->oneoff || !selected || c->state == CONTAINER_CREATED)
			continue;
		bool up = container_is_up(c->state) || c->state == CONTAINER_BACKOFF;
		if (!up && waits_for_end(job, c->service) && c->exit_code == 0)
			continue;
		if (!up)
			return err_new(err, ERR_CONTAINER, ECANCELED, "container %s exited (%d)",
				       c->name, c->exit_code);
		if (c->health_state == HEALTH_UNHEALTHY)
			return err_new(err, ERR_CONTAINER, ECANCELED, "container %s is unhealthy",
				       c->name);
		if (waits_for_end(job, c->service) || !settled(c))
			well = 0;
	}
	return well;
}

void wait__check(struct job *job)
{
	cleanup_err struct err err = ERR_INIT;
	int r = all_well(job, &err);
	if (r == 0)
		return;
	if (r < 0)
		job__fail(job, &err);
	job->waiting = false;
	job__advance_later(job);
}

static void wait_again(struct timer *t, void *data)
{
	struct job *job = data;
	if (job->waiting)
		wait__check(job);
	if (job->waiting)
		timer_again(t, WAIT_SETTLES / 5);
}

static void wait_over(struct timer *t, void *data)
{
	struct job *job = data;
	(void)t;
	cleanup_err struct err err = ERR_INIT;
	(void)err_new(&err, ERR_TIMEOUT, ETIMEDOUT, "not all services are up and healthy in time");
	job__fail(job, &err);
	job->cancelled = true;
	job__advance_later(job);
}

int wait__begin(struct job *job)
{
	if (!job->goal.wait || !job->project)
		return 0;
	job->goal.wait = false;
	job->waiting = true;
	wait__check(job);
	if (job->waiting)
		job->settle = loop_timer(job->s->loop, WAIT_SETTLES / 5, 0, wait_again, job);
	if (job->waiting && job->goal.has_wait_timeout)
		job->timeout = loop_timer(job->s->loop, job->goal.wait_timeout, 0, wait_over, job);
	return 1;
}
