#include "engine/client.h"

#include "base/build-id.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "compose/compose.h"
#include "engine/keeper-protocol.h"
#include "engine/keeper.h"
#include "engine/protocol.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	OPEN_LIMIT_MS = 10000, /* a supervisor that comes or goes is waited for this long */
	RETRY_FIRST_MS = 2,
	RETRY_MAX_MS = 100,
	APPLY_TRIES = 3, /* a supervisor that dies at work is asked again: a goal can be asked for
			    twice */
	READY_TEXT_MAX = 4096,
	/* A supervisor answers a greeting at once, whatever it is at work on. One that has not for
	 * so long hangs, or its machine does. */
	PATIENCE_S = 20,
};

struct client {
	struct engine_paths paths; /* owned copies */
	char *project;
	struct channel channel;
	int interrupt_fd; /* borrowed; FD_NONE: none */
	bool upgrades;	  /* a supervisor of another build is asked to step aside; once */
};

void client_free(struct client *client)
{
	if (!client)
		return;
	channel_done(&client->channel);
	free(client->paths.root);
	free(client->paths.run);
	free(client->project);
	free(client);
}

/* --- waiting --- */

static nsec_t patience(void)
{
	const char *text = getenv("STAVE_PATIENCE");
	int64_t seconds = PATIENCE_S;
	if (text && parse_i64(text, 1, 86400, &seconds) < 0)
		seconds = PATIENCE_S;
	return seconds * NSEC_PER_SEC;
}

/* Until the descriptor is ready. 0; 1: interrupted (that signal is taken); -ETIMEDOUT. */
static int wait_for(int fd, short events, int interrupt_fd, nsec_t limit)
{
	nsec_t end = now_mono() + limit;
	for (;;) {
		struct pollfd fds[] = { { .fd = fd, .events = events },
					{ .fd = interrupt_fd, .events = POLLIN } };
		nsec_t left = end - now_mono();
		if (left <= 0)
			return -ETIMEDOUT;
		int r = poll(fds, 2, (int)(left / NSEC_PER_MSEC) + 1);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		if (fds[1].revents & POLLIN) {
			struct signalfd_siginfo info;
			(void)!read(interrupt_fd, &info,
				    sizeof(info)); /* or an epoll: stays ready */
			return 1;
		}
		if (fds[0].revents)
			return 0;
	}
}

static int interrupted(struct err *err)
{
	return err_new(err, ERR_CANCELLED, ECANCELED, "interrupted");
}

/* Says who does not answer, and what can be done about it. */
static int hangs(const struct client *client, struct err *err)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	(void)getsockopt(client->channel.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	return err_new(
		err, ERR_TIMEOUT, ETIMEDOUT,
		"the supervisor of '%s' (process %d) has not answered for %d s; its containers "
		"go on. If it stays so, 'kill -9 %d' is safe: another one takes its place, and "
		"no container restarts",
		client->project, (int)peer.pid, (int)(patience() / NSEC_PER_SEC), (int)peer.pid);
}

/* --- starting a keeper --- */

/* 0: a supervisor listens; -EAGAIN (no err): another keeper is there, or was just now. */
static int spawn(const struct client *client, struct err *err)
{
	const struct engine_paths *paths = &client->paths;
	const char *project = client->project;
	int ready[2];
	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	int r = keeper_start(paths, project, ready[1], err);
	fd_close(ready[1]);
	cleanup_fd int from = ready[0];
	if (r < 0)
		return r;
	cleanup_str struct str text = STR_INIT;
	r = wait_for(from, POLLIN, client->interrupt_fd, patience());
	if (r > 0)
		return interrupted(err);
	if (r < 0)
		return err_new(err, ERR_TIMEOUT, -r,
			       "the supervisor of '%s' was started and does not answer; see "
			       "'%s/projects/%s/errors'",
			       project, paths->run, project);
	r = fs_read_fd(from, "the supervisor's answer", READY_TEXT_MAX, &text, err);
	if (r < 0)
		return r;
	if (str_eq(str_text(&text), READY_OK))
		return 0;
	if (text.len == 0 || str_eq(str_text(&text), READY_BUSY))
		return -EAGAIN;
	return err_new(err, ERR_SYSTEM, EIO, "start the supervisor of '%s': %s", project,
		       str_text(&text));
}

