/* system df: what takes up the disk, and what of it could go. */
#include "cli/cli.h"
#include "cli/image-use.h"
#include "cli/listing.h"

#include "base/parse.h"
#include "build/cache.h"
#include "engine/usage.h"
#include "volume/volume.h"

#include <stdio.h>

struct df_args {
	bool verbose;
	const char *format;
};
#define O(field) offsetof(struct df_args, field)
static const struct option df_options[] = {
	{ 0, "format", OPTION_TEXT, O(format), "FORMAT", NULL,
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 'v', "verbose", OPTION_FLAG, O(verbose), NULL, NULL, "Each image, container and so on",
	  0 },
	{ .name = NULL },
};
#undef O

/* Everything that there is to say. */
struct df {
	struct cli *cli;
	struct disk_usage disk;
	struct image_use use;
	struct image_list images;
	struct image_freed unused; /* what `image prune -a` would free */
	json_t *types, *image_rows, *container_rows, *volume_rows, *build_rows, *log_rows;
	struct strv mounted; /* volumes of containers, each as often as it is mounted */
};

static void df_done(struct df *d)
{
	disk_usage_done(&d->disk);
	image_use_done(&d->use);
	image_list_done(&d->images);
	json_decref(d->types);
	json_decref(d->image_rows);
	json_decref(d->container_rows);
	json_decref(d->volume_rows);
	json_decref(d->build_rows);
	json_decref(d->log_rows);
	strv_done(&d->mounted);
}

static void add_type(struct df *d, const char *name, size_t total, size_t active, uint64_t bytes,
		     uint64_t reclaimable)
{
	cleanup_free char *size = format_size(bytes), *freed = format_size(reclaimable);
	cleanup_free char *share =
		bytes ? xasprintf("%s (%d%%)", freed, (int)(reclaimable * 100 / bytes))
		      : xstrdup(freed);
	cleanup_free char *n = xasprintf("%zu", total), *of = xasprintf("%zu", active);

	json_array_append_new(d->types, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "Type",
						  name, "TotalCount", n, "Active", of, "Size", size,
						  "Reclaimable", share, "Bytes", (json_int_t)bytes,
						  "ReclaimableBytes", (json_int_t)reclaimable));
}

/* --- images --- */

static int look_at_images(struct df *d, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_image_pruned struct image_pruned would = { 0 };
	struct image_prune all = {
		.all = true, .dry_run = true, .keep_ids = &d->use.ids, .in_use = &d->use.layers
	};
	int r = cli_image_store(d->cli, &store, err);

	if (r == 0)
		r = image_use_load(d->cli, &d->use, err);
	if (r == 0)
		r = image_list(store, &d->images, err);
	if (r == 0)
		r = image_prune(store, &all, &would, err);
	d->unused = would.freed;
	return r;
}

static int containers_of(const struct df *d, const char *id)
{
	int n = 0;

	for (size_t i = 0; i < d->use.containers.n; i++)
		n += str_starts(d->use.containers.v[i], id);
	return n;
}

static void add_images(struct df *d)
{
	uint64_t bytes = d->disk.bytes[DISK_BLOBS] + d->disk.bytes[DISK_LAYERS];
	uint64_t unused = d->unused.blobs + d->unused.layers;
	cleanup_strv struct strv ids = { 0 };
	size_t active = 0;

	vec_each(image, &d->images.items) {
		cleanup_free char *size = format_size(image->size);
		const char *hex = str_after(image->id, "sha256:");
		cleanup_free char *id = xasprintf("%.12s", hex ? hex : image->id);
		int users = containers_of(d, image->id);

		json_array_append_new(d->image_rows,
				      json_pack("{s:s, s:s, s:s, s:i, s:I}", "Name",
						image->name ? image->name : "<none>", "ID", id,
						"Size", size, "Containers", users, "Bytes",
						(json_int_t)image->size));
		if (strv_has(&ids, image->id))
			continue;
		strv_add(&ids, image->id);
		active += users > 0;
	}
	add_type(d, "Images", ids.n, active, bytes, unused < bytes ? unused : bytes);
}

/* --- containers, volumes, logs --- */

