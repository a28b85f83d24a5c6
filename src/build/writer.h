/* Writing into a root file system. Every path is found beneath the root's descriptor: its symlinks
 * lead within the root, those that a source brings along are never followed. For copy.c and
 * extract.c. */
#ifndef STAVE_BUILD_WRITER_H
#define STAVE_BUILD_WRITER_H

#include "build/mode.h"
#include "build/stay.h"
#include "build/tree.h"
#include "build/written.h"

struct writer {
	int root; /* borrowed, as all that follows */
	/* The upper directory, when the root is an overlay; the same as root when it is none;
	 * FD_NONE: write through the root. */
	int own;
	const struct written *before; /* what the last run of the instruction wrote; NULL */
	struct stay *stay;	      /* the root shows what that run wrote already; NULL */
	struct written_list *list;    /* what this one does; NULL: nobody asks */
	bool has_owner;
	uid_t uid;
	gid_t gid;			/* of everything that is made */
	const struct mode_change *mode; /* NULL: as the source's; borrowed */
	bool has_epoch;
	int64_t epoch; /* every time, in seconds */
};

/* Where a path leads when its symlinks are followed within the root; it need not be there. Owned,
 * relative, without links. */
int writer_follow(const struct writer *w, const char *path, char **ret, struct err *err);
/* mkdir -p of a path without links: new ones get the writer's mode, when that is a
 * whole one, else 0755, and its owner (else 0:0). */
int writer_mkdirs(const struct writer *w, const char *path, struct err *err);
/* What is at a path without links. False: nothing. */
bool writer_stat(const struct writer *w, const char *path, struct stat *ret);

/* Copies what tree_walk() finds at `path` to `target` (without links): a file or symlink to that
 * name; of a directory what is in it, into that directory, which must be there. Directories merge,
 * a file replaces a file; a file where a directory is, and the other way round, is an error.
 * Keeps hard links, holes, permissions, attributes and times. */
int writer_copy(const struct writer *w, const struct tree *tree, const char *path,
		const struct ignore *exclude, const char *include, const char *target,
		struct err *err);

/* Sets access and modification time of the descriptor, or of the name in it. */
void writer_times(const struct writer *w, int fd, const char *name, const struct stat *st);
/* A name that would delete something when the layer is unpacked: ".wh.x". */
int writer_check_name(const char *name, struct err *err);
/* The content of `from` (at its start, with the status st) into the empty file `to`; holes kept,
 * shared where the file system can. */
int writer_content(int from, int to, const struct stat *st, const char *what, struct err *err);

#endif
