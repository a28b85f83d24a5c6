/* exec: another process in a running container, straight: no supervisor takes part. */
#include "cli/cli.h"
#include "cli/relay.h"
#include "cli/session.h"

#include "base/proc.h"
#include "runtime/runtime.h"

#include <stdio.h>
#include <sys/wait.h>

struct exec_args {
	bool detach, no_tty, tty, interactive, privileged;
	struct strv env;
	struct option_int index;
	const char *user, *workdir;
};

#define O(field) offsetof(struct exec_args, field)
static const struct option exec_options[] = {
	{ 'd', "detach", OPTION_FLAG, O(detach), NULL, NULL, "Run the command in the background",
	  0 },
	{ 'e', "env", OPTION_LIST, O(env), "KEY=VALUE", NULL, "Set environment variables", 0 },
	{ 0, "index", OPTION_INT, O(index), "N", NULL,
	  "Which replica of the service (default: the first that runs)", 0 },
	{ 'i', "interactive", OPTION_FLAG, O(interactive), NULL, "true", "Keep standard input open",
	  OPTION_HIDDEN },
	{ 'T', "no-tty", OPTION_FLAG, O(no_tty), NULL, NULL,
	  "No pseudo-terminal (default: one when on a terminal)", 0 },
	{ 0, "privileged", OPTION_FLAG, O(privileged), NULL, NULL,
	  "Give the process all capabilities", 0 },
	{ 't', "tty", OPTION_FLAG, O(tty), NULL, "true", "Allocate a pseudo-terminal",
	  OPTION_HIDDEN },
	{ 'u', "user", OPTION_TEXT, O(user), "USER", NULL, "Run as this user", 0 },
	{ 'w', "workdir", OPTION_TEXT, O(workdir), "DIR", NULL, "Working directory of the command",
	  0 },
	{ .name = NULL },
};

static void forward(int signo, void *data)
{
	const struct runtime_child *child = data;
	(void)proc_pidfd_signal(child->pidfd, signo); /* gone already: its end is noticed anyhow */
}

/* Command not found and not executable have the statuses that shells give them. */
static int failed(struct err *err)
{
	int status = err->no == ENOENT ? 127 : err->no == EACCES ? 126 : 0;
	if (!status || err->kind != ERR_CONTAINER)
		return -err->no;
	fprintf(stderr, "error: %s\n", err->msg);
	err_done(err);
	return status;
}

static int wait_for(struct runtime_child *child, const struct exec_args *o, struct relay *relay,
		    struct err *err)
{
	int status;
	struct session session = {
		.peer = child->console,
		.pidfd = child->pidfd,
		.tty = child->console >= 0,
		.no_stdin = !o->interactive,
		.relay = relay,
		.forward = forward,
		.data = child,
	};
	int r = session_run(&session, err);
	if (r < 0)
		return r;
	if (waitpid(child->pid, &status, 0) < 0)
		return err_sys(err, errno, "wait for the command");
	return session_exit_status(status);
}

/* Without a user namespace the container's root could write to the program that enters it: it then
 * has to be a sealed copy. Starts this command again, before it has done anything. */
static int protect(const struct cli *cli, const struct container *c, struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	int r = state_spec_load(&cli->paths, c, &spec, err);
	if (r < 0 || spec.idmap.count)
		return r;
	return runtime_protect(NULL, err);
}

static int exec_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct exec_args *o = options;
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup(runtime_child_done) struct runtime_child child = RUNTIME_CHILD_NONE;
	cleanup_strv struct strv command = { 0 }, env = { 0 };
	cleanup_relay struct relay relay = RELAY_NONE;
	int r = cli_need_root(err);
	if (r == 0 && cli->global.dry_run)
		r = err_unsupported(err, "interactive exec is not supported in dry-run mode");
	if (r == 0)
		r = cli_container(cli, args->v[0], (int)o->index.value, &c, err);
	if (r == 0)
		r = protect(cli, c, err);
	if (r < 0)
		return r;
	for (size_t i = 1; i < args->n; i++)
		strv_add(&command, args->v[i]);
	if ((r = cli_environment(&o->env, &env, err)) < 0)
		return r;
	struct exec_options exec = {
		.args = command,
		.env = env,
		.user = o->user,
		.workdir = o->workdir,
		.privileged = o->privileged,
		.detach = o->detach,
		.tty = o->tty && !o->no_tty && !o->detach && cli->stdout_tty &&
		       isatty(STDIN_FILENO),
		.stdio = { o->interactive ? STDIN_FILENO : FD_NONE, STDOUT_FILENO, STDERR_FILENO },
	};
	if (o->detach)
		exec.stdio[0] = exec.stdio[1] = exec.stdio[2] = FD_NONE;
	if (!exec.tty && (r = relay_open(&relay, exec.stdio, err)) < 0)
		return r;
	for (int i = 0; i < 3 && !exec.tty; i++)
		exec.stdio[i] = relay.child[i];
	r = engine_exec(&cli->paths, c, &exec, &child, err);
	relay_started(&relay);
	if (r == 0)
		r = runtime_start_result(child.status_fd, err);
	if (r < 0)
		return failed(err);
	return o->detach ? 0 : wait_for(&child, o, &relay, err);
}

const struct cmd cmd_exec = {
	.name = "exec",
	.summary = "Execute a command in a running container",
	.args = "SERVICE COMMAND [ARGS...]",
	.options = exec_options,
	.options_size = sizeof(struct exec_args),
	.min_args = 2,
	.max_args = ARGS_ANY,
	.flags = CMD_NAME | CMD_NAME_ONLY | CMD_STOP_AT_ARG,
	.run = exec_run,
};

/* As `docker exec`: neither input nor a terminal unless asked for. */
static const struct option container_exec_options[] = {
	{ 'd', "detach", OPTION_FLAG, O(detach), NULL, NULL, "Run the command in the background",
	  0 },
	{ 'e', "env", OPTION_LIST, O(env), "KEY=VALUE", NULL, "Set environment variables", 0 },
	{ 'i', "interactive", OPTION_FLAG, O(interactive), NULL, NULL, "Keep standard input open",
	  0 },
	{ 0, "privileged", OPTION_FLAG, O(privileged), NULL, NULL,
	  "Give the process all capabilities", 0 },
	{ 't', "tty", OPTION_FLAG, O(tty), NULL, NULL, "Allocate a pseudo-terminal", 0 },
	{ 'u', "user", OPTION_TEXT, O(user), "USER", NULL, "Run as this user", 0 },
	{ 'w', "workdir", OPTION_TEXT, O(workdir), "DIR", NULL, "Working directory of the command",
	  0 },
	{ .name = NULL },
};

const struct cmd cmd_container_exec = {
	.name = "container exec",
	.summary = "Execute a command in a running container",
	.args = "CONTAINER COMMAND [ARGS...]",
	.options = container_exec_options,
	.options_size = sizeof(struct exec_args),
	.min_args = 2,
	.max_args = ARGS_ANY,
	.flags = CMD_CONTAINERS | CMD_ONE_CONTAINER | CMD_STOP_AT_ARG,
	.run = exec_run,
};
