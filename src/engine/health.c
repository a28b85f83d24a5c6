/* Health checks: a command in the container at intervals, never two at once. Its exit status
 * counts, its output is kept (4096 bytes), and one that takes too long is killed with everything
 * that it started. */
#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/proc.h"
#include "engine/supervisor.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum {
	OUTPUT_MAX = 4096,
	LOG_KEEP = 5,
};

struct health {
	struct life *life;
	struct timer *timer;	    /* next check, or the end of this one's time */
	struct runtime_child child; /* pid -1: none runs */
	struct watch *pidfd_watch, *output_watch;
	int output;   /* read end */
	nsec_t began; /* wall */
	bool timed_out;
	char text[OUTPUT_MAX + 1];
	size_t len;
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

static void read_output(struct health *h)
{
	char rest[OUTPUT_MAX];
	for (;;) {
		bool room = h->len < OUTPUT_MAX;
		ssize_t n = read(h->output, room ? h->text + h->len : rest,
				 room ? OUTPUT_MAX - h->len : sizeof(rest));
		if (n <= 0)
			break;
		if (room)
			h->len += (size_t)n;
	}
}

static void output_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct health *h = data;
	(void)fd;
	read_output(h);
	if (events & (EPOLLHUP | EPOLLERR))
		watch_events(w, 0);
}

static void check_clear(struct health *h)
{
	watch_close(h->pidfd_watch);
	watch_close(h->output_watch);
	h->pidfd_watch = h->output_watch = NULL;
	h->output = fd_close(h->output);
	runtime_child_done(&h->child);
	h->child = RUNTIME_CHILD_NONE;
}

/* Text of anything: what is no UTF-8 would not survive JSON. */
static char *clean_output(const struct health *h)
{
	size_t len = h->len;
	while (len > 0 && (h->text[len - 1] == '\n' || h->text[len - 1] == '\r'))
		len--;
	char *text = xstrndup(h->text, len);
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
	check_clear(h);
	keep_result(life->c, &result);
	debug("%s: health check: %d %s", life->c->name, exit_code, output);
	timer_close(h->timer);
	h->timer = NULL;
	judge(life, exit_code == 0);
	if (life->health == h) /* what follows from it may have stopped the container */
		h->timer = loop_timer(life->s->loop, next_interval(life), 0, check_begin, h);
}

static void check_exited(struct watch *w, int fd, uint32_t events, void *data)
{
	struct health *h = data;
	(void)w;
	(void)events;
	siginfo_t info = { 0 };
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	read_output(h);
	cleanup_err struct err failed = ERR_INIT;
	int r = runtime_start_result(h->child.status_fd, &failed);
	if (h->timed_out) {
		char limit[DURATION_TEXT];
		check_over(h, -1,
			   xasprintf("Health check exceeded timeout (%s)",
				     format_duration(h->life->c->health.timeout, limit)));
	} else if (r < 0) {
		check_over(h, failed.no == EACCES ? 126 : 127, xstrdup(failed.msg));
	} else {
		check_over(h, info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status,
			   clean_output(h));
	}
}

/* --- its time is over --- */

static void check_timeout(struct timer *t, void *data)
{
	struct health *h = data;
	(void)t;
	h->timed_out = true;
	proc_kill_family(h->child.pid); /* its end is noticed as any other */
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
	int pipe_fds[2];
	int r = state_spec_load(&life->s->paths, life->c, &spec, err);
	if (r < 0)
		return r;
	struct strv args = { 0 };
	check_args(life->c, &args);
	strv_done(&spec.process.args);
	spec.process.args = args;
	spec.process.tty = false;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	const struct runtime_exec exec = {
		.pid = life->c->pid,
		.start_time = life->c->start_time,
		.process = &spec.process,
		.stdio = { FD_NONE, pipe_fds[1], pipe_fds[1] },
	};
	r = runtime_exec(&spec, &exec, &h->child, err);
	fd_close(pipe_fds[1]);
	if (r < 0) {
		fd_close(pipe_fds[0]);
		return r;
	}
	h->output = pipe_fds[0];
	(void)fcntl(h->output, F_SETFL, O_NONBLOCK);
	h->output_watch = loop_watch(life->s->loop, h->output, EPOLLIN, output_ready, h);
	h->pidfd_watch = loop_watch(life->s->loop, h->child.pidfd, EPOLLIN, check_exited, h);
	return 0;
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
	h->len = 0;
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
	h->child = RUNTIME_CHILD_NONE;
	h->output = FD_NONE;
	h->timer = loop_timer(life->s->loop, next_interval(life), 0, check_begin, h);
	life->health = h;
}

void health_stop(struct life *life)
{
	struct health *h = life->health;
	if (!h)
		return;
	life->health = NULL;
	if (h->child.pid > 0) {
		proc_kill_family(h->child.pid);
		(void)waitpid(h->child.pid, NULL, 0); /* killed: it is a matter of microseconds */
	}
	check_clear(h);
	timer_close(h->timer);
	free(h);
}
