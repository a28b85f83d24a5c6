/* The two sockets in a container's network namespace. */
#include "net/dns.h"

#include "base/fs.h"

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

/* In a new namespace the loopback interface is down, and its addresses are nobody's. */
static void raise_loopback(void)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	if (fd >= 0)
		(void)ioctl(fd, SIOCSIFFLAGS, &lo); /* bind() says whether it is up */
}

static int open_both(int *ret_udp, int *ret_tcp, struct err *err)
{
	raise_loopback();
	cleanup_fd int udp = bind_one(SOCK_DGRAM, 53, err);
	if (udp < 0)
		return udp;
	int tcp = bind_one(SOCK_STREAM, 53, err);
	if (tcp < 0)
		return tcp;
	*ret_udp = fd_take(udp);
	*ret_tcp = tcp;
	return 0;
}

int dns_sockets(int netns, int *ret_udp, int *ret_tcp, struct err *err)
{
	int fd = fs_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0, err);
	cleanup_fd int back = fd;
	if (back < 0)
		return back;
	if (setns(netns, CLONE_NEWNET) < 0)
		return err_sys(err, errno, "enter a network namespace");
	int r = open_both(ret_udp, ret_tcp, err);
	if (setns(back, CLONE_NEWNET) < 0)
		abort(); /* everything we did from here on would be done in the container */
	return r;
}
