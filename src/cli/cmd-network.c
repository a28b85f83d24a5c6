/* network ls, inspect, create, rm, prune: networks whosever they are. */
#include "cli/cli.h"
#include "cli/listing.h"

#include "net/net.h"

#include <stdio.h>

static bool in_use(const struct containers *all, const char *network)
{
	vec_each(c, &all->items)
		vec_each(n, &(*c)->networks)
			if (str_eq(n->network, network))
				return true;
	return false;
}

static int open_all(struct cli *cli, struct net **net, struct containers *all, struct err *err)
{
	int r = net_open(cli->paths.root, cli->paths.run, net, err);
	return r < 0 ? r : cli_chosen_containers(cli, true, all, err);
}

/* "key=value" words; an object. */
static json_t *pairs(const struct strv *words)
{
	json_t *j = json_object();
	for (size_t i = 0; i < words->n; i++) {
		const char *equals = strchr(words->v[i], '=');
		cleanup_free char *key = xstrndup(
			words->v[i], equals ? (size_t)(equals - words->v[i]) : strlen(words->v[i]));
		json_put_str(j, key, equals ? equals + 1 : "");
	}
	return j;
}

/* --- ls --- */

struct ls_args {
	bool quiet, no_trunc;
	struct strv filters;
	const char *format;
};
#define LS(field) offsetof(struct ls_args, field)
static const struct option ls_options[] = {
	{ 'f', "filter", OPTION_LIST, LS(filters), "FILTER", NULL,
	  "name=PART, driver=bridge, label=KEY[=VALUE], project=NAME, dangling=true|false", 0 },
	{ 0, "format", OPTION_TEXT, LS(format), "FORMAT", "table",
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 0, "no-trunc", OPTION_FLAG, LS(no_trunc), NULL, NULL, "Do not truncate output", 0 },
	{ 'q', "quiet", OPTION_FLAG, LS(quiet), NULL, NULL, "Only display ids", 0 },
	{ .name = NULL },
};
static const struct listing_column columns[] = {
	{ "NETWORK ID", "ID" }, { "NAME", "Name" }, { "DRIVER", "Driver" },
	{ "SCOPE", "Scope" },	{ NULL, NULL },
};

static bool has_label(const struct net_network *n, const char *want)
{
	const char *equals = strchr(want, '=');
	cleanup_free char *key = xstrndup(want, equals ? (size_t)(equals - want) : strlen(want));
	const json_t *value = json_object_get(n->config.labels, key);
	return value && (!equals || str_eq(json_string_value(value), equals + 1));
}

/* -EINVAL: no such filter. */
static int match(const struct net_network *n, const struct containers *all, const char *filter)
{
	const char *value;
	if ((value = str_after(filter, "name=")))
		return strstr(n->config.name, value) != NULL;
	if ((value = str_after(filter, "driver=")))
		return str_eq(value, "bridge");
	if ((value = str_after(filter, "label=")))
		return has_label(n, value);
	if ((value = str_after(filter, "project=")))
		return str_eq(n->config.project, value);
	if ((value = str_after(filter, "dangling=")))
		return in_use(all, n->config.name) == !str_eq(value, "true");
	return -EINVAL;
}

static int ls_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct ls_args *o = options;
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_containers struct containers all = { 0 };
	cleanup_strv struct strv names = { 0 };
	cleanup_json json_t *rows = json_array();
	(void)args;
	int r = open_all(cli, &net, &all, err);
	if (r == 0)
		r = net_network_list(net, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_network struct net_network n = { 0 };
		cleanup_err struct err gone = ERR_INIT; /* removed meanwhile */
		int is = net_network_load(net, names.v[i], &n, &gone) == 0;
		for (size_t f = 0; is > 0 && f < o->filters.n; f++)
			is = match(&n, &all, o->filters.v[f]);
		if (is < 0)
			return err_usage(err, "invalid value for '--filter' (see 'stave network "
					      "ls --help')");
		if (!is)
			continue;
		cleanup_free char *id = xstrndup(n.id, o->no_trunc ? sizeof(n.id) : 12);
		if (o->quiet)
			puts(id);
		json_array_append_new(rows,
				      json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "ID", id, "Name",
						n.config.name, "Driver", "bridge", "Scope", "local",
						"Project", n.config.project ? n.config.project : "",
						"Internal", n.config.internal));
	}
	if (r < 0 || o->quiet)
		return r;
	struct listing listing = { .columns = columns, .rows = rows };
	return listing_print(&listing, o->format, err);
}

const struct cmd cmd_network_ls = {
	.name = "network ls",
	.summary = "List networks",
	.options = ls_options,
	.options_size = sizeof(struct ls_args),
	.run = ls_run,
};

/* --- inspect --- */

