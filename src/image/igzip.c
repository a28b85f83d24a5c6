#include "image/igzip.h"

#include "base/alloc.h"
#include "base/late.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <stdint.h>

struct igzip {
	struct inflate_state state;
	bool member, after; /* in one; at least one is over */
};

struct igzip *image__igzip_new(void)
{
	struct igzip *z;

	if (!late_has("libisal.so.2"))
		return NULL;
	z = new0(struct igzip);
	isal_inflate_init(&z->state);
	return z;
}

void image__igzip_free(struct igzip *z)
{
	free(z);
}

int image__igzip_run(struct igzip *z, const unsigned char **in, size_t *in_len, void *out,
		     size_t size, bool *ret_between)
{
	uint32_t given = *in_len < UINT32_MAX ? (uint32_t)*in_len : UINT32_MAX;
	int r;

	if (!z->member && given) {
		/* What follows a member and is none is padding, as gzip has it. */
		if (z->after && **in != 0x1f) {
			*in += *in_len;
			*in_len = 0;
			*ret_between = true;
			return 0;
		}
		isal_inflate_reset(&z->state);
		z->state.crc_flag = ISAL_GZIP;
		z->member = true;
	}
	*ret_between = !z->member;
	if (!z->member)
		return 0;
	z->state.next_in = (uint8_t *)*in;
	z->state.avail_in = given;
	z->state.next_out = out;
	z->state.avail_out = (uint32_t)(size < INT_MAX ? size : INT_MAX);
	r = isal_inflate(&z->state);
	if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT)
		return -EBADMSG;
	*in = z->state.next_in;
	*in_len -= given - z->state.avail_in;
	if (z->state.block_state == ISAL_BLOCK_FINISH) {
		z->member = false;
		z->after = true;
	}
	*ret_between = !z->member;
	return (int)(z->state.next_out - (uint8_t *)out);
}

/* --- the other way --- */

enum { IGZIP_LEVEL = 2, IGZIP_ROOM = ISAL_DEF_LVL2_DEFAULT };

struct igzip_out {
	struct isal_zstream stream;
	uint8_t room[IGZIP_ROOM];
};

struct igzip_out *image__igzip_out_new(void)
{
	struct igzip_out *z;

	if (!late_has("libisal.so.2"))
		return NULL;
	z = new0(struct igzip_out);
	isal_deflate_init(&z->stream);
	z->stream.level = IGZIP_LEVEL;
	z->stream.level_buf = z->room;
	z->stream.level_buf_size = sizeof(z->room);
	z->stream.gzip_flag = IGZIP_GZIP;
	return z;
}

void image__igzip_out_free(struct igzip_out *z)
{
	free(z);
}

ssize_t image__igzip_out_run(struct igzip_out *z, const unsigned char **in, size_t *in_len,
			     bool last, void *out, size_t size)
{
	if (z->stream.internal_state.state == ZSTATE_END)
		return 0;
	z->stream.next_in = (uint8_t *)*in;
	z->stream.avail_in = (uint32_t)(*in_len < INT_MAX ? *in_len : INT_MAX);
	z->stream.next_out = out;
	z->stream.avail_out = (uint32_t)(size < INT_MAX ? size : INT_MAX);
	z->stream.end_of_stream = last;
	(void)isal_deflate(&z->stream); /* fails on bad parameters alone */
	*in_len -= (size_t)(z->stream.next_in - *in);
	*in = z->stream.next_in;
	return z->stream.next_out - (uint8_t *)out;
}
