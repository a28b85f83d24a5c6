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
		if (!is_stopped(*c))
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

/* What no image stands on, which only a build would miss; with all images' layers, all of it. */
static int prune_build(struct pruning *p, struct err *err)
{
	cleanup_cache_list struct cache_list list = { 0 };
	bool said = false;
	int r = cache_list(p->cli->paths.root, &list, err);

	vec_each(item, &list.items) {
		if (r < 0)
			break;
		if (!p->what->all_images && (item->shared || item->mount))
			continue;
		heading("Deleted build cache:", &said);
		printf("%.12s %s\n", item->name, item->step);
		p->freed += item->shared ? 0 : item->bytes; /* a layer counts as one */
		if (!p->what->dry_run)
			r = cache_remove(p->cli->paths.root, item->name, err);
	}
	if (said)
		putchar('\n');
	return r;
}

/* --- images --- */

static int prune_images(struct pruning *p, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(image_use_done) struct image_use use = { 0 };
	cleanup_image_pruned struct image_pruned pruned = { 0 };
	struct image_prune options = { .all = p->what->all_images,
				       .dry_run = p->what->dry_run,
				       .keep_ids = &use.ids,
				       .in_use = &use.layers };
	int r = cli_image_store(p->cli, &store, err);

	if (r == 0)
		r = image_use_load_but(p->cli, &p->containers,
				       p->what->build && p->what->all_images, &use, err);
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
	return 0;
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
	if (r < 0)
		return r;
	size = format_size(p.freed);
	printf("Total %s space: %s\n", what->dry_run ? "reclaimable" : "reclaimed", size);
	return 0;
}
