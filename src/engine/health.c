/* Health checks: a command in the container at intervals, never two at once. Its exit status
 * counts, its output is kept (4096 bytes), and one that takes too long is killed with everything
 * that it started. */
#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "engine/errand.h"

#include <poll.h>

enum {
	OUTPUT_MAX = 4096,
	LOG_KEEP = 5,
};

struct health {
	struct life *life;
	struct timer *timer; /* next check, or the end of this one's time */
	nsec_t began;	     /* wall */
	bool timed_out;
	struct errand check;
};

static void check_begin(struct timer *t, void *data);

static bool in_start_period(const struct life *life)
{
	return now_mono() - life->started < life->c->health.start_period;
}

static nsec_t next_interval(const struct life *life)
{
	const struct health_config *config = &life->c->health;
	bool starting = life->c->health_state == HEALTH_STARTING && in_start_period(life);
	nsec_t interval =
		starting && config->start_interval > 0 ? config->start_interval : config->interval;
	return interval > 0 ? interval : NSEC_PER_SEC;
}

/* --- the result --- */

static void keep_result(struct container *c, const struct health_result *result)
{
	while (c->health_log.n >= LOG_KEEP) {
		free(c->health_log.v[0].output);
		vec_remove(&c->health_log, 0);
	}
	vec_push(&c->health_log, *result);
}

static void judge(struct life *life, bool healthy)
{
	struct container *c = life->c;
	enum container_health before = c->health_state;
	if (healthy) {
		c->health_failing = 0;
		c->health_state = HEALTH_HEALTHY;
	} else if (before != HEALTH_STARTING || !in_start_period(life)) {
		/* Failures of the start period do not count, unless it was healthy before. */
		c->health_failing++;
		if (c->health_failing >= (c->health.retries > 0 ? c->health.retries : 1))
			c->health_state = HEALTH_UNHEALTHY;
	}
	cleanup_err struct err err = ERR_INIT;
	if (state_container_save_state(&life->s->paths, c, &err) < 0)
		debug("health of '%s': %s", c->name, err.msg);
	if (c->health_state == before)
		return;
	cleanup_free char *action =
		xasprintf("health_status: %s", container_health_name(c->health_state));
	event_container(life, action);
	publish_later(life->s);
	life->s->tell->changed(life);
}

/* Text of anything: what is no UTF-8 would not survive JSON. */
static char *clean_output(const struct health *h)
{
	char *text = errand_words(&h->check);
	if (str_utf8(text, strlen(text), false))
		return text;
	for (char *p = text; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return text;
}

static void check_over(struct health *h, int exit_code, char *output)
{
	struct life *life = h->life;
	const struct health_result result = {
		.start = h->began, .end = now_wall(), .exit_code = exit_code, .output = output
	};
	keep_result(life->c, &result);
	debug("%s: health check: %d %s", life->c->name, exit_code, output);
	timer_close(h->timer);
	h->timer = NULL;
	judge(life, exit_code == 0);
	if (life->health == h) /* what follows from it may have stopped the container */
		h->timer = loop_timer(life->s->loop, next_interval(life), 0, check_begin, h);
}

static void check_ended(struct errand *errand, int code, const struct err *failed, void *data)
{
	struct health *h = data;
	(void)errand;
	if (h->timed_out) {
		char limit[DURATION_TEXT];
		check_over(h, -1,
			   xasprintf("Health check exceeded timeout (%s)",
				     format_duration(h->life->c->health.timeout, limit)));
	} else if (failed) {
		check_over(h, failed->no == EACCES ? 126 : 127, xstrdup(failed->msg));
	} else {
		check_over(h, code, clean_output(h));
	}
}

/* --- its time is over --- */

static void check_timeout(struct timer *t, void *data)
{
	struct health *h = data;
	(void)t;
	h->timed_out = true;
	errand_kill(&h->check);
}

/* --- the check --- */

/* CMD-SHELL runs in a shell of the image's choice when the image has said one (then test holds it
 * already). */
static void check_args(const struct container *c, struct strv *ret)
{
	const struct strv *test = &c->health.test;
	if (test->n > 0 && str_eq(test->v[0], "CMD-SHELL")) {
		strv_add(ret, "/bin/sh");
		strv_add(ret, "-c");
		strv_add(ret, test->n > 1 ? test->v[1] : "");
		return;
	}
	for (size_t i = 1; i < test->n; i++)
		strv_add(ret, test->v[i]);
}

static int run_check(struct health *h, struct err *err)
{
	struct life *life = h->life;
	cleanup_spec struct spec spec = { 0 };
	int r = state_spec_load(&life->s->paths, life->c, &spec, err);
	if (r < 0)
		return r;
	struct strv args = { 0 };
	check_args(life->c, &args);
	strv_done(&spec.process.args);
	spec.process.args = args;
	spec.process.tty = false;
	return errand_begin(&h->check, life, &spec, false, err);
}

/* The first process has ended, and the news of it is on its way. */
static bool is_over(const struct life *life)
{
	struct pollfd p = { .fd = life->pidfd, .events = POLLIN };
	return poll(&p, 1, 0) > 0;
}

static void check_begin(struct timer *t, void *data)
{
	struct health *h = data;
	struct life *life = h->life;
	(void)t;
	cleanup_err struct err err = ERR_INIT;
	if (is_over(life)) {
		timer_again(t, next_interval(life));
		return;
	}
	h->began = now_wall();
	h->timed_out = false;
	if (run_check(h, &err) < 0) {
		check_over(h, 127, xstrdup(err.msg));
		return;
	}
	nsec_t limit = life->c->health.timeout;
	timer_close(h->timer);
	h->timer = limit > 0 ? loop_timer(life->s->loop, limit, 0, check_timeout, h) : NULL;
}

void health_start(struct life *life)
{
	health_stop(life);
	struct container *c = life->c;
	if (!c->health.enabled) {
		c->health_state = HEALTH_NONE;
		return;
	}
	if (c->health_state == HEALTH_NONE)
		c->health_state = HEALTH_STARTING;
	struct health *h = new0(struct health);
	h->life = life;
	h->check = ERRAND_NONE;
	h->check.over = check_ended;
	h->check.data = h;
	h->check.keep = OUTPUT_MAX;
	h->timer = loop_timer(life->s->loop, next_interval(life), 0, check_begin, h);
	life->health = h;
}

void health_stop(struct life *life)
{
	struct health *h = life->health;
	if (!h)
		return;
	life->health = NULL;
	errand_end(&h->check);
	timer_close(h->timer);
	free(h);
}
