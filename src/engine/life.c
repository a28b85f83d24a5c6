#include "engine/life.h"

#include "base/log.h"
#include "base/proc.h"
#include "engine/oom.h"
#include "engine/restart.h"
#include "engine/supervisor.h"
#include "runtime/runtime.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	/* A program that has not set up its signal handlers yet looks like one that never will. */
	HANDLERS_BY_MS = 1000,
	SETTLE_MS = 15, /* one that did nothing at all for so long has settled */
	/* Reported when both keeper and supervisor were killed and the status is known to nobody.
	 */
	EXIT_UNKNOWN = 255,
};

const char *life_event_name(enum life_event event)
{
	static const char *const names[] = {
#define X(name, text) [LIFE_##name] = (text),
		LIFE_EVENTS(X)
#undef X
	};
	return names[event];
}

/* --- actions --- */

static struct spec *load_spec(struct life *life, struct spec *spec, struct err *err)
{
	return state_spec_load(&life->s->paths, life->c, spec, err) < 0 ? NULL : spec;
}

static void set_error(struct container *c, const char *text)
{
	free(c->error);
	c->error = xstrdup(text);
}

static void disarm(struct life *life)
{
	timer_close(life->timer);
	life->timer = NULL;
}

static int act_begin(struct life *life, struct err *err)
{
	bool again = life->c->state == CONTAINER_STARTING && life->c->restart_at > 0;
	disarm(life);
	life->c->wanted = true;
	life->c->restart_at = 0;
	if (again) {
		life->c->restarts++;
	} else {
		life->c->restarts = 0;
		life->backoff = 0;
	}
	int r = start_begin(life, err);
	if (r < 0) {
		life->c->exit_code = err->no == EACCES ? 126 : err->no == ENOENT ? 127 : 128;
		life->c->finished = now_wall();
		set_error(life->c, err->msg);
	}
	return r;
}

static int act_started(struct life *life, struct err *err)
{
	(void)err;
	struct container *c = life->c;
	c->started = now_wall();
	life->started = now_mono();
	set_error(c, NULL);
	life->stop_timeout = -1;
	c->health_failing = 0;
	c->health_state = c->health.enabled ? HEALTH_STARTING : HEALTH_NONE;
	health_start(life);
	replica_began(life, false);
	oom_begin(life);
	return 0;
}

static int act_start_failed(struct life *life, struct err *err)
{
	(void)err;
	struct container *c = life->c;
	c->exit_code = life->start_error.no == EACCES	? 126
		       : life->start_error.no == ENOENT ? 127
							: 128;
	c->finished = now_wall();
	c->pid = 0;
	set_error(c, life->start_error.msg ? life->start_error.msg : "could not be started");
	start_ended(life);
	return 0;
}

static int act_died(struct life *life, struct err *err)
{
	(void)err;
	life->c->finished = now_wall();
	life->c->pid = 0;
	life->c->health_state = HEALTH_NONE;
	disarm(life);
	start_ended(life);
	return 0;
}

static void backoff_over(struct timer *t, void *data)
{
	struct life *life = data;
	cleanup_err struct err err = ERR_INIT;
	(void)t;
	if (life_event(life, LIFE_BACKOFF_OVER, &err) < 0)
		event_warning(life->s, "container '%s': %s", life->c->name, err.msg);
}

static void grace_over(struct timer *t, void *data)
{
	struct life *life = data;
	cleanup_err struct err err = ERR_INIT;
	(void)t;
	if (life_event(life, LIFE_GRACE_OVER, &err) < 0)
		event_warning(life->s, "container '%s': %s", life->c->name, err.msg);
}

static void arm(struct life *life, nsec_t delay, timer_fn fn)
{
	disarm(life);
	life->timer = loop_timer(life->s->loop, delay, 0, fn, life);
}

static int act_back_off(struct life *life, struct err *err)
{
	nsec_t up = life->started ? now_mono() - life->started : 0;
	int r = act_died(life, err);
	life->backoff =
		life->c->restart_delay ? life->c->restart_delay : restart_delay(life->backoff, up);
	life->c->restart_at = now_wall() + life->backoff;
	arm(life, life->backoff, backoff_over);
	return r;
}

