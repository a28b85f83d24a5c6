#include "test.h"

#include "base/loop.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>

struct world {
	struct loop *loop;
	struct str trace; /* what happened, one letter each */
	struct watch *first, *second;
	struct timer *timer;
	int pipe[2];
	int count;
};

static int setup(void **state)
{
	struct world *w = new0(struct world);
	struct err err = ERR_INIT;
	assert_int_equal(loop_new(&w->loop, &err), 0);
	assert_int_equal(pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	loop_free(w->loop);
	str_done(&w->trace);
	close(w->pipe[0]);
	close(w->pipe[1]);
	free(w);
	return 0;
}

static void nothing_to_wait_for_ends_the_run(void **state)
{
	struct world *w = *state;
	assert_int_equal(loop_run(w->loop), 0);
}

static void on_a(struct timer *t, void *data)
{
	str_addc(&((struct world *)data)->trace, 'a');
}
static void on_b(struct timer *t, void *data)
{
	str_addc(&((struct world *)data)->trace, 'b');
}
static void on_c(struct timer *t, void *data)
{
	struct world *w = data;
	str_addc(&w->trace, 'c');
	loop_stop(w->loop, 7);
}

static void timers_fire_in_order(void **state)
{
	struct world *w = *state;
	loop_timer(w->loop, 6 * NSEC_PER_MSEC, 0, on_c, w);
	loop_timer(w->loop, 1 * NSEC_PER_MSEC, 0, on_a, w);
	struct timer *never = loop_timer(w->loop, 2 * NSEC_PER_MSEC, 0, on_a, w);
	loop_timer(w->loop, 3 * NSEC_PER_MSEC, 0, on_b, w);
	timer_stop(never);
	nsec_t start = now_mono();
	assert_int_equal(loop_run(w->loop), 7);
	assert_true(now_mono() - start >= 6 * NSEC_PER_MSEC);
	assert_string_equal(str_text(&w->trace), "abc");
}

static void on_repeat(struct timer *t, void *data)
{
	struct world *w = data;
	str_addc(&w->trace, 'r');
	if (++w->count == 3)
		timer_close(t);
}

static void repeated_until_closed_by_itself(void **state)
{
	struct world *w = *state;
	loop_timer(w->loop, 0, NSEC_PER_MSEC, on_repeat, w);
	assert_int_equal(loop_run(w->loop), 0);
	assert_string_equal(str_text(&w->trace), "rrr");
}

static void on_rearm(struct timer *t, void *data)
{
	struct world *w = data;
	if (++w->count < 4)
		timer_again(t, 0);
}

static void timers_can_be_armed_again(void **state)
{
	struct world *w = *state;
	struct timer *t = loop_timer(w->loop, 0, 0, on_rearm, w);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->count, 4);
	w->count = 3;
	timer_again(t, 0); /* a one-shot stays valid */
	loop_run(w->loop);
	assert_int_equal(w->count, 4);
}

/* The heap against a plain search: random arming and stopping, then in order. */
struct due {
	nsec_t from, to; /* in between, as precisely as can be seen from here */
	bool fired;
};

static nsec_t last_due;
static void on_due(struct timer *t, void *data)
{
	struct due *due = data;
	assert_true(due->to >= last_due);
	if (last_due < due->from)
		last_due = due->from;
	due->fired = true;
}

static void many_timers_keep_their_order(void **state)
{
	enum { TIMERS = 300 };
	struct world *w = *state;
	static struct due due[TIMERS];
	static struct timer *timers[TIMERS];
	unsigned random = 7;
	last_due = 0;
	for (int i = 0; i < TIMERS; i++)
		timers[i] = loop_timer(w->loop, NSEC_PER_SEC, 0, on_due, &due[i]);
	for (int i = 0; i < 3 * TIMERS; i++) {
		random = random * 1103515245u + 12345u;
		int k = (int)((random >> 8) % TIMERS);
		if (random & 0x80) {
			timer_stop(timers[k]);
		} else {
			timer_again(timers[k], (nsec_t)(random >> 16 & 0xff) * 20 * NSEC_PER_USEC);
		}
	}
	last_due = 0;
	for (int i = 0; i < TIMERS; i++)
		timer_stop(timers[i]);
	for (int i = 0; i < TIMERS; i++) {
		random = random * 1103515245u + 12345u;
		nsec_t delay = (nsec_t)(random >> 20 & 15) * NSEC_PER_MSEC;
		due[i] = (struct due){ .from = now_mono() + delay };
		timer_again(timers[i], delay);
		due[i].to = now_mono() + delay;
	}
	loop_run(w->loop);
	for (int i = 0; i < TIMERS; i++)
		assert_true(due[i].fired);
}

