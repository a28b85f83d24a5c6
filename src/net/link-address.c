/* The addresses of an interface: added, and taken away when the next container has others. */
#include "net/link-address.h"

#include <linux/rtnetlink.h>

void link__put_address(struct nlmsghdr *m, uint16_t type, const struct address *a)
{
	uint8_t bytes[16];
	address__store(a, bytes);
	mnl_attr_put(m, type, a->family == AF_INET ? 4 : 16, bytes);
}

void link__add_address(struct netlink *nl, int index, const struct address *a, unsigned prefix)
{
	void *head = NULL;
	struct nlmsghdr *m =
		netlink__begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK,
			       sizeof(struct ifaddrmsg), &head);
	struct ifaddrmsg *ifa = head;
	ifa->ifa_family = (uint8_t)a->family;
	ifa->ifa_prefixlen = (uint8_t)prefix;
	ifa->ifa_index = (unsigned)index;
	link__put_address(m, IFA_LOCAL, a);
	link__put_address(m, IFA_ADDRESS, a);
	if (a->family == AF_INET && prefix < 31) {
		struct address all = *a;
		all.value |= ((unsigned __int128)1 << (32 - prefix)) - 1;
		link__put_address(m, IFA_BROADCAST, &all);
	}
	/* Our leases exclude duplicates; detection would hold the address back for a second. */
	if (a->family == AF_INET6)
		mnl_attr_put_u32(m, IFA_FLAGS, IFA_F_NODAD);
	netlink__end(nl);
}

struct stale {
	int index;
	const struct link_pair *pair;
	VEC(struct found_address {
		struct address address;
		unsigned prefix;
	})
	list;
};

static bool same_address(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->value == b->value;
}

static int see_address(const struct nlmsghdr *m, void *data)
{
	struct stale *stale = data;
	const struct link_pair *p = stale->pair;
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(m);
	uint16_t type = ifa->ifa_family == AF_INET ? IFA_LOCAL : IFA_ADDRESS;
	struct found_address found = { .prefix = ifa->ifa_prefixlen };
	uint32_t flags = ifa->ifa_flags;
	const struct nlattr *attr = NULL;
	if ((int)ifa->ifa_index != stale->index)
		return 0;
	mnl_attr_for_each(attr, m, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) == type)
			found.address = address__load(ifa->ifa_family, mnl_attr_get_payload(attr));
		else if (mnl_attr_get_type(attr) == IFA_FLAGS)
			flags = mnl_attr_get_u32(attr);
	}
	/* The kernel's own link-local address was not made without detection. */
	bool kernels = ifa->ifa_family == AF_INET6 && ifa->ifa_scope == RT_SCOPE_LINK &&
		       !(flags & IFA_F_NODAD);
	bool wanted = kernels || same_address(&found.address, &p->ipv4) ||
		      same_address(&found.address, &p->ipv6);
	for (size_t i = 0; i < p->link_local_count; i++)
		wanted |= same_address(&found.address, &p->link_local[i]);
	if (!wanted && found.address.family)
		vec_push(&stale->list, found);
	return 0;
}

int link__drop_stale(struct netlink *nl, const struct link_pair *p, int index)
{
	struct stale stale = { .index = index, .pair = p };
	void *head = NULL;
	netlink__begin(nl, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg), &head);
	netlink__end(nl);
	int r = netlink__query(nl, true, see_address, &stale);
	for (size_t i = 0; r == 0 && i < stale.list.n; i++) {
		const struct found_address *found = &stale.list.v[i];
		struct nlmsghdr *m =
			netlink__begin(nl, RTM_DELADDR, NLM_F_ACK, sizeof(struct ifaddrmsg), &head);
		struct ifaddrmsg *ifa = head;
		ifa->ifa_family = (uint8_t)found->address.family;
		ifa->ifa_prefixlen = (uint8_t)found->prefix;
		ifa->ifa_index = (unsigned)index;
		link__put_address(m, IFA_LOCAL, &found->address);
		netlink__end(nl);
	}
	if (r == 0 && stale.list.n)
		r = netlink__commit(nl, NULL, 0);
	vec_done(&stale.list);
	return r;
}
