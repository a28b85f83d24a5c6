/* The event loop of the supervisor and of attached commands: one thread, epoll, a heap of timers,
 * signals through a signalfd. A handle's memory is the loop's from its making until its close call;
 * a closed handle is freed after the current round, so a callback may close anything, itself
 * included.
 *
 * Order of a round: timers that are due, then ready descriptors, then deferred calls, then closed
 * handles are freed. */
#ifndef STAVE_BASE_LOOP_H
#define STAVE_BASE_LOOP_H

#include "base/err.h"
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

struct loop;
struct watch; /* one descriptor */
struct timer; /* one moment, or a repeated one */

int loop_new(struct loop **ret, struct err *err);
void loop_free(struct loop *loop); /* closes every handle, closes no watched descriptor */
DEFINE_CLEANUP(struct loop, loop_free)

/* Runs until loop_stop(), or until nothing is left to wait for: no watch with an interest (signals
 * are one), no armed timer, no deferred call. Returns loop_stop's value or 0. */
int loop_run(struct loop *loop);
/* One round, waiting at most `limit` (NSEC_NEVER: as long as it takes). */
void loop_once(struct loop *loop, nsec_t limit);
void loop_stop(struct loop *loop, int result);

/* events: EPOLLIN etc. The descriptor stays the caller's and must be open until watch_close(). */
/* A regular file, which epoll refuses, is always ready. */
typedef void (*watch_fn)(struct watch *w, int fd, uint32_t events, void *data);
struct watch *loop_watch(struct loop *loop, int fd, uint32_t events, watch_fn fn, void *data);
void watch_events(struct watch *w, uint32_t events); /* change the interest; 0 pauses */
void watch_close(struct watch *w);		     /* NULL is allowed */

/* Fires once at `delay` from now, or, with repeat > 0, again each `repeat`. One-shot timers stay
 * valid until closed. */
typedef void (*timer_fn)(struct timer *t, void *data);
struct timer *loop_timer(struct loop *loop, nsec_t delay, nsec_t repeat, timer_fn fn, void *data);
void timer_again(struct timer *t, nsec_t delay); /* (re)arm from now */
void timer_stop(struct timer *t);		 /* disarm, keep */
void timer_close(struct timer *t);		 /* NULL is allowed */

/* Called once, after the ready descriptors of this round. */
void loop_defer(struct loop *loop, void (*fn)(void *data), void *data);

/* Blocks the signals in `set` for this process and delivers them through the loop. Call once per
 * loop. */
typedef void (*signal_fn)(const struct signalfd_siginfo *info, void *data);
int loop_signals(struct loop *loop, const sigset_t *set, signal_fn fn, void *data, struct err *err);

#endif
