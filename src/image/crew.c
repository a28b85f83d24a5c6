#include "image/crew.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { PHASE_TEXT = 32, FAULT_TEXT = 512 };

enum message_kind { TOLD, DONE, FAILED, LEFT };

/* Smaller than PIPE_BUF: whole or not at all. */
struct message {
	enum message_kind kind;
	size_t piece;
	uint64_t done, total;
	char phase[PHASE_TEXT];
	char result[CREW_RESULT_MAX];
	enum err_kind error;
	int no;
	char text[FAULT_TEXT];
};

struct crew_voice {
	int fd;
	size_t piece;
};

struct worker {
	pid_t pid; /* 0: has ended */
	int fd;	   /* messages */
};

struct running {
	const struct crew *crew;
	atomic_size_t *next; /* piece; shared with the workers */
	struct worker workers[CREW_MAX];
	size_t count, left;
};

/* --- in a worker --- */

static void say(const struct crew_voice *v, struct message *m, enum message_kind kind)
{
	m->kind = kind;
	m->piece = v->piece;
	if (write(v->fd, m, sizeof(*m)) != sizeof(*m))
		_exit(1); /* nobody listens */
}

void image__crew_tell(struct crew_voice *v, const char *phase, uint64_t done, uint64_t total)
{
	struct message m = { .done = done, .total = total };

	snprintf(m.phase, sizeof(m.phase), "%s", phase);
	say(v, &m, TOLD);
}

static void worker_process(const struct running *run, int fd)
{
	const struct crew *c = run->crew;
	struct crew_voice voice = { .fd = fd };
	struct err err = ERR_INIT;
	struct message m = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (c->enter)
		c->enter(c->data);
	while ((voice.piece = atomic_fetch_add(run->next, 1)) < c->count) {
		m = (struct message){ 0 };
		if (c->work(c->data, voice.piece, &voice, m.result, &err) < 0) {
			m.error = err.kind;
			m.no = err.no;
			snprintf(m.text, sizeof(m.text), "%s", err.msg);
			say(&voice, &m, FAILED);
			_exit(0);
		}
		say(&voice, &m, DONE);
	}
	m = (struct message){ 0 };
	say(&voice, &m, LEFT);
	_exit(0);
}

/* --- at home --- */

static int start_worker(struct running *run, struct err *err)
{
	struct worker *w = &run->workers[run->count];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "start a transfer");
	fflush(NULL);
	w->pid = fork();
	if (w->pid == 0)
		worker_process(run, fds[1]);
	close(fds[1]);
	if (w->pid < 0) {
		close(fds[0]);
		return err_sys(err, errno, "start a transfer");
	}
	w->fd = fds[0];
	run->count++;
	run->left++;
	return 0;
}

static void end_worker(struct running *run, struct worker *w)
{
	w->fd = fd_close(w->fd);
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
	run->left--;
}

/* One message of a worker. */
static int hear(struct running *run, struct worker *w, struct err *err)
{
	const struct crew *c = run->crew;
	struct message m;
	ssize_t n = read(w->fd, &m, sizeof(m));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n != sizeof(m))
		return err_new(err, ERR_INTERNAL, EIO, "a transfer ended early");
	m.text[sizeof(m.text) - 1] = m.phase[sizeof(m.phase) - 1] = '\0';
	switch (m.kind) {
	case TOLD: c->told(c->data, m.piece, m.phase, m.done, m.total); break;
	case DONE: c->done(c->data, m.piece, m.result); break;
	case FAILED:
		return err_new(err, m.error ? m.error : ERR_INTERNAL, m.no > 0 ? m.no : EIO, "%s",
			       m.text);
	case LEFT: end_worker(run, w); break;
	}
	return 0;
}

static int hear_all(struct running *run, struct err *err)
{
	int r = 0;

	while (r == 0 && run->left) {
		struct pollfd polls[CREW_MAX];

		for (size_t i = 0; i < run->count; i++) /* ended ones have a negative descriptor */
			polls[i] = (struct pollfd){ .fd = run->workers[i].fd, .events = POLLIN };
		if (poll(polls, run->count, -1) < 0) {
			if (errno != EINTR)
				return err_sys(err, errno, "wait for transfers");
			continue;
		}
		for (size_t i = 0; i < run->count && r == 0; i++)
			if (run->workers[i].fd >= 0 && polls[i].revents)
				r = hear(run, &run->workers[i], err);
	}
	return r;
}

int image__crew_run(const struct crew *c, struct err *err)
{
	struct running run = { .crew = c };
	size_t most = c->count < c->at_once ? c->count : c->at_once;
	int r = 0;

	if (!most)
		return 0;
	run.next = mmap(NULL, sizeof(*run.next), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (run.next == MAP_FAILED)
		return err_sys(err, errno, "start a transfer");
	while (r == 0 && run.count < most && run.count < CREW_MAX)
		r = start_worker(&run, err);
	if (r == 0)
		r = hear_all(&run, err);
	for (size_t i = 0; i < run.count; i++)
		if (run.workers[i].pid > 0) {
			kill(run.workers[i].pid, SIGKILL);
			end_worker(&run, &run.workers[i]);
		}
	munmap(run.next, sizeof(*run.next));
	return r;
}
