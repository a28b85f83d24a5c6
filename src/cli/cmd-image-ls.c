/* image ls: what is in the store, one line for each name. */
#include "cli/cli.h"
#include "cli/listing.h"

#include "base/parse.h"

#include <fnmatch.h>
#include <stdio.h>

struct ls_args {
	bool quiet, no_trunc, all, digests;
	const char *format;
	struct strv filters;
};

#define LS(field) offsetof(struct ls_args, field)
static const struct option ls_options[] = {
	{ 'a', "all", OPTION_FLAG, LS(all), NULL, NULL, "Accepted for compatibility",
	  OPTION_HIDDEN },
	{ 0, "digests", OPTION_FLAG, LS(digests), NULL, NULL, "Show digests", 0 },
	{ 'f', "filter", OPTION_LIST, LS(filters), "FILTER", NULL,
	  "Only what fits: reference=PATTERN, dangling=BOOL, label=NAME[=VALUE], before=IMAGE, "
	  "since=IMAGE, until=TIME",
	  0 },
	{ 0, "format", OPTION_TEXT, LS(format), "FORMAT", "table",
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 0, "no-trunc", OPTION_FLAG, LS(no_trunc), NULL, NULL, "Whole image ids", 0 },
	{ 'q', "quiet", OPTION_FLAG, LS(quiet), NULL, NULL, "Only image ids", 0 },
	{ .name = NULL },
};

static const struct listing_column columns[] = {
	{ "REPOSITORY", "Repository" }, { "TAG", "Tag" },   { "IMAGE ID", "ID" },
	{ "CREATED", "CreatedSince" },	{ "SIZE", "Size" }, { NULL, NULL },
};

static const struct listing_column digest_columns[] = {
	{ "REPOSITORY", "Repository" },
	{ "TAG", "Tag" },
	{ "DIGEST", "Digest" },
	{ "IMAGE ID", "ID" },
	{ "CREATED", "CreatedSince" },
	{ "SIZE", "Size" },
	{ NULL, NULL },
};

/* --- filters --- */

/* Kinds are joined by "and", several of one kind by "or", labels by "and", as with Docker. */
struct filter {
	struct strv references, labels;
	bool has_dangling, dangling;
	nsec_t before, since; /* wall; 0: not given */
};

static void filter_done(struct filter *f)
{
	strv_done(&f->references);
	strv_done(&f->labels);
}

/* When an image was made. */
static int created(struct image_store *store, const char *name, nsec_t *ret, struct err *err)
{
	cleanup_image struct image image = { 0 };
	int r = image_find(store, name, &image, err);
	if (r == 0)
		*ret = image.config.created;
	return r;
}

/* "2024-05-01T10:00:00Z", or as long ago as "24h". */
static int point(const char *text, nsec_t *ret, struct err *err)
{
	nsec_t ago;
	if (parse_rfc3339(text, ret) == 0)
		return 0;
	if (parse_duration(text, &ago) < 0)
		return err_usage(err, "filter until: '%s' is not a time", text);
	*ret = now_wall() - ago;
	return 0;
}

static int filter_add(struct filter *f, struct image_store *store, const char *text,
		      struct err *err)
{
	const char *value = strchr(text, '=');
	cleanup_free char *key = xstrndup(text, value ? (size_t)(value - text) : strlen(text));
	if (!value || !*++value)
		return err_usage(err, "filter '%s' is not KEY=VALUE", text);
	if (str_eq(key, "reference"))
		strv_add(&f->references, value);
	else if (str_eq(key, "label"))
		strv_add(&f->labels, value);
	else if (str_eq(key, "before"))
		return created(store, value, &f->before, err);
	else if (str_eq(key, "since"))
		return created(store, value, &f->since, err);
	else if (str_eq(key, "until"))
		return point(value, &f->before, err);
	else if (str_eq(key, "dangling") && (str_eq(value, "true") || str_eq(value, "1")))
		f->has_dangling = f->dangling = true;
	else if (str_eq(key, "dangling") && (str_eq(value, "false") || str_eq(value, "0")))
		f->has_dangling = true;
	else
		return err_usage(err, "invalid filter '%s'", text);
	return 0;
}

