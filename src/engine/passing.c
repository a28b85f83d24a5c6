#include "engine/passing.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void passed_pack(struct passed *fds, bool *there, const int *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		there[i] = from[i] >= 0;
		if (there[i])
			fds->v[fds->n++] = from[i];
	}
}

void passed_unpack(const struct passed *fds, const bool *there, int *to, size_t n)
{
	size_t at = 0;
	for (size_t i = 0; i < n; i++)
		to[i] = there[i] && at < fds->n ? fds->v[at++] : FD_NONE;
}

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(PASSED_MAX * sizeof(int))];
};

ssize_t passing_send(int socket, struct iovec iov[2], int flags, const struct passed *fds)
{
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = iov[1].iov_len ? 2 : 1,
			      .msg_control = fds->n ? &control : NULL,
			      .msg_controllen = fds->n ? CMSG_SPACE(fds->n * sizeof(int)) : 0 };
	control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(fds->n * sizeof(int)) };
	memcpy(CMSG_DATA(&control.header), fds->v, fds->n * sizeof(int));
	ssize_t sent;
	do
		sent = sendmsg(socket, &msg, MSG_NOSIGNAL | flags);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

ssize_t passing_receive(int socket, struct iovec iov[2], int flags, struct passed *ret)
{
	union control control;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = iov[1].iov_len ? 2 : 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.room) };
	ssize_t n;
	do
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ret->n = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	if (c)
		memcpy(ret->v, CMSG_DATA(c), ret->n * sizeof(int));
	return n;
}
