/* image inspect, history, rm, verify: what is in the store. */
#include "cli/cli.h"
#include "cli/image-use.h"
#include "cli/listing.h"

#include "base/parse.h"

#include <stdio.h>

/* --- inspect, history --- */

static int print_json(const json_t *j)
{
	cleanup_free char *text = json_dumps(j, JSON_INDENT(4) | JSON_ENCODE_ANY);
	printf("%s\n", text);
	return 0;
}

struct inspect_args {
	const char *format;
};
static const struct option inspect_options[] = {
	{ 'f', "format", OPTION_TEXT, offsetof(struct inspect_args, format), "FORMAT", NULL,
	  "json (one object a line) or a TEMPLATE", 0 },
	{ .name = NULL },
};

/* A template asks for members by name; there is no table. */
static const struct listing_column no_columns[] = { { NULL, NULL } };

static int inspect_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct inspect_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_json json_t *out = json_array();
	int r = cli_image_store(cli, &store, err);
	for (size_t i = 0; r == 0 && i < args->n; i++) {
		cleanup_image struct image image = { 0 };
		r = image_find(store, args->v[i], &image, err);
		if (r == 0)
			json_array_append_new(out, image_inspect(&image));
	}
	if (r < 0)
		return r;
	if (!o->format)
		return print_json(out);
	return listing_print(&(struct listing){ .columns = no_columns, .rows = out }, o->format,
			     err);
}

const struct cmd cmd_image_inspect = {
	.name = "image inspect",
	.summary = "Show all that is known of images",
	.args = "IMAGE...",
	.options = inspect_options,
	.options_size = sizeof(struct inspect_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = inspect_run,
};

struct history_args {
	bool no_trunc, quiet;
	const char *format;
};
#define HISTORY(field) offsetof(struct history_args, field)
static const struct option history_options[] = {
	{ 0, "format", OPTION_TEXT, HISTORY(format), "FORMAT", "table",
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 0, "no-trunc", OPTION_FLAG, HISTORY(no_trunc), NULL, NULL, "Whole ids and commands", 0 },
	{ 'q', "quiet", OPTION_FLAG, HISTORY(quiet), NULL, NULL, "Only image ids", 0 },
	{ .name = NULL },
};
static const struct listing_column history_columns[] = {
	{ "IMAGE", "ID" },  { "CREATED", "CreatedSince" }, { "CREATED BY", "CreatedBy" },
	{ "SIZE", "Size" }, { "COMMENT", "Comment" },	   { NULL, NULL },
};

static json_t *history_row(const json_t *step, bool whole)
{
	enum { SHOWN = 45 };
	const char *by = json_str(step, "CreatedBy", ""), *id = json_str(step, "Id", "");
	const char *hex = str_after(id, "sha256:"), *created = json_str(step, "Created", "");
	size_t len = strlen(by);
	char age[AGE_TEXT];
	nsec_t when = 0;
	bool cut = !whole && len > SHOWN;
	if (cut)
		for (len = SHOWN - 3; len && ((unsigned char)by[len] & 0xC0) == 0x80; len--)
			; /* not in the middle of a character */
	cleanup_free char *shown = xasprintf("%.*s%s", (int)len, by, cut ? "..." : "");
	cleanup_free char *short_id = whole || !hex ? xstrdup(id) : xstrndup(hex, 12);
	cleanup_free char *size = format_size((uint64_t)json_int(step, "Size", 0));
	cleanup_free char *since = parse_rfc3339(created, &when) == 0
					   ? xasprintf("%s ago", format_age(now_wall() - when, age))
					   : xstrdup("N/A");
	cleanup_free char *seconds = strlen(created) > 20 && created[19] == '.'
					     ? xasprintf("%.19sZ", created)
					     : xstrdup(created);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "ID", short_id, "CreatedAt", seconds,
			 "CreatedSince", since, "CreatedBy", shown, "Size", size, "Comment",
			 json_str(step, "Comment", ""));
}

static int history_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct history_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_image struct image image = { 0 };
	int r = cli_image_store(cli, &store, err);
	if (r == 0)
		r = image_find(store, args->v[0], &image, err);
	if (r < 0)
		return r;
	cleanup_json json_t *history = image_history(store, &image), *rows = json_array();
	const json_t *step;
	size_t i;
	json_array_foreach(history, i, step) {
		json_t *shown = history_row(step, o->no_trunc);
		json_array_append_new(rows, shown);
		if (o->quiet)
			puts(json_str(shown, "ID", ""));
	}
	if (o->quiet)
		return 0;
	return listing_print(&(struct listing){ .columns = history_columns, .rows = rows },
			     o->format, err);
}

