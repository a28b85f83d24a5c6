/* In this order: containers hold volumes and images, the build cache holds layers, so they go
 * first. A dry run counts those as gone that a real one would have removed. */
#include "cli/prune.h"

#include "base/parse.h"
#include "build/cache.h"
#include "cli/apply.h"
#include "cli/image-use.h"
#include "cli/volume-view.h"
#include "engine/usage.h"

#include <stdio.h>

struct pruning {
	struct cli *cli;
	const struct prune *what;
	struct disk_usage disk; /* before */
	struct strv containers; /* ids of those that go */
	uint64_t freed;
};

static void pruning_done(struct pruning *p)
{
	disk_usage_done(&p->disk);
	strv_done(&p->containers);
}

static bool is_stopped(const struct container *c)
{
	return c->state == CONTAINER_CREATED || c->state == CONTAINER_EXITED ||
	       c->state == CONTAINER_DEAD;
}

static bool has_label(const struct container *c, const char *wanted)
{
	size_t len = strcspn(wanted, "=");
	cleanup_free char *name = xstrndup(wanted, len);
	const char *value = json_str(c->labels, name, NULL);

	return value && (!wanted[len] || str_eq(value, wanted + len + 1));
}

static bool container_chosen(const struct container *c, const struct prune_filter *f)
{
	bool chosen = !f || !f->until || c->created < f->until;

	for (size_t i = 0; f && i < f->labels.n; i++)
		chosen = chosen && has_label(c, f->labels.v[i]);
	for (size_t i = 0; f && i < f->not_labels.n; i++)
		chosen = chosen && !has_label(c, f->not_labels.v[i]);
	return chosen;
}

static void heading(const char *text, bool *said)
{
	if (!*said)
		printf("%s\n", text);
	*said = true;
}

/* --- containers --- */

/* A project of which nothing else is left is taken down; of others the stopped containers go. */
static int prune_project(struct pruning *p, const char *project, bool *said, struct err *err)
{
	struct goal goal = { .kind = GOAL_DOWN };
	cleanup_containers struct containers found = { 0 };
	size_t stopped = 0;
	int r = state_containers(&p->cli->paths, project, &found, err);

	if (r < 0)
		return r;
	vec_each(c, &found.items) {
		if (!is_stopped(*c) || !container_chosen(*c, p->what->filter))
			continue;
		stopped++;
		heading("Deleted Containers:", said);
		printf("%s %s\n", (*c)->id, (*c)->name);
		strv_add(&p->containers, (*c)->id);
		p->freed += disk_usage_of(&p->disk, DISK_CONTAINERS, (*c)->id);
	}
	if (p->what->dry_run || !stopped)
		return 0;
	if (stopped < found.items.n)
		goal.kind = GOAL_RM;
	free(p->cli->project_name);
	p->cli->project_name = xstrdup(project);
	return apply_goal(p->cli, &goal, err);
}

static int prune_containers(struct pruning *p, struct err *err)
{
	cleanup_strv struct strv projects = { 0 };
	bool said = false;
	int r = state_projects(&p->cli->paths, &projects, err);

	for (size_t i = 0; r >= 0 && i < projects.n; i++)
		r = prune_project(p, projects.v[i], &said, err);
	if (said)
		putchar('\n');
	return r < 0 ? r : 0;
}

/* --- volumes --- */

static bool is_used(const struct pruning *p, const struct volume_use *use, const char *volume)
{
	const struct volume_user *user = NULL;

	while ((user = volume_use_next(use, volume, user)))
		if (!strv_has(&p->containers, user->id))
			return true;
	return false;
}

static bool volume_goes(const struct pruning *p, const struct volume_use *use,
			const struct volume *v)
{
	if (is_used(p, use, v->name) || !(v->anonymous || p->what->named_volumes))
		return false;
	return !p->what->volume_filters || volume_filter_match(p->what->volume_filters, v, false);
}

static int prune_volumes(struct pruning *p, struct err *err)
{
	cleanup_volume_use struct volume_use use = { 0 };
	cleanup_strv struct strv names = { 0 };
	bool said = false;
	int r = volume_use_load(p->cli, &use, err);

	if (r == 0)
		r = volume_list(p->cli->paths.root, &names, err);
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		cleanup_volume struct volume v = { 0 };
		cleanup_err struct err gone = ERR_INIT; /* one that is removed meanwhile */
		uint64_t bytes = 0, inodes;

		if (volume_load(p->cli->paths.root, names.v[i], &v, &gone) < 0 ||
		    !volume_goes(p, &use, &v))
			continue;
		heading("Deleted Volumes:", &said);
		printf("%s\n", v.name);
		/* The data of a bind stay where they are. */
		if (!volume_is_bind(&v) && volume_usage(&v, &bytes, &inodes, &gone) == 0)
			p->freed += bytes;
		if (!p->what->dry_run)
			r = volume_remove(p->cli->paths.root, v.name, err);
	}
	if (said)
		putchar('\n');
	return r < 0 ? r : 0;
}

/* --- the build cache --- */

/* Of an entry the step before it may be another machine's: there is no chain of them to keep. */
static bool entry_goes(const struct pruning *p, const struct cache_item *item,
		       const struct strv *held)
{
	const struct prune_filter *f = p->what->filter;

	if (f && f->until && item->last_use >= f->until)
		return false;
	return p->what->all_build || (!item->mount && !strv_has(held, item->chain));
}

