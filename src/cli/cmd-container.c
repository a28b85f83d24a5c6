/* container: what `docker ps`, `docker logs NAME`, `docker stop NAME` and so on do. All verbs but
 * ls and prune are those on services, given containers (by-container.c). */
#include "cli/apply.h"
#include "cli/container-view.h"
#include "cli/listing.h"

#include "base/parse.h"

#include <stdio.h>

#define ON_CONTAINERS(verb, args_, least, most, flags_, text)                                      \
	extern const struct cmd cmd_##verb;                                                        \
	const struct cmd cmd_container_##verb = {                                                  \
		.name = "container " #verb,                                                        \
		.summary = (text),                                                                 \
		.args = (args_),                                                                   \
		.of = &cmd_##verb,                                                                 \
		.min_args = (least),                                                               \
		.max_args = (most),                                                                \
		.flags = (flags_),                                                                 \
	}

enum {
	ANY = CMD_CONTAINERS,
	ONE = CMD_CONTAINERS | CMD_ONE_CONTAINER,
	EACH = CMD_CONTAINERS | CMD_EACH_PROJECT,
};

ON_CONTAINERS(attach, "CONTAINER", 1, 1, ONE, "Attach to a running container");
ON_CONTAINERS(cp, "CONTAINER:SRC_PATH DEST_PATH|-  or  SRC_PATH|- CONTAINER:DEST_PATH", 2, 2,
	      CMD_CONTAINERS | CMD_COPIED, "Copy files between a container and the host");
ON_CONTAINERS(inspect, "CONTAINER...", 1, ARGS_ANY, 0, "Show all that is known of containers");
ON_CONTAINERS(kill, "CONTAINER...", 1, ARGS_ANY, EACH, "Send a signal to containers");
ON_CONTAINERS(logs, "CONTAINER", 1, 1, ANY, "View the output of a container");
ON_CONTAINERS(pause, "CONTAINER...", 1, ARGS_ANY, EACH, "Freeze containers");
ON_CONTAINERS(port, "CONTAINER [PRIVATE_PORT]", 1, 2, ONE, "List published ports of a container");
ON_CONTAINERS(restart, "CONTAINER...", 1, ARGS_ANY, EACH, "Restart containers");
ON_CONTAINERS(start, "CONTAINER...", 1, ARGS_ANY, EACH, "Start containers");
ON_CONTAINERS(stats, "[CONTAINER...]", 0, ARGS_ANY, ANY,
	      "Display resource usage of containers, or of all that run");
ON_CONTAINERS(stop, "CONTAINER...", 1, ARGS_ANY, EACH, "Stop containers");
ON_CONTAINERS(top, "CONTAINER", 1, 1, ANY, "Display the processes of a container");
ON_CONTAINERS(unpause, "CONTAINER...", 1, ARGS_ANY, EACH, "Let frozen containers go on");
ON_CONTAINERS(wait, "CONTAINER...", 1, ARGS_ANY, EACH | CMD_NO_NAMES,
	      "Block until containers stop, and print their exit codes");

/* --- ls --- */

struct ls_args {
	bool all, latest, no_trunc, quiet, size;
	struct strv filters;
	struct option_int last;
	const char *format;
};

#define O(field) offsetof(struct ls_args, field)
static const struct option ls_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL, "Also those that do not run", 0 },
	{ 'f', "filter", OPTION_LIST, O(filters), "FILTER", NULL,
	  "ancestor=IMAGE, health=STATE, id=ID, label=KEY[=VALUE], name=PART, network=NAME, "
	  "project=NAME, status=STATE, volume=NAME",
	  0 },
	{ 0, "format", OPTION_TEXT, O(format), "FORMAT", "table",
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 'n', "last", OPTION_INT, O(last), "N", NULL, "The N that were created last", 0 },
	{ 'l', "latest", OPTION_FLAG, O(latest), NULL, NULL, "The one that was created last", 0 },
	{ 0, "no-trunc", OPTION_FLAG, O(no_trunc), NULL, NULL, "Do not truncate output", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Only display ids", 0 },
	{ 's', "size", OPTION_FLAG, O(size), NULL, NULL, "Accepted for compatibility",
	  OPTION_HIDDEN },
	{ .name = NULL },
};

static const struct listing_column columns[] = {
	{ "CONTAINER ID", "ID" },    { "IMAGE", "Image" },   { "COMMAND", "Command" },
	{ "CREATED", "RunningFor" }, { "STATUS", "Status" }, { "PORTS", "Ports" },
	{ "NAMES", "Names" },	     { NULL, NULL },
};

static bool has_label(const struct container *c, const char *want)
{
	const char *equals = strchr(want, '=');
	cleanup_free char *key = xstrndup(want, equals ? (size_t)(equals - want) : strlen(want));
	const json_t *value = json_object_get(c->labels, key);
	return value && (!equals || str_eq(json_string_value(value), equals + 1));
}

static bool on_network(const struct container *c, const char *name)
{
	vec_each(n, &c->networks)
		if (str_eq(n->network, name))
			return true;
	return false;
}

static bool has_volume(const struct container *c, const char *name)
{
	vec_each(v, &c->volumes)
		if (str_eq(v->name, name))
			return true;
	return false;
}

static bool has_image(const struct container *c, const char *name)
{
	const char *rest = str_after(c->image, name);
	return (rest && (!*rest || *rest == ':')) || (c->image_id && str_eq(c->image_id, name));
}

