/* A layer directory as a tar stream: the way back of unpack.c. The same tree gives the same bytes:
 * names are sorted, times are whole seconds, nothing depends on inode numbers or on the order of
 * the disk. What only means something to an overlay becomes what archives say instead: a whiteout
 * (character device 0:0) is the empty file `.wh.NAME`, an opaque directory holds `.wh..wh..opq`. */
#include "base/fs.h"
#include "base/map.h"
#include "image/store.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum {
	PACK_DEPTH_MAX = 512, /* each level holds a descriptor */
	ATTRS_MAX = 65536,    /* the kernel's limit, as the next */
	ATTR_MAX = 65536,
	CAPS_V2_SIZE = 20, /* security.capability without a namespace's root id */
	CAPS_V3_SIZE = 24,
};

struct pack {
	struct archive *a;
	const struct pack_sink *sink;
	struct err *err;  /* of the sink */
	struct map links; /* "dev:inode" -> path of the first name */
	uint64_t entries;
	char *buf;
};

static la_ssize_t write_sink(struct archive *a, void *data, const void *bytes, size_t len)
{
	struct pack *p = data;

	if (p->sink->add(p->sink->data, bytes, len, p->err) < 0) {
		archive_set_error(a, p->err->no, "write error");
		return -1;
	}
	return (la_ssize_t)len;
}

static int failed(struct pack *p, const char *path, struct err *err)
{
	int no = archive_errno(p->a);

	if (err->no)
		return -err->no;
	return err_new(err, ERR_SYSTEM, no > 0 ? no : EIO, "pack '%s': %s", path,
		       archive_error_string(p->a));
}

static int write_header(struct pack *p, struct archive_entry *e, const char *path, struct err *err)
{
	/* A warning is about a name that is not UTF-8: it is stored as the bytes that it is. */
	int r = archive_write_header(p->a, e);

	p->entries++;
	return r < ARCHIVE_WARN ? failed(p, path, err) : 0;
}

/* Without a time: an unpacked mark does not keep it, and what is unpacked and packed again is to be
 * the same. */
static int write_mark(struct pack *p, const char *path, struct err *err)
{
	struct archive_entry *e = archive_entry_new();
	int r;

	archive_entry_set_pathname(e, path);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0600);
	archive_entry_set_size(e, 0);
	archive_entry_set_mtime(e, 0, 0);
	r = write_header(p, e, path, err);
	archive_entry_free(e);
	return r;
}

/* --- extended attributes --- */

/* Attributes that are the overlay's own, or an LSM's label of this machine, are not the layer's. */
static bool is_portable(const char *name)
{
	return !str_starts(name, "user.overlay.") && !str_starts(name, "trusted.") &&
	       !str_starts(name, "system.") && !str_eq(name, "security.selinux");
}

static void add_xattr(struct archive_entry *e, const char *name, char *value, ssize_t len)
{
	/* File capabilities given inside a user namespace bear its root's id (revision 3); in an
	 * archive they are anybody's root's (revision 2). */
	if (str_eq(name, "security.capability") && len == CAPS_V3_SIZE && value[3] == 3) {
		value[3] = 2;
		len = CAPS_V2_SIZE;
	}
	archive_entry_xattr_add_entry(e, name, value, (size_t)len);
}

/* Symlinks and devices are opened with O_PATH, and then only have a name in /proc. */
static int add_xattrs(struct pack *p, int fd, bool open, struct archive_entry *e, bool *ret_opaque,
		      struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	char proc[40];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	*ret_opaque = false;
	n = open ? flistxattr(fd, p->buf, ATTRS_MAX) : listxattr(proc, p->buf, ATTRS_MAX);
	if (n == 0)
		return 0;
	if (n < 0)
		return errno == ENOTSUP ? 0 : err_sys(err, errno, "list extended attributes");
	for (const char *s = p->buf; s < p->buf + n; s += strlen(s) + 1)
		strv_add(&names, s);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		n = getxattr(proc, names.v[i], p->buf, ATTR_MAX);
		if (n < 0 && errno == ENODATA)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the attribute '%s'", names.v[i]);
		if (str_eq(names.v[i], "user.overlay.opaque"))
			*ret_opaque = n == 1 && p->buf[0] == 'y';
		else if (is_portable(names.v[i]))
			add_xattr(e, names.v[i], p->buf, n);
	}
	return 0;
}

/* --- entries --- */

static int write_content(struct pack *p, int fd, const char *path, uint64_t size, struct err *err)
{
	while (size) {
		size_t want = size < IMAGE_COPY_CHUNK ? (size_t)size : IMAGE_COPY_CHUNK;
		ssize_t n = read(fd, p->buf, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read '%s'", path);
		if (n == 0)
			return err_new(err, ERR_SYSTEM, EIO, "'%s' became shorter", path);
		if (archive_write_data(p->a, p->buf, (size_t)n) < 0)
			return failed(p, path, err);
		size -= (uint64_t)n;
	}
	return 0;
}

static int add_target(struct pack *p, int fd, struct archive_entry *e, struct err *err)
{
	ssize_t n = readlinkat(fd, "", p->buf, IMAGE_COPY_CHUNK - 1);

	if (n < 0)
		return err_sys(err, errno, "read a symlink");
	p->buf[n] = '\0';
	archive_entry_set_symlink(e, p->buf);
	return 0;
}

/* The second name of a file refers to the first; borrowed from the map. */
static const char *first_name(struct pack *p, const struct stat *st, const char *path)
{
	char key[48];
	const char *first;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return NULL;
	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_ino);
	first = map_get(&p->links, key);
	if (!first)
		map_set(&p->links, key, xstrdup(path));
	return first;
}

