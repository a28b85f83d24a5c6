/* Bytes between the user's terminal and a process in a container, in one loop. */
#include "cli/session.h"

#include "cli/relay.h"

#include "base/fs.h"
#include "base/loop.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

enum { CHUNK = 16384 };

struct running {
	const struct session *session;
	struct loop *loop;
	struct watch *input, *output;
	bool raw;
	struct termios saved;
	bool process_ended;
	char detach_bytes[8]; /* the sequence that detaches */
	size_t detach_len, detach_seen;
};

static void resize(const struct running *s)
{
	struct winsize ws;
	if (s->session->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		(void)ioctl(s->session->peer, TIOCSWINSZ,
			    &ws); /* only a picture: the program goes on without */
}

/* A program that waits at its prompt shows it again when the window has changed, and only then. */
static void redraw(const struct running *s)
{
	struct winsize ws;
	if (!s->session->tty || !s->session->redraw || ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0)
		return;
	ws.ws_row++;
	ws.ws_col++;
	(void)ioctl(s->session->peer, TIOCSWINSZ, &ws); /* resize() sets it right */
}

static void raw_mode(struct running *s)
{
	struct termios raw;
	if (!s->session->tty || tcgetattr(STDIN_FILENO, &s->saved) < 0)
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	s->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void cooked_mode(struct running *s)
{
	if (s->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved);
	s->raw = false;
}

/* "ctrl-p,ctrl-q" -> "\x10\x11"; anything else than ctrl-<letter> or one character is ignored. */
static void parse_detach(struct running *s)
{
	if (!s->session->detach_keys)
		return;
	cleanup_strv struct strv keys = strv_split(s->session->detach_keys, ',');
	for (size_t i = 0; i < keys.n && s->detach_len < sizeof(s->detach_bytes); i++) {
		const char *letter = str_after(keys.v[i], "ctrl-");
		char c = letter ? (char)(*letter & 0x1f) : keys.v[i][0];
		s->detach_bytes[s->detach_len++] = c;
	}
}

/* True when the sequence is complete. Bytes of an incomplete one are passed on as they come:
 * harmless control characters. */
static bool detached(struct running *s, const char *data, size_t len)
{
	for (size_t i = 0; s->detach_len && i < len; i++) {
		s->detach_seen =
			data[i] == s->detach_bytes[s->detach_seen] ? s->detach_seen + 1 : 0;
		if (s->detach_seen == s->detach_len)
			return true;
	}
	return false;
}

static void end_input(struct running *s)
{
	watch_close(s->input);
	s->input = NULL;
	if (s->session->peer < 0)
		return;
	if (!s->session->tty)
		(void)shutdown(s->session->peer,
			       SHUT_WR); /* a socket: the process sees end of file */
}

static void on_input(struct watch *w, int fd, uint32_t events, void *data)
{
	struct running *s = data;
	char chunk[CHUNK];
	(void)w;
	(void)events;
	ssize_t n = read(fd, chunk, sizeof(chunk));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		static const char end_of_file = 4; /* ^D: how a pty is told */
		if (s->session->tty)
			(void)fs_write_all(s->session->peer, &end_of_file, 1);
		end_input(s);
		return;
	}
	if (detached(s, chunk, (size_t)n)) {
		loop_stop(s->loop, SESSION_DETACHED);
		return;
	}
	if (fs_write_all(s->session->peer, chunk, (size_t)n) < 0)
		end_input(s);
}

static void finish(struct running *s)
{
	if (s->process_ended && !s->output)
		loop_stop(s->loop, SESSION_ENDED);
}

static bool copy_output(struct running *s, int fd)
{
	char chunk[CHUNK];
	ssize_t n = read(fd, chunk, sizeof(chunk));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0 && fs_write_all(STDOUT_FILENO, chunk, (size_t)n) == 0)
		return true;
	/* EIO from a pty master: the last process on the other side is gone */
	watch_close(s->output);
	s->output = NULL;
	return false;
}

static void on_output(struct watch *w, int fd, uint32_t events, void *data)
{
	(void)w;
	(void)events;
	copy_output(data, fd);
	finish(data);
}

static void on_exit_(struct watch *w, int fd, uint32_t events, void *data)
{
	struct running *s = data;
	(void)fd;
	(void)events;
	watch_close(w);
	s->process_ended = true;
	/* What is in the buffer still belongs to the process; what holds the pty open after it does
	 * not. */
	if (s->output) {
		int flags = fcntl(s->session->peer, F_GETFL);
		(void)fcntl(s->session->peer, F_SETFL, flags | O_NONBLOCK);
		while (s->output && copy_output(s, s->session->peer))
			;
		watch_close(s->output);
		s->output = NULL;
	}
	finish(s);
}

static void on_signal(const struct signalfd_siginfo *info, void *data)
{
	struct running *s = data;
	if (info->ssi_signo == SIGWINCH)
		resize(s);
	else if (s->session->forward)
		s->session->forward((int)info->ssi_signo, s->session->data);
}

/* A regular file or /dev/null as standard input cannot be watched (EPERM): it is always ready, so
 * it goes over at once. */
static void copy_file(struct running *s)
{
	char chunk[CHUNK];
	ssize_t n;
	while (!s->session->no_stdin && (n = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0)
		if (fs_write_all(s->session->peer, chunk, (size_t)n) < 0)
			break;
	end_input(s);
}

static int run_loop(struct running *s, struct err *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	int r = loop_signals(s->loop, &set, on_signal, s, err);
	if (r < 0)
		return r;
	if (!loop_watch(s->loop, s->session->pidfd, EPOLLIN, on_exit_, s))
		return err_sys(err, errno, "watch the process");
	if (s->session->peer >= 0) {
		s->output = loop_watch(s->loop, s->session->peer, EPOLLIN, on_output, s);
		if (!s->session->no_stdin)
			s->input = loop_watch(s->loop, STDIN_FILENO, EPOLLIN, on_input, s);
		if (!s->input)
			copy_file(s);
	}
	if (s->session->relay && (r = relay_watch(s->session->relay, s->loop, err)) < 0)
		return r;
	raw_mode(s);
	redraw(s);
	resize(s);
	r = loop_run(s->loop);
	cooked_mode(s);
	return r;
}

int session_run(const struct session *session, struct err *err)
{
	struct running s = { .session = session };
	cleanup(loop_free_cleanup) struct loop *loop = NULL;
	int r = loop_new(&loop, err);
	if (r < 0)
		return r;
	s.loop = loop;
	parse_detach(&s);
	r = run_loop(&s, err);
	if (session->relay)
		relay_drain(session->relay);
	return r;
}

int session_exit_status(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}
