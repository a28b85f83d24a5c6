/* Names for containers: a UDP and a TCP socket on 127.0.0.11:53 inside each container's network
 * namespace, answered by the supervisor from its event loop. Who asks is known by the socket.
 *
 * Answered: services and aliases (all addresses, rotated), container names, reverse lookups, on the
 * networks that the asker shares; TTL 5. NODATA for AAAA of a name that has only A. Everything else
 * is forwarded to the host's resolvers (or the container's own dns:), the next one on failure,
 * answers passed back unchanged; /etc/resolv.conf of the host is followed. Names of other projects
 * on a shared network are found through STAVE_RUN/names/<network>/<project> files. */
#ifndef STAVE_NET_DNS_H
#define STAVE_NET_DNS_H

#include "net/net.h"

/* Opens the two sockets in the namespace (the caller's own namespace is unchanged after). Owned;
 * the keeper holds them too. */
int dns_sockets(int netns, int *ret_udp, int *ret_tcp, struct err *err);
/* The same for a container that serves DNS itself (it exposes or publishes port 53) and may bind
 * port 53 of all addresses, which our sockets would make fail: they get ports of their own, and
 * 127.0.0.11:53 is led there by an nftables table in the container's namespace. Costs up to a
 * millisecond more.
 */
int dns_sockets_aside(int netns, int *ret_udp, int *ret_tcp, struct err *err);

struct dns;
int dns_new(struct loop *loop, const char *run, const char *project, struct dns **ret,
	    struct err *err);
/* The same with another file than /etc/resolv.conf (tests). */
int dns_new_with(struct loop *loop, const char *run, const char *project, const char *resolv_conf,
		 struct dns **ret, struct err *err);
void dns_free(struct dns *dns); /* writes names that are not written yet; the files stay */
DEFINE_CLEANUP(struct dns, dns_free)

/* One asker: the container in slot `key`. Takes both descriptors (dups are not made). servers: the
 * container's dns: (empty: the host's); search domains and options go into resolv.conf, not here.
 */
struct dns_client {
	const char *key;
	int udp, tcp;
	struct strv servers;
	struct strv networks; /* network names it is on */
	bool forward;	      /* false on internal networks only: no external names */
};
/* A key that is known is replaced. */
int dns_client_add(struct dns *dns, const struct dns_client *client, struct err *err);
void dns_client_remove(struct dns *dns, const char *key);
int dns_client_networks(struct dns *dns, const char *key, const struct strv *networks);

/* The names of a network, as a whole: replaces what was known. A name whose addresses are both NULL
 * is known and has none (no healthy replica): the answer is empty, and the world is not asked. An
 * address is called, in reverse, by the first name that only its slot has: list the container's
 * name before the service's. */
struct dns_name {
	const char *name;	 /* lower case is not required; compared without case */
	const char *key;	 /* slot that it points at */
	const char *ipv4, *ipv6; /* NULL where there is none */
};
struct dns_names {
	VEC(struct dns_name) names;
};
/* Sets and publishes (for other projects) this project's names on `network`. */
int dns_names_set(struct dns *dns, const char *network, const struct dns_names *names,
		  struct err *err);

/* The pure part, for tests and fuzzing: parses one query packet (at most 4096 bytes). */
struct dns_question {
	char name[256]; /* lower case, without the final dot */
	uint16_t type, class, id;
};
int dns_parse_question(const void *packet, size_t len,
		       struct dns_question *ret); /* 0 or -EBADMSG */

#endif
