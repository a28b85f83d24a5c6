/* What a struct net holds, for this room's files only. One handle belongs to one process; nothing
 * here is shared but through the files under root and run, and the kernel. */
#ifndef STAVE_NET_HANDLE_H
#define STAVE_NET_HANDLE_H

#include "base/map.h"
#include "net/net.h"
#include "net/netlink.h"

/* An interface that is to be removed, and then its lease. */
struct net_detached {
	char host[16]; /* interface */
	char *network;
	char *file; /* the lease's, NULL: keep it */
};

struct net {
	int root;	   /* STAVE_ROOT/networks */
	int run;	   /* STAVE_RUN */
	char *root_path;   /* as given, for messages */
	char *run_path;	   /* its path as given, for messages and for the table's name */
	char table[24];	   /* nftables table, "stave" or "stave_<hash>" */
	struct netlink rt; /* rtnetlink in our own network namespace; opened on first use */
	struct netlink nf; /* nfnetlink, likewise */
	int part;	   /* of a transaction that goes in parts: the first failure, see nft.c */
	int (*restore)(struct net *net, struct err *err); /* fills a table that was made anew */
	struct rules_making *making; /* rules.c: the table is being made; NULL */
	int self;	     /* our own network namespace, to come back to; FD_NONE until needed */
	struct map networks; /* name -> struct network_cached, see network.c */
	struct map owners;   /* port owner -> struct port_owner, see port.c */
	struct loop *loop;   /* net_serve; NULL: none */
	struct monitor *monitor;	   /* while there is a loop */
	struct timer *flush;		   /* runs while `detached` is not empty */
	struct strv mended;		   /* net_mended() */
	VEC(struct net_detached) detached; /* interfaces that are to go, see attach.c */
};

/* Opens what the handle opens late. */
int net__rt(struct net *net, struct err *err);
int net__nf(struct net *net, struct err *err);

/* Runs in another network namespace until net__leave(). Nothing that may fail loudly belongs
 * between the two: a process that stays outside would make its rules in a container. */
int net__enter(struct net *net, int netns, struct err *err);
void net__leave(struct net *net); /* aborts when the way back is closed */

/* "<project>/<service>-<number>" as a file name: '/' becomes '+', which names cannot hold. Owned.
 * NULL when the key is not made of name characters (letters, digits, '_', '.', '-'). */
char *net__key_file(const char *key);
bool net__name_ok(const char *name); /* the same for one part: starts with a letter or digit */

/* Removes what was detached, and the bridge of the network that is being removed (or NULL), in one
 * transaction. That network's leases are left to the removal of its directory. */
struct network;
int net__flush(struct net *net, const struct network *removed, struct err *err);

/* An flock on a directory (no file is left behind), waiting for it. Close the descriptor to unlock.
 */
int net__lock(int dirfd, const char *dir, int *ret, struct err *err);

#endif
