/* A directory becomes a tar. It may belong to containers that run (--live): nothing is opened but
 * beneath its parent's descriptor, no symlink is followed, and a file that shrinks while it is read
 * is filled up with zeros. */
#include "volume/tar.h"

#include "base/fs.h"
#include "base/map.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum {
	PACK_CHUNK = 128 << 10,
	PACK_HOLES_MAX = 10000, /* regions of one sparse file; beyond, holes are written out */
};

struct pack {
	struct seal_writer *w;
	const struct backup_options *options;
	struct backup_info *info;
	struct archive *tar;
	struct archive_entry *entry;
	struct map links; /* "inode" -> the first path of a file with several */
	struct err fault; /* of the callback */
	dev_t device;
	char *buffer;
};

static void pack_done(struct pack *p)
{
	if (p->tar)
		archive_write_free(p->tar);
	if (p->entry)
		archive_entry_free(p->entry);
	map_done(&p->links);
	err_done(&p->fault);
	free(p->buffer);
}

static la_ssize_t write_sealed(struct archive *a, void *data, const void *bytes, size_t len)
{
	struct pack *p = data;

	(void)a; /* what is wrong is in p->fault */
	if (p->fault.no || tar__check_stop(p->options, &p->fault) < 0 ||
	    seal_write(p->w, bytes, len, &p->fault) < 0)
		return -1;
	return (la_ssize_t)len;
}

static int failed(struct pack *p, const char *path, struct err *err)
{
	const char *text = archive_error_string(p->tar);

	if (p->fault.kind)
		return err_move(err, &p->fault);
	return err_new(err, ERR_SYSTEM, EIO, "pack '%s': %s", path, text ? text : "unknown");
}

/* --- one entry --- */

/* `link` names the thing for the calls that take a path; fd is FD_NONE for what is not opened. */
static int add_xattrs(struct pack *p, int fd, const char *link, const char *path, struct err *err)
{
	char names[65536], value[65536];
	ssize_t len = fd >= 0 ? flistxattr(fd, names, sizeof(names))
			      : llistxattr(link, names, sizeof(names));

	if (len < 0 && (errno == ENOTSUP || errno == ENOENT))
		return 0;
	if (len < 0)
		return err_sys(err, errno, "read the attributes of '%s'", path);
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n = fd >= 0 ? fgetxattr(fd, name, value, sizeof(value))
				    : lgetxattr(link, name, value, sizeof(value));

		if (n < 0 && errno == ENODATA)
			continue; /* removed meanwhile */
		if (n < 0)
			return err_sys(err, errno, "read the attribute '%s' of '%s'", name, path);
		archive_entry_xattr_add_entry(p->entry, name, value, (size_t)n);
	}
	return 0;
}

/* The regions with data, where there are holes. */
static int add_regions(struct pack *p, int fd, const struct stat *st)
{
	off_t at = 0;
	int regions = 0;

	if ((off_t)st->st_blocks * 512 >= st->st_size)
		return 0;
	while (at < st->st_size) {
		off_t data = lseek(fd, at, SEEK_DATA), end;

		if (data < 0 || data >= st->st_size)
			break;
		end = lseek(fd, data, SEEK_HOLE);
		if (end < 0 || end > st->st_size)
			end = st->st_size;
		if (++regions > PACK_HOLES_MAX) {
			archive_entry_sparse_clear(p->entry);
			return 0;
		}
		archive_entry_sparse_add_entry(p->entry, data, end - data);
		at = end;
	}
	/* All hole: one region without data says so. */
	if (regions == 0)
		archive_entry_sparse_add_entry(p->entry, st->st_size, 0);
	return lseek(fd, 0, SEEK_SET) < 0;
}

/* The tar's writer takes holes as zeros and leaves them out. */
static int add_data(struct pack *p, int fd, off_t size, const char *path, struct err *err)
{
	off_t at = 0;

	while (at < size) {
		size_t want = size - at < PACK_CHUNK ? (size_t)(size - at) : PACK_CHUNK;
		ssize_t n = pread(fd, p->buffer, want, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read '%s'", path);
		if (n == 0) { /* it has become shorter */
			memset(p->buffer, 0, want);
			n = (ssize_t)want;
		}
		if (archive_write_data(p->tar, p->buffer, (size_t)n) < 0)
			return failed(p, path, err);
		at += n;
	}
	p->info->bytes += (uint64_t)size;
	return 0;
}

static int put_header(struct pack *p, const char *path, struct err *err)
{
	p->info->entries++;
	if (archive_write_header(p->tar, p->entry) < ARCHIVE_WARN)
		return failed(p, path, err);
	return 0;
}

static void start_entry(struct pack *p, const struct stat *st, const char *path)
{
	archive_entry_clear(p->entry);
	archive_entry_copy_stat(p->entry, st);
	archive_entry_copy_pathname(p->entry, path);
}

static int pack_file(struct pack *p, int at, const char *name, const char *path, struct err *err)
{
	cleanup_fd int fd =
		openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char id[32];
	struct stat st;
	const char *first;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO))
		return 0; /* removed or replaced meanwhile */
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	start_entry(p, &st, path);
	snprintf(id, sizeof(id), "%llx", (unsigned long long)st.st_ino);
	first = st.st_nlink > 1 ? map_get(&p->links, id) : NULL;
	if (first) {
		archive_entry_set_size(p->entry, 0);
		archive_entry_copy_hardlink(p->entry, first);
		return put_header(p, path, err);
	}
	if (st.st_nlink > 1)
		map_set(&p->links, id, xstrdup(path));
	r = add_xattrs(p, fd, NULL, path, err);
	if (r == 0 && add_regions(p, fd, &st))
		r = err_sys(err, errno, "look for holes in '%s'", path);
	if (r == 0)
		r = put_header(p, path, err);
	return r < 0 ? r : add_data(p, fd, st.st_size, path, err);
}

