/* Copying a tree. A directory that the copy makes has nothing below it in other layers: what comes
 * into it is written past the overlay, which costs a third of the time; so is what has no name yet
 * in a directory that was there. A file that the layer of the last run has as well gets a name of
 * that one: no inode is made, and nothing is copied. */
#include "build/writer.h"

#include "base/fs.h"
#include "base/map.h"
#include "base/vec.h"
#include "build/tree-private.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/xattr.h>

enum { SHARED_DEPTH_MAX = 128 }; /* each level holds another descriptor */

/* A directory that is being filled; its times are set when it is left. */
struct open_dir {
	char *path; /* as the entries' path */
	int fd;	    /* as all layers together show it */
	int own;    /* the layer's own directory; the same as fd when no other layer has one */
	int old;    /* that of the layer of the last run */
	bool looked_own, looked_old; /* those two have been looked for */
	bool fresh;		     /* made by this walk: each name comes once */
	bool times;
	struct stat st;
};

/* Where the first name of a file went, and where it stands in the list. */
struct first {
	char *target;
	uint64_t at;
	bool listed;
	bool stays; /* it is where the last run put it */
};

struct copying {
	const struct writer *w;
	const struct tree *tree;
	const char *target;
	mode_t top; /* of what is copied: a directory, or one file */
	VEC(struct open_dir) dirs;
	struct map links; /* "device:inode" -> struct first */
};

static void free_first(void *data)
{
	struct first *first = data;

	free(first->target);
	free(first);
}

static int64_t time_of(const struct copying *c, const struct stat *st)
{
	return c->w->has_epoch ? c->w->epoch * 1000000000
			       : (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* A directory that stays as it is is not to be copied up for its time. */
static bool has_time(const struct copying *c, const struct open_dir *d)
{
	struct stat now;

	return c->w->stay && fstat(d->fd, &now) == 0 &&
	       (int64_t)now.st_mtim.tv_sec * 1000000000 + now.st_mtim.tv_nsec == time_of(c, &d->st);
}

static void leave(struct copying *c)
{
	struct open_dir *d = &c->dirs.v[--c->dirs.n];

	if (d->times && !has_time(c, d))
		writer_times(c->w, d->fd, NULL, &d->st);
	if (d->own != d->fd)
		fd_close(d->own);
	fd_close(d->fd);
	fd_close(d->old);
	free(d->path);
}

static bool holds(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	return !len || (strncmp(dir, path, len) == 0 && path[len] == '/');
}

static char *target_path(const struct copying *c, const char *path)
{
	if (!*path)
		return xstrdup(c->target);
	return xasprintf("%s%s%s", c->target, *c->target ? "/" : "", path);
}

static struct open_dir *enter(struct copying *c, const char *path, int fd, bool pure)
{
	struct open_dir *d = vec_add(&c->dirs);

	*d = (struct open_dir){ .path = xstrdup(path), .fd = fd, .own = FD_NONE, .old = FD_NONE };
	if (pure) {
		d->own = fd;
		d->looked_own = true;
	}
	return d;
}

/* The open directory that the entry goes into. */
static int enter_parent(struct copying *c, const char *path, struct open_dir **ret, struct err *err)
{
	while (c->dirs.n && !holds(c->dirs.v[c->dirs.n - 1].path, path))
		leave(c);
	if (!c->dirs.n) {
		/* A file that is copied by itself. */
		cleanup_free char *full = target_path(c, path);
		cleanup_free char *dir = path_dir(full);
		int fd = fs_open_beneath(c->w->root, dir, O_RDONLY | O_DIRECTORY, 0, err);
		if (fd < 0)
			return fd;
		enter(c, "", fd, c->w->own == c->w->root);
	}
	*ret = &c->dirs.v[c->dirs.n - 1];
	return 0;
}

/* The layer's own directory. An overlay has one from the first change on: that is made here.
 * FD_NONE: write through the overlay. */
static int own_dir(const struct copying *c, struct open_dir *d)
{
	cleanup_err struct err ignored = ERR_INIT;
	struct stat st;

	if (d->looked_own)
		return d->own;
	d->looked_own = true;
	if (c->w->own < 0 || fstat(d->fd, &st) < 0 || fchmod(d->fd, st.st_mode & 07777) < 0)
		return FD_NONE;
	cleanup_free char *target =
		c->dirs.n == 1 && !S_ISDIR(c->top) ? path_dir(c->target) : target_path(c, d->path);
	d->own = fs_open_beneath(c->w->own, *target ? target : ".", O_RDONLY | O_DIRECTORY, 0,
				 &ignored);
	if (d->own < 0)
		d->own = FD_NONE;
	return d->own;
}

struct attributes {
	int fd;
	bool any;
};

static int set_xattr(void *data, const char *name, const void *value, size_t len, struct err *err)
{
	struct attributes *to = data;

	to->any = true;
	/* Not every file system has every kind; what matters of them is a capability. */
	if (fsetxattr(to->fd, name, value, len, 0) == 0 || str_starts(name, "user."))
		return 0;
	return err_sys(err, errno, "set the attribute '%s'", name);
}

static mode_t permissions(const struct writer *w, mode_t mode)
{
	return w->mode ? mode_apply(w->mode, mode) : mode & 07777;
}

static void owner(const struct copying *c, const struct stat *st, uid_t *uid, gid_t *gid)
{
	const struct writer *w = c->w;

	*uid = w->has_owner ? w->uid : c->tree->keep_owner ? st->st_uid : 0;
	*gid = w->has_owner ? w->gid : c->tree->keep_owner ? st->st_gid : 0;
}

/* Owner, permissions, attributes; in this order: each can take away the one before. */
static int set_info(struct copying *c, int fd, int from, const struct tree_entry *e,
		    struct err *err)
{
	struct attributes to = { .fd = fd };
	uid_t uid;
	gid_t gid;
	int r;

	owner(c, &e->st, &uid, &gid);
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, permissions(c->w, e->st.st_mode)) < 0)
		return err_sys(err, errno, "set the owner and mode of '/%s'", e->full);
	if (from >= 0 && (r = tree__xattrs(from, e->full, set_xattr, &to, err)) < 0)
		return r;
	/* The list knows the attributes of files, by their digests, but not of directories. */
	if (to.any && S_ISDIR(e->st.st_mode) && c->w->list)
		written_partial(c->w->list);
	return 0;
}

