/* wait: blocks until containers of services have ended. */
#include "cli/apply.h"

#include "base/proc.h"

#include <poll.h>
#include <stdio.h>

struct wait_args {
	bool down_project;
};

static const struct option wait_options[] = {
	{ 0, "down-project", OPTION_FLAG, offsetof(struct wait_args, down_project), NULL, NULL,
	  "Take the project down when the first container has ended", 0 },
	{ .name = NULL },
};

struct waiting {
	struct containers found;
	struct pollfd *polls; /* a pidfd each; -1: ended */
	size_t left;
};

static void open_all(struct waiting *w)
{
	w->polls = xcalloc(w->found.items.n, sizeof(*w->polls));
	for (size_t i = 0; i < w->found.items.n; i++) {
		const struct container *c = w->found.items.v[i];
		int fd = c->pid > 0 ? proc_pidfd(c->pid) : -1;
		/* One that ended before is out of the list; a pid that is another's by now, too. */
		if (fd >= 0 && !proc_alive(c->pid, c->start_time))
			fd = fd_close(fd);
		w->polls[i] = (struct pollfd){ .fd = fd < 0 ? -1 : fd, .events = POLLIN };
		w->left += fd >= 0;
	}
}

static void close_all(struct waiting *w)
{
	for (size_t i = 0; w->polls && i < w->found.items.n; i++)
		fd_close(w->polls[i].fd);
	free(w->polls);
	containers_done(&w->found);
}

/* The next one that ends; its index. */
static int next_end(struct waiting *w, size_t *ret, struct err *err)
{
	for (;;) {
		if (poll(w->polls, (nfds_t)w->found.items.n, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(err, errno, "wait for containers");
		}
		for (size_t i = 0; i < w->found.items.n; i++)
			if (w->polls[i].fd >= 0 && w->polls[i].revents) {
				w->polls[i].fd = fd_close(w->polls[i].fd);
				w->left--;
				*ret = i;
				return 0;
			}
	}
}

static int wait_all(struct cli *cli, const struct wait_args *o, struct waiting *w, struct err *err)
{
	cleanup(client_free_cleanup) struct client *client = NULL;
	int code = 0;
	int r = client_open(&cli->paths, cli->project_name, 0, FD_NONE, &client, err);
	if (r < 0)
		return r;
	while (w->left) {
		size_t i = 0;
		r = next_end(w, &i, err);
		if (r == 0)
			r = client_wait(client, w->found.items.v[i]->id,
					w->found.items.v[i]->started, &code, err);
		if (r < 0)
			return r;
		if (cli->by_container)
			printf("%d\n", code);
		else
			printf("container \"%s\" exited with status code %d\n",
			       w->found.items.v[i]->id, code);
		fflush(stdout);
		if (o->down_project)
			break;
	}
	return cli->by_container ? 0 : code;
}

static int wait_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct wait_args *o = options;
	cleanup(close_all) struct waiting w = { 0 };
	int r = cli_containers(cli, args, &w.found, err);
	if (r < 0)
		return r;
	open_all(&w);
	if (!w.left)
		return err_not_found(err, "no containers for project '%s' run", cli->project_name);
	int code = wait_all(cli, o, &w, err);
	if (code < 0 || !o->down_project)
		return code;
	struct goal down = { .kind = GOAL_DOWN };
	r = apply_goal(cli, &down, err);
	return r < 0 ? r : code;
}

const struct cmd cmd_wait = {
	.name = "wait",
	.summary = "Block until containers of all (or specified) services stop",
	.args = "SERVICE [SERVICE...]",
	.options = wait_options,
	.options_size = sizeof(struct wait_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = wait_run,
};
