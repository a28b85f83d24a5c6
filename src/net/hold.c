/* Reserving a host port. */
#include "net/datagrams.h"
#include "net/port.h"
#include "net/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>

enum { PICK_LOW = 32768, PICK_HIGH = 60999, PICK_TRIES = 200 };

void hold__done(struct hold *hold)
{
	proxy__free(hold->proxy);
	hold->proxy = NULL;
	datagrams__free(hold->datagrams);
	hold->datagrams = NULL;
	hold->fd4 = fd_close(hold->fd4);
	hold->fd6 = fd_close(hold->fd6);
}

static socklen_t address_of(int family, const char *host, uint16_t port,
			    struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;
		in->sin_port = htons(port);
		if (host[0] && inet_pton(AF_INET, host, &in->sin_addr) != 1)
			return 0;
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	in6->sin6_port = htons(port);
	if (host[0] && inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return 0;
	return sizeof(*in6);
}

/* A descriptor, FD_NONE when the host has no such protocol or family, or negative errno. */
static int hold_one(int family, const struct net_port *port)
{
	int type = port->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	cleanup_fd int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, port->protocol);
	if (fd < 0)
		return errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT
			       ? FD_NONE
			       : -errno;
	struct sockaddr_storage address;
	socklen_t len = address_of(family, port->host, port->published, &address);
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	if (type == SOCK_DGRAM)
		datagrams__drop(fd, true);
	if (bind(fd, (struct sockaddr *)&address, len) == 0)
		return fd_take(fd);
	if (family == AF_INET6 && errno == EADDRNOTAVAIL && !port->host[0])
		return FD_NONE; /* disable_ipv6 */
	if (errno != EADDRINUSE || type == SOCK_DGRAM)
		return -errno;
	/* Connections that are long closed (TIME_WAIT) do not count; a listener does all the same.
	 * Nobody may share the port with us afterwards, so the option goes off again. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&address, len) < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 0 }, sizeof(int));
	return fd_take(fd);
}

static int open_both(struct hold *hold, const struct net_port *port)
{
	bool four = !port->host[0] || !strchr(port->host, ':');
	bool six = !port->host[0] || !four;
	*hold = (struct hold){ .port = *port, .fd4 = FD_NONE, .fd6 = FD_NONE };
	int fd = four ? hold_one(AF_INET, port) : FD_NONE;
	if (fd < 0 && fd != FD_NONE)
		return fd;
	hold->fd4 = fd;
	fd = six ? hold_one(AF_INET6, port) : FD_NONE;
	if (fd < 0 && fd != FD_NONE) {
		hold__done(hold);
		return fd;
	}
	hold->fd6 = fd;
	return 0;
}

static int pick(struct hold *hold, const struct net_port *port)
{
	struct net_port candidate = *port;
	for (int i = 0; i < PICK_TRIES; i++) {
		uint32_t random = 0;
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -errno;
		candidate.published = (uint16_t)(PICK_LOW + random % (PICK_HIGH - PICK_LOW + 1));
		int r = open_both(hold, &candidate);
		if (r != -EADDRINUSE)
			return r;
	}
	return -EADDRINUSE;
}

int hold__open(struct hold *hold, const struct net_port *port, struct err *err)
{
	char bytes[16];
	if (port->host[0] && inet_pton(AF_INET, port->host, bytes) != 1 &&
	    inet_pton(AF_INET6, port->host, bytes) != 1)
		return err_input(err, "'%s' is not an IP address", port->host);
	int r = port->published ? open_both(hold, port) : pick(hold, port);
	if (r == 0)
		return 0;
	if (r == -EADDRNOTAVAIL)
		return err_new(err, ERR_INPUT, EADDRNOTAVAIL,
			       "publish port %u: the host has no address '%s'", port->published,
			       port->host);
	return err_sys(err, -r, "publish port %u/%s", port->published,
		       port__protocol(port->protocol));
}
