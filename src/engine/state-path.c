/* Where the records lie. */
#include "engine/state-path.h"

#include "base/str.h"

enum { NAME_MAX_LEN = 200 }; /* leaves room for suffixes below NAME_MAX */

int state_name_check(const char *what, const char *name, struct err *err)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char rest[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = name ? strlen(name) : 0;
	if (len > 0 && len <= NAME_MAX_LEN && strspn(name, rest) == len && strspn(name, first) > 0)
		return 0;
	return err_input(err,
			 "invalid %s name '%.*s': use letters, digits, '_', '.' and '-', and "
			 "begin with a letter or digit",
			 what, NAME_MAX_LEN, name ? name : "");
}

char *state__project_path(const struct engine_paths *paths, const char *project, const char *below)
{
	return xasprintf("%s/projects/%s%s%s", paths->root, project, *below ? "/" : "", below);
}

char *state_container_dir(const struct engine_paths *paths, const char *project, const char *id)
{
	return xasprintf("%s/projects/%s/containers/%s", paths->root, project, id);
}

char *state_slot_dir(const struct engine_paths *paths, const char *project, const char *slot)
{
	return xasprintf("%s/projects/%s/slots/%s", paths->root, project, slot);
}

char *state_slots_dir(const struct engine_paths *paths, const char *project)
{
	return state__project_path(paths, project, "slots");
}

char *state_mountpoints_dir(const struct engine_paths *paths)
{
	return xasprintf("%s/mountpoints", paths->root);
}
