/* Entries of the build cache on disk. */
#include "build/cache.h"

#include "base/difference.h"
#include "base/fs.h"
#include "base/json.h"
#include "build/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { ENTRY_MAX = 4 << 20 };

void cache_entry_done(struct cache_entry *e)
{
	vec_each(in, &e->inputs)
		free(in->name);
	vec_done(&e->inputs);
	free(e->step);
	free(e->result);
	*e = (struct cache_entry){ 0 };
}

/* --- keys --- */

void cache_input_digest(struct cache_entry *e, const char *name, const char *hex)
{
	struct cache_input *in = vec_add(&e->inputs);

	in->name = xstrdup(name);
	snprintf(in->value, sizeof(in->value), "%s", hex);
}

void cache_input(struct cache_entry *e, const char *name, const char *value)
{
	char hex[SHA256_HEX];

	hash_hex(value, strlen(value), hex);
	cache_input_digest(e, name, hex);
}

/* The terminators make the list unambiguous: names hold no NUL. */
void cache_key(struct cache_entry *e)
{
	cleanup_str struct str text = STR_INIT;

	vec_each(in, &e->inputs) {
		str_addn(&text, in->name, strlen(in->name) + 1);
		str_addn(&text, in->value, SHA256_HEX);
	}
	hash_hex(str_text(&text), text.len, e->key);
}

/* --- entries --- */

static json_t *layer_to_json(const struct image_layer *l)
{
	json_t *j = json_object();

	json_put_str(j, "diff_id", l->diff_id);
	json_put_str(j, "chain", l->chain);
	json_put_str(j, "blob", l->blob);
	json_put(j, "blob_size", json_integer((json_int_t)l->blob_size));
	json_put_str(j, "media_type", l->media_type);
	return j;
}

