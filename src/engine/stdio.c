/* A container's output to its log. For pipes nothing is taken before it is written: what is in the
 * pipe is first copied with tee(), the whole lines of it go to the log, and only then are as many
 * bytes read from the pipe. A supervisor killed at any moment therefore loses nothing; the next one
 * may write the lines of one last chunk twice. The beginning of a line stays in the pipe until its
 * end arrives.
 *
 * A pseudo-terminal cannot be looked into: of its output, what was read and not yet written is lost
 * with a killed supervisor (some microseconds' worth). */
#include "base/log.h"
#include "engine/log.h"
#include "engine/supervisor.h"

#include <fcntl.h>
#include <sys/socket.h>

enum {
	LINE_PART = 16 << 10, /* a line this long is written in parts */
	PUMP_ROUNDS = 32,     /* chunks of one stream before the others have their turn */
	ATTACH_BUFFER =
		64 << 10, /* an attached client that does not read loses output, the log does not */
};

struct stream {
	struct life *life;
	enum log_stream kind;
	int fd; /* read end */
	struct watch *watch;
};

struct stdio {
	struct stream out, err;
	struct stream console; /* fd is life->console, not owned here */
	int in;		       /* write end of stdin_open without a tty */
	struct log_writer *writer;
	VEC(struct attached *) attached;
};

struct attached {
	struct life *life;
	int fd;
	struct watch *watch;
};

static void attached_close(struct attached *a)
{
	struct stdio *io = a->life->io;
	for (size_t i = 0; i < io->attached.n; i++) {
		if (io->attached.v[i] == a) {
			vec_remove(&io->attached, i);
			break;
		}
	}
	watch_close(a->watch);
	fd_close(a->fd);
	free(a);
}

static void copy_to_attached(struct stdio *io, const char *data, size_t len)
{
	for (size_t i = io->attached.n; i-- > 0;) {
		struct attached *a = io->attached.v[i];
		ssize_t n = send(a->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			attached_close(a);
	}
}

/* --- pumping --- */

static void stream_close(struct stream *stream)
{
	watch_close(stream->watch);
	stream->watch = NULL;
	stream->fd = fd_close(stream->fd);
}

/* How much of the chunk can be written now: whole lines; a very long one in parts; at the end
 * everything. */
static size_t ripe(const char *data, size_t len, bool ending)
{
	const char *newline = memrchr(data, '\n', len);
	if (ending)
		return len;
	if (newline)
		return (size_t)(newline - data) + 1;
	return len >= LINE_PART ? len : 0;
}

static bool read_exactly(int fd, char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		len -= (size_t)n;
	}
	return true;
}

/* One chunk. 1: written, 0: nothing to write now, -1: the stream has ended. */
static int pump_chunk(struct stream *stream, bool ending)
{
	struct supervisor *s = stream->life->s;
	struct stdio *io = stream->life->io;
	ssize_t n = tee(stream->fd, s->scratch[1], STDIO_CHUNK, SPLICE_F_NONBLOCK);
	if (n == 0)
		return -1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (!read_exactly(s->scratch[0], s->chunk, (size_t)n))
		return -1;
	size_t len = ripe(s->chunk, (size_t)n, ending);
	if (len == 0)
		return 0;
	/* A full disk must not stop the container: what cannot be written is dropped. */
	if (io->writer)
		(void)log_write(io->writer, stream->kind, s->chunk, len);
	copy_to_attached(io, s->chunk, len);
	return read_exactly(stream->fd, s->chunk, len) ? 1 : -1;
}

/* A console cannot be teed, and a stream that was adopted may be no pipe. */
static int pump_console(struct stream *stream)
{
	struct supervisor *s = stream->life->s;
	struct stdio *io = stream->life->io;
	ssize_t n = read(stream->fd, s->chunk, STDIO_CHUNK);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return -1;
	if (n < 0)
		return 0;
	if (io->writer)
		(void)log_write(io->writer, stream->kind, s->chunk, (size_t)n);
	copy_to_attached(io, s->chunk, (size_t)n);
	return 1;
}

