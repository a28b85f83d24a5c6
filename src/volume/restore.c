/* Restoring: unpacked beside the volume's data, exchanged for them when every byte was checked. */
#include "volume/backup.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/usage.h"
#include "volume/quota.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define TEMP_PREFIX ".stave-restore-"
enum { TEMP_OLD = 60 }; /* seconds: one that was just made is not locked yet */

static bool is_empty(int dir, const char *name)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err ignored = ERR_INIT;

	return fs_list(dir, name, &names, &ignored) == 0 && names.n == 0;
}

/* What a killed restore left: nobody holds its lock. */
static void sweep(int at)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err ignored = ERR_INIT;
	time_t old = (time_t)(now_wall() / NSEC_PER_SEC) - TEMP_OLD;

	(void)fs_list(at, ".", &names, &ignored);
	for (size_t i = 0; i < names.n; i++) {
		cleanup_err struct err one = ERR_INIT;
		cleanup_fd int fd = FD_NONE;
		struct stat st;

		if (!str_starts(names.v[i], TEMP_PREFIX))
			continue;
		fd = openat(at, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ctime < old &&
		    flock(fd, LOCK_EX | LOCK_NB) == 0)
			(void)fs_remove_tree(at, names.v[i], &one);
	}
}

/* The kernel lets root, who unpacks, go over a quota. */
static int check_limit(int dir, uint64_t limit, struct err *err)
{
	cleanup_usage struct usage *u = usage_new();
	uint64_t bytes = 0;
	int r = usage_add(u, dir, ".", &bytes, err);

	if (r == 0 && bytes > limit)
		r = err_sys(err, EDQUOT,
			    "the backup takes up %llu bytes, the volume's limit is %llu",
			    (unsigned long long)bytes, (unsigned long long)limit);
	return r;
}

/* Unpacked in `at`, the two change places, and the old one goes. */
static int unpack_and_swap(int at, const char *temp, const char *data, uint64_t limit,
			   const char *file, const struct backup_options *options,
			   struct backup_info *info, struct err *err)
{
	cleanup_fd int dir = FD_NONE, old = FD_NONE;
	int r;

	if (mkdirat(at, temp, 0700) < 0)
		return err_sys(err, errno, "make a directory");
	dir = fs_open(at, temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
	if (dir >= 0)
		(void)flock(dir, LOCK_EX); /* ours alone: it says that we live */
	r = dir < 0 ? dir : limit ? quota_limit(dir, limit, err) : 0;
	if (r == 0)
		r = backup_extract(file, dir, options, info, err);
	if (r == 0 && limit)
		r = check_limit(dir, limit, err);
	if (r == 0 && syncfs(dir) < 0)
		r = err_sys(err, errno, "sync");
	if (r == 0 && renameat2(at, temp, at, data, RENAME_EXCHANGE) < 0)
		r = err_sys(err, errno, "exchange the data");
	if (r == 0)
		(void)fsync(at);
	old = openat(at, temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (old >= 0 && limit)
		quota_release(old);
	struct err ignored = ERR_INIT;
	(void)fs_remove_tree(at, temp, &ignored); /* a leftover is only space */
	err_done(&ignored);
	return r;
}

int backup_restore(const char *root, const struct volume *v, const char *file, bool replace,
		   const struct backup_options *options, struct backup_info *ret, struct err *err)
{
	char temp[48] = TEMP_PREFIX;
	cleanup_free char *folder =
		volume_is_bind(v) ? path_dir(v->path) : xasprintf("%s/volumes/%s", root, v->name);
	cleanup_fd int at = fs_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0, err);
	int r;

	if (at < 0)
		return at;
	sweep(at);
	if (!replace && !is_empty(at, path_base(v->path)))
		return err_conflict(err,
				    "volume '%s' is not empty; --force puts the backup in the "
				    "place of what is there",
				    v->name);
	hex_random(temp + strlen(temp), 16);
	r = unpack_and_swap(at, temp, path_base(v->path), volume_limit(v), file, options, ret, err);
	return r < 0 ? err_wrap(err, "restore volume '%s'", v->name) : 0;
}
