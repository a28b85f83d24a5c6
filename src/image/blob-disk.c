#include "image/blob-disk.h"

#include "base/ring.h"

#include <fcntl.h>

enum { CHUNK = 512 * 1024, CHUNKS = 3 };

struct blob_disk {
	int fd;
	struct hash *hash;
	uint64_t at; /* of the next write */
	bool direct;
	int fault; /* -errno of the thread */
	struct ring *ring;
	struct thread thread;
	char *room; /* the chunk that fills */
	size_t filled;
};

struct blob_disk *image__blob_disk_new(int fd, struct hash *hash, uint64_t at)
{
	struct blob_disk *d = new0(struct blob_disk);

	d->fd = fd;
	d->hash = hash;
	d->at = at;
	d->ring = ring_new(CHUNKS, CHUNK, 1);
	return d;
}

static int write_chunk(struct blob_disk *d, const char *data, size_t len)
{
	hash_add(d->hash, data, len);
	while (len) {
		ssize_t n = pwrite(d->fd, data, len, (off_t)d->at);

		if (n < 0 && errno == EINVAL && d->direct) { /* a file system with other wishes */
			d->direct = false;
			(void)fcntl(d->fd, F_SETFL, 0);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
		d->at += (uint64_t)n;
	}
	return 0;
}

static void *write_all(void *user)
{
	struct blob_disk *d = user;
	const void *data;
	ssize_t n;

	d->direct = fcntl(d->fd, F_SETFL, O_DIRECT) == 0;
	while ((n = ring_get(d->ring, 0, &data)) > 0) {
		d->fault = write_chunk(d, data, (size_t)n);
		if (d->fault < 0)
			ring_stop(d->ring);
	}
	if (d->direct) /* what is left need not be whole blocks */
		(void)fcntl(d->fd, F_SETFL, 0);
	d->direct = false;
	return NULL;
}

int image__blob_disk_add(struct blob_disk *d, const void *data, size_t len)
{
	while (len) {
		size_t n;

		if (!d->room && !(d->room = ring_room(d->ring))) {
			thread_join(&d->thread);
			return d->fault;
		}
		n = CHUNK - d->filled < len ? CHUNK - d->filled : len;
		memcpy(d->room + d->filled, data, n);
		d->filled += n;
		data = (const char *)data + n;
		len -= n;
		if (d->filled < CHUNK)
			break;
		if (!d->thread.runs) {
			struct err err = ERR_INIT;
			int r = thread_start(&d->thread, write_all, d, &err);

			err_done(&err);
			if (r < 0)
				return r;
		}
		ring_put(d->ring, CHUNK);
		d->room = NULL;
		d->filled = 0;
	}
	return 0;
}

int image__blob_disk_end(struct blob_disk *d)
{
	size_t rest = d->filled;

	ring_end(d->ring);
	thread_join(&d->thread);
	d->filled = 0;
	if (d->fault == 0 && rest)
		d->fault = write_chunk(d, d->room, rest);
	return d->fault;
}

void image__blob_disk_free(struct blob_disk *d)
{
	if (!d)
		return;
	ring_stop(d->ring);
	thread_join(&d->thread);
	ring_free(d->ring);
	free(d);
}
