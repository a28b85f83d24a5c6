/* The store's lock, and its room on the disk. */
#include "image/store.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* A machine whose disk is full to the last byte is hard to repair: leave it this much. */
#define SPACE_RESERVE_BYTES  ((uint64_t)128 << 20)
#define SPACE_RESERVE_INODES ((uint64_t)4096)

int image__lock(struct image_store *store, unsigned flags, int *ret_fd, struct err *err)
{
	cleanup_fd int fd = fs_open(store->tmp, "../lock", O_RDWR | O_CREAT, 0600, err);
	int op = flags & IMAGE_LOCK_EXCLUSIVE ? LOCK_EX : LOCK_SH;

	if (fd < 0)
		return fd;
	if (flags & IMAGE_LOCK_NOWAIT)
		op |= LOCK_NB;
	while (flock(fd, op) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "lock the image store '%s'", store->root);
	*ret_fd = fd_take(fd);
	return 0;
}

int image__check_space(struct image_store *store, struct err *err)
{
	struct statvfs st;

	if (fstatvfs(store->layers, &st) < 0)
		return err_sys(err, errno, "look at the free space of '%s'", store->root);
	if ((uint64_t)st.f_bavail * st.f_frsize < SPACE_RESERVE_BYTES)
		return err_new(err, ERR_SYSTEM, ENOSPC,
			       "less than %u MiB are left on the file system of '%s'",
			       (unsigned)(SPACE_RESERVE_BYTES >> 20), store->root);
	/* File systems without a fixed number of inodes (btrfs) say 0 of 0. */
	if (st.f_files && st.f_favail < SPACE_RESERVE_INODES)
		return err_new(err, ERR_SYSTEM, ENOSPC,
			       "almost no inodes are left on the file system of '%s'", store->root);
	return 0;
}