struct inspect_args {
	const char *format;
};
static const struct option inspect_options[] = {
	{ 'f', "format", OPTION_TEXT, offsetof(struct inspect_args, format), "FORMAT", NULL,
	  "json (one object a line) or a TEMPLATE", 0 },
	{ .name = NULL },
};
static const struct listing_column no_columns[] = { { NULL, NULL } };

static void add_pool(json_t *pools, const char *subnet, const char *gateway)
{
	json_t *pool = json_object();
	if (!subnet)
		return;
	json_put_str(pool, "Subnet", subnet);
	if (gateway)
		json_put_str(pool, "Gateway", gateway);
	json_array_append_new(pools, pool);
}

static char *with_prefix(const char *address, uint8_t prefix)
{
	return str_empty(address) ? xstrdup("") : xasprintf("%s/%u", address, prefix);
}

static json_t *containers_on(const struct containers *all, const char *network)
{
	json_t *on = json_object();
	vec_each(c, &all->items)
		vec_each(n, &(*c)->networks) {
			if (!str_eq(n->network, network) || !container_is_up((*c)->state))
				continue;
			cleanup_free char *v4 = with_prefix(n->address.ipv4, n->address.prefix4);
			cleanup_free char *v6 = with_prefix(n->address.ipv6, n->address.prefix6);
			json_put(on, (*c)->id,
				 json_pack("{s:s, s:s, s:s, s:s}", "Name", (*c)->name, "MacAddress",
					   n->address.mac, "IPv4Address", v4, "IPv6Address", v6));
		}
	return on;
}

static json_t *or_empty(const json_t *object)
{
	return object ? json_deep_copy(object) : json_object();
}

static json_t *inspected(const struct net_network *n, const struct containers *all)
{
	json_t *j = json_object(), *pools = json_array();
	char created[RFC3339_TEXT];
	add_pool(pools, n->subnet4, n->gateway4);
	add_pool(pools, n->subnet6, n->gateway6);
	json_put_str(j, "Name", n->config.name);
	json_put_str(j, "Id", n->id);
	json_put_str(j, "Created", format_rfc3339(n->created, created));
	json_put_str(j, "Scope", "local");
	json_put_str(j, "Driver", "bridge");
	json_put(j, "EnableIPv4", json_boolean(n->subnet4 != NULL));
	json_put(j, "EnableIPv6", json_boolean(n->subnet6 != NULL));
	json_put(j, "IPAM",
		 json_pack("{s:s, s:{}, s:o}", "Driver", "default", "Options", "Config", pools));
	json_put(j, "Internal", json_boolean(n->config.internal));
	json_put(j, "Attachable", json_boolean(n->config.attachable));
	json_put(j, "Ingress", json_false());
	json_put(j, "Containers", containers_on(all, n->config.name));
	json_put(j, "Options", or_empty(n->config.options));
	json_put(j, "Labels", or_empty(n->config.labels));
	return j;
}

static int inspect_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct inspect_args *o = options;
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_containers struct containers all = { 0 };
	cleanup_json json_t *out = json_array();
	int r = open_all(cli, &net, &all, err);
	for (size_t i = 0; r == 0 && i < args->n; i++) {
		cleanup_network struct net_network n = { 0 };
		r = net_network_load(net, args->v[i], &n, err);
		if (r == 0)
			json_array_append_new(out, inspected(&n, &all));
	}
	if (r < 0)
		return r;
	if (o->format) {
		struct listing listing = { .columns = no_columns, .rows = out };
		return listing_print(&listing, o->format, err);
	}
	cleanup_free char *text = json_dumps(out, JSON_INDENT(4));
	puts(text);
	return 0;
}

