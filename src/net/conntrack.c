#include "net/conntrack.h"

#include "net/link.h"
#include "net/subnet.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

/* More than anybody's clients of one service; the rest is forgotten by time. */
enum { STALE_MAX = 4096 };

struct tuple {
	struct address source, destination;
	uint8_t protocol;
	uint16_t source_port, destination_port;
};

struct flow {
	struct tuple original, reply;
};

struct scan {
	struct net *net;
	const struct net_ports *ports;
	VEC(struct flow) stale;
};

static void read_addresses(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *attr = NULL;
	mnl_attr_for_each_nested(attr, nest)
	{
		const void *bytes = mnl_attr_get_payload(attr);
		switch (mnl_attr_get_type(attr)) {
		case CTA_IP_V4_SRC: t->source = address__load(AF_INET, bytes); break;
		case CTA_IP_V4_DST: t->destination = address__load(AF_INET, bytes); break;
		case CTA_IP_V6_SRC: t->source = address__load(AF_INET6, bytes); break;
		case CTA_IP_V6_DST: t->destination = address__load(AF_INET6, bytes); break;
		default: break;
		}
	}
}

static void read_tuple(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *attr = NULL, *part = NULL;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP)
			read_addresses(attr, t);
		if (mnl_attr_get_type(attr) != CTA_TUPLE_PROTO)
			continue;
		mnl_attr_for_each_nested(part, attr)
		{
			int type = mnl_attr_get_type(part);
			if (type == CTA_PROTO_NUM)
				t->protocol = mnl_attr_get_u8(part);
			else if (type == CTA_PROTO_SRC_PORT)
				t->source_port = ntohs(mnl_attr_get_u16(part));
			else if (type == CTA_PROTO_DST_PORT)
				t->destination_port = ntohs(mnl_attr_get_u16(part));
		}
	}
}

static bool same(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->value == b->value;
}

static bool is_published(const struct net_ports *ports, uint16_t number)
{
	vec_each(p, &ports->ports)
		if (p->protocol == IPPROTO_UDP && p->published == number)
			return true;
	return false;
}

static bool is_target(const struct net_ports *ports, const struct address *a)
{
	struct address target;
	vec_each(t, &ports->targets) {
		const char *text = a->family == AF_INET ? t->ipv4 : t->ipv6;
		if (text[0] && address__parse(text, &target) == 0 && same(&target, a))
			return true;
	}
	return false;
}

/* Translated to one who is no target any more; or, from before the port was published, to the host
 * itself (decided later: it needs a question). Flows that pass through to somebody else's port of
 * the same number are not ours. */
static int see_flow(const struct nlmsghdr *m, void *data)
{
	struct scan *scan = data;
	struct flow flow = { 0 };
	const struct nlattr *attr = NULL;
	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == CTA_TUPLE_ORIG)
			read_tuple(attr, &flow.original);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_REPLY)
			read_tuple(attr, &flow.reply);
	}
	if (flow.original.protocol == IPPROTO_UDP &&
	    is_published(scan->ports, flow.original.destination_port) &&
	    !is_target(scan->ports, &flow.reply.source) && scan->stale.n < STALE_MAX)
		vec_push(&scan->stale, flow);
	return 0;
}

static void put_tuple(struct nlmsghdr *m, const struct tuple *t)
{
	const struct address *const ends[] = { &t->source, &t->destination };
	bool six = t->source.family == AF_INET6;
	struct nlattr *tuple = mnl_attr_nest_start(m, CTA_TUPLE_ORIG);
	struct nlattr *ip = mnl_attr_nest_start(m, CTA_TUPLE_IP);
	for (int i = 0; i < 2; i++) {
		uint8_t bytes[16];
		address__store(ends[i], bytes);
		mnl_attr_put(m, (uint16_t)((six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC) + i), six ? 16 : 4,
			     bytes);
	}
	mnl_attr_nest_end(m, ip);
	struct nlattr *protocol = mnl_attr_nest_start(m, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(m, CTA_PROTO_NUM, t->protocol);
	mnl_attr_put_u16(m, CTA_PROTO_SRC_PORT, htons(t->source_port));
	mnl_attr_put_u16(m, CTA_PROTO_DST_PORT, htons(t->destination_port));
	mnl_attr_nest_end(m, protocol);
	mnl_attr_nest_end(m, tuple);
}

static struct nlmsghdr *begin(struct netlink *nl, uint16_t type, uint16_t flags, int family)
{
	void *head = NULL;
	struct nlmsghdr *m = netlink__begin(nl, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type),
					    flags, sizeof(struct nfgenmsg), &head);
	((struct nfgenmsg *)head)->nfgen_family = (uint8_t)family;
	return m;
}

static void forget(struct net *net, const struct flow *flow)
{
	bool translated = !same(&flow->reply.source, &flow->original.destination);
	if (!translated && !link__is_local(net, &flow->original.destination))
		return;
	struct nlmsghdr *m =
		begin(&net->nf, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, flow->original.source.family);
	put_tuple(m, &flow->original);
	netlink__end(&net->nf);
	(void)netlink__commit(&net->nf, NULL, 0); /* it may have ended by itself */
}

void conntrack__forget(struct net *net, const struct net_ports *ports)
{
	cleanup_err struct err ignored = ERR_INIT;
	static const int families[] = { AF_INET, AF_INET6 };
	bool any = false;
	vec_each(p, &ports->ports)
		any = any || p->protocol == IPPROTO_UDP;
	if (!any || net__nf(net, &ignored) < 0)
		return;
	struct scan scan = { .net = net, .ports = ports };
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		begin(&net->nf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, families[i]);
		netlink__end(&net->nf);
		(void)netlink__query(&net->nf, true, see_flow, &scan);
	}
	vec_each(flow, &scan.stale)
		forget(net, flow);
	vec_done(&scan.stale);
}
