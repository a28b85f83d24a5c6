/* The supervisor's control socket: who may ask for what, and what is answered. */
#include "base/build-id.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/conn.h"
#include "engine/supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	CONNS_MAX = 256,
	BACKLOG = 64,
};

void control_broadcast(struct supervisor *s, const json_t *event)
{
	for (size_t i = s->conns.n; i-- > 0;)
		if (s->conns.v[i]->busy == FRAME_EVENTS)
			conn_event(s->conns.v[i], event);
}

/* --- requests --- */

static void targets(struct supervisor *s, const json_t *body, struct err *err,
		    int (*fn)(struct life *life, const json_t *body, struct err *err))
{
	const json_t *ids = json_object_get(body, "ids");
	if (json_array_size(ids) == 0) {
		map_each(e, &s->lives) {
			struct life *life = e->value;
			cleanup_err struct err one = ERR_INIT;
			if (life_runs(life) && fn(life, body, &one) < 0 && err->no == 0)
				(void)err_move(err, &one);
		}
		return;
	}
	size_t i;
	json_t *id;
	json_array_foreach(ids, i, id) {
		cleanup_err struct err one = ERR_INIT;
		struct life *life =
			json_is_string(id) ? supervisor_life(s, json_string_value(id)) : NULL;
		int r = life ? fn(life, body, &one) : err_not_found(&one, "no such container");
		if (r < 0 && err->no == 0)
			(void)err_move(err, &one);
	}
}

static int kill_one(struct life *life, const json_t *body, struct err *err)
{
	return life_signal(life, (int)json_int(body, "signal", SIGKILL), err);
}

static int pause_one(struct life *life, const json_t *body, struct err *err)
{
	bool pause = json_flag(body, "pause", true);
	if (pause && life->c->state == CONTAINER_RUNNING)
		life->c->held = json_flag(body, "hold", false); /* the record tells the next us */
	return life_event(life, pause ? LIFE_PAUSE : LIFE_UNPAUSE, err);
}

/* What this client held goes on. */
static void let_go(struct conn *conn)
{
	for (size_t i = 0; i < conn->held.n; i++) {
		struct life *life = supervisor_life(conn->s, conn->held.v[i]);
		cleanup_err struct err err = ERR_INIT;
		if (life && life->c->state == CONTAINER_PAUSED && life->c->held &&
		    life_event(life, LIFE_UNPAUSE, &err) < 0)
			event_warning(conn->s, "container '%s': %s", life->c->name, err.msg);
	}
}

static void answer(struct conn *conn, const struct err *err)
{
	conn_result(conn, err->no ? err : NULL, NULL, FD_NONE);
}

static void ask_kill(struct conn *conn, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	int64_t signo = json_int(frame->body, "signal", SIGKILL);
	if (signo < 1 || signo >= NSIG)
		(void)err_input(&err, "no such signal");
	else
		targets(conn->s, frame->body, &err, kill_one);
	answer(conn, &err);
}

static void ask_pause(struct conn *conn, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	if (json_flag(frame->body, "hold", false))
		json_strv(frame->body, "ids", &conn->held);
	targets(conn->s, frame->body, &err, pause_one);
	answer(conn, &err);
}

static void ask_apply(struct conn *conn, struct frame *frame)
{
	struct job_request request = { .conn = conn,
				       .body = ptr_take(frame->body),
				       .stdio = { FD_NONE, FD_NONE, FD_NONE },
				       .run = frame->type == FRAME_RUN };
	if (frame->type == FRAME_RUN && frame->fd_count == 3)
		for (int i = 0; i < 3; i++)
			request.stdio[i] = fd_take(frame->fds[i]);
	job_new(conn->s, &request);
}

static void wait_result(struct conn *conn, int exit_code)
{
	free(conn->wait_id);
	conn->wait_id = NULL;
	conn_result(conn, NULL, json_pack("{s:i}", "exit_code", exit_code), FD_NONE);
}

static bool is_over(const struct life *life)
{
	return !container_is_up(life->c->state) && life->c->state != CONTAINER_BACKOFF;
}

/* Of a run that is named, its end is enough, whatever comes after it. */
static bool run_is_over(const struct life *life, nsec_t started)
{
	return started && !life->c->auto_remove &&
	       (life->c->started != started || !container_is_up(life->c->state));
}

/* What removes itself (run --rm) is over when it is gone. */
static void ask_wait(struct conn *conn, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	const char *id = json_str(frame->body, "id", "");
	struct life *life = supervisor_life(conn->s, id);
	const struct ended *ended = life ? NULL : supervisor_ended(conn->s, id);
	if (ended) {
		wait_result(conn, ended->exit_code);
	} else if (!life) {
		(void)err_not_found(&err, "no such container: '%s'", id);
		answer(conn, &err);
	} else if (run_is_over(life, json_int(frame->body, "started", 0))) {
		wait_result(conn, life->c->exit_code);
	} else if (is_over(life) && !(life->c->auto_remove && conn->s->removal_due)) {
		wait_result(conn, life->c->exit_code);
	} else {
		conn->wait_id = xstrdup(id);
		conn->wait_run = json_int(frame->body, "started", 0);
	}
}

static void ask_attach(struct conn *conn, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	const char *id = json_str(frame->body, "id", "");
	struct life *life = supervisor_life(conn->s, id);
	cleanup_fd int fd = life && life_runs(life)
				    ? stdio_attach(life, &err)
				    : err_new(&err, ERR_CONFLICT, ESRCH, "it is not running");
	if (fd < 0) {
		answer(conn, &err);
		return;
	}
	if (life->c->tty) {
		free(conn->console);
		conn->console = xstrdup(id);
	}
	conn_result(conn, NULL, json_pack("{s:b}", "tty", life->c->tty), fd);
}

