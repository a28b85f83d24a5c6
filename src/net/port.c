/* Published ports: for each owner the elements of the table's maps, the reservations, the record.
 *
 * The record is written before the kernel is told, and says then what was there before as well: a
 * crash in between leaves a record that names every element that may exist. */
#include "net/port.h"

#include "base/fs.h"
#include "net/conntrack.h"
#include "net/datagrams.h"
#include "net/nft.h"
#include "net/proxy.h"
#include "net/rules.h"
#include "net/subnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>

struct port_owner {
	struct net_ports applied; /* what the kernel has; when `known`, surely so */
	struct net_ports before;  /* what it may have as well, after a crash */
	bool known;
	VEC(struct hold) holds;
};

void port__owner_free(void *data)
{
	struct port_owner *o = data;
	if (!o)
		return;
	net_ports_done(&o->applied);
	net_ports_done(&o->before);
	vec_each(h, &o->holds)
		hold__done(h);
	vec_done(&o->holds);
	free(o);
}

static void copy_ports(const struct net_ports *from, struct net_ports *to)
{
	net_ports_done(to);
	vec_each(p, &from->ports)
		vec_push(&to->ports, *p);
	vec_each(t, &from->targets)
		vec_push(&to->targets, *t);
}

/* --- elements --- */

struct element {
	const char *set;
	uint8_t key[28], data[20];
	uint8_t key_len, data_len;
};
struct elements {
	VEC(struct element) list;
};

static void key_add(struct element *e, const void *bytes, size_t len)
{
	memcpy(e->key + e->key_len, bytes, len);
	e->key_len = (uint8_t)(e->key_len + (len + 3) / 4 * 4); /* parts are padded to four */
}

static void key_port(struct element *e, const struct net_port *p)
{
	uint16_t port = htons(p->published);
	key_add(e, &p->protocol, 1);
	key_add(e, &port, 2);
}

/* The addresses of the targets in one family, as bytes. */
struct sides {
	VEC(struct address) list;
};

static void sides_of(const struct net_ports *ports, int family, struct sides *ret)
{
	struct address a;
	vec_each(t, &ports->targets) {
		const char *text = family == AF_INET ? t->ipv4 : t->ipv6;
		if (text[0] && address__parse(text, &a) == 0 && a.family == family)
			vec_push(&ret->list, a);
	}
}

static void map_data(struct element *e, const struct address *a, uint16_t target)
{
	uint16_t port = htons(target);
	size_t len = a->family == AF_INET ? 4 : 16;
	address__store(a, e->data);
	memcpy(e->data + len, &port, 2);
	e->data_len = (uint8_t)(len + 4);
}

/* One port in one family: one element for one target, a ring for several. */
static void port_elements(const struct net_port *p, int family, const struct sides *sides,
			  struct elements *ret)
{
	static const char *const sets[2][2][2] = {
		{ { "one4", "at4" }, { "ring4", "atring4" } },
		{ { "one6", "at6" }, { "ring6", "atring6" } },
	};
	struct address host;
	if (port__host(p, &host) && host.family != family)
		return;
	bool one = host.value != 0; /* one address of the host, not all */
	size_t n = sides->list.n;
	uint32_t slots = n > 1 ? RULES_RING : (uint32_t)n;
	for (uint32_t slot = 0; slot < slots; slot++) {
		struct element e = { .set = sets[family == AF_INET6][n > 1][one] };
		if (n > 1)
			key_add(&e, &slot, sizeof(slot));
		if (one) {
			uint8_t bytes[16];
			address__store(&host, bytes);
			key_add(&e, bytes, family == AF_INET ? 4 : 16);
		}
		key_port(&e, p);
		map_data(&e, &sides->list.v[slot % n], p->target);
		vec_push(&ret->list, e);
	}
}

/* Those that share a TCP port with others, for the chain `refusal`: each target once, whatever
 * leads to it. */
static void ring_elements(const struct net_ports *ports, const struct net_port *p,
			  const struct sides *sides, struct elements *ret)
{
	uint16_t port = htons(p->target);
	if (p->protocol != IPPROTO_TCP || sides->list.n < 2)
		return;
	for (__typeof__(p) q = ports->ports.v; q < p; q++)
		if (q->protocol == IPPROTO_TCP && q->target == p->target)
			return;
	vec_each(side, &sides->list) {
		uint8_t bytes[16];
		struct element e = { .set = side->family == AF_INET ? "inring4" : "inring6" };
		address__store(side, bytes);
		key_add(&e, bytes, side->family == AF_INET ? 4 : 16);
		key_add(&e, &port, 2);
		vec_push(&ret->list, e);
	}
}

