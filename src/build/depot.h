/* Where the builder keeps its things, below STAVE_ROOT/build (all on the layers' file system, so
 * that a finished step's tree is renamed, never copied):
 *
 *	cache/<key>               what a step made, as JSON; its time is the last use
 *	last/<place>              which key a step of a Dockerfile had last time (--explain-cache)
 *	steps/<key>               locked while somebody makes that step
 *	snapshots/<id>/diff       the tree of a step that no image has yet
 *	mounts/<name>/            `RUN --mount=type=cache`
 *	files                     what files of contexts hash to
 *	tmp/<id>/                 a step at work: upper, work
 *	lock                      shared while a build runs; taken alone to collect
 *
 * Crash-only: what has its final name is whole; leftovers of tmp/ go with the next collection. */
#ifndef STAVE_BUILD_DEPOT_H
#define STAVE_BUILD_DEPOT_H

#include "base/err.h"

#include <stdbool.h>

enum { DEPOT_ID = 33 }; /* 32 hexadecimal digits, NUL */

struct depot {
	char *root;					/* STAVE_ROOT/build, absolute */
	int dir;					/* that directory */
	int cache, last, steps, snapshots, mounts, tmp; /* directories */
};
#define DEPOT_NONE                                                                                 \
	((struct depot){                                                                           \
		.dir = FD_NONE,                                                                    \
		.cache = FD_NONE,                                                                  \
		.last = FD_NONE,                                                                   \
		.steps = FD_NONE,                                                                  \
		.snapshots = FD_NONE,                                                              \
		.mounts = FD_NONE,                                                                 \
		.tmp = FD_NONE,                                                                    \
	})

/* `root`: STAVE_ROOT. Makes what is missing. */
int depot_open(const char *root, struct depot *ret, struct err *err);
void depot_close(struct depot *depot);
#define cleanup_depot cleanup(depot_close)

/* The lock of all: descriptor, to be closed. With `alone`: -EWOULDBLOCK while a build runs. */
int depot_lock(const struct depot *depot, bool alone, int *ret_fd, struct err *err);

/* Waits until nobody else makes the step `key`, and keeps it: descriptor, for
 * depot_step_done(). */
int depot_step_lock(const struct depot *depot, const char *key, int *ret_fd, struct err *err);
void depot_step_done(const struct depot *depot, const char *key, int fd);

/* A new empty directory below tmp/. Its absolute path, owned. */
int depot_temp(const struct depot *depot, char **ret_path, struct err *err);
/* Removes a directory that depot_temp made; NULL is allowed. What fails is left to a collection. */
void depot_temp_remove(char *path);
static inline void depot_temp_cleanup(char **path)
{
	depot_temp_remove(*path);
	free(*path);
}

#endif