static void layer_from_json(const json_t *j, struct image_layer *l)
{
	struct {
		const char *key;
		char *out;
		size_t size;
	} rows[] = {
		{ "diff_id", l->diff_id, sizeof(l->diff_id) },
		{ "chain", l->chain, sizeof(l->chain) },
		{ "blob", l->blob, sizeof(l->blob) },
		{ "media_type", l->media_type, sizeof(l->media_type) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		snprintf(rows[i].out, rows[i].size, "%s", json_str(j, rows[i].key, ""));
	l->blob_size = (uint64_t)json_int(j, "blob_size", 0);
}

static json_t *inputs_to_json(const struct cache_entry *e)
{
	json_t *list = json_array();

	vec_each(in, &e->inputs)
		json_array_append_new(list, json_pack("[ss]", in->name, in->value));
	return list;
}

static void inputs_from_json(const json_t *list, struct cache_entry *e)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(list, i, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (name && value)
			cache_input_digest(e, name, value);
	}
}

int cache_save(const struct depot *depot, const struct cache_entry *e, struct err *err)
{
	cleanup_json json_t *j = json_object();

	json_put_str(j, "step", e->step);
	json_put(j, "inputs", inputs_to_json(e));
	if (e->snapshot[0])
		json_put_str(j, "snapshot", e->snapshot);
	if (e->layer.chain[0])
		json_put(j, "layer", layer_to_json(&e->layer));
	if (e->empty)
		json_put(j, "empty", json_true());
	json_put_str(j, "result", e->result);
	if (e->before[0])
		json_put_str(j, "before", e->before);
	json_put(j, "bytes", json_integer((json_int_t)e->bytes));
	json_put(j, "created", json_integer(e->created));
	return json_write(depot->cache, e->key, j, 0600, 0, err);
}

static int read_entry(int cache, const char *key, struct cache_entry *ret, struct err *err)
{
	struct cache_entry e = { 0 };
	cleanup_json json_t *j = NULL;
	int r = json_read(cache, key, ENTRY_MAX, &j, err);

	if (r < 0)
		return r;
	snprintf(e.key, sizeof(e.key), "%s", key);
	e.step = xstrdup(json_str(j, "step", ""));
	e.result = xstrdup(json_str(j, "result", NULL));
	inputs_from_json(json_object_get(j, "inputs"), &e);
	snprintf(e.before, sizeof(e.before), "%s", json_str(j, "before", ""));
	snprintf(e.snapshot, sizeof(e.snapshot), "%s", json_str(j, "snapshot", ""));
	layer_from_json(json_object_get(j, "layer"), &e.layer);
	e.empty = json_flag(j, "empty", false);
	e.bytes = (uint64_t)json_int(j, "bytes", 0);
	e.created = json_int(j, "created", 0);
	*ret = e;
	return 0;
}

static bool tree_there(const struct depot *depot, struct image_store *store,
		       const struct cache_entry *e)
{
	if (e->empty)
		return true;
	if (e->snapshot[0] && difference_complete(depot->snapshots, e->snapshot))
		return true;
	if (!e->layer.chain[0])
		return false;
	cleanup_free char *tree = image_layer_dir(store, &e->layer), *dir = path_dir(tree);

	return difference_complete(AT_FDCWD, dir);
}

int cache_load_any(const struct depot *depot, const char *key, struct cache_entry *ret)
{
	struct err why = ERR_INIT;

	if (read_entry(depot->cache, key, ret, &why) == 0)
		return 0;
	err_done(&why); /* what cannot be read is as good as never made */
	return -ENOENT;
}

int cache_load(const struct depot *depot, struct image_store *store, const char *key,
	       struct cache_entry *ret, struct err *err)
{
	cleanup_cache_entry struct cache_entry e = { 0 };

	(void)err;
	if (cache_load_any(depot, key, &e) < 0)
		return -ENOENT;
	if (!tree_there(depot, store, &e))
		return -ENOENT;
	(void)utimensat(depot->cache, key, NULL, 0); /* else it counts as older than it is */
	*ret = e;
	e = (struct cache_entry){ 0 };
	return 0;
}

/* --- why --- */

int cache_remember(const struct depot *depot, const char *where, const struct cache_entry *e,
		   struct err *err)
{
	cleanup_json json_t *j = json_object(), *before = NULL;
	struct err none = ERR_INIT;
	char name[SHA256_HEX];

	hash_hex(where, strlen(where), name);
	/* The same as last time need not be written again: it is so for most steps. */
	if (json_read(depot->last, name, ENTRY_MAX, &before, &none) < 0)
		err_done(&none);
	if (str_eq(json_str(before, "key", ""), e->key))
		return 0;
	json_put_str(j, "key", e->key);
	json_put(j, "inputs", inputs_to_json(e));
	return json_write(depot->last, name, j, 0600, 0, err);
}

int cache_last(const struct depot *depot, const char *where, char key[SHA256_HEX])
{
	cleanup_err struct err none = ERR_INIT;
	cleanup_json json_t *j = NULL;
	char name[SHA256_HEX];

	hash_hex(where, strlen(where), name);
	if (json_read(depot->last, name, ENTRY_MAX, &j, &none) < 0)
		return -ENOENT;
	snprintf(key, SHA256_HEX, "%s", json_str(j, "key", ""));
	return strspn(key, "0123456789abcdef") == SHA256_HEX - 1 ? 0 : -ENOENT;
}

static const struct cache_input *input_of(const struct cache_entry *e, const char *name)
{
	vec_each(in, &e->inputs)
		if (str_eq(in->name, name))
			return in;
	return NULL;
}

enum { EXPLAIN_MOST = 5 }; /* differences that are named */

static void add_reason(struct str *out, size_t *count, const char *name, const char *what)
{
	if (++*count > EXPLAIN_MOST)
		return;
	str_addf(out, "%s%s %s", out->len ? ", " : "", name, what);
}

char *cache_explain(const struct depot *depot, const char *where, const struct cache_entry *e)
{
	cleanup_cache_entry struct cache_entry before = { 0 };
	cleanup_json json_t *j = NULL;
	cleanup_str struct str out = STR_INIT;
	struct err none = ERR_INIT;
	char name[SHA256_HEX];
	size_t count = 0;

	hash_hex(where, strlen(where), name);
	if (json_read(depot->last, name, ENTRY_MAX, &j, &none) < 0) {
		err_done(&none);
		return xstrdup("it was not built here before");
	}
	if (str_eq(json_str(j, "key", ""), e->key))
		return xstrdup("its result is not in the cache any more");
	inputs_from_json(json_object_get(j, "inputs"), &before);
	vec_each(in, &e->inputs) {
		const struct cache_input *old = input_of(&before, in->name);

		if (!old)
			add_reason(&out, &count, in->name, "is new");
		else if (!str_eq(old->value, in->value))
			add_reason(&out, &count, in->name, "changed");
	}
	vec_each(in, &before.inputs)
		if (!input_of(e, in->name))
			add_reason(&out, &count, in->name, "is gone");
	if (count > EXPLAIN_MOST)
		str_addf(&out, " and %zu more", count - EXPLAIN_MOST);
	return count ? str_take(&out) : xstrdup("its inputs are in another order");
}

/* --- listing --- */

void cache_list_done(struct cache_list *list)
{
	vec_each(item, &list->items) {
		free(item->name);
		free(item->step);
	}
	vec_done(&list->items);
}

static nsec_t time_of(const struct timespec *ts)
{
	return (nsec_t)ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
}

static int by_use(const void *a, const void *b)
{
	const struct cache_item *x = a, *y = b;

	return (x->last_use > y->last_use) - (x->last_use < y->last_use);
}

static void list_entries(const struct depot *depot, const struct strv *names,
			 struct cache_list *list)
{
	for (size_t i = 0; i < names->n; i++) {
		cleanup_cache_entry struct cache_entry e = { 0 };
		struct err damaged = ERR_INIT;
		struct stat st;

		if (*names->v[i] == '.' || fstatat(depot->cache, names->v[i], &st, 0) < 0)
			continue; /* being written, or gone meanwhile */
		if (read_entry(depot->cache, names->v[i], &e, &damaged) < 0)
			err_done(&damaged); /* listed with what is known, to be removed */
		struct cache_item item = {
			.name = xstrdup(names->v[i]),
			.step = xstrdup(e.step ? e.step : "?"),
			.bytes = e.bytes,
			.last_use = time_of(&st.st_mtim),
			.created = e.created,
		};

		memcpy(item.chain, e.layer.chain, sizeof(item.chain));
		vec_push(&list->items, item);
	}
}

/* mounts/<name>/ holds data/ and mount.json, whose time is the last use. */
static void list_mounts(const struct depot *depot, const struct strv *names,
			struct cache_list *list)
{
	for (size_t i = 0; i < names->n; i++) {
		cleanup_free char *file = xasprintf("%s/mount.json", names->v[i]);
		cleanup_json json_t *j = NULL;
		struct err damaged = ERR_INIT;
		struct stat st;

		if (fstatat(depot->mounts, file, &st, 0) < 0)
			continue;
		if (json_read(depot->mounts, file, ENTRY_MAX, &j, &damaged) < 0)
			err_done(&damaged);
		vec_push(&list->items,
			 (struct cache_item){
				 .name = xasprintf("mount/%s", names->v[i]),
				 .step = xasprintf("cache mount %s", json_str(j, "id", "?")),
				 .bytes = (uint64_t)json_int(j, "bytes", 0),
				 .last_use = time_of(&st.st_mtim),
				 .created = json_int(j, "created", 0),
				 .mount = true,
			 });
	}
}

/* -ENOENT: nothing was ever built. */
static int open_there(const char *root, struct depot *ret, struct err *err)
{
	cleanup_free char *path = path_join(root, "build");

	if (!fs_exists(AT_FDCWD, path))
		return -ENOENT;
	return depot_open(root, ret, err);
}

static int list_all(const struct depot *depot, struct cache_list *ret, struct err *err)
{
	cleanup_strv struct strv entries = { 0 }, mounts = { 0 };
	int r = fs_list(depot->cache, ".", &entries, err);

	if (r == 0)
		r = fs_list(depot->mounts, ".", &mounts, err);
	if (r < 0)
		return r;
	list_entries(depot, &entries, ret);
	list_mounts(depot, &mounts, ret);
	if (ret->items.n)
		qsort(ret->items.v, ret->items.n, sizeof(*ret->items.v), by_use);
	return 0;
}

int cache_list(const char *root, struct cache_list *ret, struct err *err)
{
	cleanup_depot struct depot depot = DEPOT_NONE;
	int r = open_there(root, &depot, err);

	return r == -ENOENT && !err->no ? 0 : r < 0 ? r : list_all(&depot, ret, err);
}

int cache_layers(const char *root, struct strv *ret, struct err *err)
{
	cleanup_depot struct depot depot = DEPOT_NONE;
	cleanup_strv struct strv names = { 0 };
	int r = open_there(root, &depot, err);

	if (r == -ENOENT && !err->no)
		return 0;
	if (r == 0)
		r = fs_list(depot.cache, ".", &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_cache_entry struct cache_entry e = { 0 };
		cleanup_free char *base = NULL;
		struct err damaged = ERR_INIT;
		const char *hex;

		if (*names.v[i] == '.')
			continue;
		if (read_entry(depot.cache, names.v[i], &e, &damaged) < 0)
			err_done(&damaged);
		hex = str_after(e.layer.chain, "sha256:");
		if (hex)
			strv_addf(ret, "%s/layers/%s/diff", root, hex);
		if (e.snapshot[0])
			base = difference_base_name(depot.snapshots, e.snapshot);
		if (base)
			strv_addf(ret, "%s/layers/%s/diff", root, base);
	}
	return r;
}

/* --- removing --- */

/* The entry first: a tree without one is found and removed by the next collection. */
static int remove_entry(const struct depot *depot, const char *key, struct err *err)
{
	cleanup_cache_entry struct cache_entry e = { 0 };
	struct err damaged = ERR_INIT;

	if (read_entry(depot->cache, key, &e, &damaged) < 0)
		err_done(&damaged);
	if (unlinkat(depot->cache, key, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove the cache entry '%.12s'", key);
	return e.snapshot[0] ? fs_remove_tree(depot->snapshots, e.snapshot, err) : 0;
}

static int remove_item(const struct depot *depot, const char *name, struct err *err)
{
	const char *mount = str_after(name, "mount/");
	const char *last = mount ? mount : name;

	if (!*last || strchr(last, '/') || *last == '.')
		return err_input(err, "'%s' is not an entry of the build cache", name);
	return mount ? fs_remove_tree(depot->mounts, mount, err) : remove_entry(depot, name, err);
}

static int lock_alone(const struct depot *depot, int *ret_fd, struct err *err)
{
	struct err why = ERR_INIT;
	int r = depot_lock(depot, true, ret_fd, &why);

	if (r == -EWOULDBLOCK) {
		err_done(&why);
		return err_new(err, ERR_CONFLICT, EWOULDBLOCK,
			       "a build is running; its cache stays as it is");
	}
	return r < 0 ? err_move(err, &why) : 0;
}

int cache_remove(const char *root, const char *name, struct err *err)
{
	cleanup_depot struct depot depot = DEPOT_NONE;
	cleanup_fd int lock = FD_NONE;
	int r = open_there(root, &depot, err);

	if (r == -ENOENT && !err->no)
		return 0;
	if (r == 0)
		r = lock_alone(&depot, &lock, err);
	return r < 0 ? r : remove_item(&depot, name, err);
}

/* Snapshots that no entry names, and what builds that died were making. */
static int remove_orphans(const struct depot *depot, struct err *err)
{
	cleanup_strv struct strv keys = { 0 }, snapshots = { 0 }, used = { 0 }, temp = { 0 };
	cleanup_strv struct strv files = { 0 };
	int r = fs_list(depot->cache, ".", &keys, err);

	if (r == 0)
		r = fs_list(depot->snapshots, ".", &snapshots, err);
	if (r == 0)
		r = fs_list(depot->tmp, ".", &temp, err);
	if (r == 0)
		r = fs_list(depot->dir, ".", &files, err);
	for (size_t i = 0; snapshots.n && i < keys.n; i++) {
		cleanup_cache_entry struct cache_entry e = { 0 };
		struct err damaged = ERR_INIT;

		if (read_entry(depot->cache, keys.v[i], &e, &damaged) < 0)
			err_done(&damaged);
		if (e.snapshot[0])
			strv_add(&used, e.snapshot);
	}
	for (size_t i = 0; r == 0 && i < snapshots.n; i++)
		if (!strv_has(&used, snapshots.v[i]))
			r = fs_remove_tree(depot->snapshots, snapshots.v[i], err);
	for (size_t i = 0; r == 0 && i < temp.n; i++)
		r = fs_remove_tree(depot->tmp, temp.v[i], err);
	for (size_t i = 0; r == 0 && i < files.n; i++)
		if (str_starts(files.v[i], DIGESTS_TEMP))
			(void)unlinkat(depot->dir, files.v[i], 0); /* the next collection, then */
	return r;
}

static bool is_held(const struct cache_item *item, const struct strv *held)
{
	return item->chain[0] && held && strv_has(held, item->chain);
}

int cache_collect(const char *root, uint64_t keep_bytes, const struct strv *held,
		  uint64_t *ret_freed, bool *ret_layers, struct err *err)
{
	cleanup_depot struct depot depot = DEPOT_NONE;
	cleanup_cache_list struct cache_list list = { 0 };
	cleanup_fd int lock = FD_NONE;
	uint64_t total = 0, freed = 0;
	int r = open_there(root, &depot, err);

	*ret_freed = 0;
	*ret_layers = false;
	if (r == -ENOENT && !err->no)
		return 0;
	if (r == 0)
		r = depot_lock(&depot, true, &lock, err);
	if (r == -EWOULDBLOCK) {
		err_done(err);
		return 0;
	}
	if (r == 0)
		r = list_all(&depot, &list, err);
	vec_each(item, &list.items)
		total += is_held(item, held) ? 0 : item->bytes;
	vec_each(item, &list.items) {
		if (r < 0 || total - freed <= keep_bytes)
			break;
		if (is_held(item, held))
			continue;
		r = remove_item(&depot, item->name, err);
		freed += item->bytes;
		*ret_layers = *ret_layers || item->chain[0];
	}
	if (r == 0)
		r = remove_orphans(&depot, err);
	*ret_freed = freed;
	return r;
}
