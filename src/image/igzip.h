/* gzip with ISA-L, where that was there when stave was built and is there now: it takes
 * half of zlib's time (1 GB of programs and libraries: 1.8 s of a processor against 3.9 s), and
 * inflating is the largest part of a pull. For inflate.c and compress.c alone. */
#ifndef STAVE_IMAGE_IGZIP_H
#define STAVE_IMAGE_IGZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct igzip;
struct igzip *image__igzip_new(void); /* NULL: not here; zlib does the same, slower */
void image__igzip_free(struct igzip *z);
/* Takes bytes from *in and writes at most `size` to out. Several members in a row are one stream.
 * *ret_between: at the end of a member, so that the input may end here. Returns the bytes written,
 * 0 when it needs more input, or -EBADMSG. */
int image__igzip_run(struct igzip *z, const unsigned char **in, size_t *in_len, void *out,
		     size_t size, bool *ret_between);

/* The other way: one member, without a name or time, so that the same bytes give the same bytes. */
struct igzip_out;
struct igzip_out *image__igzip_out_new(void); /* NULL: not here */
void image__igzip_out_free(struct igzip_out *z);
/* Takes bytes from *in and writes at most `size` to out; returns how many. `last`: what is in *in
 * is the end; 0 then means that all is out. Cannot fail. */
ssize_t image__igzip_out_run(struct igzip_out *z, const unsigned char **in, size_t *in_len,
			     bool last, void *out, size_t size);

#endif
