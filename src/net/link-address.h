/* Addresses in rtnetlink's messages. */
#ifndef STAVE_NET_LINK_ADDRESS_H
#define STAVE_NET_LINK_ADDRESS_H

#include "net/link.h"
#include "net/netlink.h"

/* As an attribute of the message. */
void link__put_address(struct nlmsghdr *m, uint16_t type, const struct address *a);
/* Adds a message to the batch that sets it. One that is there already is success. */
void link__add_address(struct netlink *nl, int index, const struct address *a, unsigned prefix);
/* An interface that was kept has what a container before had: takes away all addresses that are not
 * the pair's, but the kernel's own link-local one. 0 or negative errno. */
int link__drop_stale(struct netlink *nl, const struct link_pair *p, int index);

#endif