/* --- connecting --- */

/* Descriptor, or -ENOENT/-ECONNREFUSED when nobody listens. */
static int connect_control(const struct engine_paths *paths, const char *project)
{
	cleanup_free char *path = xasprintf("%s/projects/%s", paths->run, project);
	cleanup_fd int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control", dir);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return fd_take(fd);
}

pid_t client_supervisor_pid(const struct engine_paths *paths, const char *project)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	cleanup_fd int fd = connect_control(paths, project);
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return 0;
	return peer.pid;
}

/* Sends a frame whole. 0, or -EPIPE (no err) when the supervisor has gone. */
static int put_frame(struct client *client, enum frame_type type, const json_t *body,
		     const int *fds, int fd_count, struct err *err)
{
	int r = channel_put_fds(&client->channel, type, body, fds, fd_count);
	if (r < 0)
		return err_sys(err, -r, "ask the supervisor");
	while ((r = channel_send(&client->channel)) == 0) {
		r = wait_for(client->channel.fd, POLLOUT, client->interrupt_fd, patience());
		if (r == -ETIMEDOUT)
			return hangs(client, err);
		if (r > 0)
			return interrupted(err);
	}
	return r < 0 ? -EPIPE : 0;
}

/* The next frame of a greeting. 0, or -EPIPE (no err) when the supervisor has gone. */
static int next_frame(struct client *client, struct frame *ret, struct err *err)
{
	for (;;) {
		int r = channel_take(&client->channel, ret, err);
		if (r != 0)
			return r < 0 ? r : 0;
		r = wait_for(client->channel.fd, POLLIN, client->interrupt_fd, patience());
		if (r == -ETIMEDOUT)
			return hangs(client, err);
		if (r > 0)
			return interrupted(err);
		r = channel_receive(&client->channel);
		if (r == 0)
			return -EPIPE;
		if (r < 0 && r != -EAGAIN)
			return err_sys(err, -r, "read from the supervisor");
	}
}

/* The supervisor steps aside, and its keeper starts this program in its place. */
static int ask_upgrade(struct client *client, struct err *err)
{
	cleanup_frame struct frame frame = { 0 };
	cleanup_fd int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int r = put_frame(client, FRAME_UPGRADE, NULL, &program, program >= 0 ? 1 : 0, err);
	if (r == 0)
		r = next_frame(client, &frame, err);
	return r < 0 ? r : result_to_err(frame.body, err);
}

/* 0; -EPIPE (no err): it went away meanwhile; -EPROTO (no err): another version or build, asked to
 * step aside. */
static int greet(struct client *client, struct err *err)
{
	cleanup_frame struct frame frame = { 0 };
	cleanup_json json_t *hello = json_pack("{s:i}", "version", PROTOCOL_VERSION);
	int r = put_frame(client, FRAME_HELLO, hello, NULL, 0, err);
	if (r == 0)
		r = next_frame(client, &frame, err);
	if (r < 0)
		return r;
	bool same = frame.version == PROTOCOL_VERSION && frame.type == FRAME_HELLO_REPLY;
	const char *build = json_str(frame.body, "build", "");
	if (same && (!client->upgrades || str_eq(build, build_id())))
		return 0;
	debug("the supervisor is build %s and speaks protocol %d, we are %s and speak %d: asking "
	      "for "
	      "another",
	      build, frame.version, build_id(), PROTOCOL_VERSION);
	client->upgrades = false;
	r = ask_upgrade(client, err);
	if (r < 0 && same && err->kind == ERR_CONFLICT) {
		err_done(err); /* it is at work: then as it is */
		return 0;
	}
	return r < 0 ? r : -EPROTO;
}

