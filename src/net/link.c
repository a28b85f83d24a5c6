#include "net/link-address.h"

#include "base/fs.h"
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

/* The group that interfaces are moved to for being deleted together. Any number that nobody else
 * uses for long would do: rtnetlink deletes the members of a group in one go. */
enum { DELETE_GROUP = 0x73747600, INTERFACES_MAX = 1000 };

/* --- small pieces of messages --- */

static struct ifinfomsg *begin_link(struct netlink *nl, uint16_t type, uint16_t flags)
{
	void *head = NULL;
	netlink__begin(nl, type, flags, sizeof(struct ifinfomsg), &head);
	return head;
}

static void bring_up(struct netlink *nl, int index)
{
	struct ifinfomsg *ifi = begin_link(nl, RTM_NEWLINK, NLM_F_ACK);
	ifi->ifi_index = index;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	netlink__end(nl);
}

static void add_default_route(struct netlink *nl, int index, const struct address *gateway)
{
	void *head = NULL;
	struct nlmsghdr *m =
		netlink__begin(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK,
			       sizeof(struct rtmsg), &head);
	struct rtmsg *rt = head;
	rt->rtm_family = (uint8_t)gateway->family;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = RTPROT_STATIC;
	rt->rtm_scope = RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_UNICAST;
	link__put_address(m, RTA_GATEWAY, gateway);
	mnl_attr_put_u32(m, RTA_OIF, (uint32_t)index);
	netlink__end(nl);
}

static int failed(const struct netlink *nl, struct err *err, int r, const char *what,
		  const char *name)
{
	if (nl->text[0])
		return err_sys(err, -r, "%s '%s': %s", what, name, nl->text);
	return err_sys(err, -r, "%s '%s'", what, name);
}

/* --- looking --- */

struct link_seen {
	int index, link; /* link: the other end's number, in its own namespace */
	unsigned flags, mtu;
	char name[IFNAMSIZ];
	char kind[16];
	uint8_t mac[MAC_SIZE];
};
struct links_seen {
	VEC(struct link_seen) list;
};

static int see_link(const struct nlmsghdr *m, void *data)
{
	struct links_seen *seen = data;
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(m);
	struct link_seen *l = vec_add(&seen->list);
	l->index = ifi->ifi_index;
	l->flags = ifi->ifi_flags;
	const struct nlattr *attr = NULL, *info = NULL;
	mnl_attr_for_each(attr, m, sizeof(*ifi))
	{
		size_t len = mnl_attr_get_payload_len(attr);
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			snprintf(l->name, sizeof(l->name), "%s", mnl_attr_get_str(attr));
			break;
		case IFLA_LINK: l->link = (int)mnl_attr_get_u32(attr); break;
		case IFLA_MTU: l->mtu = mnl_attr_get_u32(attr); break;
		case IFLA_ADDRESS:
			if (len == MAC_SIZE)
				memcpy(l->mac, mnl_attr_get_payload(attr), MAC_SIZE);
			break;
		case IFLA_LINKINFO:
			mnl_attr_for_each_nested(info, attr)
			{
				if (mnl_attr_get_type(info) == IFLA_INFO_KIND)
					snprintf(l->kind, sizeof(l->kind), "%s",
						 mnl_attr_get_str(info));
			}
			break;
		default: break;
		}
	}
	return 0;
}

