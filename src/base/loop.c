#include "base/loop.h"

#include "base/alloc.h"
#include "base/vec.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

/* Closing is a state, not a free(): what a round still holds (events fetched from the kernel, due
 * timers) may point at a handle that a callback closed. It is skipped and freed after the round. */
struct watch {
	struct loop *loop;
	struct watch *next, *previous;
	int fd;
	uint32_t events;
	watch_fn fn;
	void *data;
	bool closing;
	bool polled; /* known to epoll */
	/* A regular file: epoll refuses it, as it is always ready. */
	bool always;
};

struct timer {
	struct loop *loop;
	nsec_t due, repeat;
	size_t at; /* index in the heap, NOT_ARMED when not in it */
	timer_fn fn;
	void *data;
	bool closing;
	struct timer *next, *previous;
};

#define NOT_ARMED SIZE_MAX

struct deferred {
	void (*fn)(void *data);
	void *data;
};

struct loop {
	int epoll;
	bool stopped;
	int result;
	struct watch *watches;
	struct timer *timers;
	size_t active; /* watches with an interest */
	size_t always; /* of those, the regular files */
	VEC(struct timer *) heap;
	VEC(struct deferred) deferred;
	VEC(struct watch *) closed_watches;
	VEC(struct timer *) closed_timers;
	int signal_fd;
	struct watch *signal_watch;
	signal_fn signal_handler;
	void *signal_data;
};

#define list_add(head, item)                                                                       \
	do {                                                                                       \
		(item)->next = (head);                                                             \
		if (head)                                                                          \
			(head)->previous = (item);                                                 \
		(head) = (item);                                                                   \
	} while (0)
#define list_remove(head, item)                                                                    \
	do {                                                                                       \
		if ((item)->previous)                                                              \
			(item)->previous->next = (item)->next;                                     \
		else                                                                               \
			(head) = (item)->next;                                                     \
		if ((item)->next)                                                                  \
			(item)->next->previous = (item)->previous;                                 \
	} while (0)

int loop_new(struct loop **ret, struct err *err)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "create an epoll descriptor");
	struct loop *loop = new0(struct loop);
	loop->epoll = fd;
	loop->signal_fd = FD_NONE;
	*ret = loop;
	return 0;
}

static void free_closed(struct loop *loop)
{
	vec_each(w, &loop->closed_watches)
		free(*w);
	loop->closed_watches.n = 0;
	vec_each(t, &loop->closed_timers)
		free(*t);
	loop->closed_timers.n = 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->watches)
		watch_close(loop->watches);
	while (loop->timers)
		timer_close(loop->timers);
	free_closed(loop);
	vec_done(&loop->heap);
	vec_done(&loop->deferred);
	vec_done(&loop->closed_watches);
	vec_done(&loop->closed_timers);
	fd_close(loop->signal_fd);
	fd_close(loop->epoll);
	free(loop);
}

/* Watches. */

