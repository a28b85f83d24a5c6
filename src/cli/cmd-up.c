/* up: make it so; and, unless detached, show what the containers write until they end or we are
 * told to stop. */
#include "cli/apply.h"
#include "cli/interrupt.h"
#include "cli/logview.h"
#include "cli/planview.h"
#include "cli/progress.h"
#include "cli/provide.h"
#include "cli/watching.h"

#include "base/map.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct up_args {
	bool abort_on_exit, abort_on_failure, always_recreate_deps, attach_deps, build, detach,
		force_recreate, menu;
	bool no_build, no_color, no_deps, no_prefix, no_recreate, no_start, quiet_build, quiet_pull,
		remove_orphans;
	bool renew_volumes, timestamps, wait, watch, yes;
	struct strv attach, no_attach, scale;
	const char *exit_code_from, *pull;
	struct option_duration timeout, wait_timeout;
};

#define O(field) offsetof(struct up_args, field)
static const struct option up_options[] = {
	{ 0, "abort-on-container-exit", OPTION_FLAG, O(abort_on_exit), NULL, NULL,
	  "Stop all containers if any container stopped", 0 },
	{ 0, "abort-on-container-failure", OPTION_FLAG, O(abort_on_failure), NULL, NULL,
	  "Stop all containers if any container exited with failure", 0 },
	{ 0, "always-recreate-deps", OPTION_FLAG, O(always_recreate_deps), NULL, NULL,
	  "Recreate dependent containers", 0 },
	{ 0, "attach", OPTION_LIST, O(attach), "SERVICE", NULL,
	  "Show the output of these services only", 0 },
	{ 0, "attach-dependencies", OPTION_FLAG, O(attach_deps), NULL, NULL,
	  "Show the output of dependencies too", 0 },
	{ 0, "build", OPTION_FLAG, O(build), NULL, NULL, "Build images before starting containers",
	  0 },
	{ 'd', "detach", OPTION_FLAG, O(detach), NULL, NULL, "Run containers in the background",
	  0 },
	{ 0, "exit-code-from", OPTION_TEXT, O(exit_code_from), "SERVICE", NULL,
	  "Return the exit code of this service's container; implies --abort-on-container-exit",
	  0 },
	{ 0, "force-recreate", OPTION_FLAG, O(force_recreate), NULL, NULL,
	  "Recreate containers even if nothing changed", 0 },
	{ 0, "menu", OPTION_FLAG, O(menu), NULL, NULL, "Accepted for compatibility",
	  OPTION_HIDDEN },
	{ 0, "no-attach", OPTION_LIST, O(no_attach), "SERVICE", NULL,
	  "Do not show the output of these services", 0 },
	{ 0, "no-build", OPTION_FLAG, O(no_build), NULL, NULL,
	  "Do not build an image, even if it is missing", 0 },
	{ 0, "no-color", OPTION_FLAG, O(no_color), NULL, NULL, "Monochrome output", 0 },
	{ 0, "no-deps", OPTION_FLAG, O(no_deps), NULL, NULL, "Do not start linked services", 0 },
	{ 0, "no-log-prefix", OPTION_FLAG, O(no_prefix), NULL, NULL,
	  "Do not print the container's name before each line", 0 },
	{ 0, "no-recreate", OPTION_FLAG, O(no_recreate), NULL, NULL,
	  "Leave existing containers as they are", 0 },
	{ 0, "no-start", OPTION_FLAG, O(no_start), NULL, NULL,
	  "Create the containers, do not start them", 0 },
	{ 0, "pull", OPTION_TEXT, O(pull), "WHEN", "policy", "Pull images: always, missing, never",
	  0 },
	{ 0, "quiet-build", OPTION_FLAG, O(quiet_build), NULL, NULL, "Suppress build output", 0 },
	{ 0, "quiet-pull", OPTION_FLAG, O(quiet_pull), NULL, NULL, "Pull without progress", 0 },
	{ 0, "remove-orphans", OPTION_FLAG, O(remove_orphans), NULL, NULL,
	  "Remove containers of services that are not in the Compose file", 0 },
	{ 'V', "renew-anon-volumes", OPTION_FLAG, O(renew_volumes), NULL, NULL,
	  "New anonymous volumes instead of those of the previous containers", 0 },
	{ 0, "scale", OPTION_LIST, O(scale), "SERVICE=N", NULL, "Number of containers of a service",
	  0 },
	{ 't', "timeout", OPTION_DURATION, O(timeout), "SECONDS", NULL,
	  "Grace period when containers are stopped", 0 },
	{ 0, "timestamps", OPTION_FLAG, O(timestamps), NULL, NULL, "Show the time of each line",
	  0 },
	{ 0, "wait", OPTION_FLAG, O(wait), NULL, NULL,
	  "Wait until services are running or healthy; implies --detach", 0 },
	{ 0, "wait-timeout", OPTION_DURATION, O(wait_timeout), "SECONDS", NULL, "Most time to wait",
	  0 },
	{ 'w', "watch", OPTION_FLAG, O(watch), NULL, NULL,
	  "Watch files, and bring what changes to the services (develop.watch)", 0 },
	{ 'y', "yes", OPTION_FLAG, O(yes), NULL, NULL,
	  "Accepted for compatibility: stave asks nothing", OPTION_HIDDEN },
	{ .name = NULL },
};

