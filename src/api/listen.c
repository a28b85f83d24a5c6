#include "api/listen.h"

#include "base/fs.h"
#include "base/parse.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { BACKLOG = 64, HOST_MAX = 64 };

static int bad_address(const char *text, struct err *err)
{
	return err_usage(err,
			 "invalid address '%s': expected ADDRESS:PORT (such as " LISTEN_DEFAULT
			 " or [::1]:9323), PORT or unix:/PATH",
			 text);
}

static int parse_path(const char *text, const char *path, struct listen *ret, struct err *err)
{
	struct sockaddr_un *to = &ret->address.unix_path;
	if (*path != '/')
		return bad_address(text, err);
	if (strlen(path) >= sizeof(to->sun_path))
		return err_usage(err, "the path of a socket has at most %zu bytes: '%s'",
				 sizeof(to->sun_path) - 1, path);
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(to->sun_path, path, strlen(path) + 1);
	ret->len = sizeof(*to);
	return 0;
}

int listen_parse(const char *text, struct listen *ret, struct err *err)
{
	const char *path = str_after(text, "unix:");
	if (path)
		return parse_path(text, path, ret, err);
	char host[HOST_MAX] = "127.0.0.1";
	const char *colon = strrchr(text, ':');
	uint64_t port;
	if (colon) {
		bool bracket = *text == '[' && colon > text + 1 && colon[-1] == ']';
		const char *from = text + bracket;
		size_t len = (size_t)(colon - from) - bracket;
		if (!len || len >= sizeof(host) || (!bracket && memchr(from, ':', len)))
			return bad_address(text, err);
		memcpy(host, from, len);
		host[len] = '\0';
		if (strcmp(host, "localhost") == 0)
			memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
	}
	if (parse_u64(colon ? colon + 1 : text, 1, UINT16_MAX, &port) < 0)
		return bad_address(text, err);
	*ret = (struct listen){ 0 };
	if (inet_pton(AF_INET, host, &ret->address.ipv4.sin_addr) == 1) {
		ret->address.ipv4.sin_family = AF_INET;
		ret->address.ipv4.sin_port = htons((uint16_t)port);
		ret->len = sizeof(ret->address.ipv4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &ret->address.ipv6.sin6_addr) != 1)
		return bad_address(text, err);
	ret->address.ipv6.sin6_family = AF_INET6;
	ret->address.ipv6.sin6_port = htons((uint16_t)port);
	ret->len = sizeof(ret->address.ipv6);
	return 0;
}

/* The address alone, and its port (0 for a socket file). */
static uint16_t host_of(const struct listen *where, char host[INET6_ADDRSTRLEN])
{
	host[0] = '\0';
	if (where->address.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &where->address.ipv4.sin_addr, host, INET6_ADDRSTRLEN);
		return ntohs(where->address.ipv4.sin_port);
	}
	if (where->address.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &where->address.ipv6.sin6_addr, host, INET6_ADDRSTRLEN);
		return ntohs(where->address.ipv6.sin6_port);
	}
	return 0;
}

char *listen_text(const struct listen *where)
{
	char host[INET6_ADDRSTRLEN];
	uint16_t port = host_of(where, host);
	if (!port)
		return xasprintf("unix:%s", where->address.unix_path.sun_path);
	bool ipv6 = where->address.any.sa_family == AF_INET6;
	return xasprintf("http://%s%s%s:%u", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port);
}

static int port_taken(const struct engine_paths *paths, const struct listen *where, struct err *err)
{
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_err struct err none = ERR_INIT;
	struct net_port port = { .protocol = IPPROTO_TCP };
	port.published = host_of(where, port.host);
	cleanup_free char *who = net_open(paths->root, paths->run, &net, &none) == 0
					 ? net_port_holder(net, &port)
					 : xstrdup("another process");
	return err_new(err, ERR_CONFLICT, EADDRINUSE, "port %u on %s is used by %s", port.published,
		       port.host, who);
}

static int not_bound(const struct listen *where, int why, struct err *err)
{
	char host[INET6_ADDRSTRLEN];
	uint16_t port = host_of(where, host);
	if (!port)
		return err_sys(err, why, "listen on '%s'", where->address.unix_path.sun_path);
	if (why == EADDRNOTAVAIL)
		return err_new(err, ERR_INPUT, why, "'%s' is no address of this machine", host);
	return err_sys(err, why, "listen on port %u of '%s'", port, host);
}

/* A socket file that is there: one that nobody listens on any more is removed. */
static int make_way(const struct sockaddr_un *to, struct err *err)
{
	struct stat st;
	if (lstat(to->sun_path, &st) < 0)
		return 0; /* bind says what is wrong */
	if (!S_ISSOCK(st.st_mode))
		return err_conflict(err, "'%s' exists and is no socket", to->sun_path);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0) {
		if (errno == ECONNREFUSED)
			(void)unlink(to->sun_path);
		return 0;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		peer.pid = 0;
	return err_conflict(err, "'%s' is used by process %d", to->sun_path, (int)peer.pid);
}

int listen_open(const struct engine_paths *paths, const struct listen *where, int *ret_fd,
		struct err *err)
{
	int family = where->address.any.sa_family, yes = 1;
	if (family == AF_UNIX) {
		int r = make_way(&where->address.unix_path, err);
		if (r < 0)
			return r;
	}
	cleanup_fd int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	if (family != AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	mode_t mask = umask(0177);
	int bound = bind(fd, &where->address.any, where->len);
	int why = errno;
	umask(mask);
	if (bound < 0 && why == EADDRINUSE && family != AF_UNIX)
		return port_taken(paths, where, err);
	if (bound < 0)
		return not_bound(where, why, err);
	if (listen(fd, BACKLOG) < 0) {
		why = errno;
		listen_forget(where);
		return why == EADDRINUSE && family != AF_UNIX ? port_taken(paths, where, err)
							      : not_bound(where, why, err);
	}
	*ret_fd = fd_take(fd);
	return 0;
}

void listen_forget(const struct listen *where)
{
	if (where->address.any.sa_family == AF_UNIX)
		(void)unlink(where->address.unix_path.sun_path);
}
