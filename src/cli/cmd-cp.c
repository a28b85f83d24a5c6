/* cp: files between a service's container and the host. */
#include "cli/cli.h"
#include "cli/copy.h"
#include "cli/progress.h"

#include "base/fs.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <unistd.h>

struct cp_args {
	bool all, archive, follow;
	struct option_int index;
};

#define O(field) offsetof(struct cp_args, field)
static const struct option cp_options[] = {
	{ 0, "all", OPTION_FLAG, O(all), NULL, NULL, "Include containers of `run`", 0 },
	{ 'a', "archive", OPTION_FLAG, O(archive), NULL, NULL, "Keep uid and gid on the host, too",
	  0 },
	{ 'L', "follow-link", OPTION_FLAG, O(follow), NULL, NULL,
	  "Follow a symbolic link given as source", 0 },
	{ 0, "index", OPTION_INT, O(index), "N", NULL,
	  "Which replica of the service (default: into all, out of the first)", 0 },
	{ .name = NULL },
};

/* "service:path", or NULL for a path of the host: one that is absolute, "-", or has a slash before
 * the colon. */
static const char *split(const char *text, char **ret_service)
{
	const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
	if (!colon || colon == text || (slash && slash < colon))
		return NULL;
	*ret_service = xstrndup(text, (size_t)(colon - text));
	return colon + 1;
}

struct container_end {
	int root, userns;
};

static void container_end_done(struct container_end *end)
{
	fd_close(end->root);
	fd_close(end->userns);
}

static int open_userns(const struct container *c, const struct spec *spec, int *ret,
		       struct err *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/ns/user", c->pid);
	if (!spec->idmap.count)
		return 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open the user namespace of '%s'", c->name);
	*ret = fd;
	return 0;
}

/* The replicas, running or not. */
static int find(struct cli *cli, const char *service, const struct cp_args *o,
		struct containers *ret, struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_strv struct strv services = strv_split(service, '\n');
	int r = cli_containers(cli, &services, &found, err);
	if (r < 0)
		return r;
	vec_each(c, &found.items) {
		if (((*c)->oneoff && !o->all && !cli->by_container) ||
		    (o->index.value && (*c)->number != o->index.value))
			continue;
		vec_push(&ret->items, *c);
		*c = NULL;
	}
	if (ret->items.n)
		return 0;
	return err_not_found(err, "no container found for service \"%s\"", service);
}

static int open_end(struct cli *cli, const struct container *c, struct container_end *ret,
		    struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	int r = state_spec_load(&cli->paths, c, &spec, err);
	if (r < 0)
		return r;
	if (c->state != CONTAINER_RUNNING && c->state != CONTAINER_PAUSED)
		return runtime_mount_root(&spec, &ret->root, err);
	r = open_userns(c, &spec, &ret->userns, err);
	return r < 0 ? r : runtime_open_root(c->pid, c->start_time, &ret->root, err);
}

/* Standard input goes to several: it has to be read more than once. */
static int keep_input(struct err *err)
{
	cleanup_fd int file = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	char buf[1 << 16];
	ssize_t n;
	if (file < 0)
		return err_sys(err, errno, "keep standard input in /var/tmp");
	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
		if (fs_write_all(file, buf, (size_t)n) < 0)
			return err_sys(err, errno, "keep standard input in /var/tmp");
	if (n < 0)
		return err_sys(err, errno, "read standard input");
	return dup2(file, STDIN_FILENO) < 0 ? err_sys(err, errno, "keep standard input") : 0;
}

struct copying {
	struct cli *cli;
	const char *inside, *here; /* the two paths */
	bool out;		   /* of the container */
	unsigned flags;
};

static int copy_one(const struct copying *x, const struct container *c, struct err *err)
{
	if (x->cli->global.dry_run)
		return 0;
	cleanup(container_end_done) struct container_end end = { FD_NONE, FD_NONE };
	int r = open_end(x->cli, c, &end, err);
	if (r < 0)
		return r;
	struct copy_end there = { .root = end.root, .userns = end.userns, .path = x->inside };
	struct copy_end here = { .root = FD_NONE, .userns = FD_NONE, .path = x->here };
	return copy_tree(x->out ? &there : &here, x->out ? &here : &there, x->flags, err);
}

static int copy_and_tell(const struct copying *x, const struct container *c,
			 struct progress *progress, struct err *err)
{
	cleanup_free char *subject =
		x->out ? xasprintf("%s copy %s:%s to %s", c->name, c->name, x->inside, x->here)
		       : xasprintf("%s copy %s to %s:%s", c->name, x->here, c->name, x->inside);
	progress_step(progress, subject, "start", "Copying");
	int r = copy_one(x, c, err);
	progress_step(progress, subject, r < 0 ? "error" : "done", r < 0 ? "Error" : "Copied");
	return r;
}

static int cp_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct cp_args *o = options;
	cleanup_containers struct containers found = { 0 };
	cleanup_free char *from_service = NULL, *to_service = NULL;
	const char *from = split(args->v[0], &from_service), *to = split(args->v[1], &to_service);
	if (!from == !to)
		return err_usage(err, "one of SOURCE and DESTINATION must be SERVICE:PATH, the "
				      "other a path of the host");
	int r = cli_need_root(err);
	if (r == 0)
		r = find(cli, from ? from_service : to_service, o, &found, err);
	if (r < 0)
		return r;
	/* Into containers owners are kept with and without --archive, as Docker does. */
	const struct copying x = {
		.cli = cli,
		.inside = from ? from : to,
		.here = from ? args->v[1] : args->v[0],
		.out = from != NULL,
		.flags = (o->archive || to ? COPY_OWNERS : 0) | (o->follow ? COPY_FOLLOW : 0),
	};
	size_t n = from ? 1 : found.items.n; /* out of one, into all */
	bool again = n > 1 && !cli->global.dry_run && strcmp(x.here, "-") == 0;
	if (again)
		r = keep_input(err);
	struct progress *progress = progress_new(cli, 0);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (again && lseek(STDIN_FILENO, 0, SEEK_SET) < 0) {
			r = err_sys(err, errno, "read standard input again");
			break;
		}
		r = copy_and_tell(&x, found.items.v[i], progress, err);
	}
	progress_done(progress);
	return r;
}

const struct cmd cmd_cp = {
	.name = "cp",
	.summary = "Copy files between a service's container and the host",
	.args = "SERVICE:SRC_PATH DEST_PATH|-  or  SRC_PATH|- SERVICE:DEST_PATH",
	.options = cp_options,
	.options_size = sizeof(struct cp_args),
	.min_args = 2,
	.max_args = 2,
	.flags = CMD_NAME | CMD_ALL_SERVICES,
	.run = cp_run,
};
