/* Removing: references first, then what no reference needs any more. The collector marks from the
 * references (and the layers of containers) and sweeps the rest; it runs under the exclusive lock,
 * so that nobody is between adding a blob and naming it. */
#include "base/difference.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/usage.h"
#include "image/store.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A download that was cut off is kept this long, so that the next one goes on where it ended. */
#define PARTIAL_KEEP (7 * 24 * 3600 * NSEC_PER_SEC)

struct marks {
	struct map blobs, layers; /* hex -> anything */
};

static void marks_done(struct marks *m)
{
	map_done(&m->blobs);
	map_done(&m->layers);
}

static void mark(struct map *set, const char *hex)
{
	static char marked;

	map_set(set, hex, &marked);
}

/* A layer, and what it is a difference of. */
static void mark_layer(struct image_store *store, struct marks *m, const char *hex)
{
	cleanup_free char *base = difference_base_name(store->layers, hex);

	mark(&m->layers, hex);
	if (base)
		mark(&m->layers, base);
}

/* Documents that are missing or damaged cannot say what they need: then there is nothing to keep
 * for them. Any other failure must stop the collection. */
static bool is_broken(int r)
{
	return r == -ENOENT || r == -EBADMSG || r == -EINVAL || r == -EOPNOTSUPP;
}

static int mark_manifest(struct image_store *store, const char *digest, struct marks *m,
			 struct err *err)
{
	cleanup_manifest struct manifest manifest = { 0 };
	cleanup_image struct image image = { 0 };
	char chain[DIGEST_TEXT];
	int r;

	mark(&m->blobs, image__hex(digest));
	r = image__manifest_load(store, digest, &manifest, err);
	if (r == 0) {
		mark(&m->blobs, image__hex(manifest.config));
		vec_each(layer, &manifest.layers)
			mark(&m->blobs, image__hex(layer->digest));
		r = image__load_manifest(store, digest, false, NULL, &image, err);
	}
	if (r < 0) {
		if (!is_broken(r))
			return r;
		err_done(err);
		return 0;
	}
	for (size_t i = 0; i < image.config.diff_ids.n; i++) {
		image__chain(i ? chain : NULL, image.config.diff_ids.v[i], chain);
		mark_layer(store, m, image__hex(chain));
	}
	return 0;
}

/* The image that runs here, and what there is of other platforms' in the index of its name. */
static int mark_image(struct image_store *store, const struct ref_entry *ref, struct marks *m,
		      struct err *err)
{
	cleanup_strv struct strv parts = { 0 };
	bool whole;
	int r = mark_manifest(store, ref->manifest, m, err);

	if (r < 0 || !ref->remote[0])
		return r;
	mark(&m->blobs, image__hex(ref->remote));
	r = image__index_parts(store, ref->remote, &parts, &whole, err);
	if (r < 0 && is_broken(r)) {
		err_done(err);
		r = 0;
	}
	for (size_t i = 0; r == 0 && i < parts.n; i++)
		r = mark_manifest(store, parts.v[i], m, err);
	return r;
}

/* ".../layers/<hex>/diff": by the chain id, so that another spelling of the root does not matter.
 */
static void mark_path(struct image_store *store, struct marks *m, const char *path)
{
	const char *at = path, *next;

	while ((next = strstr(at, "/layers/")))
		at = next + strlen("/layers/");
	if (at != path) {
		cleanup_free char *hex = xstrndup(at, strcspn(at, "/"));

		mark_layer(store, m, hex);
	}
}

/* One collection: what is kept, and what it comes to. */
struct collection {
	struct image_store *store;
	struct marks marks;
	bool dry_run;
	struct usage *usage;
	struct image_freed freed;
};

static void collection_done(struct collection *c)
{
	marks_done(&c->marks);
	usage_free(c->usage);
}

/* `doomed`: manifests whose references count as gone already. */
static int mark_all(struct collection *c, const struct strv *in_use, const struct strv *doomed,
		    struct err *err)
{
	cleanup_refs struct ref_list refs = { 0 };
	int r = image__refs_list(c->store, &refs, err);

	vec_each(ref, &refs.items) {
		if (r < 0)
			break;
		if (!doomed || !strv_has(doomed, ref->manifest))
			r = mark_image(c->store, ref, &c->marks, err);
	}
	for (size_t i = 0; in_use && i < in_use->n; i++)
		mark_path(c->store, &c->marks, in_use->v[i]);
	return r;
}

/* Removes one thing of the directory, or, in a dry run, only counts it. */
static int sweep(struct collection *c, int dir, const char *name, uint64_t *bytes, struct err *err)
{
	int r = usage_add(c->usage, dir, name, bytes, err);

	return r < 0 || c->dry_run ? r : fs_remove_tree(dir, name, err);
}

