/* volume ls, inspect, create, rm: volumes whosever they are. */
#include "cli/listing.h"
#include "cli/volume-view.h"

#include "base/hash.h"

#include <stdio.h>

/* --- ls --- */

struct ls_args {
	bool quiet, size;
	struct strv filters;
	const char *format;
};

#define LS(field) offsetof(struct ls_args, field)
static const struct option ls_options[] = {
	{ 'f', "filter", OPTION_LIST, LS(filters), "FILTER", NULL,
	  "dangling=true|false, name=PART, label=KEY[=VALUE], driver=local, project=NAME", 0 },
	{ 0, "format", OPTION_TEXT, LS(format), "FORMAT", "table",
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 'q', "quiet", OPTION_FLAG, LS(quiet), NULL, NULL, "Only display volume names", 0 },
	{ 's', "size", OPTION_FLAG, LS(size), NULL, NULL,
	  "Also the space and the inodes they take up", 0 },
	{ .name = NULL },
};

static int ls_gather(struct cli *cli, const struct ls_args *o, json_t *rows, struct err *err)
{
	cleanup_volume_use struct volume_use use = { 0 };
	cleanup_strv struct strv names = { 0 };
	int r = volume_filter_check(&o->filters, err);

	if (r == 0)
		r = volume_use_load(cli, &use, err);
	if (r == 0)
		r = volume_list(cli->paths.root, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_volume struct volume v = { 0 };
		cleanup_err struct err gone = ERR_INIT;
		json_t *row;

		/* One that is removed meanwhile is not there. */
		if (volume_load(cli->paths.root, names.v[i], &v, &gone) < 0 ||
		    !volume_filter_match(&o->filters, &v, volume_use_next(&use, v.name, NULL)))
			continue;
		row = volume_row(&v, o->size, err);
		if (!row)
			return -err->no;
		json_array_append_new(rows, row);
	}
	return r;
}

static int ls_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct ls_args *o = options;
	cleanup_json json_t *rows = json_array();
	int r = ls_gather(cli, o, rows, err);

	(void)args;
	return r < 0 ? r : volume_rows_print(rows, o->quiet, o->size, o->format, err);
}

const struct cmd cmd_volume_ls = {
	.name = "volume ls",
	.summary = "List volumes",
	.details = "All volumes of this machine; `stave volumes` shows those of the project.",
	.options = ls_options,
	.options_size = sizeof(struct ls_args),
	.run = ls_run,
};

/* --- inspect --- */

struct inspect_args {
	const char *format;
	bool size;
};
#define INSPECT(field) offsetof(struct inspect_args, field)
static const struct option inspect_options[] = {
	{ 'f', "format", OPTION_TEXT, INSPECT(format), "FORMAT", NULL,
	  "json (one object a line) or a TEMPLATE", 0 },
	{ 's', "size", OPTION_FLAG, INSPECT(size), NULL, NULL,
	  "Also the space and the inodes it takes up, and how many containers use it", 0 },
	{ .name = NULL },
};

/* A template asks for members by name; there is no table. */
static const struct listing_column no_columns[] = { { NULL, NULL } };

static int inspect_gather(struct cli *cli, const struct inspect_args *o, const struct strv *args,
			  json_t *out, struct err *err)
{
	cleanup_volume_use struct volume_use use = { 0 };
	int r = o->size ? volume_use_load(cli, &use, err) : 0;

	for (size_t i = 0; r == 0 && i < args->n; i++) {
		cleanup_volume struct volume v = { 0 };
		const struct volume_user *user = NULL;
		int users = 0;
		json_t *j;

		r = volume_load(cli->paths.root, args->v[i], &v, err);
		if (r < 0)
			return r;
		while ((user = volume_use_next(&use, v.name, user)))
			users++;
		j = volume_inspect(&v, o->size, users, err);
		if (!j)
			return -err->no;
		json_array_append_new(out, j);
	}
	return r;
}

static int inspect_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct inspect_args *o = options;
	cleanup_json json_t *out = json_array();
	cleanup_free char *text = NULL;
	int r = inspect_gather(cli, o, args, out, err);

	if (r < 0)
		return r;
	if (o->format)
		return listing_print(&(struct listing){ .columns = no_columns, .rows = out },
				     o->format, err);
	text = json_dumps(out, JSON_INDENT(4));
	puts(text);
	return 0;
}