/* A symlink, a pipe or a device. */
static int pack_other(struct pack *p, int at, const char *name, const struct stat *st,
		      const char *path, struct err *err)
{
	cleanup_free char *link = xasprintf("/proc/self/fd/%d/%s", at, name);
	char target[TAR_PATH_MAX];
	int r;

	start_entry(p, st, path);
	archive_entry_set_size(p->entry, 0);
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(at, name, target, sizeof(target));

		if (n < 0 && (errno == ENOENT || errno == EINVAL))
			return 0;
		if (n < 0 || n == sizeof(target))
			return err_sys(err, n < 0 ? errno : ENAMETOOLONG, "read the link '%s'",
				       path);
		target[n] = '\0';
		archive_entry_copy_symlink(p->entry, target);
	}
	r = add_xattrs(p, FD_NONE, link, path, err);
	return r < 0 ? r : put_header(p, path, err);
}

static int pack_dir(struct pack *p, int fd, const char *path, struct stat *st, struct err *err)
{
	int r;

	if (fstat(fd, st) < 0)
		return err_sys(err, errno, "look at '%s'", path);
	start_entry(p, st, path);
	archive_entry_set_size(p->entry, 0);
	r = add_xattrs(p, fd, NULL, path, err);
	return r < 0 ? r : put_header(p, path, err);
}

/* --- the tree --- */

struct level {
	DIR *dir;
	size_t path_len; /* of the directory */
};

struct walk {
	VEC(struct level) levels;
	struct str path;
};

static void walk_done(struct walk *w)
{
	vec_each(l, &w->levels)
		closedir(l->dir);
	vec_done(&w->levels);
	str_done(&w->path);
}

/* Takes fd. The path in w->path is the directory's. */
static int enter(struct pack *p, struct walk *w, int fd, struct err *err)
{
	struct stat st;
	DIR *dir;
	int r = pack_dir(p, fd, w->path.len ? str_text(&w->path) : ".", &st, err);

	if (r < 0 || (w->levels.n && st.st_dev != p->device)) {
		fd_close(fd);
		return r;
	}
	p->device = st.st_dev;
	dir = fdopendir(fd);
	if (!dir) {
		r = err_sys(err, errno, "read the directory '%s'", str_text(&w->path));
		fd_close(fd);
		return r;
	}
	vec_push(&w->levels, (struct level){ dir, w->path.len });
	return 0;
}

static int pack_one(struct pack *p, struct walk *w, int at, const char *name, struct err *err)
{
	const char *path = str_text(&w->path);
	struct stat st;
	int fd;

	if (str_overflowed(&w->path))
		return err_input(err, "a name of more than %d bytes: '%.64s...'", TAR_PATH_MAX - 1,
				 path);
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "look at '%s'", path);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
				       ? 0
				       : err_sys(err, errno, "open the directory '%s'", path);
		return enter(p, w, fd, err);
	case S_IFREG: return pack_file(p, at, name, path, err);
	case S_IFSOCK: /* means nothing without its process */ p->info->skipped++; return 0;
	default: return pack_other(p, at, name, &st, path, err);
	}
}

static int pack_tree(struct pack *p, int root, struct err *err)
{
	cleanup(walk_done) struct walk w = { .path = STR_INIT_MAX(TAR_PATH_MAX - 1) };
	int fd = fs_open(root, ".", O_RDONLY | O_DIRECTORY, 0, err);
	int r = fd < 0 ? fd : enter(p, &w, fd, err);

	while (r == 0 && w.levels.n > 0) {
		struct level *level = &w.levels.v[w.levels.n - 1];
		size_t len = level->path_len;
		const struct dirent *e;

		errno = 0;
		e = readdir(level->dir);
		if (!e && errno)
			return err_sys(err, errno, "read the directory '%s'", str_text(&w.path));
		if (!e) {
			closedir(level->dir);
			w.levels.n--;
			continue;
		}
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		w.path.len = len;
		w.path.overflow = false;
		if (len)
			str_addc(&w.path, '/');
		str_add(&w.path, e->d_name);
		r = pack_one(p, &w, dirfd(level->dir), e->d_name, err);
	}
	return r;
}

static int pack_all(struct pack *p, int dir, struct err *err)
{
	int r;

	p->tar = archive_write_new();
	p->entry = archive_entry_new();
	if (!p->tar || !p->entry)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for an archive");
	archive_write_set_format_pax(p->tar);
	archive_write_set_bytes_per_block(p->tar, PACK_CHUNK);
	archive_write_set_bytes_in_last_block(p->tar, 1);
	if (archive_write_open(p->tar, p, NULL, write_sealed, NULL) != ARCHIVE_OK)
		return failed(p, ".", err);
	r = pack_tree(p, dir, err);
	if (r == 0 && archive_write_close(p->tar) != ARCHIVE_OK)
		r = failed(p, ".", err);
	return r;
}

int tar_pack(struct seal_writer *w, int dir, const struct backup_options *options,
	     struct backup_info *info, struct err *err)
{
	cleanup(pack_done) struct pack p = { .w = w,
					     .options = options,
					     .info = info,
					     .links = MAP_INIT_FREE(free),
					     .buffer = xmalloc(PACK_CHUNK) };
	/* libarchive converts names between the thread's character set and UTF-8. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t old = utf8 ? uselocale(utf8) : (locale_t)0;
	int r = pack_all(&p, dir, err);

	if (utf8) {
		uselocale(old);
		freelocale(utf8);
	}
	return r;
}