static bool has_health(const struct container *c, const char *state)
{
	const char *is = container_health_name(c->health_state);
	return str_eq(state, "none") ? str_empty(is) : str_eq(is, state);
}

static bool has_status(const struct container *c, const char *state)
{
	return str_eq(container_state_shown(c->state), state);
}

static bool has_name(const struct container *c, const char *part)
{
	return strstr(c->name, part) != NULL;
}

static bool has_id(const struct container *c, const char *start)
{
	return str_starts(c->id, start);
}

static bool has_project(const struct container *c, const char *name)
{
	return str_eq(c->project, name);
}

static const struct {
	const char *key;
	bool (*match)(const struct container *c, const char *value);
} filters[] = {
	{ "ancestor=", has_image },  { "health=", has_health }, { "id=", has_id },
	{ "label=", has_label },     { "name=", has_name },	{ "network=", on_network },
	{ "project=", has_project }, { "status=", has_status }, { "volume=", has_volume },
};

/* Values of one key are alternatives (labels are not), keys add up: as Docker's. */
static bool matches(const struct container *c, const struct strv *wanted, bool all)
{
	bool by_status = false;
	for (size_t k = 0; k < ARRAY_SIZE(filters); k++) {
		bool any = false, asked = false, every = true;
		for (size_t i = 0; i < wanted->n; i++) {
			const char *value = str_after(wanted->v[i], filters[k].key);
			if (!value)
				continue;
			bool is = filters[k].match(c, value);
			asked = true;
			any |= is;
			every &= is;
		}
		if (asked && !(filters[k].match == has_label ? every : any))
			return false;
		by_status |= asked && filters[k].match == has_status;
	}
	const char *state = container_state_shown(c->state);
	return all || by_status || str_eq(state, "running") || str_eq(state, "paused") ||
	       str_eq(state, "restarting");
}

static int check_filters(const struct strv *wanted, struct err *err)
{
	for (size_t i = 0; i < wanted->n; i++) {
		bool known = false;
		for (size_t k = 0; k < ARRAY_SIZE(filters); k++)
			known |= str_starts(wanted->v[i], filters[k].key);
		if (!known)
			return err_usage(err,
					 "invalid value '%s' for '--filter' (see 'stave "
					 "container ls --help')",
					 wanted->v[i]);
	}
	return 0;
}

/* The newest first. */
static int by_age(const void *a, const void *b)
{
	nsec_t x = (*(struct container *const *)a)->created;
	nsec_t y = (*(struct container *const *)b)->created;
	return x < y ? 1 : x > y ? -1 : 0;
}

static int ls_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct ls_args *o = options;
	cleanup_containers struct containers all = { 0 };
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_err struct err none = ERR_INIT;
	cleanup_json json_t *rows = json_array();
	nsec_t now = now_wall();
	int64_t most = o->latest			   ? 1
		       : o->last.set && o->last.value >= 0 ? o->last.value
							   : INT64_MAX;
	(void)args;
	int r = check_filters(&o->filters, err);
	if (r == 0)
		r = cli_chosen_containers(cli, true, &all, err);
	if (r < 0)
		return r;
	if (all.items.n > 1)
		qsort(all.items.v, all.items.n, sizeof(*all.items.v), by_age);
	(void)net_open(cli->paths.root, cli->paths.run, &net, &none); /* for picked ports */
	vec_each(c, &all.items) {
		if (!matches(*c, &o->filters, o->all || most != INT64_MAX) || most-- <= 0)
			continue;
		json_t *row = container_view_row(*c, net, now, !o->no_trunc);
		json_array_append_new(rows, row);
		if (o->quiet)
			puts(json_str(row, "ID", ""));
	}
	struct listing listing = { .columns = columns, .rows = rows };
	return o->quiet ? 0 : listing_print(&listing, o->format, err);
}

const struct cmd cmd_container_ls = {
	.name = "container ls",
	.summary = "List containers of all projects",
	.options = ls_options,
	.options_size = sizeof(struct ls_args),
	.run = ls_run,
};

/* --- prune --- */

struct prune_args {
	bool force;
};
static const struct option prune_options[] = {
	{ 'f', "force", OPTION_FLAG, offsetof(struct prune_args, force), NULL, NULL,
	  "Do not ask to confirm removal", 0 },
	{ .name = NULL },
};

static bool may_go(const struct container *c)
{
	return c->state == CONTAINER_EXITED || c->state == CONTAINER_CREATED ||
	       c->state == CONTAINER_DEAD;
}

static bool confirmed(void)
{
	char answer[16];
	fprintf(stderr, "This removes all stopped containers.\nAre you sure? [yN] ");
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int prune_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct prune_args *o = options;
	cleanup_containers struct containers all = { 0 };
	cleanup_strv struct strv ids = { 0 };
	(void)args;
	int r = cli_chosen_containers(cli, true, &all, err);
	vec_each(c, &all.items)
		if (may_go(*c))
			strv_add(&ids, (*c)->id);
	if (r < 0 || ids.n == 0 || !(o->force || cli->global.dry_run || confirmed()))
		return r;
	extern const struct cmd cmd_container_rm;
	cleanup_free void *values = xcalloc(1, cmd_container_rm.options_size);
	return cli_run_on_containers(cli, &cmd_container_rm, values, &ids, err);
}

const struct cmd cmd_container_prune = {
	.name = "container prune",
	.summary = "Remove stopped containers of all projects",
	.options = prune_options,
	.options_size = sizeof(struct prune_args),
	.run = prune_run,
};
