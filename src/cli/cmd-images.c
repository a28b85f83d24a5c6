/* images: the images that the project's containers were made from. */
#include "cli/cli.h"
#include "cli/listing.h"

#include <stdio.h>

struct images_args {
	bool quiet;
	const char *format;
};

static const struct option images_options[] = {
	{ 0, "format", OPTION_TEXT, offsetof(struct images_args, format), "FORMAT", "table",
	  "Format the output: table or json", 0 },
	{ 'q', "quiet", OPTION_FLAG, offsetof(struct images_args, quiet), NULL, NULL,
	  "Only display IDs", 0 },
	{ .name = NULL },
};

static const struct listing_column columns[] = {
	{ "CONTAINER", "ContainerName" },
	{ "REPOSITORY", "Repository" },
	{ "TAG", "Tag" },
	{ "PLATFORM", "Platform" },
	{ "IMAGE ID", "ShortID" },
	{ "SIZE", "HumanSize" },
	{ "CREATED", "CreatedSince" },
	{ NULL, NULL },
};

static char *human_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)bytes;
	size_t unit = 0;
	for (; value >= 1000 && unit + 1 < ARRAY_SIZE(units); unit++)
		value /= 1000;
	return xasprintf("%.3g%s", value, units[unit]);
}

/* What the store still knows of the image; one that was removed by force leaves only its id. */
static json_t *row_for(struct image_store *store, const struct container *c)
{
	cleanup_image struct image image = { 0 };
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_err struct err gone = ERR_INIT, no_name = ERR_INIT, none = ERR_INIT;
	cleanup_free char *tagged_id = NULL;
	nsec_t tagged = 0;
	char created[RFC3339_TEXT], when[RFC3339_TEXT], age[AGE_TEXT];
	json_t *row = json_object();
	const char *hex = c->image_id ? str_after(c->image_id, "sha256:") : NULL;
	cleanup_free char *short_id = xstrndup(hex ? hex : "<none>", 12);
	cleanup_free char *repository = NULL;
	if (c->image && image_ref_parse(c->image, &ref, &no_name) == 0) {
		cleanup_free char *tag = ptr_take(ref.tag), *digest = ptr_take(ref.digest);
		repository = image_ref_familiar(&ref);
		ref.tag = ptr_take(tag);
	}
	if (c->image_id && image_find(store, c->image_id, &image, &gone) < 0)
		err_done(&gone);
	cleanup_free char *size = human_size(image.size);
	cleanup_free char *since =
		image.id ? xasprintf("%s ago", format_age(now_wall() - image.config.created, age))
			 : xstrdup("N/A");
	cleanup_free char *platform =
		image.id ? xasprintf("%s/%s", image.config.os ? image.config.os : "linux",
				     image.config.architecture ? image.config.architecture : "?")
			 : xstrdup("");
	json_put_str(row, "ID", c->image_id ? c->image_id : "");
	json_put_str(row, "ContainerName", c->name);
	json_put_str(row, "Repository", repository ? repository : "<none>");
	json_put_str(row, "Tag", ref.tag ? ref.tag : "<none>");
	json_put_str(row, "Platform", platform);
	json_put(row, "Size", json_integer((json_int_t)image.size));
	json_put_str(row, "Created", format_rfc3339(image.config.created, created));
	if (image_id(store, c->image ? c->image : "", &tagged_id, &tagged, &none) == 0)
		json_put_str(row, "LastTagTime", format_rfc3339(tagged, when));
	json_put_str(row, "ShortID", short_id);
	json_put_str(row, "HumanSize", size);
	json_put_str(row, "CreatedSince", since);
	return row;
}

/* Docker Compose's JSON has not what only the table shows. */
static void print_json(json_t *rows)
{
	static const char *const table_only[] = { "ShortID", "HumanSize", "CreatedSince" };
	json_t *row;
	size_t i;
	json_array_foreach(rows, i, row)
		for (size_t k = 0; k < ARRAY_SIZE(table_only); k++)
			json_object_del(row, table_only[k]);
	cleanup_free char *text = json_text(rows);
	puts(text);
}

static int images_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct images_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_containers struct containers found = { 0 };
	cleanup_json json_t *rows = json_array();
	cleanup_strv struct strv ids = { 0 };
	int r = cli_containers(cli, args, &found, err);
	if (r == 0)
		r = cli_image_store(cli, &store, err);
	if (r < 0)
		return r;
	vec_each(c, &found.items) {
		const char *hex = (*c)->image_id ? str_after((*c)->image_id, "sha256:") : NULL;
		if (o->quiet && hex && !strv_has(&ids, hex)) {
			strv_add(&ids, hex);
			puts(hex);
		}
		if (!o->quiet)
			json_array_append_new(rows, row_for(store, *c));
	}
	if (o->quiet)
		return 0;
	if (str_eq(o->format, "json")) {
		print_json(rows);
		return 0;
	}
	struct listing listing = { .columns = columns, .rows = rows };
	return listing_print(&listing, o->format, err);
}

const struct cmd cmd_images = {
	.name = "images",
	.summary = "List images used by the created containers",
	.args = "[SERVICE...]",
	.options = images_options,
	.options_size = sizeof(struct images_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = images_run,
};
