/* Two services that want the same port of the host, or the same address of a network: known before
 * anything is made, and told with both places. Ports that other projects and processes hold are the
 * supervisor's to check, when it takes them. */
#include "engine/plan-impl.h"

#include "base/parse.h"

/* Who holds a port: first on all addresses, on one, on any. The keys say which: "tcp/80",
 * "tcp/80@127.0.0.1", "tcp/80@". */
struct holder {
	const struct service *service;
	const struct service_port *port;
};

static bool all_addresses(const struct service_port *port)
{
	return str_empty(port->host_ip) || str_eq(port->host_ip, "0.0.0.0") ||
	       str_eq(port->host_ip, "::");
}

static int conflict(const struct holder *first, const struct holder *second, struct err *err)
{
	const struct place *a = &first->port->place, *b = &second->port->place;
	return err_conflict(err,
			    "port %s/%s of the host is published by service '%s' (%s:%d) and by "
			    "service '%s' (%s:%d)",
			    first->port->published, first->port->protocol, first->service->name,
			    a->file ? a->file : "?", a->line, second->service->name,
			    b->file ? b->file : "?", b->line);
}

static int claim(struct map *held, const struct holder *holder, struct err *err)
{
	const struct service_port *port = holder->port;
	const char *protocol = port->protocol ? port->protocol : "tcp";
	cleanup_free char *all = xasprintf("%s/%s", protocol, port->published);
	cleanup_free char *any = xasprintf("%s@", all);
	cleanup_free char *one = xasprintf("%s@%s", all, all_addresses(port) ? "" : port->host_ip);
	const struct holder *other = map_get(held, all);
	if (!other)
		other = map_get(held, all_addresses(port) ? any : one);
	if (other && other->service != holder->service)
		return conflict(other, holder, err);
	struct holder *mine = xmemdup(holder, sizeof(*holder));
	if (other)
		free(mine);
	else if (all_addresses(port))
		map_set(held, all, mine);
	else
		map_set(held, one, mine);
	if (!all_addresses(port) && !map_has(held, any))
		map_set(held, any, xmemdup(holder, sizeof(*holder)));
	return 0;
}

int plan__check_ports(struct planner *p, struct err *err)
{
	cleanup_map struct map held = MAP_INIT_FREE(free);
	vec_each(e, &p->entries) {
		if (!e->service || !e->selected)
			continue;
		vec_each(port, &e->service->ports) {
			int number;
			/* A range takes whichever is free; no number at all takes any. */
			if (str_empty(port->published) ||
			    parse_int(port->published, 1, 65535, &number) < 0)
				continue;
			int r = claim(&held,
				      &(struct holder){ .service = e->service, .port = port }, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- given addresses --- */

struct given {
	const struct service *service;
	const struct service_network *network;
};

static int claim_address(struct map *held, const struct given *mine, const char *address,
			 struct err *err)
{
	const struct place *b = &mine->network->place;
	cleanup_free char *key = xasprintf("%s %s", mine->network->network, address);
	const struct given *other = map_get(held, key);
	if (!other) {
		map_set(held, key, xmemdup(mine, sizeof(*mine)));
		return 0;
	}
	const struct place *a = &other->network->place;
	return err_conflict(err,
			    "address %s of network '%s' is given to service '%s' (%s:%d) and to "
			    "service '%s' (%s:%d)",
			    address, mine->network->network, other->service->name,
			    a->file ? a->file : "?", a->line, mine->service->name,
			    b->file ? b->file : "?", b->line);
}

int plan__check_addresses(struct planner *p, struct err *err)
{
	cleanup_map struct map held = MAP_INIT_FREE(free);
	int r = 0;
	vec_each(e, &p->entries) {
		if (!e->service || !e->selected)
			continue;
		vec_each(n, &e->service->networks) {
			const struct given mine = { .service = e->service, .network = n };
			if (r == 0 && n->ipv4_address)
				r = claim_address(&held, &mine, n->ipv4_address, err);
			if (r == 0 && n->ipv6_address)
				r = claim_address(&held, &mine, n->ipv6_address, err);
		}
	}
	return r;
}
