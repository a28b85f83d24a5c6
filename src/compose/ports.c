/* The short form of ports: [[HOST:]PUBLISHED:]TARGET[/PROTOCOL], with ranges. */
#include "base/parse.h"
#include "compose/pass.h"

#include <arpa/inet.h>
#include <ctype.h>

struct range {
	int low, high;
	bool set;
};

struct port_spec {
	char *host;
	struct range published, target;
	const char *protocol;
};

static int parse_range(const char *text, struct range *ret, struct str *error)
{
	*ret = (struct range){ 0 };
	if (!*text)
		return 0;
	cleanup_free char *low = xstrdup(text);
	char *dash = strchr(low, '-');
	if (dash)
		*dash++ = '\0';
	if (parse_int(low, 0, 65535, &ret->low) < 0 ||
	    parse_int(dash ? dash : low, 0, 65535, &ret->high) < 0 || ret->high < ret->low) {
		str_addf(error, "'%s' is not a port (0 to 65535) or a range of ports", text);
		return -1;
	}
	ret->set = true;
	return 0;
}

static int parse_protocol(struct compose_model *m, char *spec, const char **ret, struct str *error)
{
	char *slash = strchr(spec, '/');
	*ret = "tcp";
	if (!slash)
		return 0;
	*slash++ = '\0';
	if (!*slash)
		return 0;
	for (char *c = slash; *c; c++)
		*c = tolower((unsigned char)*c);
	if (strcmp(slash, "tcp") != 0 && strcmp(slash, "udp") != 0 && strcmp(slash, "sctp") != 0) {
		str_addf(error, "'%s' is not a protocol: tcp, udp or sctp", slash);
		return -1;
	}
	*ret = arena_strdup(m->arena, slash);
	return 0;
}

/* Cuts the address off: what stands before the last but one colon, with or without brackets. */
static int split_host(char *spec, char **ret_host, char **ret_published, char **ret_target,
		      struct str *error)
{
	*ret_host = NULL;
	*ret_published = "";
	char *last = strrchr(spec, ':');
	*ret_target = last ? last + 1 : spec;
	if (!last)
		return 0;
	*last = '\0';
	char *before = strrchr(spec, ':');
	if (!before) {
		*ret_published = spec;
		return 0;
	}
	*before = '\0';
	*ret_published = before + 1;
	*ret_host = spec;
	size_t len = strlen(spec);
	if (len > 1 && spec[0] == '[' && spec[len - 1] == ']') {
		spec[len - 1] = '\0';
		*ret_host = spec + 1;
	}
	unsigned char address[16];
	if (**ret_host && inet_pton(AF_INET, *ret_host, address) != 1 &&
	    inet_pton(AF_INET6, *ret_host, address) != 1) {
		str_addf(error, "'%s' is not an IP address", *ret_host);
		return -1;
	}
	return 0;
}

static struct node *port_entry(struct arena *a, const struct port_spec *s, int offset,
			       struct where where)
{
	struct node *map = node_map(a, where);
	map->made = true;
	if (s->host && *s->host)
		map_put(a, map, "host_ip", node_string(a, s->host, where), where);
	map_put(a, map, "mode", node_string(a, "ingress", where), where);
	map_put(a, map, "target", node_int(a, s->target.low + offset, where), where);
	if (s->published.set) {
		bool range =
			s->target.low == s->target.high && s->published.low != s->published.high;
		char *text = range ? arena_printf(a, "%d-%d", s->published.low, s->published.high)
				   : arena_printf(a, "%d", s->published.low + offset);
		map_put(a, map, "published", node_string(a, text, where), where);
	}
	map_put(a, map, "protocol", node_string(a, s->protocol, where), where);
	return map;
}

/* Docker sorts the ports of a range as text: 10, 8, 9. */
static int by_target_text(const void *a, const void *b)
{
	const struct node *x = map_at(*(struct node *const *)a, "target"),
			  *y = map_at(*(struct node *const *)b, "target");
	return strcmp(x->text, y->text);
}

int port_parse(struct compose_model *m, const struct node *spec, struct node *out,
	       struct str *error)
{
	cleanup_str struct str text = STR_INIT_MAX(256);
	node_print(spec, &text);
	cleanup_free char *copy = xstrdup(str_text(&text));
	struct port_spec s = { 0 };
	char *published, *target;
	if (str_overflowed(&text) || text.len == 0) {
		str_add(error, str_overflowed(&text) ? "longer than any port" : "no port");
		return -1;
	}
	if (parse_protocol(m, copy, &s.protocol, error) < 0 ||
	    split_host(copy, &s.host, &published, &target, error) < 0 ||
	    parse_range(target, &s.target, error) < 0 ||
	    parse_range(published, &s.published, error) < 0)
		return -1;
	if (!s.target.set) {
		str_addf(error, "'%s' has no port of the container", str_text(&text));
		return -1;
	}
	int count = s.target.high - s.target.low;
	if (s.published.set && count != s.published.high - s.published.low && count != 0) {
		str_addf(error, "the ranges '%s' and '%s' are not of the same length", published,
			 target);
		return -1;
	}
	uint32_t first = out->n;
	for (int i = 0; i <= count; i++)
		list_add(m->arena, out, port_entry(m->arena, &s, i, spec->where));
	if (count)
		qsort(out->items + first, out->n - first, sizeof(*out->items), by_target_text);
	return 0;
}
