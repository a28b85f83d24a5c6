/* Opening the store and its lock. */
#include "image/store.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Layers hold other people's setuid programs: nobody but the owner may walk in. */
enum { STORE_MODE = 0700 };

/* A machine whose disk is full to the last byte is hard to repair: leave it this much. */
#define SPACE_RESERVE_BYTES  ((uint64_t)128 << 20)
#define SPACE_RESERVE_INODES ((uint64_t)4096)

static int open_dir(const char *root, const char *name, struct err *err)
{
	cleanup_free char *path = path_join(root, name);
	int r = fs_mkdirs(AT_FDCWD, path, STORE_MODE, err);

	if (r < 0)
		return r;
	return fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, err);
}

int image_store_open(const char *root, struct image_store **ret, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *s = new0(struct image_store);
	cleanup_free char *real = NULL;
	int r;

	s->blobs = s->tmp = s->refs = s->layers = FD_NONE;
	r = fs_mkdirs(AT_FDCWD, root, 0711, err);
	if (r < 0)
		return r;
	/* Absolute, because the paths of layers are handed to other processes. */
	real = realpath(root, NULL);
	if (!real)
		return err_sys(err, errno, "open the image store '%s'", root);
	s->root = ptr_take(real);
	if ((s->blobs = open_dir(s->root, "blobs/sha256", err)) < 0)
		return s->blobs;
	if ((s->tmp = open_dir(s->root, "blobs/tmp", err)) < 0)
		return s->tmp;
	if ((s->refs = open_dir(s->root, "refs", err)) < 0)
		return s->refs;
	if ((s->layers = open_dir(s->root, "layers", err)) < 0)
		return s->layers;
	r = image__unsynced_recover(s, err);
	if (r == 0)
		*ret = ptr_take(s);
	return r;
}

void image_store_free(struct image_store *store)
{
	if (!store)
		return;
	fd_close(store->blobs);
	fd_close(store->tmp);
	fd_close(store->refs);
	fd_close(store->layers);
	free(store->root);
	free(store);
}

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
