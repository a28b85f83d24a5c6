#include "build/extract.h"

#include "base/fs.h"
#include "base/vec.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum { BLOCK = 64 << 10 };

struct extraction {
	const struct writer *w;
	const char *what, *target;
	struct archive *archive;
	uint64_t entries, bytes;
	/* Directories' times are set at the end: filling them changes them. */
	VEC(struct dir_time {
		char *path;
		struct timespec mtime;
	})
	dirs;
};

static struct archive *open_archive(int fd)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	/* By name: "all" would include filters that run other programs. */
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_gnutar(a);
	if (archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK) {
		archive_read_free(a);
		return NULL;
	}
	return a;
}

bool extract_wanted(int fd)
{
	struct archive *a = open_archive(fd);
	struct archive_entry *entry;
	bool is = a && archive_read_next_header(a, &entry) >= ARCHIVE_WARN;

	archive_read_free(a);
	return lseek(fd, 0, SEEK_SET) == 0 && is;
}

static int failed(struct extraction *x, struct err *err)
{
	const char *text = archive_error_string(x->archive);

	return err_input(err, "'%s' is a damaged archive: %s", x->what, text ? text : "unknown");
}

/* The name below the target: clean, relative, never upwards. Owned. */
static int clean_name(struct extraction *x, const char *name, char **ret, struct err *err)
{
	cleanup_strv struct strv parts = { 0 };
	cleanup_free char *copy = xstrdup(name);
	char *rest = copy;
	int r;

	if (!name || strlen(name) >= PATH_MAX)
		return err_input(err, "'%s' has an entry with an impossible name", x->what);
	for (char *part; (part = strsep(&rest, "/"));) {
		if (!*part || str_eq(part, "."))
			continue;
		if (str_eq(part, "..")) {
			if (!parts.n)
				return err_input(err, "'%s' of '%s' leads out of the destination",
						 name, x->what);
			strv_remove(&parts, parts.n - 1);
			continue;
		}
		if (strlen(part) > NAME_MAX)
			return err_input(err, "'%s' has an entry with an impossible name", x->what);
		if ((r = writer_check_name(part, err)) < 0)
			return r;
		strv_add(&parts, part);
	}
	*ret = strv_join(&parts, "/");
	return 0;
}

static char *below_target(const struct extraction *x, const char *path)
{
	return xasprintf("%s%s%s", x->target, *x->target && *path ? "/" : "", path);
}

/* Opens the directory that holds the entry, making it where it is missing. */
static int open_parent(struct extraction *x, const char *path, struct err *err)
{
	cleanup_free char *full = below_target(x, path);
	cleanup_free char *dir = path_dir(full);
	cleanup_free char *followed = NULL;
	int r;

	if ((r = writer_follow(x->w, str_eq(dir, ".") ? "" : dir, &followed, err)) < 0 ||
	    (r = writer_mkdirs(x->w, followed, err)) < 0)
		return r;
	return fs_open_beneath(x->w->root, *followed ? followed : ".", O_RDONLY | O_DIRECTORY, 0,
			       err);
}

static int set_xattrs(struct extraction *x, int fd, struct archive_entry *e, const char *path,
		      struct err *err)
{
	const char *name;
	const void *value;
	size_t len;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK) {
		bool capability = str_eq(name, "security.capability");
		if (!capability &&
		    (!str_starts(name, "user.") || str_starts(name, "user.overlay.")))
			continue;
		if (fsetxattr(fd, name, value, len, 0) < 0 && capability)
			return err_sys(err, errno, "set the capabilities of '%s'", path);
	}
	return 0;
}

static struct timespec mtime_of(const struct extraction *x, struct archive_entry *e)
{
	if (x->w->has_epoch)
		return (struct timespec){ .tv_sec = x->w->epoch };
	return (struct timespec){ .tv_sec = archive_entry_mtime(e),
				  .tv_nsec = archive_entry_mtime_nsec(e) };
}

static int write_content(struct extraction *x, int fd, int64_t size, struct err *err)
{
	const void *data;
	size_t len;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(x->archive, &data, &len, &offset)) >= ARCHIVE_WARN &&
	       r != ARCHIVE_EOF) {
		x->bytes += len;
		if (x->bytes > EXTRACT_BYTES_MAX || offset < 0 ||
		    (uint64_t)offset > EXTRACT_BYTES_MAX)
			return err_input(err, "'%s' holds more than %llu bytes", x->what,
					 (unsigned long long)EXTRACT_BYTES_MAX);
		for (size_t done = 0; done < len;) {
			ssize_t n = pwrite(fd, (const char *)data + done, len - done,
					   offset + (off_t)done);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return err_sys(err, errno ? errno : ENOSPC, "unpack '%s'", x->what);
			done += (size_t)n;
		}
	}
	if (r != ARCHIVE_EOF)
		return failed(x, err);
	if (size < 0 || (uint64_t)size > EXTRACT_BYTES_MAX || ftruncate(fd, size) < 0)
		return err_input(err, "'%s' has an entry of an impossible size", x->what);
	return 0;
}

static int extract_file(struct extraction *x, struct archive_entry *e, int dir, const char *name,
			const char *path, struct err *err)
{
	struct timespec mtime = mtime_of(x, e), times[2] = { mtime, mtime };
	int r;

	cleanup_fd int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "unpack '%s'", path);
	if ((r = write_content(x, fd, archive_entry_size(e), err)) < 0)
		return r;
	if (fchown(fd, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e)) < 0 ||
	    fchmod(fd, archive_entry_perm(e) & 07777) < 0)
		return err_sys(err, errno, "set the owner and mode of '%s'", path);
	if ((r = set_xattrs(x, fd, e, path, err)) < 0)
		return r;
	(void)futimens(fd, times); /* a time that cannot be kept is no failure */
	return 0;
}

