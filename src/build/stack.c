#include "build/stack.h"

#include "base/difference.h"
#include "base/fs.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <sys/stat.h>

/* --- layers --- */

void stack_done(struct stack *stack)
{
	vec_done(&stack->layers);
}

void stack_copy(struct stack *to, const struct stack *from)
{
	vec_each(l, &from->layers)
		vec_push(&to->layers, *l);
}

void stack_add_entry(struct stack *stack, const struct cache_entry *e)
{
	struct stack_layer layer = { .image = e->layer };

	if (e->empty)
		return;
	memcpy(layer.key, e->key, sizeof(layer.key));
	memcpy(layer.snapshot, e->snapshot, sizeof(layer.snapshot));
	vec_push(&stack->layers, layer);
}

json_t *stack_to_json(const struct stack *stack)
{
	json_t *list = json_array();

	vec_each(l, &stack->layers)
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s}", "key",
						      l->key, "snapshot", l->snapshot, "diff_id",
						      l->image.diff_id, "chain", l->image.chain,
						      "blob", l->image.blob, "blob_size",
						      (json_int_t)l->image.blob_size, "media_type",
						      l->image.media_type));
	return list;
}

void stack_from_json(const json_t *j, struct stack *ret)
{
	const json_t *item;
	size_t i;

	json_array_foreach(j, i, item) {
		struct stack_layer *l = vec_add(&ret->layers);
		struct {
			const char *key;
			char *out;
			size_t size;
		} rows[] = {
			{ "key", l->key, sizeof(l->key) },
			{ "snapshot", l->snapshot, sizeof(l->snapshot) },
			{ "diff_id", l->image.diff_id, sizeof(l->image.diff_id) },
			{ "chain", l->image.chain, sizeof(l->image.chain) },
			{ "blob", l->image.blob, sizeof(l->image.blob) },
			{ "media_type", l->image.media_type, sizeof(l->image.media_type) },
		};

		for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
			snprintf(rows[k].out, rows[k].size, "%s", json_str(item, rows[k].key, ""));
		l->image.blob_size = (uint64_t)json_int(item, "blob_size", 0);
	}
}

void stack_dirs_done(struct stack_dirs *dirs)
{
	vec_each(fd, &dirs->fds)
		fd_close(*fd);
	vec_done(&dirs->fds);
	strv_done(&dirs->paths);
}

/* A snapshot becomes a layer of the image store when another build commits it meanwhile: then its
 * entry says where it is. */
static int open_layer(const struct depot *depot, struct image_store *store,
		      const struct stack_layer *l, struct err *err)
{
	cleanup_cache_entry struct cache_entry e = { 0 };
	struct image_layer image = l->image;

	if (l->snapshot[0]) {
		cleanup_free char *path = xasprintf("%s/diff", l->snapshot);
		int fd = openat(depot->snapshots, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (l->key[0] && cache_load(depot, store, l->key, &e, err) == 0)
			image = e.layer;
	}
	if (!image.chain[0])
		return err_not_found(err, "the snapshot '%s' is gone; build again", l->snapshot);
	cleanup_free char *dir = image_layer_dir(store, &image);

	return fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
}

int stack_open(const struct depot *depot, struct image_store *store, const struct stack *stack,
	       struct stack_dirs *ret, struct err *err)
{
	cleanup_stack_dirs struct stack_dirs dirs = { 0 };

	vec_each(l, &stack->layers) {
		int fd = open_layer(depot, store, l, err);

		if (fd < 0)
			return fd;
		vec_push(&dirs.fds, fd);
		strv_addf(&dirs.paths, "/proc/self/fd/%d", fd);
	}
	*ret = dirs;
	dirs = (struct stack_dirs){ 0 };
	return 0;
}

/* --- a step at work --- */

static int make_dir(const char *dir, const char *name, mode_t mode, struct err *err)
{
	cleanup_free char *path = path_join(dir, name);

	if (mkdir(path, mode) < 0 || chmod(path, mode) < 0)
		return err_sys(err, errno, "make '%s'", path);
	return 0;
}

static int make_dirs(const struct work *work, struct err *err)
{
	const struct stack_dirs *below = work->below;
	int r = make_dir(work->dir, "upper", 0755, err);

	if (r == 0)
		r = make_dir(work->dir, "work", 0700, err);
	if (r == 0 && !below->paths.n)
		r = make_dir(work->dir, "none", 0755, err);
	if (r < 0)
		return r;
	/* The root's owner and mode are those of the topmost layer: the new one's. */
	if (below->fds.n) {
		cleanup_free char *upper = path_join(work->dir, "upper");
		struct stat st;

		if (fstat(below->fds.v[below->fds.n - 1], &st) < 0 ||
		    chown(upper, st.st_uid, st.st_gid) < 0 || chmod(upper, st.st_mode & 07777) < 0)
			return err_sys(err, errno, "set the owner of '%s'", upper);
	}
	return 0;
}

int work_begin(const struct depot *depot, const struct stack_dirs *below, struct work *ret,
	       struct err *err)
{
	cleanup_work struct work work = { .below = below };
	int r = depot_temp(depot, &work.dir, err);

	if (r == 0)
		r = make_dirs(&work, err);
	if (r < 0)
		return r;
	*ret = work;
	work = (struct work){ 0 };
	return 0;
}

int work_clear(const struct work *work, struct err *err)
{
	static const char *const names[] = { "upper", "work", "none", DIFFERENCE_LINK };
	cleanup_fd int dir = fs_open(AT_FDCWD, work->dir, O_RDONLY | O_DIRECTORY, 0, err);
	int r = dir < 0 ? dir : 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
		r = fs_remove_tree(dir, names[i], err);
	return r < 0 ? r : make_dirs(work, err);
}

void work_done(struct work *work)
{
	depot_temp_remove(work->dir);
	free(work->dir);
	*work = (struct work){ 0 };
}

void work_spec(const struct work *work, struct spec *spec)
{
	strv_copy(&spec->layers, &work->below->paths);
	if (!spec->layers.n)
		strv_take(&spec->layers, path_join(work->dir, "none"));
	spec->dir = xstrdup(work->dir);
}

int work_mount(const struct work *work, int *ret_fd, struct err *err)
{
	cleanup_spec struct spec spec;

	spec_init(&spec);
	work_spec(work, &spec);
	return runtime_mount_root(&spec, ret_fd, err);
}

/* --- finishing --- */

enum { WALK_DEPTH_MAX = 512 };

struct measure {
	nsec_t epoch;
	uint64_t bytes, entries;
};

static void clamp_time(int dir, const char *name, const struct stat *st, nsec_t epoch)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	nsec_t mtime = (nsec_t)st->st_mtim.tv_sec * NSEC_PER_SEC + st->st_mtim.tv_nsec;

	if (!epoch || mtime <= epoch)
		return;
	times[1].tv_sec = epoch / NSEC_PER_SEC;
	(void)utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW); /* packing sees what was done */
}

