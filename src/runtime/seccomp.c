#include "runtime/seccomp.h"

int runtime__seccomp_load(const struct spec *spec, uint64_t caps, const struct sock_fprog **ret,
			  struct err *err)
{
	(void)spec;
	(void)caps;
	(void)err;
	*ret = NULL;
	return 0;
}
