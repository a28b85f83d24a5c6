/* Who the program runs as: looked up in the container's own /etc/passwd and /etc/group, by the
 * child, after the pivot. Both files belong to the image, so: resolved beneath the root, opened
 * without waiting (a FIFO would hang), regular files only, of bounded size. */
#include "runtime/launch.h"

#include "base/fs.h"
#include "base/parse.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 4 << 20, GROUPS_MAX = 65536 };

/* A line of either file, split in place. */
enum { FIELDS_MAX = 7 };
struct line {
	char *field[FIELDS_MAX];
	size_t n;
};

static int read_file(const char *path, struct str *out, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	cleanup_fd int root = fs_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, err);
	struct stat st;

	if (root < 0)
		return root;
	cleanup_fd int fd = fs_open_in_root(root, path, O_RDONLY | O_NOCTTY, 0, &why);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0; /* many images have none: numbers still work */
	if (fd < 0)
		return err_move(err, &why);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_input(err, "'/%s' of the image is not a regular file", path);
	return fs_read_fd(fd, path, FILE_BYTES_MAX, out, err);
}

/* Takes the next line off *text; false at the end. */
static bool next_line(char **text, struct line *line)
{
	char *start = *text;

	line->n = 0;
	if (!start || !*start)
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

static bool parse_id(const char *text, uint32_t *ret)
{
	uint64_t value;

	if (parse_u64(text, 0, INT32_MAX, &value) < 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

struct found_user {
	bool found;
	uid_t uid;
	gid_t gid;
	char *name, *home; /* borrowed from the file's text */
};

static void find_user(char *passwd, const char *name, struct found_user *ret)
{
	struct line line;
	uint32_t uid = 0, gid = 0, want = 0;
	bool by_number = parse_id(name, &want);

	while (next_line(&passwd, &line)) {
		if (line.n < 6 || !parse_id(line.field[2], &uid) || !parse_id(line.field[3], &gid))
			continue;
		if (!str_eq(line.field[0], name) && !(by_number && uid == want))
			continue;
		*ret = (struct found_user){ true, uid, gid, line.field[0], line.field[5] };
		return;
	}
}

static bool lists_member(char *members, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = members; *p; p += strspn(p, ",")) {
		size_t n = strcspn(p, ",");
		if (n == len && strncmp(p, name, n) == 0)
			return true;
		p += n;
	}
	return false;
}

/* Adds the groups that list `member` (NULL: none); the id of `name` (NULL: none) goes to *ret_gid.
 * Returns whether that was found. */
static bool walk_groups(struct launch *l, const char *text, const char *member, const char *name,
			gid_t *ret_gid)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy;
	struct line line;
	uint32_t gid = 0, want = 0;
	bool by_number = name && parse_id(name, &want), found = false;

	while (next_line(&rest, &line)) {
		if (line.n < 3 || !parse_id(line.field[2], &gid))
			continue;
		if (member && line.n >= 4 && l->groups.n < GROUPS_MAX &&
		    lists_member(line.field[3], member))
			vec_push(&l->groups, gid);
		if (name && !found && (str_eq(line.field[0], name) || (by_number && gid == want))) {
			*ret_gid = gid;
			found = true;
		}
	}
	if (!found && by_number) {
		*ret_gid = want;
		found = true;
	}
	return found;
}

/* An id that the user namespace does not have cannot be taken on. */
static int check_mapped(const struct launch *l, const char *what, uint32_t id, struct err *err)
{
	if (l->user_ns && l->spec->idmap.count && id >= l->spec->idmap.count)
		return err_new(err, ERR_INPUT, EINVAL,
			       "%s %u is outside the container's %u ids; use 'userns_mode: host' "
			       "for it",
			       what, id, l->spec->idmap.count);
	return 0;
}

static int find_groups(struct launch *l, const char *text, struct err *err)
{
	const struct strv *add = &l->process->groups;
	int r = check_mapped(l, "group", l->gid, err);

	for (size_t i = 0; r == 0 && i < add->n; i++) {
		gid_t gid = 0;
		if (!walk_groups(l, text, NULL, add->v[i], &gid))
			return err_not_found(err, "the image has no group '%s' (group_add)",
					     add->v[i]);
		r = check_mapped(l, "group", gid, err);
		vec_push(&l->groups, gid);
	}
	/* The primary group too: else a file that its group may not read could be read by dropping
	 * it (CVE-2022-36109). */
	vec_push(&l->groups, l->gid);
	return r;
}

int runtime__user_find(struct launch *l, struct err *err)
{
	cleanup_str struct str passwd = STR_INIT;
	cleanup_str struct str group = STR_INIT;
	const char *wanted = str_empty(l->process->user) ? "0" : l->process->user;
	const char *colon = strchr(wanted, ':');
	const char *group_name = colon && colon[1] ? colon + 1 : NULL;
	cleanup_free char *name = xstrndup(wanted, colon ? (size_t)(colon - wanted) : SIZE_MAX);
	cleanup_free char *text = NULL;
	struct found_user user = { 0 };
	int r;

	if ((r = read_file("etc/passwd", &passwd, err)) < 0 ||
	    (r = read_file("etc/group", &group, err)) < 0)
		return r;
	text = str_take(&passwd);
	find_user(text, *name ? name : "0", &user);
	if (!user.found && !parse_id(*name ? name : "0", &user.uid))
		return err_not_found(err, "the image has no user '%s' in /etc/passwd", name);
	l->uid = user.uid;
	l->gid = user.gid;
	if (!walk_groups(l, str_text(&group), group_name ? NULL : user.name, group_name, &l->gid) &&
	    group_name)
		return err_not_found(err, "the image has no group '%s' in /etc/group", group_name);
	if (!env_get(&l->env, "HOME"))
		env_set(&l->env, "HOME", str_empty(user.home) ? "/" : user.home);
	if ((r = check_mapped(l, "user", l->uid, err)) < 0)
		return r;
	return find_groups(l, str_text(&group), err);
}
