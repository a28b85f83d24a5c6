/* What an entry of a layer becomes on disk: its type, owner, mode, attributes and times.
 *
 * Whiteouts become what overlayfs understands when it is mounted with `userxattr`: a character
 * device 0:0, and user.overlay.opaque on a directory. Attributes of overlayfs that a layer brings
 * along are dropped: with them a layer could redirect a directory to another one. */
#include "image/unpack.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META	".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define OPAQUE_XATTR	"user.overlay.opaque"

enum {
	UNPACK_XATTR_MAX = 65536, /* the kernel's */
	UNPACK_SPACE_ENTRIES = 1024,
};

static bool xattr_dropped(const char *name)
{
	return str_starts(name, "user.overlay.") || str_starts(name, "trusted.overlay.");
}

/* Attributes that this file system or kernel does not take are left out, as Docker does. */
static bool xattr_ignorable(int no)
{
	return no == ENOTSUP || no == EPERM || no == EINVAL;
}

/* On fd, or, when it is FD_NONE, on the thing itself (a symlink, a device), which cannot be opened.
 */
static int set_xattrs(const struct entry *e, int fd, struct err *err)
{
	const char *name;
	const void *value;
	size_t size;

	if (!archive_entry_xattr_reset(e->ae))
		return 0;
	while (archive_entry_xattr_next(e->ae, &name, &value, &size) == ARCHIVE_OK) {
		int r;

		if (!name || xattr_dropped(name))
			continue;
		if (size > UNPACK_XATTR_MAX)
			return err_input(err, "the attribute '%.64s' has %zu bytes", name, size);
		if (fd >= 0) {
			r = fsetxattr(fd, name, value, size, 0);
		} else {
			cleanup_free char *path =
				xasprintf("/proc/self/fd/%d/%s", e->parent, e->base);

			r = lsetxattr(path, name, value, size, 0);
		}
		if (r < 0 && !xattr_ignorable(errno))
			return err_sys(err, errno, "set the attribute '%.64s'", name);
	}
	return 0;
}

