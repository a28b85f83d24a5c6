/* The second way to a published UDP port, as net/proxy.h is for TCP: ::1, and IPv6 of the host for
 * containers that have only IPv4. Each client has a socket of its own towards the replica, so that
 * answers find their way back, as with Docker's proxy. Runs on the supervisor's loop. */
#ifndef STAVE_NET_DATAGRAMS_H
#define STAVE_NET_DATAGRAMS_H

#include "net/net.h"

struct datagrams;
/* Receives from the bound IPv6 socket `fd` (borrowed; it must stay open until datagrams__free, and
 * drops what arrives while there are no targets). */
struct datagrams *datagrams__new(struct loop *loop, int fd);
/* Ends the flows. NULL is allowed. */
void datagrams__free(struct datagrams *d);
/* Where new flows go, in turn; flows to a replica that went are forgotten. `port` is the replicas'.
 */
void datagrams__targets(struct datagrams *d, const struct net_ports *ports, uint16_t port);

/* A bound UDP socket: lets nothing in any more, or again. What is not translated and not received
 * here (no replica is there) would pile up in it. */
void datagrams__drop(int fd, bool drop);

#endif
