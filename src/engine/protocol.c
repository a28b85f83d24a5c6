#include "engine/protocol.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	READ_CHUNK = 64 << 10,
	OUT_MAX = FRAME_MAX + (1 << 20), /* a client that does not read its events is cut off */
};

static const struct {
	enum frame_type type;
	int fds;
	const char *name;
} frame_types[] = {
#define X(name, number, fds, text) { FRAME_##name, fds, text },
	FRAME_TYPES(X)
#undef X
};

const char *frame_type_name(enum frame_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(frame_types); i++)
		if (frame_types[i].type == type)
			return frame_types[i].name;
	return "?";
}

int frame_type_fds(enum frame_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(frame_types); i++)
		if (frame_types[i].type == type)
			return frame_types[i].fds;
	return -1;
}

void frame_done(struct frame *frame)
{
	json_decref(frame->body);
	for (int i = 0; i < frame->fd_count; i++)
		fd_close(frame->fds[i]);
	*frame = (struct frame){ 0 };
}

void channel_init(struct channel *channel, int fd)
{
	*channel = (struct channel){
		.fd = fd,
		.in = STR_INIT_MAX(FRAME_MAX + sizeof(struct frame_header) + READ_CHUNK),
		.out = STR_INIT_MAX(OUT_MAX),
	};
}

void channel_done(struct channel *channel)
{
	channel->fd = fd_close(channel->fd);
	str_done(&channel->in);
	str_done(&channel->out);
	for (int i = 0; i < channel->fd_count; i++)
		fd_close(channel->fds[i]);
	channel->fd_count = 0;
	vec_each(o, &channel->out_fds)
		fd_close(o->fd);
	vec_done(&channel->out_fds);
}

/* --- sending --- */

int channel_put_fds(struct channel *channel, enum frame_type type, const json_t *body,
		    const int *fds, int fd_count)
{
	cleanup_free char *text = body ? json_dumps(body, JSON_COMPACT) : xstrdup("{}");
	size_t len = text ? strlen(text) : 0;
	if (!text || len > FRAME_MAX || fd_count > FRAME_FDS)
		return -EMSGSIZE;
	if (channel->out_sent == channel->out.len) {
		str_clear(&channel->out);
		channel->out_sent = 0;
	}
	struct frame_header header = { .version = PROTOCOL_VERSION,
				       .type = (uint16_t)type,
				       .length = (uint32_t)len };
	size_t at = channel->out.len;
	str_addn(&channel->out, &header, sizeof(header));
	str_addn(&channel->out, text, len);
	if (str_overflowed(&channel->out))
		return -EMSGSIZE;
	for (int i = 0; i < fd_count; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (copy < 0)
			return -errno;
		vec_push(&channel->out_fds, (struct channel_fd){ .at = at, .fd = copy });
	}
	return 0;
}

int channel_put(struct channel *channel, enum frame_type type, const json_t *body, int fd)
{
	return channel_put_fds(channel, type, body, &fd, fd >= 0 ? 1 : 0);
}

/* Sends from out_sent up to the next place that has descriptors of its own. */
static ssize_t send_piece(struct channel *channel)
{
	size_t end = channel->out.len;
	int fds[FRAME_FDS], count = 0;
	vec_each(o, &channel->out_fds) {
		if (o->at == channel->out_sent && count < FRAME_FDS) {
			fds[count++] = o->fd;
		} else {
			end = o->at;
			break;
		}
	}
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(fds))];
	} control = { 0 };
	struct iovec iov = { .iov_base = channel->out.data + channel->out_sent,
			     .iov_len = end - channel->out_sent };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (count > 0) {
		size_t size = (size_t)count * sizeof(int);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(size);
		control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS,
						   .cmsg_len = CMSG_LEN(size) };
		memcpy(CMSG_DATA(&control.header), fds, size);
	}
	ssize_t n = sendmsg(channel->fd, &msg, MSG_NOSIGNAL);
	if (n <= 0)
		return n;
	for (int i = 0; i < count; i++) {
		fd_close(channel->out_fds.v[0].fd);
		vec_remove(&channel->out_fds, 0);
	}
	return n;
}

int channel_send(struct channel *channel)
{
	while (channel->out_sent < channel->out.len) {
		ssize_t n = send_piece(channel);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		channel->out_sent += (size_t)n;
	}
	str_clear(&channel->out);
	channel->out_sent = 0;
	return 1;
}

/* --- receiving --- */

static void take_fds(struct channel *channel, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (channel->fd_count < FRAME_FDS)
				channel->fds[channel->fd_count++] = fd;
			else
				fd_close(fd); /* more than any frame may have */
		}
	}
}

int channel_receive(struct channel *channel)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(FRAME_FDS * sizeof(int))];
	} control;
	char *room = str_room(&channel->in, READ_CHUNK);
	if (!room)
		return -EMSGSIZE;
	struct iovec iov = { .iov_base = room, .iov_len = READ_CHUNK };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.room) };
	ssize_t n;
	do
		n = recvmsg(channel->fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	take_fds(channel, &msg);
	if (n == 0)
		return 0;
	str_grew(&channel->in, (size_t)n);
	return 1;
}

int channel_take(struct channel *channel, struct frame *ret, struct err *err)
{
	struct frame_header header;
	if (channel->in.len < sizeof(header))
		return 0;
	memcpy(&header, channel->in.data, sizeof(header));
	if (header.version == 0 || header.length > FRAME_MAX)
		return err_new(err, ERR_INPUT, EBADMSG, "what arrived is not a control message");
	size_t whole = sizeof(header) + header.length;
	if (channel->in.len < whole)
		return 0;
	struct frame frame = { .version = header.version, .type = header.type };
	int r = json_parse(channel->in.data + sizeof(header), header.length, "control message",
			   &frame.body, err);
	if (r < 0)
		return r;
	int most = frame_type_fds(frame.type);
	while (channel->fd_count > 0 && frame.fd_count < most) {
		frame.fds[frame.fd_count++] = channel->fds[0];
		channel->fd_count--;
		memmove(channel->fds, channel->fds + 1, (size_t)channel->fd_count * sizeof(int));
	}
	memmove(channel->in.data, channel->in.data + whole, channel->in.len - whole);
	channel->in.len -= whole;
	if (channel->in.len == 0 && channel->in.cap > READ_CHUNK)
		str_done(&channel->in), channel->in.max = FRAME_MAX + sizeof(header) + READ_CHUNK;
	*ret = frame;
	return 1;
}

/* --- results --- */

json_t *result_error(const struct err *err)
{
	return json_pack("{s:{s:s, s:i, s:s}}", "error", "kind", err_kind_name(err->kind), "no",
			 err->no, "message", err->msg ? err->msg : "");
}

int result_to_err(const json_t *body, struct err *err)
{
	const json_t *error = json_object_get(body, "error");
	if (!json_is_object(error))
		return 0;
	enum err_kind kind = err_kind_parse(json_str(error, "kind", ""));
	int no = (int)json_int(error, "no", EIO);
	return err_new(err, kind == ERR_KIND_MAX_ ? ERR_INTERNAL : kind, no > 0 ? no : EIO, "%s",
		       json_str(error, "message", "failed"));
}
