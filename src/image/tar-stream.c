#include "image/tar-stream.h"

#include "base/ring.h"
#include "image/inflate.h"

enum {
	STREAM_CHUNK = 1024 * 1024, /* also the largest write of a file's content */
	STREAM_CHUNKS = 3,
	TAKER_CALLER = 0,
	TAKER_HASH = 1,
	TAKERS = 2,
};

struct tar_stream {
	const struct unpack_source *source;
	struct unpack_source watched; /* source, until nobody wants more of it */
	struct inflate *inflate;
	struct ring *ring;
	struct hash *hash;
	struct thread inflating, hashing;
	struct err fault; /* why the ring was stopped */
};

static ssize_t read_watched(void *data, void *buf, size_t size, struct err *err)
{
	struct tar_stream *s = data;

	if (ring_stopped(s->ring))
		return err_new(err, ERR_CANCELLED, ECANCELED, "nobody reads on");
	return s->source->read(s->source->data, buf, size, err);
}

/* One chunk; *ret_last: there is no more, and the source is read to its end. */
static int give_chunk(struct tar_stream *s, void *room, bool *ret_last, struct err *err)
{
	ssize_t n = image__inflate_fill(s->inflate, room, STREAM_CHUNK, err);

	if (n > 0)
		ring_put(s->ring, (size_t)n);
	if (n < 0)
		return (int)n;
	*ret_last = n < STREAM_CHUNK;
	if (!*ret_last)
		return 0;
	n = image__inflate_drain(s->inflate, err);
	if (n == 0)
		ring_end(s->ring);
	return (int)n;
}

static void *inflate_all(void *data)
{
	struct tar_stream *s = data;
	bool last = false;
	void *room;
	int r = 0;

	while (r == 0 && !last && (room = ring_room(s->ring)))
		r = give_chunk(s, room, &last, &s->fault);
	if (r < 0)
		ring_stop(s->ring);
	return NULL;
}

static void *hash_all(void *data)
{
	struct tar_stream *s = data;
	const void *bytes;
	ssize_t n;

	while ((n = ring_get(s->ring, TAKER_HASH, &bytes)) > 0)
		hash_add(s->hash, bytes, (size_t)n);
	return NULL;
}

int image__tar_stream_open(const struct unpack_source *source, struct tar_stream **ret,
			   struct err *err)
{
	cleanup(image__tar_stream_free_cleanup) struct tar_stream *s = new0(struct tar_stream);
	bool last = false;
	int r;

	s->source = source;
	s->watched = (struct unpack_source){ read_watched, s };
	s->ring = ring_new(STREAM_CHUNKS, STREAM_CHUNK, TAKERS);
	s->hash = hash_new();
	r = image__inflate_open(&s->watched, &s->inflate, err);
	if (r == 0)
		r = give_chunk(s, ring_room(s->ring), &last, err);
	if (r == 0 && !last)
		r = thread_start(&s->inflating, inflate_all, s, err);
	if (r == 0 && !last)
		r = thread_start(&s->hashing, hash_all, s, err);
	if (r == 0)
		*ret = ptr_take(s);
	return r;
}

ssize_t image__tar_stream_read(struct tar_stream *s, const void **ret, struct err *err)
{
	ssize_t n = ring_get(s->ring, TAKER_CALLER, ret);

	if (n < 0)
		return err_move(err, &s->fault);
	if (n > 0 && !s->hashing.runs)
		hash_add(s->hash, *ret, (size_t)n);
	return n;
}

void image__tar_stream_digest(struct tar_stream *s, char hex[SHA256_HEX])
{
	thread_join(&s->hashing);
	hash_end(s->hash, hex);
}

void image__tar_stream_free(struct tar_stream *s)
{
	if (!s)
		return;
	ring_stop(s->ring);
	thread_join(&s->inflating);
	thread_join(&s->hashing);
	image__inflate_free(s->inflate);
	hash_free(s->hash);
	ring_free(s->ring);
	err_done(&s->fault);
	free(s);
}
