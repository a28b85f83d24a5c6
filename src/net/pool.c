/* Which subnets a network gets. */
#include "net/network.h"

#include "base/hash.h"
#include "base/parse.h"
#include "net/link.h"
#include "net/subnet.h"

#include <errno.h>
#include <net/if.h>
#include <sys/random.h>

/* Where default subnets come from, in this order. The first is private space that Docker and home
 * routers leave alone; the others are for hosts that have a route over all of 10/8 (a VPN). */
static const char *const pools4[] = { "10.190.0.0/15", "172.28.0.0/14", "192.168.64.0/18" };
enum { DEFAULT_PREFIX4 = 24, DEFAULT_PREFIX6 = 64 };

struct taken {
	struct subnets subnets;
	VEC(char *) owners; /* what each belongs to, in words */
};

static void taken_done(struct taken *t)
{
	vec_each(owner, &t->owners)
		free(*owner);
	vec_done(&t->owners);
	vec_done(&t->subnets.list);
}

static void take(struct taken *t, const struct subnet *s, char *owner)
{
	vec_push(&t->subnets.list, *s);
	vec_push(&t->owners, owner);
}

/* Every subnet in use: networks on record first (their names say more than their bridges'), then
 * the host's routes. The network's own bridge does not count. */
static int collect(struct net *net, const struct net_network *self, struct taken *t,
		   struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = net_network_list(net, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_err struct err ignored = ERR_INIT;
		const struct network *n = NULL;
		/* A damaged record is reported when that network is used, not here. */
		if (str_eq(names.v[i], self->config.name) ||
		    network__get(net, names.v[i], &n, &ignored) < 0)
			continue;
		const struct lease_pool *const sides[] = { &n->pools.v4, &n->pools.v6 };
		for (size_t s = 0; s < ARRAY_SIZE(sides); s++)
			if (sides[s]->subnet.family)
				take(t, &sides[s]->subnet, xasprintf("network '%s'", names.v[i]));
	}
	struct link_routes routes = { 0 };
	if (r == 0)
		r = link__routes(net, &routes, err);
	vec_each(route, &routes.list) {
		char name[IFNAMSIZ] = "?", text[SUBNET_TEXT];
		(void)if_indextoname(route->ifindex, name); /* gone by now: "?" */
		if (!str_eq(name, self->bridge))
			take(t, &route->subnet,
			     xasprintf("the route to %s on '%s'",
				       subnet__format(&route->subnet, text), name));
	}
	vec_done(&routes.list);
	return r;
}

static int check_free(const struct subnet *s, const struct taken *t, struct err *err)
{
	char text[SUBNET_TEXT];
	for (size_t i = 0; i < t->subnets.list.n; i++)
		if (subnet__overlaps(s, &t->subnets.list.v[i]))
			return err_conflict(err, "subnet %s overlaps %s", subnet__format(s, text),
					    t->owners.v[i]);
	return 0;
}

/* A number that is the same for the same name, so that a network usually gets its old subnet back,
 * and different for different ones, so that processes that choose at the same time rarely meet. */
