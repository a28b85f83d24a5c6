/* A process beside the supervisor while many containers start. To the kernel what follows once a
 * container's interfaces are there (cgroups, devices, the clone) is half of a start: on a second
 * processor that is done behind the supervisor, while it leases the next one's address and makes
 * its interfaces.
 *
 * A process and no thread: containers' first processes are clones that allocate, which they could
 * not if another thread held the allocator's lock as they were cloned; and entering a namespace
 * wants a process with one thread. It has the specs as they were when it was forked, and shares
 * nothing with the supervisor but a socket, on which it is told what to start, and answers with the
 * container's descriptors. What it makes are descriptors, and processes in cgroups that bear the
 * container's name: nothing that a supervisor killed meanwhile does not find again. What it cannot
 * do, the supervisor does anew, and has the reason. */
#include "base/log.h"
#include "base/proc.h"
#include "engine/passing.h"
#include "engine/supervisor.h"
#include "runtime/runtime.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
	AT_ONCE = 4, /* starts it is behind by: the next one is the supervisor's own */
	START_FDS = 5,
	FILES_MAX = 8,
	TEXT_MAX = 64 << 10,
};

struct wish {
	const struct berth *berth;
	unsigned base; /* of its id map, as it was at the fork */
	struct spec
		*seen; /* in the process: its copy, as it was at the fork. Else not to be read */
	struct life *life; /* while it is under way; the rest is what it needs to be done here */
	ahead_answer answer;
	struct spec spec;
	int stdio[3];
	struct runtime_namespaces ns; /* borrowed from the berth */
	bool answered;
	struct runtime_child child; /* the answer; pid <= 0: it could not be started there */
};

struct ahead {
	struct supervisor *s;
	VEC(struct wish) wishes;
	size_t next; /* where the search begins: wishes come true in their order */
	pid_t pid;
	pid_t reaper; /* whose children the containers are */
	int socket;   /* FD_NONE: the process is gone */
	struct watch *watch;
	size_t under_way; /* not answered yet */
	bool deferred;
};

/* --- messages --- */

struct request {
	uint32_t index;
	bool there[START_FDS];	   /* user, net, standard input, output, error */
	uint32_t files;		   /* our own files, in the spec's order */
	uint32_t sizes[FILES_MAX]; /* their contents follow */
};

struct answer {
	uint32_t index;
	bool there[2]; /* pidfd, status */
	pid_t pid;
	uint64_t start_time;
};

/* The files that are known only as a container starts. */
static size_t own_files(struct spec *spec, struct spec_file *ret[FILES_MAX])
{
	size_t n = 0;
	vec_each(m, &spec->mounts) {
		for (size_t i = 0; m->type == SPEC_MOUNT_OWN && i < m->files.n; i++) {
			if (n < FILES_MAX)
				ret[n] = &m->files.v[i];
			n++;
		}
	}
	return n;
}

/* --- the process --- */

static bool take_files(const struct request *q, char *text, size_t len, struct spec *spec)
{
	struct spec_file *files[FILES_MAX];
	size_t n = own_files(spec, files), at = 0;
	if (n != q->files || n > FILES_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (q->sizes[i] > len - at)
			return false;
		free(files[i]->data);
		files[i]->data = xmalloc(q->sizes[i] + 1);
		memcpy(files[i]->data, text + at, q->sizes[i]);
		files[i]->len = q->sizes[i];
		at += q->sizes[i];
	}
	return at == len;
}

static void start_one(const struct ahead *a, const struct request *q, char *text, size_t len,
		      const int fds[START_FDS], struct runtime_child *ret)
{
	cleanup_err struct err err = ERR_INIT;
	const struct runtime_start start = { .flags = RUNTIME_CLONE_PARENT,
					     .reaper = a->reaper,
					     .ns = { .user = fds[0], .net = fds[1] },
					     .stdio = { fds[2], fds[3], fds[4] } };
	struct spec *spec = q->index < a->wishes.n ? a->wishes.v[q->index].seen : NULL;
	if (!spec || !take_files(q, text, len, spec) || runtime_start(spec, &start, ret, &err) < 0)
		debug("a start ahead: %s", err.msg ? err.msg : "not as it was asked for");
}