const struct cmd cmd_volume_inspect = {
	.name = "volume inspect",
	.summary = "Show all that is known of volumes",
	.args = "VOLUME...",
	.options = inspect_options,
	.options_size = sizeof(struct inspect_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = inspect_run,
};

/* --- create --- */

struct create_args {
	const char *driver;
	struct strv labels, options;
};
#define CREATE(field) offsetof(struct create_args, field)
static const struct option create_options[] = {
	{ 'd', "driver", OPTION_TEXT, CREATE(driver), "DRIVER", "local", "Volume driver", 0 },
	{ 0, "label", OPTION_LIST, CREATE(labels), "KEY[=VALUE]", NULL, "Label of the volume", 0 },
	{ 'o', "opt", OPTION_LIST, CREATE(options), "KEY=VALUE", NULL,
	  "Driver option: type, o and device of a bind (type=none, o=bind, device=/path); size=10g",
	  0 },
	{ .name = NULL },
};

/* "key=value" words; NULL without any. */
static json_t *pairs(const struct strv *words)
{
	json_t *j = words->n ? json_object() : NULL;

	for (size_t i = 0; i < words->n; i++) {
		const char *equals = strchr(words->v[i], '=');
		cleanup_free char *key = xstrndup(
			words->v[i], equals ? (size_t)(equals - words->v[i]) : strlen(words->v[i]));

		json_put_str(j, key, equals ? equals + 1 : "");
	}
	return j;
}

static int create_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct create_args *o = options;
	char random_name[65];
	cleanup_json json_t *labels = pairs(&o->labels), *opts = pairs(&o->options);
	struct volume want = { .name = args->n ? args->v[0] : random_name,
			       .driver = (char *)o->driver,
			       .anonymous = args->n == 0,
			       .labels = labels,
			       .options = opts };
	int r = 0;

	hex_random(random_name, sizeof(random_name) - 1);
	if (!cli->global.dry_run)
		r = volume_create(cli->paths.root, &want, NULL, NULL, err);
	if (r == 0)
		puts(want.name);
	return r;
}

const struct cmd cmd_volume_create = {
	.name = "volume create",
	.summary = "Create a volume",
	.args = "[NAME]",
	.options = create_options,
	.options_size = sizeof(struct create_args),
	.max_args = 1,
	.run = create_run,
};

/* --- rm --- */

struct rm_args {
	bool force;
};
static const struct option rm_options[] = {
	{ 'f', "force", OPTION_FLAG, offsetof(struct rm_args, force), NULL, NULL,
	  "One that does not exist is no error", 0 },
	{ .name = NULL },
};

static int rm_one(struct cli *cli, const struct volume_use *use, const char *name, bool force,
		  struct err *err)
{
	cleanup_volume struct volume v = { 0 };
	const struct volume_user *user;
	int r = volume_load(cli->paths.root, name, &v, err);

	if (r == -ENOENT && force) {
		err_done(err);
		return 0;
	}
	if (r < 0)
		return r;
	user = volume_use_next(use, name, NULL);
	if (user)
		return err_conflict(err,
				    "volume '%s' is in use by container '%s' of project '%s'%s",
				    name, user->name, user->project,
				    container_is_up(user->state) ? ", which is running" : "");
	if (!cli->global.dry_run)
		r = volume_remove(cli->paths.root, name, err);
	if (r == 0)
		puts(name);
	return r;
}

/* What can go goes; the first failure is told last. */
static int rm_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct rm_args *o = options;
	cleanup_volume_use struct volume_use use = { 0 };
	int r = volume_use_load(cli, &use, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < args->n; i++) {
		cleanup_err struct err one = ERR_INIT;
		if (rm_one(cli, &use, args->v[i], o->force, &one) < 0)
			r = cli_also_failed(cli, r, &one, err);
	}
	return r;
}

const struct cmd cmd_volume_rm = {
	.name = "volume rm",
	.summary = "Remove volumes and what is in them",
	.args = "VOLUME...",
	.options = rm_options,
	.options_size = sizeof(struct rm_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = rm_run,
};
