#include "base/difference.h"

#include "base/fs.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

int difference_base(int tree, int *ret, struct err *err)
{
	struct stat st;
	int fd;

	*ret = FD_NONE;
	if (fstatat(tree, "../" DIFFERENCE_LINK, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	fd = openat(tree, "../" DIFFERENCE_LINK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_new(err, ERR_NOT_FOUND, errno,
			       "the layer that another one is a difference of is gone");
	*ret = fd;
	return 0;
}

char *difference_base_name(int dirfd, const char *path)
{
	cleanup_free char *link = xasprintf("%s/" DIFFERENCE_LINK, path);
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, link, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	cleanup_free char *dir = path_dir(target);
	return xstrdup(path_base(dir));
}

bool difference_complete(int dirfd, const char *path)
{
	cleanup_free char *link = xasprintf("%s/" DIFFERENCE_LINK, path);

	return fs_exists(dirfd, path) &&
	       (!fs_exists(dirfd, link) || faccessat(dirfd, link, F_OK, 0) == 0);
}

int difference_note(int dir, const char *layers, const char *base_name, struct err *err)
{
	cleanup_free char *target = xasprintf("%s/%s/diff", layers, base_name);

	/* Somebody may be about to mount the tree: there is one of the two at any time. */
	(void)unlinkat(dir, DIFFERENCE_LINK "-new", 0);
	if (symlinkat(target, dir, DIFFERENCE_LINK "-new") < 0 ||
	    renameat(dir, DIFFERENCE_LINK "-new", dir, DIFFERENCE_LINK) < 0)
		return err_sys(err, errno, "note what a layer is a difference of");
	return 0;
}