static int check(struct cli *cli, const struct up_args *o, const struct strv *services,
		 struct err *err)
{
	bool foreground = o->abort_on_exit || o->abort_on_failure || o->exit_code_from;
	if (foreground && (o->detach || o->wait))
		return err_usage(err, "--abort-on-container-exit, --abort-on-container-failure and "
				      "--exit-code-from "
				      "cannot be combined with --detach or --wait");
	if (o->exit_code_from && !project_service(cli->project, o->exit_code_from))
		return err_not_found(err, "no such service: %s", o->exit_code_from);
	if (o->force_recreate && o->no_recreate)
		return err_usage(err, "--force-recreate and --no-recreate are incompatible");
	if (o->always_recreate_deps && o->no_recreate)
		return err_usage(err, "--always-recreate-deps and --no-recreate are incompatible");
	if (o->build && o->no_build)
		return err_usage(err, "--build and --no-build are incompatible");
	if (o->watch && (o->detach || o->wait || o->no_start))
		return err_usage(err, "--watch cannot be combined with --detach, --wait or "
				      "--no-start");
	if (o->watch)
		return watching_check(cli, services, err);
	return 0;
}

/* What an attached `up` shows and watches. */
struct attached {
	struct cli *cli;
	const struct up_args *args;
	struct logview view;
	int interrupt_fd;
	struct strv watched; /* services whose ends count: those asked for, and what they need */
	nsec_t since;	     /* wall: what ended before is no news */
	bool interrupted, detached, aborted;
	bool has_code; /* exit_code is that of --exit-code-from's service */
	int exit_code;
	struct map told; /* container id -> end (nsec_t) that was told */
	struct map oom;	 /* container ids whose memory kill was told */
	struct termios saved;
	bool keys; /* the terminal gives single keys: d detaches */
};

static bool shown(const struct attached *a, const struct strv *services, const struct container *c)
{
	const struct up_args *o = a->args;
	const struct service *s = project_service(a->cli->project, c->service);
	if (c->oneoff || !s || (s->has_attach && !s->attach))
		return false;
	if (o->attach.n)
		return strv_has(&o->attach, c->service);
	if (strv_has(&o->no_attach, c->service))
		return false;
	return o->attach_deps || !services->n || strv_has(services, c->service);
}

/* "web-1 exited with code 0", once for each end. */
static void tell_end(struct attached *a, const struct container *c)
{
	nsec_t *told = map_get(&a->told, c->id);
	bool over = c->state == CONTAINER_EXITED || c->state == CONTAINER_BACKOFF;
	if (!told || !over || *told >= c->finished)
		return;
	*told = c->finished;
	printf("%s exited with code %d%s\n", logview_name(c), c->exit_code,
	       c->state == CONTAINER_BACKOFF ? " (restarting)" : "");
	fflush(stdout);
}

