#include "build/stay.h"

#include "base/difference.h"
#include "base/fs.h"
#include "base/str.h"

#include <fcntl.h>

/* Of the list's files; whoever changes more is better off with a new whole layer. */
enum { FILES_LEAST = 256, FILES_PART = 32, BYTES_MOST = 64 << 20 };

struct stay stay_begin(struct written *list)
{
	uint64_t part = written_count_of(list) / FILES_PART;

	return (struct stay){
		.list = list,
		.files = part > FILES_LEAST ? part : FILES_LEAST,
		.bytes = BYTES_MOST,
	};
}

int stay_spend(struct stay *stay, uint64_t bytes, struct err *err)
{
	if (!stay->files || bytes > stay->bytes)
		return err_new(err, ERR_CONFLICT, E2BIG, "too much has changed");
	stay->files--;
	stay->bytes -= bytes;
	return 0;
}

/* No path begins with a slash. */
static char *target_name(bool is_dir, const char *target)
{
	return xasprintf("/%c %s", is_dir ? 'd' : 'f', target);
}

int stay_target(struct stay *stay, bool is_dir, const char *target, struct err *err)
{
	cleanup_free char *name = target_name(is_dir, target);

	if (written_see(stay->list, name))
		return 0;
	return err_new(err, ERR_CONFLICT, EXDEV, "'/%s' is a new destination", target);
}

void stay_note_target(struct written_list *list, bool is_dir, const char *target)
{
	cleanup_free char *name = target_name(is_dir, target);

	written_add_other(list, 0, name);
}

/* --- removing --- */

struct removing {
	struct stay *stay;
	int root;
	const int *below;
	size_t count;
};

/* -ENOENT: certainly not. */
static int look(int tree, const char *path)
{
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_fd int fd = fs_open_beneath(tree, path, O_PATH | O_NOFOLLOW, 0, &ignored);

	return fd == -ENOENT || fd == -ENOTDIR ? -ENOENT : 0;
}

static int keep_below(const struct removing *d, const char *path, struct err *err)
{
	for (size_t i = 0; i < d->count; i++) {
		cleanup_fd int base = FD_NONE;
		int r = difference_base(d->below[i], &base, err);

		if (r < 0)
			return r;
		if (look(d->below[i], path) == 0 || (base >= 0 && look(base, path) == 0))
			return err_new(err, ERR_CONFLICT, EEXIST,
				       "'/%s' is in a layer below as well", path);
	}
	return 0;
}

static int remove_path(void *data, const char *path, mode_t mode, struct err *err)
{
	const struct removing *d = data;
	cleanup_free char *dir = NULL;
	cleanup_fd int fd = FD_NONE;
	struct stat st;
	int r;

	if (*path == '/')
		return 0; /* of a destination */
	if ((r = stay_spend(d->stay, 0, err)) < 0 || (r = keep_below(d, path, err)) < 0)
		return r;
	dir = path_dir(path);
	fd = fs_open_beneath(d->root, dir, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 ||
	    unlinkat(fd, path_base(path), S_ISDIR(mode) ? AT_REMOVEDIR : 0) < 0)
		return err_sys(err, errno, "remove '/%s'", path);
	/* The directory's time was set when its files were copied. */
	(void)futimens(fd, (struct timespec[]){ st.st_atim, st.st_mtim });
	return 0;
}

int stay_end(struct stay *stay, int root, const int *below, size_t count, struct err *err)
{
	struct removing d = { stay, root, below, count };

	return written_unseen(stay->list, remove_path, &d, err);
}
