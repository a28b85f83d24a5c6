/* run: a one-off container of a service, with our terminal. */
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/planview.h"
#include "cli/progress.h"
#include "cli/provide.h"
#include "cli/relay.h"
#include "cli/session.h"
#include "compose/words.h"
#include "volume/volume.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/proc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

struct run_args {
	bool build, detach, dry_run, interactive, no_deps, no_tty, quiet, quiet_build, quiet_pull,
		remove_orphans, rm;
	bool service_ports, tty, use_aliases;
	struct strv cap_add, cap_drop, env, env_from_file, labels, publish, volumes;
	const char *entrypoint, *name, *pull, *user, *workdir;
};

#define O(field) offsetof(struct run_args, field)
static const struct option run_options[] = {
	{ 0, "build", OPTION_FLAG, O(build), NULL, NULL,
	  "Build the image before starting the container", 0 },
	{ 0, "cap-add", OPTION_LIST, O(cap_add), "CAP", NULL, "Add Linux capabilities", 0 },
	{ 0, "cap-drop", OPTION_LIST, O(cap_drop), "CAP", NULL, "Drop Linux capabilities", 0 },
	{ 'd', "detach", OPTION_FLAG, O(detach), NULL, NULL,
	  "Run in the background and print the container's id", 0 },
	{ 0, "dry-run", OPTION_FLAG, O(dry_run), NULL, NULL,
	  "Show what would be done, and why, and do nothing", 0 },
	{ 0, "entrypoint", OPTION_TEXT, O(entrypoint), "CMD", NULL,
	  "Override the entrypoint of the image", 0 },
	{ 'e', "env", OPTION_LIST, O(env), "KEY=VALUE", NULL, "Set environment variables", 0 },
	{ 0, "env-from-file", OPTION_LIST, O(env_from_file), "FILE", NULL,
	  "Set environment variables from a file", 0 },
	{ 'i', "interactive", OPTION_FLAG, O(interactive), NULL, "true", "Keep standard input open",
	  0 },
	{ 'l', "label", OPTION_LIST, O(labels), "KEY=VALUE", NULL, "Add or override a label", 0 },
	{ 0, "name", OPTION_TEXT, O(name), "NAME", NULL, "Name of the container", 0 },
	{ 0, "no-deps", OPTION_FLAG, O(no_deps), NULL, NULL, "Do not start linked services", 0 },
	{ 'T', "no-tty", OPTION_FLAG, O(no_tty), NULL, NULL,
	  "No pseudo-terminal (default: one when on a terminal)", 0 },
	{ 'p', "publish", OPTION_LIST, O(publish), "PORT", NULL,
	  "Publish a port of the container to the host", 0 },
	{ 0, "pull", OPTION_TEXT, O(pull), "WHEN", "policy",
	  "Pull the image: always, missing, never", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Print nothing of our own", 0 },
	{ 0, "quiet-build", OPTION_FLAG, O(quiet_build), NULL, NULL, "Suppress build output", 0 },
	{ 0, "quiet-pull", OPTION_FLAG, O(quiet_pull), NULL, NULL, "Pull without progress", 0 },
	{ 0, "remove-orphans", OPTION_FLAG, O(remove_orphans), NULL, NULL,
	  "Remove containers of services that are not in the Compose file", 0 },
	{ 0, "rm", OPTION_FLAG, O(rm), NULL, NULL, "Remove the container when it exits", 0 },
	{ 'P', "service-ports", OPTION_FLAG, O(service_ports), NULL, NULL,
	  "Publish the service's ports", 0 },
	{ 't', "tty", OPTION_FLAG, O(tty), NULL, "true", "Allocate a pseudo-terminal",
	  OPTION_HIDDEN },
	{ 0, "use-aliases", OPTION_FLAG, O(use_aliases), NULL, NULL,
	  "Answer to the service's names in its networks", 0 },
	{ 'u', "user", OPTION_TEXT, O(user), "USER", NULL, "Run as this user", 0 },
	{ 'v', "volume", OPTION_LIST, O(volumes), "VOLUME", NULL, "Mount a volume", 0 },
	{ 'w', "workdir", OPTION_TEXT, O(workdir), "DIR", NULL,
	  "Working directory in the container", 0 },
	{ .name = NULL },
};

static int add_env_file(struct strv *env, const char *file, struct err *err)
{
	enum { ENV_FILE_MAX = 1 << 20 };
	cleanup_str struct str text = STR_INIT_MAX(ENV_FILE_MAX);
	int r = fs_read(AT_FDCWD, file, ENV_FILE_MAX, &text, err);
	if (r < 0)
		return err_wrap(err, "--env-from-file");
	cleanup_strv struct strv lines = strv_split(str_text(&text), '\n');
	for (size_t i = 0; i < lines.n && r == 0; i++) {
		char *line = lines.v[i];
		line[strcspn(line, "\r")] = '\0';
		if (*line && *line != '#')
			r = cli_environment(&(struct strv){ .v = &line, .n = 1 }, env, err);
	}
	return r;
}

static int make_oneoff(const struct run_args *o, const struct strv *args, bool tty,
		       struct oneoff *ret, struct err *err)
{
	char hex[13];
	hex_random(hex, 12);
	*ret = (struct oneoff){
		.service = xstrdup(args->v[0]),
		.name = xstrdup(o->name),
		.slot = xasprintf("%s-run-%s", args->v[0], hex),
		.user = xstrdup(o->user),
		.workdir = xstrdup(o->workdir),
		.service_ports = o->service_ports,
		.use_aliases = o->use_aliases,
		.auto_remove = o->rm,
		.tty = tty,
		.interactive = o->interactive && !o->detach,
		.no_deps = o->no_deps,
		.detach = o->detach,
	};
	strv_copy(&ret->labels, &o->labels);
	strv_copy(&ret->volumes, &o->volumes);
	strv_copy(&ret->publish, &o->publish);
	strv_copy(&ret->cap_add, &o->cap_add);
	strv_copy(&ret->cap_drop, &o->cap_drop);
	for (size_t i = 0; i < o->env_from_file.n; i++) {
		int bad = add_env_file(&ret->env, o->env_from_file.v[i], err);
		if (bad < 0)
			return bad;
	}
	int r = cli_environment(&o->env, &ret->env, err);
	if (r < 0)
		return r;
	for (size_t i = 1; i < args->n; i++)
		strv_add(&ret->command.args, args->v[i]);
	ret->command.set = args->n > 1;
	if (o->entrypoint) {
		ret->entrypoint.set = true;
		if (words_split(o->entrypoint, &ret->entrypoint.args) < 0)
			return err_usage(err,
					 "invalid value '%s' for '--entrypoint': a quote is "
					 "left open",
					 o->entrypoint);
	}
	return 0;
}

struct running {
	struct client *client;
	struct strv ids;
};

static void forward(int signo, void *data)
{
	struct running *r = data;
	cleanup_err struct err err = ERR_INIT;
	(void)client_kill(r->client, &r->ids, signo,
			  &err); /* gone already: its end is noticed anyhow */
}

/* The foreground: bytes and signals until the container ends. */
static int follow(struct cli *cli, const struct run_args *o, struct client *client, const char *id,
		  int console, struct relay *relay, struct err *err)
{
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup(client_free_cleanup) struct client *control = NULL;
	cleanup_fd int pidfd = FD_NONE;
	int exit_code = 0, r = 0;
	struct running running = { 0 };
	if (state_find(&cli->paths, cli->project_name, id, &c, err) < 0)
		err_done(err); /* --rm and gone already */
	else if (c->pid > 0 && proc_alive(c->pid, c->start_time))
		pidfd = proc_pidfd(c->pid);
	if (pidfd >= 0) {
		r = client_open(&cli->paths, cli->project_name, 0, FD_NONE, &control, err);
		if (r < 0)
			return r;
		running.client = control;
		strv_add(&running.ids, id);
		struct session session = {
			.peer = console,
			.pidfd = pidfd,
			.tty = console >= 0,
			.no_stdin = !o->interactive,
			.relay = relay,
			.forward = forward,
			.data = &running,
		};
		r = session_run(&session, err);
	}
	relay_drain(relay); /* of one that had ended before */
	strv_done(&running.ids);
	if (r == 0)
		r = client_wait(client, id, 0, &exit_code, err);
	return r < 0 ? r : exit_code;
}

static int start(struct cli *cli, const struct run_args *o, bool tty, struct goal *goal,
		 struct err *err)
{
	cleanup(client_free_cleanup) struct client *client = NULL;
	cleanup_fd int interrupt_fd = FD_NONE, console = FD_NONE, nothing = FD_NONE;
	cleanup_free char *id = NULL;
	struct provide provide = {
		.pull = o->pull,
		.build = o->build,
		.quiet_pull = o->quiet_pull || o->quiet,
		.quiet_build = o->quiet_build || o->quiet,
	};
	int stdio[3] = { o->interactive ? STDIN_FILENO : FD_NONE, STDOUT_FILENO, STDERR_FILENO };
	if (o->detach)
		stdio[0] = stdio[1] = stdio[2] = FD_NONE;
	cleanup_relay struct relay relay = RELAY_NONE;
	int r = tty ? 0 : relay_open(&relay, stdio, err);
	for (int i = 0; i < 3 && !tty; i++)
		stdio[i] = relay.child[i];
	if (!tty && !o->interactive && !o->detach) /* all three or none can be sent */
		stdio[0] = nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r == 0)
		r = provide_images(cli, &goal->services, o->no_deps, &provide, err);
	if (r == 0)
		r = interrupt_open(&interrupt_fd, err);
	if (r == 0)
		r = client_open(&cli->paths, cli->project_name, CLIENT_SPAWN, interrupt_fd, &client,
				err);
	if (r < 0)
		return r;
	struct progress *progress = progress_new(cli, 0);
	r = client_run(client, cli->project, goal, stdio, interrupt_fd, progress_event, progress,
		       &id, &console, err);
	progress_done(progress);
	relay_started(&relay);
	if (r < 0) {
		int status = err->no == ENOENT ? 127 : err->no == EACCES ? 126 : 0;
		if (err->kind != ERR_CONTAINER || !status)
			return r;
		cli_print_err(cli, err);
		err_done(err);
		return status;
	}
	if (o->detach) {
		printf("%s\n", id);
		return 0;
	}
	return follow(cli, o, client, id, console, &relay, err);
}