static void stream_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct stream *stream = data;
	(void)fd;
	(void)events;
	int r = 1;
	for (int i = 0; i < PUMP_ROUNDS && r > 0; i++)
		r = pump_chunk(stream, false);
	if (r > 0) {
		watch_events(w,
			     EPOLLIN | EPOLLET); /* armed anew: there is more, after the others */
	} else if (r < 0) {
		while (pump_chunk(stream, true) > 0)
			;
		stream_close(stream);
	}
}

static void console_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct stream *stream = data;
	(void)w;
	(void)fd;
	(void)events;
	int r = 1;
	for (int i = 0; i < PUMP_ROUNDS && r > 0; i++)
		r = pump_console(stream);
	if (r < 0) { /* EIO: nobody has the other side */
		watch_close(stream->watch);
		stream->watch = NULL;
	}
}

/* Edges, not levels: an unfinished line stays in the pipe, and would wake us for ever. */
static void stream_follow(struct stream *stream)
{
	struct loop *loop = stream->life->s->loop;
	if (stream->fd >= 0)
		stream->watch =
			loop_watch(loop, stream->fd, EPOLLIN | EPOLLET, stream_ready, stream);
}

/* --- life --- */

static struct stdio *stdio_new(struct life *life)
{
	struct stdio *io = new0(struct stdio);
	io->out = (struct stream){ .life = life, .kind = LOG_STDOUT, .fd = FD_NONE };
	io->err = (struct stream){ .life = life, .kind = LOG_STDERR, .fd = FD_NONE };
	io->console = (struct stream){ .life = life, .kind = LOG_STDOUT, .fd = FD_NONE };
	io->in = FD_NONE;
	return io;
}

static int open_log(struct life *life, struct err *err)
{
	struct log_limits limits;
	int r = log_limits_parse(life->c->logging, &limits, err);
	if (r < 0)
		return r;
	cleanup_free char *dir = state_slot_dir(&life->s->paths, life->c->project, life->c->slot);
	return log_writer_open(dir, &limits, &life->io->writer, err);
}

