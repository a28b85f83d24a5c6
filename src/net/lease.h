/* Addresses of one network: who has which. In the network's directory:
 *
 *	leases/<key>         "10.190.3.7 - <key>": the key's addresses, IPv4 and IPv6
 *	addresses/<address>  another link to the same file, so that finding a free one needs no
 *	                     search; a link to any other file does not count
 *	next4, next6         number of the first address that was never given
 *	freed4               addresses that came back, oldest first
 *
 * A lease is one new file and two or three links: making a file is by far the dearest part
 * (measured on ext4: 0.13 ms, a link 0.01 ms, replacing a file by renaming 0.4 ms).
 *
 * Never used addresses are given first, then those that have been free for longest: what a client
 * remembers of an old address does not lead it to a stranger soon. Lookups take the same time
 * however many leases there are. All of it happens under an flock of the directory. */
#ifndef STAVE_NET_LEASE_H
#define STAVE_NET_LEASE_H

#include "net/handle.h"
#include "net/subnet.h"

struct lease_pool {
	struct subnet subnet; /* family 0: the network has no such addresses */
	struct subnet range;  /* family 0: the whole subnet */
	struct address gateway;
	VEC(struct address) reserved;
};
struct lease_pools {
	struct lease_pool v4, v6;
};
void lease__pools_done(struct lease_pools *pools);

struct lease {
	struct address ipv4, ipv6; /* family 0: none */
};

/* Finds the key's lease or takes a new one. want4, want6: static addresses or NULL (any; a lease
 * that exists is kept). ERR_CONFLICT: the address is another's (named), or none is left; ERR_INPUT:
 * it is not in the subnet. avoid (or NULL): addresses that are
 * not to be chosen; a lease that has one, and is not to have it, changes. `key` is a file name
 * (net__key_file). */
int lease__take(int dirfd, const struct lease_pools *pools, const char *key, const char *want4,
		const char *want6, const struct strv *avoid, struct lease *ret, struct err *err);
/* 0 or -ENOENT, or another negative errno. */
int lease__find(int dirfd, const char *key, struct lease *ret);
/* Missing is success. */
int lease__release(int dirfd, const char *key, struct err *err);
/* Keys with a lease, as file names, sorted. */
int lease__list(int dirfd, struct strv *ret, struct err *err);

#endif
