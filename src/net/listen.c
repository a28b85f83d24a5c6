/* The listening TCP sockets of a network namespace, as inet_diag tells them. */
#include "net/handle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

enum { STATE_LISTEN = 10 }; /* the kernel's TCP_LISTEN */

static int see_socket(const struct nlmsghdr *m, void *data)
{
	struct net_listeners *all = data;
	const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(m);
	const struct net_listener listener = {
		.port = ntohs(socket->id.idiag_sport),
		.waiting = socket->idiag_rqueue,
	};
	vec_push(&all->list, listener);
	return 0;
}

static int ask(struct netlink *nl, int family, struct net_listeners *ret)
{
	void *head = NULL;
	netlink__begin(nl, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(struct inet_diag_req_v2), &head);
	struct inet_diag_req_v2 *request = head;
	request->sdiag_family = (uint8_t)family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = 1u << STATE_LISTEN;
	netlink__end(nl);
	return netlink__query(nl, true, see_socket, ret);
}

int net_listeners(struct net *net, int netns, struct net_listeners *ret, struct err *err)
{
	cleanup_netlink struct netlink nl = NETLINK_INIT;
	int r = net__enter(net, netns, err);
	if (r < 0)
		return r;
	r = netlink__open(&nl, NETLINK_SOCK_DIAG, err);
	net__leave(net);
	if (r < 0)
		return r;
	r = ask(&nl, AF_INET, ret);
	if (r == 0)
		r = ask(&nl, AF_INET6, ret);
	return r < 0 ? err_sys(err, -r, "list the listening sockets") : 0;
}
