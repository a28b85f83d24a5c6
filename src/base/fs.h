/* Files and directories. Everything is relative to a directory descriptor (AT_FDCWD where a user's
 * own path is meant), born close-on-exec. What others can influence is opened with fs_open_beneath.
 */
#ifndef STAVE_BASE_FS_H
#define STAVE_BASE_FS_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* openat with O_CLOEXEC, retried on EINTR. Returns a descriptor or negative errno. */
int fs_open(int dirfd, const char *path, int flags, mode_t mode, struct err *err);
struct open_how;
/* openat2(2), tried again on EINTR and, as it asks for, on EAGAIN (something was renamed or mounted
 * meanwhile, and the kernel could not be sure that ".." stays inside), but not for ever. Nothing
 * but system calls. A descriptor or negative errno. */
int fs_openat2(int dirfd, const char *path, const struct open_how *how);
/* openat2 with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: dirfd is the root, symlinks and `..` cannot
 * leave it (kernel 5.6). Adds O_NONBLOCK so that a FIFO cannot hang us. */
int fs_open_in_root(int dirfd, const char *path, int flags, mode_t mode, struct err *err);
/* The same with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS: any symlink is an
 * error. */
int fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode, struct err *err);

/* Reads a regular file whole (fails with INPUT on anything else, and when it is larger than max
 * bytes). Appends to out. */
int fs_read(int dirfd, const char *path, size_t max, struct str *out, struct err *err);
/* The same from an open descriptor, from its current position, of any type, until end of file. */
int fs_read_fd(int fd, const char *what, size_t max, struct str *out, struct err *err);
int fs_write_all(int fd, const void *data,
		 size_t len); /* negative errno; retries EINTR and short writes */
/* Writes whole to a temporary name in the same directory, renames. With FS_SYNC, fsyncs file and
 * directory. */
enum { FS_SYNC = 1u << 0 };
int fs_write_atomic(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		    unsigned flags, struct err *err);
/* Syncs beside the work, for who makes several files and answers at the end: from fs_sync_aside()
 * to fs_sync_settle() FS_SYNC of a file that was not there before is done by a process of its own,
 * and waited for, with its failure, at the end. (After a power cut in between such a file may be
 * there and empty: who reads one takes that for "not there".) What replaces a file is synced first,
 * as ever. */
void fs_sync_aside(void);
int fs_sync_settle(struct err *err);
/* For /proc and /sys and cgroup files: one open, one write. */
int fs_poke(int dirfd, const char *path, const char *text, struct err *err);

/* mkdir -p beneath dirfd, each with `mode`; existing ones are left as they are. */
int fs_mkdirs(int dirfd, const char *path, mode_t mode, struct err *err);
/* fs_mkdirs and open as O_PATH|O_DIRECTORY... usable as dirfd. Returns the descriptor. */
int fs_opendirs(int dirfd, const char *path, mode_t mode, struct err *err);
/* Removes a file or a tree. Never follows symlinks, never crosses a mount point (fails with EXDEV
 * and leaves what is mounted there alone), sets no limits on depth but keeps at most 32
 * descriptors. Missing is success. */
int fs_remove_tree(int dirfd, const char *path, struct err *err);
/* The same, but gives up (1) after `names` names and before a file of more than 8 MB, so that it
 * never takes long: the tree is still there then, and smaller than it was. 0: it is gone. */
int fs_remove_tree_some(int dirfd, const char *path, unsigned names, struct err *err);
/* Names in a directory, sorted, without "." and "..". Missing directory: -ENOENT. */
int fs_list(int dirfd, const char *path, struct strv *out, struct err *err);
bool fs_exists(int dirfd, const char *path); /* does not follow a final symlink */
/* The working directory by the name that the user came by: $PWD where that is it, as Go's
 * os.Getwd() has it, so that a project reached over a symlink has the link's name. NULL with errno
 * when there is none. Owned. */
char *fs_cwd(void);

/* Lexical cleaning: resolves ".", ".." and "//" without looking at the disk. Absolute in, absolute
 * out (".." at the root stays). Owned. */
char *path_clean(const char *path);
/* base + "/" + path cleaned; path when that is absolute. Owned. */
char *path_join(const char *base, const char *path);
const char *path_base(const char *path); /* after the last slash; borrowed */
char *path_dir(const char *path);	 /* before it; "." when there is none; owned */

#endif
