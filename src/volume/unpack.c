/* The tar in a backup becomes a directory, or is only read. The file may come from anybody: every
 * parent is opened beneath the target's descriptor without following any symlink, nothing may be
 * there already, and so an entry can only make something new below the target. */
#include "volume/tar.h"

#include "base/fs.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum {
	UNPACK_HEADER_MAX = 16 << 20, /* tar bytes between two entries */
	UNPACK_XATTR_MAX = 65536,     /* the kernel's */
	UNPACK_SPACE_ENTRIES = 1024,
	UNPACK_FREE_INODES = 4096,
};
#define UNPACK_SPACE_EVERY ((uint64_t)64 << 20)	 /* look at the free space this often */
#define UNPACK_FREE_BYTES  ((uint64_t)128 << 20) /* what is left for the rest of the machine */

/* A directory whose time is set when the last of what is in it was made. */
struct open_dir {
	char *path;
	struct timespec mtime;
};

struct unpack {
	struct seal_reader *r;
	int root;  /* FD_NONE: nothing is made */
	int space; /* its parent: a directory with a quota tells of the quota */
	const struct backup_options *options;
	struct backup_info *info;
	struct archive *tar;
	struct archive_entry *ae;
	struct err fault;	       /* of the callback */
	uint64_t stream, header_start; /* bytes of tar */
	uint64_t written, space_at;
	char *parent_path; /* of parent_fd */
	int parent_fd;
	VEC(struct open_dir) dirs;
};

/* One entry on its way. */
struct entry {
	const char *path, *base; /* "." and "." for the root */
	int parent;		 /* borrowed */
};

static void unpack_done(struct unpack *u)
{
	if (u->tar)
		archive_read_free(u->tar);
	err_done(&u->fault);
	free(u->parent_path);
	fd_close(u->parent_fd);
	fd_close(u->space);
	vec_each(d, &u->dirs)
		free(d->path);
	vec_done(&u->dirs);
}

static la_ssize_t read_sealed(struct archive *a, void *data, const void **ret)
{
	struct unpack *u = data;
	ssize_t n = tar__check_stop(u->options, &u->fault);

	(void)a; /* what is wrong is in u->fault */
	if (n == 0)
		n = seal_read(u->r, ret, &u->fault);
	if (n < 0)
		return -1;
	u->stream += (uint64_t)n;
	if (u->stream - u->header_start > UNPACK_HEADER_MAX) {
		err_input(&u->fault, "the header of an entry is larger than %d bytes",
			  UNPACK_HEADER_MAX);
		return -1;
	}
	return n;
}

static int failed(struct unpack *u, struct err *err)
{
	const char *text = archive_error_string(u->tar);

	if (u->fault.kind)
		return err_move(err, &u->fault);
	return err_new(err, ERR_INPUT, EBADMSG, "the backup is damaged: %s",
		       text ? text : "unknown");
}

static int check_space(struct unpack *u, struct err *err)
{
	struct statvfs s;

	if (u->space < 0 || fstatvfs(u->space, &s) < 0)
		return 0;
	if ((uint64_t)s.f_bavail * s.f_frsize < UNPACK_FREE_BYTES ||
	    (s.f_files && s.f_favail < UNPACK_FREE_INODES))
		return err_sys(err, ENOSPC, "the disk is nearly full");
	return 0;
}

/* --- names --- */

