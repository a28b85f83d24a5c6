/* What owners publish, as records below the run directory; and what two of them have in common. */
#include "net/port.h"

#include "base/fs.h"
#include "base/json.h"

#include <arpa/inet.h>
#include <errno.h>

enum { RECORD_MAX = 4 << 20 };

const char *port__protocol(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_SCTP: return "sctp";
	default: return "?";
	}
}

bool port__host(const struct net_port *port, struct address *ret)
{
	*ret = (struct address){ 0 };
	return port->host[0] && address__parse(port->host, ret) == 0;
}

bool port__overlaps(const struct net_port *a, const struct net_port *b)
{
	struct address x, y;
	if (a->protocol != b->protocol || a->published != b->published)
		return false;
	if (!port__host(a, &x) || !port__host(b, &y))
		return true;
	return x.family == y.family && (x.value == y.value || !x.value || !y.value);
}

void net_ports_done(struct net_ports *ports)
{
	vec_done(&ports->ports);
	vec_done(&ports->targets);
	ports->owner = NULL;
}

char *port__record_path(const char *owner)
{
	cleanup_free char *file = net__key_file(owner);
	return file ? xasprintf("ports/%s", file) : NULL;
}

static json_t *ports_json(const struct net_ports *ports)
{
	json_t *o = json_object(), *list = json_array(), *targets = json_array();
	vec_each(p, &ports->ports) {
		json_t *entry = json_object();
		json_put_str(entry, "protocol", port__protocol(p->protocol));
		json_put_str(entry, "host", p->host);
		json_put(entry, "published", json_integer(p->published));
		json_put(entry, "target", json_integer(p->target));
		json_array_append_new(list, entry);
	}
	vec_each(t, &ports->targets) {
		json_t *entry = json_object();
		json_put_str(entry, "ipv4", t->ipv4);
		json_put_str(entry, "ipv6", t->ipv6);
		json_array_append_new(targets, entry);
	}
	json_put(o, "ports", list);
	json_put(o, "targets", targets);
	return o;
}

bool port__same_record(const struct net_ports *a, const struct net_ports *b)
{
	cleanup_json json_t *x = ports_json(a);
	cleanup_json json_t *y = ports_json(b);
	return json_equal(x, y);
}

static uint8_t protocol_of(const char *name)
{
	static const uint8_t all[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (str_eq(port__protocol(all[i]), name))
			return all[i];
	return 0;
}

static void ports_from_json(const json_t *o, struct net_ports *ret)
{
	size_t i;
	json_t *entry;
	json_array_foreach(json_object_get(o, "ports"), i, entry) {
		if (ret->ports.n >= PORTS_MAX)
			break;
		struct net_port *p = vec_add(&ret->ports);
		p->protocol = protocol_of(json_str(entry, "protocol", ""));
		snprintf(p->host, sizeof(p->host), "%s", json_str(entry, "host", ""));
		p->published = (uint16_t)json_int(entry, "published", 0);
		p->target = (uint16_t)json_int(entry, "target", 0);
	}
	json_array_foreach(json_object_get(o, "targets"), i, entry) {
		if (ret->targets.n >= TARGETS_MAX)
			break;
		struct net_target *t = vec_add(&ret->targets);
		snprintf(t->ipv4, sizeof(t->ipv4), "%s", json_str(entry, "ipv4", ""));
		snprintf(t->ipv6, sizeof(t->ipv6), "%s", json_str(entry, "ipv6", ""));
	}
}

int port__save(struct net *net, const struct net_ports *ports, const struct net_ports *before,
	       struct err *err)
{
	cleanup_free char *path = port__record_path(ports->owner);
	int r = fs_mkdirs(net->run, "ports", 0755, err);
	if (r < 0)
		return r;
	cleanup_json json_t *o = ports_json(ports);
	if (before && before->ports.n)
		json_put(o, "before", ports_json(before));
	return json_write(net->run, path, o, 0644, 0, err);
}

int port__load(struct net *net, const char *owner, struct net_ports *ret, struct net_ports *before,
	       struct err *err)
{
	cleanup_free char *path = port__record_path(owner);
	if (!path)
		return err_input(err, "'%s' is not a port owner's name", owner);
	cleanup_json json_t *o = NULL;
	int r = json_read(net->run, path, RECORD_MAX, &o, err);
	if (r == -ENOENT) {
		err_done(err);
		return err_not_found(err, "'%s' publishes no ports", owner);
	}
	if (r < 0)
		return r;
	ports_from_json(o, ret);
	ret->owner = owner;
	if (before)
		ports_from_json(json_object_get(o, "before"), before);
	return 0;
}

int net_ports_load(struct net *net, const char *owner, struct net_ports *ret, struct err *err)
{
	return port__load(net, owner, ret, NULL, err);
}

int port__owners(struct net *net, struct strv *ret, struct err *err)
{
	cleanup_strv struct strv files = { 0 };
	int r = fs_list(net->run, "ports", &files, err);
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	for (size_t i = 0; i < files.n; i++) {
		for (char *c = files.v[i]; *c; c++)
			*c = *c == '+' ? '/' : *c;
		if (files.v[i][0] != '.')
			strv_add(ret, files.v[i]);
	}
	return r;
}

bool port__target(const struct net_target *target, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	if (target->ipv4[0] && inet_pton(AF_INET, target->ipv4, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return true;
	}
	if (target->ipv6[0] && inet_pton(AF_INET6, target->ipv6, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return true;
	}
	return false;
}
