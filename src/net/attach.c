/* Slots on networks: the lease and the interface. */
#include "net/lease.h"
#include "net/link.h"
#include "net/monitor.h"
#include "net/network.h"

#include "base/fs.h"
#include "base/hash.h"
#include "net/names.h"
#include "net/port.h"
#include "net/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>

static const char opt_prefix[] = "com.docker.network.container_iface_prefix";

/* The host's end of a pair: found again by everybody who knows network and slot. */
static void host_name(const struct network *n, const char *key, char ret[IFNAMSIZ])
{
	char hex[SHA256_HEX];
	cleanup_free char *text = xasprintf("%s %s", n->record.id, key);
	hash_hex(text, strlen(text), hex);
	snprintf(ret, IFNAMSIZ, "sv%.12s", hex);
}

/* 02:42 and the IPv4 address, as Docker does: neighbours that remember the old container's address
 * are right about the new one. */
static void derive_mac(const struct lease *lease, const char *host, uint8_t mac[MAC_SIZE])
{
	char hex[SHA256_HEX];
	mac[0] = 0x02;
	mac[1] = 0x42;
	if (lease->ipv4.family) {
		address__store(&lease->ipv4, mac + 2);
		return;
	}
	hash_hex(host, strlen(host), hex);
	for (int i = 2; i < MAC_SIZE; i++)
		mac[i] = (uint8_t)(hex[i] * 16 + hex[i + 8]);
}

static void fill(const struct network *n, const struct lease *lease, const uint8_t mac[MAC_SIZE],
		 struct net_address *ret)
{
	if (lease->ipv4.family)
		address__format(&lease->ipv4, ret->ipv4);
	if (lease->ipv6.family)
		address__format(&lease->ipv6, ret->ipv6);
	if (mac)
		mac__format(mac, ret->mac);
	ret->prefix4 = (uint8_t)n->pools.v4.subnet.prefix;
	ret->prefix6 = (uint8_t)n->pools.v6.subnet.prefix;
}

static char *key_file(const char *key, struct err *err)
{
	char *file = net__key_file(key);
	if (!file)
		err_input(err, "'%s' is not a slot's name", key);
	return file;
}

static bool parse_link_local(const char *text, struct address *ret)
{
	if (address__parse(text, ret) < 0)
		return false;
	return ret->family == AF_INET ? ret->value >> 16 == 0xa9fe
				      : ret->value >> 118 == 0xfe80 >> 6;
}

bool net_link_local(const char *text)
{
	struct address ignored;
	return parse_link_local(text, &ignored);
}

static int read_link_local(const struct strv *from, struct address *to, size_t *ret_n,
			   struct err *err)
{
	for (size_t i = 0; from && i < from->n; i++) {
		if (i == NET_LINK_LOCAL_MAX || !parse_link_local(from->v[i], &to[i]))
			return err_input(err, "'%s' is not a link-local address, or one too many",
					 from->v[i]);
		*ret_n = i + 1;
	}
	return 0;
}

