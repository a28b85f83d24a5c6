/* From argv to a verb's run(): global options, the verb, its options, what it needs, the exit
 * status. */
#include "cli/cli.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/proc.h"
#include "runtime/runtime.h"

#include <signal.h>
#include <stdio.h>

/* Which exit status a failure ends with; CONTAINER failures of run and exec bring their own. */
static const int exit_status[ERR_KIND_MAX_] = {
	[ERR_NONE] = 0,	     [ERR_SYSTEM] = 1,	 [ERR_USAGE] = 1,	[ERR_INPUT] = 1,
	[ERR_NOT_FOUND] = 1, [ERR_CONFLICT] = 1, [ERR_PERMISSION] = 1,	[ERR_UNSUPPORTED] = 1,
	[ERR_NETWORK] = 1,   [ERR_TIMEOUT] = 1,	 [ERR_CANCELLED] = 130, [ERR_CONTAINER] = 1,
	[ERR_INTERNAL] = 70,
};

static char *absolute(const char *path)
{
	cleanup_free char *cwd = fs_cwd();
	return path_join(cwd ? cwd : "/", path);
}

/* With a root of its own and no STAVE_RUN, the run directory is below it: a test or a second
 * instance is whole by itself. */
static void find_paths(struct cli *cli)
{
	const char *root = cli->global.root ? cli->global.root : getenv("STAVE_ROOT");
	cli->paths.root = absolute(str_empty(root) ? "/var/lib/stave" : root);
	const char *run = getenv("STAVE_RUN");
	if (!str_empty(run))
		cli->paths.run = absolute(run);
	else if (str_empty(root))
		cli->paths.run = xstrdup("/run/stave");
	else
		cli->paths.run = path_join(cli->paths.root, "run");
}

static int find_terminal(struct cli *cli, struct err *err)
{
	static const char *const progress[] = {
		"auto", "tty", "plain", "json", "quiet", "rawjson"
	};
	const char *asked = cli->global.progress, *limit = getenv("COMPOSE_PARALLEL_LIMIT");
	int64_t parallel;
	if (str_empty(asked))
		asked = getenv("COMPOSE_PROGRESS");
	bool known = str_empty(asked);
	for (size_t i = 0; i < ARRAY_SIZE(progress); i++)
		known = known || strcmp(asked, progress[i]) == 0;
	if (!known)
		return err_usage(err,
				 "invalid value '%s' for '--progress': expected auto, tty, plain, "
				 "json or quiet",
				 asked);
	if (!str_empty(limit) && parse_i64(limit, INT64_MIN, INT64_MAX, &parallel) < 0)
		return err_usage(err, "COMPOSE_PARALLEL_LIMIT must be an integer (found: '%s')",
				 limit);
	const char *ansi = cli->global.ansi ? cli->global.ansi : getenv("COMPOSE_ANSI");
	if (str_empty(ansi))
		ansi = "auto";
	cli->stdout_tty = isatty(STDOUT_FILENO);
	cli->stderr_tty = isatty(STDERR_FILENO);
	if (strcmp(ansi, "never") == 0)
		cli->ansi_never = true;
	else if (strcmp(ansi, "always") == 0)
		cli->colour = true;
	else if (strcmp(ansi, "auto") == 0)
		cli->colour = cli->stderr_tty && !getenv("NO_COLOR");
	else
		return err_usage(err,
				 "invalid value '%s' for '--ansi': expected never, always or auto",
				 ansi);
	return 0;
}

int cli_load_project(struct cli *cli, const struct strv *services, unsigned cmd_flags,
		     struct err *err)
{
	struct compose_options options = {
		.project_name = cli->global.project_name,
		.project_directory = cli->global.project_directory,
		.all_services = (cmd_flags & CMD_ALL_SERVICES) != 0,
		/* What only looks or takes down works with any variables. */
		.check_variables = (cmd_flags & CMD_PROJECT) != 0,
	};
	strv_copy(&options.files, &cli->global.files);
	strv_copy(&options.env_files, &cli->global.env_files);
	strv_copy(&options.profiles, &cli->global.profiles);
	if (services)
		strv_copy(&options.services, services);
	compose_result_done(&cli->compose);
	cli->compose = (struct compose_result){ 0 };
	cli->project = NULL;
	int r = compose_load(&options, &cli->compose, err);
	strv_done(&options.files);
	strv_done(&options.env_files);
	strv_done(&options.profiles);
	strv_done(&options.services);
	cli_print_diagnostics(cli, &cli->compose.diagnostics);
	if (r < 0)
		return r;
	cli->project = cli->compose.project;
	free(cli->project_name);
	cli->project_name = xstrdup(cli->project->name);
	return 0;
}