static void add_container(struct df *d, const struct container *c, size_t *active,
			  uint64_t *reclaimable)
{
	uint64_t bytes = disk_usage_of(&d->disk, DISK_CONTAINERS, c->id);
	cleanup_free char *size = format_size(bytes);
	bool runs = c->state != CONTAINER_CREATED && c->state != CONTAINER_EXITED &&
		    c->state != CONTAINER_DEAD;

	*active += runs;
	*reclaimable += runs ? 0 : bytes;
	json_array_append_new(d->container_rows,
			      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "ID", c->id, "Names",
					c->name, "Image", c->image ? c->image : "", "Status",
					container_state_name(c->state), "Project", c->project,
					"Size", size, "Bytes", (json_int_t)bytes));
	vec_each(v, &c->volumes)
		if (v->name)
			strv_add(&d->mounted, v->name);
}

static int add_containers(struct df *d, struct err *err)
{
	cleanup_strv struct strv projects = { 0 };
	size_t total = 0, active = 0;
	uint64_t reclaimable = 0;
	int r = state_projects(&d->cli->paths, &projects, err);

	for (size_t i = 0; r >= 0 && i < projects.n; i++) {
		cleanup_containers struct containers found = { 0 };

		r = state_containers(&d->cli->paths, projects.v[i], &found, err);
		total += found.items.n;
		vec_each(c, &found.items)
			add_container(d, *c, &active, &reclaimable);
	}
	add_type(d, "Containers", total, active, d->disk.bytes[DISK_CONTAINERS], reclaimable);
	return r < 0 ? r : 0;
}

static void add_volumes(struct df *d)
{
	uint64_t reclaimable = 0;
	size_t total = 0, active = 0;

	vec_each(item, &d->disk.items) {
		cleanup_free char *size = format_size(item->bytes);
		int links = 0;

		if (item->owner != DISK_VOLUMES)
			continue;
		for (size_t i = 0; i < d->mounted.n; i++)
			links += str_eq(d->mounted.v[i], item->name);
		total++;
		active += links > 0;
		reclaimable += links ? 0 : item->bytes;
		json_array_append_new(d->volume_rows,
				      json_pack("{s:s, s:i, s:s, s:I}", "Name", item->name, "Links",
						links, "Size", size, "Bytes",
						(json_int_t)item->bytes));
	}
	add_type(d, "Local Volumes", total, active, d->disk.bytes[DISK_VOLUMES], reclaimable);
}

static void add_logs(struct df *d)
{
	size_t total = 0;

	vec_each(item, &d->disk.items) {
		cleanup_free char *size = format_size(item->bytes);

		if (item->owner != DISK_LOGS)
			continue;
		total++;
		json_array_append_new(d->log_rows,
				      json_pack("{s:s, s:s, s:I}", "Name", item->name, "Size", size,
						"Bytes", (json_int_t)item->bytes));
	}
	add_type(d, "Logs", total, total, d->disk.bytes[DISK_LOGS], 0);
}

/* Entries whose tree is a layer take up nothing here: it counts with the images. */
static int add_build(struct df *d, struct err *err)
{
	cleanup_cache_list struct cache_list list = { 0 };
	uint64_t bytes = d->disk.bytes[DISK_BUILD];
	int r = cache_list(d->cli->paths.root, &list, err);

	if (r < 0)
		return r;
	vec_each(item, &list.items) {
		cleanup_free char *size = format_size(item->bytes);
		char used[RFC3339_TEXT], created[RFC3339_TEXT];

		json_array_append_new(d->build_rows,
				      json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:I}", "ID",
						item->name, "CacheType",
						item->mount ? "exec.cachemount" : "regular",
						"Description", item->step, "Size", size, "Shared",
						item->chain[0] != 0, "CreatedAt",
						format_rfc3339(item->created, created),
						"LastUsedAt", format_rfc3339(item->last_use, used),
						"Bytes", (json_int_t)item->bytes));
	}
	add_type(d, "Build Cache", list.items.n, 0, bytes, bytes);
	return 0;
}

/* --- all of it --- */

