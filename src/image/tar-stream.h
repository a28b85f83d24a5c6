/* The bytes of a layer's tar on their way: one thread reads the source and inflates, one hashes,
 * and the caller unpacks. What fits into one chunk needs no threads. For unpack.c alone. */
#ifndef STAVE_IMAGE_TAR_STREAM_H
#define STAVE_IMAGE_TAR_STREAM_H

#include "image/store.h"

struct tar_stream;
/* `source` is borrowed, and read by another thread until this is freed. */
int image__tar_stream_open(const struct unpack_source *source, struct tar_stream **ret,
			   struct err *err);
/* The next bytes, good until the next call, aligned like a disk's blocks; 0 when all of the source
 * was read. */
ssize_t image__tar_stream_read(struct tar_stream *s, const void **ret, struct err *err);
/* Of all bytes, when the last was read. */
void image__tar_stream_digest(struct tar_stream *s, char hex[SHA256_HEX]);
void image__tar_stream_free(struct tar_stream *s);
DEFINE_CLEANUP(struct tar_stream, image__tar_stream_free)

#endif
