/* The privileged side of a start: everything that needs the host's rights or paths is opened here,
 * as descriptors, before the container's first process exists. */
#include "runtime/cgroup.h"
#include "runtime/launch.h"
#include "runtime/seccomp.h"
#include "runtime/sys.h"

#include "base/difference.h"
#include "base/fs.h"
#include "base/proc.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>

void runtime__launch_init(struct launch *l)
{
	*l = (struct launch){
		.upper = FD_NONE,
		.rootfs = FD_NONE,
		.dev = FD_NONE,
		.shm = FD_NONE,
		.stdio = { FD_NONE, FD_NONE, FD_NONE },
		.status = FD_NONE,
		.console_socket = FD_NONE,
		.root = FD_NONE,
		.devpts = FD_NONE,
		.console = FD_NONE,
	};
}

void runtime__launch_done(struct launch *l)
{
	vec_each(fd, &l->layers)
		fd_close(*fd);
	vec_each(m, &l->mounts) {
		fd_close(m->fd);
		vec_each(layer, &m->layers)
			fd_close(*layer);
		vec_done(&m->layers);
	}
	vec_each(d, &l->devices)
		fd_close(d->fd);
	vec_done(&l->layers);
	vec_done(&l->mounts);
	vec_done(&l->devices);
	vec_done(&l->groups);
	fd_close(l->upper);
	fd_close(l->rootfs);
	fd_close(l->dev);
	fd_close(l->shm);
	fd_close(l->status);
	fd_close(l->console_socket);
	strv_done(&l->env);
}

static unsigned long propagation_of(const struct spec_mount *m, bool user_ns)
{
	unsigned long type = (unsigned long)m->propagation & ~(unsigned long)MS_REC;

	/* A mount made by a container's own root is not to appear on the host. */
	if (type == MS_SHARED && user_ns)
		return MS_SLAVE;
	return type ? type : MS_PRIVATE;
}

/* Sets the flags, the propagation and, with a user namespace, the id mapping of a detached tree. A
 * file system that cannot be idmapped (the engine has warned about it) keeps its ids. */
static int dress(int tree, struct mount_attr attr, bool recursive, int user, struct err *err)
{
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	struct mount_attr map = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user };
	int r;

	if (user >= 0) {
		struct mount_attr both = attr;
		both.attr_set |= MOUNT_ATTR_IDMAP;
		both.userns_fd = (uint64_t)user;
		r = sys_mount_setattr(tree, "", flags, &both);
		if (r == 0)
			return 0;
		if (r != -EINVAL && r != -EPERM)
			return err_sys(err, -r, "set the id mapping");
		if (recursive)
			(void)sys_mount_setattr(tree, "", AT_EMPTY_PATH, &map);
	}
	r = sys_mount_setattr(tree, "", flags, &attr);
	return r < 0 ? err_sys(err, -r, "set the mount's flags") : 0;
}

static int clone_tree(int dirfd, const char *path, bool recursive)
{
	return sys_open_tree(dirfd, path,
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				     (dirfd == AT_FDCWD ? 0 : AT_EMPTY_PATH) |
				     (recursive ? AT_RECURSIVE : 0));
}

static int open_dressed(const char *path, int user, struct err *err)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	cleanup_fd int tree = clone_tree(AT_FDCWD, path, false);

	if (tree < 0)
		return err_sys(err, -tree, "open the layer '%s'", path);
	int r = dress(tree, attr, false, user, err);
	return r < 0 ? r : fd_take(tree);
}

/* By the host's root, before the id mapping: whoever is not in the map cannot create through it. */
static int make_writable_layer(const char *path, struct err *err)
{
	cleanup_fd int dir = fs_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, err);

	if (dir < 0)
		return dir;
	bool made = mkdirat(dir, "upper", 0755) == 0;
	if ((!made && errno != EEXIST) || (made && fchmodat(dir, "upper", 0755, 0) < 0) ||
	    (mkdirat(dir, "work", 0700) < 0 && errno != EEXIST))
		return err_sys(err, errno, "make the writable layer in '%s'", path);
	return 0;
}

