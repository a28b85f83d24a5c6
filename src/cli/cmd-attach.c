/* attach: our terminal becomes that of a running container. */
#include "cli/cli.h"
#include "cli/session.h"

#include "base/proc.h"

#include <stdio.h>

struct attach_args {
	const char *detach_keys;
	struct option_int index;
	bool no_stdin, sig_proxy;
};

#define O(field) offsetof(struct attach_args, field)
static const struct option attach_options[] = {
	{ 0, "detach-keys", OPTION_TEXT, O(detach_keys), "KEYS", "ctrl-p,ctrl-q",
	  "The keys that detach from the container", 0 },
	{ 0, "index", OPTION_INT, O(index), "N", NULL, "Which replica of the service", 0 },
	{ 0, "no-stdin", OPTION_FLAG, O(no_stdin), NULL, NULL, "Do not attach standard input", 0 },
	{ 0, "sig-proxy", OPTION_FLAG, O(sig_proxy), NULL, "true", "Pass signals on to the process",
	  0 },
	{ .name = NULL },
};

struct attached {
	int pidfd;
	bool sig_proxy;
};

static void forward(int signo, void *data)
{
	const struct attached *a = data;
	if (a->sig_proxy)
		(void)proc_pidfd_signal(a->pidfd,
					signo); /* gone already: its end is noticed anyhow */
}

static int attach_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct attach_args *o = options;
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup(client_free_cleanup) struct client *client = NULL;
	cleanup_fd int pidfd = FD_NONE, peer = FD_NONE;
	int exit_code = 0;
	if (cli->global.dry_run)
		return err_unsupported(err, "interactive run is not supported in dry-run mode");
	int r = cli_container(cli, args->v[0], (int)o->index.value, &c, err);
	if (r == 0)
		r = client_open(&cli->paths, cli->project_name, 0, FD_NONE, &client, err);
	if (r == 0)
		r = client_attach(client, c->id, &peer, err);
	if (r < 0)
		return r;
	pidfd = proc_pidfd(c->pid);
	if (pidfd < 0)
		return err_sys(err, -pidfd, "container '%s'", c->name);
	struct attached attached = { .pidfd = pidfd, .sig_proxy = o->sig_proxy };
	struct session session = {
		.peer = peer,
		.pidfd = pidfd,
		.tty = c->tty,
		.redraw = true,
		.no_stdin = o->no_stdin || !c->stdin_open,
		.detach_keys = o->detach_keys,
		.forward = forward,
		.data = &attached,
	};
	r = session_run(&session, err);
	if (r == SESSION_DETACHED)
		fprintf(stderr, "read escape sequence\n");
	if (r != SESSION_ENDED)
		return r < 0 ? r : 0;
	r = client_wait(client, c->id, c->started, &exit_code, err);
	return r < 0 ? r : exit_code;
}

const struct cmd cmd_attach = {
	.name = "attach",
	.summary = "Attach standard input, output and error to a service's running container",
	.args = "SERVICE",
	.options = attach_options,
	.options_size = sizeof(struct attach_args),
	.min_args = 1,
	.max_args = 1,
	.flags = CMD_NAME,
	.run = attach_run,
};
