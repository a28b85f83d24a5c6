/* Whether the store still is what its names say: every blob is hashed, every layer is unpacked once
 * more from its blob and held against what is there, name by name and byte by byte. */
#include "base/difference.h"
#include "base/fs.h"
#include "base/map.h"
#include "image/first-names.h"
#include "image/names.h"
#include "image/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

void image_damage_done(struct image_damage *d)
{
	strv_done(&d->blobs);
	strv_done(&d->layers);
}

/* --- two trees --- */

/* Both sides of a comparison; buffers for what is read of them. */
struct pair {
	int root[2];
	int base; /* of the first one, or FD_NONE */
	char *buf[2];
	struct first_names links[2];
};

/* What an overlay notes for itself (where it copied a directory from, say) is not the layer's. */
static bool list_xattrs(int fd, char *buf, struct strv *ret)
{
	ssize_t len = flistxattr(fd, buf, IMAGE_COPY_CHUNK);

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(buf + at) + 1)
		if (!str_starts(buf + at, "user.overlay.") ||
		    str_eq(buf + at, "user.overlay.opaque"))
			strv_add(ret, buf + at);
	strv_sort(ret);
	return len >= 0;
}

static bool same_xattrs(const int fd[2], struct pair *p)
{
	cleanup_strv struct strv names = { 0 }, others = { 0 };

	if (!list_xattrs(fd[0], p->buf[0], &names) || !list_xattrs(fd[1], p->buf[1], &others) ||
	    !strv_equal(&names, &others))
		return false;
	for (size_t i = 0; i < names.n; i++) {
		ssize_t n = fgetxattr(fd[0], names.v[i], p->buf[0], IMAGE_COPY_CHUNK);

		if (n < 0 || n != fgetxattr(fd[1], names.v[i], p->buf[1], IMAGE_COPY_CHUNK) ||
		    memcmp(p->buf[0], p->buf[1], (size_t)n) != 0)
			return false;
	}
	return true;
}

static bool same_content(const int fd[2], struct pair *p)
{
	for (;;) {
		ssize_t n = read(fd[0], p->buf[0], IMAGE_COPY_CHUNK);

		if (n < 0 || n != read(fd[1], p->buf[1], IMAGE_COPY_CHUNK) ||
		    memcmp(p->buf[0], p->buf[1], (size_t)n) != 0)
			return false;
		if (n == 0)
			return true;
	}
}

static bool same_target(const int dir[2], const char *name, struct pair *p)
{
	ssize_t n = readlinkat(dir[0], name, p->buf[0], IMAGE_COPY_CHUNK);

	return n >= 0 && n == readlinkat(dir[1], name, p->buf[1], IMAGE_COPY_CHUNK) &&
	       memcmp(p->buf[0], p->buf[1], (size_t)n) == 0;
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid ||
	    a->st_rdev != b->st_rdev)
		return false;
	/* The times of directories that the archive does not mention are those of unpacking, and
	 * whiteouts have no others either. */
	return S_ISDIR(a->st_mode) || S_ISCHR(a->st_mode) ||
	       (a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec);
}

/* The names of one file are one file on both sides. How many links it has says nothing: layers
 * share files. */
static bool same_links(struct pair *p, const struct stat st[2], const char *dir, const char *name)
{
	cleanup_free char *path = NULL;
	const char *first[2];

	if (st[0].st_nlink < 2 && st[1].st_nlink < 2)
		return true;
	path = xasprintf("%s/%s", dir, name);
	for (int i = 0; i < 2; i++)
		first[i] = first_name(&p->links[i], &st[i], path);
	return str_eq(first[0], first[1]);
}

