/* A tar stream, compressed or not, becomes a directory. The stream is hostile: every name is
 * cleaned by the letter, its parent is opened beneath the layer's root by the kernel (openat2), and
 * the last component is never followed. libarchive is used twice, one reader on top of the other:
 * the lower one only inflates, so that the bytes of the tar can be hashed on their way to the upper
 * one, which knows the formats. Nothing is read twice.
 *
 * Whiteouts become what overlayfs understands when it is mounted with `userxattr`: a character
 * device 0:0, and user.overlay.opaque on a directory. Attributes of overlayfs that a layer brings
 * along are dropped: with them a layer could redirect a directory to another one. */
#include "base/fs.h"
#include "base/log.h"
#include "image/store.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META	".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define OPAQUE_XATTR	"user.overlay.opaque"

enum {
	UNPACK_PATH_MAX = 4096,
	UNPACK_XATTR_MAX = 65536, /* the kernel's */
	UNPACK_HEADER_MAX =
		16 << 20, /* tar bytes between two entries: names, attributes, sparse maps */
	UNPACK_IMPLIED_MODE = 0755, /* a parent that the archive does not mention */
};
#define UNPACK_ENTRIES	   ((uint64_t)1000000)	 /* ten times the largest images seen */
#define UNPACK_BYTES	   ((uint64_t)256 << 30) /* of the tar stream */
#define UNPACK_SPACE_EVERY ((uint64_t)64 << 20)	 /* look at the free space this often */
enum { UNPACK_SPACE_ENTRIES = 1024 };

/* The times of directories are set last: what is made inside changes them. */
struct dir_time {
	char *path;
	struct timespec mtime;
};

struct unpack {
	struct image_store *store;
	const struct unpack_source *source;
	int root;
	struct archive *inflate, *tar;
	struct hash *hash;
	char *buf;
	struct err fault; /* of a callback, which can only tell libarchive that there was one */
	uint64_t max_entries, max_bytes;
	uint64_t entries, size, stream, header_start, space_bytes;
	char *parent_path; /* of the directory that is open in parent_fd */
	int parent_fd;
	VEC(struct dir_time) dirs;
};

/* One entry on its way. */
struct entry {
	struct archive_entry *ae;
	const char *path; /* cleaned, "" is the root */
	int parent;	  /* borrowed */
	const char *base; /* last component */
};

static void unpack_done(struct unpack *u)
{
	if (u->tar)
		archive_read_free(u->tar);
	if (u->inflate)
		archive_read_free(u->inflate);
	hash_free(u->hash);
	free(u->buf);
	err_done(&u->fault);
	free(u->parent_path);
	fd_close(u->parent_fd);
	vec_each(dir, &u->dirs)
		free(dir->path);
	vec_done(&u->dirs);
}

/* --- the stream --- */

static la_ssize_t read_source(struct archive *a, void *data, const void **ret)
{
	struct unpack *u = data;
	ssize_t n = u->source->read(u->source->data, u->buf, IMAGE_COPY_CHUNK, &u->fault);

	if (n < 0)
		archive_set_error(a, (int)-n, "read error");
	*ret = u->buf;
	return n < 0 ? -1 : n;
}

static la_ssize_t read_inflated(struct archive *a, void *data, const void **ret)
{
	struct unpack *u = data;
	size_t len = 0;
	la_int64_t offset;
	int r;

	do
		r = archive_read_data_block(u->inflate, ret, &len, &offset);
	while ((r == ARCHIVE_OK || r == ARCHIVE_WARN) && len == 0);
	if (r == ARCHIVE_EOF)
		return 0;
	if (r < ARCHIVE_WARN) {
		archive_set_error(a, archive_errno(u->inflate), "%s",
				  archive_error_string(u->inflate));
		return -1;
	}
	hash_add(u->hash, *ret, len);
	u->stream += len;
	if (u->stream > u->max_bytes) {
		err_input(&u->fault, "more than %llu bytes", (unsigned long long)u->max_bytes);
		return -1;
	}
	if (u->stream - u->header_start > UNPACK_HEADER_MAX) {
		err_input(&u->fault, "the header of an entry is larger than %d bytes",
			  UNPACK_HEADER_MAX);
		return -1;
	}
	return (la_ssize_t)len;
}

/* What libarchive or one of our callbacks says about a failure. */
static int archive_failed(struct unpack *u, struct archive *a, struct err *err)
{
	const char *text = archive_error_string(a);

	if (u->fault.kind)
		return err_move(err, &u->fault);
	return err_new(err, ERR_INPUT, archive_errno(a) > 0 ? archive_errno(a) : EINVAL,
		       "the archive is damaged or not a tar: %s", text ? text : "unknown");
}

