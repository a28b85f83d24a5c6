/* down: what `up` made goes away; named volumes only when asked for. */
#include "cli/apply.h"
#include "cli/image-use.h"
#include "cli/progress.h"
#include "cli/provider.h"
#include "net/net.h"

#include "engine/service-name.h"

#include <stdio.h>

struct down_args {
	bool remove_orphans, volumes;
	const char *rmi;
	struct option_duration timeout;
};

#define O(field) offsetof(struct down_args, field)
static const struct option down_options[] = {
	{ 0, "remove-orphans", OPTION_FLAG, O(remove_orphans), NULL, NULL,
	  "Remove containers of services that are not in the Compose file", 0 },
	{ 0, "rmi", OPTION_TEXT, O(rmi), "WHICH", NULL,
	  "Remove images of services: local (those without a name of their own) or all", 0 },
	{ 't', "timeout", OPTION_DURATION, O(timeout), "SECONDS", NULL,
	  "Grace period before what still runs is killed", 0 },
	{ 'v', "volumes", OPTION_FLAG, O(volumes), NULL, NULL,
	  "Remove the named volumes of the Compose file and anonymous volumes, too", 0 },
	{ .name = NULL },
};

static bool concerns(const struct strv *services, const char *service)
{
	return !services->n || strv_has(services, service);
}

/* Which images --rmi means: taken before anything is removed, as containers tell, too. */
static void find_images(struct cli *cli, const struct down_args *o, const struct strv *services,
			struct strv *ret)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_err struct err none = ERR_INIT;
	bool all = str_eq(o->rmi, "all");
	for (size_t i = 0; cli->project && i < cli->project->services.n; i++) {
		struct service *s = &cli->project->services.v[i];
		cleanup_free char *name = service_image_name(cli->project, s);
		if (concerns(services, s->name) && (all || !s->image) && name &&
		    !strv_has(ret, name))
			strv_add(ret, name);
	}
	if (cli->project || !all ||
	    state_containers(&cli->paths, cli->project_name, &found, &none) < 0)
		return;
	vec_each(c, &found.items)
		if (concerns(services, (*c)->service) && (*c)->image && !strv_has(ret, (*c)->image))
			strv_add(ret, (*c)->image);
}

static int remove_images(struct cli *cli, const struct strv *images, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(image_use_done) struct image_use use = { 0 };
	int r = images->n ? cli_image_store(cli, &store, err) : 0;
	if (r == 0 && images->n)
		r = image_use_load(cli, &use, err);
	if (r < 0 || !images->n)
		return r;
	struct progress *p = progress_new(cli, images->n);
	for (size_t i = 0; i < images->n; i++) {
		cleanup_strv struct strv untagged = { 0 }, deleted = { 0 };
		cleanup_err struct err one = ERR_INIT;
		cleanup_free char *subject = xasprintf("Image %s", images->v[i]);
		progress_step(p, subject, "start", "Removing");
		/* Images that are missing or still in use are said so and left, as Docker does. */
		if (image_remove(store, images->v[i], false, &use.layers, &untagged, &deleted,
				 &one) == 0)
			progress_step(p, subject, "done", "Removed");
		else
			progress_step(p, subject, one.kind == ERR_NOT_FOUND ? "done" : "error",
				      one.kind == ERR_NOT_FOUND ? "Warning: No resource found to "
								  "remove"
								: one.msg);
	}
	progress_done(p);
	return 0;
}

static bool has_record(struct cli *cli)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err none = ERR_INIT;
	return state_projects(&cli->paths, &names, &none) == 0 &&
	       strv_has(&names, cli->project_name);
}

/* A network that stayed because another project was on it. */
static bool has_network(struct cli *cli)
{
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err none = ERR_INIT;
	bool found = false;
	if (geteuid() != 0 || net_open(cli->paths.root, cli->paths.run, &net, &none) < 0 ||
	    net_network_list(net, &names, &none) < 0)
		return false;
	for (size_t i = 0; i < names.n && !found; i++) {
		cleanup_network struct net_network network = { 0 };
		cleanup_err struct err gone = ERR_INIT;
		found = net_network_load(net, names.v[i], &network, &gone) == 0 &&
			str_eq(network.config.project, cli->project_name);
	}
	return found;
}

static int down_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct down_args *o = options;
	struct goal goal = {
		.kind = GOAL_DOWN,
		.services = *args,
		.remove_orphans = o->remove_orphans,
		.volumes = o->volumes,
		.rmi = (char *)o->rmi,
		.has_timeout = o->timeout.set,
		.timeout = o->timeout.ns,
	};
	cleanup_strv struct strv images = { 0 };
	cleanup_containers struct containers found = { 0 };
	if (o->rmi && strcmp(o->rmi, "all") != 0 && strcmp(o->rmi, "local") != 0)
		return err_usage(err, "invalid value '%s' for '--rmi': expected all or local",
				 o->rmi);
	int r = cli_containers(cli, args, &found, err);
	if (r < 0)
		return r;
	if (o->rmi)
		find_images(cli, o, args, &images);
	/* Without a record only volumes and networks can be left. */
	if (has_record(cli) || (o->volumes && cli->project && cli->project->volumes.n) ||
	    has_network(cli))
		r = apply_goal(cli, &goal, err);
	else if (!o->rmi)
		cli_warn(cli, "no resource found to remove for project '%s'", cli->project_name);
	if (r == 0)
		r = provider_down(cli, args, err);
	if (r == 0 && !cli->global.dry_run)
		r = remove_images(cli, &images, err);
	return r;
}

const struct cmd cmd_down = {
	.name = "down",
	.summary = "Stop and remove containers and networks",
	.args = "[SERVICES]",
	.options = down_options,
	.options_size = sizeof(struct down_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME | CMD_ALL_SERVICES,
	.run = down_run,
};
