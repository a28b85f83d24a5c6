/* rm: stopped containers go. */
#include "cli/apply.h"

#include <stdio.h>

struct rm_args {
	bool all, force, stop, volumes;
};

#define O(field) offsetof(struct rm_args, field)
static const struct option rm_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL, "No effect", OPTION_HIDDEN },
	{ 'f', "force", OPTION_FLAG, O(force), NULL, NULL, "Do not ask to confirm removal", 0 },
	{ 's', "stop", OPTION_FLAG, O(stop), NULL, NULL,
	  "Stop the containers, if required, before removing", 0 },
	{ 'v', "volumes", OPTION_FLAG, O(volumes), NULL, NULL,
	  "Remove anonymous volumes of the containers, too", 0 },
	{ .name = NULL },
};

static bool removable(const struct container *c, const struct rm_args *o)
{
	return o->stop || c->state == CONTAINER_CREATED || c->state == CONTAINER_EXITED ||
	       c->state == CONTAINER_DEAD;
}

/* Asks on the terminal; anything but yes, and an end of the input, is no. */
static bool confirmed(void)
{
	char answer[16];
	fprintf(stderr, "Are you sure? [yN] ");
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int rm_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct rm_args *o = options;
	struct goal goal = {
		.kind = GOAL_RM,
		.services = *args,
		.stop_first = o->stop,
		.volumes = o->volumes,
	};
	cleanup_containers struct containers found = { 0 };
	cleanup_strv struct strv names = { 0 };
	int r = cli_containers(cli, args, &found, err);
	if (r < 0)
		return r;
	vec_each(c, &found.items)
		if (!(*c)->oneoff && removable(*c, o)) /* those of `run` stay for `down` */
			strv_add(&names, (*c)->name);
	if (!names.n) {
		fprintf(stderr, "No stopped containers\n");
		return 0;
	}
	cleanup_free char *list = strv_join(&names, ", ");
	printf("Going to remove %s\n", list);
	fflush(stdout);
	if (!o->force && !cli->global.dry_run && !confirmed())
		return 0;
	return apply_goal(cli, &goal, err);
}

const struct cmd cmd_rm = {
	.name = "rm",
	.summary = "Remove stopped service containers",
	.args = "[SERVICE...]",
	.details = "Anonymous volumes stay unless -v is given; what is not in a volume is lost.",
	.options = rm_options,
	.options_size = sizeof(struct rm_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME | CMD_ALL_SERVICES,
	.run = rm_run,
};

/* --- of containers by their names --- */

struct container_rm_args {
	bool force, volumes;
};

#define C(field) offsetof(struct container_rm_args, field)
static const struct option container_rm_options[] = {
	{ 'f', "force", OPTION_FLAG, C(force), NULL, NULL, "Kill those that run", 0 },
	{ 'v', "volumes", OPTION_FLAG, C(volumes), NULL, NULL,
	  "Remove their anonymous volumes, too", 0 },
	{ .name = NULL },
};

static int container_rm_run(struct cli *cli, void *options, const struct strv *args,
			    struct err *err)
{
	const struct container_rm_args *o = options;
	const struct rm_args removable_as_they_are = { 0 };
	struct goal goal = {
		.kind = GOAL_RM,
		.stop_first = o->force,
		.has_timeout = o->force,
		.volumes = o->volumes,
	};
	cleanup_containers struct containers found = { 0 };
	int r = cli_containers(cli, args, &found, err);
	vec_each(c, &found.items)
		if (r == 0 && !o->force && !removable(*c, &removable_as_they_are))
			r = err_conflict(err,
					 "container '%s' is %s: stop it first, or give --force",
					 (*c)->name, container_state_shown((*c)->state));
	return r < 0 ? r : apply_goal(cli, &goal, err);
}

const struct cmd cmd_container_rm = {
	.name = "container rm",
	.summary = "Remove containers",
	.args = "CONTAINER...",
	.options = container_rm_options,
	.options_size = sizeof(struct container_rm_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.flags = CMD_CONTAINERS | CMD_EACH_PROJECT,
	.run = container_rm_run,
};