int net_attach(struct net *net, int netns, const struct net_attach *a, struct net_address *ret,
	       struct err *err)
{
	const struct network *n = NULL;
	cleanup_free char *file = key_file(a->key, err);
	if (!file)
		return -EINVAL;
	/* What is to go may be this very interface. */
	int r = net_flush(net, err);
	if (r == 0)
		r = network__get(net, a->network, &n, err);
	if (r < 0)
		return r;
	struct lease lease = { 0 };
	cleanup_fd int dir = network__dir(net, a->network, err);
	if (dir < 0)
		return dir;
	r = lease__take(dir, &n->pools, file, a->ipv4, a->ipv6, a->avoid, &lease, err);
	if (r < 0)
		return err_wrap(err, "network '%s'", a->network);
	char host[IFNAMSIZ];
	uint8_t mac[MAC_SIZE];
	host_name(n, a->key, host);
	derive_mac(&lease, host, mac);
	if (a->mac && mac__parse(a->mac, mac) < 0)
		return err_input(err, "'%s' is not a hardware address", a->mac);
	struct address link_local[NET_LINK_LOCAL_MAX];
	size_t link_local_count = 0;
	r = read_link_local(a->link_local, link_local, &link_local_count, err);
	if (r < 0)
		return r;
	bool way_out = a->default_route && !n->record.config.internal;
	struct link_pair pair = {
		.host = host,
		.bridge = n->record.bridge,
		.ifname = a->ifname,
		.prefix = json_str(n->record.config.options, opt_prefix, "eth"),
		.mac = mac,
		.mtu = n->record.mtu,
		.isolated = !n->icc,
		.ipv4 = lease.ipv4,
		.ipv6 = lease.ipv6,
		.prefix4 = n->pools.v4.subnet.prefix,
		.prefix6 = n->pools.v6.subnet.prefix,
		.route4 = way_out ? n->pools.v4.gateway : (struct address){ 0 },
		.route6 = way_out ? n->pools.v6.gateway : (struct address){ 0 },
		.link_local = link_local,
		.link_local_count = link_local_count,
	};
	struct net_address address = { 0 };
	r = link__pair(net, netns, &pair, address.ifname, err);
	if (r < 0)
		return err_wrap(err, "attach '%s' to network '%s'", a->key, a->network);
	fill(n, &lease, mac, &address);
	*ret = address;
	return 0;
}

/* --- detaching --- */

/* Removing one interface waits some ten milliseconds for the kernel's readers of the device list,
 * removing fifty does not take longer: with a loop they are collected for this long. */
#define FLUSH_DELAY (20 * NSEC_PER_MSEC)

int net__flush(struct net *net, const struct network *removed, struct err *err)
{
	cleanup_strv struct strv links = { 0 };
	if (net->flush)
		timer_stop(net->flush);
	vec_each(d, &net->detached)
		strv_add(&links, d->host);
	if (removed)
		strv_add(&links, removed->record.bridge);
	int r = link__delete(net, &links, err);
	vec_each(d, &net->detached) {
		bool all = removed && str_eq(d->network, removed->record.config.name);
		if (r == 0 && d->file && !all) {
			cleanup_err struct err gone = ERR_INIT;
			cleanup_fd int dir = network__dir(net, d->network, &gone);
			if (dir >= 0)
				r = lease__release(dir, d->file, err);
		}
		free(d->network);
		free(d->file);
	}
	net->detached.n = 0;
	return r;
}

int net_flush(struct net *net, struct err *err)
{
	return net->detached.n ? net__flush(net, NULL, err) : 0;
}

static void on_flush(struct timer *t, void *data)
{
	struct net *net = data;
	cleanup_err struct err ignored = ERR_INIT;
	(void)net_flush(net, &ignored); /* what stays is found by the next sweep */
}

void net_serve(struct net *net, struct loop *loop)
{
	net->loop = loop;
	net->flush = loop_timer(loop, NSEC_PER_SEC, 0, on_flush, net);
	timer_stop(net->flush);
	net->monitor = monitor__new(net, loop);
}

int net_detach(struct net *net, const char *network, const char *key, bool release, struct err *err)
{
	const struct network *n = NULL;
	cleanup_free char *file = key_file(key, err);
	if (!file)
		return -EINVAL;
	int r = network__get(net, network, &n, err);
	if (r < 0) {
		/* Without its record nobody knows the interface. */
		bool unknown = err->kind == ERR_NOT_FOUND || err->kind == ERR_INPUT;
		if (unknown)
			err_done(err);
		return unknown ? 0 : r;
	}
	struct net_detached *d = vec_add(&net->detached);
	host_name(n, key, d->host);
	d->network = xstrdup(network);
	d->file = release ? ptr_take(file) : NULL;
	if (!net->loop)
		return net_flush(net, err);
	if (net->detached.n == 1)
		timer_again(net->flush, FLUSH_DELAY);
	return 0;
}

