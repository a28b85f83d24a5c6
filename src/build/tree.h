/* Files that a build reads: the context, a named context, or the root of a stage or an image; seen
 * through a directory descriptor that nothing leads out of. Walked in a fixed order, hashed by what
 * matters to an image, with a cache that knows unchanged files by their status.
 *
 * Symlinks within the path that is asked for are followed as if the tree were a root ("/etc" is the
 * tree's own etc); symlinks that are found while walking are entries. What is no file, directory or
 * symlink (a FIFO, a socket, a device) is only found, never opened. */
#ifndef STAVE_BUILD_TREE_H
#define STAVE_BUILD_TREE_H

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"
#include "build/ignore.h"

#include <stdbool.h>
#include <sys/stat.h>

enum {
	TREE_DEPTH_MAX = 512,	    /* directories within one another */
	TREE_ENTRIES_MAX = 4000000, /* of one walk */
};

struct digest_cache;

struct tree {
	int fd;			     /* the directory; borrowed */
	const char *name;	     /* for messages: "the build context", "stage 'build'" */
	const struct ignore *ignore; /* what is not there; NULL: nothing */
	struct digest_cache *cache;  /* NULL: files are read each time */
	bool keep_owner;	     /* a stage: owners count and are copied; a context: 0:0 */
};

/* One thing that was found. All is borrowed for the call. */
struct tree_entry {
	const char *path; /* relative to where the walk began; "" is that itself */
	const char *full; /* relative to the tree; "" is its root */
	int dir;	  /* descriptor of the directory that holds it */
	const char *name; /* its name there; "" for the root of the tree (then use `dir`) */
	struct stat st;
	bool late; /* a directory that is only here because something below it is */
};

struct tree_walk {
	/* Directories come before what is in them, names in byte order. Negative ends the walk. */
	int (*entry)(void *data, const struct tree_entry *entry, struct err *err);
	void *data;
	const struct ignore *exclude; /* --exclude: matched against `path`; may be NULL */
	/* Only what this pattern (with `**`) matches, and what is below that; the directories above
	 * come late. NULL: everything. COPY --parents. */
	const char *include;
};

/* Walks from `path` (relative to the tree, "" for its root). ERR_NOT_FOUND when it is not there or
 * is ignored. */
int tree_walk(const struct tree *tree, const char *path, const struct tree_walk *walk,
	      struct err *err);

/* The paths (relative to the tree, clean) that a COPY source names: itself, or what its pattern
 * matches, sorted. ".." does not leave the tree. Nothing matched: an empty list. A path that is not
 * there: ERR_NOT_FOUND. */
int tree_resolve(const struct tree *tree, const char *source, struct strv *ret, struct err *err);

/* SHA-256 over what is at the path and below: path, type, permissions, link target, content,
 * security.capability, and with keep_owner the owner; no times. Adds to *h. */
int tree_digest(const struct tree *tree, const char *path, const struct ignore *exclude,
		const char *include, struct hash *h, struct err *err);

/* --- the cache: (device, inode, size, mtime, ctime) -> SHA-256 of content and capability --- */

/* What the file is called while it is written; a leftover may be removed while no build runs. */
#define DIGESTS_TEMP ".digests-"

/* Kept in the file `name` below dirfd; several builds may use it at once, the last to save wins. A
 * damaged or missing file is an empty cache. Without a name it is only kept in memory. */
struct digest_cache *digest_cache_open(int dirfd, const char *name);
/* Writes what is new, forgets what was not asked for in 30 days. */
int digest_cache_save(struct digest_cache *cache, struct err *err);
void digest_cache_free(struct digest_cache *cache);
DEFINE_CLEANUP(struct digest_cache, digest_cache_free)
/* How many files were read, and how many were known. */
void digest_cache_counts(const struct digest_cache *cache, uint64_t *ret_read, uint64_t *ret_known);

#endif
