#include "engine/usage.h"

#include "base/fs.h"
#include "base/usage.h"

#include <fcntl.h>
#include <fnmatch.h>

/* Whose a path below the root is, with all below it; the first that fits. What fits none is a
 * record, and is looked into. `item`: which component of the path (from 1) names the item, the one
 * before it in front when `pair`; 0: it is not listed. */
static const struct rule {
	const char *pattern;
	enum disk_owner owner;
	int item;
	bool pair;
} rules[] = {
	{ "blobs/sha256/*", DISK_BLOBS, 0, false },
	{ "blobs/tmp/*", DISK_TEMPORARY, 0, false },
	{ "layers/tmp-*", DISK_TEMPORARY, 0, false },
	{ "layers/*", DISK_LAYERS, 2, false },
	{ "volumes/*", DISK_VOLUMES, 2, false },
	{ "build", DISK_BUILD, 0, false },
	{ "projects/*/containers/*/*.json*", DISK_RECORDS, 0, false },
	{ "projects/*/containers/*/*", DISK_CONTAINERS, 4, false },
	{ "projects/*/slots/*/log*", DISK_LOGS, 4, true },
};

/* How deep a record may lie: beyond, everything is one. */
enum { RECORD_DEPTH_MAX = 6 };

struct walk {
	struct usage *usage;
	struct disk_usage *result;
};

void disk_usage_done(struct disk_usage *u)
{
	vec_each(item, &u->items)
		free(item->name);
	vec_done(&u->items);
}

/* The component of the path that names the item, e.g. "p/web-1" of "projects/p/slots/web-1/log". */
static char *item_name(const char *path, const struct rule *rule)
{
	cleanup_strv struct strv parts = strv_split(path, '/');

	if (rule->pair)
		return xasprintf("%s/%s", parts.v[1], parts.v[rule->item - 1]);
	return xstrdup(parts.v[rule->item - 1]);
}

static void add_item(struct disk_usage *u, enum disk_owner owner, char *name, uint64_t bytes)
{
	vec_each(item, &u->items)
		if (item->owner == owner && str_eq(item->name, name)) {
			item->bytes += bytes;
			free(name);
			return;
		}
	vec_push(&u->items, (struct disk_item){ owner, name, bytes });
}

static const struct rule *rule_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (fnmatch(rules[i].pattern, path, FNM_PATHNAME) == 0)
			return &rules[i];
	return NULL;
}

static int walk(struct walk *w, int dir, const char *path, int depth, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(dir, ".", &names, err);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		cleanup_free char *below =
			*path ? xasprintf("%s/%s", path, names.v[i]) : xstrdup(names.v[i]);
		const struct rule *rule = rule_of(below);
		enum disk_owner owner = rule ? rule->owner : DISK_RECORDS;
		uint64_t bytes = 0;
		cleanup_fd int sub = FD_NONE;
		struct stat st, here;

		if (!rule && depth < RECORD_DEPTH_MAX)
			sub = openat(dir, names.v[i],
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0 && fstat(sub, &st) == 0 && fstat(dir, &here) == 0 &&
		    st.st_dev == here.st_dev) {
			bytes = usage_count(w->usage, &st);
			r = walk(w, sub, below, depth + 1, err);
		} else if (sub < 0) {
			r = usage_add(w->usage, dir, names.v[i], &bytes, err);
		}
		w->result->bytes[owner] += bytes;
		if (rule && rule->item)
			add_item(w->result, owner, item_name(below, rule), bytes);
	}
	return r < 0 ? r : 0;
}

int disk_usage_load(const struct engine_paths *paths, struct disk_usage *ret, struct err *err)
{
	cleanup_usage struct usage *usage = usage_new();
	cleanup_disk_usage struct disk_usage result = { 0 };
	struct walk w = { usage, &result };
	cleanup_fd int root = openat(AT_FDCWD, paths->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (root < 0 && errno == ENOENT) {
		*ret = (struct disk_usage){ 0 };
		return 0;
	}
	if (root < 0 || fstat(root, &st) < 0)
		return err_sys(err, errno, "look at '%s'", paths->root);
	result.bytes[DISK_RECORDS] += usage_count(usage, &st);
	r = walk(&w, root, "", 0, err);
	if (r < 0)
		return r;
	*ret = result;
	result = (struct disk_usage){ 0 };
	return 0;
}

uint64_t disk_usage_of(const struct disk_usage *u, enum disk_owner owner, const char *name)
{
	vec_each(item, &u->items)
		if (item->owner == owner && str_eq(item->name, name))
			return item->bytes;
	return 0;
}
