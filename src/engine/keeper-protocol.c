#include "engine/keeper-protocol.h"

#include "base/cleanup.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

bool keeper_message_init(struct keeper_message *message, enum keeper_message_type type,
			 const char *name)
{
	*message = (struct keeper_message){ .version = KEEPER_VERSION, .type = type };
	size_t len = name ? strlen(name) : 0;
	if (len >= KEEPER_NAME_MAX)
		return false;
	if (len > 0)
		memcpy(message->name, name, len);
	return true;
}

int keeper_send(int socket, const struct keeper_message *message, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)message, .iov_len = sizeof(*message) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.room);
		control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS,
						   .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	for (;;) {
		if (sendmsg(socket, &msg, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

static int received_fd(struct msghdr *msg)
{
	int fd = FD_NONE;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int keeper_receive(int socket, int flags, struct keeper_message *ret, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.room) };
	ssize_t n;
	do
		n = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	cleanup_fd int fd = received_fd(&msg);
	if (n != sizeof(*ret) || ret->version == 0 || !memchr(ret->name, 0, sizeof(ret->name)))
		return -EBADMSG;
	*ret_fd = fd_take(fd);
	return 1;
}