static int act_kill(struct life *life, struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	if (life->pidfd >= 0)
		(void)proc_pidfd_signal(life->pidfd,
					SIGKILL); /* the first one takes its namespace along */
	if (!load_spec(life, &spec, err))
		return -err->no;
	if (spec.pid == SPEC_NS_PRIVATE)
		return 0;
	return runtime_kill_all(&spec, SIGKILL, err);
}

static int stop_signal(const struct container *c)
{
	return c->stop_signal > 0 ? c->stop_signal : SIGTERM;
}

static nsec_t grace(const struct life *life)
{
	return life->stop_timeout >= 0 ? life->stop_timeout : life->c->stop_grace;
}

/* The program does not handle the signal. A young one may be about to: as long as it is busy with
 * its beginning, look again; one that rests will not come to it. */
static void stop_later(struct timer *t, void *data)
{
	struct life *life = data;
	(void)t;
	int signo = stop_signal(life->c);
	if (runtime_signal_works(life->c->pid, signo)) {
		(void)proc_pidfd_signal(life->pidfd, signo); /* gone: its end is under way */
		arm(life, grace(life), grace_over);
		return;
	}
	uint64_t busy = proc_cpu_time(life->c->pid);
	if (busy != life->busy && now_mono() - life->started < HANDLERS_BY_MS * NSEC_PER_MSEC) {
		life->busy = busy;
		arm(life, SETTLE_MS * NSEC_PER_MSEC, stop_later);
		return;
	}
	event_warning(life->s,
		      "container '%s' does not handle %s, which the kernel then keeps from a first "
		      "process: "
		      "killed without waiting (init: true would pass it on)",
		      life->c->name, signal_name(signo));
	grace_over(NULL, life);
}

static void tell_to_stop(struct life *life)
{
	int signo = stop_signal(life->c);
	if (life->pidfd >= 0)
		(void)proc_pidfd_signal(life->pidfd, signo); /* gone: its end is under way */
	event_container_kill(life, signo);
	life->busy = 0;
	if (signo == SIGKILL || runtime_signal_works(life->c->pid, signo))
		arm(life, grace(life), grace_over);
	else
		arm(life, SETTLE_MS * NSEC_PER_MSEC, stop_later);
}

static int act_stop(struct life *life, struct err *err)
{
	struct container *c = life->c;
	(void)err;
	c->wanted = false;
	c->restart_at = 0;
	health_stop(life);
	disarm(life);
	if (stop_signal(c) == SIGKILL || !replica_leaves(life, grace(life), tell_to_stop))
		tell_to_stop(life);
	return 0;
}

static int set_paused(struct life *life, bool pause, struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	if (!load_spec(life, &spec, err))
		return -err->no;
	if (!pause)
		life->c->held = false;
	return runtime_pause(&spec, pause, err);
}

static int act_pause(struct life *life, struct err *err)
{
	health_stop(life);
	return set_paused(life, true, err);
}

static int act_unpause(struct life *life, struct err *err)
{
	int r = set_paused(life, false, err);
	if (r == 0)
		health_start(life);
	return r;
}

static int act_unpause_and_stop(struct life *life, struct err *err)
{
	int r = act_stop(life, err); /* the signal waits for the thaw, so nothing runs in between */
	int thawed = set_paused(life, false, err);
	return r < 0 ? r : thawed;
}

static int act_not_wanted(struct life *life, struct err *err)
{
	(void)err;
	life->c->wanted = false;
	life->c->restart_at = 0;
	disarm(life);
	return 0;
}

static int act_remove(struct life *life, struct err *err)
{
	(void)act_not_wanted(life, err);
	stdio_close(life);
	return 0;
}

/* --- the table --- */

