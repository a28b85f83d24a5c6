/* Directories and locks of the builder. */
#include "build/depot.h"

#include "base/fs.h"
#include "base/hash.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

int depot_open(const char *root, struct depot *ret, struct err *err)
{
	cleanup_depot struct depot p = DEPOT_NONE;
	cleanup_free char *path = path_join(root, "build");
	struct {
		const char *name;
		int *fd;
	} dirs[] = {
		{ "cache", &p.cache },	       { "last", &p.last },	{ "steps", &p.steps },
		{ "snapshots", &p.snapshots }, { "mounts", &p.mounts }, { "tmp", &p.tmp },
	};
	int r = fs_mkdirs(AT_FDCWD, path, 0700, err);

	if (r < 0)
		return r;
	p.root = realpath(path, NULL);
	if (!p.root)
		return err_sys(err, errno, "open '%s'", path);
	p.dir = fs_open(AT_FDCWD, p.root, O_RDONLY | O_DIRECTORY, 0, err);
	if (p.dir < 0)
		return p.dir;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		cleanup_free char *dir = path_join(p.root, dirs[i].name);

		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return err_sys(err, errno, "make '%s'", dir);
		*dirs[i].fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
		if (*dirs[i].fd < 0)
			return *dirs[i].fd;
	}
	*ret = p;
	p = DEPOT_NONE;
	return 0;
}

void depot_close(struct depot *depot)
{
	fd_close(depot->dir);
	fd_close(depot->cache);
	fd_close(depot->last);
	fd_close(depot->steps);
	fd_close(depot->snapshots);
	fd_close(depot->mounts);
	fd_close(depot->tmp);
	free(depot->root);
	*depot = DEPOT_NONE;
}

static int lock_fd(int fd, int op)
{
	while (flock(fd, op) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int depot_lock(const struct depot *depot, bool alone, int *ret_fd, struct err *err)
{
	cleanup_fd int fd = fs_open(depot->dir, "lock", O_RDWR | O_CREAT, 0600, err);
	int r;

	if (fd < 0)
		return fd;
	r = lock_fd(fd, alone ? LOCK_EX | LOCK_NB : LOCK_SH);
	if (r < 0)
		return err_sys(err, -r, "lock '%s'", depot->root);
	*ret_fd = fd_take(fd);
	return 0;
}

/* The file is removed by whoever is done with it, while holding its lock: one that waited for it
 * holds the lock of a name that is no more, and tries again. */
int depot_step_lock(const struct depot *depot, const char *key, int *ret_fd, struct err *err)
{
	for (;;) {
		cleanup_fd int fd = fs_open(depot->steps, key, O_RDWR | O_CREAT, 0600, err);
		struct stat ours, named;
		int r;

		if (fd < 0)
			return fd;
		r = lock_fd(fd, LOCK_EX);
		if (r < 0)
			return err_sys(err, -r, "lock the step '%.12s'", key);
		if (fstat(fd, &ours) == 0 && fstatat(depot->steps, key, &named, 0) == 0 &&
		    ours.st_ino == named.st_ino) {
			*ret_fd = fd_take(fd);
			return 0;
		}
	}
}

void depot_step_done(const struct depot *depot, const char *key, int fd)
{
	if (fd < 0)
		return;
	(void)unlinkat(depot->steps, key, 0); /* gone already is as good */
	fd_close(fd);
}

int depot_temp(const struct depot *depot, char **ret_path, struct err *err)
{
	char id[DEPOT_ID];

	hex_random(id, sizeof(id) - 1);
	if (mkdirat(depot->tmp, id, 0700) < 0)
		return err_sys(err, errno, "make a directory in '%s/tmp'", depot->root);
	*ret_path = xasprintf("%s/tmp/%s", depot->root, id);
	return 0;
}

void depot_temp_remove(char *path)
{
	struct err ignored = ERR_INIT;

	if (path && fs_remove_tree(AT_FDCWD, path, &ignored) < 0)
		err_done(&ignored);
}