/* A datagram to a port that nobody answers gets an ICMP answer, as from a closed port; the
 * reservation would swallow it. */
static void refused_element(const struct net_port *p, struct elements *ret)
{
	struct element e = { .set = "refused" };
	if (p->protocol != IPPROTO_UDP || p->host[0])
		return;
	key_port(&e, p);
	vec_push(&ret->list, e);
}

static void elements_of(const struct net_ports *ports, struct elements *ret)
{
	struct sides four = { 0 }, six = { 0 };
	sides_of(ports, AF_INET, &four);
	sides_of(ports, AF_INET6, &six);
	vec_each(p, &ports->ports) {
		port_elements(p, AF_INET, &four, ret);
		port_elements(p, AF_INET6, &six, ret);
		ring_elements(ports, p, &four, ret);
		ring_elements(ports, p, &six, ret);
		if (four.list.n + six.list.n == 0)
			refused_element(p, ret);
	}
	vec_done(&four.list);
	vec_done(&six.list);
}

static void put(struct net *net, enum nft_op op, const struct element *e)
{
	nft__element(net, op, e->set, e->key, e->key_len, e->data, op == NFT_ADD ? e->data_len : 0);
}

static bool same_key(const struct element *a, const struct element *b)
{
	return a->set == b->set && a->key_len == b->key_len &&
	       memcmp(a->key, b->key, a->key_len) == 0;
}

/* When the kernel has other elements than the record says: asks for each, once. */
static int replace_carefully(struct net *net, const struct elements *old,
			     const struct elements *new, struct err *err)
{
	struct elements there = { 0 };
	const struct elements *const both[] = { old, new };
	for (size_t b = 0; b < ARRAY_SIZE(both); b++) {
		vec_each(e, &both[b]->list) {
			bool seen = false;
			vec_each(t, &there.list)
				seen = seen || same_key(t, e);
			if (!seen && nft__has(net, e->set, e->key, e->key_len))
				vec_push(&there.list, *e);
		}
	}
	int r = nft__begin(net, err);
	if (r == 0) {
		vec_each(e, &there.list)
			put(net, NFT_DELETE, e);
		vec_each(e, &new->list)
			put(net, NFT_ADD, e);
		r = nft__commit(net);
		if (r < 0)
			r = err_sys(err, -r, "set the port rules");
	}
	vec_done(&there.list);
	return r;
}

/* -ENOENT and -EEXIST, with err empty: the kernel has something else. */
static int replace_quickly(struct net *net, const struct elements *old, const struct elements *new,
			   struct err *err)
{
	int r = nft__begin(net, err);
	if (r < 0)
		return r;
	vec_each(e, &old->list)
		put(net, NFT_DELETE, e);
	vec_each(e, &new->list)
		put(net, NFT_ADD, e);
	r = nft__commit(net);
	if (r == 0 || r == -ENOENT || r == -EEXIST)
		return r;
	return err_sys(err, -r, "set the port rules");
}

/* A change of targets alone reaches the kernel before the record: after a crash in between, the
 * port leads to one target or to several, whatever the record says. */
static void elements_of_either(const struct net_ports *ports, struct elements *ret)
{
	struct net_ports other = { 0 };
	elements_of(ports, ret);
	if (ports->targets.n == 0)
		return;
	vec_each(p, &ports->ports)
		vec_push(&other.ports, *p);
	vec_push(&other.targets, ports->targets.v[0]);
	if (ports->targets.n == 1)
		vec_push(&other.targets, ports->targets.v[0]);
	elements_of(&other, ret);
	net_ports_done(&other);
}

static int replace(struct net *net, const struct port_owner *o, const struct net_ports *new,
		   struct err *err)
{
	struct elements from = { 0 }, to = { 0 };
	if (o->known) {
		elements_of(&o->applied, &from);
		elements_of(&o->before, &from);
	} else {
		elements_of_either(&o->applied, &from);
		elements_of_either(&o->before, &from);
	}
	elements_of(new, &to);
	int r = rules__ready(net, err);
	if (r == 0 && from.list.n + to.list.n > 0) {
		r = o->known ? replace_quickly(net, &from, &to, err) : -ENOENT;
		if (r < 0 && err->kind == ERR_NONE)
			r = replace_carefully(net, &from, &to, err);
	}
	vec_done(&from.list);
	vec_done(&to.list);
	return r;
}

