/* Follows what others do to the firewall while we run: a table of ours that is flushed comes back
 * (`nft flush ruleset` of an administrator), and a chain that begins to drop forwarded packets
 * (Docker started after us) gets our invitations. */
#ifndef STAVE_NET_MONITOR_H
#define STAVE_NET_MONITOR_H

#include "net/handle.h"

struct monitor;
/* NULL when the kernel does not tell; everything else works without. */
struct monitor *monitor__new(struct net *net, struct loop *loop);
void monitor__free(struct monitor *monitor); /* NULL is allowed */

#endif
