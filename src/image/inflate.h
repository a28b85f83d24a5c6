/* The bytes of a tar out of whatever it was compressed with: plain, gzip, zstd, xz, bzip2, told by
 * its first bytes. For unpacking alone. */
#ifndef STAVE_IMAGE_INFLATE_H
#define STAVE_IMAGE_INFLATE_H

#include "image/store.h"

struct inflate;
/* `source` is borrowed. Reads its beginning. */
int image__inflate_open(const struct unpack_source *source, struct inflate **ret, struct err *err);
/* The next `size` bytes; fewer at the end alone, 0 behind it. */
ssize_t image__inflate_fill(struct inflate *in, void *out, size_t size, struct err *err);
/* Reads what is left of the source, behind the end of the compressed stream. */
int image__inflate_drain(struct inflate *in, struct err *err);
void image__inflate_free(struct inflate *in);
DEFINE_CLEANUP(struct inflate, image__inflate_free)
/* Opens the libraries that this will need, so that processes forked later share them. */
void image__inflate_prepare(void);

#endif
