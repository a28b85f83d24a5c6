/* Making and removing networks: the record first, then bridge and rules, so that whatever a crash
 * leaves is found by its record. */
#include "net/network.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/parse.h"
#include "net/link.h"
#include "net/nft.h"
#include "net/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>

static const char opt_bridge[] = "com.docker.network.bridge.name";
enum { CHOICES_MAX = 8, MTU_DEFAULT = 1500, MTU_MIN = 1280 /* IPv6 needs that much */ };

/* --- settings of the kernel --- */

static void poke_conf(const char *family, const char *ifname, const char *key, const char *value)
{
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_free char *path = xasprintf("/proc/sys/net/%s/conf/%s/%s", family, ifname, key);
	/* Absent without IPv6, and read-only in some containers; what then does not work shows. */
	(void)fs_poke(AT_FDCWD, path, value, &ignored);
}

static bool conf_is(const char *path, char value)
{
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	return fs_read(AT_FDCWD, path, 64, &text, &ignored) == 0 && text.len &&
	       text.data[0] == value;
}

/* Forwarding makes Linux ignore router advertisements unless told otherwise: interfaces that
 * listened to them go on listening, or the host would lose its way out. */
static void keep_router_advertisements(void)
{
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_strv struct strv names = { 0 };
	if (fs_list(AT_FDCWD, "/proc/sys/net/ipv6/conf", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		cleanup_free char *path =
			xasprintf("/proc/sys/net/ipv6/conf/%s/accept_ra", names.v[i]);
		if (!str_eq(names.v[i], "all") && conf_is(path, '1'))
			poke_conf("ipv6", names.v[i], "accept_ra", "2");
	}
}

static int set_forwarding(const struct net_network *n, struct err *err)
{
	static const char path4[] = "/proc/sys/net/ipv4/ip_forward";
	static const char path6[] = "/proc/sys/net/ipv6/conf/all/forwarding";
	if (n->config.ipv4 && !conf_is(path4, '1')) {
		int r = fs_poke(AT_FDCWD, path4, "1", err);
		if (r < 0)
			return r;
	}
	if (n->config.ipv6 && conf_is(path6, '0')) {
		keep_router_advertisements();
		return fs_poke(AT_FDCWD, path6, "1", err);
	}
	return 0;
}

/* --- rules --- */

/* The bridge together with every address of its subnet. */
static void put_own(struct net *net, const char *set, const char *bridge,
		    const struct subnet *subnet, enum nft_op op)
{
	uint8_t first[IFNAMSIZ + 16] = { 0 }, last[IFNAMSIZ + 16] = { 0 };
	if (!subnet->family)
		return;
	struct address low = { .family = subnet->family, .value = subnet->base };
	struct address high = subnet__last(subnet);
	memcpy(first, bridge, strlen(bridge));
	memcpy(last, bridge, strlen(bridge));
	address__store(&low, first + IFNAMSIZ);
	address__store(&high, last + IFNAMSIZ);
	nft__range(net, op, set, first, last, IFNAMSIZ + (subnet->family == AF_INET ? 4 : 16));
}

static void put_elements(struct net *net, const struct network *n, enum nft_op op)
{
	char pair[2 * IFNAMSIZ] = { 0 };
	const char *bridge = n->record.bridge;
	memcpy(pair, bridge, strlen(bridge));
	memcpy(pair + IFNAMSIZ, bridge, strlen(bridge));
	const struct {
		const char *set;
		size_t len;
		bool in;
	} sets[] = {
		{ "bridges", IFNAMSIZ, true },
		{ "closed", IFNAMSIZ, n->record.config.internal },
		{ "masked", IFNAMSIZ, n->masked },
		{ "icc", sizeof(pair), n->icc },
	};
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		if (sets[i].in)
			nft__element(net, op, sets[i].set, pair, sets[i].len, NULL, 0);
	put_own(net, "own4", bridge, &n->pools.v4.subnet, op);
	put_own(net, "own6", bridge, &n->pools.v6.subnet, op);
}

static int set_rules(struct net *net, const struct network *n, struct err *err)
{
	int r = rules__ready(net, err);
	if (r == 0)
		r = nft__begin(net, err);
	if (r < 0)
		return r;
	put_elements(net, n, NFT_ADD);
	r = nft__commit(net);
	if (r < 0)
		return err_sys(err, -r, "set the rules of network '%s'", n->record.config.name);
	return rules__invite(net, n->record.bridge, err);
}

int network__restore(struct net *net, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = net_network_list(net, &names, err);
	if (r == 0)
		r = nft__begin(net, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_err struct err damaged = ERR_INIT;
		const struct network *n = NULL;
		if (network__get(net, names.v[i], &n, &damaged) == 0)
			put_elements(net, n, NFT_ADD);
	}
	if (r < 0)
		return r;
	r = nft__commit(net);
	return r < 0 ? err_sys(err, -r, "restore the rules of networks") : 0;
}

/* --- the bridge --- */

static int make_bridge(struct net *net, const struct network *n, struct err *err)
{
	uint8_t mac[MAC_SIZE] = { 0x02, 0x53 }; /* local, then from the id: it stays the same */
	for (int i = 2; i < MAC_SIZE; i++) {
		const char *hex = n->record.id + 8 + 2 * i;
		char text[3] = { hex[0], hex[1], 0 };
		unsigned value = 0;
		(void)sscanf(text, "%2x", &value); /* our own hex digits */
		mac[i] = (uint8_t)value;
	}
	struct link_bridge b = {
		.name = n->record.bridge,
		.mac = mac,
		.mtu = n->record.mtu,
		.gateway4 = n->pools.v4.gateway,
		.gateway6 = n->pools.v6.gateway,
		.prefix4 = n->pools.v4.subnet.prefix,
		.prefix6 = n->pools.v6.subnet.prefix,
	};
	int r = link__bridge(net, &b, err);
	if (r < 0)
		return r;
	if (n->record.config.ipv4 && !n->record.config.internal)
		poke_conf("ipv4", b.name, "route_localnet", "1"); /* published on 127.0.0.1 */
	/* Containers must not tell the host its routes. */
	poke_conf("ipv6", b.name, "accept_ra", "0");
	/* Or nothing is forwarded for the first second: the link-local address is not yet valid. */
	poke_conf("ipv6", b.name, "accept_dad", "0");
	if (!n->record.config.ipv6)
		poke_conf("ipv6", b.name, "disable_ipv6", "1");
	return set_forwarding(&n->record, err);
}

/* Another process with another root may have chosen the same subnet in the same moment. Each looks
 * after adding its own: at least one sees both, and gives way. */
static bool collided(struct net *net, const struct network *n)
{
	cleanup_err struct err ignored = ERR_INIT;
	struct link_routes routes = { 0 };
	bool found = false;
	int own = link__index(net, n->record.bridge);
	if (own > 0 && link__routes(net, &routes, &ignored) == 0)
		vec_each(route, &routes.list)
			found = found || ((int)route->ifindex != own &&
					  (subnet__equal(&route->subnet, &n->pools.v4.subnet) ||
					   subnet__equal(&route->subnet, &n->pools.v6.subnet)));
	vec_done(&routes.list);
	return found;
}

/* --- create --- */

static int check_config(const struct net_config *c, char *bridge, struct err *err)
{
	if (!net__name_ok(c->name))
		return err_input(err, "'%s' is not a network name: letters, digits, '_', '.', '-'",
				 c->name ? c->name : "");
	if (!str_empty(c->driver) && !str_eq(c->driver, "bridge"))
		return err_unsupported(err,
				       "network '%s': driver '%s' is not supported, only "
				       "'bridge'",
				       c->name, c->driver);
	const char *name = json_str(c->options, opt_bridge, NULL);
	if (!name)
		return 0;
	if (!net__name_ok(name) || strlen(name) >= IFNAMSIZ)
		return err_input(err, "network '%s': '%s' is not an interface name", c->name, name);
	snprintf(bridge, IFNAMSIZ, "%s", name);
	return 0;
}

static void copy_config(const struct net_config *from, struct net_config *to)
{
	net_config_init(to);
	to->name = xstrdup(from->name);
	to->project = xstrdup(from->project);
	to->key = xstrdup(from->key);
	to->driver = xstrdup(from->driver);
	to->internal = from->internal;
	to->ipv4 = from->ipv4;
	to->ipv6 = from->ipv6;
	to->attachable = from->attachable;
	to->labels = json_incref(from->labels);
	to->options = json_incref(from->options);
	vec_each(p, &from->pools) {
		struct net_pool *copy = vec_add(&to->pools);
		copy->subnet = xstrdup(p->subnet);
		copy->gateway = xstrdup(p->gateway);
		copy->ip_range = xstrdup(p->ip_range);
		strv_copy(&copy->reserved, &p->reserved);
	}
}

static void forget(struct net *net, const char *name)
{
	cleanup_err struct err ignored = ERR_INIT;
	network__forget(net, name);
	(void)fs_remove_tree(net->root, name, &ignored);
}

/* Record, bridge and rules of a new network. */
static int build(struct net *net, struct net_network *record, unsigned attempt, struct err *err)
{
	int r = network__choose(net, record, attempt, err);
	if (r == 0)
		r = network__save(net, record, err);
	const struct network *n = NULL;
	if (r == 0)
		r = network__get(net, record->config.name, &n, err);
	if (r == 0)
		r = make_bridge(net, n, err);
	if (r == 0 && record->config.pools.n == 0 && collided(net, n))
		return -EAGAIN;
	if (r == 0)
		r = set_rules(net, n, err);
	return r;
}

static int create(struct net *net, const struct net_config *config, struct err *err)
{
	cleanup_network struct net_network n = { .created = now_wall() };
	char bridge[IFNAMSIZ] = "";
	int r = check_config(config, bridge, err);
	if (r < 0)
		return r;
	copy_config(config, &n.config);
	hex_random(n.id, 64);
	if (bridge[0])
		snprintf(n.bridge, sizeof(n.bridge), "%s", bridge);
	else
		snprintf(n.bridge, sizeof(n.bridge), "stv%.8s", n.id);
	if (bridge[0] && link__index(net, bridge) > 0)
		return err_conflict(err, "network '%s': interface '%s' exists already",
				    n.config.name, bridge);
	n.mtu = network__option_mtu(config->options);
	unsigned uplink = n.mtu ? 0 : link__uplink_mtu(net);
	if (uplink >= MTU_MIN && uplink < MTU_DEFAULT)
		n.mtu = uplink;
	r = rules__begin(net, err); /* while the bridge is made */
	if (r < 0)
		return r;
	for (unsigned attempt = 0;; attempt++) {
		r = build(net, &n, attempt, err);
		if (r == 0)
			return 0;
		cleanup_err struct err undo = ERR_INIT;
		cleanup_strv struct strv links = { 0 };
		strv_add(&links, n.bridge);
		(void)link__delete(net, &links, &undo); /* usually it was not made yet */
		forget(net, n.config.name);
		if (r != -EAGAIN)
			return r;
		if (attempt == CHOICES_MAX)
			return err_conflict(err,
					    "network '%s': other processes take every subnet "
					    "that is chosen",
					    n.config.name);
	}
}

/* The table of a network that came to nothing. What fails here the next sweep finds. */
static void leave_rules(struct net *net)
{
	cleanup_err struct err ignored = ERR_INIT;
	if (rules__settle(net, &ignored) == 0)
		(void)rules__retire(net, &ignored);
}

int net_network_create(struct net *net, const struct net_config *config, struct net_network *ret,
		       bool *ret_created, struct err *err)
{
	cleanup_fd int lock = FD_NONE;
	int r = net__rt(net, err);
	if (r == 0)
		r = net__lock(net->root, ".", &lock, err);
	if (r < 0)
		return r;
	const struct network *n = NULL;
	bool created = false;
	r = network__get(net, config->name, &n, err);
	if (r == 0) {
		cleanup_free char *why = NULL;
		if (!net_network_matches(&n->record, config, &why))
			return err_conflict(err, "network '%s' exists and is different: %s",
					    config->name, why);
		r = make_bridge(net, n, err);
		if (r == 0)
			r = set_rules(net, n, err);
		if (r == 0)
			r = network__copy(net, &n->record, err);
	} else if (err->kind == ERR_NOT_FOUND || err->kind == ERR_INPUT) {
		if (err->kind == ERR_INPUT) {
			strv_addf(&net->mended, "%s; made anew", err->msg);
			forget(net, config->name);
		}
		err_done(err);
		r = create(net, config, err);
		created = true;
		if (r < 0)
			leave_rules(net);
	}
	if (r == 0)
		r = net_network_load(net, config->name, ret, err);
	if (r == 0 && ret_created)
		*ret_created = created;
	return r;
}

/* --- remove --- */

/* Deletes one by one those that the kernel has: a batch with a missing one would do nothing. */
static int drop_rules(struct net *net, const struct network *n, struct err *err)
{
	int r = nft__begin(net, err);
	if (r < 0)
		return r;
	put_elements(net, n, NFT_DELETE);
	r = nft__commit(net);
	if (r == -ENOENT) {
		/* Half-made by a crash: made whole, then removed. */
		r = nft__begin(net, err);
		if (r < 0)
			return r;
		put_elements(net, n, NFT_ADD);
		put_elements(net, n, NFT_DELETE);
		r = nft__commit(net);
	}
	/* Without a table there is nothing to remove. */
	if (r < 0 && r != -ENOENT)
		return err_sys(err, -r, "remove the rules of network '%s'", n->record.config.name);
	return rules__disinvite(net, n->record.bridge, err);
}

/* Leases of slots that are being detached do not count: they go together with the bridge. */
static int check_unused(struct net *net, const char *name, struct err *err)
{
	cleanup_strv struct strv keys = { 0 };
	cleanup_fd int dir = network__dir(net, name, err);
	int r = dir < 0 ? dir : lease__list(dir, &keys, err);
	vec_each(d, &net->detached)
		for (size_t i = keys.n; i-- > 0 && d->file && str_eq(d->network, name);)
			if (str_eq(keys.v[i], d->file))
				strv_remove(&keys, i);
	if (r < 0 || keys.n == 0)
		return r;
	cleanup_free char *list = strv_join(&keys, ", ");
	for (char *c = list; *c; c++)
		*c = *c == '+' ? '/' : *c;
	return err_new(err, ERR_CONFLICT, EBUSY, "network '%s' is in use by %s", name, list);
}

int net_network_remove(struct net *net, const char *name, struct err *err)
{
	cleanup_fd int lock = FD_NONE;
	int r = net__lock(net->root, ".", &lock, err);
	if (r < 0)
		return r;
	const struct network *n = NULL;
	r = network__get(net, name, &n, err);
	if (r < 0) {
		bool gone = err->kind == ERR_NOT_FOUND || err->kind == ERR_INPUT;
		if (err->kind == ERR_INPUT) {
			strv_addf(&net->mended, "%s; removed", err->msg);
			forget(net, name);
		}
		if (gone)
			err_done(err);
		return gone ? 0 : r;
	}
	r = check_unused(net, name, err);
	if (r == 0)
		r = net__nf(net, err);
	if (r == 0)
		r = drop_rules(net, n, err);
	if (r < 0)
		return r;
	r = net__flush(net, n, err);
	if (r < 0)
		return r;
	network__forget(net, name);
	r = fs_remove_tree(net->root, name, err);
	return r < 0 ? r : rules__retire(net, err);
}

bool net_network_internal(struct net *net, const char *name)
{
	const struct network *n = NULL;
	cleanup_err struct err ignored = ERR_INIT;
	return network__get(net, name, &n, &ignored) == 0 && n->record.config.internal;
}