const struct cmd cmd_image_history = {
	.name = "image history",
	.summary = "The steps an image was made by",
	.args = "IMAGE",
	.options = history_options,
	.options_size = sizeof(struct history_args),
	.min_args = 1,
	.max_args = 1,
	.run = history_run,
};

/* --- rm --- */

struct rm_args {
	bool force;
};
static const struct option rm_options[] = {
	{ 'f', "force", OPTION_FLAG, offsetof(struct rm_args, force), NULL, NULL,
	  "Remove the name even when containers use the image", 0 },
	{ .name = NULL },
};

static void print_removed(const struct strv *untagged, const struct strv *deleted)
{
	for (size_t i = 0; i < untagged->n; i++)
		printf("Untagged: %s\n", untagged->v[i]);
	for (size_t i = 0; i < deleted->n; i++)
		printf("Deleted: %s\n", deleted->v[i]);
}

/* The last name of an image that a container uses is not taken from it. */
static int check_unused(struct image_store *store, const char *name, const struct image_use *use,
			struct err *err)
{
	cleanup_image struct image image = { 0 };
	int r = image_find(store, name, &image, err);
	if (r < 0)
		return r;
	for (size_t i = 0; image.names.n < 2 && i < use->containers.n; i++) {
		const char *container = str_after(use->containers.v[i], image.id);
		if (container)
			return err_new(err, ERR_CONFLICT, EBUSY,
				       "image '%s' is used by container '%s' (-f removes its name)",
				       name, container + 1);
	}
	return 0;
}

static int rm_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct rm_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(image_use_done) struct image_use use = { 0 };
	int r = cli_image_store(cli, &store, err);
	if (r == 0)
		r = image_use_load(cli, &use, err);
	for (size_t i = 0; r == 0 && i < args->n; i++) {
		cleanup_strv struct strv untagged = { 0 }, deleted = { 0 };
		if (!o->force)
			r = check_unused(store, args->v[i], &use, err);
		if (r == 0)
			r = image_remove(store, args->v[i], o->force, &use.layers, &untagged,
					 &deleted, err);
		print_removed(&untagged, &deleted);
	}
	return r;
}

const struct cmd cmd_image_rm = {
	.name = "image rm",
	.summary = "Remove images",
	.args = "IMAGE...",
	.options = rm_options,
	.options_size = sizeof(struct rm_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = rm_run,
};

/* --- verify --- */

struct verify_args {
	bool repair;
};
static const struct option verify_options[] = {
	{ 0, "repair", OPTION_FLAG, offsetof(struct verify_args, repair), NULL, NULL,
	  "Remove damaged blobs, make damaged layers again", 0 },
	{ .name = NULL },
};

static int verify_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct verify_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(image_damage_done) struct image_damage damage = { 0 };
	struct image_progress progress = { 0 };
	(void)args;
	int r = cli_image_store(cli, &store, err);
	if (r == 0)
		r = image_verify(store, o->repair, &progress, &damage, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < damage.blobs.n; i++)
		printf("damaged: %s%s\n", damage.blobs.v[i], o->repair ? " (removed)" : "");
	for (size_t i = 0; i < damage.layers.n; i++)
		printf("damaged layer: %s%s\n", damage.layers.v[i],
		       o->repair ? " (made again)" : "");
	if (damage.blobs.n && o->repair)
		return err_new(err, ERR_INPUT, EBADMSG,
			       "%zu damaged blobs: load or pull their images again",
			       damage.blobs.n);
	if ((damage.blobs.n || damage.layers.n) && !o->repair)
		return err_new(err, ERR_INPUT, EBADMSG,
			       "%zu damaged blobs, %zu damaged layers: --repair removes the blobs, "
			       "so that a pull or load brings them, and makes the layers again",
			       damage.blobs.n, damage.layers.n);
	if (!damage.layers.n)
		printf("every blob is what its digest says, and every layer what its blob says\n");
	return 0;
}

const struct cmd cmd_image_verify = {
	.name = "image verify",
	.summary = "Check every blob against its digest, every layer against its blob",
	.options = verify_options,
	.options_size = sizeof(struct verify_args),
	.run = verify_run,
};
