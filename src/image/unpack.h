/* Inside of unpacking: what unpack.c (the stream), unpack-path.c (names) and unpack-entry.c (what
 * an entry becomes on disk) share. */
#ifndef STAVE_IMAGE_UNPACK_H
#define STAVE_IMAGE_UNPACK_H

#include "image/store.h"
#include "image/tar-stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <time.h>

enum { UNPACK_PATH_MAX = 4096 };

/* The times of directories are set last: what is made inside changes them. */
struct dir_time {
	char *path;
	struct timespec mtime;
};

/* Large files go to the disk past the page cache, as long as the disk takes them fast enough. */
struct unpack_direct {
	char *block; /* DISK_BLOCK bytes that wait for the rest of theirs; NULL: none yet */
	bool off;
	uint64_t bytes, ns; /* written so, and how long that took */
};

struct unpack {
	struct image_store *store;
	const struct unpack_source *source;
	int root;
	struct tar_stream *in;
	struct archive *tar;
	struct err fault; /* of a callback, which can only tell libarchive that there was one */
	uint64_t max_entries, max_bytes;
	uint64_t logical; /* what the sizes of the files say, holes and all */
	uint64_t entries, size, stream, header_start, space_bytes;
	char *parent_path; /* of the directory that is open in parent_fd */
	int parent_fd;
	VEC(struct dir_time) dirs;
	struct unpack_direct direct;
};

/* One entry on its way. */
struct entry {
	struct archive_entry *ae;
	const char *path; /* cleaned, "" is the root */
	int parent;	  /* borrowed */
	const char *base; /* last component */
};

/* --- unpack-path.c --- */
/* Cleans an archive's name into a path relative to the root: no "", ".", "..", no slash at either
 * end. A name that climbs out is refused instead of being bent back in. Owned. */
int image__unpack_clean(const char *name, char **ret, struct err *err);
/* Opens beneath the layer's root; "" is the root. */
int image__unpack_open(struct unpack *u, const char *path, int flags, struct err *err);
/* The directory that holds `path`, made where it is missing; borrowed until the next call. */
int image__unpack_parent(struct unpack *u, const char *path, int *ret_fd, const char **ret_base,
			 struct err *err);
void image__unpack_forget(struct unpack *u); /* the directory that is kept open */

/* --- unpack-data.c --- */
/* What libarchive or one of our callbacks says about a failure. */
int image__unpack_failed(struct unpack *u, struct archive *a, struct err *err);
/* The data of the entry at which u->tar stands, `size` bytes as it says, to the file. */
int image__unpack_data(struct unpack *u, int fd, uint64_t size, struct err *err);

/* --- unpack-entry.c --- */
/* Makes what the entry says, reading its data from u->tar. */
int image__unpack_entry(struct unpack *u, struct archive_entry *ae, struct err *err);

#endif
