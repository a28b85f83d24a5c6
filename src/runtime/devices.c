/* Devices: Docker's default nodes and the user's. The privileged side makes a whole /dev, because
 * inside a user namespace the kernel refuses to make nodes, and idmaps it. Where it cannot (before
 * Linux 6.3), the child binds the host's nodes, which look as if nobody owned them. */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"

#include <linux/major.h>
#include <sys/sysmacros.h>

enum { DEPTH_MAX = 16 };

static const struct node {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{ "null", MEM_MAJOR, 3 },   { "zero", MEM_MAJOR, 5 },	 { "full", MEM_MAJOR, 7 },
	{ "random", MEM_MAJOR, 8 }, { "urandom", MEM_MAJOR, 9 }, { "tty", TTYAUX_MAJOR, 0 },
};

static const struct {
	const char *name, *points_to;
} links[] = {
	{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },		 { "core", "/proc/kcore" },
};

/* Binds the host's node on an empty file, after looking that it is the device it should be: stave
 * may run where /dev is not a real one. */
static int bind_node(int dev, const struct node *node, struct err *err)
{
	char path[32];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "/dev/%s", node->name);
	cleanup_fd int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return err_sys(err, -tree, "open '%s' of the host", path);
	if (fstat(tree, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(node->major, node->minor))
		return err_unsupported(err, "'%s' of the host is not that device", path);
	if (mknodat(dev, node->name, S_IFREG | 0644, 0) < 0)
		return err_sys(err, errno, "make '%s'", path);
	r = sys_move_mount_at(tree, dev, node->name);
	return r < 0 ? err_sys(err, -r, "bind '%s'", path) : 0;
}

static int make_node(int dev, const struct node *node, struct err *err)
{
	if (mknodat(dev, node->name, S_IFCHR | 0666, makedev(node->major, node->minor)) < 0 ||
	    fchmodat(dev, node->name, 0666, 0) < 0)
		return err_sys(err, errno, "make '/dev/%s'", node->name);
	return 0;
}

static int make_links(int dev, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i].points_to, dev, links[i].name) < 0 && errno != EEXIST)
			return err_sys(err, errno, "make '/dev/%s'", links[i].name);
	return 0;
}

/* The pty of the container on /dev/console. */
static int bind_console(int dev, struct err *err)
{
	cleanup_fd int console = sys_open_tree(dev, "pts/0", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (console < 0)
		return err_sys(err, -console, "open the console");
	if (mknodat(dev, "console", S_IFREG | 0600, 0) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make '/dev/console'");
	int r = sys_move_mount_at(console, dev, "console");
	return r < 0 ? err_sys(err, -r, "bind '/dev/console'") : 0;
}

int runtime__devices_defaults(struct launch *l, int dev, bool made, struct err *err)
{
	int r;

	for (size_t i = 0; !made && i < ARRAY_SIZE(nodes); i++)
		if ((r = bind_node(dev, &nodes[i], err)) < 0)
			return r;
	if (!made && (r = make_links(dev, err)) < 0)
		return r;
	return l->console < 0 ? 0 : bind_console(dev, err);
}

/* --- by the privileged side --- */

/* A node like the host's, at `path` below dev. */
static int copy_node(int dev, const char *path, const struct stat *st, struct err *err)
{
	cleanup_free char *parent_path = path_dir(path);
	cleanup_fd int parent = fs_opendirs(dev, parent_path, 0755, err);
	const char *name = path_base(path);

	if (parent < 0)
		return parent;
	(void)unlinkat(parent, name, 0); /* the user's choice for /dev/null is the user's */
	if (mknodat(parent, name, st->st_mode, st->st_rdev) < 0 ||
	    fchownat(parent, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(parent, name, st->st_mode & 07777, 0) < 0)
		return err_sys(err, errno, "make '/dev/%s'", path);
	return 0;
}

/* All nodes in the host's directory `from` (and below it) into `to` below dev. What is mounted in a
 * /dev (pts, shm, mqueue) is not devices. */
static int copy_nodes(int dev, const char *from, const char *to, int depth, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(AT_FDCWD, from, &names, err);
	struct stat top, st;

	if (r < 0)
		return r;
	if (stat(from, &top) < 0 || depth > DEPTH_MAX)
		return 0;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_free char *source = xasprintf("%s/%s", from, names.v[i]);
		cleanup_free char *target = xasprintf("%s%s%s", to, *to ? "/" : "", names.v[i]);
		if (lstat(source, &st) < 0 || st.st_dev != top.st_dev)
			continue;
		if (S_ISDIR(st.st_mode))
			r = copy_nodes(dev, source, target, depth + 1, err);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			r = copy_node(dev, target, &st, err);
	}
	return r;
}

/* The user's devices that belong below /dev; others are bound (prepare_devices in start.c). */
static int add_devices(const struct spec *spec, int dev, struct err *err)
{
	int r = spec->privileged ? copy_nodes(dev, "/dev", "", 0, err) : 0;

	for (size_t i = 0; r == 0 && i < spec->devices.n; i++) {
		const struct spec_device *d = &spec->devices.v[i];
		const char *target = runtime__device_below_dev(d);
		struct stat st;
		if (!target)
			continue;
		if (stat(d->source, &st) < 0)
			return err_sys(err, errno, "device '%s'", d->source);
		if (S_ISDIR(st.st_mode))
			r = copy_nodes(dev, d->source, target, 0, err);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			r = copy_node(dev, target, &st, err);
		else
			return err_input(err, "'%s' is not a device", d->source);
	}
	return r;
}

const char *runtime__device_below_dev(const struct spec_device *d)
{
	const char *below = str_after(d->target, "/dev/");

	return below && *below && !strstr(below, "..") ? below : NULL;
}

int runtime__dev_prepare(const struct spec *spec, int user, struct err *err)
{
	static const char *const options[] = { "mode=0755", "size=65536k", NULL };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user };
	cleanup_fd int dev = runtime__fs_mount(
		"tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_STRICTATIME, options,
		err);
	int r;

	if (dev < 0)
		return dev;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if ((r = make_node(dev, &nodes[i], err)) < 0)
			return r;
	if ((r = make_links(dev, err)) < 0 || (r = add_devices(spec, dev, err)) < 0)
		return r;
	if (user < 0)
		return fd_take(dev);
	r = sys_mount_setattr(dev, "", AT_EMPTY_PATH, &attr);
	if (r == -EINVAL)
		return FD_NONE; /* idmapped tmpfs came with Linux 6.3 */
	return r < 0 ? err_sys(err, -r, "set the id mapping of /dev") : fd_take(dev);
}

/* --- by the child --- */

int runtime__devices_attach(struct launch *l, struct err *err)
{
	vec_each(d, &l->devices) {
		cleanup_fd int target =
			runtime__target_open(l->root, d->target, true, d->is_dir, err);
		if (target < 0)
			return target;
		int r = sys_move_mount(d->fd, target);
		if (r < 0)
			return err_sys(err, -r, "attach the device '%s'", d->target);
	}
	return 0;
}