/* A process of it was killed for want of memory: once for each run. */
static void tell_oom(struct attached *a, const struct container *c)
{
	bool told = map_has(&a->oom, c->id);
	if (!map_has(&a->told, c->id) || told == c->oom_killed)
		return;
	if (told)
		(void)map_take(&a->oom, c->id);
	else
		map_set(&a->oom, c->id, a);
	if (!told)
		cli_warn(a->cli, "%s: a process was killed for want of memory", logview_name(c));
}

static void watch_service(struct attached *a, const char *name)
{
	const struct service *s = project_service(a->cli->project, name);
	if (!s || strv_has(&a->watched, name))
		return;
	strv_add(&a->watched, name);
	vec_each(d, &s->depends_on)
		if (!a->args->no_deps)
			watch_service(a, d->service);
}

/* One whose success others wait for is meant to end. */
static bool meant_to_end(const struct attached *a, const struct container *c)
{
	vec_each(s, &a->cli->project->services)
		vec_each(d, &s->depends_on)
			if (!c->exit_code && d->condition == DEPENDS_COMPLETED &&
			    strcmp(d->service, c->service) == 0)
				return true;
	return false;
}

/* Whether this end is one that ends the others. */
static bool aborts(struct attached *a, const struct container *c)
{
	const struct up_args *o = a->args;
	if (o->exit_code_from && strcmp(c->service, o->exit_code_from) == 0) {
		a->exit_code = c->exit_code;
		a->has_code = true;
		return true;
	}
	if (meant_to_end(a, c))
		return false;
	bool over = o->exit_code_from || o->abort_on_exit || (o->abort_on_failure && c->exit_code);
	if (over && !o->exit_code_from)
		a->exit_code = c->exit_code;
	return over;
}

/* All have ended, or one whose end ends the others. */
static bool ended(struct attached *a)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_err struct err err = ERR_INIT;
	bool any = false;
	if (state_containers(&a->cli->paths, a->cli->project_name, &found, &err) < 0)
		return true;
	vec_each(c, &found.items) {
		bool exited = (*c)->state == CONTAINER_EXITED || (*c)->state == CONTAINER_DEAD;
		if ((*c)->oneoff || !strv_has(&a->watched, (*c)->service))
			continue;
		any = any || !exited;
		tell_oom(a, *c);
		tell_end(a, *c);
		if (exited && (*c)->finished >= a->since && !a->aborted)
			a->aborted = aborts(a, *c);
	}
	/* A container that a change of files replaces is none for a moment. */
	return a->aborted || (!any && !a->args->watch);
}

/* --- the keyboard --- */

/* Single keys, unechoed; Ctrl-C stays a signal. Not in the background, where it would stop us. */
static void keys_on(struct attached *a)
{
	if (!a->cli->stdout_tty || !isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
	    tcgetattr(STDIN_FILENO, &a->saved) < 0)
		return;
	struct termios single = a->saved;
	single.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	single.c_cc[VMIN] = 0;
	single.c_cc[VTIME] = 0;
	a->keys = tcsetattr(STDIN_FILENO, TCSANOW, &single) == 0;
	if (a->keys)
		fprintf(stderr, "d detaches, Ctrl-C stops\n");
}

static void keys_off(struct attached *a)
{
	if (a->keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &a->saved);
	a->keys = false;
}

static bool detach_key(struct attached *a)
{
	char key;
	while (a->keys && read(STDIN_FILENO, &key, 1) == 1)
		if (key == 'd')
			return true;
	return false;
}

static bool stop(void *data)
{
	struct attached *a = data;
	fflush(stdout);
	a->interrupted = a->interrupted || interrupt_wait(a->interrupt_fd, 0);
	a->detached = a->detached || detach_key(a);
	return a->interrupted || a->detached || ended(a);
}

