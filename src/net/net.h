/* Networks, addresses, names and published ports. Knows nothing of Compose. Called by the
 * supervisor (everything), and by the cli for listing and for the port check. Kernel work through
 * libmnl (rtnetlink) and libnftables (one table `inet stave` of ours; a separate one per STAVE_RUN
 * other than the default, so that tests never meet a user's project), never by running programs.
 *
 * On disk, below STAVE_ROOT/networks/<network name>/: network.json (settings and chosen subnets),
 * leases/<key> (one address pair per slot). Interface names: bridge "stv<8 hex of network id>",
 * veth host side "sv<hash of slot and network>". */
#ifndef STAVE_NET_NET_H
#define STAVE_NET_NET_H

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/vec.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct net; /* an open handle: directories, sockets, nftables context */
int net_open(const char *root, const char *run, struct net **ret, struct err *err);
void net_free(struct net *net);
DEFINE_CLEANUP(struct net, net_free)
/* For a supervisor, once after net_open: lets the handle work on the loop (borrowed; it must
 * outlive the handle). With it published TCP and UDP ports answer on ::1, and on the host's IPv6
 * addresses for containers that have only IPv4, through listeners that splice; and interfaces that
 * are detached within some milliseconds of each other are removed together, which costs as much as
 * one; and the rules come back when somebody flushes them, or gets in their way (Docker started
 * later).
 */
void net_serve(struct net *net, struct loop *loop);
/* Carries out detaches that wait for others; called by all that depends on them. */
int net_flush(struct net *net, struct err *err);

/* --- networks --- */

struct net_pool {	      /* one ipam config entry */
	char *subnet;	      /* "172.28.0.0/16"; NULL: choose */
	char *gateway;	      /* NULL: the first address */
	char *ip_range;	      /* part of the subnet to give addresses from; NULL: all */
	struct strv reserved; /* aux_addresses: never given */
};

struct net_config {
	char *name;	     /* "proj_default", or the user's `name:`; unique on the machine */
	char *project, *key; /* owner: project, and the network's key in it; informational */
	char *driver;	     /* NULL or "bridge" */
	bool internal;	     /* no way out, no published ports through it */
	bool ipv4, ipv6;     /* ipv4 defaults true (net_config_init) */
	bool attachable;
	VEC(struct net_pool) pools;
	json_t *labels;	 /* object or NULL */
	json_t *options; /* driver_opts: com.docker.network.bridge.name,
			    com.docker.network.driver.mtu, ...enable_icc */
};
void net_config_init(struct net_config *config);
void net_config_done(struct net_config *config);

struct net_network {
	struct net_config config;
	char id[65];
	char bridge[16];			       /* interface name */
	char *subnet4, *gateway4, *subnet6, *gateway6; /* NULL where there is none */
	unsigned mtu;				       /* 0: the kernel's default */
	nsec_t created;				       /* wall */
};
void net_network_done(struct net_network *network);
#define cleanup_network cleanup(net_network_done)

/* Creates what is missing of it: record, bridge, addresses, rules. The same config again is success
 * (*ret_created false). A different config under the same name is ERR_CONFLICT naming the
 * difference. Default subnets: /24 from 10.190.0.0/15 (and a ULA /64 for ipv6), chosen against live
 * routes and other records. A fixed subnet that overlaps a route or network: ERR_CONFLICT naming
 * it. Brings back the bridge after a reboot. The MTU is the option's, else that of the host's
 * default route when it is below 1500 (tunnels, clouds). */
int net_network_create(struct net *net, const struct net_config *config, struct net_network *ret,
		       bool *ret_created, struct err *err);
/* What damaged records were made anew or given up since the last call, one message each; moves to
 * the caller. */
void net_mended(struct net *net, struct strv *ret);
/* ERR_INPUT: neither its record nor the copy of it can be read. */
int net_network_load(struct net *net, const char *name, struct net_network *ret,
		     struct err *err); /* ERR_NOT_FOUND */
int net_network_list(struct net *net, struct strv *ret_names, struct err *err);
/* Whether it is there and has no way out. */
bool net_network_internal(struct net *net, const char *name);
/* Removes bridge, rules, leases, record. ERR_CONFLICT (EBUSY) with the names of the slots while
 * leases are held. Missing: success. */
int net_network_remove(struct net *net, const char *name, struct err *err);
/* True when an existing network would be compatible with the config; else *ret_why (owned) says
 * what differs. */
bool net_network_matches(const struct net_network *network, const struct net_config *config,
			 char **ret_why);