const struct cmd cmd_network_inspect = {
	.name = "network inspect",
	.summary = "Show all that is known of networks",
	.args = "NETWORK...",
	.options = inspect_options,
	.options_size = sizeof(struct inspect_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = inspect_run,
};

/* --- create --- */

struct create_args {
	const char *driver, *subnet, *gateway, *ip_range;
	struct strv labels, options;
	bool internal, ipv6, attachable;
};
#define CREATE(field) offsetof(struct create_args, field)
static const struct option create_options[] = {
	{ 0, "attachable", OPTION_FLAG, CREATE(attachable), NULL, NULL,
	  "Accepted for compatibility", OPTION_HIDDEN },
	{ 'd', "driver", OPTION_TEXT, CREATE(driver), "DRIVER", "bridge", "Network driver", 0 },
	{ 0, "gateway", OPTION_TEXT, CREATE(gateway), "ADDRESS", NULL, "Our address on it", 0 },
	{ 0, "internal", OPTION_FLAG, CREATE(internal), NULL, NULL, "No way out of it", 0 },
	{ 0, "ip-range", OPTION_TEXT, CREATE(ip_range), "SUBNET", NULL,
	  "The part of the subnet to give addresses from", 0 },
	{ 0, "ipv6", OPTION_FLAG, CREATE(ipv6), NULL, NULL, "Also with IPv6", 0 },
	{ 0, "label", OPTION_LIST, CREATE(labels), "KEY[=VALUE]", NULL, "Label of the network", 0 },
	{ 'o', "opt", OPTION_LIST, CREATE(options), "KEY=VALUE", NULL, "Driver option", 0 },
	{ 0, "subnet", OPTION_TEXT, CREATE(subnet), "SUBNET", NULL, "Such as 172.28.0.0/16", 0 },
	{ .name = NULL },
};

static int create_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct create_args *o = options;
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_network struct net_network made = { 0 }, old = { 0 };
	cleanup_err struct err none = ERR_INIT;
	struct net_config config;
	bool created = false;
	net_config_init(&config);
	config.name = xstrdup(args->v[0]);
	config.driver = xstrdup(o->driver);
	config.internal = o->internal;
	config.ipv6 = o->ipv6;
	config.attachable = o->attachable;
	config.labels = pairs(&o->labels);
	config.options = pairs(&o->options);
	if (o->subnet || o->gateway || o->ip_range) {
		struct net_pool *pool = vec_add(&config.pools);
		pool->subnet = o->subnet ? xstrdup(o->subnet) : NULL;
		pool->gateway = o->gateway ? xstrdup(o->gateway) : NULL;
		pool->ip_range = o->ip_range ? xstrdup(o->ip_range) : NULL;
	}
	int r = cli_need_root(err);
	if (r == 0)
		r = net_open(cli->paths.root, cli->paths.run, &net, err);
	if (r == 0 && net_network_load(net, args->v[0], &old, &none) == 0)
		r = err_conflict(err, "there is a network '%s' already", args->v[0]);
	if (r == 0 && !cli->global.dry_run)
		r = net_network_create(net, &config, &made, &created, err);
	if (r == 0)
		puts(cli->global.dry_run ? args->v[0] : made.id);
	net_config_done(&config);
	return r;
}

const struct cmd cmd_network_create = {
	.name = "network create",
	.summary = "Create a network, for `external: true`",
	.args = "NETWORK",
	.options = create_options,
	.options_size = sizeof(struct create_args),
	.min_args = 1,
	.max_args = 1,
	.run = create_run,
};

/* --- rm, prune --- */

static int rm_one(struct cli *cli, struct net *net, const struct containers *all, const char *name,
		  struct err *err)
{
	cleanup_network struct net_network n = { 0 };
	int r = net_network_load(net, name, &n, err);
	if (r < 0)
		return r;
	vec_each(c, &all->items)
		vec_each(on, &(*c)->networks)
			if (str_eq(on->network, name))
				return err_conflict(err,
						    "network '%s' is in use by container '%s' of "
						    "project '%s'",
						    name, (*c)->name, (*c)->project);
	if (!cli->global.dry_run)
		r = net_network_remove(net, name, err);
	if (r == 0)
		puts(name);
	return r;
}

static int rm_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_containers struct containers all = { 0 };
	(void)options;
	int r = cli_need_root(err);
	if (r == 0)
		r = open_all(cli, &net, &all, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < args->n; i++) {
		cleanup_err struct err one = ERR_INIT;
		if (rm_one(cli, net, &all, args->v[i], &one) < 0)
			r = cli_also_failed(cli, r, &one, err);
	}
	return r;
}

const struct cmd cmd_network_rm = {
	.name = "network rm",
	.summary = "Remove networks",
	.args = "NETWORK...",
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = rm_run,
};

struct prune_args {
	bool force;
};
static const struct option prune_options[] = {
	{ 'f', "force", OPTION_FLAG, offsetof(struct prune_args, force), NULL, NULL,
	  "Do not ask to confirm removal", 0 },
	{ .name = NULL },
};

static int prune_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct prune_args *o = options;
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_containers struct containers all = { 0 };
	cleanup_strv struct strv names = { 0 };
	char answer[16];
	(void)args;
	int r = cli_need_root(err);
	if (r == 0)
		r = open_all(cli, &net, &all, err);
	if (r == 0)
		r = net_network_list(net, &names, err);
	if (r < 0)
		return r;
	if (!o->force && !cli->global.dry_run) {
		fprintf(stderr, "This removes all networks that no container is on.\n"
				"Are you sure? [yN] ");
		if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
			return 0;
	}
	for (size_t i = 0; r == 0 && i < names.n; i++)
		if (!in_use(&all, names.v[i]))
			r = rm_one(cli, net, &all, names.v[i], err);
	return r;
}

const struct cmd cmd_network_prune = {
	.name = "network prune",
	.summary = "Remove networks that no container is on",
	.options = prune_options,
	.options_size = sizeof(struct prune_args),
	.run = prune_run,
};