static void on_read(struct watch *watch, int fd, uint32_t events, void *data)
{
	struct world *w = data;
	char c;
	if (read(fd, &c, 1) == 1) {
		str_addc(&w->trace, c);
		return;
	}
	str_addc(&w->trace, '$');
	watch_close(watch);
}

static void descriptors_are_watched(void **state)
{
	struct world *w = *state;
	loop_watch(w->loop, w->pipe[0], EPOLLIN, on_read, w);
	assert_int_equal(write(w->pipe[1], "xy", 2), 2);
	loop_once(w->loop, NSEC_NEVER);
	loop_once(w->loop, NSEC_NEVER);
	loop_once(w->loop, NSEC_PER_MSEC); /* nothing there: comes back */
	assert_string_equal(str_text(&w->trace), "xy");
	close(w->pipe[1]);
	w->pipe[1] = FD_NONE;
	assert_int_equal(loop_run(w->loop), 0);
	assert_string_equal(str_text(&w->trace), "xy$");
}

static void a_pause_hides_the_hang_up(void **state)
{
	struct world *w = *state;
	struct watch *watch = loop_watch(w->loop, w->pipe[0], EPOLLIN, on_read, w);
	close(w->pipe[1]);
	w->pipe[1] = FD_NONE;
	watch_events(watch, 0);
	assert_int_equal(loop_run(w->loop), 0); /* nothing of interest is left */
	loop_once(w->loop, NSEC_PER_MSEC);
	assert_string_equal(str_text(&w->trace), "");
	watch_events(watch, EPOLLIN);
	loop_run(w->loop);
	assert_string_equal(str_text(&w->trace), "$");
}

static void on_close_both(struct watch *watch, int fd, uint32_t events, void *data)
{
	struct world *w = data;
	str_addc(&w->trace, 'x');
	watch_close(w->first);
	watch_close(w->second);
	watch_close(watch); /* twice is allowed within the round */
	timer_close(w->timer);
}

/* Both are ready in the same round; the one that comes second must not be called. */
static void a_callback_may_close_what_is_ready(void **state)
{
	struct world *w = *state;
	int other[2];
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	w->first = loop_watch(w->loop, w->pipe[0], EPOLLIN, on_close_both, w);
	w->second = loop_watch(w->loop, other[0], EPOLLIN, on_close_both, w);
	w->timer = loop_timer(w->loop, NSEC_PER_SEC, 0, on_c, w);
	assert_int_equal(write(w->pipe[1], "1", 1), 1);
	assert_int_equal(write(other[1], "1", 1), 1);
	assert_int_equal(loop_run(w->loop), 0);
	assert_string_equal(str_text(&w->trace), "x");
	close(other[0]);
	close(other[1]);
}

static void on_file(struct watch *watch, int fd, uint32_t events, void *data)
{
	struct world *w = data;
	char byte;
	if (read(fd, &byte, 1) == 1) {
		w->count++;
		return;
	}
	watch_close(watch);
}

static void regular_files_are_always_ready(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/stave-test-loop-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, "abc", 3), 3);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	loop_watch(w->loop, fd, EPOLLIN, on_file, w);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->count, 3);
	close(fd);
}

static void deferred_again(void *data)
{
	struct world *w = data;
	str_addc(&w->trace, 'd');
	if (++w->count < 3)
		loop_defer(w->loop, deferred_again, w);
}

static void deferred_calls_run_once_each(void **state)
{
	struct world *w = *state;
	loop_defer(w->loop, deferred_again, w);
	loop_once(w->loop, NSEC_NEVER);
	assert_string_equal(str_text(&w->trace), "d");
	assert_int_equal(loop_run(w->loop), 0);
	assert_string_equal(str_text(&w->trace), "ddd");
}

static void on_signal(const struct signalfd_siginfo *info, void *data)
{
	struct world *w = data;
	loop_stop(w->loop, (int)info->ssi_signo);
}

static void signals_come_through_the_loop(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_SETMASK, NULL, &old);
	assert_int_equal(loop_signals(w->loop, &set, on_signal, w, &err), 0);
	raise(SIGUSR1);
	assert_int_equal(loop_run(w->loop), SIGUSR1);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_to_wait_for_ends_the_run), T(timers_fire_in_order),
		T(repeated_until_closed_by_itself),  T(timers_can_be_armed_again),
		T(many_timers_keep_their_order),     T(descriptors_are_watched),
		T(a_pause_hides_the_hang_up),	     T(a_callback_may_close_what_is_ready),
		T(regular_files_are_always_ready),   T(deferred_calls_run_once_each),
		T(signals_come_through_the_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
