/* The rules of our table: made once, from one text, and from then on only their sets and maps
 * change. Also the guests that our networks need in other programs' chains. */
#ifndef STAVE_NET_RULES_H
#define STAVE_NET_RULES_H

#include "net/handle.h"

/* Slots of the balancing ring: a port with several targets has them dealt out over this many
 * numbers. Divisible by 1 to 6, 8, 10 and 12, so that those counts share evenly. */
enum { RULES_RING = 120 };

/* Sees to it that the table is there, as this version wants it, with the networks and ports on
 * record; makes it again when it is missing (first use, reboot, `nft flush ruleset`). */
int rules__ready(struct net *net, struct err *err);
/* The same in two steps, between which a process is at work that the caller need not wait for, and
 * other processes that want the table wait: rules__ready() or rules__settle() must follow. */
int rules__begin(struct net *net, struct err *err);
int rules__settle(struct net *net, struct err *err);
/* Takes the table away when no network and no port is left in it. */
int rules__retire(struct net *net, struct err *err);

/* Lets the bridge's traffic pass the forward chains of others that drop by default (Docker, ufw),
 * and takes that back. An accept of ours alone does not help: a packet must pass every base chain.
 */
int rules__invite(struct net *net, const char *bridge, struct err *err);
int rules__disinvite(struct net *net, const char *bridge, struct err *err);

#endif
