#include "net/netlink.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Kernel answers fit: dumps come in pieces of at most 32 KiB. */
enum { ANSWER_SIZE = 32 << 10, MESSAGE_ROOM = 2048 };

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

int netlink__open(struct netlink *nl, int protocol, struct err *err)
{
	if (nl->fd >= 0)
		return 0;
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return err_sys(err, errno, "open a netlink socket");
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		return err_sys(err, errno, "bind a netlink socket");
	/* Both are comforts: the kernel's own words, and short error answers. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &(int){ 1 }, sizeof(int));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &(int){ 1 }, sizeof(int));
	nl->fd = fd_take(fd);
	nl->seq = (uint32_t)getpid() << 8;
	return 0;
}

void netlink__close(struct netlink *nl)
{
	nl->fd = fd_close(nl->fd);
	free(nl->buf);
	*nl = NETLINK_INIT;
}

static void reserve(struct netlink *nl, size_t bytes)
{
	if (nl->len + bytes <= nl->cap)
		return;
	assert(nl->len + bytes <= NETLINK_BATCH_MAX); /* callers bound what they ask for */
	size_t last = nl->last ? (size_t)((char *)nl->last - nl->buf) : 0;
	size_t cap = nl->cap ? nl->cap : 8192;
	while (cap < nl->len + bytes)
		cap *= 2;
	nl->buf = xreallocarray(nl->buf, cap, 1);
	nl->cap = cap;
	if (nl->last)
		nl->last = (struct nlmsghdr *)(nl->buf + last);
}

struct nlmsghdr *netlink__begin(struct netlink *nl, uint16_t type, uint16_t flags, size_t extra,
				void **ret_extra)
{
	assert(!nl->last);
	reserve(nl, MESSAGE_ROOM + extra);
	/* mnl_nlmsg_put_header() zeroes the header; attributes pad themselves. */
	nl->last = mnl_nlmsg_put_header(nl->buf + nl->len);
	nl->last->nlmsg_type = type;
	nl->last->nlmsg_flags = flags | NLM_F_REQUEST;
	nl->last->nlmsg_seq = ++nl->seq;
	if (nl->count++ == 0)
		nl->first_seq = nl->seq;
	if (extra) {
		void *head = mnl_nlmsg_put_extra_header(nl->last, extra);
		if (ret_extra)
			*ret_extra = head;
	}
	return nl->last;
}

void netlink__end(struct netlink *nl)
{
	assert(nl->last);
	nl->last_at = nl->len;
	nl->len += MNL_ALIGN(nl->last->nlmsg_len);
	assert(nl->len <= nl->cap);
	nl->last = NULL;
}

void netlink__ask_ack(struct netlink *nl)
{
	assert(!nl->last && nl->count);
	((struct nlmsghdr *)(nl->buf + nl->last_at))->nlmsg_flags |= NLM_F_ACK;
}

void netlink__drop(struct netlink *nl)
{
	nl->len = 0;
	nl->last = NULL;
	nl->count = 0;
}

/* Sends what was collected; grows the send buffer once when the batch is larger than it. */
static int send_batch(struct netlink *nl)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	for (int attempt = 0;; attempt++) {
		ssize_t n = sendto(nl->fd, nl->buf, nl->len, 0, (struct sockaddr *)&kernel,
				   sizeof(kernel));
		if (n >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EMSGSIZE || attempt > 0)
			return -errno;
		int room = (int)(nl->len * 2);
		if (setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
			(void)setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	}
}

/* The text behind an error answer (NLMSGERR_ATTR_MSG), when the kernel sent one. */
static void keep_text(struct netlink *nl, const struct nlmsghdr *message)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(message);
	size_t skip = sizeof(*e);
	if (!(message->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len >= sizeof(e->msg))
		skip += e->msg.nlmsg_len - sizeof(e->msg);
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS) || mnl_nlmsg_get_payload_len(message) < skip)
		return;
	const struct nlattr *attr = NULL;
	mnl_attr_for_each(attr, message, (unsigned)skip)
	{
		if (mnl_attr_get_type(attr) != NLMSGERR_ATTR_MSG)
			continue;
		size_t len = mnl_attr_get_payload_len(attr);
		if (len >= sizeof(nl->text))
			len = sizeof(nl->text) - 1;
		memcpy(nl->text, mnl_attr_get_payload(attr), len);
		nl->text[len] = '\0';
	}
}

static ssize_t receive(struct netlink *nl, char *buf, size_t size)
{
	for (;;) {
		ssize_t n = recv(nl->fd, buf, size, 0);
		if (n >= 0 || errno != EINTR)
			return n < 0 ? -errno : n;
	}
}

int netlink__commit(struct netlink *nl, int *results, unsigned n)
{
	assert(!nl->last);
	unsigned wanted = 0;
	uint32_t first = nl->first_seq, last = nl->seq;
	for (size_t at = 0; at < nl->len;) {
		const struct nlmsghdr *m = (const struct nlmsghdr *)(nl->buf + at);
		wanted += !!(m->nlmsg_flags & NLM_F_ACK);
		at += MNL_ALIGN(m->nlmsg_len);
	}
	nl->text[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		results[i] = 0;
	int result = send_batch(nl);
	netlink__drop(nl);
	if (result < 0)
		return result;
	char *buf = xmalloc(ANSWER_SIZE);
	while (wanted > 0) {
		ssize_t got = receive(nl, buf, ANSWER_SIZE);
		if (got < 0) {
			result = (int)got;
			break;
		}
		const struct nlmsghdr *m = (const struct nlmsghdr *)buf;
		int left = (int)got;
		for (; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
			/* Answers to an earlier batch that failed half-way are not ours. */
			if (m->nlmsg_type != NLMSG_ERROR || m->nlmsg_seq - first > last - first)
				continue;
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
			unsigned at = m->nlmsg_seq - first;
			if (at < n)
				results[at] = e->error;
			if (e->error && !result) {
				result = e->error;
				keep_text(nl, m);
			}
			/* A message that asked for no acknowledgement answers all the same when it
			 * failed. */
			if (wanted > 0 && (e->msg.nlmsg_flags & NLM_F_ACK))
				wanted--;
		}
	}
	free(buf);
	return result;
}

int netlink__query(struct netlink *nl, bool dump, netlink_fn fn, void *data)
{
	assert(!nl->last && nl->count == 1);
	uint32_t seq = nl->seq;
	nl->text[0] = '\0';
	int result = send_batch(nl);
	netlink__drop(nl);
	if (result < 0)
		return result;
	char *buf = xmalloc(ANSWER_SIZE);
	for (bool done = false; !done;) {
		ssize_t got = receive(nl, buf, ANSWER_SIZE);
		if (got < 0) {
			result = (int)got;
			break;
		}
		const struct nlmsghdr *m = (const struct nlmsghdr *)buf;
		int left = (int)got;
		for (; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_seq != seq)
				continue;
			if (m->nlmsg_type == NLMSG_DONE) {
				done = true;
			} else if (m->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
				if (!result)
					result = e->error;
				keep_text(nl, m);
				done = true;
			} else {
				/* After fn has had enough the rest is read and left. */
				if (!result && fn)
					result = fn(m, data);
				done = done || !dump;
			}
		}
	}
	free(buf);
	return result;
}