/* A pattern is of the whole familiar name, or of it without the tag. */
static bool reference_fits(const struct strv *patterns, const char *name, const char *repository)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (name && (fnmatch(patterns->v[i], name, FNM_PATHNAME) == 0 ||
			     fnmatch(patterns->v[i], repository, FNM_PATHNAME) == 0))
			return true;
	return patterns->n == 0;
}

static bool labels_fit(const struct strv *wanted, const json_t *labels)
{
	for (size_t i = 0; i < wanted->n; i++) {
		const char *equals = strchr(wanted->v[i], '=');
		cleanup_free char *key = xstrndup(wanted->v[i], strcspn(wanted->v[i], "="));
		const char *value = json_str(labels, key, NULL);
		if (!value || (equals && !str_eq(value, equals + 1)))
			return false;
	}
	return true;
}

static bool filter_fits(const struct filter *f, const struct image_info *info, const json_t *shown)
{
	return (!f->has_dangling || f->dangling == !info->name) &&
	       (!f->before || info->created < f->before) &&
	       (!f->since || info->created > f->since) && labels_fit(&f->labels, info->labels) &&
	       reference_fits(&f->references, info->name, json_str(shown, "Repository", ""));
}

/* --- the list --- */

static json_t *row(const struct image_info *info, bool whole_id)
{
	char age[AGE_TEXT], text[RFC3339_TEXT];
	const char *rfc = format_rfc3339(info->created, text);
	const char *hex = str_after(info->id, "sha256:");
	cleanup_free char *id = whole_id ? xstrdup(info->id) : xstrndup(hex ? hex : info->id, 12);
	cleanup_free char *size = format_size(info->size);
	cleanup_free char *since = xasprintf("%s ago", format_age(now_wall() - info->created, age));
	cleanup_free char *created = xasprintf("%.10s %.8s +0000 UTC", rfc, rfc + 11);
	const char *colon = info->name ? strrchr(info->name, ':') : NULL;
	if (colon && strchr(colon, '/'))
		colon = NULL;
	cleanup_free char *repository =
		info->name ? xstrndup(info->name,
				      colon ? (size_t)(colon - info->name) : strlen(info->name))
			   : xstrdup("<none>");
	/* Docker's members all, so that a template that names one works; what is not counted is
	 * N/A. */
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Repository",
			 repository, "Tag", colon ? colon + 1 : "<none>", "ID", id, "CreatedAt",
			 created, "CreatedSince", since, "Size", size, "VirtualSize", size,
			 "SharedSize", "N/A", "UniqueSize", "N/A", "Containers", "N/A", "Digest",
			 info->manifest ? info->manifest : "<none>");
}

static int ls_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct ls_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(image_list_done) struct image_list list = { 0 };
	cleanup_json json_t *rows = json_array();
	cleanup(filter_done) struct filter filter = { 0 };
	int r = cli_image_store(cli, &store, err);
	for (size_t i = 0; r == 0 && i < o->filters.n; i++)
		r = filter_add(&filter, store, o->filters.v[i], err);
	if (r == 0)
		r = image_list(store, &list, err);
	if (r < 0)
		return r;
	vec_each(info, &list.items) {
		json_t *j = row(info, o->no_trunc);
		const char *name = args->n ? args->v[0] : NULL;
		bool wanted = !name || str_eq(info->name, name) ||
			      str_eq(json_str(j, "Repository", NULL), name);
		wanted = wanted && filter_fits(&filter, info, j);
		if (wanted && o->quiet)
			printf("%s\n", json_str(j, "ID", ""));
		wanted ? json_array_append_new(rows, j) : json_decref(j);
	}
	const struct listing listing = { .columns = o->digests ? digest_columns : columns,
					 .rows = rows };
	return o->quiet ? 0 : listing_print(&listing, o->format, err);
}

const struct cmd cmd_image_ls = {
	.name = "image ls",
	.summary = "List images",
	.args = "[REPOSITORY[:TAG]]",
	.options = ls_options,
	.options_size = sizeof(struct ls_args),
	.max_args = 1,
	.run = ls_run,
};
