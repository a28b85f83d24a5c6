/* File name patterns as Go's filepath.Match has them: `*` any characters but slashes, `?` one,
 * `[a-z]` and `[^a-z]` classes, `\` takes the next character as it is. In linear space and, for any
 * pattern, at most length times length steps. */
#ifndef STAVE_BUILD_GLOB_H
#define STAVE_BUILD_GLOB_H

#include <stdbool.h>

bool glob_valid(const char *pattern); /* brackets are closed, nothing ends with a lone `\` */
bool glob_magic(const char *pattern); /* has one of * ? [ that is not escaped */
bool glob_match(const char *pattern, const char *name); /* false when the pattern is not valid */
/* The pattern's literal text, escapes removed, for one that has no magic. Owned. */
char *glob_literal(const char *pattern);

#endif
