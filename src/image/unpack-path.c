/* Names of an archive, and the directories that they lead through. */
#include "image/unpack.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { UNPACK_IMPLIED_MODE = 0755 }; /* of a parent that the archive does not mention */

int image__unpack_clean(const char *name, char **ret, struct err *err)
{
	cleanup_str struct str out = STR_INIT_MAX(UNPACK_PATH_MAX - 1);
	const char *s = name;

	while (*s) {
		size_t len = strcspn(s, "/");

		if (len == 2 && s[0] == '.' && s[1] == '.') {
			if (!out.len)
				return err_input(err, "the name '%.256s' leads out of the layer",
						 name);
			while (out.len && out.data[--out.len] != '/')
				;
			out.data[out.len] = '\0';
		} else if (len && !(len == 1 && *s == '.')) {
			if (len > 255)
				return err_input(err,
						 "a component of the name '%.64s...' is too long",
						 name);
			if (out.len)
				str_addc(&out, '/');
			str_addn(&out, s, len);
		}
		s += len + (s[len] == '/');
	}
	if (str_overflowed(&out))
		return err_input(err, "the name '%.64s...' is longer than %d bytes", name,
				 UNPACK_PATH_MAX - 1);
	*ret = str_take(&out);
	return 0;
}

int image__unpack_open(struct unpack *u, const char *path, int flags, struct err *err)
{
	return fs_open_in_root(u->root, *path ? path : ".", flags, 0, err);
}

/* mkdir -p for the directories that the archive takes for granted. */
static int make_parents(struct unpack *u, const char *path, int *ret_fd, struct err *err)
{
	cleanup_fd int fd = image__unpack_open(u, "", O_RDONLY | O_DIRECTORY, err);
	const char *s = path;

	if (fd < 0)
		return fd;
	while (*s) {
		size_t len = strcspn(s, "/");
		cleanup_free char *name = xstrndup(s, len);
		cleanup_free char *so_far = xstrndup(path, (size_t)(s - path) + len);
		int next;

		int made = mkdirat(fd, name, UNPACK_IMPLIED_MODE);

		if (made == 0)
			made = fchmodat(fd, name, UNPACK_IMPLIED_MODE, 0); /* the umask's part */
		if (made < 0 && errno != EEXIST)
			return err_sys(err, errno, "make the directory '%s'", so_far);
		next = image__unpack_open(u, so_far, O_RDONLY | O_DIRECTORY, err);
		if (next < 0)
			return next;
		fd_close(fd);
		fd = next;
		s += len + (s[len] == '/');
	}
	*ret_fd = fd_take(fd);
	return 0;
}

void image__unpack_forget(struct unpack *u)
{
	free(ptr_take(u->parent_path));
	u->parent_fd = fd_close(u->parent_fd);
}

/* The directory that holds `path`; borrowed until the next call. Archives list a directory's files
 * together, so that the last one is usually the right one. */
int image__unpack_parent(struct unpack *u, const char *path, int *ret_fd, const char **ret_base,
			 struct err *err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	int fd = u->parent_fd;

	if (!str_eq(dir, u->parent_path)) {
		image__unpack_forget(u);
		fd = image__unpack_open(u, dir, O_RDONLY | O_DIRECTORY, err);
		if (fd == -ENOENT) {
			int r;

			err_done(err);
			r = make_parents(u, dir, &fd, err);
			if (r < 0)
				return r;
		}
		if (fd < 0)
			return fd;
		u->parent_fd = fd;
		u->parent_path = ptr_take(dir);
	}
	*ret_fd = fd;
	*ret_base = slash ? slash + 1 : path;
	return 0;
}
