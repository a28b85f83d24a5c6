#include "base/ring.h"

#include "base/alloc.h"

#include <assert.h>
#include <signal.h>

enum { RING_TAKERS = 2, THREAD_STACK = 1 << 20 };

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t moved;		  /* one of what follows */
	size_t given, taken[RING_TAKERS]; /* chunks, ever; taken: and done with */
	bool held[RING_TAKERS];		  /* the chunk at `taken` is in use */
	bool ended, stopped;
	size_t chunks, size, takers;
	size_t *len; /* of each chunk */
	char *room;
};

struct ring *ring_new(size_t chunks, size_t size, size_t takers)
{
	struct ring *r = new0(struct ring);

	assert(takers <= RING_TAKERS && size % RING_ALIGN == 0);
	r->chunks = chunks;
	r->size = size;
	r->takers = takers;
	r->len = xcalloc(chunks, sizeof(*r->len));
	r->room = aligned_alloc(RING_ALIGN, chunks * size);
	if (!r->room)
		abort(); /* as xmalloc */
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->moved, NULL);
	return r;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	pthread_cond_destroy(&r->moved);
	pthread_mutex_destroy(&r->lock);
	free(r->room);
	free(r->len);
	free(r);
}

/* Chunks that not all takers are done with. */
static size_t in_use(const struct ring *r)
{
	size_t most = 0;

	for (size_t i = 0; i < r->takers; i++)
		if (r->given - r->taken[i] > most)
			most = r->given - r->taken[i];
	return most;
}

void *ring_room(struct ring *r)
{
	void *room = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->stopped && in_use(r) == r->chunks)
		pthread_cond_wait(&r->moved, &r->lock);
	if (!r->stopped)
		room = r->room + r->given % r->chunks * r->size;
	pthread_mutex_unlock(&r->lock);
	return room;
}

void ring_put(struct ring *r, size_t len)
{
	pthread_mutex_lock(&r->lock);
	assert(len && len <= r->size && !r->ended);
	r->len[r->given++ % r->chunks] = len;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

static void set(struct ring *r, bool *flag)
{
	pthread_mutex_lock(&r->lock);
	*flag = true;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

void ring_end(struct ring *r)
{
	set(r, &r->ended);
}

void ring_stop(struct ring *r)
{
	set(r, &r->stopped);
}

bool ring_stopped(struct ring *r)
{
	bool stopped;

	pthread_mutex_lock(&r->lock);
	stopped = r->stopped;
	pthread_mutex_unlock(&r->lock);
	return stopped;
}

ssize_t ring_get(struct ring *r, size_t taker, const void **ret)
{
	size_t chunk;
	ssize_t n = -ECANCELED;

	pthread_mutex_lock(&r->lock);
	if (r->held[taker]) {
		r->held[taker] = false;
		r->taken[taker]++;
		pthread_cond_broadcast(&r->moved);
	}
	while (!r->stopped && !r->ended && r->taken[taker] == r->given)
		pthread_cond_wait(&r->moved, &r->lock);
	if (!r->stopped && r->taken[taker] == r->given) {
		n = 0;
	} else if (!r->stopped) {
		chunk = r->taken[taker] % r->chunks;
		r->held[taker] = true;
		*ret = r->room + chunk * r->size;
		n = (ssize_t)r->len[chunk];
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}

int thread_start(struct thread *t, void *(*fn)(void *), void *data, struct err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t->id, &attr, fn, data);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r)
		return err_sys(err, r, "start a thread");
	t->runs = true;
	return 0;
}

void thread_join(struct thread *t)
{
	if (t->runs)
		pthread_join(t->id, NULL);
	t->runs = false;
}