static int in_the_way(const char *target, struct err *err)
{
	return err_new(err, ERR_INPUT, EISDIR, "cannot replace the directory '/%s' with a file",
		       target);
}

/* Makes room for something that is no directory, and says where to make it. */
static int make_room(struct copying *c, struct open_dir *d, const char *name, const char *target,
		     int *ret_dir, struct err *err)
{
	struct stat st;
	int own = own_dir(c, d);

	*ret_dir = own >= 0 ? own : d->fd;
	if (d->fresh)
		return 0;
	if (d->own == d->fd) {
		/* Only what this copy itself put there. Most often nothing. */
		if (fstatat(own, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return 0;
	} else if (own >= 0 && fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		/* The overlay may not know yet what was written past it; and what other layers
		 * have was deleted, as a mark says that is now in the way. */
		if (unlinkat(own, name, 0) == 0 || errno == ENOENT)
			return 0;
	} else {
		*ret_dir = d->fd;
	}
	if (unlinkat(*ret_dir, name, 0) == 0 || errno == ENOENT) {
		/* Names of one file must all be made in one place. */
		if (c->w->stay && own >= 0 && (unlinkat(own, name, 0) == 0 || errno == ENOENT))
			*ret_dir = own;
		return 0;
	}
	if (errno == EISDIR || errno == EPERM)
		return in_the_way(target, err);
	return err_sys(err, errno, "replace '/%s'", target);
}

/* --- the layer of the last run --- */

static int old_dir(const struct copying *c, struct open_dir *d)
{
	cleanup_err struct err ignored = ERR_INIT; /* it had no such directory */

	if (!d->looked_old && c->dirs.n > SHARED_DEPTH_MAX) {
		d->looked_old = true;
	} else if (!d->looked_old) {
		cleanup_free char *target = c->dirs.n == 1 && !S_ISDIR(c->top)
						    ? path_dir(c->target)
						    : target_path(c, d->path);
		d->looked_old = true;
		d->old = fs_open_beneath(written_tree(c->w->before), *target ? target : ".",
					 O_RDONLY | O_DIRECTORY, 0, &ignored);
	}
	return d->old;
}

/* What the list says of an entry that is written as it is. */
static void describe(const struct copying *c, const struct tree_entry *e, struct written_file *ret)
{
	mode_t type = e->st.st_mode & S_IFMT;
	uid_t uid;
	gid_t gid;

	owner(c, &e->st, &uid, &gid);
	*ret = (struct written_file){
		.mtime_ns = time_of(c, &e->st),
		.size = S_ISDIR(type) ? 0 : (uint64_t)e->st.st_size,
		.mode = S_ISLNK(type) ? type : type | permissions(c->w, e->st.st_mode),
		.uid = uid,
		.gid = gid,
	};
}

static bool is_listed(const struct written *list, const char *target,
		      const struct written_file *now)
{
	struct written_file before;

	return written_find(list, target, &before) && before.mtime_ns == now->mtime_ns &&
	       before.size == now->size && before.mode == now->mode && before.uid == now->uid &&
	       before.gid == now->gid &&
	       memcmp(before.digest, now->digest, sizeof(now->digest)) == 0;
}

/* True: the file of the last run is the same, and has its name here now, too. */
static bool take_old(struct copying *c, struct open_dir *d, int dir, const char *name,
		     const char *target, const struct written_file *now)
{
	if (!c->w->before || dir != d->own || !is_listed(c->w->before, target, now) ||
	    old_dir(c, d) < 0)
		return false;
	/* Too many links already, or on another file system: a copy, then. */
	return linkat(d->old, name, dir, name, 0) == 0;
}

/* --- files --- */

static bool link_first(struct copying *c, struct first *first, int dir, const char *name)
{
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_free char *first_dir = path_dir(first->target);
	/* Written past the overlay, it is to be found there. */
	int root = c->w->own >= 0 ? c->w->own : c->w->root;
	cleanup_fd int at = fs_open_beneath(root, first_dir, O_PATH | O_DIRECTORY, 0, &ignored);

	/* Too many links, or replaced since: a copy of its own. */
	if (at < 0 || linkat(at, path_base(first->target), dir, name, 0) < 0)
		return false;
	if (first->listed)
		written_shared(c->w->list, first->at);
	first->listed = false;
	return true;
}

/* Of a file with several names: where its first one is kept. NULL: it has but one. Owned. */
static char *link_key(const struct stat *st)
{
	return st->st_nlink < 2 ? NULL
				: xasprintf("%llu:%llu", (unsigned long long)st->st_dev,
					    (unsigned long long)st->st_ino);
}

static struct first *remember_first(struct copying *c, const char *key, const char *target)
{
	struct first *first = new0(struct first);

	first->target = xstrdup(target);
	map_set(&c->links, key, first);
	return first;
}

static int new_link(const struct tree_entry *e, struct err *err)
{
	return err_new(err, ERR_CONFLICT, EMLINK, "'%s' has another name now", e->full);
}

static int copy_content(struct copying *c, const struct tree_entry *e, int dir, const char *name,
			const char *target, bool *listed, struct err *err)
{
	struct digest_key before = digest__key(&e->st), after = { 0 };
	struct stat st;
	int r;

	cleanup_fd int from = fs_open_beneath(e->dir, e->name, O_RDONLY | O_NOCTTY, 0, err);
	if (from < 0)
		return from;
	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return err_input(err, "'%s' in %s changed while it was read", e->full,
				 c->tree->name);
	cleanup_fd int to =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(err, errno, "write '/%s'", target);
	if ((r = writer_content(from, to, &st, target, err)) < 0 ||
	    (r = set_info(c, to, from, e, err)) < 0)
		return r;
	writer_times(c->w, to, NULL, &e->st);
	if (c->w->list)
		written_count(c->w->list, (uint64_t)e->st.st_blocks * 512);
	if (*listed && fstat(from, &st) == 0)
		after = digest__key(&st);
	*listed = *listed && memcmp(&before, &after, sizeof(before)) == 0;
	return 0;
}

static int copy_file(struct copying *c, const struct tree_entry *e, struct open_dir *d, int dir,
		     const char *name, const char *target, struct err *err)
{
	bool listed = c->w->list && c->tree->cache;
	struct written_file file;
	cleanup_free char *key = NULL;
	struct first *first = NULL;
	uint64_t at = 0;
	int r = 0;

	key = link_key(&e->st);
	first = key ? map_get(&c->links, key) : NULL;
	if (first && link_first(c, first, dir, name)) {
		if (c->w->list)
			written_add_other(c->w->list, S_IFREG, target);
		return 0;
	}
	if (first && c->w->stay)
		return new_link(e, err);
	describe(c, e, &file);
	if (listed && (r = tree__file_digest(c->tree, e, file.digest, err)) < 0)
		return r;
	/* One that changes while it is copied is none that a later run could know again. */
	if (!listed || !take_old(c, d, dir, name, target, &file))
		r = copy_content(c, e, dir, name, target, &listed, err);
	if (r < 0)
		return r;
	if (listed)
		written_add(c->w->list, &file, target, &at);
	else if (c->w->list)
		written_partial(c->w->list);
	if (key && !first) {
		first = remember_first(c, key, target);
		first->at = at;
		first->listed = listed;
	}
	return 0;
}

static int read_link(struct copying *c, const struct tree_entry *e, char text[PATH_MAX],
		     struct written_file *ret, struct err *err)
{
	ssize_t n = readlinkat(e->dir, e->name, text, PATH_MAX - 1);
	char hex[SHA256_HEX];

	if (n < 0)
		return err_sys(err, errno, "read the link '%s'", e->full);
	text[n] = 0;
	describe(c, e, ret);
	hash_hex(text, (size_t)n, hex);
	memcpy(ret->digest, hex, sizeof(ret->digest));
	return 0;
}

static int copy_link(struct copying *c, const struct tree_entry *e, struct open_dir *d, int dir,
		     const char *name, const char *target, struct err *err)
{
	struct written_file file;
	char text[PATH_MAX];
	uint64_t at;
	int r = read_link(c, e, text, &file, err);
	uid_t uid;
	gid_t gid;

	if (r < 0)
		return r;
	if (c->w->list)
		written_add(c->w->list, &file, target, &at);
	if (take_old(c, d, dir, name, target, &file))
		return 0;
	owner(c, &e->st, &uid, &gid);
	if (symlinkat(text, dir, name) < 0 ||
	    fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "make the link '/%s'", target);
	writer_times(c->w, dir, name, &e->st);
	return 0;
}

static int copy_special(struct copying *c, const struct tree_entry *e, int dir, const char *name,
			const char *target, struct err *err)
{
	uid_t uid;
	gid_t gid;

	if (S_ISCHR(e->st.st_mode) && e->st.st_rdev == 0)
		return err_input(err,
				 "'%s' is the character device 0:0, which means a deletion in a "
				 "layer",
				 e->full);
	if (c->w->list)
		written_partial(c->w->list);
	owner(c, &e->st, &uid, &gid);
	if (mknodat(dir, name, (e->st.st_mode & S_IFMT) | 0600, e->st.st_rdev) < 0 ||
	    fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, name, permissions(c->w, e->st.st_mode), 0) < 0)
		return err_sys(err, errno, "make '/%s'", target);
	writer_times(c->w, dir, name, &e->st);
	return 0;
}

/* --- on what the last run wrote --- */

static int count_xattr(void *data, const char *name, const void *value, size_t len, struct err *err)
{
	*(bool *)data = true;
	return 0;
}

/* Whether the directory that is there has the owner and mode that it should have. */
static int dir_stays(struct copying *c, const struct tree_entry *e, const char *target, bool *ret,
		     struct err *err)
{
	struct written_file file;
	bool any = false;
	int r;

	describe(c, e, &file);
	file.mtime_ns = 0;
	*ret = is_listed(c->w->stay->list, target, &file);
	cleanup_fd int from = fs_open_beneath(e->dir, e->name, O_RDONLY | O_DIRECTORY, 0, err);
	if (from < 0)
		return from;
	/* Those that the list tells of had none. */
	r = tree__xattrs(from, e->full, count_xattr, &any, err);
	*ret = *ret && !any;
	return r < 0 || *ret ? r : stay_spend(c->w->stay, 0, err);
}

static int file_stays(struct copying *c, const struct tree_entry *e, const char *target, bool *ret,
		      struct err *err)
{
	cleanup_free char *key = link_key(&e->st);
	struct first *first = key ? map_get(&c->links, key) : NULL;
	struct written_file file;
	int r;

	if (first && first->stays)
		return new_link(e, err);
	if (first || !c->tree->cache)
		return 0;
	describe(c, e, &file);
	if ((r = tree__file_digest(c->tree, e, file.digest, err)) < 0)
		return r;
	*ret = is_listed(c->w->stay->list, target, &file);
	if (*ret && key)
		remember_first(c, key, target)->stays = true;
	return 0;
}

static int link_stays(struct copying *c, const struct tree_entry *e, const char *target, bool *ret,
		      struct err *err)
{
	struct written_file file;
	char text[PATH_MAX];
	int r = read_link(c, e, text, &file, err);

	*ret = r == 0 && is_listed(c->w->stay->list, target, &file);
	return r;
}

/* Whether what is no directory is there already; otherwise it will be written. */
static int entry_stays(struct copying *c, const struct tree_entry *e, const char *target, bool *ret,
		       struct err *err)
{
	bool regular = S_ISREG(e->st.st_mode);
	int r = 0;

	*ret = false;
	if (c->dirs.n > SHARED_DEPTH_MAX)
		return err_new(err, ERR_CONFLICT, E2BIG, "'/%s' is too deep", target);
	written_see(c->w->stay->list, target);
	if (regular)
		r = file_stays(c, e, target, ret, err);
	else if (S_ISLNK(e->st.st_mode))
		r = link_stays(c, e, target, ret, err);
	if (r < 0 || *ret || S_ISDIR(e->st.st_mode))
		return r;
	return stay_spend(c->w->stay, regular ? (uint64_t)e->st.st_size : 0, err);
}

/* --- directories, and all --- */

static void list_dir(struct copying *c, const struct tree_entry *e, const char *target)
{
	struct written_file file;
	uint64_t at;

	describe(c, e, &file);
	file.mtime_ns = 0; /* is looked at when it is left */
	written_add(c->w->list, &file, target, &at);
}

/* Makes the directory, or takes the one that is there; stays in it. */
static int copy_dir(struct copying *c, const struct tree_entry *e, struct open_dir *d,
		    const char *name, const char *target, struct err *err)
{
	bool made = mkdirat(d->fd, name, 0700) == 0;
	/* What an overlay makes has nothing below it, what is in a layer's own stays there. */
	bool pure = made || d->own == d->fd;
	bool stays = false;
	int r;

	if (!made && errno != EEXIST)
		return err_sys(err, errno, "make the directory '/%s'", target);
	cleanup_fd int fd = FD_NONE;
	if (made && d->own != d->fd && c->w->own >= 0) {
		fd = fs_open_beneath(c->w->own, target, O_RDONLY | O_DIRECTORY, 0, err);
		if (fd < 0)
			return fd;
	} else {
		fd = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		pure = d->own == d->fd;
	}
	if (fd < 0)
		return err_new(err, ERR_INPUT, ENOTDIR,
			       "cannot copy the directory '%s' to '/%s': something that is not a "
			       "directory is there",
			       e->full, target);
	/* One that is only here for something below it leaves what is there as it is. */
	bool set = made || !e->late;
	if (set && !made && c->w->stay && (r = dir_stays(c, e, target, &stays, err)) < 0)
		return r;
	if (set && !stays) {
		cleanup_fd int from =
			fs_open_beneath(e->dir, e->name, O_RDONLY | O_DIRECTORY, 0, err);
		if (from < 0)
			return from;
		if ((r = set_info(c, fd, from, e, err)) < 0)
			return r;
	}
	if (set && c->w->list)
		list_dir(c, e, target);
	struct open_dir *in = enter(c, e->path, fd_take(fd), pure);
	in->times = set;
	in->fresh = made;
	in->st = e->st;
	return 0;
}

static int copy_entry(void *data, const struct tree_entry *e, struct err *err)
{
	struct copying *c = data;
	cleanup_free char *target = target_path(c, e->path);
	const char *name = path_base(target);
	struct open_dir *d;
	bool stays;
	int dir, r;

	if (!c->top)
		c->top = *e->path ? S_IFDIR : e->st.st_mode;
	if (!*e->path && S_ISDIR(e->st.st_mode)) {
		/* The directory whose content is copied: the target is there. */
		int fd = fs_open_beneath(c->w->root, *target ? target : ".", O_RDONLY | O_DIRECTORY,
					 0, err);
		if (fd < 0)
			return fd;
		enter(c, "", fd, c->w->own == c->w->root);
		return 0;
	}
	if (S_ISSOCK(e->st.st_mode))
		return 0; /* nothing that an image could hold */
	if ((r = writer_check_name(name, err)) < 0 || (r = enter_parent(c, e->path, &d, err)) < 0)
		return r;
	if (c->w->stay && ((r = entry_stays(c, e, target, &stays, err)) < 0 || stays))
		return r;
	if (S_ISDIR(e->st.st_mode))
		return copy_dir(c, e, d, name, target, err);
	if ((r = make_room(c, d, name, target, &dir, err)) < 0)
		return r;
	if (S_ISREG(e->st.st_mode))
		return copy_file(c, e, d, dir, name, target, err);
	if (S_ISLNK(e->st.st_mode))
		return copy_link(c, e, d, dir, name, target, err);
	return copy_special(c, e, dir, name, target, err);
}

int writer_copy(const struct writer *w, const struct tree *tree, const char *path,
		const struct ignore *exclude, const char *include, const char *target,
		struct err *err)
{
	struct copying c = {
		.w = w, .tree = tree, .target = target, .links = MAP_INIT_FREE(free_first)
	};
	struct tree_walk walk = { copy_entry, &c, exclude, include };
	int r = tree_walk(tree, path, &walk, err);

	while (c.dirs.n)
		leave(&c);
	vec_done(&c.dirs);
	map_done(&c.links);
	return r;
}
