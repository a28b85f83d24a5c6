/* port: where a container's port is published. */
#include "cli/container-view.h"

#include "base/parse.h"

#include <stdio.h>

struct port_args {
	struct option_int index;
	const char *protocol;
};

static const struct option port_options[] = {
	{ 0, "index", OPTION_INT, offsetof(struct port_args, index), "N", NULL,
	  "Which replica of the service", 0 },
	{ 0, "protocol", OPTION_TEXT, offsetof(struct port_args, protocol), "PROTOCOL", "tcp",
	  "tcp or udp", 0 },
	{ .name = NULL },
};

/* All that is published, as `docker port NAME` shows it. */
static int list_ports(struct cli *cli, const char *name, struct err *err)
{
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup(net_free_cleanup) struct net *net = NULL;
	int r = cli_container(cli, name, 0, &c, err);
	if (r == 0)
		r = net_open(cli->paths.root, cli->paths.run, &net, err);
	if (r < 0)
		return r;
	cleanup_json json_t *publishers = container_view_publishers(c, net);
	const json_t *p;
	size_t i;
	json_array_foreach(publishers, i, p) {
		const char *url = json_str(p, "URL", "");
		if (*url)
			printf(strchr(url, ':') ? "%d/%s -> [%s]:%d\n" : "%d/%s -> %s:%d\n",
			       (int)json_int(p, "TargetPort", 0), json_str(p, "Protocol", ""), url,
			       (int)json_int(p, "PublishedPort", 0));
	}
	return 0;
}

static int port_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct port_args *o = options;
	if (args->n == 1)
		return list_ports(cli, args->v[0], err);
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup(net_free_cleanup) struct net *net = NULL;
	const char *slash = strchr(args->v[1], '/');
	cleanup_free char *number = xstrndup(args->v[1], strcspn(args->v[1], "/"));
	const char *protocol = slash ? slash + 1 : o->protocol;
	int target;
	if (parse_int(number, 1, 65535, &target) < 0)
		return err_usage(err, "'%s' is not a port", args->v[1]);
	int r = cli_container(cli, args->v[0], (int)o->index.value, &c, err);
	if (r == 0)
		r = net_open(cli->paths.root, cli->paths.run, &net, err);
	if (r < 0)
		return r;
	cleanup_json json_t *publishers = container_view_publishers(c, net);
	const json_t *p;
	size_t i;
	json_array_foreach(publishers, i, p) {
		const char *url = json_str(p, "URL", "");
		if (!*url || json_int(p, "TargetPort", 0) != target ||
		    strcmp(json_str(p, "Protocol", ""), protocol) != 0)
			continue;
		printf(strchr(url, ':') ? "[%s]:%d\n" : "%s:%d\n", url,
		       (int)json_int(p, "PublishedPort", 0));
		return 0;
	}
	return err_not_found(err, "no port %d/%s for container %s", target, protocol, c->name);
}

const struct cmd cmd_port = {
	.name = "port",
	.summary = "Print the public port for a port binding",
	.args = "SERVICE PRIVATE_PORT",
	.options = port_options,
	.options_size = sizeof(struct port_args),
	.min_args = 2,
	.max_args = 2,
	.flags = CMD_NAME,
	.run = port_run,
};
