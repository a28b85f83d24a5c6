/* Connections of clients: sending, receiving, ending. */
#include "engine/conn.h"

static void conn_flush(struct conn *conn)
{
	if (conn->closing)
		return;
	int r = channel_send(&conn->channel);
	if (r < 0)
		conn_close(conn);
	else
		watch_events(conn->watch, r > 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void conn_put(struct conn *conn, enum frame_type type, const json_t *body, int fd)
{
	if (conn->closing)
		return;
	if (channel_put(&conn->channel, type, body, fd) < 0)
		conn_close(conn); /* it does not read what it asked for */
	else
		conn_flush(conn);
}

void conn_event(struct conn *conn, const json_t *event)
{
	conn_put(conn, FRAME_EVENT, event, FD_NONE);
}

void conn_result(struct conn *conn, const struct err *err, json_t *extra, int fd)
{
	cleanup_json json_t *body = err ? result_error(err) : json_object();
	if (extra)
		(void)json_object_update(body, extra);
	if (conn->busy == FRAME_RUN && !err && extra && fd >= 0) {
		free(conn->console);
		conn->console = xstrdup(json_str(extra, "id", NULL));
	}
	json_decref(extra);
	conn->busy = 0;
	conn_put(conn, FRAME_RESULT, body, fd);
}

static void conn_free(void *data)
{
	struct conn *conn = data;
	channel_done(&conn->channel);
	free(conn->wait_id);
	free(conn->console);
	strv_done(&conn->held);
	free(conn);
}

void conn_close(struct conn *conn)
{
	struct supervisor *s = conn->s;
	if (conn->closing)
		return;
	conn->closing = true;
	for (size_t i = 0; i < s->conns.n; i++) {
		if (s->conns.v[i] == conn) {
			vec_remove(&s->conns, i);
			break;
		}
	}
	watch_close(conn->watch);
	conn->calls->closed(conn);
	loop_defer(s->loop, conn_free, conn);
}

static void conn_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct conn *conn = data;
	(void)w;
	(void)fd;
	if (events & EPOLLOUT)
		conn_flush(conn);
	if (conn->closing || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	int got = channel_receive(&conn->channel);
	if (got == -EAGAIN)
		return;
	for (int r = 1; r > 0 && !conn->closing;) {
		cleanup_frame struct frame frame = { 0 };
		cleanup_err struct err err = ERR_INIT;
		r = channel_take(&conn->channel, &frame, &err);
		if (r > 0)
			r = conn->calls->dispatch(conn, &frame, &err) < 0 ? -1 : 1;
		if (r < 0 && !conn->closing) {
			conn->busy = 0;
			conn_result(conn, &err, NULL, FD_NONE);
			got = 0;
		}
	}
	if (got <= 0)
		conn_close(conn);
}

void conn_new(struct supervisor *s, int fd, const struct conn_calls *calls)
{
	struct conn *conn = new0(struct conn);
	conn->s = s;
	conn->calls = calls;
	channel_init(&conn->channel, fd);
	conn->watch = loop_watch(s->loop, conn->channel.fd, EPOLLIN, conn_ready, conn);
	vec_push(&s->conns, conn);
}
