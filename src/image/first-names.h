/* Which name of a file with several was seen first: by inode number, within one tree on one file
 * system. A name takes some twenty bytes besides its text, so that a million files, all of which
 * have another name in the layer they were taken from, fit. */
#ifndef STAVE_IMAGE_FIRST_NAMES_H
#define STAVE_IMAGE_FIRST_NAMES_H

#include "base/str.h"

#include <stdint.h>
#include <sys/stat.h>

struct first_name_slot {
	uint64_t inode;
	uint32_t path; /* where in `paths`, plus one; 0: free */
};
struct first_names {
	struct first_name_slot *slots;
	size_t count, used; /* a power of two, or 0 */
	struct str paths;
	dev_t device;
};
void first_names_done(struct first_names *names);
#define cleanup_first_names cleanup(first_names_done)

/* The path under which the file was seen before; NULL: it has one name, is a directory, or this is
 * the first time, and `path` is remembered. Borrowed until the next call. */
const char *first_name(struct first_names *names, const struct stat *st, const char *path);

#endif
