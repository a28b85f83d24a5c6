/* The root file system, made by the child in its own mount namespace.
 *
 * The layers come as detached mounts, idmapped by the privileged side. They are attached under a
 * private tmpfs, and the overlay is mounted from there with relative names, so that no host path
 * shows in the container's mountinfo. Everything but the overlay goes away with the old root.
 * `userxattr` always: layers are unpacked for it, and an upper directory stays valid when a service
 * changes between having a user namespace and not. */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"

#include <sched.h>
#include <sys/mount.h>

/* One page of mount options: "l0:l1:..." leaves room for more layers than any image has. */
enum { LAYERS_MAX = 500 };

int runtime__fs_mount(const char *type, unsigned attributes, const char *const options[],
		      struct err *err)
{
	cleanup_fd int fs = sys_fsopen(type);
	int r;

	if (fs < 0)
		return err_sys(err, -fs, "open a '%s' file system", type);
	for (size_t i = 0; options && options[i]; i++) {
		const char *equals = strchr(options[i], '=');
		if (equals) {
			cleanup_free char *key =
				xstrndup(options[i], (size_t)(equals - options[i]));
			r = sys_fsconfig(fs, FSCONFIG_SET_STRING, key, equals + 1, 0);
		} else {
			r = sys_fsconfig(fs, FSCONFIG_SET_FLAG, options[i], NULL, 0);
		}
		if (r < 0)
			return err_sys(err, -r, "set option '%s' of a '%s' file system", options[i],
				       type);
	}
	r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return err_sys(err, -r, "create a '%s' file system", type);
	r = sys_fsmount(fs, attributes);
	return r < 0 ? err_sys(err, -r, "mount a '%s' file system", type) : r;
}

/* Leaves a chroot that stave itself may run in: entering one's own mount namespace again sets the
 * root to the namespace's. Without this the container's first process would have the old root of
 * the namespace beside its own, and whoever enters the namespace later (exec) would land there. */
static int leave_chroot(struct err *err)
{
	cleanup_fd int self = fs_open(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY, 0, err);

	if (self < 0)
		return self;
	if (setns(self, CLONE_NEWNS) < 0)
		return err_sys(err, errno, "enter the root of the mount namespace");
	return 0;
}

static int attach_at(int fd, int dir, const char *name, struct err *err)
{
	int r;

	if (mkdirat(dir, name, 0700) < 0)
		return err_sys(err, errno, "make a mount point");
	r = sys_move_mount_at(fd, dir, name);
	return r < 0 ? err_sys(err, -r, "attach a layer") : 0;
}

int runtime__overlay_mount(const int *layers, size_t count, int upper, int base, const char *prefix,
			   struct err *err)
{
	cleanup_str struct str options = STR_INIT_MAX(4000);
	char name[24], target[48];
	int r;

	if (upper < 0) /* a view: one of the layers may be the writable one of who runs */
		str_add(&options, "userxattr,index=off,lowerdir=");
	else
		str_addf(&options,
			 "userxattr,upperdir=%su/upper,workdir=%su/work,lowerdir=", prefix, prefix);
	if (upper < 0 && count == 1) { /* overlayfs takes no single layer: an empty one on top */
		if (mkdirat(base, "e", 0755) < 0)
			return err_sys(err, errno, "make an empty layer");
		str_addf(&options, "%se:", prefix);
	}
	for (size_t i = count; i-- > 0;) { /* overlayfs wants the uppermost first */
		snprintf(name, sizeof(name), "%zu", i);
		if ((r = attach_at(layers[i], base, name, err)) < 0)
			return r;
		str_addf(&options, "%s%s%s", prefix, name, i ? ":" : "");
	}
	if (str_overflowed(&options) || count > LAYERS_MAX)
		return err_input(err, "an image of %zu layers is more than %d", count, LAYERS_MAX);
	if (upper >= 0 && (r = attach_at(upper, base, "u", err)) < 0)
		return r;
	if (mkdirat(base, "r", 0700) < 0)
		return err_sys(err, errno, "make a mount point");
	snprintf(target, sizeof(target), "%sr", prefix);
	if (mount("overlay", target, "overlay", 0, str_text(&options)) < 0)
		return err_sys(err, errno, "mount the overlay of %zu layers", count);
	return 0;
}

