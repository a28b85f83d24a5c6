/* Networks inside this room: the record on disk, and what is worked out from it once. */
#ifndef STAVE_NET_NETWORK_H
#define STAVE_NET_NETWORK_H

#include "net/handle.h"
#include "net/lease.h"

#include <sys/stat.h>

/* A network as read, with its parsed form. Kept in net->networks while its file is the same. */
struct network {
	struct net_network record;
	struct lease_pools pools;
	bool icc;    /* containers may talk to each other */
	bool masked; /* what goes out is masqueraded */
	struct timespec modified;
	ino_t inode;
};
void network__cached_free(void *network);

/* Borrowed from the handle, until the next call. ERR_NOT_FOUND when there is none, ERR_INPUT when
 * neither its record nor the copy of it can be read. */
int network__get(struct net *net, const char *name, const struct network **ret, struct err *err);
/* Whether there is a record. An empty one is none: a power cut while it was made. */
bool network__recorded(struct net *net, const char *name);
/* The network's directory; a descriptor for the caller to close, or negative errno. */
int network__dir(struct net *net, const char *name, struct err *err);
int network__save(struct net *net, const struct net_network *network, struct err *err);
/* The copy of a record from which a damaged one is made anew, where there is none. */
int network__copy(struct net *net, const struct net_network *network, struct err *err);
/* Before the directory goes: the copy, and what is kept in memory. */
void network__forget(struct net *net, const char *name);
/* Parses what the record says as text. */
int network__parse(struct network *network, struct err *err);

unsigned network__option_mtu(const json_t *options); /* 0: not given */

/* Checks a config by itself and fills subnets and gateways of the record: given ones against the
 * host's routes and the other networks, missing ones chosen. `attempt` makes it look elsewhere
 * after a choice that collided with another process's. */
int network__choose(struct net *net, struct net_network *network, unsigned attempt,
		    struct err *err);

/* Puts the elements of all networks on record into the (new) table. */
int network__restore(struct net *net, struct err *err);

#endif
