/* Without ISA-L. */
#include "image/igzip.h"

struct igzip *image__igzip_new(void)
{
	return NULL;
}

void image__igzip_free(struct igzip *z)
{
	(void)z;
}

int image__igzip_run(struct igzip *z, const unsigned char **in, size_t *in_len, void *out,
		     size_t size, bool *ret_between)
{
	(void)z;
	(void)in;
	(void)in_len;
	(void)out;
	(void)size;
	(void)ret_between;
	return 0;
}

struct igzip_out *image__igzip_out_new(void)
{
	return NULL;
}

void image__igzip_out_free(struct igzip_out *z)
{
	(void)z;
}

ssize_t image__igzip_out_run(struct igzip_out *z, const unsigned char **in, size_t *in_len,
			     bool last, void *out, size_t size)
{
	(void)z;
	(void)in;
	(void)in_len;
	(void)last;
	(void)out;
	(void)size;
	return 0;
}
