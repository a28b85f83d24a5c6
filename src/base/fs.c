#include "base/fs.h"

#include "base/hash.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int fs_open(int dirfd, const char *path, int flags, mode_t mode, struct err *err)
{
	int fd;
	do
		fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return err_sys(err, errno, "open '%s'", path);
	return fd;
}

int fs_openat2(int dirfd, const char *path, const struct open_how *how)
{
	enum { TRIES = 1000 };
	for (int i = 0;; i++) {
		int fd = (int)syscall(SYS_openat2, dirfd, path, how, sizeof(*how));
		if (fd >= 0)
			return fd;
		if ((errno != EAGAIN && errno != EINTR) || i == TRIES)
			return -errno;
	}
}

static int open_resolved(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = resolve,
	};
	return fs_openat2(dirfd, path, &how);
}

static int open_checked(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve,
			struct err *err)
{
	/* O_PATH opens nothing that could block, and takes few other flags. */
	int extra = flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY;
	int fd = open_resolved(dirfd, path, flags | extra, mode, resolve);
	if (fd == -ENOSYS)
		return err_unsupported(err,
				       "open '%s': the kernel has no openat2 (Linux 5.6 or "
				       "later is needed)",
				       path);
	if (fd < 0)
		return err_sys(err, -fd, "open '%s'", path);
	return fd;
}

int fs_open_in_root(int dirfd, const char *path, int flags, mode_t mode, struct err *err)
{
	return open_checked(dirfd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, err);
}

int fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode, struct err *err)
{
	return open_checked(dirfd, path, flags, mode,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS, err);
}

int fs_read_fd(int fd, const char *what, size_t max, struct str *out, struct err *err)
{
	enum { CHUNK = 16384 };
	size_t total = 0;
	for (;;) {
		/* One byte over the limit is asked for, to see that the end comes before it. */
		size_t want = max - total < CHUNK ? max - total + 1 : CHUNK;
		char *room = str_room(out, want);
		if (!room)
			return err_input(err, "'%s' is larger than %zu bytes", what, max);
		ssize_t n = read(fd, room, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read '%s'", what);
		if (n == 0)
			return 0;
		total += (size_t)n;
		if (total > max)
			return err_input(err, "'%s' is larger than %zu bytes", what, max);
		str_grew(out, (size_t)n);
	}
}

int fs_read(int dirfd, const char *path, size_t max, struct str *out, struct err *err)
{
	/* Not blocking: a FIFO is opened at once and then refused below. */
	cleanup_fd int fd = fs_open(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
	if (fd < 0)
		return fd;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_input(err, "'%s' is a directory", path);
	if (!S_ISREG(st.st_mode))
		return err_input(err, "'%s' is not a regular file", path);
	if (out->max == 0)
		out->max = max + 1 > STR_MAX_DEFAULT ? max + 1 : STR_MAX_DEFAULT;
	return fs_read_fd(fd, path, max, out, err);
}

int fs_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_directory(int dirfd, const char *path, struct err *err)
{
	cleanup_free char *dir = path_dir(path);
	cleanup_fd int fd = fs_open(dirfd, dir, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	if (fsync(fd) < 0)
		return err_sys(err, errno, "sync '%s'", dir);
	return 0;
}

/* --- syncs beside --- */

enum { ASIDE_MAX = 32 };
static struct {
	bool on;
	size_t n;
	pid_t pids[ASIDE_MAX];
	char *paths[ASIDE_MAX];
} aside;

void fs_sync_aside(void)
{
	aside.on = true;
}

/* 1: it goes on beside, 0: it is to be done here. */
static int sync_beside(int fd, int dirfd, const char *path)
{
	if (aside.n == ASIDE_MAX)
		return 0;
	pid_t pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;
		int r = fsync(fd) < 0 ? -errno : sync_directory(dirfd, path, &err);
		_exit(-r);
	}
	if (pid < 0)
		return 0;
	aside.pids[aside.n] = pid;
	aside.paths[aside.n++] = xstrdup(path);
	return 1;
}

int fs_sync_settle(struct err *err)
{
	int failed = 0;
	for (size_t i = 0; i < aside.n; i++) {
		int status = 0;
		while (waitpid(aside.pids[i], &status, 0) < 0 && errno == EINTR)
			;
		if (status != 0 && failed == 0)
			failed = err_sys(err, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
					 "sync '%s'", aside.paths[i]);
		free(aside.paths[i]);
	}
	aside.n = 0;
	aside.on = false;
	return failed;
}

/* The temporary file gets its name; with FS_SYNC both are on disk then, or will be. */
static int give_name(int fd, int dirfd, const char *temporary, const char *path, unsigned flags)
{
	bool sync = flags & FS_SYNC;
	if (sync && aside.on && renameat2(dirfd, temporary, dirfd, path, RENAME_NOREPLACE) == 0) {
		if (sync_beside(fd, dirfd, path))
			return 0;
		return fsync(fd) < 0 ? -errno : 1;
	}
	if (sync && fsync(fd) < 0)
		return -errno;
	if (renameat(dirfd, temporary, dirfd, path) < 0)
		return -errno;
	return sync;
}

int fs_write_atomic(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		    unsigned flags, struct err *err)
{
	char suffix[9];
	hex_random(suffix, 8);
	cleanup_free char *dir = path_dir(path);
	/* The dot keeps it out of listings that look for names; a sweep knows it by ".tmp-". */
	cleanup_free char *temporary = xasprintf("%s/.tmp-%s", dir, suffix);
	cleanup_fd int fd = fs_open(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL, mode, err);
	if (fd < 0)
		return fd;

	int r = fs_write_all(fd, data, len);
	/* The mode is meant as given, whatever the umask. */
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0)
		r = give_name(fd, dirfd, temporary, path, flags);
	if (r < 0) {
		(void)unlinkat(dirfd, temporary, 0); /* the first failure is the one to report */
		return err_sys(err, -r, "write '%s'", path);
	}
	return r > 0 ? sync_directory(dirfd, path, err) : 0;
}

int fs_poke(int dirfd, const char *path, const char *text, struct err *err)
{
	cleanup_fd int fd = fs_open(dirfd, path, O_WRONLY, 0, err);
	if (fd < 0)
		return fd;
	/* One write: these files act on each. */
	ssize_t n;
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "write '%s' to '%s'", text, path);
	if ((size_t)n != strlen(text))
		return err_sys(err, EIO, "write '%s' to '%s'", text, path);
	return 0;
}