/* --- interfaces --- */

struct net_attach {
	const char *network;
	const char *key;	       /* who: "<project>/<service>-<number>"; the lease's name */
	const char *ifname;	       /* inside; NULL: "eth<n>", the first free */
	const char *ipv4, *ipv6;       /* static addresses or NULL */
	const char *mac;	       /* NULL: derived from the address */
	const struct strv *link_local; /* more addresses, all net_link_local(); NULL: none */
	const struct strv *avoid;      /* not to be chosen: others are to get these; NULL: none */
	bool default_route;	       /* this network's gateway is the default route */
};
enum { NET_LINK_LOCAL_MAX = 64 }; /* addresses of one interface */
/* Of 169.254.0.0/16 or fe80::/10. */
bool net_link_local(const char *text);
struct net_address {
	char ifname[16];
	char ipv4[INET_ADDRSTRLEN], ipv6[INET6_ADDRSTRLEN]; /* "" where there is none */
	char mac[18];
	uint8_t prefix4, prefix6;
};
/* Takes (or finds) the lease, makes the veth pair, moves one end into the network namespace
 * `netns`, sets addresses and routes there. Attaching what is attached already is success. */
int net_attach(struct net *net, int netns, const struct net_attach *attach, struct net_address *ret,
	       struct err *err);
/* Takes the veth away (with net_serve: within 20 ms); keeps the lease unless `release`. Missing is
 * success. */
int net_detach(struct net *net, const char *network, const char *key, bool release,
	       struct err *err);
/* Lease only, without an interface (plan, ps): 0 or ERR_NOT_FOUND. */
int net_lease(struct net *net, const char *network, const char *key, struct net_address *ret,
	      struct err *err);

/* --- published ports --- */

struct net_port {
	uint8_t protocol;	     /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	char host[INET6_ADDRSTRLEN]; /* "" for all addresses, IPv4 and IPv6; "0.0.0.0" and "::" for
					all of one kind */
	uint16_t published, target;  /* published 0: pick a free one in 32768..60999 */
};
struct net_target {
	char ipv4[INET_ADDRSTRLEN], ipv6[INET6_ADDRSTRLEN];
};
struct net_ports { /* one port owner: a service of a project, with its ports and the replicas that
		      answer */
	const char *owner; /* "<project>/<service>" */
	VEC(struct net_port) ports;
	VEC(struct net_target) targets; /* the healthy replicas; none: connections are refused */
};
/* Whether each port is free: against other owners of ours and against listening sockets of the
 * host, bound to try. ERR_CONFLICT names the holder ("port 5432 is used by process 'postgres' (pid
 * 812)" or "by service 'db' of project 'x'"). Ports that `owner` itself holds already are free for
 * it. */
int net_ports_check(struct net *net, const struct net_ports *ports, struct err *err);
/* Who holds a port: "process 'postgres' (pid 812)" or "service 'db' of project 'x'". Owned. */
char *net_port_holder(struct net *net, const struct net_port *port);
/* Publishes exactly these ports to exactly these targets, in one nftables transaction (replacing
 * what the owner had); picks the 0 ones (written back). Balances over the targets. Reachable from
 * outside, from the host itself (also 127.0.0.1 and ::1) and from containers (hairpin). While
 * published the host port is reserved by a bound socket that the handle holds. */
int net_ports_set(struct net *net, struct net_ports *ports, struct err *err);
int net_ports_remove(struct net *net, const char *owner, struct err *err);
/* Record of what is published, kept below STAVE_RUN/ports/<owner>: for ps and port. */
int net_ports_load(struct net *net, const char *owner, struct net_ports *ret, struct err *err);
void net_ports_done(struct net_ports *ports);

/* The listening TCP sockets in a network namespace, and how many connections stand in front of each
 * that it has not accepted. Costs some 50 microseconds. */
struct net_listener {
	uint16_t port;
	unsigned waiting;
};
struct net_listeners {
	VEC(struct net_listener) list;
};
int net_listeners(struct net *net, int netns, struct net_listeners *ret, struct err *err);

/* Removes interfaces, rules, port records and leases whose key begins with "<project>/" and is not
 * in `keep` (a sweep after crashes). `leaving` (may be NULL) is a network that net_network_remove()
 * is called for next: its interfaces and leases are left to that, or to net_flush() if it fails. */
int net_sweep(struct net *net, const char *project, const struct strv *keep, const char *leaving,
	      struct err *err);

/* --- names: net/dns.h --- */

#endif