int port__restore(struct net *net, struct err *err)
{
	cleanup_strv struct strv owners = { 0 };
	int r = port__owners(net, &owners, err);
	for (size_t i = 0; r == 0 && i < owners.n; i++) {
		cleanup_err struct err damaged = ERR_INIT;
		struct net_ports ports = { 0 };
		struct elements elements = { 0 };
		if (port__load(net, owners.v[i], &ports, NULL, &damaged) == 0 &&
		    nft__begin(net, &damaged) == 0) {
			elements_of(&ports, &elements);
			vec_each(e, &elements.list)
				put(net, NFT_ADD, e);
			(void)nft__commit(net); /* two owners of one port: the first has it */
		}
		vec_done(&elements.list);
		net_ports_done(&ports);
	}
	return r;
}

/* --- reservations --- */

static bool same_port(const struct net_port *a, const struct net_port *b)
{
	return a->published == b->published && a->protocol == b->protocol &&
	       str_eq(a->host, b->host);
}

static struct hold *find_hold(struct port_owner *o, const struct net_port *p)
{
	vec_each(h, &o->holds)
		if (same_port(&h->port, p))
			return h;
	return NULL;
}

static int in_use(struct net *net, const struct net_port *p, const char *owner, struct err *err)
{
	cleanup_free char *who = port__holder(net, p, owner);
	err_done(err);
	return err_new(err, ERR_CONFLICT, EADDRINUSE, "port %u%s%s is used by %s", p->published,
		       p->host[0] ? " on " : "", p->host, who);
}

static int check_list(const struct net_ports *ports, struct err *err)
{
	if (ports->ports.n > PORTS_MAX || ports->targets.n > TARGETS_MAX)
		return err_input(err, "'%s' publishes more than %d ports", ports->owner, PORTS_MAX);
	vec_each(p, &ports->ports) {
		if (!p->target || str_eq(port__protocol(p->protocol), "?"))
			return err_input(err, "'%s' publishes a port that is none", ports->owner);
		for (__typeof__(p) q = ports->ports.v; q < p && p->published; q++)
			if (port__overlaps(p, q))
				return err_conflict(err, "port %u/%s is published twice by '%s'",
						    p->published, port__protocol(p->protocol),
						    ports->owner);
	}
	return 0;
}

/* A port of 0 that was picked before keeps its number. */
static void keep_picked(const struct net_ports *before, struct net_ports *ports)
{
	vec_each(p, &ports->ports) {
		if (p->published)
			continue;
		vec_each(old, &before->ports) {
			bool taken = false;
			vec_each(q, &ports->ports)
				taken = taken || (q->published == old->published &&
						  q->protocol == old->protocol);
			if (!taken && old->protocol == p->protocol && old->target == p->target &&
			    str_eq(old->host, p->host)) {
				p->published = old->published;
				break;
			}
		}
	}
}

/* Closes what the ports do not ask for; with `in_the_way` only what would keep that port from being
 * bound (8080 on one address, now on all). */
static void release_unused(struct port_owner *o, const struct net_ports *ports,
			   const struct net_port *in_the_way)
{
	for (size_t i = o->holds.n; i-- > 0;) {
		struct hold *h = &o->holds.v[i];
		bool used = false;
		if (in_the_way && !port__overlaps(&h->port, in_the_way))
			continue;
		vec_each(p, &ports->ports)
			used = used || same_port(&h->port, p);
		if (!used) {
			hold__done(h);
			vec_remove(&o->holds, i);
		}
	}
}

/* Reserves what is new. On failure nothing has changed but that reservations in its way are gone;
 * on success `fresh` counts the holds added at the end of the list. */
static int hold_all(struct net *net, struct port_owner *o, struct net_ports *ports,
		    size_t *ret_fresh, struct err *err)
{
	size_t fresh = 0;
	vec_each(p, &ports->ports) {
		struct hold hold;
		if (p->published && find_hold(o, p))
			continue;
		if (p->published)
			release_unused(o, ports, p);
		int r = hold__open(&hold, p, err);
		if (r < 0) {
			for (; fresh; fresh--)
				hold__done(&o->holds.v[--o->holds.n]);
			return r == -EADDRINUSE ? in_use(net, p, ports->owner, err) : r;
		}
		p->published = hold.port.published;
		vec_push(&o->holds, hold);
		fresh++;
	}
	*ret_fresh = fresh;
	return 0;
}

/* What address translation does not reach goes through listeners on the reserved sockets. */
static void serve_proxies(struct net *net, struct port_owner *o, const struct net_ports *ports)
{
	vec_each(h, &o->holds) {
		bool tcp = h->port.protocol == IPPROTO_TCP, udp = h->port.protocol == IPPROTO_UDP;
		if (!net->loop || !(tcp || udp) || h->fd6 < 0)
			continue;
		if (tcp && !h->proxy)
			h->proxy = proxy__new(net->loop, h->fd6);
		if (udp && !h->datagrams)
			h->datagrams = datagrams__new(net->loop, h->fd6);
		vec_each(p, &ports->ports) {
			if (!same_port(p, &h->port))
				continue;
			if (tcp)
				proxy__targets(h->proxy, ports, p->target);
			else
				datagrams__targets(h->datagrams, ports, p->target);
		}
	}
}