int fs_mkdirs(int dirfd, const char *path, mode_t mode, struct err *err)
{
	if (mkdirat(dirfd, path, mode) == 0)
		return 0;
	/* Usually only the last part is missing, or nothing is, so the walk from the top comes
	 * second. */
	bool there = errno == EEXIST;
	cleanup_free char *copy = path_clean(path);
	for (char *p = copy + 1; *p && !there; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
			return err_sys(err, errno, "create directory '%s'", copy);
		*p = '/';
	}
	if (!there && mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
		return err_sys(err, errno, "create directory '%s'", path);
	struct stat st;
	if (fstatat(dirfd, copy, &st, 0) < 0)
		return err_sys(err, errno, "stat '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(err, ENOTDIR, "create directory '%s'", path);
	return 0;
}

int fs_opendirs(int dirfd, const char *path, mode_t mode, struct err *err)
{
	int r = fs_mkdirs(dirfd, path, mode, err);
	if (r < 0)
		return r;
	return fs_open(dirfd, path, O_PATH | O_DIRECTORY, 0, err);
}

int fs_list(int dirfd, const char *path, struct strv *out, struct err *err)
{
	cleanup_fd int fd = fs_open(dirfd, path, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	cleanup_dir DIR *dir = fdopendir(fd);
	if (!dir)
		return err_sys(err, errno, "open '%s'", path);
	fd = FD_NONE; /* the stream's now */

	struct strv names = { 0 };
	struct dirent *entry;
	while (errno = 0, (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strv_add(&names, entry->d_name);
	if (errno) {
		int no = errno;
		strv_done(&names);
		return err_sys(err, no, "read directory '%s'", path);
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		strv_take(out, ptr_take(names.v[i]));
	strv_done(&names);
	return 0;
}

bool fs_exists(int dirfd, const char *path)
{
	struct stat st;
	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

char *fs_cwd(void)
{
	const char *pwd = getenv("PWD");
	cleanup_free char *clean = pwd && *pwd == '/' ? path_clean(pwd) : NULL;
	struct stat named, here;
	if (clean && strcmp(clean, pwd) == 0 && stat(pwd, &named) == 0 && stat(".", &here) == 0 &&
	    named.st_dev == here.st_dev && named.st_ino == here.st_ino)
		return ptr_take(clean);
	return getcwd(NULL, 0);
}