/* As pack.c writes them: relative, without empty, "." and ".." parts. */
static bool name_ok(const char *path)
{
	if (str_eq(path, "."))
		return true;
	if (strlen(path) >= TAR_PATH_MAX)
		return false;
	for (const char *s = path;; s++) {
		size_t len = strcspn(s, "/");

		if (len == 0 || len > 255 || (len == 1 && *s == '.') ||
		    (len == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += len;
		if (!*s)
			return true;
	}
}

/* The descriptor of the directory that holds `path`; borrowed until the next call. */
static int open_parent(struct unpack *u, const char *path, const char **ret_base, struct err *err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");

	*ret_base = slash ? slash + 1 : path;
	if (str_eq(dir, u->parent_path))
		return u->parent_fd;
	free(ptr_take(u->parent_path));
	u->parent_fd = fd_close(u->parent_fd);
	u->parent_fd = fs_open_beneath(u->root, dir, O_RDONLY | O_DIRECTORY, 0, err);
	if (u->parent_fd >= 0)
		u->parent_path = ptr_take(dir);
	return u->parent_fd;
}

/* --- attributes --- */

/* On fd, or, when it is FD_NONE, on the thing itself, which cannot be opened. */
static int set_xattrs(struct unpack *u, const struct entry *e, int fd, struct err *err)
{
	const char *name;
	const void *value;
	size_t size;

	(void)archive_entry_xattr_reset(u->ae);
	while (archive_entry_xattr_next(u->ae, &name, &value, &size) == ARCHIVE_OK) {
		int r;

		if (!name)
			continue;
		if (size > UNPACK_XATTR_MAX)
			return err_input(err, "the attribute '%.64s' has %zu bytes", name, size);
		if (fd >= 0) {
			r = fsetxattr(fd, name, value, size, 0);
		} else {
			cleanup_free char *link =
				xasprintf("/proc/self/fd/%d/%s", e->parent, e->base);

			r = lsetxattr(link, name, value, size, 0);
		}
		/* One that this file system has no room or name for is left out. */
		if (r < 0 && errno != ENOTSUP && errno != EPERM && errno != EINVAL)
			return err_sys(err, errno, "set the attribute '%.64s'", name);
	}
	return 0;
}

static struct timespec mtime(const struct unpack *u)
{
	return (struct timespec){ .tv_sec = archive_entry_mtime(u->ae),
				  .tv_nsec = archive_entry_mtime_nsec(u->ae) };
}

static int owner(const struct unpack *u, uid_t *uid, gid_t *gid, struct err *err)
{
	la_int64_t a = archive_entry_uid(u->ae), b = archive_entry_gid(u->ae);

	if (a < 0 || a >= UINT32_MAX || b < 0 || b >= UINT32_MAX)
		return err_input(err, "owner %lld:%lld is out of range", (long long)a,
				 (long long)b);
	*uid = (uid_t)a;
	*gid = (gid_t)b;
	return 0;
}

/* In the order in which one does not undo the other: chown takes away setuid and capabilities. */
static int set_attributes(struct unpack *u, const struct entry *e, int fd, struct err *err)
{
	struct timespec ts[2] = { mtime(u), mtime(u) };
	bool link = archive_entry_filetype(u->ae) == AE_IFLNK;
	mode_t mode = archive_entry_perm(u->ae) & 07777;
	uid_t uid;
	gid_t gid;
	int r = owner(u, &uid, &gid, err);

	if (r < 0)
		return r;
	r = fd >= 0 ? fchown(fd, uid, gid)
		    : fchownat(e->parent, e->base, uid, gid, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return err_sys(err, errno, "change the owner to %u:%u", uid, gid);
	if (!link && (fd >= 0 ? fchmod(fd, mode) : fchmodat(e->parent, e->base, mode, 0)) < 0)
		return err_sys(err, errno, "change the mode");
	r = set_xattrs(u, e, fd, err);
	if (r < 0)
		return r;
	/* A time outside the file system's range is no reason to fail. */
	(void)(fd >= 0 ? futimens(fd, ts) : utimensat(e->parent, e->base, ts, AT_SYMLINK_NOFOLLOW));
	return 0;
}

/* --- entries --- */

static int write_at(struct unpack *u, int fd, const char *data, size_t len, la_int64_t offset,
		    struct err *err)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n < 0 ? errno : EIO, "write");
		data += n;
		len -= (size_t)n;
		offset += n;
		u->written += (uint64_t)n;
	}
	if (u->written - u->space_at < UNPACK_SPACE_EVERY)
		return 0;
	u->space_at = u->written;
	return check_space(u, err);
}

