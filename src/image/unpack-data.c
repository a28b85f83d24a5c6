/* The content of a layer's files on its way to the disk.
 *
 * What is large goes past the page cache: of an image's bytes few are ever read, its pages would
 * push out what running containers have there, and filling them is what a pull's writing costs (1
 * GB: 0.6 s of a processor at best, and 3 s in a virtual machine that gets fresh pages from its
 * host one fault at a time). A slow disk is not waited for: then the page cache takes the rest of
 * the layer. */
#include "image/unpack.h"

#include "base/time.h"
#include "image/blob-disk.h"

#include <fcntl.h>
#include <sys/uio.h>

#define UNPACK_SPACE_EVERY ((uint64_t)64 << 20) /* look at the free space this often */

enum {
	DIRECT_FILE_MIN =
		64 * 1024,	/* below, a write's wait for the disk costs more than it saves */
	DIRECT_MIN = 32 * 1024, /* of one write */
	DIRECT_ALIGN = 512,	/* of the memory: a tar's blocks */
	DIRECT_TRY = 16 << 20,	/* bytes after which a disk is known */
	DIRECT_RATE_MIN = 64 << 20, /* bytes a second, of each layer that is unpacked at the time */
};

int image__unpack_failed(struct unpack *u, struct archive *a, struct err *err)
{
	const char *text = archive_error_string(a);

	if (u->fault.kind)
		return err_move(err, &u->fault);
	return err_new(err, ERR_INPUT, archive_errno(a) > 0 ? archive_errno(a) : EINVAL,
		       "the archive is damaged or not a tar: %s", text ? text : "unknown");
}

struct output {
	struct unpack *u;
	int fd;
	bool held;	/* blocks wait until they are whole */
	bool direct;	/* O_DIRECT is set */
	uint64_t at;	/* of the next byte in the file */
	size_t waiting; /* bytes in u->direct.block, before `at` */
};

static void set_direct(struct output *o, bool direct)
{
	if (direct != o->direct && fcntl(o->fd, F_SETFL, direct ? O_DIRECT : 0) == 0)
		o->direct = direct;
}

/* How long that took, and whether it is worth it. */
static void learn(struct unpack_direct *d, uint64_t bytes, nsec_t ns)
{
	d->bytes += bytes;
	d->ns += (uint64_t)ns;
	if (d->bytes >= DIRECT_TRY &&
	    d->bytes * (uint64_t)NSEC_PER_SEC / (d->ns + 1) < DIRECT_RATE_MIN)
		d->off = true;
}

static int write_at(struct output *o, struct iovec *iov, size_t count, uint64_t at)
{
	while (count) {
		nsec_t begun = o->direct ? now_mono() : 0;
		ssize_t n = pwritev(o->fd, iov, (int)count, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EINVAL && o->direct) { /* a file system with other wishes */
			o->u->direct.off = true;
			set_direct(o, false);
			continue;
		}
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		if (o->direct)
			learn(&o->u->direct, (uint64_t)n, now_mono() - begun);
		at += (uint64_t)n;
		o->u->size += (uint64_t)n;
		for (; count && (size_t)n >= iov->iov_len; iov++, count--)
			n -= (ssize_t)iov->iov_len;
		if (count && n) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
			set_direct(o, false); /* not at a block's beginning any more */
		}
	}
	return 0;
}

/* What waits for the rest of its block, and does not get it. */
static int flush(struct output *o)
{
	struct iovec iov = { o->u->direct.block, o->waiting };
	size_t n = o->waiting;

	o->waiting = 0;
	set_direct(o, false);
	return n ? write_at(o, &iov, 1, o->at - n) : 0;
}

static int add(struct output *o, const char *data, size_t len)
{
	size_t whole = (o->waiting + len) / DISK_BLOCK * DISK_BLOCK, now, before = o->waiting;
	struct iovec iov[2] = { { o->u->direct.block, before }, { (char *)data, len } };
	int r = 0;

	if (!o->held) {
		r = write_at(o, iov + 1, 1, o->at);
		o->at += len;
		return r;
	}
	now = whole ? whole - before : 0;
	if (whole) {
		iov[1].iov_len = now;
		set_direct(o, !o->u->direct.off && whole >= DIRECT_MIN &&
				      before % DIRECT_ALIGN == 0 &&
				      (uintptr_t)data % DIRECT_ALIGN == 0);
		r = before ? write_at(o, iov, 2, o->at - before) : write_at(o, iov + 1, 1, o->at);
		o->waiting = 0;
	}
	memcpy(o->u->direct.block + o->waiting, data + now, len - now);
	o->waiting += len - now;
	o->at += len;
	return r;
}

static void begin(struct output *o, uint64_t size)
{
	struct unpack_direct *d = &o->u->direct;

	if (size < DIRECT_FILE_MIN || d->off)
		return;
	if (!d->block)
		d->block = aligned_alloc(DISK_BLOCK, DISK_BLOCK);
	o->held = d->block != NULL;
}

int image__unpack_data(struct unpack *u, int fd, uint64_t size, struct err *err)
{
	struct output o = { .u = u, .fd = fd };
	const void *data;
	size_t len;
	la_int64_t offset;
	int r;

	begin(&o, size);
	for (;;) {
		u->header_start = u->stream;
		r = archive_read_data_block(u->tar, &data, &len, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return image__unpack_failed(u, u->tar, err);
		if ((uint64_t)offset != o.at) { /* a hole */
			r = flush(&o);
			if (r < 0)
				return err_sys(err, -r, "write");
			o.held = false;
			o.at = (uint64_t)offset;
		}
		r = len ? add(&o, data, len) : 0;
		if (r < 0)
			return err_sys(err, -r, "write");
		if (u->size - u->space_bytes >= UNPACK_SPACE_EVERY) {
			u->space_bytes = u->size;
			r = image__check_space(u->store, err);
			if (r < 0)
				return r;
		}
	}
	r = flush(&o);
	return r < 0 ? err_sys(err, -r, "write") : 0;
}