/* One request; the process ends with the supervisor's side of the socket. */
static void serve(const struct ahead *a)
{
	static char text[TEXT_MAX];
	struct request q;
	struct passed got = { .n = 0 }, sent = { .n = 0 };
	struct iovec in[2] = { { &q, sizeof(q) }, { text, sizeof(text) } };
	ssize_t n = passing_receive(a->socket, in, 0, &got);
	int fds[START_FDS];
	if (n < (ssize_t)sizeof(q))
		_exit(n == 0 ? 0 : 1);
	struct runtime_child child = RUNTIME_CHILD_NONE;
	passed_unpack(&got, q.there, fds, START_FDS);
	start_one(a, &q, text, (size_t)n - sizeof(q), fds, &child);
	struct answer answer = { .index = q.index,
				 .pid = child.pid,
				 .start_time = child.start_time };
	struct iovec out[2] = { { &answer, sizeof(answer) }, { NULL, 0 } };
	passed_pack(&sent, answer.there, (int[]){ child.pidfd, child.status_fd }, 2);
	n = passing_send(a->socket, out, 0, &sent);
	runtime_child_done(&child);
	for (size_t i = 0; i < START_FDS; i++)
		fd_close(fds[i]);
	if (n < 0)
		_exit(1);
}

static _Noreturn void work(struct ahead *a, const char *project, pid_t supervisor)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(1);
	proc_title("%s [starter]", project);
	for (;;)
		serve(a);
}

/* --- the supervisor --- */

static bool joins(const struct spec *spec)
{
	return spec->pid == SPEC_NS_JOIN || spec->ipc == SPEC_NS_JOIN || spec->uts == SPEC_NS_JOIN;
}

static void wish_for(struct ahead *a, const struct life *life)
{
	const struct container *c = life->c;
	const struct berth *berth = life->berth;
	const char *mode = c->network_mode ? c->network_mode : "";
	if (!life->spec || life_runs(life) || str_starts(mode, "service:") ||
	    str_starts(mode, "container:") || joins(life->spec))
		return;
	vec_push(&a->wishes, (struct wish){ .berth = berth,
					    .base = life->spec->idmap.base,
					    .seen = life->spec,
					    .child = RUNTIME_CHILD_NONE });
}

static void answers_ready(struct watch *w, int fd, uint32_t events, void *data);

static void begin(struct ahead *a, const char *project)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	pid_t self = getpid();
	a->reaper = getppid();
	a->pid = fork();
	if (a->pid == 0) {
		fd_close(ends[0]);
		a->socket = ends[1];
		work(a, project, self);
	}
	fd_close(ends[1]);
	a->socket = ends[0];
	if (a->pid > 0)
		a->watch = loop_watch(a->s->loop, a->socket, EPOLLIN, answers_ready, a);
}

void ahead_begin(struct supervisor *s, const struct plan *plan)
{
	if (s->ahead || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	struct ahead *a = new0(struct ahead);
	a->s = s;
	a->socket = FD_NONE;
	s->ahead = a;
	vec_each(step, &plan->steps) {
		struct life *life =
			step->kind == STEP_START ? supervisor_life_by_slot(s, step->slot) : NULL;
		if (life)
			wish_for(a, life);
	}
	if (a->wishes.n >= AHEAD_LEAST)
		begin(a, s->name);
	if (a->pid <= 0)
		ahead_end(s); /* they are made one by one, then */
}

static struct wish *find(struct ahead *a, const struct berth *berth)
{
	for (size_t i = 0; i < a->wishes.n; i++) {
		size_t at = (a->next + i) % a->wishes.n;
		if (a->wishes.v[at].berth != berth)
			continue;
		a->next = at;
		return &a->wishes.v[at];
	}
	return NULL;
}

/* The process is gone: what it did not answer for is done here. */
static void process_gone(struct ahead *a)
{
	watch_close(a->watch);
	a->watch = NULL;
	a->socket = fd_close(a->socket);
	a->under_way = 0;
	vec_each(w, &a->wishes)
		w->answered |= w->life != NULL;
}

/* One answer is noted; what follows from it is done when nothing else is being done. */
static bool hear(struct ahead *a, int flags)
{
	struct answer answer;
	struct iovec iov[2] = { { &answer, sizeof(answer) }, { NULL, 0 } };
	struct passed fds;
	if (a->socket < 0)
		return false;
	ssize_t n = passing_receive(a->socket, iov, flags, &fds);
	if (n == -EAGAIN)
		return false;
	if (n != sizeof(answer) || answer.index >= a->wishes.n || !a->wishes.v[answer.index].life) {
		process_gone(a);
		return false;
	}
	struct wish *w = &a->wishes.v[answer.index];
	int got[2];
	passed_unpack(&fds, answer.there, got, 2);
	w->child = (struct runtime_child){ .pid = answer.pid,
					   .start_time = answer.start_time,
					   .pidfd = got[0],
					   .status_fd = got[1],
					   .console = FD_NONE };
	w->answered = true;
	a->under_way--;
	return true;
}

/* What follows may end the job, and the wishes with it. */
static void take_answer(struct wish *w)
{
	struct life *life = ptr_take(w->life);
	cleanup_spec struct spec spec = w->spec;
	struct runtime_namespaces ns = w->ns;
	struct runtime_child child = w->child;
	int stdio[3] = { w->stdio[0], w->stdio[1], w->stdio[2] };
	spec_init(&w->spec);
	w->child = RUNTIME_CHILD_NONE;
	w->answered = false;
	life->ahead = NULL;
	w->answer(life, &spec, &ns, stdio, &child);
	runtime_child_done(&child);
	for (int i = 0; i < 3; i++)
		fd_close(stdio[i]);
}

static void take_answers(struct supervisor *s)
{
	for (size_t i = 0; s->ahead && i < s->ahead->wishes.n; i++)
		if (s->ahead->wishes.v[i].answered)
			take_answer(&s->ahead->wishes.v[i]);
}

static void answers_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct ahead *a = data;
	(void)w;
	(void)fd;
	(void)events;
	struct supervisor *s = a->s;
	while (hear(a, MSG_DONTWAIT))
		;
	take_answers(s);
}

