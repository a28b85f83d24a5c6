/* Datagram flows that the kernel remembers. A flow keeps its translation for as long as packets
 * follow each other, also to a replica that is gone; connections end by themselves, flows do not.
 */
#ifndef STAVE_NET_CONNTRACK_H
#define STAVE_NET_CONNTRACK_H

#include "net/handle.h"

/* Forgets flows to the UDP ports of `ports` that lead elsewhere than to one of its targets: their
 * next packet is translated anew. Reads the whole table of flows. Best effort. */
void conntrack__forget(struct net *net, const struct net_ports *ports);

#endif