/* On any directory that every machine has and that nobody needs from now on: not '/', or what lies
 * on top of it would be what umount2 finds after the pivot. */
static int attach_base(int base, struct err *err)
{
	static const char *const places[] = { "/tmp", "/run", "/etc", "/usr" };
	int r = -ENOENT;

	for (size_t i = 0; r < 0 && i < ARRAY_SIZE(places); i++)
		r = sys_move_mount_at(base, AT_FDCWD, places[i]);
	return r < 0 ? err_sys(err, -r, "attach the private directory") : 0;
}

int runtime__rootfs_mount(struct launch *l, struct err *err)
{
	/* Bounded: the files of ours that stay in it (SPEC_MOUNT_OWN) are the container's to write.
	 */
	static const char *const options[] = { "mode=0700", "size=64m", NULL };
	cleanup_fd int base = FD_NONE;
	int r = leave_chroot(err);

	if (r < 0)
		return r;
	/* Without a user namespace mounts are copied with their peer groups: what happens here must
	 * not be seen on the host. (With one, the kernel has done this already.) */
	if (!l->user_ns && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(err, errno, "make the mounts private");
	if ((base = runtime__fs_mount("tmpfs", 0, options, err)) < 0)
		return base;
	if ((r = attach_base(base, err)) < 0)
		return r;
	if (fchdir(base) < 0)
		return err_sys(err, errno, "change to the private directory");
	r = l->layers.n ? runtime__overlay_mount(l->layers.v, l->layers.n, l->upper, base, "", err)
			: attach_at(l->rootfs, base, "r", err);
	if (r < 0)
		return r;
	l->root = fs_open(base, "r", O_PATH | O_DIRECTORY, 0, err);
	return l->root < 0 ? l->root : 0;
}

int runtime__rootfs_pivot(struct launch *l, struct err *err)
{
	int r;

	if (l->spec->readonly_root) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
		if ((r = sys_mount_setattr(l->root, "", AT_EMPTY_PATH, &attr)) < 0)
			return err_sys(err, -r, "make it read-only");
	}
	/* The old root goes on top of the new one and is taken off again: no directory is needed
	 * for it in the image. */
	if (fchdir(l->root) < 0)
		return err_sys(err, errno, "change to it");
	if ((r = sys_pivot_root(".", ".")) < 0)
		return err_sys(err, -r, "pivot");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(err, errno, "detach the host's file systems");
	if (chdir("/") < 0)
		return err_sys(err, errno, "change to '/'");
	l->root = fd_close(l->root);
	return 0;
}

/* In a helper with a mount namespace of its own, so that layers can be named relative to the
 * private directory here too. */
static int mount_and_copy(void *data, struct err *err)
{
	struct launch *l = data;
	int r = runtime__rootfs_mount(l, err);

	if (r < 0)
		return r;
	r = sys_open_tree(l->root, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	fd_close(l->root);
	return r < 0 ? err_sys(err, -r, "take the root out of the helper") : r;
}

int runtime_mount_root(const struct spec *spec, int *ret_fd, struct err *err)
{
	struct launch l;
	int r;

	runtime__launch_init(&l);
	l.spec = spec;
	r = runtime__launch_root(&l, FD_NONE, err);
	if (r == 0)
		r = runtime__helper(CLONE_NEWNS, mount_and_copy, &l, err);
	runtime__launch_done(&l);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

int runtime_view_root(const struct spec *spec, int *ret_fd, struct err *err)
{
	struct spec view = { 0 };
	int r;

	strv_copy(&view.layers, &spec->layers);
	strv_take(&view.layers, path_join(spec->dir, "upper"));
	r = runtime_mount_root(&view, ret_fd, err);
	strv_done(&view.layers);
	return r;
}