static int make_pipes(struct stdio *io, int child[3], bool with_input, struct err *err)
{
	int out[2], errs[2], in[2];
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	io->out.fd = out[0];
	child[1] = out[1];
	if (pipe2(errs, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	io->err.fd = errs[0];
	child[2] = errs[1];
	if (!with_input)
		return 0;
	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	io->in = in[1];
	child[0] = in[0];
	return 0;
}

int stdio_open(struct life *life, int child[3], struct err *err)
{
	bool given = life->given_stdio[1] >= 0;
	stdio_close(life);
	life->io = stdio_new(life);
	for (int i = 0; i < 3; i++)
		child[i] = fd_take(life->given_stdio[i]);
	if (given)
		return 0;
	int r = open_log(life, err);
	if (r == 0 && !life->c->tty)
		r = make_pipes(life->io, child, life->c->stdin_open, err);
	if (r < 0)
		return r;
	stdio_hold(life);
	stream_follow(&life->io->out);
	stream_follow(&life->io->err);
	return 0;
}

void stdio_hold(struct life *life)
{
	struct supervisor *s = life->s;
	link_hold(s, life->c->id, "out", life->io->out.fd);
	link_hold(s, life->c->id, "err", life->io->err.fd);
	link_hold(s, life->c->id, "in", life->io->in);
}

void stdio_relimit(struct life *life)
{
	struct log_limits limits;
	cleanup_err struct err err = ERR_INIT;
	if (!life->io || !life->io->writer)
		return;
	if (log_limits_parse(life->c->logging, &limits, &err) < 0)
		event_warning(life->s, "log of container '%s': %s", life->c->name, err.msg);
	else
		log_writer_limits(life->io->writer, &limits);
}

static void console_follow(struct life *life)
{
	struct stream *console = &life->io->console;
	if (life->console < 0 || console->watch || life->interactive)
		return;
	console->fd = life->console;
	int flags = fcntl(console->fd, F_GETFL);
	(void)fcntl(console->fd, F_SETFL, flags | O_NONBLOCK);
	console->watch = loop_watch(life->s->loop, console->fd, EPOLLIN, console_ready, console);
}

void stdio_started(struct life *life)
{
	if (life->console >= 0)
		link_hold(life->s, life->c->id, "console", life->console);
	console_follow(life);
}

void stdio_console_back(struct life *life)
{
	life->interactive = false;
	if (!life->io)
		return;
	cleanup_err struct err err = ERR_INIT;
	if (!life->io->writer && open_log(life, &err) < 0)
		debug("log of '%s': %s", life->c->name, err.msg);
	console_follow(life);
}

/* The read end of the pipe that the process has as its descriptor: a pipe can be opened anew
 * through /proc. */
static int from_process(const struct life *life, int number)
{
	cleanup_free char *path = xasprintf("/proc/%d/fd/%d", (int)life->c->pid, number);
	char target[64] = "";
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0 || !str_starts(target, "pipe:"))
		return FD_NONE;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? FD_NONE : fd;
}

void stdio_adopt(struct life *life)
{
	struct supervisor *s = life->s;
	const char *id = life->c->id;
	life->io = stdio_new(life);
	life->io->out.fd = link_claim(s, id, "out");
	life->io->err.fd = link_claim(s, id, "err");
	life->io->in = link_claim(s, id, "in");
	life->console = link_claim(s, id, "console");
	bool lost = life->io->out.fd < 0 && life->io->err.fd < 0 && life->console < 0;
	/* Keeper and supervisor were killed together: the pipes are still the process's. A one-off
	 * with the client's own descriptors has no pipe that was ever ours, and its client is to
	 * keep it. */
	if (lost && !life->c->tty && !life->c->oneoff && life_runs(life)) {
		life->io->out.fd = from_process(life, 1);
		life->io->err.fd = from_process(life, 2);
	}
	cleanup_err struct err err = ERR_INIT;
	if (open_log(life, &err) < 0)
		event_warning(s, "no log for container '%s': %s", life->c->name, err.msg);
	stdio_hold(life);
	stream_follow(&life->io->out);
	stream_follow(&life->io->err);
	console_follow(life);
}

static void drain(struct stream *stream)
{
	if (stream->fd < 0)
		return;
	while (pump_chunk(stream, true) > 0)
		;
	stream_close(stream);
}

void stdio_close(struct life *life)
{
	struct stdio *io = life->io;
	if (!io)
		return;
	drain(&io->out);
	drain(&io->err);
	if (io->console.watch) {
		while (pump_console(&io->console) > 0)
			;
		watch_close(io->console.watch);
	}
	life->console = fd_close(life->console);
	while (io->attached.n > 0)
		attached_close(io->attached.v[0]);
	vec_done(&io->attached);
	fd_close(io->in);
	if (io->writer) {
		(void)log_flush(io->writer); /* a full disk: nothing to be done about it here */
		log_writer_free(io->writer);
	}
	free(io);
	life->io = NULL;
	link_drop(life->s, life->c->id, NULL);
}

/* --- attach --- */

static void attached_input(struct watch *w, int fd, uint32_t events, void *data)
{
	struct attached *a = data;
	struct supervisor *s = a->life->s;
	ssize_t n = recv(fd, s->chunk, STDIO_CHUNK, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && a->life->io->in >= 0) {
		/* A container that does not read its input holds up only what is typed to it. */
		(void)!write(a->life->io->in, s->chunk, (size_t)n);
	} else if (n == 0 && !(events & (EPOLLHUP | EPOLLERR))) {
		watch_events(w,
			     0); /* it has no more to say, and listens on; its end is told anyway */
	} else if (n <= 0) {
		attached_close(a);
	}
}

int stdio_attach(struct life *life, struct err *err)
{
	if (!life->io)
		return err_new(err, ERR_CONFLICT, ESRCH, "container '%s' is not running",
			       life->c->name);
	if (life->console >= 0) {
		int fd = fcntl(life->console, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return err_sys(err, errno, "duplicate the console");
		life->interactive = true;
		watch_close(life->io->console.watch);
		life->io->console.watch = NULL;
		int flags = fcntl(fd, F_GETFL);
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
		return fd;
	}
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "make a socket pair");
	int size = ATTACH_BUFFER;
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (life->io->in >= 0)
		(void)fcntl(life->io->in, F_SETFL, O_NONBLOCK | O_WRONLY);
	struct attached *a = new0(struct attached);
	*a = (struct attached){ .life = life, .fd = pair[0] };
	a->watch = loop_watch(life->s->loop, a->fd, EPOLLIN, attached_input, a);
	vec_push(&life->io->attached, a);
	return pair[1];
}