static int write_entry(struct pack *p, int dir, const char *name, const char *path,
		       const struct stat *st, bool *ret_opaque, struct err *err)
{
	bool open = S_ISREG(st->st_mode);
	cleanup_fd int fd = fs_open(dir, name, (open ? O_RDONLY : O_PATH) | O_NOFOLLOW, 0, err);
	struct archive_entry *e = archive_entry_new();
	const char *first = first_name(p, st, path);
	int r = fd < 0 ? fd : 0;

	archive_entry_set_filetype(e, st->st_mode & S_IFMT);
	archive_entry_set_perm(e, st->st_mode & 07777);
	archive_entry_set_uid(e, st->st_uid);
	archive_entry_set_gid(e, st->st_gid);
	archive_entry_set_mtime(e, st->st_mtime, 0);
	archive_entry_set_pathname(e, path);
	if (first) {
		archive_entry_set_hardlink(e, first);
	} else if (r == 0) {
		r = add_xattrs(p, fd, open, e, ret_opaque, err);
		if (r == 0 && S_ISLNK(st->st_mode))
			r = add_target(p, fd, e, err);
		if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
			archive_entry_set_rdevmajor(e, major(st->st_rdev));
			archive_entry_set_rdevminor(e, minor(st->st_rdev));
		}
		if (S_ISREG(st->st_mode))
			archive_entry_set_size(e, st->st_size);
	}
	if (r == 0)
		r = write_header(p, e, path, err);
	if (r == 0 && S_ISREG(st->st_mode) && !first)
		r = write_content(p, fd, path, (uint64_t)st->st_size, err);
	archive_entry_free(e);
	return r;
}

static int pack_dir(struct pack *p, int dir, const char *prefix, int depth, struct err *err);

static int pack_one(struct pack *p, int dir, const char *name, const char *prefix, int depth,
		    struct err *err)
{
	cleanup_free char *path = NULL;
	bool opaque = false;
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "look at '%s%s'", prefix, name);
	if (S_ISSOCK(st.st_mode))
		return 0; /* archives have no sockets; nobody could connect to one */
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0) {
		path = xasprintf("%s.wh.%s", prefix, name);
		return write_mark(p, path, err);
	}
	path = xasprintf("%s%s%s", prefix, name, S_ISDIR(st.st_mode) ? "/" : "");
	r = write_entry(p, dir, name, path, &st, &opaque, err);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	if (opaque) {
		cleanup_free char *mark = xasprintf("%s.wh..wh..opq", path);

		r = write_mark(p, mark, err);
		if (r < 0)
			return r;
	}
	cleanup_fd int sub = fs_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
	return sub < 0 ? sub : pack_dir(p, sub, path, depth + 1, err);
}

static int pack_dir(struct pack *p, int dir, const char *prefix, int depth, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r;

	if (depth > PACK_DEPTH_MAX)
		return err_input(err, "'%.200s' is deeper than %d directories", prefix,
				 PACK_DEPTH_MAX);
	r = fs_list(dir, ".", &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = pack_one(p, dir, names.v[i], prefix, depth, err);
	return r;
}

/* The root itself only where it is not what unpacking makes it without being told. */
static int pack_root(struct pack *p, int root, struct err *err)
{
	bool opaque;
	struct stat st;

	if (fstat(root, &st) < 0)
		return err_sys(err, errno, "look at the root of a layer");
	if ((st.st_mode & 07777) == 0755 && !st.st_uid && !st.st_gid)
		return 0;
	return write_entry(p, root, ".", "./", &st, &opaque, err);
}

int image__pack(int root, const struct pack_sink *sink, uint64_t *ret_entries, struct err *err)
{
	struct pack p = {
		.a = archive_write_new(),
		.sink = sink,
		.err = err,
		.links = MAP_INIT_FREE(free),
		.buf = xmalloc(IMAGE_COPY_CHUNK),
	};
	int r = 0;

	archive_write_set_format_pax_restricted(p.a);
	if (archive_write_set_options(p.a, "pax:xattrheader=SCHILY") < ARCHIVE_WARN ||
	    archive_write_set_bytes_per_block(p.a, IMAGE_COPY_CHUNK) < ARCHIVE_WARN ||
	    archive_write_set_bytes_in_last_block(p.a, 1) < ARCHIVE_WARN ||
	    archive_write_open(p.a, &p, NULL, write_sink, NULL) < ARCHIVE_WARN)
		r = failed(&p, "/", err);
	if (r == 0)
		r = pack_root(&p, root, err);
	if (r == 0)
		r = pack_dir(&p, root, "", 0, err);
	if (r == 0 && archive_write_close(p.a) < ARCHIVE_WARN)
		r = failed(&p, "/", err);
	archive_write_free(p.a);
	map_done(&p.links);
	free(p.buf);
	if (r == 0 && ret_entries)
		*ret_entries = p.entries;
	return r;
}
