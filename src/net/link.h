/* Interfaces, addresses and routes through rtnetlink. Works in the handle's own network namespace,
 * and in a container's for the other end of a pair. */
#ifndef STAVE_NET_LINK_H
#define STAVE_NET_LINK_H

#include "net/handle.h"
#include "net/subnet.h"

#include <net/if.h>

enum { MAC_SIZE = 6, MAC_TEXT = 18 };

struct link_bridge {
	const char *name;
	const uint8_t *mac;		   /* fixed, so that it does not change with its ports */
	unsigned mtu;			   /* 0: the kernel's */
	struct address gateway4, gateway6; /* family 0: none */
	unsigned prefix4, prefix6;
};

/* Makes the bridge with its addresses and brings it up. One that exists under the name gets what it
 * lacks. ERR_CONFLICT when the name belongs to another kind of interface. */
int link__bridge(struct net *net, const struct link_bridge *bridge, struct err *err);

/* Interface number, or -ENODEV, or another negative errno. */
int link__index(struct net *net, const char *name);
/* Takes interfaces away, all in one transaction (about as dear as one). Missing ones are success.
 */
int link__delete(struct net *net, const struct strv *names, struct err *err);

/* A destination that the host reaches already. */
struct link_route {
	struct subnet subnet;
	unsigned ifindex;
};
struct link_routes {
	VEC(struct link_route) list;
};
/* The routes of all tables, without default, local host, multicast and broadcast ones. */
int link__routes(struct net *net, struct link_routes *ret, struct err *err);
/* Whether the address is one of the host's own. */
bool link__is_local(struct net *net, const struct address *address);
/* The smallest MTU of the interfaces that default routes use; 0 when there is none. */
unsigned link__uplink_mtu(struct net *net);

/* One veth pair: `host` on the bridge, the other end in the namespace. */
struct link_pair {
	const char *host;	   /* name of the host's end */
	const char *bridge;	   /* its bridge */
	const char *ifname;	   /* inside; NULL: the first free <prefix><n> */
	const char *prefix;	   /* "eth" */
	const uint8_t *mac;	   /* of the inner end */
	unsigned mtu;		   /* 0: the kernel's */
	bool isolated;		   /* not to the bridge's other isolated ports */
	struct address ipv4, ipv6; /* family 0: none */
	unsigned prefix4, prefix6;
	struct address route4, route6;	  /* gateways of default routes; family 0: none */
	const struct address *link_local; /* more addresses, /16 and /64 */
	size_t link_local_count;
};
/* Makes the pair, and what inside of it is missing. A pair that exists already and leads into the
 * same namespace is kept; one that leads elsewhere (a dead namespace) is replaced. ret_ifname:
 * IFNAMSIZ bytes. */
int link__pair(struct net *net, int netns, const struct link_pair *pair, char *ret_ifname,
	       struct err *err);

int mac__parse(const char *text, uint8_t mac[MAC_SIZE]); /* 0 or -EINVAL */
char *mac__format(const uint8_t mac[MAC_SIZE], char buf[MAC_TEXT]);

#endif
