/* The build checks' rules by number; NULL behind the last one. */
#ifndef STAVE_BUILD_RULES_H
#define STAVE_BUILD_RULES_H

#include <stddef.h>

const char *check_name(size_t index);
const char *check_summary(size_t index);

#endif
