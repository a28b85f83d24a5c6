/* What trees take up on disk: blocks, as `du` counts them, each file once however many names it
 * has. Never follows symlinks, never crosses a mount point.
 *
 *	cleanup_usage struct usage *u = usage_new();
 *	usage_add(u, dirfd, "layers", &bytes, err);
 */
#ifndef STAVE_BASE_USAGE_H
#define STAVE_BASE_USAGE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/stat.h>

struct usage; /* remembers which files have been counted */
struct usage *usage_new(void);
void usage_free(struct usage *u);
DEFINE_CLEANUP(struct usage, usage_free)
#define cleanup_usage cleanup(usage_free_cleanup)

/* The bytes of one thing that has been looked at; 0 when it was counted before. */
uint64_t usage_count(struct usage *u, const struct stat *st);
/* How many have been counted: the inodes they take. */
uint64_t usage_files(const struct usage *u);
/* Adds the tree at path, itself included, to *bytes. What goes away meanwhile is nothing. */
int usage_add(struct usage *u, int at, const char *path, uint64_t *bytes, struct err *err);

#endif