static int gather(struct df *d, struct err *err)
{
	int r = look_at_images(d, err);

	/* After the store was opened, which makes its directories. */
	if (r == 0)
		r = disk_usage_load(&d->cli->paths, &d->disk, err);
	if (r < 0)
		return r;
	add_images(d);
	r = add_containers(d, err);
	if (r < 0)
		return r;
	add_volumes(d);
	r = add_build(d, err);
	if (r < 0)
		return r;
	add_logs(d);
	add_type(d, "Temporary", 0, 0, d->disk.bytes[DISK_TEMPORARY], d->unused.temporary);
	add_type(d, "Records", 0, 0, d->disk.bytes[DISK_RECORDS], 0);
	return 0;
}

static int print_verbose(const struct df *d, struct err *err)
{
	static const struct listing_column images[] = {
		{ "IMAGE", "Name" }, { "IMAGE ID", "ID" },
		{ "SIZE", "Size" },  { "CONTAINERS", "Containers" },
		{ NULL, NULL },
	};
	static const struct listing_column containers[] = {
		{ "NAME", "Names" },	  { "IMAGE", "Image" }, { "STATUS", "Status" },
		{ "PROJECT", "Project" }, { "SIZE", "Size" },	{ NULL, NULL },
	};
	static const struct listing_column volumes[] = {
		{ "VOLUME NAME", "Name" }, { "LINKS", "Links" }, { "SIZE", "Size" }, { NULL, NULL }
	};
	static const struct listing_column build[] = {
		{ "CACHE ID", "ID" },	   { "SIZE", "Size" }, { "LAST USED", "LastUsedAt" },
		{ "STEP", "Description" }, { NULL, NULL },
	};
	static const struct listing_column logs[] = { { "LOG", "Name" },
						      { "SIZE", "Size" },
						      { NULL, NULL } };
	const struct {
		const char *title;
		struct listing listing;
	} parts[] = {
		{ "Images", { .columns = images, .rows = d->image_rows } },
		{ "\nContainers", { .columns = containers, .rows = d->container_rows } },
		{ "\nLocal Volumes", { .columns = volumes, .rows = d->volume_rows } },
		{ "\nBuild Cache", { .columns = build, .rows = d->build_rows } },
		{ "\nLogs", { .columns = logs, .rows = d->log_rows } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r;

		printf("%s space usage:\n\n", parts[i].title);
		r = listing_print(&parts[i].listing, "table", err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int print(const struct df *d, const struct df_args *o, struct err *err)
{
	static const struct listing_column columns[] = {
		{ "TYPE", "Type" }, { "TOTAL", "TotalCount" },	      { "ACTIVE", "Active" },
		{ "SIZE", "Size" }, { "RECLAIMABLE", "Reclaimable" }, { NULL, NULL },
	};
	struct listing listing = { .columns = columns, .rows = d->types };

	if (!o->verbose)
		return listing_print(&listing, o->format, err);
	if (!o->format || str_eq(o->format, "table"))
		return print_verbose(d, err);
	if (!str_eq(o->format, "json"))
		return err_usage(err, "-v has no other format than table and json");
	cleanup_json json_t *all =
		json_pack("{s:O, s:O, s:O, s:O, s:O, s:O}", "Images", d->image_rows, "Containers",
			  d->container_rows, "Volumes", d->volume_rows, "BuildCache", d->build_rows,
			  "Logs", d->log_rows, "Types", d->types);
	cleanup_free char *text = json_text(all);

	puts(text);
	return 0;
}

static int df_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	cleanup(df_done) struct df d = { .cli = cli,
					 .types = json_array(),
					 .image_rows = json_array(),
					 .container_rows = json_array(),
					 .volume_rows = json_array(),
					 .build_rows = json_array(),
					 .log_rows = json_array() };
	int r = gather(&d, err);

	(void)args;
	return r < 0 ? r : print(&d, options, err);
}

const struct cmd cmd_system_df = {
	.name = "system df",
	.summary = "What takes up the disk",
	.details = "Every byte below STAVE_ROOT is in one row; their sum is what du says.",
	.options = df_options,
	.options_size = sizeof(struct df_args),
	.run = df_run,
};
