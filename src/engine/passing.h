/* Messages with descriptors, between the supervisor and a process beside it: whole ones, in order,
 * over a SOCK_SEQPACKET socket. */
#ifndef STAVE_ENGINE_PASSING_H
#define STAVE_ENGINE_PASSING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { PASSED_MAX = 5 };
struct passed {
	int v[PASSED_MAX];
	size_t n;
};

/* Descriptors that are FD_NONE are left out: `there` says which were not. */
void passed_pack(struct passed *fds, bool *there, const int *from, size_t n);
void passed_unpack(const struct passed *fds, const bool *there, int *to, size_t n);

/* iov[1] may be empty. flags: MSG_DONTWAIT. Bytes of the message, 0 when the other side is gone,
 * negative errno. */
ssize_t passing_send(int socket, struct iovec iov[2], int flags, const struct passed *fds);
ssize_t passing_receive(int socket, struct iovec iov[2], int flags, struct passed *ret);

#endif
