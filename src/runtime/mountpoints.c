#include "runtime/runtime.h"

#include "base/fs.h"
#include "base/hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *const dirs[] = { "dev", "etc", "proc", "sys" };
/* The last one is no mount point: programs look for it to know that they are in a container. */
static const char *const files[] = { "etc/hostname", "etc/hosts", "etc/resolv.conf", ".dockerenv" };

static int fill(int dir, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(dir, dirs[i], 0755) < 0 || fchmodat(dir, dirs[i], 0755, 0) < 0)
			return err_sys(err, errno, "make the mount point '/%s'", dirs[i]);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_fd int fd = fs_open(dir, files[i], O_WRONLY | O_CREAT | O_EXCL, 0644, err);
		if (fd < 0)
			return fd;
		if (fchmod(fd, 0644) < 0)
			return err_sys(err, errno, "set the mode of '%s'", files[i]);
	}
	return 0;
}

int runtime_mountpoints_make(const char *path, struct err *err)
{
	char suffix[9];
	cleanup_err struct err ignored = ERR_INIT;

	if (fs_exists(AT_FDCWD, path))
		return 0;
	hex_random(suffix, 8);
	cleanup_free char *temporary = xasprintf("%s.tmp-%s", path, suffix);
	int r = fs_mkdirs(AT_FDCWD, temporary, 0755, err);
	if (r < 0)
		return r;
	cleanup_fd int dir = fs_open(AT_FDCWD, temporary, O_RDONLY | O_DIRECTORY, 0, err);
	r = dir < 0 ? dir : fill(dir, err);
	if (r == 0 && rename(temporary, path) == 0)
		return 0;
	int no = errno;
	(void)fs_remove_tree(AT_FDCWD, temporary, &ignored); /* the first failure is told */
	if (r < 0)
		return r;
	/* Somebody else made it meanwhile. */
	return no == EEXIST || no == ENOTEMPTY ? 0 : err_sys(err, no, "make '%s'", path);
}