static void entry_times(const struct entry *e, struct timespec ts[2])
{
	ts[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	ts[1] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (archive_entry_mtime_is_set(e->ae)) {
		ts[1].tv_sec = archive_entry_mtime(e->ae);
		ts[1].tv_nsec = archive_entry_mtime_nsec(e->ae);
		ts[0] = ts[1];
	}
}

static int entry_owner(const struct entry *e, uid_t *uid, gid_t *gid, struct err *err)
{
	la_int64_t u = archive_entry_uid(e->ae), g = archive_entry_gid(e->ae);

	if (u < 0 || u >= UINT32_MAX || g < 0 || g >= UINT32_MAX)
		return err_input(err, "owner %lld:%lld is out of range", (long long)u,
				 (long long)g);
	*uid = (uid_t)u;
	*gid = (gid_t)g;
	return 0;
}

/* Owner, mode, attributes, times, in the order in which one does not undo the other: chown takes
 * away setuid and file capabilities. */
static int set_attributes(const struct entry *e, int fd, bool times, struct err *err)
{
	struct timespec ts[2];
	uid_t uid;
	gid_t gid;
	int r = entry_owner(e, &uid, &gid, err);

	if (r < 0)
		return r;
	if (fchown(fd, uid, gid) < 0)
		return err_sys(err, errno, "change the owner to %u:%u", uid, gid);
	if (fchmod(fd, archive_entry_perm(e->ae) & 07777) < 0)
		return err_sys(err, errno, "change the mode");
	r = set_xattrs(e, fd, err);
	if (r < 0 || !times)
		return r;
	entry_times(e, ts);
	(void)futimens(fd, ts); /* a time outside the file system's range is no reason to fail */
	return 0;
}

static int set_attributes_at(const struct entry *e, bool mode, struct err *err)
{
	struct timespec ts[2];
	uid_t uid;
	gid_t gid;
	int r = entry_owner(e, &uid, &gid, err);

	if (r < 0)
		return r;
	if (fchownat(e->parent, e->base, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "change the owner to %u:%u", uid, gid);
	/* Nobody else is in this directory: the name still is the node just made, not a symlink. */
	if (mode && fchmodat(e->parent, e->base, archive_entry_perm(e->ae) & 07777, 0) < 0)
		return err_sys(err, errno, "change the mode");
	r = set_xattrs(e, FD_NONE, err);
	if (r < 0)
		return r;
	entry_times(e, ts);
	(void)utimensat(e->parent, e->base, ts, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* --- entries --- */

/* What stood in the way of an entry, now gone. A directory is kept when `keep_dir`. */
enum cleared { CLEARED_NOTHING, CLEARED_OTHER, CLEARED_WHITEOUT, KEPT_DIR };

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int clear_way(const struct entry *e, bool keep_dir, struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(e->parent, e->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? CLEARED_NOTHING
				       : err_sys(err, errno, "look at what is there");
	if (keep_dir && S_ISDIR(st.st_mode))
		return KEPT_DIR;
	r = fs_remove_tree(e->parent, e->base, err);
	if (r < 0)
		return r;
	return is_whiteout(&st) ? CLEARED_WHITEOUT : CLEARED_OTHER;
}

static int add_file(struct unpack *u, const struct entry *e, struct err *err)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	cleanup_fd int fd = openat(e->parent, e->base, flags, 0600);
	la_int64_t size = archive_entry_size(e->ae);
	struct stat st;
	int r;

	if (fd < 0 && errno == EEXIST) {
		r = clear_way(e, false, err);
		if (r < 0)
			return r;
		fd = openat(e->parent, e->base, flags, 0600);
	}
	if (fd < 0)
		return err_sys(err, errno, "create");
	/* Holes cost nothing here, but whoever copies or saves the image has to read them. */
	if (size < 0 || (uint64_t)size > u->max_bytes - u->logical)
		return err_input(err, "the files together are said to have more than %llu bytes",
				 (unsigned long long)u->max_bytes);
	u->logical += (uint64_t)size;
	r = image__unpack_data(u, fd, (uint64_t)size, err);
	if (r < 0)
		return r;
	/* A sparse file that ends in a hole. */
	if (fstat(fd, &st) == 0 && st.st_size < size && ftruncate(fd, size) < 0)
		return err_sys(err, errno, "make it %lld bytes long", (long long)size);
	return set_attributes(e, fd, true, err);
}

static int set_opaque(int fd, struct err *err)
{
	if (fsetxattr(fd, OPAQUE_XATTR, "y", 1, 0) < 0)
		return err_sys(err, errno, "mark the directory opaque");
	return 0;
}

static int add_dir(struct unpack *u, const struct entry *e, struct err *err)
{
	cleanup_fd int fd = FD_NONE;
	struct timespec ts[2];
	int way = CLEARED_NOTHING, r;

	if (*e->path && mkdirat(e->parent, e->base, 0700) < 0) {
		if (errno != EEXIST)
			return err_sys(err, errno, "create");
		way = clear_way(e, true, err);
		if (way < 0)
			return way;
		if (way != KEPT_DIR && mkdirat(e->parent, e->base, 0700) < 0)
			return err_sys(err, errno, "create");
	}
	fd = fs_open(e->parent, *e->path ? e->base : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
		     err);
	if (fd < 0)
		return fd;
	r = set_attributes(e, fd, false, err);
	/* The layer deletes what was there and makes a new directory in its place. */
	if (r == 0 && way == CLEARED_WHITEOUT)
		r = set_opaque(fd, err);
	if (r < 0)
		return r;
	entry_times(e, ts);
	if (ts[1].tv_nsec != UTIME_OMIT)
		vec_push(&u->dirs, (struct dir_time){ .path = xstrdup(e->path), .mtime = ts[1] });
	return 0;
}

static int add_symlink(struct unpack *u, const struct entry *e, struct err *err)
{
	const char *target = archive_entry_symlink(e->ae);
	int r;

	if (!target || !*target || strlen(target) >= UNPACK_PATH_MAX)
		return err_input(err, "the target of the symbolic link is empty or too long");
	r = clear_way(e, false, err);
	if (r < 0)
		return r;
	if (symlinkat(target, e->parent, e->base) < 0)
		return err_sys(err, errno, "create the symbolic link");
	return set_attributes_at(e, false, err);
}

static int add_node(struct unpack *u, const struct entry *e, struct err *err)
{
	mode_t type = archive_entry_filetype(e->ae);
	dev_t dev = makedev((unsigned)archive_entry_rdevmajor(e->ae),
			    (unsigned)archive_entry_rdevminor(e->ae));
	int r = clear_way(e, false, err);

	if (r < 0)
		return r;
	if (mknodat(e->parent, e->base, type | 0600, type == AE_IFIFO ? 0 : dev) < 0)
		return err_sys(err, errno, "make the device node or pipe");
	return set_attributes_at(e, true, err);
}

/* A hard link may only name what is in the same layer; a symlink in its last place is linked
 * itself. */
static int add_hardlink(struct unpack *u, const struct entry *e, struct err *err)
{
	const char *name = archive_entry_hardlink(e->ae), *slash;
	cleanup_free char *path = NULL, *dir = NULL;
	cleanup_fd int fd = FD_NONE;
	int r = image__unpack_clean(name, &path, err);

	if (r < 0)
		return r;
	if (str_eq(path, e->path))
		return 0;
	slash = strrchr(path, '/');
	dir = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	fd = image__unpack_open(u, dir, O_RDONLY | O_DIRECTORY, err);
	if (fd < 0)
		return err_wrap(err, "hard link to '%.256s'", path);
	r = clear_way(e, false, err);
	if (r < 0)
		return r;
	if (linkat(fd, slash ? slash + 1 : path, e->parent, e->base, 0) < 0)
		return err_sys(err, errno, "make a hard link to '%.256s'", path);
	return 0;
}

/* `.wh.NAME` hides NAME of the layers below; what this layer itself brings under that name stays.
 */
static int add_whiteout(struct unpack *u, const struct entry *e, struct err *err)
{
	const char *name = e->base + strlen(WHITEOUT_PREFIX);
	cleanup_fd int fd = FD_NONE;

	(void)u;
	if (str_eq(e->base, WHITEOUT_OPAQUE))
		return set_opaque(e->parent, err);
	if (str_starts(e->base, WHITEOUT_META))
		return 0; /* aufs's own book-keeping */
	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return err_input(err, "a whiteout without a name");
	if (mknodat(e->parent, name, S_IFCHR | 0600, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(err, errno, "make a whiteout");
	fd = openat(e->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? 0 : set_opaque(fd, err);
}

static int add_other(struct unpack *u, const struct entry *e, struct err *err)
{
	(void)u;
	(void)e;
	(void)err;
	return 0; /* sockets mean nothing without their process */
}

static const struct {
	mode_t type;
	int (*add)(struct unpack *u, const struct entry *e, struct err *err);
} entry_types[] = {
	{ AE_IFREG, add_file },	  { AE_IFDIR, add_dir },  { AE_IFLNK, add_symlink },
	{ AE_IFCHR, add_node },	  { AE_IFBLK, add_node }, { AE_IFIFO, add_node },
	{ AE_IFSOCK, add_other },
};

static int add_typed(struct unpack *u, const struct entry *e, struct err *err)
{
	if (str_starts(e->base, WHITEOUT_PREFIX))
		return add_whiteout(u, e, err);
	if (archive_entry_hardlink(e->ae))
		return add_hardlink(u, e, err);
	for (size_t i = 0; i < ARRAY_SIZE(entry_types); i++)
		if (entry_types[i].type == archive_entry_filetype(e->ae))
			return entry_types[i].add(u, e, err);
	return err_input(err, "an entry of an unknown type");
}

int image__unpack_entry(struct unpack *u, struct archive_entry *ae, struct err *err)
{
	struct entry e = { .ae = ae };
	cleanup_free char *path = NULL;
	const char *name = archive_entry_pathname(ae);
	int r;

	if (!name)
		return err_input(err, "an entry's name cannot be read");
	if (u->entries++ >= u->max_entries)
		return err_input(err, "more than %llu entries", (unsigned long long)u->max_entries);
	if (u->entries % UNPACK_SPACE_ENTRIES == 0 && (r = image__check_space(u->store, err)) < 0)
		return r;
	r = image__unpack_clean(name, &path, err);
	if (r < 0)
		return r;
	e.path = path;
	if (!*path) { /* the root itself */
		if (archive_entry_filetype(ae) != AE_IFDIR)
			return err_input(err, "the root of the archive is not a directory");
		e.parent = u->root;
		e.base = "";
		return add_dir(u, &e, err);
	}
	r = image__unpack_parent(u, path, &e.parent, &e.base, err);
	if (r == 0)
		r = add_typed(u, &e, err);
	/* The open parent may be what was just replaced. */
	if (archive_entry_filetype(ae) != AE_IFREG && archive_entry_filetype(ae) != AE_IFDIR)
		image__unpack_forget(u);
	return r < 0 ? err_wrap(err, "'%.256s'", path) : 0;
}
