/* Subnets and addresses as values, and the choice of a free one. Pure: no system calls. */
#ifndef STAVE_NET_SUBNET_H
#define STAVE_NET_SUBNET_H

#include "base/vec.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct subnet {
	int family; /* AF_INET or AF_INET6; 0: none */
	unsigned prefix;
	unsigned __int128 base; /* host byte order, host bits zero; IPv4 in the low 32 bits */
};

struct address {
	int family;
	unsigned __int128 value;
};

struct subnets {
	VEC(struct subnet) list;
};

enum { SUBNET_TEXT = INET6_ADDRSTRLEN + 4 };

/* "10.1.0.0/16"; host bits that are set are cleared ("10.1.2.3/16" means the same). Without a
 * slash, a single address. -EINVAL otherwise. */
int subnet__parse(const char *text, struct subnet *ret);
char *subnet__format(const struct subnet *subnet, char buf[SUBNET_TEXT]); /* returns buf */
int address__parse(const char *text, struct address *ret);		  /* 0 or -EINVAL */
/* buf: INET_ADDRSTRLEN or INET6_ADDRSTRLEN bytes, as the family needs. Returns buf. */
char *address__format(const struct address *address, char *buf);
/* From and to network byte order; the length follows from the family (4 or 16). */
struct address address__load(int family, const void *bytes);
void address__store(const struct address *address, void *bytes);

bool subnet__equal(const struct subnet *a, const struct subnet *b);
bool subnet__overlaps(const struct subnet *a, const struct subnet *b);
bool subnet__within(const struct subnet *inner, const struct subnet *outer);
bool subnet__contains(const struct subnet *subnet, const struct address *address);
/* The subnet's n-th address (0 is the network's own). */
struct address subnet__host(const struct subnet *subnet, uint64_t n);
struct address subnet__last(const struct subnet *subnet);
uint64_t subnet__index(const struct subnet *subnet, const struct address *address);
/* How many addresses it has; at most 2^62. */
uint64_t subnet__size(const struct subnet *subnet);

/* First and last number (subnet__host) that may be given to containers: without the network's own
 * and, for IPv4 larger than /31, the broadcast address. `range` (or NULL) narrows it. */
void subnet__bounds(const struct subnet *subnet, const struct subnet *range, uint64_t *ret_first,
		    uint64_t *ret_last);

/* A subnet of `prefix` bits in `pool` that overlaps none of `taken`, looking from number `start`
 * (modulo their count) on and around. False when all are taken. */
bool subnet__choose(const struct subnet *pool, unsigned prefix, uint64_t start,
		    const struct subnets *taken, struct subnet *ret);

#endif
