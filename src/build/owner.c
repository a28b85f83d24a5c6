#include "build/owner.h"

#include "base/fs.h"
#include "base/parse.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 4 << 20 };

/* The fields of the line of `file` whose first is `name`, or whose third is that number. */
static int find_line(int root, const char *file, const char *name, struct strv *ret,
		     struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_strv struct strv lines = { 0 };
	struct err gone = ERR_INIT;
	cleanup_fd int fd = fs_open_in_root(root, file, O_RDONLY | O_NOCTTY, 0, &gone);
	struct stat st;
	int r;

	err_done(&gone);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT; /* many images have none: numbers still work */
	r = fs_read_fd(fd, file, FILE_BYTES_MAX, &text, err);
	if (r < 0)
		return r;
	lines = strv_split(str_text(&text), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		struct strv fields = strv_split(lines.v[i], ':');

		if (fields.n >= 3 && (str_eq(fields.v[0], name) || str_eq(fields.v[2], name))) {
			*ret = fields;
			return 0;
		}
		strv_done(&fields);
	}
	return -ENOENT;
}

static int find_id(int root, const char *file, const char *name, const char *what, uint32_t *ret,
		   uint32_t *ret_group, struct err *err)
{
	cleanup_strv struct strv fields = { 0 };
	uint64_t id, group;
	int r = find_line(root, file, name, &fields, err);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && parse_u64(fields.v[2], 0, INT32_MAX, &id) == 0) {
		*ret = (uint32_t)id;
		if (ret_group && fields.n >= 4 && parse_u64(fields.v[3], 0, INT32_MAX, &group) == 0)
			*ret_group = (uint32_t)group;
		return 0;
	}
	if (parse_u64(name, 0, INT32_MAX, &id) < 0)
		return err_not_found(err, "the image has no %s '%s' in /%s", what, name, file);
	*ret = (uint32_t)id;
	return 0;
}

int owner_find(int root, const char *user, struct owner *ret, struct err *err)
{
	size_t len = strcspn(user, ":");
	cleanup_free char *name = xstrndup(user, len);
	struct owner owner = { 0 };
	int r = find_id(root, "etc/passwd", *name ? name : "0", "user", &owner.uid, &owner.gid,
			err);

	if (r == 0 && user[len] && user[len + 1])
		r = find_id(root, "etc/group", user + len + 1, "group", &owner.gid, NULL, err);
	if (r == 0)
		*ret = owner;
	return r;
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