/* What no image stands on, which only a build would miss; or all of it. */
static int prune_build(struct pruning *p, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_cache_list struct cache_list list = { 0 };
	cleanup_strv struct strv held = { 0 };
	bool said = false;
	uint64_t left = 0;
	int r = cache_list(p->cli->paths.root, &list, err);

	if (r == 0)
		r = cli_image_store(p->cli, &store, err);
	if (r == 0)
		r = image_layer_ids(store, &held, err);
	vec_each(item, &list.items)
		left += strv_has(&held, item->chain) ? 0 : item->bytes;
	vec_each(item, &list.items) {
		bool shared = strv_has(&held, item->chain);

		if (r < 0 || (p->what->keep_bytes && left <= p->what->keep_bytes))
			break;
		if (!entry_goes(p, item, &held))
			continue;
		heading("Deleted build cache:", &said);
		printf("%.12s %s\n", item->name, item->step);
		left -= shared ? 0 : item->bytes;
		/* A layer of the store counts when the store is collected. */
		if (!item->chain[0] || (p->what->dry_run && !p->what->images && !shared))
			p->freed += item->bytes;
		if (!p->what->dry_run)
			r = cache_remove(p->cli->paths.root, item->name, err);
	}
	if (said)
		putchar('\n');
	return r;
}

/* Layers that only the build cache still has. */
static int say_what_stays(struct pruning *p, struct image_store *store, struct err *err)
{
	cleanup_cache_list struct cache_list list = { 0 };
	cleanup_strv struct strv held = { 0 };
	cleanup_free char *size = NULL;
	uint64_t bytes = 0;
	int r = cache_list(p->cli->paths.root, &list, err);

	if (r == 0)
		r = image_layer_ids(store, &held, err);
	vec_each(item, &list.items)
		bytes += item->mount || strv_has(&held, item->chain) ? 0 : item->bytes;
	size = format_size(bytes);
	if (r == 0 && bytes)
		fprintf(stderr,
			"The build cache keeps %s of layers that no image has; '%s builder prune' "
			"frees them.\n",
			size, p->cli->program);
	return r;
}

/* --- images --- */

static int prune_images(struct pruning *p, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(image_use_done) struct image_use use = { 0 };
	cleanup_image_pruned struct image_pruned pruned = { 0 };
	const struct prune_filter *f = p->what->filter;
	struct image_prune options = { .all = p->what->all_images,
				       .dry_run = p->what->dry_run,
				       .keep_ids = &use.ids,
				       .in_use = &use.layers,
				       .until = f ? f->until : 0,
				       .labels = f ? &f->labels : NULL,
				       .not_labels = f ? &f->not_labels : NULL };
	int r = cli_image_store(p->cli, &store, err);

	if (r == 0)
		r = image_use_load_but(p->cli, &p->containers,
				       p->what->build && p->what->all_build &&
					       !p->what->keep_bytes && !(f && f->until),
				       &use, err);
	if (r == 0)
		r = image_prune(store, &options, &pruned, err);
	if (r < 0)
		return r;
	if (pruned.untagged.n || pruned.deleted.n)
		printf("Deleted Images:\n");
	for (size_t i = 0; i < pruned.untagged.n; i++)
		printf("Untagged: %s\n", pruned.untagged.v[i]);
	for (size_t i = 0; i < pruned.deleted.n; i++)
		printf("Deleted: %s\n", pruned.deleted.v[i]);
	if (pruned.untagged.n || pruned.deleted.n)
		putchar('\n');
	p->freed += pruned.freed.blobs + pruned.freed.layers + pruned.freed.temporary;
	return p->what->build || p->what->dry_run ? 0 : say_what_stays(p, store, err);
}

/* The layers of entries that went. */
static int collect(struct pruning *p, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_disk_usage struct disk_usage before = { 0 }, after = { 0 };
	cleanup(image_use_done) struct image_use use = { 0 };
	int r = disk_usage_load(&p->cli->paths, &before, err);

	if (r == 0)
		r = cli_image_store(p->cli, &store, err);
	if (r == 0)
		r = image_use_load(p->cli, &use, err);
	if (r == 0)
		r = image_collect(store, &use.layers, err);
	if (r == 0)
		r = disk_usage_load(&p->cli->paths, &after, err);
	if (r == 0)
		p->freed += before.bytes[DISK_BLOBS] + before.bytes[DISK_LAYERS] -
			    after.bytes[DISK_BLOBS] - after.bytes[DISK_LAYERS];
	return r;
}

int prune_run(struct cli *cli, const struct prune *what, struct err *err)
{
	cleanup(pruning_done) struct pruning p = { .cli = cli, .what = what };
	cleanup_free char *size = NULL;
	int r = what->containers ? cli_need_root(err) : 0;

	if (r == 0 && what->containers)
		r = disk_usage_load(&cli->paths, &p.disk, err);
	if (r == 0 && what->containers)
		r = prune_containers(&p, err);
	if (r == 0 && what->volumes)
		r = prune_volumes(&p, err);
	if (r == 0 && what->build)
		r = prune_build(&p, err);
	if (r == 0 && what->images)
		r = prune_images(&p, err);
	else if (r == 0 && what->build && !what->dry_run)
		r = collect(&p, err);
	if (r < 0)
		return r;
	size = format_size(p.freed);
	printf("Total %s space: %s\n", what->dry_run ? "reclaimable" : "reclaimed", size);
	return 0;
}

int prune_build_cache(struct cli *cli, struct image_store *store, struct err *err)
{
	cleanup_strv struct strv held = { 0 };
	cleanup(image_use_done) struct image_use use = { 0 };
	uint64_t limit, freed;
	bool layers = false;
	int r = cache_limit(&limit, err);

	if (r == 0)
		r = image_layer_ids(store, &held, err);
	if (r == 0)
		r = cache_collect(cli->paths.root, limit, &held, &freed, &layers, err);
	if (r < 0 || !layers)
		return r;
	r = image_use_load(cli, &use, err);
	return r < 0 ? r : image_collect(store, &use.layers, err);
}
