/* A layer directory as a tar stream: the way back of unpack.c. The same tree gives the same bytes:
 * names are sorted, times are whole seconds, nothing depends on inode numbers or on the order of
 * the disk. What only means something to an overlay becomes what archives say instead: a whiteout
 * (character device 0:0) is the empty file `.wh.NAME`, an opaque directory holds `.wh..wh..opq`.
 *
 * A tree that was made from another one shares the files that did not change with it: one inode
 * with a name in both. What such a file is in the other's archive, it is in this one; it is taken
 * from there and never opened. */
#include "base/difference.h"
#include "base/fs.h"
#include "image/first-names.h"
#include "image/names.h"
#include "image/old-archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

enum {
	PACK_DEPTH_MAX = 512,	/* each level holds a descriptor */
	SHARED_DEPTH_MAX = 128, /* and so far down one of the old tree */
	ATTRS_MAX = 65536,	/* the kernel's limit, as the next */
	ATTR_MAX = 65536,
	CAPS_V2_SIZE = 20, /* security.capability without a namespace's root id */
	CAPS_V3_SIZE = 24,
};

struct pack {
	struct archive *a;
	const struct pack_sink *sink;
	struct err *err; /* of the sink */
	struct first_names links;
	struct old_archive *old; /* NULL: none */
	bool one_base;		 /* the old tree is a difference of the same layer */
	dev_t device;		 /* of the whole tree */
	uint64_t entries;
	char *buf;
	char *out; /* what the sink gets next */
	size_t out_len;
};

static int flush(struct pack *p, struct err *err)
{
	size_t len = p->out_len;

	p->out_len = 0;
	return len ? p->sink->add(p->sink->data, p->out, len, err) : 0;
}

static int emit(void *data, const void *bytes, size_t len, struct err *err)
{
	struct pack *p = data;

	if (len > IMAGE_COPY_CHUNK - p->out_len) {
		int r = flush(p, err);

		if (r < 0 || len > IMAGE_COPY_CHUNK)
			return r < 0 ? r : p->sink->add(p->sink->data, bytes, len, err);
	}
	memcpy(p->out + p->out_len, bytes, len);
	p->out_len += len;
	return 0;
}

static la_ssize_t write_sink(struct archive *a, void *data, const void *bytes, size_t len)
{
	struct pack *p = data;

	if (emit(p, bytes, len, p->err) < 0) {
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

static int write_entry(struct pack *p, int dir, const char *name, const char *path,
		       const struct stat *st, const char *first, bool *ret_opaque, struct err *err)
{
	bool open = S_ISREG(st->st_mode);
	cleanup_fd int fd = fs_open(dir, name, (open ? O_RDONLY : O_PATH) | O_NOFOLLOW, 0, err);
	struct archive_entry *e = archive_entry_new();
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
	/* What is taken from the old archive goes past libarchive: it must have said all. */
	if (r == 0 && p->old && archive_write_finish_entry(p->a) < ARCHIVE_WARN)
		r = failed(p, path, err);
	archive_entry_free(e);
	return r;
}

/* --- directories --- */

/* 1: the entry was taken from the old archive. */
static int take_entry(struct pack *p, const char *path, struct err *err)
{
	struct pack_sink sink = { emit, p };
	int r;

	r = old_archive_find(p->old, path, err);
	if (r < 0 || old_archive_is_link(p->old))
		return r;
	r = old_archive_copy(p->old, &sink, err);
	p->entries++;
	return r < 0 ? r : 1;
}

/* A directory of the tree, and the one at its place in the old tree; of each what is its own and
 * what is its base's. FD_NONE: none. */
struct place {
	int dir, base, old_dir, old_base;
	const char *prefix;
	int depth;
};

static void place_done(struct place *at)
{
	fd_close(at->dir);
	fd_close(at->base);
	fd_close(at->old_dir);
	fd_close(at->old_base);
}

static int pack_dir(struct pack *p, const struct place *at, struct err *err);

static int pack_below(struct pack *p, const struct place *at, const struct layer_name *name,
		      const struct layer_name *old, const char *path, struct err *err)
{
	cleanup_err struct err ignored = ERR_INIT; /* then nothing is shared below */
	cleanup(place_done) struct place below = {
		FD_NONE, FD_NONE, FD_NONE, FD_NONE, path, at->depth + 1,
	};
	int r = layer_names_enter(at->dir, at->base, name, &below.dir, &below.base, err);

	if (r == 0 && old && at->depth <= SHARED_DEPTH_MAX)
		(void)layer_names_enter(at->old_dir, at->old_base, old, &below.old_dir,
					&below.old_base, &ignored);
	return r < 0 ? r : pack_dir(p, &below, err);
}

/* `other`: what the old directory has under this name, or NULL; `same`: the same file. */
static int pack_one(struct pack *p, const struct place *at, const struct layer_name *found,
		    const struct layer_name *other, bool same, struct err *err)
{
	cleanup_free char *path = NULL;
	const char *prefix = at->prefix, *name = found->text, *first = NULL;
	bool opaque = false;
	int dir = found->base ? at->base : at->dir, r = 0;
	struct stat st = {
		.st_dev = p->device,
		.st_ino = found->inode,
		.st_mode = DTTOIF(found->type),
		.st_nlink = 2, /* at least: it is in both trees */
	};

	if (same) {
		path = xasprintf("%s%s", prefix, name);
		first = first_name(&p->links, &st, path);
		r = first ? 0 : take_entry(p, path, err);
		if (r != 0)
			return r < 0 ? r : 0;
		free(ptr_take(path));
	}

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "look at '%s%s'", prefix, name);
	if (S_ISSOCK(st.st_mode))
		return 0; /* archives have no sockets; nobody could connect to one */
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0) {
		path = xasprintf("%s.wh.%s", prefix, name);
		return write_mark(p, path, err);
	}
	path = xasprintf("%s%s%s", prefix, name, S_ISDIR(st.st_mode) ? "/" : "");
	if (!same)
		first = first_name(&p->links, &st, path);
	r = write_entry(p, dir, name, path, &st, first, &opaque, err);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	if (opaque) {
		cleanup_free char *mark = xasprintf("%s.wh..wh..opq", path);

		r = write_mark(p, mark, err);
		if (r < 0)
			return r;
	}
	return pack_below(p, at, found, other, path, err);
}

