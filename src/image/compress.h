/* A plain blob as a gzip stream, for sending: layers are stored as they came or were built, often
 * as plain tars, and on the wire they are half as long. ISA-L's second level where that is there
 * (280 MB/s of programs on one core, a tenth longer than zlib's sixth level, which is sixteen
 * times slower); else zlib. The bytes are hashed on both sides. For push.c alone. */
#ifndef STAVE_IMAGE_COMPRESS_H
#define STAVE_IMAGE_COMPRESS_H

#include "image/store.h"

struct compress;
/* `fd` is borrowed, and read from its start. */
int image__compress_open(int fd, struct compress **ret, struct err *err);
/* At most size compressed bytes; 0 at the end. */
ssize_t image__compress_read(struct compress *c, void *buf, size_t size, struct err *err);
/* From the start again. */
int image__compress_rewind(struct compress *c, struct err *err);
uint64_t image__compress_taken(const struct compress *c); /* plain bytes, so far */
/* After the end: digests of both sides, and how many compressed bytes there were. */
void image__compress_end(struct compress *c, char ret_plain[DIGEST_TEXT], char ret[DIGEST_TEXT],
			 uint64_t *ret_size);
void image__compress_free(struct compress *c);
DEFINE_CLEANUP(struct compress, image__compress_free)

#endif
