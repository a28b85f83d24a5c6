#include "cli/volume-view.h"

#include "base/parse.h"
#include "cli/listing.h"

#include <stdio.h>

/* --- who uses what --- */

void volume_use_done(struct volume_use *use)
{
	vec_each(u, &use->items) {
		free(u->volume);
		free(u->project);
		free(u->service);
		free(u->id);
		free(u->name);
	}
	vec_done(&use->items);
}

int volume_use_load(struct cli *cli, struct volume_use *ret, struct err *err)
{
	cleanup_strv struct strv projects = { 0 };
	int r = state_projects(&cli->paths, &projects, err);

	for (size_t i = 0; r >= 0 && i < projects.n; i++) {
		cleanup_containers struct containers found = { 0 };

		r = state_containers(&cli->paths, projects.v[i], &found, err);
		vec_each(c, &found.items)
			vec_each(v, &(*c)->volumes)
				if (v->name)
					vec_push(&ret->items,
						 (struct volume_user){
							 .volume = xstrdup(v->name),
							 .project = xstrdup((*c)->project),
							 .service = xstrdup((*c)->service),
							 .id = xstrdup((*c)->id),
							 .name = xstrdup((*c)->name),
							 .state = (*c)->state,
							 .started = (*c)->started,
							 .finished = (*c)->finished,
							 .read_only = v->read_only,
						 });
	}
	return r < 0 ? r : 0;
}

const struct volume_user *volume_use_next(const struct volume_use *use, const char *volume,
					  const struct volume_user *after)
{
	for (size_t i = after ? (size_t)(after - use->items.v) + 1 : 0; i < use->items.n; i++)
		if (str_eq(use->items.v[i].volume, volume))
			return &use->items.v[i];
	return NULL;
}

/* --- rows and objects --- */

json_t *volume_labels(const struct volume *v)
{
	json_t *labels = v->labels ? json_copy(v->labels) : json_object();

	if (!v->anonymous && v->project) {
		json_put_str(labels, "com.docker.compose.project", v->project);
		json_put_str(labels, "com.docker.compose.volume", v->key);
	}
	if (v->anonymous)
		json_put_str(labels, "com.docker.volume.anonymous", "");
	return labels;
}

static char *labels_text(const struct volume *v)
{
	cleanup_json json_t *labels = volume_labels(v);
	cleanup_str struct str out = STR_INIT;
	const char *key;
	json_t *value;

	json_object_foreach(labels, key, value)
		str_addf(&out, "%s%s=%s", out.len ? "," : "", key,
			 json_is_string(value) ? json_string_value(value) : "");
	return str_take(&out);
}

json_t *volume_row(const struct volume *v, bool size, struct err *err)
{
	cleanup_free char *labels = labels_text(v), *bytes_text = NULL, *inodes_text = NULL;
	uint64_t bytes = 0, inodes = 0;

	if (size && volume_usage(v, &bytes, &inodes, err) < 0)
		return NULL;
	bytes_text = size ? format_size(bytes) : xstrdup("N/A");
	inodes_text = size ? xasprintf("%llu", (unsigned long long)inodes) : xstrdup("N/A");
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
			 "Availability", "N/A", "Driver", v->driver ? v->driver : "local", "Group",
			 "N/A", "Inodes", inodes_text, "Labels", labels, "Limit",
			 json_str(v->options, "size", ""), "Links", "N/A", "Mountpoint", v->path,
			 "Name", v->name, "Scope", "local", "Size", bytes_text, "Status", "N/A");
}

static const struct listing_column columns[] = {
	{ "DRIVER", "Driver" },
	{ "VOLUME NAME", "Name" },
	{ NULL, NULL },
};

static const struct listing_column size_columns[] = {
	{ "DRIVER", "Driver" }, { "VOLUME NAME", "Name" }, { "SIZE", "Size" },
	{ "INODES", "Inodes" }, { "LIMIT", "Limit" },	   { NULL, NULL },
};

int volume_rows_print(const json_t *rows, bool quiet, bool size, const char *format,
		      struct err *err)
{
	const json_t *row;
	size_t i;