static int open_stream(struct unpack *u, struct err *err)
{
	struct archive_entry *ignored;
	int r;

	u->inflate = archive_read_new();
	u->tar = archive_read_new();
	if (!u->inflate || !u->tar)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for an archive reader");
	/* By name: "all" would include filters that run other programs. */
	archive_read_support_filter_gzip(u->inflate);
	archive_read_support_filter_zstd(u->inflate);
	archive_read_support_filter_bzip2(u->inflate);
	archive_read_support_filter_xz(u->inflate);
	archive_read_support_format_raw(u->inflate);
	archive_read_support_format_empty(u->inflate);
	archive_read_support_format_tar(u->tar);
	archive_read_support_format_gnutar(u->tar);
	archive_read_support_format_empty(u->tar);
	if (archive_read_open(u->inflate, u, NULL, read_source, NULL) < ARCHIVE_WARN)
		return archive_failed(u, u->inflate, err);
	r = archive_read_next_header(u->inflate, &ignored);
	if (r < ARCHIVE_WARN)
		return archive_failed(u, u->inflate, err);
	if (archive_read_open(u->tar, u, NULL, read_inflated, NULL) < ARCHIVE_WARN)
		return archive_failed(u, u->tar, err);
	return 0;
}

/* The digests are of all bytes, also of those behind the end of the tar. */
static int drain(struct unpack *u, struct err *err)
{
	const void *data;
	la_ssize_t n;

	do {
		u->header_start = u->stream;
		n = read_inflated(u->tar, u, &data);
	} while (n > 0);
	if (n < 0)
		return archive_failed(u, u->tar, err);
	do
		n = u->source->read(u->source->data, u->buf, IMAGE_COPY_CHUNK, &u->fault);
	while (n > 0);
	return n < 0 ? err_move(err, &u->fault) : 0;
}

/* --- names --- */

/* Cleans an archive's name into a path relative to the root: no "", ".", "..", no slash at either
 * end. A name that climbs out is refused instead of being bent back in. Owned. */
static int clean_name(const char *name, char **ret, struct err *err)
{
	cleanup_str struct str out = STR_INIT_MAX(UNPACK_PATH_MAX - 1);
	const char *s = name;

	while (*s) {
		size_t len = strcspn(s, "/");

		if (len == 2 && s[0] == '.' && s[1] == '.') {
			if (!out.len)
				return err_input(err, "the name '%.256s' leads out of the layer",
						 name);
			while (out.len && out.data[--out.len] != '/')
				;
			out.data[out.len] = '\0';
		} else if (len && !(len == 1 && *s == '.')) {
			if (len > 255)
				return err_input(err,
						 "a component of the name '%.64s...' is too long",
						 name);
			if (out.len)
				str_addc(&out, '/');
			str_addn(&out, s, len);
		}
		s += len + (s[len] == '/');
	}
	if (str_overflowed(&out))
		return err_input(err, "the name '%.64s...' is longer than %d bytes", name,
				 UNPACK_PATH_MAX - 1);
	*ret = str_take(&out);
	return 0;
}

static int open_in_layer(struct unpack *u, const char *path, int flags, struct err *err)
{
	return fs_open_in_root(u->root, *path ? path : ".", flags, 0, err);
}

/* mkdir -p for the directories that the archive takes for granted. */
static int make_parents(struct unpack *u, const char *path, int *ret_fd, struct err *err)
{
	cleanup_fd int fd = open_in_layer(u, "", O_RDONLY | O_DIRECTORY, err);
	const char *s = path;

	if (fd < 0)
		return fd;
	while (*s) {
		size_t len = strcspn(s, "/");
		cleanup_free char *name = xstrndup(s, len);
		cleanup_free char *so_far = xstrndup(path, (size_t)(s - path) + len);
		int next;

		int made = mkdirat(fd, name, UNPACK_IMPLIED_MODE);

		if (made == 0)
			made = fchmodat(fd, name, UNPACK_IMPLIED_MODE, 0); /* the umask's part */
		if (made < 0 && errno != EEXIST)
			return err_sys(err, errno, "make the directory '%s'", so_far);
		next = open_in_layer(u, so_far, O_RDONLY | O_DIRECTORY, err);
		if (next < 0)
			return next;
		fd_close(fd);
		fd = next;
		s += len + (s[len] == '/');
	}
	*ret_fd = fd_take(fd);
	return 0;
}

static void forget_parent(struct unpack *u)
{
	free(ptr_take(u->parent_path));
	u->parent_fd = fd_close(u->parent_fd);
}

/* The directory that holds `path`; borrowed until the next call. Archives list a directory's files
 * together, so that the last one is usually the right one. */
static int parent_of(struct unpack *u, const char *path, int *ret_fd, const char **ret_base,
		     struct err *err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	int fd = u->parent_fd;

	if (!str_eq(dir, u->parent_path)) {
		forget_parent(u);
		fd = open_in_layer(u, dir, O_RDONLY | O_DIRECTORY, err);
		if (fd == -ENOENT) {
			int r;

			err_done(err);
			r = make_parents(u, dir, &fd, err);
			if (r < 0)
				return r;
		}
		if (fd < 0)
			return fd;
		u->parent_fd = fd;
		u->parent_path = ptr_take(dir);
	}
	*ret_fd = fd;
	*ret_base = slash ? slash + 1 : path;
	return 0;
}