static int line(const struct log_line *log, void *data)
{
	struct attached *a = data;
	return logview_line(log, &a->view);
}

static int follow(struct attached *a, const struct strv *services, nsec_t since, struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	struct log_query query = { .since = since, .tail = -1 };
	int r = state_containers(&a->cli->paths, a->cli->project_name, &found, err);
	if (r < 0)
		return r;
	cleanup_str struct str names = STR_INIT;
	vec_each(c, &found.items) {
		if (!shown(a, services, *c))
			continue;
		logview_add(&a->view, &query, a->cli, *c);
		str_addf(&names, "%s%s", names.len ? ", " : "", logview_name(*c));
		/* What ended before this `up` is no news. */
		nsec_t *told = new0(nsec_t);
		*told = (*c)->started > since ? 0 : (*c)->finished;
		map_set(&a->told, (*c)->id, told);
	}
	printf("Attaching to %s\n", str_text(&names));
	fflush(stdout);
	keys_on(a);
	r = log_follow(&query, line, stop, a, err);
	keys_off(a);
	logview_done(&a->view, &query);
	map_done(&a->told);
	map_done(&a->oom);
	return r;
}

/* After all were stopped: how --exit-code-from's service ended. */
static void find_code(struct attached *a)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_err struct err none = ERR_INIT;
	if (state_containers(&a->cli->paths, a->cli->project_name, &found, &none) < 0)
		return;
	vec_each(c, &found.items)
		if (!(*c)->oneoff && strcmp((*c)->service, a->args->exit_code_from) == 0)
			a->exit_code = (*c)->exit_code;
}

/* Ctrl-C stops what runs; a second one does not wait for grace periods. */
static int stop_all(struct attached *a, struct client *client, const struct goal *up,
		    struct err *err)
{
	cleanup(progress_done_cleanup) struct progress *progress = progress_new(a->cli, 0);
	struct goal goal = { .kind = GOAL_STOP,
			     .has_timeout = up->has_timeout,
			     .timeout = up->timeout };
	int r = client_apply(client, a->cli->project, &goal, a->interrupt_fd, progress_event,
			     progress, err);
	if (r == 0 || err->kind != ERR_CANCELLED)
		return r;
	err_done(err);
	struct strv all = { 0 };
	r = client_kill(client, &all, SIGKILL, err);
	goal.has_timeout = true;
	goal.timeout = 0;
	if (r == 0) /* until they are gone */
		r = client_apply(client, a->cli->project, &goal, FD_NONE, progress_event, progress,
				 err);
	return r;
}

static int attach(struct cli *cli, const struct up_args *o, struct client *client,
		  const struct strv *services, const struct goal *goal, nsec_t since,
		  int interrupt_fd, struct err *err)
{
	struct attached a = {
		.cli = cli,
		.args = o,
		.interrupt_fd = interrupt_fd,
		.told = MAP_INIT_FREE(free),
		.oom = MAP_INIT,
		.since = since,
		.view = {
			.colour = cli->colour && cli->stdout_tty && !o->no_color,
			.prefix = !o->no_prefix,
			.timestamps = o->timestamps,
			.apart = true,
		},
	};
	vec_each(s, &cli->project->services)
		if (!services->n || strv_has(services, s->name))
			watch_service(&a, s->name);
	int r = follow(&a, services, since, err);
	strv_done(&a.watched);
	if (r < 0 || a.detached)
		return r;
	bool stopping =
		a.interrupted || o->abort_on_exit || o->abort_on_failure || o->exit_code_from;
	if (a.interrupted)
		fprintf(stderr, "Gracefully Stopping... press Ctrl+C again to force\n");
	else if (a.aborted)
		fprintf(stderr, "Aborting on container exit...\n");
	if (stopping)
		r = stop_all(&a, client, goal, err);
	if (r == 0 && o->exit_code_from && !a.has_code)
		find_code(&a);
	return r < 0 ? r : a.interrupted ? 130 : a.exit_code;
}

