/* Pipes between our own standard descriptors and a process in a container. */
#include "cli/relay.h"

#include "base/loop.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { CHUNK = 65536 };

static bool is_plain_pipe(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC;
}

static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* Our end does not block: the other direction has to go on. */
static int make_pipe(struct relay *r, int i, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	r->child[i] = ends[i ? 1 : 0];
	r->pipe[i] = ends[i ? 0 : 1];
	if (fcntl(r->pipe[i], F_SETFL, (i ? O_RDONLY : O_WRONLY) | O_NONBLOCK) < 0)
		return err_sys(err, errno, "set up a pipe");
	return 0;
}

static int open_one(struct relay *r, int i, struct err *err)
{
	struct stat st, out;

	if (r->own[i] < 0 || fstat(r->own[i], &st) < 0)
		return 0;
	if (is_plain_pipe(r->own[i]) || is_null(&st)) {
		r->child[i] = r->own[i];
		return 0;
	}
	/* Both outputs to one place keep their order: one pipe. */
	if (i == 2 && r->pipe[1] >= 0 && fstat(r->own[1], &out) == 0 && out.st_dev == st.st_dev &&
	    out.st_ino == st.st_ino) {
		r->child[2] = fcntl(r->child[1], F_DUPFD_CLOEXEC, 3);
		return r->child[2] < 0 ? err_sys(err, errno, "duplicate a pipe") : 0;
	}
	return make_pipe(r, i, err);
}

int relay_open(struct relay *r, const int own[3], struct err *err)
{
	int result = 0;

	for (int i = 0; i < 3; i++)
		r->own[i] = own[i];
	for (int i = 0; i < 3 && result == 0; i++)
		result = open_one(r, i, err);
	return result;
}

void relay_started(struct relay *r)
{
	for (int i = 0; i < 3; i++) {
		if (r->child[i] != r->own[i])
			fd_close(r->child[i]);
		r->child[i] = FD_NONE;
	}
}

static void end(struct relay *r, int i)
{
	watch_close(r->watch[i]);
	r->watch[i] = NULL;
	if (i == 0) {
		watch_close(r->room);
		r->room = NULL;
	}
	r->pipe[i] = fd_close(r->pipe[i]);
}

/* Reading goes on once the pipe has taken everything. */
static void put_input(struct relay *r)
{
	while (r->at < r->len) {
		ssize_t n = write(r->pipe[0], r->chunk + r->at, r->len - r->at);
		if (n > 0) {
			r->at += (size_t)n;
		} else if (n < 0 && errno != EINTR && errno != EAGAIN) {
			end(r, 0); /* nobody reads it any more */
			return;
		} else if (n < 0 && errno == EAGAIN) {
			break;
		}
	}
	watch_events(r->watch[0], r->at < r->len ? 0 : EPOLLIN);
	watch_events(r->room, r->at < r->len ? EPOLLOUT : 0);
}

static void on_room(struct watch *w, int fd, uint32_t events, void *data)
{
	(void)w;
	(void)fd;
	(void)events;
	put_input(data);
}

static void on_input(struct watch *w, int fd, uint32_t events, void *data)
{
	struct relay *r = data;
	ssize_t n = read(fd, r->chunk, CHUNK);

	(void)w;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(r, 0);
		return;
	}
	r->len = (size_t)n;
	r->at = 0;
	put_input(r);
}

/* False when there is nothing more, for now or for ever. */
static bool carry_output(struct relay *r, int i)
{
	char chunk[16384];
	ssize_t n = read(r->pipe[i], chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	/* Where nobody takes the output, the process is to notice as well (SIGPIPE). */
	if (n > 0 && fs_write_all(r->own[i], chunk, (size_t)n) == 0)
		return true;
	end(r, i);
	return false;
}

static void on_output(struct watch *w, int fd, uint32_t events, void *data)
{
	struct relay *r = data;

	(void)events;
	(void)fd;
	(void)carry_output(r, w == r->watch[1] ? 1 : 2);
}

int relay_watch(struct relay *r, struct loop *loop, struct err *err)
{
	if (r->pipe[0] >= 0) {
		r->chunk = xmalloc(CHUNK);
		r->room = loop_watch(loop, r->pipe[0], 0, on_room, r);
		r->watch[0] = loop_watch(loop, r->own[0], EPOLLIN, on_input, r);
		if (!r->room || !r->watch[0])
			return err_sys(err, errno, "watch the standard input");
	}
	for (int i = 1; i < 3; i++) {
		if (r->pipe[i] < 0)
			continue;
		r->watch[i] = loop_watch(loop, r->pipe[i], EPOLLIN, on_output, r);
		if (!r->watch[i])
			return err_sys(err, errno, "watch the output");
	}
	return 0;
}

void relay_drain(struct relay *r)
{
	end(r, 0);
	for (int i = 1; i < 3; i++) {
		while (r->pipe[i] >= 0 && carry_output(r, i))
			;
		end(r, i);
	}
}

void relay_done(struct relay *r)
{
	relay_started(r);
	for (int i = 0; i < 3; i++)
		end(r, i);
	free(r->chunk);
	*r = (struct relay)RELAY_NONE;
}
