/* ps: the project's containers, straight from their records. */
#include "cli/container-view.h"
#include "cli/listing.h"

#include <stdio.h>

struct ps_args {
	bool all, no_trunc, orphans, quiet, services;
	struct strv status, filter;
	const char *format;
};

#define O(field) offsetof(struct ps_args, field)
static const struct option ps_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL,
	  "Show stopped containers, too, and those of `run`", 0 },
	{ 0, "filter", OPTION_LIST, O(filter), "FILTER", NULL,
	  "Filter by a property (status=STATUS)", 0 },
	{ 0, "format", OPTION_TEXT, O(format), "FORMAT", "table",
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 0, "no-trunc", OPTION_FLAG, O(no_trunc), NULL, NULL, "Do not truncate output", 0 },
	{ 0, "orphans", OPTION_FLAG, O(orphans), NULL, "true",
	  "Include services that are not in the Compose file", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Only display ids", 0 },
	{ 0, "services", OPTION_FLAG, O(services), NULL, NULL, "Display services", 0 },
	{ 0, "status", OPTION_LIST, O(status), "STATUS", NULL,
	  "Filter by status: paused, restarting, removing, running, dead, created, exited", 0 },
	{ .name = NULL },
};

static const struct listing_column columns[] = {
	{ "NAME", "Name" },	     { "IMAGE", "Image" },
	{ "COMMAND", "Command" },    { "SERVICE", "Service" },
	{ "CREATED", "RunningFor" }, { "STATUS", "Status" },
	{ "PORTS", "Ports" },	     { NULL, NULL },
};

static const struct listing_column titles[] = {
	{ "CONTAINER ID", "ID" },
	{ "CREATED AT", "CreatedAt" },
	{ "EXIT CODE", "ExitCode" },
	{ "LOCAL VOLUMES", "LocalVolumes" },
	{ NULL, NULL },
};

static bool is_state(const char *text)
{
	for (const char *const *s = container_states_shown; *s; s++)
		if (strcmp(*s, text) == 0)
			return true;
	return false;
}

/* --status and --filter status= into one list. */
static int find_states(const struct ps_args *o, struct strv *ret, struct err *err)
{
	strv_copy(ret, &o->status);
	for (size_t i = 0; i < o->filter.n; i++) {
		const char *state = str_after(o->filter.v[i], "status=");
		if (!state)
			return err_usage(err,
					 "invalid value '%s' for '--filter': only status=STATUS is "
					 "supported",
					 o->filter.v[i]);
		strv_add(ret, state);
	}
	for (size_t i = 0; i < ret->n; i++)
		if (!is_state(ret->v[i]))
			return err_usage(err,
					 "unknown status '%s': expected created, running, paused, "
					 "restarting, removing, exited or dead",
					 ret->v[i]);
	return 0;
}

static bool shown(const struct cli *cli, const struct ps_args *o, const struct strv *states,
		  const struct container *c)
{
	const char *state = container_state_shown(c->state);
	if (!o->orphans && cli->project && !project_service(cli->project, c->service))
		return false;
	if (states->n)
		return strv_has(states, state);
	if (o->all)
		return true;
	return !c->oneoff &&
	       (str_eq(state, "running") || str_eq(state, "paused") || str_eq(state, "restarting"));
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct container *const *)a)->name, (*(struct container *const *)b)->name);
}

static void print_services(const struct containers *found)
{
	cleanup_strv struct strv seen = { 0 };
	vec_each(c, &found->items)
		if (!strv_has(&seen, (*c)->service))
			strv_add(&seen, (*c)->service);
	strv_sort(&seen);
	for (size_t i = 0; i < seen.n; i++)
		puts(seen.v[i]);
}

static int print_table(struct cli *cli, const struct ps_args *o, const struct containers *found,
		       struct err *err)
{
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_err struct err none = ERR_INIT;
	cleanup_json json_t *rows = json_array();
	nsec_t now = now_wall();
	/* Only the picked host ports need it; ps works without the rights that net/ may want. */
	(void)net_open(cli->paths.root, cli->paths.run, &net, &none);
	vec_each(c, &found->items)
		json_array_append_new(rows, container_view_row(*c, net, now, !o->no_trunc));
	struct listing listing = { .columns = columns, .titles = titles, .rows = rows };
	return listing_print(&listing, o->format, err);
}

static int ps_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct ps_args *o = options;
	cleanup_containers struct containers all = { 0 }, found = { 0 };
	cleanup_strv struct strv states = { 0 };
	int r = find_states(o, &states, err);
	if (r == 0)
		r = cli_containers(cli, args, &all, err);
	if (r < 0)
		return r;
	vec_each(c, &all.items)
		if (shown(cli, o, &states, *c))
			vec_push(&found.items, ptr_take(*c));
	size_t kept = 0;
	vec_each(c, &all.items)
		if (*c)
			all.items.v[kept++] = *c;
	all.items.n = kept;
	if (found.items.n > 1)
		qsort(found.items.v, found.items.n, sizeof(*found.items.v), by_name);
	if (o->services) {
		print_services(&found);
		return 0;
	}
	if (!o->quiet)
		return print_table(cli, o, &found, err);
	vec_each(c, &found.items)
		puts((*c)->id);
	return 0;
}

const struct cmd cmd_ps = {
	.name = "ps",
	.summary = "List containers",
	.args = "[SERVICE...]",
	.options = ps_options,
	.options_size = sizeof(struct ps_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME | CMD_ALL_SERVICES,
	.run = ps_run,
};
