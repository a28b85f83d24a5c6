#include "base/log.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool debug_enabled(void)
{
	static int enabled = -1;
	if (enabled < 0) {
		const char *value = getenv("STAVE_DEBUG");
		enabled = value && *value && *value != '0';
	}
	return enabled;
}

void debug_(const char *file, int line, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *text = xvasprintf(format, ap);
	va_end(ap);
	nsec_t now = now_mono();
	/* One call, so that lines of several processes do not mix. */
	fprintf(stderr, "stave[%d] %lld.%06lld %s:%d: %s\n", (int)getpid(),
		(long long)(now / NSEC_PER_SEC), (long long)(now % NSEC_PER_SEC / NSEC_PER_USEC),
		file, line, text);
}