/* --- the public part --- */

int net_ports_check(struct net *net, const struct net_ports *ports, struct err *err)
{
	int r = check_list(ports, err);
	struct net_ports own = { 0 };
	cleanup_err struct err none = ERR_INIT;
	if (r == 0)
		(void)net_ports_load(net, ports->owner, &own, &none); /* usually there is none */
	vec_each(p, &ports->ports) {
		struct hold hold;
		bool mine = false;
		vec_each(q, &own.ports)
			mine = mine || port__overlaps(p, q);
		if (r < 0 || !p->published || mine)
			continue;
		r = hold__open(&hold, p, err);
		if (r == 0)
			hold__done(&hold);
		else if (r == -EADDRINUSE)
			r = in_use(net, p, ports->owner, err);
	}
	net_ports_done(&own);
	return r;
}

/* The owner's state in this handle; what an earlier process left is read from its record. */
static struct port_owner *owner_of(struct net *net, const char *name)
{
	struct port_owner *o = map_get(&net->owners, name);
	if (o)
		return o;
	o = new0(struct port_owner);
	map_set(&net->owners, name, o);
	cleanup_err struct err none = ERR_INIT;
	(void)port__load(net, name, &o->applied, &o->before, &none); /* usually there is none */
	return o;
}

static bool equal_ports(const struct net_ports *a, const struct net_ports *b)
{
	bool same = a->ports.n == b->ports.n;
	for (size_t i = 0; same && i < a->ports.n; i++)
		same = same_port(&a->ports.v[i], &b->ports.v[i]) &&
		       a->ports.v[i].target == b->ports.v[i].target;
	return same;
}

static int apply(struct net *net, struct port_owner *o, const struct net_ports *ports,
		 struct err *err)
{
	/* A replica that has died gets connections until the kernel knows: the record can wait. */
	bool urgent = o->known && o->applied.targets.n > 1 && equal_ports(&o->applied, ports);
	int r = urgent ? replace(net, o, ports, err) : port__save(net, ports, &o->applied, err);
	if (r == 0)
		r = urgent ? port__save(net, ports, &o->applied, err) : replace(net, o, ports, err);
	if (r == 0)
		conntrack__forget(net, ports);
	return r;
}

int net_ports_set(struct net *net, struct net_ports *ports, struct err *err)
{
	cleanup_free char *file = net__key_file(ports->owner);
	if (!file)
		return err_input(err, "'%s' is not a port owner's name", ports->owner);
	struct port_owner *o = owner_of(net, ports->owner);
	size_t fresh = 0;
	keep_picked(&o->applied, ports);
	int r = check_list(ports, err);
	if (r == 0)
		r = hold_all(net, o, ports, &fresh, err);
	if (r < 0)
		return r;
	if (!(o->known && port__same_record(&o->applied, ports)))
		r = apply(net, o, ports, err);
	if (r < 0) {
		o->known = false;
		for (; fresh; fresh--)
			hold__done(&o->holds.v[--o->holds.n]);
		return r;
	}
	copy_ports(ports, &o->applied);
	net_ports_done(&o->before);
	o->known = true;
	release_unused(o, ports, NULL);
	serve_proxies(net, o, ports);
	return 0;
}

int net_ports_remove(struct net *net, const char *owner, struct err *err)
{
	cleanup_free char *path = port__record_path(owner);
	if (!path)
		return err_input(err, "'%s' is not a port owner's name", owner);
	struct port_owner *o = owner_of(net, owner);
	struct net_ports none = { .owner = owner };
	int r = net__nf(net, err);
	if (r == 0 && o->applied.ports.n + o->before.ports.n)
		r = replace(net, o, &none, err);
	if (r < 0)
		return r;
	if (unlinkat(net->run, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove '%s'", path);
	port__owner_free(map_take(&net->owners, owner));
	return 0;
}

int port__sweep(struct net *net, const char *project, const struct strv *keep, struct err *err)
{
	cleanup_strv struct strv owners = { 0 };
	int r = port__owners(net, &owners, err);
	for (size_t i = 0; r == 0 && i < owners.n; i++) {
		const char *rest = str_after(owners.v[i], project);
		bool kept = !rest || *rest != '/';
		for (size_t k = 0; keep && k < keep->n && !kept; k++) {
			const char *number = str_after(keep->v[k], owners.v[i]);
			kept = number && (*number == '-' || *number == '\0');
		}
		if (!kept)
			r = net_ports_remove(net, owners.v[i], err);
	}
	return r;
}
