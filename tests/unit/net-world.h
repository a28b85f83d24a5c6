/* A world of its own for tests of net/ that need root: a private network namespace for "the host"
 * (so that the machine's network and firewall are never touched), directories that go away, and
 * namespaces that stand for containers. */
#ifndef STAVE_TEST_NET_WORLD_H
#define STAVE_TEST_NET_WORLD_H

#include "test.h"

#include "base/fs.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
	char dir[64];
	char root[80], run[80];
	struct net *net;
	int host; /* the host's namespace */
};

/* Fails the test with the error's text. */
#define must(call)                                                                                 \
	do {                                                                                       \
		struct err err_ = ERR_INIT;                                                        \
		struct err *err = &err_;                                                           \
		int r_ = (call);                                                                   \
		if (r_ < 0)                                                                        \
			fail_msg("%s: %s", #call, err->msg ? err->msg : strerror(-r_));            \
	} while (0)

/* Expects a failure of this kind whose text contains `part`. */
#define must_fail(call, want_kind, part)                                                           \
	do {                                                                                       \
		struct err err_ = ERR_INIT;                                                        \
		struct err *err = &err_;                                                           \
		int r_ = (call);                                                                   \
		check(#call, r_ < 0, "succeeded");                                                 \
		check(#call, err->kind == (want_kind), "%s: %s", err_kind_name(err->kind),         \
		      err->msg);                                                                   \
		check(#call, strstr(err->msg, (part)) != NULL, "%s", err->msg);                    \
		err_done(err);                                                                     \
	} while (0)

static inline int here(void)
{
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static inline void go(int netns)
{
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

/* An empty namespace; the caller stays where it was. */
static inline int new_netns(void)
{
	int back = here();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	int fd = here();
	go(back);
	close(back);
	return fd;
}

static inline void loopback_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
}

static inline void world_init(struct world *w)
{
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	*w = (struct world){ 0 };
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: no network namespaces here\n");
		skip();
	}
	w->host = here();
	loopback_up();
	snprintf(w->dir, sizeof(w->dir), "/tmp/stave-net-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->root, sizeof(w->root), "%s/root", w->dir);
	snprintf(w->run, sizeof(w->run), "%s/run", w->dir);
	must(net_open(w->root, w->run, &w->net, err));
}

static inline void world_done(struct world *w)
{
	struct err ignored = ERR_INIT;
	net_free(w->net);
	close(w->host);
	fs_remove_tree(AT_FDCWD, w->dir, &ignored);
	err_done(&ignored);
}

/* A network with default settings but for what the caller changes in `config` before. */
static inline void make_network(struct world *w, const char *name, bool internal, bool ipv6,
				struct net_network *ret)
{
	struct net_config c;
	net_config_init(&c);
	c.name = xstrdup(name);
	c.internal = internal;
	c.ipv6 = ipv6;
	struct net_network n = { 0 };
	bool created = false;
	must(net_network_create(w->net, &c, &n, &created, err));
	assert_true(created);
	net_config_done(&c);
	if (ret)
		*ret = n;
	else
		net_network_done(&n);
}

static inline int container(struct world *w, const char *network, const char *key,
			    struct net_address *ret)
{
	int ns = new_netns();
	struct net_attach a = { .network = network, .key = key, .default_route = true };
	must(net_attach(w->net, ns, &a, ret, err));
	return ns;
}

static inline socklen_t sock_address(const char *ip, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (strchr(ip, ':')) {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, ip, &six->sin6_addr), 1);
		return sizeof(*six);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, ip, &in->sin_addr), 1);
	return sizeof(*in);
}

/* How long a socket waits. What is to arrive may take long on a busy or emulated machine, where a
 * lost first packet alone costs a second; what is not to arrive is waited for in vain each time. */
enum { PATIENCE = 20000, IN_VAIN = 400, IN_VAIN_6 = 3000 };
static bool in_vain;

static inline int socket_in(int netns, int family, int type)
{
	int back = here();
	go(netns);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	/* The kernel makes an IPv6 address answer neighbours from a work queue, some time after it
	 * was set; a question before that is asked again after a second. */
	int ms = !in_vain ? PATIENCE : family == AF_INET6 ? IN_VAIN_6 : IN_VAIN;
	struct timeval patience = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	go(back);
	close(back);
	return fd;
}

/* A bound socket, listening when it is a stream. */
static inline int serve(int netns, int type, const char *ip, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = sock_address(ip, port, &a);
	int fd = socket_in(netns, a.ss_family, type);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&a, len) < 0)
		fail_msg("bind %s:%u: %s", ip, port, strerror(errno));
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* Connects a stream; a descriptor or negative errno. */
static inline int dial(int netns, const char *ip, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = sock_address(ip, port, &a);
	int fd = socket_in(netns, a.ss_family, SOCK_STREAM);
	if (connect(fd, (struct sockaddr *)&a, len) == 0)
		return fd;
	int r = -errno;
	close(fd);
	return r;
}

/* Whether a connection from `netns` to ip:port arrives at the listening `server`; the address it
 * comes from is written to `from` (INET6_ADDRSTRLEN) unless NULL. */
static inline bool reaches(int netns, const char *ip, uint16_t port, int server, char *from)
{
	int client = dial(netns, ip, port);
	if (client < 0)
		return false;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int conn = accept4(server, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	bool same = false;
	if (conn >= 0) {
		char byte = 0;
		same = send(client, "x", 1, MSG_NOSIGNAL) == 1 && recv(conn, &byte, 1, 0) == 1 &&
		       byte == 'x' && send(conn, "y", 1, MSG_NOSIGNAL) == 1 &&
		       recv(client, &byte, 1, 0) == 1 && byte == 'y';
		if (from && peer.ss_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)&peer)->sin_addr, from,
				  INET6_ADDRSTRLEN);
		else if (from)
			inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&peer)->sin6_addr, from,
				  INET6_ADDRSTRLEN);
		close(conn);
	}
	close(client);
	return same;
}

/* Nothing gets from `netns` to ip:port. */
static inline bool cut_off(int netns, const char *ip, uint16_t port, int server)
{
	in_vain = true;
	bool reached = reaches(netns, ip, port, server, NULL);
	in_vain = false;
	return !reached;
}

/* A datagram to ip:port that arrives at `server` and whose answer comes back from where it was
 * sent to. */
static inline bool echoes(int netns, const char *ip, uint16_t port, int server)
{
	struct sockaddr_storage a, peer;
	socklen_t len = sock_address(ip, port, &a), peer_len = sizeof(peer);
	int client = socket_in(netns, a.ss_family, SOCK_DGRAM);
	char buf[8];
	bool same =
		connect(client, (struct sockaddr *)&a, len) == 0 && send(client, "hi", 2, 0) == 2 &&
		recvfrom(server, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &peer_len) == 2 &&
		sendto(server, "ho", 2, 0, (struct sockaddr *)&peer, peer_len) == 2 &&
		recv(client, buf, sizeof(buf), 0) == 2 && memcmp(buf, "ho", 2) == 0;
	close(client);
	return same;
}

#endif
