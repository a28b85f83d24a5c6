/* Where the API listens: an address of the machine, or a socket file. */
#ifndef STAVE_API_LISTEN_H
#define STAVE_API_LISTEN_H

#include "engine/state.h"

#include <netinet/in.h>
#include <sys/un.h>

#define LISTEN_DEFAULT "127.0.0.1:9323" /* what Docker's own metrics are usually given */

struct listen {
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
		struct sockaddr_un unix_path;
	} address;
	socklen_t len;
};

/* "127.0.0.1:9323", "[::1]:9323", "localhost:9323", "9323" (of this machine only) or
 * "unix:/run/stave.sock". ERR_USAGE. */
int listen_parse(const char *text, struct listen *ret, struct err *err);
/* "http://127.0.0.1:9323" or "unix:/run/stave.sock". Owned. */
char *listen_text(const struct listen *where);
/* A listening socket, not blocking. A socket file has mode 0600, and replaces one that nobody
 * listens on. ERR_CONFLICT names who has the port. */
int listen_open(const struct engine_paths *paths, const struct listen *where, int *ret_fd,
		struct err *err);
/* Removes the socket file, where it is one. */
void listen_forget(const struct listen *where);

#endif