/* By name, or all of the namespace with NULL. */
static int look(struct netlink *nl, const char *name, struct links_seen *ret)
{
	begin_link(nl, RTM_GETLINK, name ? 0 : NLM_F_DUMP);
	if (name)
		mnl_attr_put_strz(nl->last, IFLA_IFNAME, name);
	/* Counting what went through is most of the answer, and of the work. */
	mnl_attr_put_u32(nl->last, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	netlink__end(nl);
	return netlink__query(nl, name == NULL, see_link, ret);
}

static int look_one(struct netlink *nl, const char *name, struct link_seen *ret)
{
	struct links_seen seen = { 0 };
	int r = look(nl, name, &seen);
	if (r == 0 && seen.list.n == 0)
		r = -ENODEV;
	if (r == 0)
		*ret = seen.list.v[0];
	vec_done(&seen.list);
	return r;
}

int link__index(struct net *net, const char *name)
{
	cleanup_err struct err err = ERR_INIT;
	struct link_seen l;
	int r = net__rt(net, &err);
	if (r == 0)
		r = look_one(&net->rt, name, &l);
	return r < 0 ? r : l.index;
}

struct route_scan {
	struct link_routes *routes;
	VEC(unsigned) uplinks;
};

static int see_route(const struct nlmsghdr *m, void *data)
{
	struct route_scan *scan = data;
	const struct rtmsg *rt = mnl_nlmsg_get_payload(m);
	if (rt->rtm_type != RTN_UNICAST || (rt->rtm_flags & RTM_F_CLONED))
		return 0;
	struct link_route route = { .subnet = { .family = rt->rtm_family,
						.prefix = rt->rtm_dst_len } };
	const struct nlattr *attr = NULL;
	mnl_attr_for_each(attr, m, sizeof(*rt))
	{
		if (mnl_attr_get_type(attr) == RTA_DST)
			route.subnet.base =
				address__load(rt->rtm_family, mnl_attr_get_payload(attr)).value;
		else if (mnl_attr_get_type(attr) == RTA_OIF)
			route.ifindex = mnl_attr_get_u32(attr);
	}
	bool link_local = rt->rtm_family == AF_INET6 && route.subnet.base >> 118 == 0xfe80 >> 6;
	if (rt->rtm_dst_len == 0)
		vec_push(&scan->uplinks, route.ifindex);
	else if (!link_local && scan->routes)
		vec_push(&scan->routes->list, route);
	return 0;
}

static int scan_routes(struct net *net, int family, struct route_scan *scan)
{
	void *head = NULL;
	netlink__begin(&net->rt, RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg), &head);
	((struct rtmsg *)head)->rtm_family = (uint8_t)family;
	netlink__end(&net->rt);
	return netlink__query(&net->rt, true, see_route, scan);
}

int link__routes(struct net *net, struct link_routes *ret, struct err *err)
{
	int r = net__rt(net, err);
	if (r < 0)
		return r;
	struct route_scan scan = { .routes = ret };
	r = scan_routes(net, AF_INET, &scan);
	/* A kernel without IPv6 answers with an error; there are no such routes then. */
	if (r == 0)
		(void)scan_routes(net, AF_INET6, &scan);
	vec_done(&scan.uplinks);
	return r < 0 ? err_sys(err, -r, "read the routes") : 0;
}

unsigned link__uplink_mtu(struct net *net)
{
	cleanup_err struct err err = ERR_INIT;
	struct route_scan scan = { 0 };
	unsigned least = 0;
	if (net__rt(net, &err) == 0 && scan_routes(net, AF_INET, &scan) == 0) {
		vec_each(index, &scan.uplinks) {
			char name[IFNAMSIZ];
			struct link_seen l;
			if (!if_indextoname(*index, name) || look_one(&net->rt, name, &l) < 0)
				continue;
			if (l.mtu && (!least || l.mtu < least))
				least = l.mtu;
		}
	}
	vec_done(&scan.uplinks);
	return least;
}

static int see_type(const struct nlmsghdr *m, void *data)
{
	*(bool *)data = ((const struct rtmsg *)mnl_nlmsg_get_payload(m))->rtm_type == RTN_LOCAL;
	return 0;
}

bool link__is_local(struct net *net, const struct address *address)
{
	cleanup_err struct err err = ERR_INIT;
	bool local = false;
	void *head = NULL;
	if (net__rt(net, &err) < 0)
		return false;
	struct nlmsghdr *m = netlink__begin(&net->rt, RTM_GETROUTE, 0, sizeof(struct rtmsg), &head);
	struct rtmsg *rt = head;
	rt->rtm_family = (uint8_t)address->family;
	rt->rtm_dst_len = address->family == AF_INET ? 32 : 128;
	link__put_address(m, RTA_DST, address);
	netlink__end(&net->rt);
	return netlink__query(&net->rt, false, see_type, &local) == 0 && local;
}

/* --- bridges --- */