/* A layer, and beneath it the one that it is a difference of. */
static int open_layer(const char *path, int user, int *ret_base, int *ret, struct err *err)
{
	cleanup_free char *base = xasprintf("%s/../" DIFFERENCE_LINK, path);
	cleanup_fd int fd = FD_NONE;

	if (fs_exists(AT_FDCWD, base) && (fd = open_dressed(base, user, err)) < 0)
		return fd;
	*ret = open_dressed(path, user, err);
	if (*ret < 0)
		return *ret;
	*ret_base = fd_take(fd);
	return 0;
}

int runtime__launch_root(struct launch *l, int user, struct err *err)
{
	const struct spec *s = l->spec;
	int fd, base, r;

	if (!s->layers.n) {
		l->rootfs = open_dressed(s->rootfs, user, err);
		return l->rootfs < 0 ? l->rootfs : 0;
	}
	for (size_t i = 0; i < s->layers.n; i++) {
		if ((r = open_layer(s->layers.v[i], user, &base, &fd, err)) < 0)
			return r;
		if (base >= 0)
			vec_push(&l->layers, base);
		vec_push(&l->layers, fd);
	}
	if (!s->dir) /* nothing is to be written */
		return 0;
	if ((fd = make_writable_layer(s->dir, err)) < 0)
		return fd;
	l->upper = open_dressed(s->dir, user, err);
	return l->upper < 0 ? l->upper : 0;
}

/* The directory below a volume, resolved beneath it. */
static int open_subpath(const struct spec_mount *m, struct err *err)
{
	cleanup_fd int volume = fs_open(AT_FDCWD, m->source, O_PATH | O_DIRECTORY, 0, err);

	if (volume < 0)
		return volume;
	cleanup_fd int below = fs_open_in_root(volume, m->subpath, O_PATH, 0, err);
	if (below < 0)
		return err_wrap(err, "the subpath '%s' of a volume", m->subpath);
	int tree = clone_tree(below, "", !m->nonrecursive);
	return tree < 0 ? err_sys(err, -tree, "open the subpath '%s'", m->subpath) : tree;
}

static int prepare_overlay(const struct spec_mount *m, int user, struct launch_mount *ret,
			   struct err *err)
{
	int fd, base, r;

	for (size_t i = 0; i < m->layers.n; i++) {
		if ((r = open_layer(m->layers.v[i], user, &base, &fd, err)) < 0)
			return r;
		if (base >= 0)
			vec_push(&ret->layers, base);
		vec_push(&ret->layers, fd);
	}
	if (!m->source) /* nothing is to be written */
		return 0;
	if ((fd = make_writable_layer(m->source, err)) < 0)
		return fd;
	ret->fd = open_dressed(m->source, user, err);
	return ret->fd < 0 ? ret->fd : 0;
}

static int prepare_mount(const struct launch *l, const struct spec_mount *m, int user,
			 struct launch_mount *ret, struct err *err)
{
	struct mount_attr attr = {
		.attr_set = m->copy_up ? 0 : runtime__mount_attributes(m),
		.propagation = propagation_of(m, l->user_ns),
	};
	bool recursive = !m->nonrecursive;
	struct stat st;
	int r;

	*ret = (struct launch_mount){ .mount = m, .fd = FD_NONE, .is_dir = true };
	if (m->type == SPEC_MOUNT_OVERLAY)
		return prepare_overlay(m, user, ret, err);
	if (m->type != SPEC_MOUNT_BIND && m->type != SPEC_MOUNT_VOLUME)
		return 0;
	cleanup_fd int tree =
		m->subpath ? open_subpath(m, err) : clone_tree(AT_FDCWD, m->source, recursive);
	if (tree < 0)
		return m->subpath ? tree : err_sys(err, -tree, "bind '%s'", m->source);
	if ((r = dress(tree, attr, recursive, m->no_idmap ? FD_NONE : user, err)) < 0)
		return err_wrap(err, "bind '%s'", m->source);
	if (fstat(tree, &st) < 0)
		return err_sys(err, errno, "look at '%s'", m->source);
	ret->is_dir = S_ISDIR(st.st_mode);
	ret->fd = fd_take(tree);
	return 0;
}