/* --watch: a process of its own, which ends with us. */
static pid_t start_watching(struct cli *cli, const struct strv *services, struct err *err)
{
	const struct watching_options options = { .prune = true };
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "fork");
	if (pid)
		return pid;
	cleanup_err struct err why = ERR_INIT;
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		_exit(1);
	if (watching_run(cli, services, &options, &why) < 0)
		cli_print_err(cli, &why);
	_exit(0);
}

static void stop_watching(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, NULL, 0);
}

/* What was left as it is runs, too, and is said so. */
static void tell_running(struct cli *cli, const struct strv *services, struct progress *progress)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_err struct err none = ERR_INIT;
	if (state_containers(&cli->paths, cli->project_name, &found, &none) < 0)
		return;
	vec_each(c, &found.items) {
		cleanup_free char *subject = xasprintf("Container %s", (*c)->name);
		bool named = !services->n || strv_has(services, (*c)->service);
		if (named && !(*c)->oneoff && (*c)->state == CONTAINER_RUNNING &&
		    !progress_seen(progress, subject))
			progress_step(progress, subject, "done", "Running");
	}
}

static int up(struct cli *cli, const struct up_args *o, const struct strv *services,
	      const struct goal *goal, struct err *err)
{
	cleanup(client_free_cleanup) struct client *client = NULL;
	cleanup_fd int interrupt_fd = FD_NONE;
	struct provide provide = {
		.pull = o->pull,
		.build = o->build,
		.no_build = o->no_build,
		.quiet_pull = o->quiet_pull,
		.quiet_build = o->quiet_build,
	};
	nsec_t since = now_wall();
	int r = o->watch ? watching_protect(err) : 0;
	if (r == 0)
		r = provide_images(cli, services, o->no_deps, &provide, err);
	if (r == 0)
		r = interrupt_open(&interrupt_fd, err);
	if (r == 0)
		r = client_open(&cli->paths, cli->project_name, CLIENT_SPAWN, interrupt_fd, &client,
				err);
	if (r < 0)
		return r;
	struct progress *progress = progress_new(cli, 0);
	r = client_apply(client, cli->project, goal, interrupt_fd, progress_event, progress, err);
	if (r == 0)
		tell_running(cli, services, progress);
	progress_done(progress);
	if (r < 0 || o->detach || o->wait || o->no_start)
		return r;
	pid_t watching = o->watch ? start_watching(cli, services, err) : 0;
	if (watching < 0)
		return watching;
	r = attach(cli, o, client, services, goal, since, interrupt_fd, err);
	stop_watching(watching);
	return r;
}

static int up_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct up_args *o = options;
	cleanup_goal struct goal goal = {
		.kind = o->no_start ? GOAL_CREATE : GOAL_UP,
		.no_deps = o->no_deps,
		.force_recreate = o->force_recreate,
		.no_recreate = o->no_recreate,
		.always_recreate_deps = o->always_recreate_deps,
		.remove_orphans = o->remove_orphans,
		.renew_volumes = o->renew_volumes,
		.no_start = o->no_start,
		.has_timeout = o->timeout.set,
		.timeout = o->timeout.ns,
		.wait = o->wait,
		.has_wait_timeout = o->wait_timeout.set && o->wait_timeout.ns > 0,
		.wait_timeout = o->wait_timeout.ns,
	};
	strv_copy(&goal.services, args);
	int r = check(cli, o, args, err);
	if (r == 0)
		r = apply_scale(&o->scale, "--scale", &goal, err);
	if (r < 0)
		return r;
	if (cli->global.dry_run)
		return planview_dry_run(cli, &goal, err);
	r = cli_need_root(err);
	return r < 0 ? r : up(cli, o, args, &goal, err);
}

const struct cmd cmd_up = {
	.name = "up",
	.summary = "Create and start containers",
	.args = "[SERVICE...]",
	.details = "Variables are checked first against the project's .env.schema, where there is "
		   "one (docs/env-schema.md).",
	.options = up_options,
	.options_size = sizeof(struct up_args),
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS,
	.run = up_run,
};
