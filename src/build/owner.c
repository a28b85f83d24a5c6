#include "build/owner.h"

#include "base/fs.h"
#include "base/passwd.h"

#include <fcntl.h>
#include <sys/stat.h>

int owner_find(int root, const char *user, struct owner *ret, struct err *err)
{
	size_t len = strcspn(user, ":");
	cleanup_free char *name = xstrndup(user, len);
	const char *group = user[len] && user[len + 1] ? user + len + 1 : NULL;
	cleanup_passwd struct passwd passwd = PASSWD_INIT;
	cleanup_passwd_user struct passwd_user found = { 0 };
	struct owner owner = { 0 };
	gid_t gid;
	int r = passwd_load(root, &passwd, err);

	if (r < 0)
		return r;
	if (passwd_user_find(&passwd, *name ? name : "0", &found))
		owner = (struct owner){ found.uid, found.gid };
	else if (!passwd_id_parse(*name ? name : "0", &owner.uid))
		return err_not_found(err, "the image has no user '%s' in /etc/passwd", name);
	if (group && !passwd_group_find(&passwd, group, &gid))
		return err_not_found(err, "the image has no group '%s' in /etc/group", group);
	if (group)
		owner.gid = gid;
	*ret = owner;
	return 0;
}

int owner_make_dirs(int root, const char *path, const struct owner *owner, struct err *err)
{
	for (size_t len = 1;; len++) {
		cleanup_free char *part = NULL, *dir = NULL;
		struct err gone = ERR_INIT;

		if (path[len] && path[len] != '/')
			continue;
		part = xstrndup(path, len);
		cleanup_fd int there = fs_open_in_root(root, part, O_PATH | O_DIRECTORY, 0, &gone);
		if (there < 0 && there != -ENOENT)
			return err_move(err, &gone);
		err_done(&gone);
		if (there < 0) {
			dir = path_dir(part);
			cleanup_fd int parent =
				fs_open_in_root(root, dir, O_PATH | O_DIRECTORY, 0, err);
			const char *name = path_base(part);

			if (parent < 0)
				return parent;
			if (mkdirat(parent, name, 0755) < 0 ||
			    fchownat(parent, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) <
				    0 ||
			    fchmodat(parent, name, 0755, 0) < 0)
				return err_sys(err, errno, "make the directory '%s'", part);
		}
		if (!path[len])
			return 0;
	}
}
