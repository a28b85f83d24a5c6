/* The two sockets in a container's network namespace. */
#include "net/dns.h"

#include "base/fs.h"
#include "net/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static const char address[] = "127.0.0.11";
enum { BACKLOG = 64 };

static int bind_one(int type, uint16_t port, struct err *err)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, address, &in.sin_addr);
	cleanup_fd int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "make a DNS socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return err_sys(err, errno, "open the DNS socket %s:%u", address, port);
	return fd_take(fd);
}

/* In a new namespace the loopback interface is down, and its addresses are nobody's. Asking whether
 * it is up does not wait for who changes interfaces; saying that it is to be does. */
static void raise_loopback(void)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = { .ifr_name = "lo" };
	if (fd < 0 || (ioctl(fd, SIOCGIFFLAGS, &lo) == 0 && (lo.ifr_flags & IFF_UP)))
		return;
	lo.ifr_flags = IFF_UP | IFF_RUNNING;
	(void)ioctl(fd, SIOCSIFFLAGS, &lo);
}

static int open_both(uint16_t port, int *ret_udp, int *ret_tcp, struct err *err)
{
	raise_loopback();
	cleanup_fd int udp = bind_one(SOCK_DGRAM, port, err);
	if (udp < 0)
		return udp;
	int tcp = bind_one(SOCK_STREAM, port, err);
	if (tcp < 0)
		return tcp;
	*ret_udp = fd_take(udp);
	*ret_tcp = tcp;
	return 0;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in in = { 0 };
	socklen_t len = sizeof(in);
	return getsockname(fd, (struct sockaddr *)&in, &len) == 0 ? ntohs(in.sin_port) : 0;
}

/* Ports are rewritten packet by packet, without connection tracking: that would follow everything
 * the container does. */
static int redirect(int udp, int tcp, struct err *err)
{
	static const struct {
		const char *protocol;
		bool tcp;
	} protocols[] = { { "udp", false }, { "tcp", true } };
	cleanup_str struct str text = STR_INIT;
	str_add(&text, "table ip stave_dns {\nchain output {\n"
		       "type filter hook output priority -300; policy accept;\n");
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		const char *name = protocols[i].protocol;
		unsigned port = port_of(protocols[i].tcp ? tcp : udp);
		str_addf(&text, "ip daddr %s %s dport 53 %s dport set %u\n", address, name, name,
			 port);
		str_addf(&text, "ip saddr %s %s sport %u %s sport set 53\n", address, name, port,
			 name);
	}
	str_add(&text, "}\n}\n");
	return nft__run(NULL, str_text(&text), err);
}

static int open_in(int netns, bool aside, int *ret_udp, int *ret_tcp, struct err *err)
{
	int fd = fs_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0, err);
	cleanup_fd int back = fd;
	if (back < 0)
		return back;
	if (setns(netns, CLONE_NEWNET) < 0)
		return err_sys(err, errno, "enter a network namespace");
	int udp = FD_NONE, tcp = FD_NONE;
	int r = open_both(aside ? 0 : 53, &udp, &tcp, err);
	if (r == 0 && aside)
		r = redirect(udp, tcp, err);
	if (setns(back, CLONE_NEWNET) < 0)
		abort(); /* everything we did from here on would be done in the container */
	if (r < 0) {
		fd_close(udp);
		fd_close(tcp);
		return r;
	}
	*ret_udp = udp;
	*ret_tcp = tcp;
	return 0;
}

int dns_sockets(int netns, int *ret_udp, int *ret_tcp, struct err *err)
{
	return open_in(netns, false, ret_udp, ret_tcp, err);
}

int dns_sockets_aside(int netns, int *ret_udp, int *ret_tcp, struct err *err)
{
	return open_in(netns, true, ret_udp, ret_tcp, err);
}
