#include "base/passwd.h"

#include "base/fs.h"
#include "base/parse.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A line of either file, split in place. */
enum { FIELDS_MAX = 7 };
struct line {
	char *field[FIELDS_MAX];
	size_t n;
};

static int read_file(int root, const char *path, char **ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err why = ERR_INIT;
	struct stat st;
	int r = 0;

	cleanup_fd int fd = fs_open_in_root(root, path, O_RDONLY | O_NOCTTY, 0, &why);
	if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR)
		return err_move(err, &why);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		return err_input(err, "'/%s' of the image is not a regular file", path);
	if (fd >= 0)
		r = fs_read_fd(fd, path, PASSWD_BYTES_MAX, &text, err);
	if (r == 0)
		*ret = str_take(&text);
	return r;
}

int passwd_load(int root, struct passwd *ret, struct err *err)
{
	cleanup_passwd struct passwd p = PASSWD_INIT;
	int r;

	if ((r = read_file(root, "etc/passwd", &p.users, err)) < 0 ||
	    (r = read_file(root, "etc/group", &p.groups, err)) < 0)
		return r;
	*ret = p;
	p = PASSWD_INIT;
	return 0;
}

void passwd_done(struct passwd *p)
{
	free(p->users);
	free(p->groups);
	*p = PASSWD_INIT;
}

void passwd_user_done(struct passwd_user *user)
{
	free(user->name);
	free(user->home);
	*user = (struct passwd_user){ 0 };
}

/* Takes the next line off *text; false at the end. */
static bool next_line(char **text, struct line *line)
{
	char *start = *text;

	line->n = 0;
	if (!*start)
		return false;
	*text = start + strcspn(start, "\n");
	if (**text)
		*(*text)++ = 0;
	while (line->n < FIELDS_MAX) {
		line->field[line->n++] = start;
		start += strcspn(start, ":");
		if (!*start)
			break;
		*start++ = 0;
	}
	return true;
}

bool passwd_id_parse(const char *text, uint32_t *ret)
{
	uint64_t value;

	if (parse_u64(text, 0, INT32_MAX, &value) < 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

bool passwd_user_find(const struct passwd *p, const char *name, struct passwd_user *ret)
{
	cleanup_free char *copy = xstrdup(p->users);
	char *rest = copy;
	struct line line;
	uint32_t uid = 0, gid = 0, want = 0;
	bool by_number = passwd_id_parse(name, &want);

	while (next_line(&rest, &line)) {
		if (line.n < 6 || !passwd_id_parse(line.field[2], &uid) ||
		    !passwd_id_parse(line.field[3], &gid))
			continue;
		if (!str_eq(line.field[0], name) && !(by_number && uid == want))
			continue;
		*ret = (struct passwd_user){ uid, gid, xstrdup(line.field[0]),
					     xstrdup(line.field[5]) };
		return true;
	}
	return false;
}

bool passwd_group_find(const struct passwd *p, const char *name, gid_t *ret)
{
	cleanup_free char *copy = xstrdup(p->groups);
	char *rest = copy;
	struct line line;
	uint32_t gid = 0, want = 0;
	bool by_number = passwd_id_parse(name, &want);

	while (next_line(&rest, &line)) {
		if (line.n < 3 || !passwd_id_parse(line.field[2], &gid))
			continue;
		if (str_eq(line.field[0], name) || (by_number && gid == want)) {
			*ret = gid;
			return true;
		}
	}
	if (by_number)
		*ret = want;
	return by_number;
}

static bool lists_member(const char *members, const char *name)
{
	size_t len = strlen(name);

	for (const char *s = members; *s; s += strspn(s, ",")) {
		size_t n = strcspn(s, ",");
		if (n == len && strncmp(s, name, n) == 0)
			return true;
		s += n;
	}
	return false;
}

void passwd_groups_each(const struct passwd *p, const char *user,
			void (*add)(void *data, gid_t gid), void *data)
{
	cleanup_free char *copy = xstrdup(p->groups);
	char *rest = copy;
	struct line line;
	uint32_t gid = 0;

	while (next_line(&rest, &line))
		if (line.n >= 4 && passwd_id_parse(line.field[2], &gid) &&
		    lists_member(line.field[3], user))
			add(data, gid);
}
