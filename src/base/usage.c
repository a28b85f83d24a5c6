#include "base/usage.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/vec.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct usage {
	struct map seen; /* "device inode" of files with several names */
	uint64_t files;
};

struct usage *usage_new(void)
{
	return new0(struct usage);
}

void usage_free(struct usage *u)
{
	if (!u)
		return;
	map_done(&u->seen);
	free(u);
}

uint64_t usage_count(struct usage *u, const struct stat *st)
{
	static char counted;
	char id[48];

	if (st->st_nlink > 1 && !S_ISDIR(st->st_mode)) {
		snprintf(id, sizeof(id), "%llx %llx", (unsigned long long)st->st_dev,
			 (unsigned long long)st->st_ino);
		if (map_has(&u->seen, id))
			return 0;
		map_set(&u->seen, id, &counted);
	}
	u->files++;
	return (uint64_t)st->st_blocks * 512;
}

uint64_t usage_files(const struct usage *u)
{
	return u->files;
}

/* A directory being read. */
struct level {
	DIR *dir;
};

static DIR *open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* Depth first, with a stack of its own: images may be deeper than the processor's stack, but not
 * than the number of descriptors that a path of 4096 bytes can need. */
int usage_add(struct usage *u, int at, const char *path, uint64_t *bytes, struct err *err)
{
	VEC(struct level) levels = { 0 };
	struct stat st;
	dev_t device;
	DIR *dir;

	if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "look at '%s'", path);
	device = st.st_dev;
	*bytes += usage_count(u, &st);
	dir = S_ISDIR(st.st_mode) ? open_dir(at, path) : NULL;
	if (S_ISDIR(st.st_mode) && !dir && errno != ENOENT)
		return err_sys(err, errno, "read the directory '%s'", path);
	while (dir) {
		const struct dirent *e = readdir(dir);
		DIR *next;

		if (!e) {
			closedir(dir);
			dir = levels.n ? levels.v[--levels.n].dir : NULL;
			continue;
		}
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_dev != device)
			continue;
		*bytes += usage_count(u, &st);
		next = S_ISDIR(st.st_mode) ? open_dir(dirfd(dir), e->d_name) : NULL;
		if (next) {
			vec_push(&levels, (struct level){ dir });
			dir = next;
		}
	}
	vec_done(&levels);
	return 0;
}
