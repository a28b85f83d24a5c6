/* Files into and out of containers, as a tar stream between two processes of ours: one beneath the
 * container's root (and in its user namespace, so that owners are the container's), one on the
 * host. No path of the container is ever resolved by a process that sees the host's tree. */
#ifndef STAVE_CLI_COPY_H
#define STAVE_CLI_COPY_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

/* One end. On the host both descriptors are FD_NONE. */
struct copy_end {
	int root;	  /* borrowed: directory that is the end's root */
	int userns;	  /* borrowed: user namespace to join first, or FD_NONE */
	const char *path; /* "-": a tar stream on standard input or output (host only) */
};
enum {
	COPY_OWNERS = 1u << 0, /* keep uid and gid */
	COPY_FOLLOW = 1u << 1, /* follow a symlink given as source */
};
/* Docker's rules: into a directory that exists under its own name ("/." at the end of the source:
 * its content), else as the destination's name. */
int copy_tree(const struct copy_end *from, const struct copy_end *to, unsigned flags,
	      struct err *err);

/* Files of the host by their names beneath `base` (a directory) to the same names beneath to->path,
 * which is made when it is missing, as are directories on the way; and what is `gone` is removed
 * there. Owners become the container's root. A file that vanished meanwhile is passed over. */
int copy_sync(const char *base, const struct strv *files, const struct strv *gone,
	      const struct copy_end *to, struct err *err);

#endif
