/* ls: the projects of this root. */
#include "cli/container-view.h"
#include "cli/listing.h"

#include <stdio.h>

struct ls_args {
	bool all, quiet;
	struct strv filter;
	const char *format;
};

#define O(field) offsetof(struct ls_args, field)
static const struct option ls_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL, "Show stopped projects, too", 0 },
	{ 0, "filter", OPTION_LIST, O(filter), "FILTER", NULL, "Filter by a condition (name=NAME)",
	  0 },
	{ 0, "format", OPTION_TEXT, O(format), "FORMAT", "table", "table or json", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Only display project names", 0 },
	{ .name = NULL },
};

static const struct listing_column columns[] = {
	{ "NAME", "Name" },
	{ "STATUS", "Status" },
	{ "CONFIG FILES", "ConfigFiles" },
	{ NULL, NULL },
};

/* "exited(1), running(2)"; *ret_running says whether anything runs. */
static char *status_text(const struct containers *list, bool *ret_running)
{
	cleanup_str struct str out = STR_INIT;
	cleanup_strv struct strv names = { 0 };
	*ret_running = false;
	for (const char *const *state = container_states_shown; *state; state++)
		strv_add(&names, *state);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		int n = 0;
		vec_each(c, &list->items)
			n += str_eq(container_state_shown((*c)->state), names.v[i]);
		if (!n)
			continue;
		str_addf(&out, "%s%s(%d)", out.len ? ", " : "", names.v[i], n);
		*ret_running = *ret_running ||
			       !(str_eq(names.v[i], "exited") || str_eq(names.v[i], "dead") ||
				 str_eq(names.v[i], "created"));
	}
	return str_take(&out);
}

/* Without --all only what runs is counted. */
static void keep_running(struct containers *list)
{
	size_t kept = 0;
	vec_each(c, &list->items) {
		const char *state = container_state_shown((*c)->state);
		if (str_eq(state, "exited") || str_eq(state, "dead") || str_eq(state, "created"))
			container_free(*c);
		else
			list->items.v[kept++] = *c;
	}
	list->items.n = kept;
}

/* A row, or NULL for a project that is not to be shown. One whose record cannot be read is shown
 * without its files: `ls` must work best when things are wrong. */
static json_t *row_for(struct cli *cli, const struct ls_args *o, const char *name)
{
	cleanup_containers struct containers list = { 0 };
	cleanup(project_free_cleanup) struct project *project = NULL;
	cleanup_err struct err no_list = ERR_INIT, no_project = ERR_INIT;
	bool running;
	(void)state_containers(&cli->paths, name, &list, &no_list);
	if (!o->all)
		keep_running(&list);
	cleanup_free char *status = status_text(&list, &running);
	if (!running && !o->all)
		return NULL;
	(void)state_project_load(&cli->paths, name, &project, &no_project);
	cleanup_free char *files = project ? strv_join(&project->files, ",") : xstrdup("");
	return json_pack("{s:s, s:s, s:s}", "Name", name, "Status", status, "ConfigFiles", files);
}

static bool wanted(const struct ls_args *o, const char *name)
{
	for (size_t i = 0; i < o->filter.n; i++) {
		const char *part = str_after(o->filter.v[i], "name=");
		if (part && strstr(name, part))
			return true;
	}
	return o->filter.n == 0;
}

static int ls_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct ls_args *o = options;
	cleanup_strv struct strv names = { 0 };
	cleanup_json json_t *rows = json_array();
	(void)args;
	for (size_t i = 0; i < o->filter.n; i++)
		if (!str_starts(o->filter.v[i], "name="))
			return err_usage(err,
					 "invalid value '%s' for '--filter': only name=NAME is "
					 "supported",
					 o->filter.v[i]);
	int r = state_projects(&cli->paths, &names, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		json_t *row = wanted(o, names.v[i]) ? row_for(cli, o, names.v[i]) : NULL;
		if (!row)
			continue;
		if (o->quiet)
			puts(names.v[i]);
		json_array_append_new(rows, row);
	}
	if (o->quiet)
		return 0;
	struct listing listing = {
		.columns = columns, .rows = rows, .min_width = 20, .json_array = true
	};
	return listing_print(&listing, o->format, err);
}

const struct cmd cmd_ls = {
	.name = "ls",
	.summary = "List running projects",
	.options = ls_options,
	.options_size = sizeof(struct ls_args),
	.run = ls_run,
};
