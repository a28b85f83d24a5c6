/* ADD of a local archive: tar, plain or compressed with gzip, bzip2, xz or zstd, told by its
 * content alone. */
#ifndef STAVE_BUILD_EXTRACT_H
#define STAVE_BUILD_EXTRACT_H

#include "build/writer.h"

enum { EXTRACT_ENTRIES_MAX = 1000000 };
#define EXTRACT_BYTES_MAX ((uint64_t)64 << 30)

/* Is the file (open, at its start) an archive? Leaves it at its start. */
bool extract_wanted(int fd);
/* Unpacks into the directory `target` of the writer's root (without links, there already), as tar
 * -x does: directories merge, everything else replaces what is there; owners, modes and times are
 * the archive's (times the writer's epoch). Symlinks in the way are followed within the root. A
 * name that leads out of the target is an error, and so are deletions (".wh."). */
int extract(const struct writer *w, int fd, const char *what, const char *target, struct err *err);

#endif