static int prepare_mounts(struct launch *l, int user, struct err *err)
{
	vec_each(m, &l->spec->mounts) {
		struct launch_mount lm;
		int r = prepare_mount(l, m, user, &lm, err);
		/* Also a part of it is to be closed. */
		vec_push(&l->mounts, lm);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A node with the host's owners in the container's own directory, whose file system can be idmapped
 * where a tmpfs cannot (before Linux 6.3): the container's root would otherwise be a stranger to
 * the owner of the host's node. */
static int own_node(const struct spec *s, size_t index, const struct stat *st, int user,
		    struct err *err)
{
	cleanup_free char *path = xasprintf("%s/device%zu", s->dir, index);

	(void)unlink(path); /* of the last start */
	if (mknod(path, st->st_mode, st->st_rdev) < 0 || chown(path, st->st_uid, st->st_gid) < 0 ||
	    chmod(path, st->st_mode & 07777) < 0)
		return err_sys(err, errno, "make the device '%s'", path);
	return open_dressed(path, user, err);
}

static int prepare_device(struct launch *l, size_t index, int user, struct err *err)
{
	const struct spec_device *d = &l->spec->devices.v[index];
	struct stat st;
	int fd;

	if (stat(d->source, &st) < 0)
		return err_sys(err, errno, "device '%s'", d->source);
	bool node = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
	if (!node && !S_ISDIR(st.st_mode))
		return err_input(err, "'%s' is not a device", d->source);
	if (node && user >= 0 && l->spec->dir)
		fd = own_node(l->spec, index, &st, user, err);
	else if ((fd = clone_tree(AT_FDCWD, d->source, true)) < 0)
		return err_sys(err, -fd, "open the device '%s'", d->source);
	if (fd < 0)
		return fd;
	vec_push(&l->devices, (struct launch_device){ .target = d->target,
						      .fd = fd,
						      .is_dir = S_ISDIR(st.st_mode) });
	return 0;
}

/* Those that are not in the prepared /dev. */
static int prepare_devices(struct launch *l, int user, struct err *err)
{
	for (size_t i = 0; i < l->spec->devices.n; i++) {
		if (l->dev >= 0 && runtime__device_below_dev(&l->spec->devices.v[i]))
			continue;
		int r = prepare_device(l, i, user, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_other_shm(void *data, struct err *err)
{
	const pid_t *pid = data;
	cleanup_free char *path = xasprintf("/proc/%d/ns/mnt", *pid);
	cleanup_fd int ns = fs_open(AT_FDCWD, path, O_RDONLY, 0, err);

	if (ns < 0)
		return ns;
	if (setns(ns, CLONE_NEWNS) < 0)
		return err_sys(err, errno, "enter the mount namespace of process %d", *pid);
	int fd = clone_tree(AT_FDCWD, "/dev/shm", false);
	return fd < 0 ? err_sys(err, -fd, "open '/dev/shm' of process %d", *pid) : fd;
}

/* With another's IPC namespace comes its /dev/shm: POSIX shared memory lives there. */
static int prepare_shm(struct launch *l, struct err *err)
{
	const struct spec *s = l->spec;
	pid_t pid = s->ipc_join;

	if (s->ipc == SPEC_NS_JOIN)
		l->shm = runtime__helper(0, open_other_shm, &pid, err);
	else if (s->ipc == SPEC_NS_HOST && (l->shm = clone_tree(AT_FDCWD, "/dev/shm", false)) < 0)
		return l->shm = FD_NONE, 0; /* a host without one shares none */
	return l->shm < 0 && err->no ? -err->no : 0;
}

static void prepare_stdio(struct launch *l, const int stdio[3])
{
	for (int i = 0; i < 3; i++) {
		l->stdio[i] = stdio[i];
		if (l->user_ns)
			runtime__stdio_give(stdio[i], l->uid_base, l->uid_base);
	}
}

/* The oom_score_adj of stave itself (a service may run with a negative one) is not the container's.
 */
static void prepare_limits(const struct launch *l, struct enter *e)
{
	const struct spec_process *p = l->process;
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err ignored = ERR_INIT;

	e->rlimits.v = p->rlimits.v;
	e->rlimits.n = p->rlimits.n;
	e->has_oom_score_adj = p->has_oom_score_adj;
	e->oom_score_adj = p->oom_score_adj;
	if (!p->has_oom_score_adj &&
	    fs_read(AT_FDCWD, "/proc/self/oom_score_adj", 64, &text, &ignored) == 0 &&
	    str_text(&text)[0] == '-')
		e->has_oom_score_adj = true;
}

static void enter_ns(struct enter *e, int fd, int type)
{
	if (fd >= 0)
		e->ns[e->ns_count++] = (struct enter_ns){ .fd = fd, .type = type };
}

static int open_join(pid_t pid, const char *name, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	return fs_open(AT_FDCWD, path, O_RDONLY, 0, err);
}

/* PID and IPC namespaces belong to a user namespace, and their file systems can be mounted only by
 * its root: whoever joins one joins the user namespace it belongs to. *user is replaced (owned;
 * FD_NONE: the other container has none) and l->uid_base is that of its map. */
static int join_user_ns(struct launch *l, int *user, struct err *err)
{
	const struct spec *s = l->spec;
	pid_t pid = s->pid == SPEC_NS_JOIN ? s->pid_join : s->ipc == SPEC_NS_JOIN ? s->ipc_join : 0;
	cleanup_str struct str map = STR_INIT;
	struct stat ours, theirs;
	unsigned base;

	if (!pid)
		return 0;
	cleanup_fd int fd = open_join(pid, "user", err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0)
		return err_sys(err, errno, "look at the user namespace of process %d", pid);
	cleanup_free char *path = xasprintf("/proc/%d/uid_map", pid);
	int r = fs_read(AT_FDCWD, path, 4096, &map, err);
	if (r < 0)
		return r;
	if (sscanf(str_text(&map), "%*u %u", &base) == 1)
		l->uid_base = base;
	*user = ours.st_ino == theirs.st_ino ? FD_NONE : fd_take(fd);
	return 0;
}

/* Which namespaces are new, which are entered. Joined ones are entered first, with the host's
 * rights over them. */
static int prepare_namespaces(struct launch *l, const struct runtime_namespaces *ns,
			      struct enter *e, int joined[3], struct err *err)
{
	const struct spec *s = l->spec;
	const struct {
		enum spec_ns mode;
		pid_t pid;
		const char *name;
		int type;
		bool *is_new;
	} rows[] = {
		{ s->pid, s->pid_join, "pid", CLONE_NEWPID, &l->new_pid },
		{ s->ipc, s->ipc_join, "ipc", CLONE_NEWIPC, &l->new_ipc },
		{ s->uts, s->uts_join, "uts", CLONE_NEWUTS, &l->new_uts },
	};

	e->clone_flags = CLONE_NEWNS;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		*rows[i].is_new = rows[i].mode == SPEC_NS_PRIVATE;
		if (rows[i].mode == SPEC_NS_PRIVATE)
			e->clone_flags |= (uint64_t)rows[i].type;
		if (rows[i].mode != SPEC_NS_JOIN)
			continue;
		joined[i] = open_join(rows[i].pid, rows[i].name, err);
		if (joined[i] < 0)
			return err_wrap(err, "join the %s namespace of process %d", rows[i].name,
					rows[i].pid);
		enter_ns(e, joined[i], rows[i].type);
	}
	l->new_cgroup = s->cgroup == SPEC_NS_PRIVATE;
	if (l->new_cgroup)
		e->clone_flags |= CLONE_NEWCGROUP;
	/* Another slot's network namespace is entered with the host's rights too. */
	enter_ns(e, ns->net, CLONE_NEWNET);
	enter_ns(e, ns->user, CLONE_NEWUSER);
	l->user_ns = ns->user >= 0;
	l->net_ns = ns->net >= 0;
	return 0;
}

/* Fills the rest of the child from its pid. */
static int finish(const struct enter *e, struct runtime_child *child, struct err *err)
{
	pid_t reaper = e->reaper ? e->reaper : getppid();

	child->start_time = proc_start_time(child->pid);
	if (e->clone_parent && child->start_time && proc_parent(child->pid) != reaper) {
		(void)proc_pidfd_signal(child->pidfd, SIGKILL);
		return err_new(err, ERR_INTERNAL, ECHILD,
			       "the container is not a child of the keeper: it must be a child "
			       "subreaper (PR_SET_CHILD_SUBREAPER)");
	}
	return 0;
}

int runtime__launch_run(struct launch *l, struct enter *e, struct runtime_child *ret,
			struct err *err)
{
	struct runtime_child child = RUNTIME_CHILD_NONE;
	int status[2], console[2] = { FD_NONE, FD_NONE };
	int r;

	if (pipe2(status, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	child.status_fd = status[0];
	l->status = status[1];
	if (l->process->tty && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, console) < 0) {
		r = err_sys(err, errno, "make a socket pair");
		goto fail;
	}
	l->console_socket = console[1];
	e->child = runtime__child;
	e->data = l;
	if ((r = runtime__enter(e, &child.pid, &child.pidfd, err)) < 0)
		goto fail;
	l->status = fd_close(l->status);
	l->console_socket = fd_close(l->console_socket);
	if (l->process->tty)
		child.console = runtime__console_receive(console[0]);
	fd_close(console[0]);
	if ((r = finish(e, &child, err)) < 0)
		goto fail;
	*ret = child;
	return 0;
fail:
	fd_close(console[0]);
	runtime_child_done(&child);
	return r;
}

void runtime_child_done(struct runtime_child *child)
{
	fd_close(child->pidfd);
	fd_close(child->status_fd);
	fd_close(child->console);
	*child = RUNTIME_CHILD_NONE;
}

static int prepare(struct launch *l, int user, const int stdio[3], struct err *err)
{
	int r;

	if ((r = runtime__launch_root(l, user, err)) < 0 || (r = prepare_mounts(l, user, err)) < 0)
		return r;
	l->dev = runtime__dev_prepare(l->spec, user, err);
	if (err->no || (r = prepare_devices(l, user, err)) < 0 || (r = prepare_shm(l, err)) < 0)
		return -err->no;
	prepare_stdio(l, stdio);
	return runtime__seccomp_load(l->spec, l->caps, &l->seccomp, err);
}

int runtime_start(const struct spec *spec, const struct runtime_start *start,
		  struct runtime_child *ret, struct err *err)
{
	struct launch l;
	struct enter e = { .clone_parent = start->flags & RUNTIME_CLONE_PARENT,
			   .reaper = start->reaper };
	struct cgroup *cgroup = NULL;
	struct runtime_namespaces ns = start->ns;
	int joined[3] = { FD_NONE, FD_NONE, FD_NONE };
	int r = runtime__spec_check(spec, err);

	if (r < 0)
		return r;
	runtime__launch_init(&l);
	l.spec = spec;
	l.process = &spec->process;
	l.caps = spec->process.caps;
	l.uid_base = spec->idmap.base;
	if ((r = join_user_ns(&l, &ns.user, err)) < 0 ||
	    (r = prepare_namespaces(&l, &ns, &e, joined, err)) < 0 ||
	    (r = prepare(&l, ns.user, start->stdio, err)) < 0 ||
	    (r = runtime__cgroup_create(spec, &cgroup, err)) < 0)
		goto out;
	prepare_limits(&l, &e);
	e.cgroup = cgroup;
	r = runtime__launch_run(&l, &e, ret, err);
	if (r == 0)
		r = runtime__cgroup_started(cgroup, err);
	else
		(void)runtime__cgroup_remove(cgroup, &(struct err){ 0 });
out:
	runtime__cgroup_free(cgroup);
	for (size_t i = 0; i < ARRAY_SIZE(joined); i++)
		fd_close(joined[i]);
	if (ns.user != start->ns.user)
		fd_close(ns.user);
	runtime__launch_done(&l);
	return r;
}

int runtime_start_result(int status_fd, struct err *err)
{
	struct report report;
	size_t have = 0;

	while (have < sizeof(report)) {
		ssize_t n = read(status_fd, (char *)&report + have, sizeof(report) - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the outcome of a start");
		if (n == 0)
			break;
		have += (size_t)n;
	}
	/* Nothing: the exec closed the pipe. (Or a signal ended the child; then its exit status
	 * tells.) */
	if (have < sizeof(report))
		return 0;
	report.text[sizeof(report.text) - 1] = 0;
	return err_new(err, ERR_CONTAINER, report.no ? report.no : EIO, "%s: %s",
		       runtime__stage_text((enum stage)report.stage), report.text);
}
