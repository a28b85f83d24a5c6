/* Rules about the tree that the table of keys cannot say: keys that exclude each other, values of a
 * certain form. */
#include "compose/pass.h"

#include <arpa/inet.h>
#include <ctype.h>

struct scope {
	struct compose_model *m;
};

static void file_object(struct scope *s, const struct node *n, const char *path, struct where where,
			const char *const *keys, const char *list)
{
	int count = 0;
	for (const char *const *k = keys; *k; k++)
		count += map_at(n, *k) != NULL;
	if (count > 1)
		complain(s->m, where, path, "%s: only one of %s can be set", path, list);
	if (count == 0 && !map_at(n, "external"))
		complain(s->m, where, path, "%s: one of %s must be set", path, list);
}

static void check_secret(struct scope *s, const struct node *n, const char *path,
			 struct where where)
{
	static const char *const keys[] = { "file", "environment", NULL };
	file_object(s, n, path, where, keys, "file, environment");
}

static void check_config(struct scope *s, const struct node *n, const char *path,
			 struct where where)
{
	static const char *const keys[] = { "file", "environment", "content", NULL };
	file_object(s, n, path, where, keys, "file, environment, content");
}

static void check_volume(struct scope *s, const struct node *n, const char *path,
			 struct where where)
{
	const struct node *external = map_at(n, "external");
	if (!node_is(external, NODE_BOOL) || !external->flag)
		return;
	map_each_entry(e, n)
		if (strcmp(e->key, "name") != 0 && strcmp(e->key, "external") != 0 &&
		    !str_starts(e->key, "x-"))
			complain(s->m, e->where, path, "%s is external: '%s' cannot be set here",
				 path, e->key);
}

static void check_port(struct scope *s, const struct node *port, const char *path)
{
	const struct node *ip = map_at(port, "host_ip");
	unsigned char address[16];
	if (node_str(ip) && *ip->text && inet_pton(AF_INET, ip->text, address) != 1 &&
	    inet_pton(AF_INET6, ip->text, address) != 1)
		complain(s->m, ip->where, path, "%s: '%s' is not an IP address", path, ip->text);
}

static void check_requests(struct scope *s, const struct node *list, const char *path)
{
	if (node_is(list, NODE_LIST))
		list_each(item, list)
			if (map_at(*item, "device_ids") && map_at(*item, "count") &&
			    !map_at(*item, "count")->made)
				complain(s->m, (*item)->where, path,
					 "%s: 'count' and 'device_ids' exclude each other", path);
}

static void check_text(struct scope *s, const struct node *service, const char *path)
{
	static const char *const keys[] = { "hostname",	  "domainname", "container_name", "dns",
					    "dns_search", "dns_opt",	"extra_hosts" };
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct node *n = map_at(service, keys[i]);
		const struct node *const *items =
			n && n->kind == NODE_LIST ? (const struct node *const *)n->items : &n;
		for (size_t k = 0; n && k < (n->kind == NODE_LIST ? n->n : 1); k++)
			if (node_str(items[k]) && !str_utf8(items[k]->text, items[k]->n, true))
				complain(s->m, items[k]->where, path,
					 "%s.%s holds a control character", path, keys[i]);
		if (node_is(n, NODE_MAP))
			map_each_entry(e, n)
				if (!str_utf8(e->key, strlen(e->key), true) ||
				    (node_str(e->value) &&
				     !str_utf8(e->value->text, e->value->n, true)))
					complain(s->m, e->where, path,
						 "%s.%s holds a control character", path, keys[i]);
	}
}

static void check_container_name(struct scope *s, const struct node *service, const char *path)
{
	const struct node *n = map_at(service, "container_name");
	if (!node_str(n) || strchr(n->text, '$'))
		return;
	bool fits = false;
	for (const char *p = n->text; *p && !fits; p++)
		fits = isalnum((unsigned char)p[0]) && p[1] &&
		       (isalnum((unsigned char)p[1]) || strchr("_.-", p[1]));
	if (!fits)
		complain(s->m, n->where, path,
			 "%s.container_name: '%s' is not a name: two or more of [a-zA-Z0-9_.-], "
			 "beginning with a letter or digit",
			 path, n->text);
}

static void check_pull_policy(struct scope *s, const struct node *service, const char *path)
{
	static const char *const words[] = { "always",	       "never",	  "build",
					     "if_not_present", "missing", "refresh",
					     "daily",	       "weekly",  NULL };
	const struct node *n = map_at(service, "pull_policy");
	if (!node_str(n) || strchr(n->text, '$'))
		return;
	for (const char *const *w = words; *w; w++)
		if (strstr(n->text, *w))
			return;
	const char *every = str_after(n->text, "every_");
	if (every && isdigit((unsigned char)*every))
		return;
	diagnose(s->m, SEVERITY_ERROR, n->where, path, nearest_hint(s->m, n->text, words),
		 "%s.pull_policy: '%s' is not a policy", path, n->text);
}

static void check_service(struct scope *s, const struct node *n, const char *path,
			  struct where where)
{
	const struct node *ports = map_at(n, "ports"),
			  *reservations =
				  map_at(map_at(map_at(n, "deploy"), "resources"), "reservations");
	if (node_is(ports, NODE_LIST))
		list_each(item, ports)
			check_port(s, *item, path);
	check_requests(s, map_at(n, "gpus"), path);
	check_requests(s, map_at(reservations, "devices"), path);
	check_text(s, n, path);
	check_container_name(s, n, path);
	check_pull_policy(s, n, path);
}

int pass_check(struct compose_model *m, const struct node *root)
{
	static const struct {
		const char *section;
		void (*fn)(struct scope *, const struct node *, const char *, struct where);
	} checks[] = {
		{ "services", check_service },
		{ "volumes", check_volume },
		{ "secrets", check_secret },
		{ "configs", check_config },
	};
	struct scope s = { m };
	size_t errors = m->diagnostics->errors;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct node *map = map_at(root, checks[i].section);
		if (!node_is(map, NODE_MAP))
			continue;
		map_each_entry(e, map)
			if (e->value->kind == NODE_MAP)
				checks[i].fn(
					&s, e->value,
					arena_printf(m->arena, "%s.%s", checks[i].section, e->key),
					e->where);
	}
	return m->diagnostics->errors == errors ? 0 : -1;
}