int net_lease(struct net *net, const char *network, const char *key, struct net_address *ret,
	      struct err *err)
{
	const struct network *n = NULL;
	cleanup_free char *file = key_file(key, err);
	if (!file)
		return -EINVAL;
	int r = network__get(net, network, &n, err);
	if (r < 0)
		return r;
	struct lease lease = { 0 };
	cleanup_fd int dir = network__dir(net, network, err);
	if (dir < 0)
		return dir;
	r = lease__find(dir, file, &lease);
	if (r == -ENOENT)
		return err_not_found(err, "'%s' has no address on network '%s'", key, network);
	if (r < 0)
		return err_sys(err, -r, "read the lease of '%s'", key);
	struct net_address address = { 0 };
	fill(n, &lease, NULL, &address);
	*ret = address;
	return 0;
}

/* --- sweep --- */

/* The key behind a lease's file name, when it is the project's and not to be kept. Owned. */
static char *swept_key(const char *file, const char *project, const struct strv *keep)
{
	cleanup_free char *key = xstrdup(file);
	for (char *c = key; *c; c++)
		*c = *c == '+' ? '/' : *c;
	const char *rest = str_after(key, project);
	if (!rest || *rest != '/' || (keep && strv_has(keep, key)))
		return NULL;
	return ptr_take(key);
}

/* They go with the bridge, or at the next flush. */
static void sweep_later(struct net *net, const struct network *n, const struct strv *links,
			struct strv *files)
{
	for (size_t i = 0; i < links->n; i++) {
		struct net_detached *d = vec_add(&net->detached);
		snprintf(d->host, sizeof(d->host), "%s", links->v[i]);
		d->network = xstrdup(n->record.config.name);
		d->file = ptr_take(files->v[i]);
	}
	files->n = 0;
}

/* All interfaces go in one transaction, then their leases: a lease outlives its interface, so a
 * sweep that was killed half-way finds the rest again. */
static int sweep_network(struct net *net, const char *name, const char *project,
			 const struct strv *keep, bool later, struct err *err)
{
	const struct network *n = NULL;
	cleanup_strv struct strv files = { 0 }, links = { 0 }, gone = { 0 };
	cleanup_fd int dir = network__dir(net, name, err);
	int r = dir < 0 ? dir : network__get(net, name, &n, err);
	if (r < 0 && err->kind == ERR_INPUT) {
		err_done(err); /* it is told of by who needs it */
		return 0;
	}
	if (r == 0)
		r = lease__list(dir, &files, err);
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		char host[IFNAMSIZ];
		cleanup_free char *key = swept_key(files.v[i], project, keep);
		if (!key)
			continue;
		host_name(n, key, host);
		strv_add(&links, host);
		strv_add(&gone, files.v[i]);
	}
	if (r == 0 && later)
		sweep_later(net, n, &links, &gone);
	else if (r == 0)
		r = link__delete(net, &links, err);
	for (size_t i = 0; r == 0 && i < gone.n; i++)
		r = lease__release(dir, gone.v[i], err);
	return r;
}

/* Directories whose record a crash took first, or never saw written. */
static int sweep_unrecorded(struct net *net, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_fd int lock = FD_NONE;
	int r = fs_list(net->root, ".", &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		if (!net__name_ok(names.v[i]) || network__recorded(net, names.v[i]))
			continue;
		/* Who makes a network holds the lock: then it has its record. */
		if (lock < 0)
			r = net__lock(net->root, ".", &lock, err);
		if (r == 0 && !network__recorded(net, names.v[i]))
			r = fs_remove_tree(net->root, names.v[i], err);
	}
	return r;
}

int net_sweep(struct net *net, const char *project, const struct strv *keep, const char *leaving,
	      struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = net_flush(net, err);
	if (r == 0)
		r = net_network_list(net, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = sweep_network(net, names.v[i], project, keep, str_eq(names.v[i], leaving), err);
	if (r == 0)
		r = sweep_unrecorded(net, err);
	if (r == 0)
		r = port__sweep(net, project, keep, err);
	if (r == 0 && (!keep || keep->n == 0)) {
		r = names__forget(net->run, project, err);
		if (r == 0)
			r = rules__retire(net, err);
	}
	return r;
}