static void answers_deferred(void *data)
{
	struct supervisor *s = data;
	if (s->ahead)
		s->ahead->deferred = false;
	take_answers(s);
}

/* Those that were heard while something else was being done. */
static void take_later(struct ahead *a)
{
	if (!a->deferred)
		loop_defer(a->s->loop, answers_deferred, a->s);
	a->deferred = true;
}

static int send_request(const struct ahead *a, size_t index, struct spec *spec,
			const struct runtime_namespaces *ns, const int stdio[3])
{
	cleanup_str struct str text = STR_INIT_MAX(TEXT_MAX);
	struct request q = { .index = (uint32_t)index };
	struct spec_file *files[FILES_MAX];
	size_t n = own_files(spec, files);
	if (n > FILES_MAX)
		return -E2BIG;
	q.files = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		q.sizes[i] = (uint32_t)files[i]->len;
		str_addn(&text, files[i]->data, files[i]->len);
	}
	if (str_overflowed(&text))
		return -E2BIG;
	struct passed fds = { .n = 0 };
	const int all[START_FDS] = { ns->user, ns->net, stdio[0], stdio[1], stdio[2] };
	passed_pack(&fds, q.there, all, START_FDS);
	struct iovec iov[2] = { { &q, sizeof(q) }, { text.data, text.len } };
	ssize_t sent = passing_send(a->socket, iov, 0, &fds);
	return sent < 0 ? (int)sent : 0;
}

bool ahead_start(struct life *life, struct spec *spec, const struct runtime_namespaces *ns,
		 int stdio[3], ahead_answer answer)
{
	struct ahead *a = life->s->ahead;
	struct wish *w = a ? find(a, life->berth) : NULL;
	if (!w || !w->seen || w->base != spec->idmap.base || spec->process.tty)
		return false;
	bool heard = false;
	while (hear(a, MSG_DONTWAIT))
		heard = true;
	if (heard)
		take_later(a);
	if (a->socket < 0 || a->under_way >= AT_ONCE ||
	    send_request(a, (size_t)(w - a->wishes.v), spec, ns, stdio) < 0)
		return false;
	w->seen = NULL; /* the next start of this one is another spec's, perhaps */
	w->life = life;
	w->answer = answer;
	w->spec = *spec;
	spec_init(spec);
	w->ns = *ns;
	for (int i = 0; i < 3; i++)
		w->stdio[i] = fd_take(stdio[i]);
	life->ahead = w;
	a->under_way++;
	return true;
}

void ahead_settle(struct life *life)
{
	struct supervisor *s = life->s;
	struct wish *w = life->ahead;
	if (!w)
		return;
	while (!w->answered)
		(void)hear(s->ahead, 0); /* false: the process is gone, and that is an answer */
	take_answer(w);
	if (s->ahead)
		take_later(s->ahead);
}

void ahead_settle_all(struct supervisor *s)
{
	for (size_t i = 0; s->ahead && i < s->ahead->wishes.n; i++)
		if (s->ahead->wishes.v[i].life)
			ahead_settle(s->ahead->wishes.v[i].life);
}

void ahead_end(struct supervisor *s)
{
	ahead_settle_all(s);
	struct ahead *a = s->ahead;
	if (!a)
		return;
	s->ahead = NULL;
	watch_close(a->watch);
	fd_close(a->socket); /* it ends with that */
	if (a->pid > 0)
		while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
			;
	vec_done(&a->wishes);
	free(a);
}
