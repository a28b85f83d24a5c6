/* References as files: refs/<registry>/<repository>/:<tag> holds the digest of a manifest and, on a
 * second line, the digest that the registry knows it by where that is another one (an index). The
 * colon (or '@' for a digest) keeps a tag apart from a longer repository with the same beginning.
 * Images without a name have their root in refs/@/<manifest hex>. */
#include "base/fs.h"
#include "image/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#define UNTAGGED_DIR "@"
enum {
	REF_FILE_MAX = 512,
	REF_DEPTH_MAX = 130, /* a repository has at most 128 components in its 255 bytes */
	REFS_MAX = 100000,
};

void image__refs_done(struct ref_list *list)
{
	vec_each(item, &list->items)
		free(item->name);
	vec_done(&list->items);
}

static char *ref_dir(const struct image_ref *ref)
{
	return xasprintf("%s/%s", ref->registry, ref->repository);
}

static char *ref_path(const struct image_ref *ref)
{
	cleanup_free char *dir = ref_dir(ref);

	if (ref->digest)
		return xasprintf("%s/@%s", dir, ref->digest);
	return xasprintf("%s/:%s", dir, ref->tag);
}

static int read_entry(int dir, const char *path, struct ref_entry *ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_strv struct strv lines = { 0 };
	int r = fs_read(dir, path, REF_FILE_MAX, &text, err);

	if (r < 0)
		return r;
	lines = strv_split(str_text(&text), '\n');
	if (lines.n < 2 || !image__digest_ok(lines.v[0]))
		return err_input(err, "the reference file '%s' is damaged", path);
	memcpy(ret->manifest, lines.v[0], DIGEST_TEXT);
	ret->remote[0] = '\0';
	if (image__digest_ok(lines.v[1]))
		memcpy(ret->remote, lines.v[1], DIGEST_TEXT);
	return 0;
}

int image__ref_read(struct image_store *store, const struct image_ref *ref, struct ref_entry *ret,
		    struct err *err)
{
	cleanup_free char *path = ref_path(ref);
	cleanup_free char *name = image_ref_familiar(ref);
	int r = read_entry(store->refs, path, ret, err);

	if (r == -ENOENT || r == -ENOTDIR) {
		err_done(err);
		return err_not_found(err, "image '%s' is not in the store", name);
	}
	if (r == 0)
		ret->name = ptr_take(name);
	return r;
}

nsec_t image__ref_time(struct image_store *store, const struct image_ref *ref)
{
	cleanup_free char *path = ref_path(ref);
	struct stat st;

	if (fstatat(store->refs, path, &st, 0) < 0)
		return 0;
	return st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
}

/* The familiar name that belongs to a file below refs/. NULL: not one of ours. */
static char *name_of(const char *dir, const char *file)
{
	cleanup_image_ref struct image_ref ref = { 0 };
	struct err ignored = ERR_INIT;
	cleanup_free char *text = xasprintf("%s%s", dir, file);

	if (image_ref_parse(text, &ref, &ignored) < 0) {
		err_done(&ignored);
		return NULL;
	}
	return image_ref_familiar(&ref);
}

static int list_dir(struct image_store *store, const char *path, int depth, struct ref_list *list,
		    struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(store->refs, path, &names, err);

	if (r < 0)
		return r;
	if (depth > REF_DEPTH_MAX)
		return err_input(err, "the references of '%s' are nested too deeply", store->root);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		const char *name = names.v[i];
		cleanup_free char *child =
			str_eq(path, ".") ? xstrdup(name) : xasprintf("%s/%s", path, name);
		struct ref_entry entry = { 0 };
		bool root = str_eq(path, UNTAGGED_DIR);

		if (*name == '.')
			continue; /* temporary */
		if (*name != ':' && !(*name == '@' && name[1]) && !root) {
			r = list_dir(store, child, depth + 1, list, err);
			continue;
		}
		r = read_entry(store->refs, child, &entry, err);
		if (r == -ENOENT) { /* removed since the directory was read */
			err_done(err);
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		entry.name = root ? NULL : name_of(path, name);
		if (list->items.n >= REFS_MAX) {
			free(entry.name);
			return err_input(err, "more than %d image references", REFS_MAX);
		}
		vec_push(&list->items, entry);
	}
	return r;
}

int image__refs_list(struct image_store *store, struct ref_list *ret, struct err *err)
{
	cleanup_refs struct ref_list list = { 0 };
	int r = list_dir(store, ".", 0, &list, err);

	if (r < 0)
		return r;
	*ret = list;
	list = (struct ref_list){ 0 };
	return 0;
}

int image__ref_keep(struct image_store *store, const char *manifest, struct err *err)
{
	cleanup_free char *path = xasprintf(UNTAGGED_DIR "/%s", image__hex(manifest));
	cleanup_free char *text = xasprintf("%s\n", manifest);
	int r = fs_mkdirs(store->refs, UNTAGGED_DIR, 0700, err);

	if (r < 0)
		return r;
	return fs_write_atomic(store->refs, path, text, strlen(text), 0600, FS_SYNC, err);
}

int image__ref_unkeep(struct image_store *store, const char *manifest, struct err *err)
{
	cleanup_free char *path = xasprintf(UNTAGGED_DIR "/%s", image__hex(manifest));

	if (unlinkat(store->refs, path, 0) < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(err, errno, "remove the reference '%s'", path);
	return 0;
}

/* How many references (the untagged root not counted) point at the manifest. */
static int count_names(struct image_store *store, const char *manifest, struct err *err)
{
	cleanup_refs struct ref_list list = { 0 };
	int r = image__refs_list(store, &list, err), count = 0;

	if (r < 0)
		return r;
	vec_each(item, &list.items)
		if (item->name && str_eq(item->manifest, manifest))
			count++;
	return count;
}

int image__ref_write(struct image_store *store, const struct image_ref *ref, const char *manifest,
		     const char *remote, struct err *err)
{
	cleanup_free char *dir = ref_dir(ref), *path = ref_path(ref);
	cleanup_free char *text = xasprintf("%s\n%s%s", manifest, remote ? remote : "",
					    remote && *remote ? "\n" : "");
	struct ref_entry old = { 0 };
	struct err ignored = ERR_INIT;
	int r;

	r = image__ref_read(store, ref, &old, &ignored);
	free(old.name);
	err_done(&ignored);
	if (r == 0 && !str_eq(old.manifest, manifest)) {
		int names = count_names(store, old.manifest, err);

		if (names < 0)
			return names;
		if (names == 1 && (r = image__ref_keep(store, old.manifest, err)) < 0)
			return r;
	}
	r = fs_mkdirs(store->refs, dir, 0700, err);
	if (r < 0)
		return r;
	r = fs_write_atomic(store->refs, path, text, strlen(text), 0600, FS_SYNC, err);
	return r < 0 ? r : image__ref_unkeep(store, manifest, err);
}

int image__ref_remove(struct image_store *store, const struct image_ref *ref, struct err *err)
{
	cleanup_free char *path = ref_path(ref), *dir = ref_dir(ref);

	if (unlinkat(store->refs, path, 0) < 0) {
		cleanup_free char *name = image_ref_familiar(ref);

		if (errno == ENOENT || errno == ENOTDIR)
			return err_not_found(err, "image '%s' is not in the store", name);
		return err_sys(err, errno, "remove the reference '%s'", name);
	}
	/* Directories that became empty; the first that is not ends the walk. */
	while (strcmp(dir, ".") != 0 && unlinkat(store->refs, dir, AT_REMOVEDIR) == 0) {
		char *up = path_dir(dir);

		free(dir);
		dir = up;
	}
	return 0;
}
