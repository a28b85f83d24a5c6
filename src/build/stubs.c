#include "build/stubs.h"

#include "base/fs.h"

#include <fcntl.h>
#include <limits.h>

enum { LINKS_MAX = 8 };

void stubs_done(struct stubs *stubs)
{
	vec_each(s, &stubs->items)
		free(s->path);
	vec_done(&stubs->items);
}

static void add(struct stubs *stubs, const char *path, const struct stat *st)
{
	vec_each(s, &stubs->items)
		if (str_eq(s->path, path))
			return;
	vec_push(&stubs->items, (struct stub){
					.path = xstrdup(path),
					.missing = !st,
					.st = st ? *st : (struct stat){ 0 },
				});
}

/* Where an open directory or file really is, beneath the detached mount. Owned; "" for the root. */
static char *real_path(int fd)
{
	char proc[40], path[PATH_MAX];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, path, sizeof(path) - 1);
	if (n < 1 || *path != '/')
		return NULL;
	path[n] = '\0';
	return xstrdup(path + 1);
}

/* The directories above, from the root down, as they are now. */
static void add_existing(int root, const char *real, struct stubs *stubs)
{
	for (size_t len = 1; *real; len++) {
		cleanup_free char *part = NULL;
		struct stat st;

		if (real[len] && real[len] != '/')
			continue;
		part = xstrndup(real, len);
		if (fstatat(root, part, &st, AT_SYMLINK_NOFOLLOW) == 0)
			add(stubs, part, &st);
		if (!real[len])
			return;
	}
}

/* A symlink that leads nowhere: its target, absolute. NULL when it is none. */
static char *dangling(int root, const char *path)
{
	cleanup_free char *dir = path_dir(path);
	struct err gone = ERR_INIT;
	cleanup_fd int parent = fs_open_in_root(root, dir, O_PATH | O_DIRECTORY, 0, &gone);
	char target[PATH_MAX];
	ssize_t n;

	err_done(&gone);
	if (parent < 0)
		return NULL;
	n = readlinkat(parent, path_base(path), target, sizeof(target) - 1);
	if (n < 1)
		return NULL;
	target[n] = '\0';
	return path_join(dir, target);
}

static int look_at(int root, char **path, struct stubs *stubs, struct err *err)
{
	cleanup_strv struct strv missing = { 0 };
	cleanup_free char *at = xstrdup(*path);

	for (int links = 0;;) {
		struct err gone = ERR_INIT;
		cleanup_fd int fd = fs_open_in_root(root, at, O_PATH, 0, &gone);
		char *up;

		if (fd >= 0) {
			cleanup_free char *real = real_path(fd);

			if (!real)
				return err_input(err, "'%s' cannot be a mount point", *path);
			add_existing(root, real, stubs);
			for (size_t i = missing.n; i-- > 0;) {
				cleanup_free char *whole =
					xasprintf("%s%s%s", real, *real ? "/" : "", missing.v[i]);

				add(stubs, whole, NULL);
				free(real);
				real = xstrdup(whole);
			}
			return 0;
		}
		err_done(&gone);
		if ((up = dangling(root, at)) && links++ < LINKS_MAX) {
			/* Only the last part of a path can be a link to nothing here: whatever
			 * was missing below it belongs below its target. */
			for (size_t i = missing.n; i-- > 0;) {
				char *longer = path_join(up, missing.v[i]);

				free(up);
				up = longer;
			}
			strv_done(&missing);
			free(at);
			at = up;
			free(*path);
			*path = xstrdup(at);
			continue;
		}
		free(up);
		if (str_eq(at, "/"))
			return err_input(err, "'%s' cannot be a mount point", *path);
		strv_add(&missing, path_base(at));
		up = path_dir(at);
		free(at);
		at = up;
	}
}

int stubs_look(int root, struct strv *paths, struct stubs *ret, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < paths->n; i++)
		r = look_at(root, &paths->v[i], ret, err);
	return r;
}

/* Only what is empty goes: a program that wrote into a mount point that it unmounted meant it. */
static void clear_missing(int parent, const char *name)
{
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(st.st_mode))
		(void)unlinkat(parent, name, AT_REMOVEDIR); /* refuses what is not empty */
	else if (S_ISREG(st.st_mode) && st.st_size == 0)
		(void)unlinkat(parent, name, 0);
}

/* A directory that is in the upper layer only because something below it was made, and that says
 * the same as the one below. */
static void clear_existing(int parent, const char *name, const struct stat *before)
{
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	    st.st_mode == before->st_mode && st.st_uid == before->st_uid &&
	    st.st_gid == before->st_gid)
		(void)unlinkat(parent, name, AT_REMOVEDIR);
}

int stubs_clear(const struct stubs *stubs, int upper, struct err *err)
{
	for (size_t i = stubs->items.n; i-- > 0;) {
		const struct stub *s = &stubs->items.v[i];
		cleanup_free char *dir = path_dir(s->path);
		struct err gone = ERR_INIT;
		cleanup_fd int parent =
			fs_open_beneath(upper, dir, O_RDONLY | O_DIRECTORY, 0, &gone);

		if (parent < 0) {
			/* Not in the upper layer, or the step put something else there. */
			err_done(&gone);
			continue;
		}
		if (s->missing)
			clear_missing(parent, path_base(s->path));
		else
			clear_existing(parent, path_base(s->path), &s->st);
	}
	(void)err;
	return 0;
}