/* --- attributes --- */

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

static int write_data(struct unpack *u, int fd, struct err *err)
{
	const void *data;
	size_t len;
	la_int64_t offset, end = 0;
	int r;

	for (;;) {
		u->header_start = u->stream;
		r = archive_read_data_block(u->tar, &data, &len, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return archive_failed(u, u->tar, err);
		while (len) {
			ssize_t n = pwrite(fd, data, len, offset);

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return err_sys(err, n < 0 ? errno : EIO, "write");
			data = (const char *)data + n;
			len -= (size_t)n;
			offset += n;
			u->size += (uint64_t)n;
		}
		end = offset > end ? offset : end;
		if (u->size - u->space_bytes >= UNPACK_SPACE_EVERY) {
			u->space_bytes = u->size;
			r = image__check_space(u->store, err);
			if (r < 0)
				return r;
		}
	}
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
	r = write_data(u, fd, err);
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
	int r = clean_name(name, &path, err);

	if (r < 0)
		return r;
	if (str_eq(path, e->path))
		return 0;
	slash = strrchr(path, '/');
	dir = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	fd = open_in_layer(u, dir, O_RDONLY | O_DIRECTORY, err);
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

static int add_entry(struct unpack *u, struct archive_entry *ae, struct err *err)
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
	r = clean_name(name, &path, err);
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
	r = parent_of(u, path, &e.parent, &e.base, err);
	if (r == 0)
		r = add_typed(u, &e, err);
	/* The open parent may be what was just replaced. */
	if (archive_entry_filetype(ae) != AE_IFREG && archive_entry_filetype(ae) != AE_IFDIR)
		forget_parent(u);
	return r < 0 ? err_wrap(err, "'%.256s'", path) : 0;
}

static void set_dir_times(struct unpack *u)
{
	for (size_t i = u->dirs.n; i-- > 0;) {
		struct timespec ts[2] = { u->dirs.v[i].mtime, u->dirs.v[i].mtime };
		struct err gone = ERR_INIT; /* replaced by a later entry */
		int fd = open_in_layer(u, u->dirs.v[i].path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
				       &gone);

		if (fd >= 0)
			(void)futimens(fd, ts);
		fd_close(fd);
		err_done(&gone);
	}
}

static int unpack_all(struct unpack *u, struct err *err)
{
	struct archive_entry *ae;
	int r = open_stream(u, err);

	if (r < 0)
		return r;
	for (;;) {
		/* What an entry did not want (the body of a hard link) is passed over as data, so
		 * that the bound on headers counts headers. */
		do {
			const void *data;
			size_t len;
			la_int64_t offset;

			u->header_start = u->stream;
			r = u->entries ? archive_read_data_block(u->tar, &data, &len, &offset)
				       : ARCHIVE_EOF;
		} while (r == ARCHIVE_OK || r == ARCHIVE_WARN);
		if (r == ARCHIVE_FATAL)
			return archive_failed(u, u->tar, err);
		u->header_start = u->stream;
		r = archive_read_next_header(u->tar, &ae);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return archive_failed(u, u->tar, err);
		if (r == ARCHIVE_WARN)
			debug("archive: %s", archive_error_string(u->tar));
		r = add_entry(u, ae, err);
		if (r < 0)
			return r;
	}
	set_dir_times(u);
	return drain(u, err);
}

int image__unpack(struct image_store *store, int root, const struct unpack_source *source,
		  const struct unpack_limits *limits, struct unpack_result *ret, struct err *err)
{
	cleanup(unpack_done) struct unpack u = {
		.store = store,
		.source = source,
		.root = root,
		.hash = hash_new(),
		.buf = xmalloc(IMAGE_COPY_CHUNK),
		.parent_fd = FD_NONE,
		.max_entries = limits && limits->entries ? limits->entries : UNPACK_ENTRIES,
		.max_bytes = limits && limits->bytes ? limits->bytes : UNPACK_BYTES,
	};
	/* libarchive converts names between the archive's UTF-8 and the thread's character set:
	 * make that UTF-8 too, whatever the user's is. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), old = (locale_t)0;
	int r;

	if (utf8)
		old = uselocale(utf8);
	r = unpack_all(&u, err);
	if (utf8) {
		uselocale(old);
		freelocale(utf8);
	}
	if (r < 0)
		return r;
	memcpy(ret->diff_id, "sha256:", sizeof("sha256:"));
	hash_end(u.hash, ret->diff_id + strlen("sha256:"));
	ret->size = u.size;
	ret->entries = u.entries;
	return 0;
}