static bool can_be_shared(const struct layer_name *n)
{
	return n->type == DT_REG || n->type == DT_LNK;
}

/* Both trees are differences of one layer, and neither differs here. */
static bool is_same_dir(const struct pack *p, const struct place *at)
{
	return p->one_base && at->dir < 0 && at->old_dir < 0 && at->old_base >= 0;
}

static int pack_dir(struct pack *p, const struct place *at, struct err *err)
{
	cleanup_layer_names struct layer_names names = { 0 }, old = { 0 };
	bool same_dir = is_same_dir(p, at);
	size_t k = 0;
	int r;

	if (at->depth > PACK_DEPTH_MAX)
		return err_input(err, "'%.200s' is deeper than %d directories", at->prefix,
				 PACK_DEPTH_MAX);
	r = layer_names_list(at->dir, at->base, at->prefix, &names, err);
	if (r == 0 && !same_dir)
		r = layer_names_list(at->old_dir, at->old_base, at->prefix, &old, err);
	vec_each(n, &names.items) {
		const struct layer_name *other = same_dir ? n : NULL;
		bool same;

		while (k < old.items.n && strcmp(old.items.v[k].text, n->text) < 0)
			k++;
		if (k < old.items.n && str_eq(old.items.v[k].text, n->text))
			other = &old.items.v[k];
		same = other && other->inode == n->inode && can_be_shared(n) &&
		       other->type == n->type;
		if (r == 0)
			r = pack_one(p, at, n, other, same, err);
	}
	return r;
}

/* Whether the numbers that a directory gives for its names are those of the files: on an overlay
 * two files may have the same. */
static bool inodes_tell(int root)
{
	struct statfs fs;

	return fstatfs(root, &fs) == 0 &&
	       (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC ||
		fs.f_type == TMPFS_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC);
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
	return write_entry(p, root, ".", "./", &st, NULL, &opaque, err);
}

static bool one_file_system(const int *fds, size_t count, dev_t *ret)
{
	struct stat st;

	for (size_t i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		if (fstat(fds[i], &st) < 0 || (i && st.st_dev != *ret) || !inodes_tell(fds[i]))
			return false;
		*ret = st.st_dev;
	}
	return true;
}

static bool is_same_file(int a, int b)
{
	struct stat st[2];

	return a >= 0 && b >= 0 && fstat(a, &st[0]) == 0 && fstat(b, &st[1]) == 0 &&
	       st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino;
}

/* Sets the roots, and what the two trees have in common. */
static void begin(struct pack *p, const struct pack_tree *tree, const struct pack_old *old,
		  struct place *ret)
{
	*ret = (struct place){ tree->root, tree->base, FD_NONE, FD_NONE, "", 0 };
	if (!old)
		return;
	int fds[] = { tree->root, tree->base, old->tree.root, old->tree.base };

	if (!one_file_system(fds, ARRAY_SIZE(fds), &p->device))
		return;
	p->old = old->archive;
	ret->old_dir = old->tree.root;
	ret->old_base = old->tree.base;
	if (is_same_file(tree->base, old->tree.root)) {
		/* A whole layer differs from itself in nothing. */
		ret->old_dir = FD_NONE;
		ret->old_base = old->tree.root;
	}
	p->one_base = is_same_file(ret->base, ret->old_base);
}

int pack_tree_open(int root, struct pack_tree *ret, struct err *err)
{
	*ret = (struct pack_tree){ root, FD_NONE };
	return difference_base(root, &ret->base, err);
}

void pack_tree_done(struct pack_tree *tree)
{
	tree->base = fd_close(tree->base);
}

int image__pack(const struct pack_tree *tree, const struct pack_old *old,
		const struct pack_sink *sink, uint64_t *ret_entries, struct err *err)
{
	struct pack p = {
		.a = archive_write_new(),
		.sink = sink,
		.err = err,
		.buf = xmalloc(IMAGE_COPY_CHUNK),
		.out = xmalloc(IMAGE_COPY_CHUNK),
	};
	struct place top;
	int r = 0;

	begin(&p, tree, old, &top);
	archive_write_set_format_pax_restricted(p.a);
	if (archive_write_set_options(p.a, "pax:xattrheader=SCHILY") < ARCHIVE_WARN ||
	    archive_write_set_bytes_per_block(p.a, 0) < ARCHIVE_WARN ||
	    archive_write_open(p.a, &p, NULL, write_sink, NULL) < ARCHIVE_WARN)
		r = failed(&p, "/", err);
	if (r == 0)
		r = pack_root(&p, tree->root, err);
	if (r == 0)
		r = pack_dir(&p, &top, err);
	if (r == 0 && archive_write_close(p.a) < ARCHIVE_WARN)
		r = failed(&p, "/", err);
	if (r == 0)
		r = flush(&p, err);
	if (r == 0 && p.old)
		r = old_archive_end(p.old, err);
	archive_write_free(p.a);
	first_names_done(&p.links);
	free(p.buf);
	free(p.out);
	if (r == 0 && ret_entries)
		*ret_entries = p.entries;
	return r;
}
