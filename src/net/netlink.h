/* Netlink for this room: one socket, messages collected into a batch, one send, all the answers.
 * Serves rtnetlink (link.c) and nfnetlink (nft.c) alike; libmnl makes and reads the attributes.
 * Blocks only for the kernel's answer, which is immediate. */
#ifndef STAVE_NET_NETLINK_H
#define STAVE_NET_NETLINK_H

#include "base/err.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes of one batch: above what a port range of a thousand over many replicas needs. */
enum { NETLINK_BATCH_MAX = 16 << 20 };

struct netlink {
	int fd;	      /* FD_NONE: not open */
	uint32_t seq; /* of the last message made */
	char *buf;    /* the batch under construction */
	size_t len, cap;
	struct nlmsghdr *last;
	size_t last_at;	    /* where the message ended last begins */
	unsigned count;	    /* messages in it */
	uint32_t first_seq; /* of its first message */
	char text[160];	    /* the kernel's own words for the last failure, or "" */
};
#define NETLINK_INIT ((struct netlink){ .fd = FD_NONE })

/* Opens a socket in the calling thread's network namespace (protocol: NETLINK_ROUTE,
 * NETLINK_NETFILTER). Opening an open one is success. */
int netlink__open(struct netlink *nl, int protocol, struct err *err);
void netlink__close(struct netlink *nl);
#define cleanup_netlink cleanup(netlink__close)

/* Begins a message in the batch; attributes, at most 2 KiB, are added to the returned header. It
 * moves when the batch grows: use nl->last. `extra` is the family header's size; it is zeroed and
 * returned through *ret_extra (may be NULL). */
struct nlmsghdr *netlink__begin(struct netlink *nl, uint16_t type, uint16_t flags, size_t extra,
				void **ret_extra);
/* Ends the message under construction: call when its attributes are complete. */
void netlink__end(struct netlink *nl);
/* Asks for an acknowledgement of the message ended last. */
void netlink__ask_ack(struct netlink *nl);
/* Forgets the batch. */
void netlink__drop(struct netlink *nl);

/* Sends the batch and collects one acknowledgement for each message that asked for it (NLM_F_ACK).
 * results[i], when given, is 0 or negative errno of message i (for the first `n`). Returns 0 or the
 * first negative errno; messages after a failed one have been carried out all the same (rtnetlink).
 * The batch is empty afterwards. */
int netlink__commit(struct netlink *nl, int *results, unsigned n);

/* Sends the batch's single request and calls fn for every answer of it until the end: a dump, or
 * one answer. fn returns 0 to go on; another value is returned. An error answer is returned. */
typedef int (*netlink_fn)(const struct nlmsghdr *message, void *data);
int netlink__query(struct netlink *nl, bool dump, netlink_fn fn, void *data);

#endif
