/* Programs that the supervisor runs in containers. */
#include "engine/errand.h"

#include "base/proc.h"

#include <fcntl.h>
#include <sys/wait.h>

static void keep(struct errand *e, const char *chunk, size_t n)
{
	if (!e->keep_end) {
		n = n < e->keep - e->len ? n : e->keep - e->len;
	} else if (n >= e->keep) {
		chunk += n - e->keep;
		n = e->keep;
		e->len = 0;
	} else if (e->len > e->keep - n) {
		memmove(e->text, e->text + e->len - (e->keep - n), e->keep - n);
		e->len = e->keep - n;
	}
	memcpy(e->text + e->len, chunk, n);
	e->len += n;
	e->text[e->len] = '\0';
}

static void read_output(struct errand *e)
{
	char chunk[ERRAND_TEXT_MAX];
	ssize_t n;
	while (e->output >= 0 && (n = read(e->output, chunk, sizeof(chunk))) > 0)
		keep(e, chunk, (size_t)n);
}

static void output_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	(void)fd;
	read_output(data);
	if (events & (EPOLLHUP | EPOLLERR))
		watch_events(w, 0);
}

static void clear(struct errand *e)
{
	watch_close(e->pidfd_watch);
	watch_close(e->output_watch);
	e->pidfd_watch = e->output_watch = NULL;
	e->output = fd_close(e->output);
	runtime_child_done(&e->child);
	e->child = RUNTIME_CHILD_NONE;
}

static void exited(struct watch *w, int fd, uint32_t events, void *data)
{
	struct errand *e = data;
	(void)w;
	(void)events;
	siginfo_t info = { 0 };
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	read_output(e);
	cleanup_err struct err failed = ERR_INIT;
	bool executed = runtime_start_result(e->child.status_fd, &failed) == 0;
	clear(e);
	e->over(e, info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status,
		executed ? NULL : &failed, e->data);
}

int errand_begin(struct errand *e, struct life *life, const struct spec *spec, bool privileged,
		 struct err *err)
{
	int pipe_fds[2];
	e->len = 0;
	e->text[0] = '\0';
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	const struct runtime_exec exec = {
		.pid = life->c->pid,
		.start_time = life->c->start_time,
		.process = &spec->process,
		.privileged = privileged,
		.stdio = { FD_NONE, pipe_fds[1], pipe_fds[1] },
	};
	int r = runtime_exec(spec, &exec, &e->child, err);
	fd_close(pipe_fds[1]);
	if (r < 0) {
		fd_close(pipe_fds[0]);
		return r;
	}
	e->output = pipe_fds[0];
	(void)fcntl(e->output, F_SETFL, O_NONBLOCK);
	e->output_watch = loop_watch(life->s->loop, e->output, EPOLLIN, output_ready, e);
	e->pidfd_watch = loop_watch(life->s->loop, e->child.pidfd, EPOLLIN, exited, e);
	return 0;
}

void errand_kill(struct errand *e)
{
	if (errand_runs(e))
		proc_kill_family(e->child.pid);
}

void errand_end(struct errand *e)
{
	if (errand_runs(e)) {
		proc_kill_family(e->child.pid);
		(void)waitpid(e->child.pid, NULL, 0); /* killed: it is a matter of microseconds */
	}
	clear(e);
}

char *errand_words(const struct errand *e)
{
	size_t len = e->len;
	while (len > 0 && (e->text[len - 1] == '\n' || e->text[len - 1] == '\r'))
		len--;
	return xstrndup(e->text, len);
}
