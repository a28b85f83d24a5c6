/* Force-included in every translation unit (meson.build): functions with a better sibling become
 * compile errors. src/base/ may use the number parsers that base/parse.h wraps (STAVE_BASE). */
#ifndef STAVE_BASE_BANNED_H
#define STAVE_BASE_BANNED_H

#ifndef __ASSEMBLER__

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Macros of the C library's own, for other language modes and fortified builds. */
#undef basename
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll popen gmtime localtime    \
	mktemp tmpnam gets
#ifndef STAVE_BASE
#pragma GCC poison strtol strtoul strtoll strtoull strtod
#endif

#endif
#endif
