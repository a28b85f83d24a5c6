/* The archive of a layer, read from its beginning to its end, to take entries from it as they are:
 *a layer that differs in one file from the one before it needs no other file to be opened.
 *
 *	old_archive_open(store, blob, &old, &err)
 *	while ... old_archive_find(old, path, &err): 0, and old_archive_is_link() says no
 *		old_archive_copy(old, &sink, &err)
 *	old_archive_end(old, &err)                       all of it was what its digest says
 *
 * What is found comes in the order in which pack.c writes; a path that was passed is not found any
 * more. Whatever else is amiss with the archive is -EBADMSG: then nothing that was taken counts. */
#ifndef STAVE_IMAGE_OLD_ARCHIVE_H
#define STAVE_IMAGE_OLD_ARCHIVE_H

#include "image/store.h"

struct old_archive;
/* Missing: ERR_NOT_FOUND. */
int old_archive_open(struct image_store *store, const char *blob, struct old_archive **ret,
		     struct err *err);
void old_archive_free(struct old_archive *old);
DEFINE_CLEANUP(struct old_archive, old_archive_free)
/* Goes on to the entry with this path. */
int old_archive_find(struct old_archive *old, const char *path, struct err *err);
/* The entry that was found refers to another name: it has no content. */
bool old_archive_is_link(const struct old_archive *old);
/* Passes the entry that was found on, with its headers and its padding. */
int old_archive_copy(struct old_archive *old, const struct pack_sink *sink, struct err *err);
/* Reads the rest. */
int old_archive_end(struct old_archive *old, struct err *err);

#endif
