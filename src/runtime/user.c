/* Who the program runs as: looked up in the container's own /etc/passwd and /etc/group, by the
 * child, after the pivot. */
#include "runtime/launch.h"

#include "base/fs.h"
#include "base/passwd.h"

#include <fcntl.h>

enum { GROUPS_MAX = 65536 };

static void add_group(void *data, gid_t gid)
{
	struct launch *l = data;

	if (l->groups.n < GROUPS_MAX)
		vec_push(&l->groups, gid);
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

/* No ENOENT: that is a command that was not found, which has an exit status of its own (127). */
#define unknown(err, ...) err_new((err), ERR_NOT_FOUND, EINVAL, __VA_ARGS__)

static int find_groups(struct launch *l, const struct passwd *passwd, struct err *err)
{
	const struct strv *add = &l->process->groups;
	int r = check_mapped(l, "group", l->gid, err);

	for (size_t i = 0; r == 0 && i < add->n; i++) {
		gid_t gid = 0;
		if (!passwd_group_find(passwd, add->v[i], &gid))
			return unknown(err, "the image has no group '%s' (group_add)", add->v[i]);
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
	cleanup_passwd struct passwd passwd = PASSWD_INIT;
	cleanup_passwd_user struct passwd_user user = { 0 };
	const char *wanted = str_empty(l->process->user) ? "0" : l->process->user;
	const char *colon = strchr(wanted, ':');
	const char *group = colon && colon[1] ? colon + 1 : NULL;
	cleanup_free char *written = xstrndup(wanted, colon ? (size_t)(colon - wanted) : SIZE_MAX);
	const char *name = *written ? written : "0";
	cleanup_fd int root = fs_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, err);
	int r;

	if (root < 0)
		return root;
	if ((r = passwd_load(root, &passwd, err)) < 0)
		return r;
	if (!passwd_user_find(&passwd, name, &user) && !passwd_id_parse(name, &user.uid))
		return unknown(err, "the image has no user '%s' in /etc/passwd", name);
	l->uid = user.uid;
	l->gid = user.gid;
	if (group && !passwd_group_find(&passwd, group, &l->gid))
		return unknown(err, "the image has no group '%s' in /etc/group", group);
	if (!group && user.name)
		passwd_groups_each(&passwd, user.name, add_group, l);
	if (!env_get(&l->env, "HOME"))
		env_set(&l->env, "HOME", str_empty(user.home) ? "/" : user.home);
	if ((r = check_mapped(l, "user", l->uid, err)) < 0)
		return r;
	return find_groups(l, &passwd, err);
}