static void ask_upgrade(struct conn *conn, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	if (conn->s->jobs.n > 0)
		(void)err_conflict(&err, "work is going on in this project: try again later");
	else if (frame->fd_count > 0)
		link_hold(conn->s, KEEPER_PROGRAM_OWNER, KEEPER_PROGRAM, frame->fds[0]);
	answer(conn, &err);
	if (err.no == 0)
		supervisor_upgrade(conn->s);
}

static void ask_quit(struct conn *conn, struct frame *frame)
{
	cleanup_err struct err err = ERR_INIT;
	(void)frame;
	map_each(e, &conn->s->lives) {
		if (life_runs(e->value) && err.no == 0)
			(void)err_conflict(&err, "containers are running");
	}
	answer(conn, &err);
}

static void ask_events(struct conn *conn, struct frame *frame)
{
	(void)conn; /* it is busy with EVENTS from now on */
	(void)frame;
}

static void ask_hello(struct conn *conn, struct frame *frame)
{
	(void)frame;
	cleanup_json json_t *body =
		json_pack("{s:i, s:s, s:s, s:i}", "version", PROTOCOL_VERSION, "stave",
			  STAVE_VERSION, "build", build_id(), "pid", (int)getpid());
	conn->greeted = true;
	conn->busy = 0;
	conn_put(conn, FRAME_HELLO_REPLY, body, FD_NONE);
}

static void ask_cancel(struct conn *conn, struct frame *frame)
{
	(void)frame;
	job_cancel(conn->s, conn, false);
}

static const struct {
	enum frame_type type;
	void (*fn)(struct conn *conn, struct frame *frame);
	bool any_version; /* understood whatever the sender's version is */
	bool when_busy;	  /* allowed while another request is being answered */
} requests[] = {
	{ FRAME_HELLO, ask_hello, true, false },     { FRAME_APPLY, ask_apply, false, false },
	{ FRAME_RUN, ask_apply, false, false },	     { FRAME_KILL, ask_kill, false, false },
	{ FRAME_PAUSE, ask_pause, false, false },    { FRAME_WAIT, ask_wait, false, false },
	{ FRAME_ATTACH, ask_attach, false, false },  { FRAME_EVENTS, ask_events, false, false },
	{ FRAME_UPGRADE, ask_upgrade, true, false }, { FRAME_QUIT, ask_quit, true, false },
	{ FRAME_CANCEL, ask_cancel, false, true },
};

/* 0, or why this frame is not answered. */
static int dispatch(struct conn *conn, struct frame *frame, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (requests[i].type != frame->type)
			continue;
		if (!conn->greeted && frame->type != FRAME_HELLO)
			return err_input(err, "a request before the greeting");
		if (frame->version != PROTOCOL_VERSION && !requests[i].any_version)
			return err_new(err, ERR_UNSUPPORTED, EPROTO,
				       "this supervisor speaks protocol %d, the client %d",
				       PROTOCOL_VERSION, frame->version);
		if (conn->busy && !requests[i].when_busy)
			return err_conflict(err, "a request while another is being answered");
		if (!requests[i].when_busy)
			conn->busy = (int)frame->type;
		requests[i].fn(conn, frame);
		return 0;
	}
	return err_new(err, ERR_UNSUPPORTED, EOPNOTSUPP, "no request has the number %d",
		       frame->type);
}

/* --- connections --- */

static void closed(struct conn *conn)
{
	struct supervisor *s = conn->s;
	job_cancel(s, conn, true);
	let_go(conn);
	struct life *life = conn->console ? supervisor_life(s, conn->console) : NULL;
	if (life)
		stdio_console_back(life);
	supervisor_idle_check(s);
}

/* Root, or whom the supervisor belongs to. */
static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void listener_ready(struct watch *w, int listener, uint32_t events, void *data)
{
	struct supervisor *s = data;
	(void)w;
	(void)events;
	cleanup_fd int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || s->conns.n >= CONNS_MAX || !may_ask(fd))
		return;
	static const struct conn_calls calls = { .dispatch = dispatch, .closed = closed };
	conn_new(s, fd_take(fd), &calls);
}

int control_open(struct supervisor *s, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/projects/%s", s->paths.run, s->name);
	cleanup_fd int dir = fs_opendirs(AT_FDCWD, path, 0700, err);
	if (dir < 0)
		return dir;
	/* By way of the directory's descriptor: a socket's path has only 108 bytes. */
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control", dir);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	(void)unlinkat(dir, "control", 0); /* a dead supervisor's */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(err, errno, "listen on '%s/control'", path);
	s->listener = fd_take(fd);
	s->listener_watch = loop_watch(s->loop, s->listener, EPOLLIN, listener_ready, s);
	return 0;
}

void control_close(struct supervisor *s)
{
	watch_close(s->listener_watch);
	s->listener_watch = NULL;
	s->listener = fd_close(s->listener);
	while (s->conns.n > 0)
		conn_close(s->conns.v[0]);
}

void control_container_ended(struct supervisor *s, struct life *life)
{
	for (size_t i = s->conns.n; i-- > 0;) {
		struct conn *conn = s->conns.v[i];
		if (conn->busy == FRAME_WAIT && str_eq(conn->wait_id, life->c->id))
			wait_result(conn, life->c->exit_code);
	}
}

void control_container_changed(struct supervisor *s, struct life *life)
{
	for (size_t i = s->conns.n; i-- > 0;) {
		struct conn *conn = s->conns.v[i];
		if (conn->busy == FRAME_WAIT && str_eq(conn->wait_id, life->c->id) &&
		    run_is_over(life, conn->wait_run))
			wait_result(conn, life->c->exit_code);
	}
}
