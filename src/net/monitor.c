#include "net/monitor.h"

#include "net/link.h"
#include "net/network.h"
#include "net/rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

/* Other programs change their rules in several steps; looking once after the last is enough. */
#define SETTLE (100 * NSEC_PER_MSEC)

struct monitor {
	struct net *net;
	int fd;
	struct watch *watch;
	struct timer *settle;
};

/* Elements come and go with every port and container of everybody, and each transaction counts a
 * generation: those do not wake us. */
static void ignore_elements(int fd)
{
#define TYPE(message) htons(NFNL_SUBSYS_NFTABLES << 8 | (message)) /* BPF reads big-endian */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TYPE(NFT_MSG_NEWSETELEM), 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TYPE(NFT_MSG_DELSETELEM), 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TYPE(NFT_MSG_NEWGEN), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
#undef TYPE
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };
	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static void restore(struct net *net)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_strv struct strv names = { 0 };
	if (net_network_list(net, &names, &err) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		cleanup_err struct err failed = ERR_INIT; /* tried again at the next change */
		const struct network *n = NULL;
		if (network__get(net, names.v[i], &n, &failed) < 0 ||
		    link__index(net, n->record.bridge) < 0)
			continue; /* on record only: not up since the boot */
		if (rules__ready(net, &failed) == 0)
			(void)rules__invite(net, n->record.bridge, &failed);
	}
}

static void on_settled(struct timer *t, void *data)
{
	struct monitor *m = data;
	restore(m->net);
}

static void on_event(struct watch *w, int fd, uint32_t events, void *data)
{
	struct monitor *m = data;
	char buf[4096]; /* what it says does not matter, that something was said does */
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		;
	timer_again(m->settle, SETTLE);
}

struct monitor *monitor__new(struct net *net, struct loop *loop)
{
	cleanup_fd int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (fd < 0)
		return NULL;
	ignore_elements(fd);
	int group = NFNLGRP_NFTABLES;
	/* Without an address of its own the socket would get nothing: 0 means "not to" there. */
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return NULL;
	struct monitor *m = new0(struct monitor);
	m->net = net;
	m->fd = fd_take(fd);
	m->watch = loop_watch(loop, m->fd, EPOLLIN, on_event, m);
	m->settle = loop_timer(loop, NSEC_PER_SEC, 0, on_settled, m);
	timer_stop(m->settle);
	return m;
}

void monitor__free(struct monitor *m)
{
	if (!m)
		return;
	watch_close(m->watch);
	timer_close(m->settle);
	fd_close(m->fd);
	free(m);
}
