/* --chmod: "755", or "u=rwX,go=rX" as chmod(1) reads it (without a umask: "+x" is "a+x"). */
#ifndef STAVE_BUILD_MODE_H
#define STAVE_BUILD_MODE_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/stat.h>

struct mode_change; /* a list of changes */
int mode_parse(const char *text, struct mode_change **ret, struct err *err);
void mode_free(struct mode_change *change);
DEFINE_CLEANUP(struct mode_change, mode_free)
/* The permissions of a directory that has to be made on the way: an octal mode is theirs, too (as
 * with BuildKit), others leave 0755. `change` may be NULL. */
mode_t mode_of_directory(const struct mode_change *change);
/* The permissions (07777) that a file of that type and mode then has. */
mode_t mode_apply(const struct mode_change *change, mode_t mode);

#endif
