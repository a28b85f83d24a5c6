#include "image/names.h"

#include "base/fs.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

void layer_names_done(struct layer_names *names)
{
	vec_each(n, &names->items)
		free(n->text);
	vec_done(&names->items);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct layer_name *)a)->text, ((const struct layer_name *)b)->text);
}

/* Of one directory. */
static int list(int fd, const char *path, struct layer_names *ret, struct err *err)
{
	int copy = fs_open(fd, ".", O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_dir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (copy < 0)
		return copy;
	if (!dir) {
		fd_close(copy);
		return err_sys(err, ENOMEM, "read the directory '%s'", path);
	}
	for (errno = 0; (entry = readdir(dir)); errno = 0)
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			vec_push(&ret->items, (struct layer_name){ .text = xstrdup(entry->d_name),
								   .inode = entry->d_ino,
								   .type = entry->d_type });
	if (errno)
		return err_sys(err, errno, "read the directory '%s'", path);
	if (ret->items.n)
		qsort(ret->items.v, ret->items.n, sizeof(*ret->items.v), by_text);
	return 0;
}

static bool is_whiteout(int dir, const struct layer_name *n)
{
	struct stat st;

	return n->type == DT_CHR && fstatat(dir, n->text, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

int layer_names_list(int dir, int base, const char *path, struct layer_names *ret, struct err *err)
{
	cleanup_layer_names struct layer_names own = { 0 }, below = { 0 };
	size_t k = 0;
	int r;

	if (dir < 0 || base < 0) {
		r = dir < 0 && base < 0 ? 0 : list(dir < 0 ? base : dir, path, ret, err);
		vec_each(n, &ret->items)
			n->base = dir < 0;
		return r;
	}
	r = list(dir, path, &own, err);
	if (r == 0)
		r = list(base, path, &below, err);
	if (r < 0)
		return r;
	vec_each(n, &own.items) {
		while (k < below.items.n && strcmp(below.items.v[k].text, n->text) < 0) {
			struct layer_name *b = &below.items.v[k++];

			vec_push(&ret->items, *b);
			ret->items.v[ret->items.n - 1].base = true;
			b->text = NULL;
		}
		bool both = k < below.items.n && str_eq(below.items.v[k].text, n->text);

		k += both;
		if (both && is_whiteout(dir, n))
			continue;
		vec_push(&ret->items, *n);
		n->text = NULL;
	}
	for (; k < below.items.n; k++) {
		vec_push(&ret->items, below.items.v[k]);
		ret->items.v[ret->items.n - 1].base = true;
		below.items.v[k].text = NULL;
	}
	return 0;
}

bool layer_is_opaque(int dir)
{
	char value;

	return fgetxattr(dir, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
}

int layer_names_enter(int dir, int base, const struct layer_name *name, int *ret, int *ret_base,
		      struct err *err)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW };
	cleanup_fd int own = FD_NONE;

	if (!name->base && (own = fs_open(dir, name->text, FLAGS, 0, err)) < 0)
		return own;
	*ret = *ret_base = FD_NONE;
	if (base >= 0 && (own < 0 || !layer_is_opaque(own))) {
		*ret_base = openat(base, name->text, FLAGS | O_CLOEXEC);
		/* What is something else there is hidden. */
		if (*ret_base < 0 &&
		    (own < 0 || (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)))
			return err_sys(err, errno, "open the directory '%s'", name->text);
	}
	if (*ret_base < 0)
		*ret_base = FD_NONE;
	*ret = fd_take(own);
	return 0;
}
