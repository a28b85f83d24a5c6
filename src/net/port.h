/* Published ports inside this room. */
#ifndef STAVE_NET_PORT_H
#define STAVE_NET_PORT_H

#include "net/handle.h"
#include "net/subnet.h"

enum { PORTS_MAX = 4096, TARGETS_MAX = 4096 }; /* of an owner */

void port__owner_free(void *owner);
/* Puts the elements of all port records into the (new) table. */
int port__restore(struct net *net, struct err *err);
/* Removes what owners of the project publish, but those of which a slot is in `keep`. */
int port__sweep(struct net *net, const char *project, const struct strv *keep, struct err *err);

/* --- port-record.c: what is published, on disk --- */

/* Owners on record. */
int port__owners(struct net *net, struct strv *ret, struct err *err);
/* `before` (or NULL) is kept in the record until the next one. */
int port__save(struct net *net, const struct net_ports *ports, const struct net_ports *before,
	       struct err *err);
/* before: what the record says was there before, or NULL when that is not asked. */
int port__load(struct net *net, const char *owner, struct net_ports *ret, struct net_ports *before,
	       struct err *err);
bool port__same_record(const struct net_ports *a, const struct net_ports *b);
char *port__record_path(const char *owner);   /* below the run directory; owned; NULL: no name */
const char *port__protocol(uint8_t protocol); /* "tcp" */
/* The address a port is published on: false for all of both families (""). value 0 ("0.0.0.0",
 * "::") stands for all of its family. */
bool port__host(const struct net_port *port, struct address *ret);
/* Whether both would answer for the same packets. */
bool port__overlaps(const struct net_port *a, const struct net_port *b);

/* The address of a replica, IPv4 before IPv6, as for a socket. False: it has none. */
bool port__target(const struct net_target *target, uint16_t port, struct sockaddr_storage *ret);

/* --- hold.c: the host's port, reserved by bound sockets --- */

/* Bound: other programs' bind() or listen() fails, while packets have been translated long before
 * they could reach it. Only the IPv6 socket may listen, for the proxy. */
struct hold {
	struct net_port port;
	int fd4, fd6;		     /* FD_NONE: that family is not concerned or not there */
	struct proxy *proxy;	     /* on fd6, or NULL */
	struct datagrams *datagrams; /* the same for UDP */
};
void hold__done(struct hold *hold);
/* Binds. -EADDRINUSE (err filled, without the holder's name), other errors; a published port of 0
 * picks one and writes it into hold->port. */
int hold__open(struct hold *hold, const struct net_port *port, struct err *err);

/* --- port-check.c: who has it --- */

/* "process 'postgres' (pid 812)" or "service 'db' of project 'x'"; owned, never NULL. */
char *port__holder(struct net *net, const struct net_port *port, const char *self);
/* Whether another owner than `self` has the port on record; *ret_who is owned. */
bool port__recorded(struct net *net, const struct net_port *port, const char *self, char **ret_who);

#endif