static int try_open(struct client *client, unsigned flags, bool *spawned, struct err *err)
{
	channel_done(&client->channel);
	int fd = connect_control(&client->paths, client->project);
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		if (!(flags & CLIENT_SPAWN))
			return err_not_found(err, "project '%s' is not running", client->project);
		int r = spawn(client, err);
		if (r < 0)
			return r;
		*spawned = true;
		fd = connect_control(&client->paths, client->project);
	}
	if (fd == -ENOENT || fd == -ECONNREFUSED || fd == -EAGAIN)
		return -EAGAIN;
	if (fd < 0)
		return err_sys(err, -fd, "connect to the supervisor of '%s'", client->project);
	channel_init(&client->channel, fd);
	return greet(client, err);
}

static int open_channel(struct client *client, unsigned flags, struct err *err)
{
	nsec_t end = now_mono() + OPEN_LIMIT_MS * NSEC_PER_MSEC;
	bool spawned = false;
	for (int wait = RETRY_FIRST_MS;; wait = wait * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : wait * 2) {
		int r = try_open(client, flags, &spawned, err);
		if (r == 0 || err->no != 0)
			return r;
		/* One that leaves, begins, or is replaced: a matter of milliseconds. */
		if (wait_for(FD_NONE, 0, client->interrupt_fd, wait * NSEC_PER_MSEC) > 0)
			return interrupted(err);
		if (now_mono() > end)
			return err_new(err, ERR_TIMEOUT, ETIMEDOUT,
				       "the supervisor of '%s' does not answer; see "
				       "'%s/projects/%s/errors'",
				       client->project, client->paths.run, client->project);
	}
}

int client_open(const struct engine_paths *paths, const char *project, unsigned flags,
		int interrupt_fd, struct client **ret, struct err *err)
{
	int r = state_name_check("project", project, err);
	if (r < 0)
		return r;
	cleanup(client_free_cleanup) struct client *client = new0(struct client);
	client->paths.root = xstrdup(paths->root);
	client->paths.run = xstrdup(paths->run);
	client->project = xstrdup(project);
	client->interrupt_fd = interrupt_fd;
	client->upgrades = flags & CLIENT_SPAWN;
	channel_init(&client->channel, FD_NONE);
	r = open_channel(client, flags, err);
	if (r < 0)
		return r;
	*ret = ptr_take(client);
	return 0;
}

/* --- asking --- */

static void give_event(const json_t *body, client_event_fn fn, void *data)
{
	const struct engine_event event = {
		.time = json_int(body, "time", 0),
		.kind = json_str(body, "kind", ""),
		.action = json_str(body, "action", NULL),
		.subject = json_str(body, "subject", NULL),
		.text = json_str(body, "text", NULL),
		.reason = json_str(body, "reason", NULL),
		.service = json_str(body, "service", NULL),
		.container = json_str(body, "container", NULL),
		.exit_code = (int)json_int(body, "exit_code", 0),
		.raw = body,
	};
	if (fn)
		fn(&event, data);
}

struct asking {
	enum frame_type type;
	const json_t *body;
	const int *fds; /* three, or NULL */
	int interrupt_fd;
	bool interrupted; /* once */
	bool at_once;	  /* the first Ctrl-C does not wait either */
	client_event_fn fn;
	void *data;
};

/* Nothing has come for a while. That is as it should be when something takes its time; a supervisor
 * that hangs does not answer another greeting either. */
static int check_alive(const struct client *client, struct err *err)
{
	struct client other = *client;
	other.upgrades = false;
	cleanup_err struct err why = ERR_INIT;
	int fd = connect_control(&client->paths, client->project);
	if (fd < 0)
		return 0; /* it leaves: our own connection tells */
	channel_init(&other.channel, fd);
	int r = greet(&other, &why);
	channel_done(&other.channel);
	if (r < 0 && (why.kind == ERR_TIMEOUT || why.kind == ERR_CANCELLED))
		return err_move(err, &why);
	return 0;
}

