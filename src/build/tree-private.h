/* Inside of tree.c, tree-digest.c, digest-cache.c and the files that write what these find. */
#ifndef STAVE_BUILD_TREE_PRIVATE_H
#define STAVE_BUILD_TREE_PRIVATE_H

#include "build/tree.h"

/* What tells that a file is the one that was read. No padding: compared as bytes. */
struct digest_key {
	uint64_t device, inode, size;
	int64_t mtime_ns, ctime_ns;
};
struct digest_key digest__key(const struct stat *st);
bool digest__cached(struct digest_cache *c, const struct digest_key *key,
		    unsigned char digest[SHA256_SIZE]);
void digest__remember(struct digest_cache *c, const struct digest_key *key,
		      const unsigned char digest[SHA256_SIZE]);

/* Symlinks in the path replaced by where they lead, never out of the tree; a part that is not there
 * stays as it is. Owned, relative, clean. */
int tree__follow(const struct tree *tree, const char *path, char **ret, struct err *err);

/* Content and attributes of a regular file; read when the tree's cache does not know it. */
int tree__file_digest(const struct tree *tree, const struct tree_entry *e,
		      unsigned char digest[SHA256_SIZE], struct err *err);

/* Calls fn for each attribute that belongs to an image, sorted by name: not those of overlayfs, nor
 * SELinux' label, nor what the kernel derives. */
int tree__xattrs(int fd, const char *what,
		 int (*fn)(void *data, const char *name, const void *value, size_t len,
			   struct err *err),
		 void *data, struct err *err);

#endif
