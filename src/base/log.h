/* Debug traces only: what a developer wants to see with STAVE_DEBUG=1, on stderr. Never for the
 * user's messages: those are struct err, diagnostics and events. */
#ifndef STAVE_BASE_LOG_H
#define STAVE_BASE_LOG_H

#include <stdbool.h>

bool debug_enabled(void);
void debug_(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define debug(...) (debug_enabled() ? debug_(__FILE__, __LINE__, __VA_ARGS__) : (void)0)

#endif