static int measure_dir(int dir, struct measure *m, int depth, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r;

	if (depth > WALK_DEPTH_MAX)
		return err_input(err, "the step made directories deeper than %d", WALK_DEPTH_MAX);
	r = fs_list(dir, ".", &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		struct stat st;

		if (fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, errno, "look at '%s'", names.v[i]);
		m->bytes += (uint64_t)st.st_blocks * 512;
		m->entries++;
		if (S_ISDIR(st.st_mode)) {
			cleanup_fd int sub = fs_open(dir, names.v[i],
						     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);

			r = sub < 0 ? sub : measure_dir(sub, m, depth + 1, err);
		}
		clamp_time(dir, names.v[i], &st, m->epoch);
	}
	return r;
}

int stack_measure(int dir, uint64_t *ret_bytes, struct err *err)
{
	struct measure m = { 0 };
	int r = measure_dir(dir, &m, 0, err);

	if (r == 0)
		*ret_bytes = m.bytes;
	return r;
}

/* Whether the step changed the root directory itself. */
static bool root_changed(const struct work *work, int upper)
{
	struct stat now, before = { .st_mode = 0755 };

	if (work->below->fds.n && fstat(work->below->fds.v[work->below->fds.n - 1], &before) < 0)
		return true;
	return fstat(upper, &now) < 0 || (now.st_mode & 07777) != (before.st_mode & 07777) ||
	       now.st_uid != before.st_uid || now.st_gid != before.st_gid;
}

int work_finish(const struct depot *depot, struct work *work, nsec_t epoch,
		struct cache_entry *entry, struct err *err)
{
	struct measure m = { .epoch = epoch };
	cleanup_fd int dir = fs_open(AT_FDCWD, work->dir, O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_fd int upper = FD_NONE;
	int r;

	if (dir < 0)
		return dir;
	upper = fs_open(dir, "upper", O_RDONLY | O_DIRECTORY, 0, err);
	/* What COPY wrote it has counted; only times after the epoch are to be looked for. */
	m.entries = entry->counted;
	m.bytes = entry->bytes;
	r = upper < 0 ? upper : entry->counted && !epoch ? 0 : measure_dir(upper, &m, 0, err);
	if (r < 0)
		return r;
	entry->bytes = m.bytes;
	entry->empty = !m.entries && !root_changed(work, upper) && !fs_exists(dir, DIFFERENCE_LINK);
	if (entry->empty)
		return 0; /* work_done removes it */
	if ((r = fs_remove_tree(dir, "work", err)) < 0 ||
	    (r = fs_remove_tree(dir, "none", err)) < 0)
		return r;
	if (renameat(dir, "upper", dir, "diff") < 0)
		return err_sys(err, errno, "keep the step's tree");
	snprintf(entry->snapshot, sizeof(entry->snapshot), "%s", path_base(work->dir));
	if (renameat(AT_FDCWD, work->dir, depot->snapshots, entry->snapshot) < 0) {
		entry->snapshot[0] = '\0';
		return err_sys(err, errno, "keep the step's tree");
	}
	free(ptr_take(work->dir));
	return 0;
}

/* --- looking into a stack --- */

/* In place: the work borrows the directories. */
int stack_view(const struct depot *depot, struct image_store *store, const struct stack *stack,
	       struct stack_view *ret, struct err *err)
{
	int r = stack_open(depot, store, stack, &ret->dirs, err);

	if (r == 0)
		r = work_begin(depot, &ret->dirs, &ret->work, err);
	if (r == 0)
		r = work_mount(&ret->work, &ret->fd, err);
	return r;
}

void stack_view_done(struct stack_view *view)
{
	view->fd = fd_close(view->fd); /* unmounts, before its upper directory goes */
	work_done(&view->work);
	stack_dirs_done(&view->dirs);
}