#define GO(next_, action_, ...)                                                                    \
	{                                                                                          \
		.sort = CELL_GO, .next = CONTAINER_##next_, .failed = CONTAINER_##next_,           \
		.action = (action_), .announce = {                                                 \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define TRY(next_, failed_, action_, ...)                                                          \
	{                                                                                          \
		.sort = CELL_GO, .next = CONTAINER_##next_, .failed = CONTAINER_##failed_,         \
		.action = (action_), .announce = {                                                 \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define IGNORE                                                                                     \
	{                                                                                          \
		.sort = CELL_IGNORE                                                                \
	}
#define REFUSE                                                                                     \
	{                                                                                          \
		.sort = CELL_REFUSE                                                                \
	}
#define NEVER                                                                                      \
	{                                                                                          \
		.sort = CELL_NEVER                                                                 \
	}

/* "die" and what follows from it. A stop that the user asked for ends with "stop". */
static const struct life_cell table[CONTAINER_STATE_MAX_][LIFE_EVENT_MAX_] = {
	[CONTAINER_CREATED] = {
		[LIFE_START] = TRY(STARTING, EXITED, act_begin),
		[LIFE_STARTED] = NEVER,
		[LIFE_START_FAILED] = NEVER,
		[LIFE_DIED] = NEVER,
		[LIFE_DIED_RETRY] = NEVER,
		[LIFE_STOP] = GO(CREATED, act_not_wanted),
		[LIFE_GRACE_OVER] = IGNORE,
		[LIFE_PAUSE] = REFUSE,
		[LIFE_UNPAUSE] = REFUSE,
		[LIFE_BACKOFF_OVER] = IGNORE,
		[LIFE_REMOVE] = GO(REMOVING, act_remove),
	},
	[CONTAINER_STARTING] = {
		[LIFE_START] = IGNORE,
		[LIFE_STARTED] = GO(RUNNING, act_started, "start"),
		[LIFE_START_FAILED] = GO(EXITED, act_start_failed, "die"),
		[LIFE_DIED] = GO(EXITED, act_died, "die"),
		[LIFE_DIED_RETRY] = GO(BACKOFF, act_back_off, "die"),
		[LIFE_STOP] = GO(STOPPING, act_stop),
		[LIFE_GRACE_OVER] = IGNORE,
		[LIFE_PAUSE] = REFUSE,
		[LIFE_UNPAUSE] = REFUSE,
		[LIFE_BACKOFF_OVER] = IGNORE,
		[LIFE_REMOVE] = REFUSE,
	},
	[CONTAINER_RUNNING] = {
		[LIFE_START] = IGNORE,
		[LIFE_STARTED] = IGNORE,
		[LIFE_START_FAILED] = NEVER,
		[LIFE_DIED] = GO(EXITED, act_died, "die"),
		[LIFE_DIED_RETRY] = GO(BACKOFF, act_back_off, "die"),
		[LIFE_STOP] = GO(STOPPING, act_stop),
		[LIFE_GRACE_OVER] = IGNORE,
		[LIFE_PAUSE] = TRY(PAUSED, RUNNING, act_pause, "pause"),
		[LIFE_UNPAUSE] = REFUSE,
		[LIFE_BACKOFF_OVER] = IGNORE,
		[LIFE_REMOVE] = REFUSE,
	},
	[CONTAINER_PAUSED] = {
		[LIFE_START] = TRY(RUNNING, PAUSED, act_unpause, "unpause"),
		[LIFE_STARTED] = NEVER,
		[LIFE_START_FAILED] = NEVER,
		[LIFE_DIED] = GO(EXITED, act_died, "die"),
		[LIFE_DIED_RETRY] = GO(BACKOFF, act_back_off, "die"),
		[LIFE_STOP] = GO(STOPPING, act_unpause_and_stop, "unpause"),
		[LIFE_GRACE_OVER] = IGNORE,
		[LIFE_PAUSE] = REFUSE,
		[LIFE_UNPAUSE] = TRY(RUNNING, PAUSED, act_unpause, "unpause"),
		[LIFE_BACKOFF_OVER] = IGNORE,
		[LIFE_REMOVE] = REFUSE,
	},
	[CONTAINER_STOPPING] = {
		[LIFE_START] = REFUSE,
		[LIFE_STARTED] = IGNORE, /* it got the signal before it had begun */
		[LIFE_START_FAILED] = GO(EXITED, act_start_failed, "die"),
		[LIFE_DIED] = GO(EXITED, act_died, "die", "stop"),
		[LIFE_DIED_RETRY] = GO(EXITED, act_died, "die", "stop"),
		[LIFE_STOP] = GO(STOPPING, act_stop), /* with a shorter grace period, perhaps */
		[LIFE_GRACE_OVER] = GO(STOPPING, act_kill, "kill"),
		[LIFE_PAUSE] = REFUSE,
		[LIFE_UNPAUSE] = REFUSE,
		[LIFE_BACKOFF_OVER] = IGNORE,
		[LIFE_REMOVE] = REFUSE,
	},
	[CONTAINER_EXITED] = {
		[LIFE_START] = TRY(STARTING, EXITED, act_begin),
		[LIFE_STARTED] = NEVER,
		[LIFE_START_FAILED] = NEVER,
		[LIFE_DIED] = IGNORE,
		[LIFE_DIED_RETRY] = IGNORE,
		[LIFE_STOP] = GO(EXITED, act_not_wanted),
		[LIFE_GRACE_OVER] = IGNORE,
		[LIFE_PAUSE] = REFUSE,
		[LIFE_UNPAUSE] = REFUSE,
		[LIFE_BACKOFF_OVER] = IGNORE,
		[LIFE_REMOVE] = GO(REMOVING, act_remove),
	},
	[CONTAINER_BACKOFF] = {
		[LIFE_START] = TRY(STARTING, EXITED, act_begin),
		[LIFE_STARTED] = NEVER,
		[LIFE_START_FAILED] = NEVER,
		[LIFE_DIED] = IGNORE,
		[LIFE_DIED_RETRY] = IGNORE,
		[LIFE_STOP] = GO(EXITED, act_not_wanted, "stop"),
		[LIFE_GRACE_OVER] = IGNORE,
		[LIFE_PAUSE] = REFUSE,
		[LIFE_UNPAUSE] = REFUSE,
		[LIFE_BACKOFF_OVER] = TRY(STARTING, EXITED, act_begin, "restart"),
		[LIFE_REMOVE] = GO(REMOVING, act_remove),
	},
	[CONTAINER_REMOVING] = {
		[LIFE_START] = REFUSE,
		[LIFE_STARTED] = NEVER,
		[LIFE_START_FAILED] = NEVER,
		[LIFE_DIED] = IGNORE,
		[LIFE_DIED_RETRY] = IGNORE,
		[LIFE_STOP] = IGNORE,
		[LIFE_GRACE_OVER] = IGNORE,
		[LIFE_PAUSE] = REFUSE,
		[LIFE_UNPAUSE] = REFUSE,
		[LIFE_BACKOFF_OVER] = IGNORE,
		[LIFE_REMOVE] = GO(REMOVING, act_remove), /* a crash came between */
	},
	[CONTAINER_DEAD] = {
		[LIFE_START] = TRY(STARTING, EXITED, act_begin),
		[LIFE_STARTED] = NEVER,
		[LIFE_START_FAILED] = NEVER,
		[LIFE_DIED] = IGNORE,
		[LIFE_DIED_RETRY] = IGNORE,
		[LIFE_STOP] = GO(DEAD, act_not_wanted),
		[LIFE_GRACE_OVER] = IGNORE,
		[LIFE_PAUSE] = REFUSE,
		[LIFE_UNPAUSE] = REFUSE,
		[LIFE_BACKOFF_OVER] = IGNORE,
		[LIFE_REMOVE] = GO(REMOVING, act_remove),
	},
};

const struct life_cell *life_cell(enum container_state state, enum life_event event)
{
	assert(state < CONTAINER_STATE_MAX_ && event < LIFE_EVENT_MAX_);
	return &table[state][event];
}

/* --- the one function --- */

static void announce(struct life *life, const struct life_cell *cell)
{
	for (size_t i = 0; i < ARRAY_SIZE(cell->announce) && cell->announce[i]; i++) {
		if (str_eq(cell->announce[i], "die"))
			event_container_exit(life, "die", life->c->exit_code);
		else
			event_container(life, cell->announce[i]);
	}
}

static void told(struct life *life, enum container_state from)
{
	struct container *c = life->c;
	bool was = container_is_up(from) || from == CONTAINER_BACKOFF;
	bool is = container_is_up(c->state) || c->state == CONTAINER_BACKOFF;
	publish_later(life->s);
	life->s->tell->changed(life);
	if (!was || is)
		return;
	life->s->tell->over(life);
	supervisor_idle_check(life->s);
}

int life_event(struct life *life, enum life_event event, struct err *err)
{
	struct container *c = life->c;
	ahead_settle(life); /* whatever is to happen to it happens to a process */
	enum container_state from = c->state;
	const struct life_cell *cell = life_cell(from, event);
	debug("%s: %s + %s", c->name, container_state_name(from), life_event_name(event));
	if (cell->sort == CELL_REFUSE)
		return err_new(err, ERR_CONFLICT, EINVAL, "container '%s' is %s", c->name,
			       container_state_name(from));
	if (cell->sort != CELL_GO)
		return 0;
	c->state = cell->next;
	int r = cell->action ? cell->action(life, err) : 0;
	if (r < 0)
		c->state = cell->failed;
	debug("%s: now %s", c->name, container_state_name(c->state));
	/* STARTING lasts milliseconds and is followed by another state. A crash before that finds
	 * the processes by their cgroup and clears them away, whatever the record says. */
	cleanup_err struct err save = ERR_INIT;
	if (c->state != CONTAINER_STARTING &&
	    state_container_save_state(&life->s->paths, c, &save) < 0)
		event_warning(life->s, "container '%s': %s", c->name, save.msg);
	if (r == 0)
		announce(life, cell);
	told(life, from);
	return r;
}

/* --- the end of a process --- */

/* A container whose keeper was killed is init's child: its status is the kernel's to tell, to
 * whoever has a pidfd (Linux 6.15; before that it is unknown). Layout of struct pidfd_info, as far
 * as it is needed. */
static int status_from_pidfd(int pidfd)
{
	struct {
		uint64_t mask, cgroupid;
		uint32_t pid, tgid, ppid, ids[8];
		int32_t exit_code;
		uint32_t coredump_mask, spare;
	} info = { .mask = 1u << 3 /* PIDFD_INFO_EXIT */ };
	_Static_assert(sizeof(info) == 72, "the kernel's struct pidfd_info");
	if (ioctl(pidfd, _IOWR(0xFF, 11, info), &info) < 0 || !(info.mask & (1u << 3)))
		return -1;
	return info.exit_code;
}

static void foreign_exited(struct watch *w, int fd, uint32_t events, void *data)
{
	(void)w;
	(void)events;
	life_exited(data, status_from_pidfd(fd));
}

/* What the set-up said before its process ended: executed, or the reason why not. */
static enum life_event start_outcome(struct life *life)
{
	if (life->status_fd < 0)
		return life->start_error.msg ? LIFE_START_FAILED : LIFE_STARTED;
	int r = runtime_start_result(life->status_fd, &life->start_error);
	watch_close(life->status_watch);
	life->status_watch = NULL;
	life->status_fd = fd_close(life->status_fd);
	return r < 0 ? LIFE_START_FAILED : LIFE_STARTED;
}

void life_exited(struct life *life, int status)
{
	struct container *c = life->c;
	cleanup_err struct err err = ERR_INIT;
	if (!container_is_up(c->state))
		return;
	if (life->status_fd >= 0 || life->start_error.msg) {
		enum life_event outcome = start_outcome(life);
		int r = life_event(life, outcome, &err);
		err_done(&life->start_error);
		if (r < 0 || outcome == LIFE_START_FAILED)
			return;
	}
	if (status < 0) {
		c->exit_code = EXIT_UNKNOWN;
		set_error(c, "its exit status is not known: keeper and supervisor were killed");
	} else {
		c->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	oom_last_look(life);
	/* One that ran for the policy's window has succeeded: attempts are counted anew. */
	if (c->restart_window > 0 && life->started &&
	    now_mono() - life->started >= c->restart_window)
		c->restarts = 0;
	bool retry = restart_wanted(c);
	if (life_event(life, retry ? LIFE_DIED_RETRY : LIFE_DIED, &err) < 0)
		event_warning(life->s, "container '%s': %s", c->name, err.msg);
}

int life_signal(struct life *life, int signo, struct err *err)
{
	struct container *c = life->c;
	if (!life_runs(life) || life->pidfd < 0)
		return err_new(err, ERR_CONFLICT, ESRCH, "container '%s' is not running", c->name);
	if (signo == SIGKILL || signo == c->stop_signal) {
		c->wanted = false;
		cleanup_err struct err save = ERR_INIT;
		if (state_container_save_state(&life->s->paths, c, &save) < 0)
			event_warning(life->s, "container '%s': %s", c->name, save.msg);
	}
	int r = proc_pidfd_signal(life->pidfd, signo);
	if (r < 0 && r != -ESRCH)
		return err_sys(err, -r, "signal container '%s'", c->name);
	event_container_kill(life, signo);
	if (signo == SIGKILL && c->state == CONTAINER_PAUSED)
		return set_paused(life, false, err); /* a frozen process dies when it thaws */
	return 0;
}

/* --- making, adopting --- */

struct life *life_new(struct supervisor *s, struct container *c)
{
	struct life *life = new0(struct life);
	life->s = s;
	life->c = c;
	life->berth = berth_get(s, c->slot);
	life->pidfd = life->status_fd = life->console = FD_NONE;
	for (int i = 0; i < 3; i++)
		life->given_stdio[i] = FD_NONE;
	life->stop_timeout = -1;
	return life;
}

void life_forget_spec(struct life *life)
{
	if (life->spec)
		spec_done(life->spec);
	free(ptr_take(life->spec));
}

void life_free(struct life *life)
{
	if (!life)
		return;
	health_stop(life);
	oom_end(life);
	hooks_end(life);
	stdio_close(life);
	life_forget_spec(life);
	timer_close(life->timer);
	replica_ended(life);
	watch_close(life->status_watch);
	fd_close(life->pidfd);
	fd_close(life->status_fd);
	fd_close(life->console);
	for (int i = 0; i < 3; i++)
		fd_close(life->given_stdio[i]);
	err_done(&life->start_error);
	err_done(&life->hook_error);
	container_free(life->c);
	free(life);
}

/* Whether the set-up was still at work when the supervisor died: its first process is stave's
 * sealed copy until the exec. */
static bool still_in_set_up(const struct container *c)
{
	cleanup_free char *path = xasprintf("/proc/%d/exe", (int)c->pid);
	char target[128] = "";
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	return n > 0 && str_starts(target, "/memfd:");
}

static nsec_t mono_of_wall(nsec_t wall)
{
	return now_mono() - (now_wall() - wall);
}

bool life_adopt(struct life *life)
{
	struct container *c = life->c;
	if (c->state == CONTAINER_BACKOFF) {
		nsec_t left = c->restart_at - now_wall();
		arm(life, left > 0 ? left : 0, backoff_over);
		return false;
	}
	if (!container_is_up(c->state))
		return false;
	life->pidfd = c->pid > 0 ? proc_pidfd(c->pid) : FD_NONE;
	if (life->pidfd < 0 || !proc_alive(c->pid, c->start_time) || proc_abandoned(c->pid)) {
		life->pidfd = fd_close(life->pidfd);
		return false;
	}
	life->started = mono_of_wall(c->started);
	/* A zombie of the keeper's is reported by the keeper; anybody else's end shows on the
	 * pidfd. */
	life->foreign = proc_parent(c->pid) != getppid();
	if (life->foreign)
		life->pidfd_watch =
			loop_watch(life->s->loop, life->pidfd, EPOLLIN, foreign_exited, life);
	if (c->state == CONTAINER_STARTING && still_in_set_up(c)) {
		life->start_error = (struct err){ .kind = ERR_CONTAINER,
						  .no = EINTR,
						  .msg = xstrdup("its start was interrupted") };
		(void)proc_pidfd_signal(life->pidfd,
					SIGKILL); /* its end is reported as any other */
		return true;
	}
	cleanup_err struct err err = ERR_INIT;
	if (c->state != CONTAINER_STARTING)
		replica_began(life, true);
	oom_begin(life);
	if (c->state == CONTAINER_STARTING)
		(void)life_event(life, LIFE_STARTED, &err); /* cannot fail */
	else if (c->state == CONTAINER_RUNNING)
		health_start(life);
	else if (c->state == CONTAINER_PAUSED && c->held) /* its holder's connection is gone */
		(void)life_event(life, LIFE_UNPAUSE, &err);
	else if (c->state == CONTAINER_STOPPING)
		arm(life, c->stop_grace, grace_over);
	return true;
}