/* Ctrl-C: the first one asks the supervisor to begin nothing new, and what runs is waited for; the
 * second does not wait. */
static int cancel(struct client *client, struct asking *asking, struct err *err)
{
	bool work = asking->type == FRAME_APPLY || asking->type == FRAME_RUN;
	if (!work || asking->interrupted || asking->at_once) {
		channel_done(&client->channel); /* the supervisor ends it as well as it can */
		channel_init(&client->channel, FD_NONE);
		return interrupted(err);
	}
	asking->interrupted = true;
	return put_frame(client, FRAME_CANCEL, NULL, NULL, 0, err);
}

static int receive_result(struct client *client, struct asking *asking, struct frame *ret,
			  struct err *err)
{
	for (;;) {
		cleanup_frame struct frame frame = { 0 };
		int r = channel_take(&client->channel, &frame, err);
		if (r < 0)
			return r;
		if (r > 0 && frame.type == FRAME_EVENT)
			give_event(frame.body, asking->fn, asking->data);
		if (r > 0 && frame.type == FRAME_RESULT) {
			r = result_to_err(frame.body, err);
			*ret = frame;
			frame = (struct frame){ 0 };
			return r;
		}
		if (r > 0)
			continue;
		r = wait_for(client->channel.fd, POLLIN, asking->interrupt_fd, patience());
		if (r > 0)
			r = cancel(client, asking, err);
		else if (r == -ETIMEDOUT)
			r = check_alive(client, err);
		else if ((r = channel_receive(&client->channel)) == 0)
			return -EPIPE;
		if (err->no)
			return -err->no;
		if (r == -EPIPE)
			return r;
		if (r < 0 && r != -EAGAIN)
			return err_sys(err, -r, "read from the supervisor");
	}
}

/* -EPIPE (no err): the supervisor went away. */
static int ask_once(struct client *client, struct asking *asking, struct frame *ret,
		    struct err *err)
{
	int r = put_frame(client, asking->type, asking->body, asking->fds, asking->fds ? 3 : 0,
			  err);
	return r < 0 ? r : receive_result(client, asking, ret, err);
}

static int ask(struct client *client, struct asking *asking, struct frame *ret, struct err *err)
{
	int r = -EPIPE;
	for (int tries = 0; tries < APPLY_TRIES; tries++) {
		if (tries > 0 && open_channel(client, CLIENT_SPAWN, err) < 0)
			return -err->no;
		frame_done(ret);
		r = ask_once(client, asking, ret, err);
		if (r != -EPIPE || err->no != 0 || asking->type == FRAME_RUN || asking->interrupted)
			break;
	}
	if (r == -EPIPE && err->no == 0)
		return err_new(err, ERR_SYSTEM, EPIPE,
			       "the supervisor of '%s' ended unexpectedly; asking again is safe",
			       client->project);
	return r;
}

static json_t *goal_body(const struct project *project, const struct goal *goal)
{
	json_t *body = json_object();
	json_put(body, "goal", goal_to_json(goal));
	if (project)
		json_put(body, "project", project_to_json(project));
	return body;
}

int client_apply(struct client *client, const struct project *project, const struct goal *goal,
		 int interrupt_fd, client_event_fn fn, void *data, struct err *err)
{
	cleanup_json json_t *body = goal_body(project, goal);
	cleanup_frame struct frame result = { 0 };
	struct asking asking = { .type = FRAME_APPLY,
				 .body = body,
				 .interrupt_fd = interrupt_fd,
				 /* what is being stopped stops, whether or not we look on */
				 .at_once = goal->kind == GOAL_STOP,
				 .fn = fn,
				 .data = data };
	return ask(client, &asking, &result, err);
}