/* A volume of -v that the Compose file does not define is one of that very name, no project's. */
static int define_volumes(struct cli *cli, const struct strv *volumes, struct err *err)
{
	struct project *project = cli->project;
	for (size_t i = 0; i < volumes->n; i++) {
		const char *text = volumes->v[i], *colon = strchr(text, ':');
		if (!colon || strchr("./~:", *text))
			continue;
		cleanup_free char *name = xstrndup(text, (size_t)(colon - text));
		if (strchr(name, '/') || project_volume(project, name))
			continue;
		struct project_volume *volume = vec_add(&project->volumes);
		volume->key = xstrdup(name);
		volume->name = xstrdup(name);
		int r = volume_create(cli->paths.root, &(struct volume){ .name = name }, NULL, NULL,
				      err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A name is one container's, whatever project it is in. */
static int check_name(struct cli *cli, const char *name, struct err *err)
{
	cleanup_strv struct strv projects = { 0 };
	int r = name ? state_projects(&cli->paths, &projects, err) : 0;
	for (size_t i = 0; r == 0 && i < projects.n; i++) {
		cleanup_containers struct containers list = { 0 };
		cleanup_err struct err ignored =
			ERR_INIT; /* of another project: not ours to judge */
		if (state_containers(&cli->paths, projects.v[i], &list, &ignored) < 0)
			continue;
		vec_each(c, &list.items)
			if (strcmp((*c)->name, name) == 0)
				return err_conflict(
					err,
					"the container name '%s' is already in use by container "
					"'%.12s' of project '%s': remove it, or choose another",
					name, (*c)->id, projects.v[i]);
	}
	return r;
}

static int run_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct run_args *o = options;
	bool tty = o->tty && !o->no_tty && !o->detach && cli->stdout_tty && isatty(STDIN_FILENO);
	cleanup_goal struct goal goal = { .kind = GOAL_RUN,
					  .no_deps = o->no_deps,
					  .remove_orphans = o->remove_orphans };
	if (!project_service(cli->project, args->v[0]))
		return err_not_found(err, "no such service: %s", args->v[0]);
	strv_add(&goal.services, args->v[0]);
	goal.oneoff = new0(struct oneoff);
	int r = make_oneoff(o, args, tty, goal.oneoff, err);
	if (r == 0)
		r = check_name(cli, o->name, err);
	if (r < 0)
		return r;
	if (o->dry_run || cli->global.dry_run)
		return planview_dry_run(cli, &goal, err);
	r = cli_need_root(err);
	if (r == 0)
		r = define_volumes(cli, &o->volumes, err);
	return r < 0 ? r : start(cli, o, tty, &goal, err);
}

const struct cmd cmd_run = {
	.name = "run",
	.summary = "Run a one-off command on a service",
	.args = "SERVICE [COMMAND] [ARGS...]",
	.options = run_options,
	.options_size = sizeof(struct run_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS | CMD_STOP_AT_ARG,
	.run = run_run,
};
