/* The short form of volumes: [SOURCE:]TARGET[:OPTION,...]. */
#include "base/fs.h"
#include "compose/pass.h"

#include <ctype.h>
#include <strings.h>

struct parts {
	char *v[3];
	size_t n;
};

/* A colon after a single letter belongs to a Windows drive; one inside of ${...} to the variable.
 */
static int split(char *spec, struct parts *ret, struct str *error)
{
	char *start = spec;
	int depth = 0;
	for (char *p = spec;; p++) {
		if (*p == '$' && p[1] == '{')
			depth++;
		else if (*p == '}' && depth > 0)
			depth--;
		if (*p && (*p != ':' || depth))
			continue;
		if (*p == ':' && p - start == 1 && isalpha((unsigned char)*start))
			continue;
		if (p == start) {
			str_add(error, "nothing between two colons");
			return -1;
		}
		if (ret->n == 3) {
			str_add(error, "too many colons");
			return -1;
		}
		ret->v[ret->n++] = start;
		if (!*p)
			return 0;
		*p = '\0';
		start = p + 1;
	}
}

static bool file_path(const char *source)
{
	if (!source || !*source)
		return false;
	return strchr("./~", *source) || str_starts(source, "\\\\") ||
	       (isalpha((unsigned char)source[0]) && source[1] == ':');
}

static void mount_option(struct compose_model *m, struct node *map, struct node **bind,
			 struct node **volume, const char *option, struct where where)
{
	static const char *const propagations[] = { "rprivate", "private", "rshared", "shared",
						    "rslave",	"slave",   NULL };
	struct arena *a = m->arena;
	if (strcmp(option, "ro") == 0)
		map_put(a, map, "read_only", node_bool(a, true, where), where);
	else if (strcmp(option, "rw") == 0)
		map_drop(map, "read_only");
	else if (strcmp(option, "nocopy") == 0) {
		*volume = *volume ? *volume : node_map(a, where);
		map_put(a, *volume, "nocopy", node_bool(a, true, where), where);
	} else if (strcasecmp(option, "z") == 0) {
		*bind = *bind ? *bind : node_map(a, where);
		map_put(a, *bind, "selinux", node_string(a, option, where), where);
	} else
		for (const char *const *p = propagations; *p; p++)
			if (strcmp(option, *p) == 0) {
				*bind = *bind ? *bind : node_map(a, where);
				map_put(a, *bind, "propagation", node_string(a, option, where),
					where);
			}
	/* Docker Compose ignores what it does not know here; so do we. */
}

static struct node *mount_map(struct compose_model *m, const struct parts *p, struct where where)
{
	struct arena *a = m->arena;
	struct node *map = node_map(a, where), *bind = NULL, *volume = NULL;
	const char *source = p->n > 1 ? p->v[0] : NULL, *target = p->v[p->n > 1 ? 1 : 0];
	map->made = true;
	if (p->n == 3)
		for (char *option = p->v[2], *next; option; option = next) {
			next = strchr(option, ',');
			if (next)
				*next++ = '\0';
			mount_option(m, map, &bind, &volume, option, where);
		}
	bool host = file_path(source);
	if (host) {
		bind = bind ? bind : node_map(a, where);
		map_put(a, bind, "create_host_path", node_bool(a, true, where), where);
	} else
		volume = volume ? volume : node_map(a, where);
	map_put(a, map, "type", node_string(a, host ? "bind" : "volume", where), where);
	if (source)
		map_put(a, map, "source", node_string(a, source, where), where);
	cleanup_free char *clean = path_clean(target);
	map_put(a, map, "target", node_string(a, clean, where), where);
	if (bind)
		map_put(a, map, "bind", bind, where);
	if (volume)
		map_put(a, map, "volume", volume, where);
	return map;
}

struct node *mount_parse(struct compose_model *m, const struct node *spec, struct str *error)
{
	if (!spec->n) {
		str_add(error, "an empty volume");
		return NULL;
	}
	if (spec->n <= 2) { /* too short for a source: "/a" */
		struct node *map = node_map(m->arena, spec->where);
		map->made = true;
		map_put(m->arena, map, "type", node_string(m->arena, "volume", spec->where),
			spec->where);
		map_put(m->arena, map, "target", node_string(m->arena, spec->text, spec->where),
			spec->where);
		return map;
	}
	char *copy = arena_strndup(m->arena, spec->text, spec->n);
	struct parts parts = { 0 };
	if (split(copy, &parts, error) < 0)
		return NULL;
	return mount_map(m, &parts, spec->where);
}
