/* The second way to a published port: a listener that splices to a replica. It serves what address
 * translation cannot: ::1 (Linux does not route it), and IPv6 of the host for containers that have
 * only IPv4. Runs on the supervisor's loop; TCP only (net/datagrams.h is UDP's). */
#ifndef STAVE_NET_PROXY_H
#define STAVE_NET_PROXY_H

#include "net/net.h"

struct proxy;
/* Listens on the bound socket `fd` (borrowed; it must stay open until proxy__free, and stays bound
 * after). NULL when it cannot listen. */
struct proxy *proxy__new(struct loop *loop, int fd);
/* Stops listening and ends the connections. NULL is allowed. */
void proxy__free(struct proxy *proxy);
/* Where new connections go, in turn; none: they are refused. `port` is the replicas'. Connections
 * that exist stay. */
void proxy__targets(struct proxy *proxy, const struct net_ports *ports, uint16_t port);

#endif
