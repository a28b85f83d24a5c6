/* pause and unpause: the same work in two directions. */
#include "cli/apply.h"
#include "cli/progress.h"

/* What is as it is to become already: an error as in Docker Compose, once the others are done. */
static int check_state(const struct containers *found, bool pause, struct err *err)
{
	vec_each(c, &found->items)
		if ((*c)->state == (pause ? CONTAINER_PAUSED : CONTAINER_RUNNING))
			return err_conflict(err, "container '%s' is %s", (*c)->name,
					    pause ? "already paused" : "not paused");
	return 0;
}

static int freeze(struct cli *cli, const struct strv *args, bool pause, struct err *err)
{
	enum container_state from = pause ? CONTAINER_RUNNING : CONTAINER_PAUSED;
	cleanup_containers struct containers found = { 0 };
	cleanup(client_free_cleanup) struct client *client = NULL;
	int r = cli_containers(cli, args, &found, err);
	if (r == 0 && !cli->global.dry_run)
		r = apply_client(cli, &client, err);
	if (r < 0)
		return r;
	struct progress *p = progress_new(cli, 0);
	vec_each(c, &found.items) {
		if ((*c)->state != from)
			continue;
		cleanup_free char *subject = xasprintf("Container %s", (*c)->name);
		cleanup_strv struct strv ids = { 0 };
		strv_add(&ids, (*c)->id);
		progress_step(p, subject, "start", pause ? "Pausing" : "Unpausing");
		if (client)
			r = client_pause(client, &ids, pause, err);
		if (r < 0) {
			progress_step(p, subject, "error", "Error");
			break;
		}
		progress_step(p, subject, "done", pause ? "Paused" : "Unpaused");
	}
	progress_done(p);
	return r < 0 ? r : check_state(&found, pause, err);
}

static int pause_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	(void)options;
	return freeze(cli, args, true, err);
}

static int unpause_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	(void)options;
	return freeze(cli, args, false, err);
}

const struct cmd cmd_pause = {
	.name = "pause",
	.summary = "Pause services",
	.args = "[SERVICE...]",
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = pause_run,
};

const struct cmd cmd_unpause = {
	.name = "unpause",
	.summary = "Unpause services",
	.args = "[SERVICE...]",
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = unpause_run,
};
