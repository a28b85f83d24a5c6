/* The patterns of ${v#p}, ${v%p} and ${v/p/r}: `?` is any character, `*` any number of them, `\`
 * takes the next one as it is. For build/expand.c. */
#ifndef STAVE_BUILD_PATTERN_H
#define STAVE_BUILD_PATTERN_H

#include "base/str.h"

/* The value without the shortest (`longest`: longest) match at its start. Appends to out. */
void pattern_trim_start(const char *pattern, const char *value, bool longest, struct str *out);
/* The same at its end. */
void pattern_trim_end(const char *pattern, const char *value, bool longest, struct str *out);
/* The value with the first (`all`: each) match replaced; matches are as long as they can be. */
void pattern_replace(const char *pattern, const char *value, const char *with, bool all,
		     struct str *out);

#endif