/* One name in both directories, directories without what is in them. */
static bool same_entry(const int dir[2], const char *path, const char *name, struct pair *p,
		       bool *ret_dir)
{
	struct stat st[2];
	bool same = true;
	int fd[2];

	*ret_dir = false;
	for (int i = 0; i < 2; i++)
		if (fstatat(dir[i], name, &st[i], AT_SYMLINK_NOFOLLOW) < 0)
			return false;
	if (!same_stat(&st[0], &st[1]) || !same_links(p, st, path, name))
		return false;
	if (S_ISLNK(st[0].st_mode))
		return same_target(dir, name, p);
	*ret_dir = S_ISDIR(st[0].st_mode);
	if (!S_ISREG(st[0].st_mode) && !*ret_dir)
		return true;
	for (int i = 0; i < 2; i++)
		fd[i] = openat(dir[i], name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	same = fd[0] >= 0 && fd[1] >= 0 && same_xattrs(fd, p) && (*ret_dir || same_content(fd, p));
	fd_close(fd[0]);
	fd_close(fd[1]);
	return same;
}

/* FD_NONE: it is not there. */
static int open_below(int root, const char *path, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	int fd = root < 0 ? FD_NONE : fs_open_beneath(root, path, O_RDONLY | O_DIRECTORY, 0, &why);

	if (fd < 0 && fd != FD_NONE && fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
		return err_move(err, &why);
	return fd < 0 ? FD_NONE : fd;
}

static bool same_names(const struct layer_names *a, const struct layer_names *b)
{
	bool same = a->items.n == b->items.n;

	for (size_t i = 0; same && i < a->items.n; i++)
		same = str_eq(a->items.v[i].text, b->items.v[i].text);
	return same;
}

static bool same_entries(struct pair *p, const char *path, const int dirs[3],
			 const struct layer_names *names, struct strv *ret_below)
{
	bool same = true;

	for (size_t i = 0; same && i < names->items.n; i++) {
		const struct layer_name *n = &names->items.v[i];
		int dir[2] = { dirs[n->base], dirs[2] };
		bool is_dir;

		same = same_entry(dir, path, n->text, p, &is_dir);
		if (is_dir)
			strv_addf(ret_below, "%s/%s", path, n->text);
	}
	return same;
}

/* By path from the roots, so that however deep a tree is, few descriptors are open. `base`: what
 * the layer is a difference of is seen here. 1: the same, 0: not, or an error. */
static int same_tree(struct pair *p, const char *path, bool base, struct err *err)
{
	cleanup_layer_names struct layer_names there = { 0 }, fresh = { 0 };
	cleanup_strv struct strv below = { 0 };
	int roots[] = { p->root[0], base ? p->base : FD_NONE, p->root[1] };
	int dirs[] = { FD_NONE, FD_NONE, FD_NONE }, r = 0;
	bool same;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(roots); i++) {
		dirs[i] = open_below(roots[i], path, err);
		r = err->no ? -err->no : 0;
	}
	if (r == 0)
		r = layer_names_list(dirs[0], dirs[1], path, &there, err);
	if (r == 0)
		r = layer_names_list(dirs[2], FD_NONE, path, &fresh, err);
	base = dirs[1] >= 0 && !layer_is_opaque(dirs[0]);
	same = r == 0 && same_names(&there, &fresh) && same_entries(p, path, dirs, &there, &below);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		fd_close(dirs[i]);
	if (r < 0 || !same)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < below.n; i++) {
		r = same_tree(p, below.v[i], base, err);
		if (r <= 0)
			return r;
	}
	return 1;
}

/* --- a layer --- */