static void apply_interest(struct watch *w, uint32_t events)
{
	struct loop *loop = w->loop;
	struct epoll_event event = { .events = events, .data.ptr = w };

	loop->active += (events != 0) - (w->events != 0);
	if (w->always) {
		loop->always += (events != 0) - (w->events != 0);
		w->events = events;
		return;
	}
	/* A pause takes it out of epoll: with an interest of 0 a hang-up would still be reported,
	 * round after round. */
	int r = 0;
	if (events && !w->polled) {
		r = epoll_ctl(loop->epoll, EPOLL_CTL_ADD, w->fd, &event);
		if (r < 0 && errno == EPERM) {
			w->always = true;
			loop->always++;
			r = 0;
		} else {
			w->polled = true;
		}
	} else if (events) {
		r = epoll_ctl(loop->epoll, EPOLL_CTL_MOD, w->fd, &event);
	} else if (w->polled) {
		r = epoll_ctl(loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
		w->polled = false;
	}
	/* Left are EBADF, EEXIST and ENOENT: a descriptor closed before its watch, or watched
	 * twice. */
	assert(r == 0);
	w->events = events;
}

struct watch *loop_watch(struct loop *loop, int fd, uint32_t events, watch_fn fn, void *data)
{
	assert(fd >= 0);
	struct watch *w = new0(struct watch);
	*w = (struct watch){ .loop = loop, .fd = fd, .fn = fn, .data = data };
	list_add(loop->watches, w);
	apply_interest(w, events);
	return w;
}

void watch_events(struct watch *w, uint32_t events)
{
	assert(!w->closing);
	if (events != w->events)
		apply_interest(w, events);
}

void watch_close(struct watch *w)
{
	if (!w || w->closing)
		return;
	apply_interest(w, 0);
	w->closing = true;
	list_remove(w->loop->watches, w);
	vec_push(&w->loop->closed_watches, w);
}

/* Timers: a binary heap, the next one at index 0. */

static void heap_put(struct loop *loop, size_t at, struct timer *t)
{
	loop->heap.v[at] = t;
	t->at = at;
}

static void heap_up(struct loop *loop, size_t at, struct timer *t)
{
	while (at > 0 && loop->heap.v[(at - 1) / 2]->due > t->due) {
		heap_put(loop, at, loop->heap.v[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_put(loop, at, t);
}

static void heap_down(struct loop *loop, size_t at, struct timer *t)
{
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= loop->heap.n)
			break;
		if (child + 1 < loop->heap.n &&
		    loop->heap.v[child + 1]->due < loop->heap.v[child]->due)
			child++;
		if (loop->heap.v[child]->due >= t->due)
			break;
		heap_put(loop, at, loop->heap.v[child]);
		at = child;
	}
	heap_put(loop, at, t);
}

void timer_stop(struct timer *t)
{
	struct loop *loop = t->loop;
	if (t->at == NOT_ARMED)
		return;
	size_t at = t->at;
	t->at = NOT_ARMED;
	struct timer *last = loop->heap.v[--loop->heap.n];
	if (last == t)
		return;
	if (at > 0 && loop->heap.v[(at - 1) / 2]->due > last->due)
		heap_up(loop, at, last);
	else
		heap_down(loop, at, last);
}

static void timer_arm(struct timer *t, nsec_t due)
{
	timer_stop(t);
	t->due = due;
	vec_push(&t->loop->heap, t);
	heap_up(t->loop, t->loop->heap.n - 1, t);
}

static nsec_t after(nsec_t delay)
{
	nsec_t due;
	return __builtin_add_overflow(now_mono(), delay > 0 ? delay : 0, &due) ? NSEC_NEVER : due;
}

struct timer *loop_timer(struct loop *loop, nsec_t delay, nsec_t repeat, timer_fn fn, void *data)
{
	struct timer *t = new0(struct timer);
	*t = (struct timer){
		.loop = loop, .repeat = repeat, .at = NOT_ARMED, .fn = fn, .data = data
	};
	list_add(loop->timers, t);
	timer_arm(t, after(delay));
	return t;
}

void timer_again(struct timer *t, nsec_t delay)
{
	assert(!t->closing);
	timer_arm(t, after(delay));
}

void timer_close(struct timer *t)
{
	if (!t || t->closing)
		return;
	timer_stop(t);
	t->closing = true;
	list_remove(t->loop->timers, t);
	vec_push(&t->loop->closed_timers, t);
}

void loop_defer(struct loop *loop, void (*fn)(void *data), void *data)
{
	vec_push(&loop->deferred, (struct deferred){ .fn = fn, .data = data });
}

static void signals_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct loop *loop = data;
	struct signalfd_siginfo info;
	(void)events;
	while (!w->closing && read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop->signal_handler(&info, loop->signal_data);
}

int loop_signals(struct loop *loop, const sigset_t *set, signal_fn fn, void *data, struct err *err)
{
	assert(loop->signal_fd == FD_NONE);
	if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return err_sys(err, errno, "block signals");
	int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(err, errno, "create a signal descriptor");
	loop->signal_fd = fd;
	loop->signal_handler = fn;
	loop->signal_data = data;
	loop->signal_watch = loop_watch(loop, fd, EPOLLIN, signals_ready, loop);
	return 0;
}

/* Rounds. */

/* Only what was due when the round began: a timer that arms itself with 0 gets its turn in the
 * next round, after the descriptors. */
static void run_timers(struct loop *loop)
{
	nsec_t now = now_mono();
	while (loop->heap.n && loop->heap.v[0]->due <= now) {
		struct timer *t = loop->heap.v[0];
		timer_stop(t);
		if (t->repeat > 0) {
			/* Missed turns are dropped, the beat is kept. */
			nsec_t missed = (now - t->due) / t->repeat;
			timer_arm(t, t->due + (missed + 1) * t->repeat);
		}
		t->fn(t, t->data);
	}
}

static void run_always(struct loop *loop)
{
	for (struct watch *w = loop->watches, *next; w; w = next) {
		/* A callback may close `next`; a closed one is out of the list but its memory, and
		 * its link, stay until the round ends. */
		next = w->next;
		if (w->always && w->events && !w->closing)
			w->fn(w, w->fd, w->events & (EPOLLIN | EPOLLOUT), w->data);
	}
}

static void run_deferred(struct loop *loop)
{
	/* Those added meanwhile run in the next round. */
	size_t n = loop->deferred.n;
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		struct deferred d = loop->deferred.v[i];
		d.fn(d.data);
	}
	memmove(loop->deferred.v, loop->deferred.v + n,
		(loop->deferred.n - n) * sizeof(*loop->deferred.v));
	loop->deferred.n -= n;
}

static nsec_t time_to_wait(const struct loop *loop, nsec_t limit)
{
	if (loop->deferred.n || loop->always)
		return 0;
	if (!loop->heap.n || loop->heap.v[0]->due == NSEC_NEVER)
		return limit;
	nsec_t left = loop->heap.v[0]->due - now_mono();
	if (left < 0)
		left = 0;
	return left < limit ? left : limit;
}

/* epoll_pwait2 counts nanoseconds (Linux 5.11); elsewhere we sleep up to a millisecond longer. */
static int wait_events(int epoll, struct epoll_event *events, int most, nsec_t wait)
{
	struct timespec ts = { .tv_sec = (time_t)(wait / NSEC_PER_SEC),
			       .tv_nsec = (long)(wait % NSEC_PER_SEC) };
	bool forever = wait == NSEC_NEVER;
	int n = (int)syscall(SYS_epoll_pwait2, epoll, events, most, forever ? NULL : &ts, NULL, 0);
	if (n < 0 && errno == ENOSYS) {
		nsec_t ms = (wait + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
		n = epoll_wait(epoll, events, most,
			       forever ? -1 : (int)(ms > 3600000 ? 3600000 : ms));
	}
	return n;
}

void loop_once(struct loop *loop, nsec_t limit)
{
	enum { BATCH = 64 };
	struct epoll_event events[BATCH];

	int n = wait_events(loop->epoll, events, BATCH, time_to_wait(loop, limit));
	run_timers(loop);
	for (int i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;
		if (!w->closing && w->events)
			w->fn(w, w->fd, events[i].events, w->data);
	}
	if (loop->always)
		run_always(loop);
	run_deferred(loop);
	free_closed(loop);
}

int loop_run(struct loop *loop)
{
	loop->stopped = false;
	loop->result = 0;
	while (!loop->stopped && (loop->active || loop->heap.n || loop->deferred.n))
		loop_once(loop, NSEC_NEVER);
	free_closed(loop);
	return loop->result;
}

void loop_stop(struct loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}