static int extract_dir(struct extraction *x, struct archive_entry *e, int dir, const char *name,
		       const char *path, struct err *err)
{
	struct stat st;
	int r;

	/* Another thing than a directory gives way. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
		(void)unlinkat(dir, name, 0); /* else mkdirat says why */
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "unpack '%s'", path);
	cleanup_fd int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "unpack '%s'", path);
	if (fchown(fd, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e)) < 0 ||
	    fchmod(fd, archive_entry_perm(e) & 07777) < 0)
		return err_sys(err, errno, "set the owner and mode of '%s'", path);
	if ((r = set_xattrs(x, fd, e, path, err)) < 0)
		return r;
	vec_push(&x->dirs, (struct dir_time){ xstrdup(path), mtime_of(x, e) });
	return 0;
}

static int extract_hardlink(struct extraction *x, struct archive_entry *e, int dir,
			    const char *name, const char *path, struct err *err)
{
	cleanup_free char *first = NULL;
	int r;

	if ((r = clean_name(x, archive_entry_hardlink(e), &first, err)) < 0)
		return r;
	cleanup_fd int at = open_parent(x, first, err);
	if (at < 0)
		return at;
	if (linkat(at, path_base(first), dir, name, 0) < 0)
		return err_new(err, ERR_INPUT, errno, "'%s' of '%s' is a hard link to '%s': %s",
			       path, x->what, first, strerror(errno));
	return 0;
}

static int extract_other(struct extraction *x, struct archive_entry *e, int dir, const char *name,
			 const char *path, struct err *err)
{
	struct timespec mtime = mtime_of(x, e), times[2] = { mtime, mtime };
	mode_t type = archive_entry_filetype(e);
	int r;

	if (type == AE_IFLNK) {
		const char *target = archive_entry_symlink(e);
		r = target ? symlinkat(target, dir, name) : (errno = EINVAL, -1);
	} else if (type == AE_IFCHR && archive_entry_rdev(e) == 0) {
		return err_input(err,
				 "'%s' of '%s' is the character device 0:0, which means a "
				 "deletion in a layer",
				 path, x->what);
	} else if (type == AE_IFCHR || type == AE_IFBLK || type == AE_IFIFO) {
		r = mknodat(dir, name, type | 0600, archive_entry_rdev(e));
	} else {
		return 0; /* a socket: nothing that an image could hold */
	}
	if (r < 0 ||
	    fchownat(dir, name, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e),
		     AT_SYMLINK_NOFOLLOW) < 0 ||
	    (type != AE_IFLNK && fchmodat(dir, name, archive_entry_perm(e) & 07777, 0) < 0))
		return err_sys(err, errno, "unpack '%s'", path);
	(void)utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW); /* as above */
	return 0;
}

static int extract_entry(struct extraction *x, struct archive_entry *e, struct err *err)
{
	cleanup_free char *path = NULL;
	mode_t type = archive_entry_filetype(e);
	int r;

	if ((r = clean_name(x, archive_entry_pathname(e), &path, err)) < 0)
		return r;
	if (!*path)
		return 0; /* the destination stays as it is */
	cleanup_fd int dir = open_parent(x, path, err);
	if (dir < 0)
		return dir;
	const char *name = path_base(path);
	if (type == AE_IFDIR && !archive_entry_hardlink(e))
		return extract_dir(x, e, dir, name, path, err);
	if ((r = fs_remove_tree(dir, name, err)) < 0)
		return r;
	if (archive_entry_hardlink(e))
		return extract_hardlink(x, e, dir, name, path, err);
	if (type == AE_IFREG)
		return extract_file(x, e, dir, name, path, err);
	return extract_other(x, e, dir, name, path, err);
}

static void set_dir_times(struct extraction *x)
{
	for (size_t i = x->dirs.n; i-- > 0;) {
		cleanup_free char *full = below_target(x, x->dirs.v[i].path), *followed = NULL;
		cleanup_err struct err ignored = ERR_INIT; /* replaced since: it has other times */
		struct timespec times[2] = { x->dirs.v[i].mtime, x->dirs.v[i].mtime };

		if (writer_follow(x->w, full, &followed, &ignored) < 0)
			continue;
		cleanup_fd int fd =
			fs_open_beneath(x->w->root, followed, O_RDONLY | O_DIRECTORY, 0, &ignored);
		if (fd >= 0)
			(void)futimens(fd, times);
	}
}

int extract(const struct writer *w, int fd, const char *what, const char *target, struct err *err)
{
	struct extraction x = {
		.w = w, .what = what, .target = target, .archive = open_archive(fd)
	};
	struct archive_entry *entry;
	int r = 0, got = ARCHIVE_EOF;

	if (!x.archive)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for an archive reader");
	while (r == 0 && (got = archive_read_next_header(x.archive, &entry)) != ARCHIVE_EOF) {
		if (got < ARCHIVE_WARN)
			r = failed(&x, err);
		else if (++x.entries > EXTRACT_ENTRIES_MAX)
			r = err_input(err, "'%s' has more than %d entries", what,
				      EXTRACT_ENTRIES_MAX);
		else
			r = extract_entry(&x, entry, err);
	}
	set_dir_times(&x);
	vec_each(d, &x.dirs)
		free(d->path);
	vec_done(&x.dirs);
	archive_read_free(x.archive);
	return r;
}