	if (!quiet)
		return listing_print(
			&(struct listing){ .columns = size ? size_columns : columns, .rows = rows },
			format, err);
	json_array_foreach(rows, i, row)
		puts(json_str(row, "Name", ""));
	return 0;
}

json_t *volume_inspect(const struct volume *v, bool size, int users, struct err *err)
{
	char created[RFC3339_TEXT];
	json_t *j;
	uint64_t bytes = 0, inodes = 0;

	if (size && volume_usage(v, &bytes, &inodes, err) < 0)
		return NULL;
	j = json_pack("{s:s, s:s, s:o, s:s, s:s, s:O?, s:s}", "CreatedAt",
		      format_rfc3339(v->created, created), "Driver",
		      v->driver ? v->driver : "local", "Labels", volume_labels(v), "Mountpoint",
		      v->path, "Name", v->name, "Options", v->options, "Scope", "local");
	if (!v->options)
		json_put(j, "Options", json_null());
	if (size)
		json_put(j, "UsageData",
			 json_pack("{s:I, s:i, s:I}", "Size", (json_int_t)bytes, "RefCount", users,
				   "Inodes", (json_int_t)inodes));
	return j;
}

/* --- filters --- */

static bool label_matches(const json_t *labels, const char *text)
{
	const char *equals = strchr(text, '=');
	cleanup_free char *key = xstrndup(text, equals ? (size_t)(equals - text) : strlen(text));
	const char *value = json_str(labels, key, NULL);

	return value && (!equals || str_eq(value, equals + 1));
}

static bool match_dangling(const struct volume *v, bool used, const char *value)
{
	bool want = true;

	(void)v;
	(void)parse_bool(value, &want); /* checked before */
	return used != want;
}

static bool match_name(const struct volume *v, bool used, const char *value)
{
	(void)used;
	return strstr(v->name, value) != NULL;
}

static bool match_driver(const struct volume *v, bool used, const char *value)
{
	(void)used;
	return str_eq(v->driver ? v->driver : "local", value);
}

static bool match_label(const struct volume *v, bool used, const char *value)
{
	cleanup_json json_t *labels = volume_labels(v);

	(void)used;
	return label_matches(labels, value);
}

static bool match_not_label(const struct volume *v, bool used, const char *value)
{
	return !match_label(v, used, value);
}

static bool match_project(const struct volume *v, bool used, const char *value)
{
	(void)used;
	return str_eq(v->project, value);
}

/* Of one key that is `any`, one of its values is enough. */
static const struct filter {
	const char *prefix;
	bool (*match)(const struct volume *v, bool used, const char *value);
	bool any;
} filters[] = {
	{ "dangling=", match_dangling, false }, { "name=", match_name, true },
	{ "driver=", match_driver, true },	{ "label=", match_label, false },
	{ "label!=", match_not_label, false },	{ "project=", match_project, true },
};

static const struct filter *filter_of(const char *text, const char **ret_value)
{
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		if ((*ret_value = str_after(text, filters[i].prefix)))
			return &filters[i];
	return NULL;
}

int volume_filter_check(const struct strv *wanted, struct err *err)
{
	for (size_t i = 0; i < wanted->n; i++) {
		const char *value;
		const struct filter *f = filter_of(wanted->v[i], &value);
		bool ignored;

		if (!f)
			return err_usage(err,
					 "invalid filter '%s': expected dangling=, driver=, "
					 "label=, name= or project=",
					 wanted->v[i]);
		if (f->match == match_dangling && parse_bool(value, &ignored) < 0)
			return err_usage(err, "invalid filter '%s': expected true or false",
					 wanted->v[i]);
	}
	return 0;
}

bool volume_filter_match(const struct strv *wanted, const struct volume *v, bool used)
{
	bool asked[ARRAY_SIZE(filters)] = { 0 }, matched[ARRAY_SIZE(filters)] = { 0 };

	for (size_t i = 0; i < wanted->n; i++) {
		const char *value;
		const struct filter *f = filter_of(wanted->v[i], &value);
		bool match = f && f->match(v, used, value);

		if (!f || (!f->any && !match))
			return false;
		asked[f - filters] = true;
		matched[f - filters] = matched[f - filters] || match;
	}
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		if (asked[i] && !matched[i])
			return false;
	return true;
}