void cli_try_project(struct cli *cli, const char *name, const struct strv *services,
		     unsigned cmd_flags)
{
	cleanup_err struct err load = ERR_INIT;
	cleanup_free char *wanted = xstrdup(name);
	int r = cli_load_project(cli, services, cmd_flags, &load);
	if (r == 0 && strcmp(cli->project_name, wanted) == 0)
		return;
	cli->project = NULL;
	free(cli->project_name);
	cli->project_name = ptr_take(wanted);
}

/* Verbs that only need to know which project: -p alone is enough, wherever one stands. */
int cli_find_project(struct cli *cli, unsigned cmd_flags, const struct strv *args, struct err *err)
{
	const char *name = cli->global.project_name ? cli->global.project_name
						    : getenv("COMPOSE_PROJECT_NAME");
	cleanup_strv struct strv services = { 0 };
	for (size_t i = 0; (cmd_flags & CMD_SERVICE_ARGS) && i < args->n; i++)
		if (i == 0 || !(cmd_flags & CMD_STOP_AT_ARG))
			strv_add(&services, args->v[i]);
	if ((cmd_flags & CMD_PROJECT) || cli->global.files.n || str_empty(name))
		return cli_load_project(cli, &services, cmd_flags, err);
	if (cmd_flags & CMD_NAME_ONLY)
		cli->project_name = xstrdup(name);
	else
		cli_try_project(cli, name, &services, cmd_flags);
	return 0;
}

static int run_cmd(struct cli *cli, const struct cmd *cmd, const struct strv *args, size_t first,
		   struct err *err)
{
	const struct cmd *verb = cmd_work(cmd);
	cleanup_free void *values = xcalloc(1, verb->options_size + 1);
	cleanup_strv struct strv rest = { 0 };
	cleanup_free char *who = xasprintf("stave %s", cmd->name);
	struct option_scope inherited = { inherited_options, &cli->global, NULL };
	struct option_scope own = { verb->options, values, &inherited };
	cli->verb = verb->name;
	if (verb->options)
		options_defaults(verb->options, values);
	int r = 0;
	if (cmd->flags & CMD_WORDS)
		for (size_t i = first; i < args->n; i++)
			strv_add(&rest, args->v[i]);
	else
		r = options_parse(&own, args, first, (cmd->flags & CMD_STOP_AT_ARG) != 0, NULL,
				  &rest, who, err);
	if (r == 0 && cli->global.help) {
		help_cmd(cmd);
		options_done(verb->options, values);
		return 0;
	}
	if (r == 0 && ((int)rest.n < cmd->min_args ||
		       (cmd->max_args != ARGS_ANY && (int)rest.n > cmd->max_args)))
		r = err_usage(err, "'%s' takes %s (see '%s --help')", who,
			      cmd->args ? cmd->args : "no arguments", who);
	if (r == 0 && (cmd->flags & (CMD_PROJECT | CMD_NAME)))
		r = cli_find_project(cli, cmd->flags, &rest, err);
	if (r == 0 && (cmd->flags & CMD_CONTAINERS))
		r = cli_run_on_containers(cli, cmd, values, &rest, err);
	else if (r == 0)
		r = verb->run(cli, values, &rest, err);
	options_done(verb->options, values);
	return r;
}

/* `stave compose up` and Docker's plugin call (`docker compose up` runs `docker-compose compose
 * up`) mean `up`. */
static size_t skip_prefix(const struct strv *args, size_t next)
{
	return next < args->n && strcmp(args->v[next], "compose") == 0 ? next + 1 : next;
}