static int sweep_blobs(struct collection *c, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(c->store->blobs, ".", &names, err);

	for (size_t i = 0; i < names.n && r == 0; i++)
		if (!map_has(&c->marks.blobs, names.v[i]))
			r = sweep(c, c->store->blobs, names.v[i], &c->freed.blobs, err);
	return r;
}

static int sweep_layers(struct collection *c, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int dir = c->store->layers, r = fs_list(dir, ".", &names, err);

	for (size_t i = 0; i < names.n && r == 0; i++) {
		cleanup_free char *doomed = xasprintf("tmp-gone-%s", names.v[i]);

		if (map_has(&c->marks.layers, names.v[i]))
			continue;
		if (str_starts(names.v[i], "tmp-")) {
			r = sweep(c, dir, names.v[i], &c->freed.temporary, err);
			continue;
		}
		/* Renamed first: a layer with a chain id is whole, also when the removal is
		 * interrupted. */
		if (!c->dry_run && renameat(dir, names.v[i], dir, doomed) < 0)
			return err_sys(err, errno, "remove layer '%s'", names.v[i]);
		r = sweep(c, dir, c->dry_run ? names.v[i] : doomed, &c->freed.layers, err);
	}
	return r;
}

static int sweep_temporary(struct collection *c, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(c->store->tmp, ".", &names, err);

	for (size_t i = 0; i < names.n && r == 0; i++) {
		struct stat st;

		if (fstatat(c->store->tmp, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (str_starts(names.v[i], "part-") &&
		    now_wall() - st.st_mtime * NSEC_PER_SEC < PARTIAL_KEEP)
			continue;
		r = sweep(c, c->store->tmp, names.v[i], &c->freed.temporary, err);
	}
	return r;
}

static int collect(struct collection *c, const struct strv *in_use, const struct strv *doomed,
		   struct err *err)
{
	cleanup_fd int lock = FD_NONE;
	int r = image__lock(c->store, IMAGE_LOCK_EXCLUSIVE | IMAGE_LOCK_NOWAIT, &lock, err);

	if (r == -EWOULDBLOCK) {
		err_done(err);
		return 0;
	}
	c->usage = usage_new();
	if (r == 0)
		r = mark_all(c, in_use, doomed, err);
	if (r == 0)
		r = sweep_blobs(c, err);
	if (r == 0)
		r = sweep_layers(c, err);
	if (r == 0)
		r = sweep_temporary(c, err);
	return r;
}

int image__collect(struct image_store *store, const struct strv *in_use, struct err *err)
{
	cleanup(collection_done) struct collection c = { .store = store };

	return collect(&c, in_use, NULL, err);
}

int image_collect(struct image_store *store, const struct strv *in_use, struct err *err)
{
	return image__collect(store, in_use, err);
}

int image_layer_ids(struct image_store *store, struct strv *ret, struct err *err)
{
	cleanup(collection_done) struct collection c = { .store = store };
	int r = mark_all(&c, NULL, NULL, err);

	if (r < 0)
		return r;
	map_each(e, &c.marks.layers)
		strv_addf(ret, "sha256:%s", e->key);
	return 0;
}

/* --- remove --- */

static int remove_names(struct image_store *store, const struct strv *names,
			struct strv *ret_untagged, struct err *err)
{
	for (size_t i = 0; i < names->n; i++) {
		cleanup_image_ref struct image_ref ref = { 0 };
		int r = image_ref_parse(names->v[i], &ref, err);

		if (r == 0)
			r = image__ref_remove(store, &ref, err);
		if (r < 0)
			return r;
		if (ret_untagged)
			strv_add(ret_untagged, names->v[i]);
	}
	return 0;
}

/* The names of the manifest; `id` is the image's id, or the manifest where the config cannot be
 * read. */
static int names_of(struct image_store *store, const char *manifest, struct strv *names, char **id,
		    struct err *err)
{
	cleanup_refs struct ref_list refs = { 0 };
	cleanup_manifest struct manifest m = { 0 };
	struct err damaged = ERR_INIT;
	int r = image__refs_list(store, &refs, err);

	if (r < 0)
		return r;
	vec_each(ref, &refs.items)
		if (ref->name && str_eq(ref->manifest, manifest))
			strv_add(names, ref->name);
	if (image__manifest_load(store, manifest, &m, &damaged) < 0)
		err_done(&damaged);
	*id = xstrdup(m.config[0] ? m.config : manifest);
	return 0;
}

int image_remove(struct image_store *store, const char *name, bool force, const struct strv *in_use,
		 struct strv *ret_untagged, struct strv *ret_deleted, struct err *err)
{
	cleanup_strv struct strv names = { 0 }, gone = { 0 };
	cleanup_free char *id = NULL;
	char manifest[DIGEST_TEXT];
	bool is_ref;
	int r = image__resolve(store, name, manifest, &is_ref, err);

	if (r == 0)
		r = names_of(store, manifest, &names, &id, err);
	if (r < 0)
		return r;
	if (is_ref) {
		cleanup_image_ref struct image_ref ref = { 0 };

		r = image_ref_parse(name, &ref, err);
		if (r < 0)
			return r;
		strv_take(&gone, image_ref_familiar(&ref));
	} else if (names.n > 1 && !force) {
		cleanup_free char *list = strv_join(&names, ", ");

		return err_conflict(err,
				    "image '%s' has several names (%s); remove them, or use "
				    "force",
				    name, list);
	} else {
		strv_copy(&gone, &names);
	}
	r = remove_names(store, &gone, ret_untagged, err);
	if (r < 0 || names.n > gone.n)
		return r;
	r = image__ref_unkeep(store, manifest, err);
	if (r == 0)
		r = image__collect(store, in_use, err);
	if (r == 0 && ret_deleted)
		strv_take(ret_deleted, ptr_take(id));
	return r;
}

/* --- prune --- */

void image_pruned_done(struct image_pruned *p)
{
	strv_done(&p->untagged);
	strv_done(&p->deleted);
}

/* Takes the image's name, or what keeps it without one. */
static int let_go(struct image_store *store, const struct image_info *item,
		  const struct image_prune *options, struct image_pruned *ret, struct err *err)
{
	cleanup_strv struct strv one = { 0 };
	int r = 0;

	if (item->name) {
		strv_add(&one, item->name);
		strv_add(&ret->untagged, item->name);
	}
	if (!strv_has(&ret->deleted, item->id))
		strv_add(&ret->deleted, item->id);
	if (options->dry_run)
		return 0;
	r = remove_names(store, &one, NULL, err);
	return r < 0 ? r : image__ref_unkeep(store, item->manifest, err);
}

static bool has_label(const json_t *labels, const char *wanted)
{
	size_t len = strcspn(wanted, "=");
	cleanup_free char *name = xstrndup(wanted, len);
	const char *value = json_str(labels, name, NULL);

	return value && (!wanted[len] || str_eq(value, wanted + len + 1));
}

/* What the filters choose; all of them have to. */
static bool is_chosen(struct image_store *store, const struct image_info *item,
		      const struct image_prune *o)
{
	cleanup_image struct image image = { 0 };
	struct err damaged = ERR_INIT; /* then it has no labels */
	bool chosen = !o->until || item->created < o->until;

	if (!chosen || ((!o->labels || !o->labels->n) && (!o->not_labels || !o->not_labels->n)))
		return chosen;
	if (image__load_manifest(store, item->manifest, false, NULL, &image, &damaged) < 0)
		err_done(&damaged);
	for (size_t i = 0; o->labels && i < o->labels->n; i++)
		chosen = chosen && has_label(image.config.labels, o->labels->v[i]);
	for (size_t i = 0; o->not_labels && i < o->not_labels->n; i++)
		chosen = chosen && !has_label(image.config.labels, o->not_labels->v[i]);
	return chosen;
}

int image_prune(struct image_store *store, const struct image_prune *options,
		struct image_pruned *ret, struct err *err)
{
	cleanup(image_list_done) struct image_list list = { 0 };
	cleanup(collection_done) struct collection c = { .store = store,
							 .dry_run = options->dry_run };
	cleanup(image_pruned_done) struct image_pruned pruned = { 0 };
	cleanup_strv struct strv doomed = { 0 };
	int r = image_list(store, &list, err);

	vec_each(item, &list.items) {
		if (r < 0)
			break;
		if ((item->name && !options->all) ||
		    (options->keep_ids && strv_has(options->keep_ids, item->id)) ||
		    !is_chosen(store, item, options))
			continue;
		strv_add(&doomed, item->manifest);
		r = let_go(store, item, options, &pruned, err);
	}
	/* An image of several names, of which one stays, stays. */
	vec_each(item, &list.items)
		for (size_t i = doomed.n; i-- > 0 && item->name && !options->all;)
			if (str_eq(doomed.v[i], item->manifest))
				strv_remove(&doomed, i);
	if (r == 0)
		r = collect(&c, options->in_use, options->dry_run ? &doomed : NULL, err);
	if (r < 0)
		return r;
	pruned.freed = c.freed;
	*ret = pruned;
	pruned = (struct image_pruned){ 0 };
	return 0;
}