static void put_bridge(struct netlink *nl, const struct link_bridge *b)
{
	struct ifinfomsg *ifi = begin_link(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	struct nlmsghdr *m = nl->last;
	mnl_attr_put_strz(m, IFLA_IFNAME, b->name);
	mnl_attr_put(m, IFLA_ADDRESS, MAC_SIZE, b->mac);
	if (b->mtu)
		mnl_attr_put_u32(m, IFLA_MTU, b->mtu);
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "bridge");
	struct nlattr *data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	mnl_attr_put_u32(m, IFLA_BR_FORWARD_DELAY, 0);
	/* Snooping without a querier drops neighbour discovery after some minutes. */
	mnl_attr_put_u8(m, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
	netlink__end(nl);
}

int link__bridge(struct net *net, const struct link_bridge *b, struct err *err)
{
	int r = net__rt(net, err);
	if (r < 0)
		return r;
	struct netlink *nl = &net->rt;
	put_bridge(nl, b);
	r = netlink__commit(nl, NULL, 0);
	bool existed = r == -EEXIST;
	if (r < 0 && !existed)
		return failed(nl, err, r, "make the bridge", b->name);
	struct link_seen l;
	r = look_one(nl, b->name, &l);
	if (r < 0)
		return failed(nl, err, r, "find the bridge", b->name);
	if (!str_eq(l.kind, "bridge"))
		return err_conflict(err, "interface '%s' exists and is not a bridge", b->name);
	if (existed)
		bring_up(nl, l.index);
	if (b->gateway4.family)
		link__add_address(nl, l.index, &b->gateway4, b->prefix4);
	if (b->gateway6.family)
		link__add_address(nl, l.index, &b->gateway6, b->prefix6);
	r = netlink__commit(nl, NULL, 0);
	return r < 0 ? failed(nl, err, r, "set up the bridge", b->name) : 0;
}

int link__delete(struct net *net, const struct strv *names, struct err *err)
{
	int r = net__rt(net, err);
	if (r < 0 || names->n == 0)
		return r;
	struct netlink *nl = &net->rt;
	for (size_t i = 0; i < names->n; i++) {
		if (names->n == 1)
			begin_link(nl, RTM_DELLINK, NLM_F_ACK);
		else
			begin_link(nl, RTM_NEWLINK, NLM_F_ACK);
		mnl_attr_put_strz(nl->last, IFLA_IFNAME, names->v[i]);
		if (names->n > 1)
			mnl_attr_put_u32(nl->last, IFLA_GROUP, DELETE_GROUP);
		netlink__end(nl);
	}
	cleanup_free int *results = xcalloc(names->n, sizeof(int));
	(void)netlink__commit(nl, results, (unsigned)names->n); /* looked at one by one */
	bool any = false;
	for (size_t i = 0; i < names->n; i++) {
		if (results[i] < 0 && results[i] != -ENODEV)
			return failed(nl, err, results[i], "remove the interface", names->v[i]);
		any = any || results[i] == 0;
	}
	if (names->n == 1 || !any)
		return 0;
	begin_link(nl, RTM_DELLINK, NLM_F_ACK);
	mnl_attr_put_u32(nl->last, IFLA_GROUP, DELETE_GROUP);
	netlink__end(nl);
	r = netlink__commit(nl, NULL, 0);
	/* -ENODEV: another process deleted its own and ours with it. */
	return r < 0 && r != -ENODEV ? failed(nl, err, r, "remove interfaces", names->v[0]) : 0;
}

/* --- pairs --- */

/* What the container's namespace tells, and the socket into it. */
struct inside {
	struct netlink nl;
	struct links_seen links;
	bool kept;    /* the interface was there */
	int loopback; /* its number while it is down, else 0 */
};

static void inside_done(struct inside *in)
{
	netlink__close(&in->nl);
	vec_done(&in->links.list);
}

static bool wants_ipv6(const struct link_pair *p)
{
	bool wants = p->ipv6.family != 0;
	for (size_t i = 0; i < p->link_local_count; i++)
		wants |= p->link_local[i].family == AF_INET6;
	return wants;
}

/* In the namespace: lists the links, and says which family new interfaces get. The
 * settings are made before the interface exists: it then comes up without a link-local address and
 * its router solicitations. */
static int look_inside(struct net *net, int netns, const struct link_pair *p, struct inside *in,
		       struct err *err)
{
	int r = net__enter(net, netns, err);
	if (r < 0)
		return r;
	cleanup_err struct err ignored = ERR_INIT;
	r = netlink__open(&in->nl, NETLINK_ROUTE, err);
	/* A kernel without IPv6 has no such files. */
	(void)fs_poke(AT_FDCWD, "/proc/sys/net/ipv6/conf/default/disable_ipv6",
		      wants_ipv6(p) ? "0" : "1", &ignored);
	err_done(&ignored);
	if (wants_ipv6(p))
		(void)fs_poke(AT_FDCWD, "/proc/sys/net/ipv6/conf/default/accept_ra", "0", &ignored);
	net__leave(net);
	if (r < 0)
		return r;
	r = look(&in->nl, NULL, &in->links);
	if (r < 0)
		return err_sys(err, -r, "list the container's interfaces");
	vec_each(l, &in->links.list)
		if ((l->flags & IFF_LOOPBACK) && !(l->flags & IFF_UP))
			in->loopback = l->index;
	return 0;
}

static const struct link_seen *named(const struct inside *in, const char *name)
{
	vec_each(l, &in->links.list)
		if (str_eq(l->name, name))
			return l;
	return NULL;
}

static int choose_ifname(const struct inside *in, const struct link_pair *p, char *ret,
			 struct err *err)
{
	if (p->ifname) {
		if (strlen(p->ifname) >= IFNAMSIZ)
			return err_input(err, "interface name '%s' is longer than %d characters",
					 p->ifname, IFNAMSIZ - 1);
		if (named(in, p->ifname))
			return err_conflict(err, "the container has an interface '%s' already",
					    p->ifname);
		snprintf(ret, IFNAMSIZ, "%s", p->ifname);
		return 0;
	}
	for (unsigned n = 0; n < INTERFACES_MAX; n++) {
		snprintf(ret, IFNAMSIZ, "%.10s%u", p->prefix, n % INTERFACES_MAX);
		if (!named(in, ret))
			return 0;
	}
	return err_conflict(err, "the container has too many interfaces");
}

/* A pair uses one queue anyway. When that is not said, the kernel makes one for each processor,
 * and takes them away again but for one, which waits for its readers. */
static void put_one_queue(struct nlmsghdr *m)
{
	mnl_attr_put_u32(m, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(m, IFLA_NUM_RX_QUEUES, 1);
}

/* One message makes both ends in their places: nothing is moved between namespaces (a move waits
 * for all readers of the device list, some milliseconds). The second sets what can only be set on
 * an existing port, and brings the host's end up without an IPv6 life of its own. */
static void put_pair(struct netlink *nl, int netns, const struct link_pair *p, const char *ifname,
		     int bridge)
{
	begin_link(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
	struct nlmsghdr *m = nl->last;
	mnl_attr_put_strz(m, IFLA_IFNAME, p->host);
	put_one_queue(m);
	mnl_attr_put_u32(m, IFLA_MASTER, (uint32_t)bridge);
	if (p->mtu)
		mnl_attr_put_u32(m, IFLA_MTU, p->mtu);
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(m, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(m, IFLA_IFNAME, ifname);
	put_one_queue(m);
	mnl_attr_put(m, IFLA_ADDRESS, MAC_SIZE, p->mac);
	mnl_attr_put_u32(m, IFLA_NET_NS_FD, (uint32_t)netns);
	if (p->mtu)
		mnl_attr_put_u32(m, IFLA_MTU, p->mtu);
	mnl_attr_nest_end(m, peer);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
	netlink__end(nl);

	struct ifinfomsg *ifi = begin_link(nl, RTM_NEWLINK, NLM_F_ACK);
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	m = nl->last;
	mnl_attr_put_strz(m, IFLA_IFNAME, p->host);
	struct nlattr *spec = mnl_attr_nest_start(m, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(m, AF_INET6);
	mnl_attr_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(m, inet6);
	mnl_attr_nest_end(m, spec);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(m, IFLA_INFO_SLAVE_DATA);
	/* With bridge-nf-call-iptables a container that calls its own published port is bridged
	 * back out of the port it came from. */
	mnl_attr_put_u8(m, IFLA_BRPORT_MODE, 1);
	if (p->isolated)
		mnl_attr_put_u8(m, IFLA_BRPORT_ISOLATED, 1);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
	netlink__end(nl);
}

/* The inner end of an existing pair, when it leads into this namespace and has the name that is
 * wanted. */
static const struct link_seen *inner_end(struct net *net, const struct inside *in,
					 const struct link_pair *p)
{
	struct link_seen host;
	if (look_one(&net->rt, p->host, &host) < 0)
		return NULL;
	vec_each(l, &in->links.list)
		if (l->link == host.index && l->index == host.link && str_eq(l->kind, "veth") &&
		    memcmp(l->mac, p->mac, MAC_SIZE) == 0 &&
		    (!p->ifname || str_eq(l->name, p->ifname)))
			return l;
	return NULL;
}

static int make_pair(struct net *net, int netns, const struct link_pair *p, struct inside *in,
		     int bridge, char *ret_ifname, struct err *err)
{
	/* A name of the user's is taken already, by itself, when the container starts again. */
	if (p->ifname && named(in, p->ifname) && inner_end(net, in, p)) {
		in->kept = true;
		snprintf(ret_ifname, IFNAMSIZ, "%s", p->ifname);
		return 0;
	}
	for (int attempt = 0;; attempt++) {
		int results[2];
		char ifname[IFNAMSIZ];
		int r = choose_ifname(in, p, ifname, err);
		if (r < 0)
			return r;
		put_pair(&net->rt, netns, p, ifname, bridge);
		(void)netlink__commit(&net->rt, results, 2);
		r = results[0] ? results[0] : results[1];
		if (r == 0) {
			snprintf(ret_ifname, IFNAMSIZ, "%s", ifname);
			return 0;
		}
		if (r != -EEXIST || attempt > 0)
			return failed(&net->rt, err, r, "make the interface", p->host);
		/* Ours from before: kept when it leads here, else left over from a namespace that
		 * is dead or dying. */
		const struct link_seen *l = inner_end(net, in, p);
		if (l) {
			in->kept = true;
			snprintf(ret_ifname, IFNAMSIZ, "%s", l->name);
			return 0;
		}
		cleanup_strv struct strv stale = { 0 };
		strv_add(&stale, p->host);
		r = link__delete(net, &stale, err);
		if (r < 0)
			return r;
	}
}

static void put_addresses(struct netlink *nl, int index, const struct link_pair *p)
{
	if (p->ipv4.family)
		link__add_address(nl, index, &p->ipv4, p->prefix4);
	if (p->ipv6.family)
		link__add_address(nl, index, &p->ipv6, p->prefix6);
	for (size_t i = 0; i < p->link_local_count; i++) {
		const struct address *a = &p->link_local[i];
		link__add_address(nl, index, a, a->family == AF_INET ? 16 : 64);
	}
	if (p->route4.family)
		add_default_route(nl, index, &p->route4);
	if (p->route6.family)
		add_default_route(nl, index, &p->route6);
}

/* Brings the inner end up, and with it the carrier of the host's end and, for its first port, of
 * the bridge. The kernel acts on a new carrier some time later, from its link watch; what is sent
 * before is lost, a first ARP request for a whole second. Asking for a link makes it look at that
 * link at once (since 6.8). */
static int set_inside(struct net *net, struct inside *in, const struct link_pair *p,
		      const char *ifname, const struct link_seen *bridge)
{
	struct link_seen l, ignored;
	int r = look_one(&in->nl, ifname, &l);
	if (r == 0 && in->kept)
		r = link__drop_stale(&in->nl, p, l.index);
	if (r < 0)
		return r;
	if (in->loopback)
		bring_up(&in->nl, in->loopback);
	bring_up(&in->nl, l.index);
	if (!wants_ipv6(p))
		put_addresses(&in->nl, l.index, p);
	r = netlink__commit(&in->nl, NULL, 0);
	if (r < 0)
		return r;
	(void)look_one(&net->rt, p->host, &ignored);
	if (!(bridge->flags & IFF_RUNNING))
		(void)look_one(&net->rt, p->bridge, &ignored);
	if (!wants_ipv6(p))
		return 0;
	(void)look_one(&in->nl, ifname, &ignored); /* IPv6 waits for the inner carrier as well */
	put_addresses(&in->nl, l.index, p);
	return netlink__commit(&in->nl, NULL, 0);
}

int link__pair(struct net *net, int netns, const struct link_pair *p, char *ret_ifname,
	       struct err *err)
{
	struct link_seen bridge;
	int r = net__rt(net, err);
	if (r < 0)
		return r;
	r = look_one(&net->rt, p->bridge, &bridge);
	if (r < 0)
		return failed(&net->rt, err, r, "find the bridge", p->bridge);
	cleanup(inside_done) struct inside in = { .nl = NETLINK_INIT };
	r = look_inside(net, netns, p, &in, err);
	if (r < 0)
		return r;
	char ifname[IFNAMSIZ];
	r = make_pair(net, netns, p, &in, bridge.index, ifname, err);
	if (r < 0)
		return r;
	r = set_inside(net, &in, p, ifname, &bridge);
	if (r < 0)
		return failed(&in.nl, err, r, "set up the interface", ifname);
	snprintf(ret_ifname, IFNAMSIZ, "%s", ifname);
	return 0;
}

/* --- hardware addresses --- */

int mac__parse(const char *text, uint8_t mac[MAC_SIZE])
{
	uint8_t out[MAC_SIZE];
	for (int i = 0; i < MAC_SIZE; i++) {
		unsigned value = 0;
		for (int d = 0; d < 2; d++, text++) {
			if (!isxdigit((unsigned char)*text))
				return -EINVAL;
			int c = tolower((unsigned char)*text);
			value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
		out[i] = (uint8_t)value;
		if (i < MAC_SIZE - 1 && *text != ':' && *text != '-')
			return -EINVAL;
		text += i < MAC_SIZE - 1;
	}
	if (*text || (out[0] & 1)) /* a group address cannot be an interface's own */
		return -EINVAL;
	memcpy(mac, out, MAC_SIZE);
	return 0;
}

char *mac__format(const uint8_t mac[MAC_SIZE], char buf[MAC_TEXT])
{
	snprintf(buf, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return buf;
}
