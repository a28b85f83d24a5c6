/* Who owns what a step makes: names are looked up in the image's own files. */
#ifndef STAVE_BUILD_OWNER_H
#define STAVE_BUILD_OWNER_H

#include "base/err.h"

#include <stdint.h>

struct owner {
	uint32_t uid, gid;
};
/* "uid", "name", "uid:gid", "name:group" as in USER, looked up beneath `root`. Without a group it
 * is the user's first one, or 0. ERR_NOT_FOUND: no such name. */
int owner_find(int root, const char *user, struct owner *ret, struct err *err);
/* Makes the directory `path` (absolute) beneath `root` with all that lead there; what is made
 * belongs to the owner. */
int owner_make_dirs(int root, const char *path, const struct owner *owner, struct err *err);

#endif
