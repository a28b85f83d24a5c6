/* A download on its way to the disk: hashed and written past the page cache by a thread of its own.
 *
 * Nobody reads a layer's blob soon, its pages would push out what is of use, and filling them costs
 * a sixth of a pull's time, most of all in virtual machines, which get fresh pages from their host
 * one fault at a time. Small ones do not wait for the disk, and need no thread. For blob.c alone.
 */
#ifndef STAVE_IMAGE_BLOB_DISK_H
#define STAVE_IMAGE_BLOB_DISK_H

#include "image/store.h"

enum { DISK_BLOCK = 4096 };

struct blob_disk;
/* Writes to fd from `at` on, which is a multiple of DISK_BLOCK, and hashes what it writes. Both are
 * borrowed. */
struct blob_disk *image__blob_disk_new(int fd, struct hash *hash, uint64_t at);
/* Returns 0 or -errno, also of what was added before. */
int image__blob_disk_add(struct blob_disk *d, const void *data, size_t len);
/* When this returns all is in the file, and hashed. */
int image__blob_disk_end(struct blob_disk *d);
void image__blob_disk_free(struct blob_disk *d);

#endif
