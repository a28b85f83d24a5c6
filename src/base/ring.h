/* Bulk bytes from one thread to others, in chunks: the giver fills one after the other, every taker
 *sees them all, in order, and nothing is copied. Who is ahead waits. For work that is a line of
 *steps (inflate, hash, write): each step has a processor of its own, and the memory has a bound.
 *
 *	void *room = ring_room(r);           const void *data;
 *	...                                  while ((n = ring_get(r, 0, &data)) > 0)
 *	ring_put(r, n);                              ...
 *	ring_end(r);
 */
#ifndef STAVE_BASE_RING_H
#define STAVE_BASE_RING_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { RING_ALIGN = 4096 }; /* of every chunk: what files that are opened with O_DIRECT ask for */

struct ring;
/* `size` is a multiple of RING_ALIGN. */
struct ring *ring_new(size_t chunks, size_t size, size_t takers);
void ring_free(struct ring *r); /* when its threads have ended */

/* A chunk to fill, the same one until it is given away; NULL when the ring was stopped. */
void *ring_room(struct ring *r);
void ring_put(struct ring *r, size_t len); /* len > 0 */
void ring_end(struct ring *r);		   /* that was all */

/* The next chunk, good until the taker's next call. 0 at the end, -ECANCELED when the ring was
 * stopped. */
ssize_t ring_get(struct ring *r, size_t taker, const void **ret);

/* Nobody waits any more: giver and takers are told at their next call. For whoever cannot go on. */
void ring_stop(struct ring *r);
bool ring_stopped(struct ring *r);

/* A thread beside the caller's; it takes none of the process's signals. To be joined by its maker.
 */
struct thread {
	pthread_t id;
	bool runs;
};
int thread_start(struct thread *t, void *(*fn)(void *), void *data, struct err *err);
void thread_join(struct thread *t); /* also of one that does not run */

#endif
