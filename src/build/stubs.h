/* Mount points that a RUN step needs and the image does not have: the runtime makes them in the
 * step's upper directory, and they must not reach the layer.
 *
 *	stubs_look(root, paths, &stubs)     before: what is missing, in the step's file system
 *	... the step runs ...
 *	stubs_clear(&stubs, upper)          after: takes what was made, and is still empty, away
 */
#ifndef STAVE_BUILD_STUBS_H
#define STAVE_BUILD_STUBS_H

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

#include <sys/stat.h>

struct stub {
	char *path;   /* without symlinks, relative to the root */
	bool missing; /* else it was there, like this: */
	struct stat st;
};
struct stubs {
	VEC(struct stub) items; /* parents before children */
};
void stubs_done(struct stubs *stubs);
#define cleanup_stubs cleanup(stubs_done)

/* paths: absolute, as the container sees them. One that is a symlink to nothing is replaced by
 * what it points at, which is where the mount point has to be. */
int stubs_look(int root, struct strv *paths, struct stubs *ret, struct err *err);
int stubs_clear(const struct stubs *stubs, int upper, struct err *err);

#endif