static int verify_layer(struct image_store *store, const char *blob, const char *diff_id,
			const char *chain, bool repair, struct image_damage *ret, struct err *err)
{
	cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
	cleanup_free char *there = xasprintf("%s/diff", image__hex(chain));
	cleanup_free char *aside = xasprintf("tmp-gone-%s", image__hex(chain));
	cleanup_free char *a = xmalloc(IMAGE_COPY_CHUNK), *b = xmalloc(IMAGE_COPY_CHUNK);
	cleanup_fd int root = fs_open(store->layers, there, O_RDONLY | O_DIRECTORY, 0, err);
	struct unpack_result result;
	struct pair p = { .buf = { a, b }, .base = FD_NONE };
	int r = root < 0 ? root : image__layer_begin(store, &w, err);

	if (r == 0)
		r = difference_base(root, &p.base, err);
	cleanup_fd int base = p.base;
	bool gone = r == -ENOENT; /* the base: that is damage, too */
	if (gone) {
		err_done(err);
		r = 0;
	}
	if (r == 0)
		r = image__layer_from_blob(store, &w, blob, diff_id, NULL, &result, err);
	if (r < 0)
		return r;
	p.root[0] = root;
	p.root[1] = w.root;
	r = gone ? 0 : same_tree(&p, ".", base >= 0, err);
	first_names_done(&p.links[0]);
	first_names_done(&p.links[1]);
	if (r != 0)
		return r < 0 ? r : 0;
	strv_add(&ret->layers, chain);
	if (!repair)
		return 0;
	if (renameat(store->layers, image__hex(chain), store->layers, aside) < 0)
		return err_sys(err, errno, "set layer '%s' aside", chain);
	r = image__layer_commit(&w, chain, &result, err);
	return r < 0 ? r : fs_remove_tree(store->layers, aside, err);
}

/* Each layer of an image that nobody has looked at yet. */
static int verify_layers(struct image_store *store, const char *manifest, struct map *seen,
			 bool repair, struct image_damage *ret, struct err *err)
{
	static char looked;
	cleanup_manifest struct manifest m = { 0 };
	cleanup_image struct image image = { 0 };
	char chain[DIGEST_TEXT];
	struct err damaged = ERR_INIT;
	int r = 0;

	/* An image whose documents are damaged has been named with their blobs. */
	if (image__manifest_load(store, manifest, &m, &damaged) < 0 ||
	    image__load_manifest(store, manifest, false, NULL, &image, &damaged) < 0) {
		err_done(&damaged);
		return 0;
	}
	for (size_t i = 0; r == 0 && i < m.layers.n; i++) {
		const char *blob = m.layers.v[i].digest;

		image__chain(i ? chain : NULL, image.config.diff_ids.v[i], chain);
		if (map_has(seen, chain) || !image__layer_has(store, chain) ||
		    !image__blob_has(store, blob) || strv_has(&ret->blobs, blob))
			continue;
		map_set(seen, chain, &looked);
		r = verify_layer(store, blob, image.config.diff_ids.v[i], chain, repair, ret, err);
	}
	return r;
}

int image_verify(struct image_store *store, bool repair, const struct image_progress *progress,
		 struct image_damage *ret, struct err *err)
{
	cleanup(image_damage_done) struct image_damage damage = { 0 };
	cleanup_strv struct strv names = { 0 };
	cleanup_refs struct ref_list refs = { 0 };
	cleanup_map struct map seen = MAP_INIT;
	cleanup_fd int lock = FD_NONE;
	unsigned how = repair ? IMAGE_LOCK_EXCLUSIVE : IMAGE_LOCK_SHARED;
	int r = image__lock(store, how, &lock, err);

	if (r == 0)
		r = image__refs_list(store, &refs, err);
	if (r == 0)
		r = fs_list(store->blobs, ".", &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		bool good = true;

		r = image__blob_check(store, names.v[i], &good, err);
		if (r == 0 && !good) {
			strv_addf(&damage.blobs, "sha256:%s", names.v[i]);
			r = repair ? fs_remove_tree(store->blobs, names.v[i], err) : 0;
		}
		if (progress && progress->fn)
			progress->fn(progress->data, names.v[i], "verifying", i + 1, names.n);
	}
	vec_each(ref, &refs.items)
		if (r == 0)
			r = verify_layers(store, ref->manifest, &seen, repair, &damage, err);
	if (r < 0)
		return r;
	*ret = damage;
	damage = (struct image_damage){ 0 };
	return 0;
}