static int ask_plain(struct client *client, enum frame_type type, json_t *stolen, struct frame *ret,
		     struct err *err)
{
	cleanup_json json_t *body = stolen;
	struct asking asking = { .type = type, .body = body, .interrupt_fd = FD_NONE };
	return ask(client, &asking, ret, err);
}

int client_kill(struct client *client, const struct strv *ids, int signo, struct err *err)
{
	cleanup_frame struct frame result = { 0 };
	json_t *body = json_pack("{s:o, s:i}", "ids", json_from_strv(ids), "signal", signo);
	return ask_plain(client, FRAME_KILL, body, &result, err);
}

int client_pause(struct client *client, const struct strv *ids, bool pause, struct err *err)
{
	cleanup_frame struct frame result = { 0 };
	json_t *body = json_pack("{s:o, s:b}", "ids", json_from_strv(ids), "pause", (int)pause);
	return ask_plain(client, FRAME_PAUSE, body, &result, err);
}

int client_hold(struct client *client, const struct strv *ids, struct err *err)
{
	cleanup_frame struct frame result = { 0 };
	json_t *body =
		json_pack("{s:o, s:b, s:b}", "ids", json_from_strv(ids), "pause", 1, "hold", 1);
	return ask_plain(client, FRAME_PAUSE, body, &result, err);
}

int client_wait(struct client *client, const char *id, nsec_t started, int *ret_exit_code,
		struct err *err)
{
	cleanup_frame struct frame result = { 0 };
	json_t *body = json_pack("{s:s, s:I}", "id", id, "started", (json_int_t)started);
	int r = ask_plain(client, FRAME_WAIT, body, &result, err);
	if (r < 0)
		return r;
	*ret_exit_code = (int)json_int(result.body, "exit_code", 0);
	return 0;
}

int client_events(struct client *client, int interrupt_fd, client_event_fn fn, void *data,
		  struct err *err)
{
	cleanup_frame struct frame result = { 0 };
	cleanup_json json_t *body = json_object();
	struct asking asking = { .type = FRAME_EVENTS,
				 .body = body,
				 .interrupt_fd = interrupt_fd,
				 .fn = fn,
				 .data = data };
	int r = ask_once(client, &asking, &result, err);
	if (r == -EPIPE && err->no == 0)
		return 0; /* the project rests: there is nothing more to tell */
	if (r == -ECANCELED) {
		err_done(err);
		return 0;
	}
	return r;
}

int client_run(struct client *client, const struct project *project, const struct goal *goal,
	       const int stdio[3], int interrupt_fd, client_event_fn fn, void *data, char **ret_id,
	       int *ret_console, struct err *err)
{
	cleanup_json json_t *body = goal_body(project, goal);
	cleanup_frame struct frame result = { 0 };
	bool own = !goal->oneoff->detach && !goal->oneoff->tty;
	struct asking asking = { .type = FRAME_RUN,
				 .body = body,
				 .fds = own ? stdio : NULL,
				 .interrupt_fd = interrupt_fd,
				 .fn = fn,
				 .data = data };
	int r = ask(client, &asking, &result, err);
	if (r < 0)
		return r;
	*ret_id = xstrdup(json_str(result.body, "id", ""));
	*ret_console = FD_NONE;
	if (result.fd_count > 0)
		*ret_console = fd_take(result.fds[0]);
	return 0;
}

int client_attach(struct client *client, const char *id, int *ret_fd, struct err *err)
{
	cleanup_frame struct frame result = { 0 };
	int r = ask_plain(client, FRAME_ATTACH, json_pack("{s:s}", "id", id), &result, err);
	if (r < 0)
		return r;
	if (result.fd_count < 1)
		return err_new(err, ERR_INTERNAL, EPROTO, "the supervisor sent no descriptor");
	*ret_fd = fd_take(result.fds[0]);
	return 0;
}
