/* kill: a signal to the containers' first processes. */
#include "cli/apply.h"
#include "cli/progress.h"

#include "base/proc.h"

#include <signal.h>
#include <stdio.h>

struct kill_args {
	bool remove_orphans;
	const char *signal;
};

static const struct option kill_options[] = {
	{ 0, "remove-orphans", OPTION_FLAG, offsetof(struct kill_args, remove_orphans), NULL, NULL,
	  "Also containers of services that are not in the Compose file", 0 },
	{ 's', "signal", OPTION_TEXT, offsetof(struct kill_args, signal), "SIGNAL", "SIGKILL",
	  "The signal to send", 0 },
	{ .name = NULL },
};

static bool runs(const struct container *c)
{
	return c->state == CONTAINER_RUNNING || c->state == CONTAINER_PAUSED ||
	       c->state == CONTAINER_STOPPING;
}

static bool chosen(const struct cli *cli, const struct kill_args *o, const struct container *c)
{
	bool orphan = cli->project && !project_service(cli->project, c->service);
	return runs(c) && (o->remove_orphans || !orphan);
}

/* Events of the wait are not ours to read: the signal is sent when the call returns. */
static void report(struct progress *p, const struct containers *found, const struct strv *ids,
		   const char *action, const char *text)
{
	vec_each(c, &found->items) {
		if (!strv_has(ids, (*c)->id))
			continue;
		cleanup_free char *subject = xasprintf("Container %s", (*c)->name);
		progress_step(p, subject, action, text);
	}
}

static int wait_for_end(struct client *client, const struct container *c, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	int exit_code, r = client_wait(client, c->id, c->started, &exit_code, &why);
	return r < 0 && why.kind != ERR_NOT_FOUND ? err_move(err, &why) : 0;
}

static int kill_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct kill_args *o = options;
	cleanup_containers struct containers found = { 0 };
	cleanup(client_free_cleanup) struct client *client = NULL;
	cleanup_strv struct strv ids = { 0 };
	int signo = signal_parse(o->signal);
	if (signo < 0)
		return err_usage(err, "invalid value '%s' for '--signal': no such signal",
				 o->signal);
	int r = cli_containers(cli, args, &found, err);
	if (r < 0)
		return r;
	vec_each(c, &found.items)
		if (chosen(cli, o, *c))
			strv_add(&ids, (*c)->id);
	if (ids.n && !cli->global.dry_run)
		r = apply_client(cli, &client, err);
	if (r < 0)
		return r;
	if (!ids.n || (!client && !cli->global.dry_run)) {
		fprintf(stderr, "no container to kill\n");
		return 0;
	}
	struct progress *p = progress_new(cli, ids.n);
	report(p, &found, &ids, "start", "Killing");
	if (client)
		r = client_kill(client, &ids, signo, err);
	/* What comes next is to find them ended; somebody else may start them meanwhile. */
	vec_each(c, &found.items) {
		if (client && r == 0 && signo == SIGKILL && strv_has(&ids, (*c)->id))
			r = wait_for_end(client, *c, err);
	}
	report(p, &found, &ids, r < 0 ? "error" : "done", r < 0 ? "Error" : "Killed");
	progress_done(p);
	return r;
}

const struct cmd cmd_kill = {
	.name = "kill",
	.summary = "Force stop service containers",
	.args = "[SERVICE...]",
	.options = kill_options,
	.options_size = sizeof(struct kill_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = kill_run,
};