static int unknown_cmd(const char *name, struct err *err)
{
	static const char *const refused[][2] = {
		{ "alpha", "stave has no experimental commands" },
		{ "bridge", "stave converts to no other platform's files" },
		{ "publish", "stave publishes no Compose files as artifacts" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (strcmp(refused[i][0], name) == 0)
			return err_unsupported(err, "'%s' is not supported: %s", name,
					       refused[i][1]);
	const char *near = cmd_nearest(name);
	return err_usage(err, "unknown command '%s'%s%s%s (see 'stave --help')", name,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool is_group(const char *name)
{
	size_t len = strlen(name);
	for (const struct cmd *const *c = cmds; *c; c++)
		if (strncmp((*c)->name, name, len) == 0 && (*c)->name[len] == ' ')
			return true;
	return false;
}

static int dispatch(struct cli *cli, struct strv *args, struct err *err)
{
	size_t next, used = 0;
	cleanup_strv struct strv none = { 0 };
	struct option_scope global = { global_options, &cli->global, NULL };
	options_defaults(global_options, &cli->global);
	int r = options_parse(&global, args, skip_prefix(args, 1), true, &next, &none, "stave",
			      err);
	if (r < 0)
		return r;
	r = find_terminal(cli, err);
	if (r < 0)
		return r;
	if (cli->global.debug)
		setenv("STAVE_DEBUG", "1", 1);
	find_paths(cli);
	if (next ==
	    skip_prefix(args, next) - 1) { /* global options, then `compose`, then more of them */
		r = options_parse(&global, args, next + 1, true, &next, &none, "stave", err);
		if (r < 0)
			return r;
	}
	cleanup_strv struct strv version = strv_split("version", ' ');
	if (cli->global.version)
		return run_cmd(cli, cmd_find(&version, 0, &used), &version, 1, err);
	if (cli->global.help || next >= args->n || strcmp(args->v[next], "help") == 0) {
		const struct cmd *cmd = next + 1 < args->n ? cmd_find(args, next + 1, &used) : NULL;
		if (cmd)
			help_cmd(cmd);
		else if (next + 1 < args->n && is_group(args->v[next + 1]))
			help_group(args->v[next + 1]);
		else
			help_all();
		return 0;
	}
	if (strcmp(args->v[next], "convert") == 0) { /* its old name */
		free(args->v[next]);
		args->v[next] = xstrdup("config");
	}
	const struct cmd *cmd = cmd_find(args, next, &used);
	if (cmd)
		return run_cmd(cli, cmd, args, next + used, err);
	if (!is_group(args->v[next]))
		return unknown_cmd(args->v[next], err);
	help_group(args->v[next]);
	return 0;
}

int cli_main(int argc, char **argv, const struct cli_api *api)
{
	struct cli cli = { .program = "stave", .api = api };
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	if (argc > 0 && strcmp(slash ? slash + 1 : argv[0], "docker-compose") == 0)
		cli.program = "docker-compose";
	cleanup_err struct err err = ERR_INIT;
	cleanup_strv struct strv args = { 0 };
	for (int i = 0; i < argc; i++)
		strv_add(&args, argv[i]);
	/* Writing to a reader that went away (`stave logs | head`) ends quietly with an error from
	 * write(). */
	signal(SIGPIPE, SIG_IGN);
	int r = argc > 1 && str_eq(path_base(argv[0]), "docker") ? cli_docker_words(&args, &err)
								 : 0;
	if (r == 0)
		r = dispatch(&cli, &args, &err);
	if (r < 0) {
		/* A mistake in a file has been shown in its place. */
		if (err.msg && !(cli.told && err.kind == ERR_INPUT))
			cli_print_err(&cli, &err);
		r = exit_status[err.kind] ? exit_status[err.kind] : 1;
	}
	if (fflush(stdout) != 0 && r == 0)
		r = 1;
	compose_result_done(&cli.compose);
	options_done(global_options, &cli.global);
	strv_done(&cli.chosen);
	free(cli.project_name);
	free(cli.paths.root);
	free(cli.paths.run);
	return r;
}

int cli_image_store(struct cli *cli, struct image_store **ret, struct err *err)
{
	return image_store_open(cli->paths.root, ret, err);
}

int cli_need_root(struct err *err)
{
	if (geteuid() != 0)
		return err_new(err, ERR_PERMISSION, EPERM,
			       "containers need root rights here: run stave as root (for example "
			       "with sudo)");
	return runtime_check_kernel(err);
}
