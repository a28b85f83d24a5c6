/* What a COPY wrote: a list beside a whole layer's tree that says of each file what its content
 * hashes to. The next run of the same instruction leaves a file that is the same where it is, and
 * makes a layer that is a difference on that one (stay.h); or it gives the file its name in a new
 * whole layer, too (a hard link). Only what changed is copied.
 *
 * Only files whose link count within the layer is one are offered: two files that are the same must
 * not become one. A list that is damaged, or does not fit the tree, is none. */
#ifndef STAVE_BUILD_WRITTEN_H
#define STAVE_BUILD_WRITTEN_H

#include "base/err.h"
#include "base/hash.h"

#include <stdbool.h>
#include <sys/stat.h>

/* A file, a symlink (whose target is what was hashed), or a directory (nothing was). */
struct written_file {
	unsigned char digest[SHA256_SIZE];
	int64_t mtime_ns;
	uint64_t size;
	uint32_t mode; /* with the type */
	uint32_t uid, gid;
	uint16_t path_len;
	uint16_t flags; /* of this room */
};

/* --- the list of before --- */

struct written;
/* Reads `written` beside the tree `diff` (a layer's directory). NULL: there is none. */
struct written *written_open(int diff);
void written_close(struct written *w);
DEFINE_CLEANUP(struct written, written_close)
/* The tree; borrowed. */
int written_tree(const struct written *w);
/* What was written at the path (relative to the root of the image); false: nothing that could be
 * shared. Digest, times, owner and mode are the caller's to compare. */
bool written_find(const struct written *w, const char *path, struct written_file *ret);
/* The list names all that the layer has, and times were treated in this way (SOURCE_DATE_EPOCH). */
bool written_complete(const struct written *w, bool has_epoch, int64_t epoch);
size_t written_count_of(const struct written *w);
/* The new layer has something at the path, too. False: the list has not. */
bool written_see(struct written *w, const char *path);
/* Calls fn for each path that was not seen, what is in a directory before the directory. */
int written_unseen(const struct written *w,
		   int (*fn)(void *data, const char *path, mode_t mode, struct err *err),
		   void *data, struct err *err);

/* --- the list of now --- */

struct written_list;
/* Makes `written` in the directory `dir`. */
int written_begin(int dir, bool has_epoch, int64_t epoch, struct written_list **ret,
		  struct err *err);
/* Adds a file; `at` stands for it in written_shared(). */
void written_add(struct written_list *list, const struct written_file *file, const char *path,
		 uint64_t *at);
/* The file got a second name. */
void written_shared(struct written_list *list, uint64_t at);
/* Adds what is there and not to be offered. */
void written_add_other(struct written_list *list, mode_t mode, const char *path);
/* Something is there that the list does not tell of: no difference can be made of this layer. */
void written_partial(struct written_list *list);
/* Something was written that takes so many bytes on the disk. */
void written_count(struct written_list *list, uint64_t bytes);
/* What was counted, and whether that is all: something was written, and nothing spoilt the list.
 * Files that are shared count with the layer that had them first. */
bool written_bytes(const struct written_list *list, uint64_t *ret);
/* Nothing is to be offered: what was written may have been written over. */
void written_spoil(struct written_list *list);
/* Completes the file; without it there is none. */
int written_end(struct written_list *list, struct err *err);
void written_free(struct written_list *list);
DEFINE_CLEANUP(struct written_list, written_free)

#endif