/* fd FD_NONE: only reads. */
static int copy_data(struct unpack *u, int fd, struct err *err)
{
	const void *data;
	size_t len;
	la_int64_t offset, size = archive_entry_size(u->ae);
	struct stat st;
	int r = 0;

	while (r == 0) {
		u->header_start = u->stream;
		r = archive_read_data_block(u->tar, &data, &len, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return failed(u, err);
		if (size < 0 || offset < 0 || offset > size || (la_int64_t)len > size - offset)
			return err_input(err, "it has more data than it says");
		r = fd >= 0 ? write_at(u, fd, data, len, offset, err) : 0;
		if (r < 0)
			return r;
	}
	/* One that ends in a hole. */
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size < size && ftruncate(fd, size) < 0)
		return err_sys(err, errno, "make it %lld bytes long", (long long)size);
	u->info->bytes += (uint64_t)size;
	return 0;
}

static int add_file(struct unpack *u, const struct entry *e, struct err *err)
{
	cleanup_fd int fd =
		fs_open(e->parent, e->base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	int r = fd < 0 ? fd : copy_data(u, fd, err);

	return r < 0 ? r : set_attributes(u, e, fd, err);
}

static int add_dir(struct unpack *u, const struct entry *e, struct err *err)
{
	cleanup_fd int fd = FD_NONE;
	int r;

	if (!str_eq(e->path, ".") && mkdirat(e->parent, e->base, 0700) < 0)
		return err_sys(err, errno, "create");
	fd = fs_open(e->parent, e->base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
	r = fd < 0 ? fd : set_attributes(u, e, fd, err);
	if (r == 0)
		vec_push(&u->dirs,
			 (struct open_dir){ .path = xstrdup(e->path), .mtime = mtime(u) });
	return r;
}

static int add_symlink(struct unpack *u, const struct entry *e, struct err *err)
{
	const char *target = archive_entry_symlink(u->ae);

	if (str_empty(target) || strlen(target) >= TAR_PATH_MAX)
		return err_input(err, "the target of the symbolic link is empty or too long");
	if (symlinkat(target, e->parent, e->base) < 0)
		return err_sys(err, errno, "create the symbolic link");
	return set_attributes(u, e, FD_NONE, err);
}

static int add_node(struct unpack *u, const struct entry *e, struct err *err)
{
	mode_t type = archive_entry_filetype(u->ae);
	dev_t dev = makedev((unsigned)archive_entry_rdevmajor(u->ae),
			    (unsigned)archive_entry_rdevminor(u->ae));

	if (mknodat(e->parent, e->base, type | 0600, type == AE_IFIFO ? 0 : dev) < 0)
		return err_sys(err, errno, "make the device node or pipe");
	return set_attributes(u, e, FD_NONE, err);
}

static int add_hardlink(struct unpack *u, const struct entry *e, struct err *err)
{
	const char *target = archive_entry_hardlink(u->ae), *slash = strrchr(target, '/');
	cleanup_free char *dir = slash ? xstrndup(target, (size_t)(slash - target)) : xstrdup(".");
	cleanup_fd int fd = fs_open_beneath(u->root, dir, O_RDONLY | O_DIRECTORY, 0, err);

	if (fd < 0)
		return err_wrap(err, "hard link to '%.256s'", target);
	if (linkat(fd, slash ? slash + 1 : target, e->parent, e->base, 0) < 0)
		return err_sys(err, errno, "make a hard link to '%.256s'", target);
	return 0;
}

static const struct {
	mode_t type;
	int (*add)(struct unpack *u, const struct entry *e, struct err *err);
	bool device;
} types[] = {
	{ AE_IFREG, add_file, false },	  { AE_IFDIR, add_dir, false },
	{ AE_IFLNK, add_symlink, false }, { AE_IFIFO, add_node, false },
	{ AE_IFCHR, add_node, true },	  { AE_IFBLK, add_node, true },
};

/* What is wrong with the entry, whether it is made or only read. */
static int check_entry(struct unpack *u, const char *path, int *ret_type, struct err *err)
{
	mode_t type = archive_entry_filetype(u->ae);
	const char *link = archive_entry_hardlink(u->ae);

	if (!name_ok(path) || (link && (!name_ok(link) || str_eq(link, "."))))
		return err_input(err, "the name '%.256s' is not one that a backup has",
				 link && name_ok(path) ? link : path);
	if (str_eq(path, ".") && (type != AE_IFDIR || u->info->entries != 1))
		return err_input(err, "the volume's own directory is not the first entry");
	*ret_type = -1;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			*ret_type = (int)i;
	if (link)
		return 0;
	if (*ret_type < 0)
		return err_input(err, "an entry of an unknown type");
	if (types[*ret_type].device && !u->options->devices && u->root >= 0)
		return err_input(err,
				 "it is a device node, which gives access to hardware; --devices "
				 "restores it all the same");
	return 0;
}

/* Directories that the next entry is not in are complete. NULL: all. */
static void leave_dirs(struct unpack *u, const char *path)
{
	while (u->dirs.n > 0) {
		struct open_dir *d = &u->dirs.v[u->dirs.n - 1];
		struct timespec ts[2] = { d->mtime, d->mtime };
		size_t len = strlen(d->path);
		cleanup_err struct err ignored = ERR_INIT;
		cleanup_fd int fd = FD_NONE;

		if (path && (str_eq(d->path, ".") ||
			     (strncmp(path, d->path, len) == 0 && path[len] == '/')))
			return;
		fd = fs_open_beneath(u->root, d->path, O_RDONLY | O_DIRECTORY, 0, &ignored);
		if (fd >= 0)
			(void)futimens(fd, ts);
		free(d->path);
		u->dirs.n--;
	}
}

static int unpack_entry(struct unpack *u, struct err *err)
{
	const char *path = archive_entry_pathname(u->ae);
	cleanup_free char *name = xstrdup(path ? path : "");
	struct entry e = { .path = name, .base = name };
	int type = -1, r;

	if (strlen(name) > 1 && str_ends(name, "/"))
		name[strlen(name) - 1] = '\0'; /* of directories */
	u->info->entries++;
	r = check_entry(u, name, &type, err);
	if (r == 0 && u->info->entries % UNPACK_SPACE_ENTRIES == 0)
		r = check_space(u, err);
	if (r == 0 && u->root < 0)
		r = archive_entry_hardlink(u->ae) || archive_entry_filetype(u->ae) != AE_IFREG
			    ? 0
			    : copy_data(u, FD_NONE, err);
	if (r < 0 || u->root < 0)
		return r < 0 ? err_wrap(err, "'%.256s'", name) : 0;
	leave_dirs(u, name);
	e.parent = open_parent(u, name, &e.base, err);
	if (e.parent < 0)
		r = e.parent;
	else if (archive_entry_hardlink(u->ae))
		r = add_hardlink(u, &e, err);
	else
		r = types[type].add(u, &e, err);
	return r < 0 ? err_wrap(err, "'%.256s'", name) : 0;
}

static int unpack_all(struct unpack *u, struct err *err)
{
	int r;

	u->tar = archive_read_new();
	if (!u->tar)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for an archive reader");
	archive_read_support_format_tar(u->tar);
	if (archive_read_open(u->tar, u, NULL, read_sealed, NULL) < ARCHIVE_WARN)
		return failed(u, err);
	for (;;) {
		u->header_start = u->stream;
		r = archive_read_next_header(u->tar, &u->ae);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return failed(u, err);
		r = unpack_entry(u, err);
		if (r < 0)
			return r;
	}
	if (u->root >= 0)
		leave_dirs(u, NULL);
	return seal_reader_end(u->r, u->info->entries, u->info->bytes, err);
}

int tar_unpack(struct seal_reader *r, int dir, const struct backup_options *options,
	       struct backup_info *info, struct err *err)
{
	cleanup(unpack_done) struct unpack u = {
		.r = r,
		.root = dir,
		.options = options,
		.info = info,
		.parent_fd = FD_NONE,
		.space = dir < 0 ? FD_NONE : openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	/* libarchive converts names between UTF-8 and the thread's character set. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t old = utf8 ? uselocale(utf8) : (locale_t)0;
	int result = unpack_all(&u, err);

	if (utf8) {
		uselocale(old);
		freelocale(utf8);
	}
	return result;
}