static uint64_t start_of(const char *name, unsigned attempt)
{
	uint64_t start = 0;
	if (attempt > 0 && getrandom(&start, sizeof(start), GRND_NONBLOCK) == sizeof(start))
		return start >> 1;
	char hex[SHA256_HEX];
	hash_hex(name, strlen(name), hex);
	for (int i = 0; i < 8; i++)
		start = start * 16 + (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
	return start;
}

static int choose4(const struct net_network *n, unsigned attempt, const struct taken *t,
		   struct subnet *ret, struct err *err)
{
	uint64_t start = start_of(n->config.name, attempt);
	/* Where everything is behind some wide route, a subnet inside of it that nobody has more
	 * exactly is still usable: the longer prefix wins. */
	struct subnets exact = { 0 };
	vec_each(s, &t->subnets.list)
		if (s->prefix >= 16 || s->family == AF_INET6)
			vec_push(&exact.list, *s);
	const struct subnets *const levels[] = { &t->subnets, &exact };
	bool found = false;
	for (size_t level = 0; level < ARRAY_SIZE(levels) && !found; level++) {
		for (size_t i = 0; i < ARRAY_SIZE(pools4) && !found; i++) {
			struct subnet pool;
			found = subnet__parse(pools4[i], &pool) == 0 &&
				subnet__choose(&pool, DEFAULT_PREFIX4, start, levels[level], ret);
		}
	}
	vec_done(&exact.list);
	return found ? 0
		     : err_conflict(err,
				    "no free subnet is left for network '%s': give it one "
				    "(ipam.config.subnet)",
				    n->config.name);
}

/* RFC 4193: fd, 40 random bits, and here 16 more for the subnet number. */
static int choose6(const struct taken *t, struct subnet *ret, struct err *err)
{
	for (int i = 0; i < 8; i++) {
		uint64_t random = 0;
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return err_sys(err, errno, "get random bytes");
		struct subnet s = { .family = AF_INET6, .prefix = DEFAULT_PREFIX6 };
		s.base = (unsigned __int128)(0xfdULL << 56 | (random >> 8)) << 64;
		bool clash = false;
		vec_each(other, &t->subnets.list)
			clash = clash || subnet__overlaps(&s, other);
		if (!clash) {
			*ret = s;
			return 0;
		}
	}
	return err_conflict(err, "no free IPv6 subnet was found");
}

/* The config's pool entry of one family, checked: at most one, everything in it inside its subnet.
 * ret_subnet's family stays 0 when the entry leaves the choice to us. */
static int read_pool(const struct net_pool *p, struct subnet *ret_subnet, struct err *err)
{
	struct subnet s, range;
	struct address a;
	if (!p->subnet) {
		if (p->gateway || p->ip_range)
			return err_input(err, "gateway and ip_range need a subnet beside them");
		return 0;
	}
	if (subnet__parse(p->subnet, &s) < 0)
		return err_input(err, "'%s' is not a subnet such as 172.28.0.0/16", p->subnet);
	unsigned most = s.family == AF_INET ? 31 : 127;
	if (s.prefix > most || s.prefix < 4)
		return err_input(err, "subnet %s has no room for containers", p->subnet);
	if (p->gateway && (address__parse(p->gateway, &a) < 0 || !subnet__contains(&s, &a)))
		return err_input(err, "gateway '%s' is not in subnet %s", p->gateway, p->subnet);
	if (p->ip_range && (subnet__parse(p->ip_range, &range) < 0 || !subnet__within(&range, &s)))
		return err_input(err, "ip_range '%s' is not in subnet %s", p->ip_range, p->subnet);
	for (size_t i = 0; i < p->reserved.n; i++)
		if (address__parse(p->reserved.v[i], &a) < 0 || !subnet__contains(&s, &a))
			return err_input(err, "aux_addresses: '%s' is not in subnet %s",
					 p->reserved.v[i], p->subnet);
	*ret_subnet = s;
	return 0;
}

/* The gateway: as given, else the range's or subnet's first address that is not reserved. */
static char *gateway_of(const struct subnet *s, const struct net_pool *p)
{
	char text[INET6_ADDRSTRLEN];
	if (p && p->gateway)
		return xstrdup(p->gateway);
	uint64_t first, last;
	subnet__bounds(s, NULL, &first, &last);
	for (uint64_t n = first; n <= last; n++) {
		struct address a = subnet__host(s, n);
		address__format(&a, text);
		if (!p || !strv_has(&p->reserved, text))
			break;
	}
	return xstrdup(text);
}

int network__choose(struct net *net, struct net_network *n, unsigned attempt, struct err *err)
{
	const struct net_config *c = &n->config;
	struct subnet given[2] = { 0 }; /* IPv4, IPv6 */
	const struct net_pool *from[2] = { NULL, NULL };
	vec_each(p, &c->pools) {
		struct subnet s = { 0 };
		int r = read_pool(p, &s, err);
		if (r < 0)
			return err_wrap(err, "network '%s'", c->name);
		if (!s.family)
			continue;
		int side = s.family == AF_INET6;
		if (from[side])
			return err_unsupported(err, "network '%s' has two %s subnets", c->name,
					       side ? "IPv6" : "IPv4");
		given[side] = s;
		from[side] = p;
	}
	if (from[1] && !c->ipv6)
		return err_input(err, "network '%s' has an IPv6 subnet but not enable_ipv6",
				 c->name);
	if (!c->ipv4 && !c->ipv6)
		return err_input(err, "network '%s' has neither IPv4 nor IPv6", c->name);

	cleanup(taken_done) struct taken taken = { 0 };
	int r = collect(net, n, &taken, err);
	const bool wanted[2] = { c->ipv4, c->ipv6 };
	char **const subnets[2] = { &n->subnet4, &n->subnet6 };
	char **const gateways[2] = { &n->gateway4, &n->gateway6 };
	for (int side = 0; side < 2 && r == 0; side++) {
		if (!wanted[side])
			continue;
		if (from[side])
			r = check_free(&given[side], &taken, err);
		else
			r = side ? choose6(&taken, &given[side], err)
				 : choose4(n, attempt, &taken, &given[side], err);
		if (r < 0)
			break;
		char text[SUBNET_TEXT];
		free(*subnets[side]);
		free(*gateways[side]);
		*subnets[side] = xstrdup(subnet__format(&given[side], text));
		*gateways[side] = gateway_of(&given[side], from[side]);
	}
	return r;
}
