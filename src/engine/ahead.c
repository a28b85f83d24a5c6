/* A process beside the supervisor while many containers start. To the kernel a network namespace is
 * the dearest part of a start, and what follows once its interfaces are there (cgroups, devices,
 * the clone) the next: on a second processor the former are made ahead of the supervisor, and the
 * latter is done behind it, while it leases the next one's address and makes its interfaces.
 *
 * A process and no thread: containers' first processes are clones that allocate, which they could
 * not if another thread held the allocator's lock as they were cloned; and entering a namespace
 * wants a process with one thread. It has the specs as they were when it was forked, and shares
 * nothing with the supervisor but a page of marks, by which each takes what the other has not
 * begun, and two sockets: on one it sends namespaces, on the other it is told what to start, and
 * answers with the container's descriptors. What it makes are descriptors, and processes in
 * cgroups that bear the container's name: nothing that a supervisor killed meanwhile does not find
 * again. What it cannot do, the supervisor does anew, and has the reason. */
#include "base/log.h"
#include "base/proc.h"
#include "engine/supervisor.h"
#include "net/dns.h"
#include "runtime/runtime.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
	AHEAD_LEAST = 4, /* fewer are started sooner than the process */
	AT_ONCE = 4,	 /* starts it is behind by: the next one is the supervisor's own */
	MADE_FDS = 4,
	START_FDS = 5,
	FDS_MAX = 5,
	FILES_MAX = 8,
	TEXT_MAX = 64 << 10,
};

/* In the order of the descriptors in a message. */
struct made {
	int fds[MADE_FDS]; /* user, net, udp, tcp */
};
#define MADE_NONE ((struct made){ { FD_NONE, FD_NONE, FD_NONE, FD_NONE } })

struct wish {
	const struct berth *berth;
	struct spec_idmap idmap;
	bool namespaces; /* are to be made */
	bool dns;
	bool arrived;
	struct made made;
	/* The start. */
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
	size_t next;	       /* where the search begins: wishes come true in their order */
	_Atomic(char) *claims; /* shared: one for each wish, set by who makes it */
	pid_t pid;
	pid_t reaper; /* whose children the containers are */
	int socket;   /* namespaces */
	int starts;   /* requests and answers; FD_NONE: the process is gone */
	struct watch *watch;
	size_t under_way; /* not answered yet */
	bool deferred;
};

/* --- messages --- */

/* Descriptors that are FD_NONE are left out: `there` says which were not. */
struct fds {
	int v[FDS_MAX];
	size_t n;
};

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static ssize_t send_with(int socket, struct iovec iov[2], const struct fds *fds)
{
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = iov[1].iov_len ? 2 : 1,
			      .msg_control = fds->n ? &control : NULL,
			      .msg_controllen = fds->n ? CMSG_SPACE(fds->n * sizeof(int)) : 0 };
	control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(fds->n * sizeof(int)) };
	memcpy(CMSG_DATA(&control.header), fds->v, fds->n * sizeof(int));
	ssize_t sent;
	do
		sent = sendmsg(socket, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* Bytes of the message, 0 when the other side is gone, negative errno. */
static ssize_t receive_with(int socket, struct iovec iov[2], int flags, struct fds *ret)
{
	union control control;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = iov[1].iov_len ? 2 : 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.room) };
	ssize_t n;
	do
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ret->n = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	if (c)
		memcpy(ret->v, CMSG_DATA(c), ret->n * sizeof(int));
	return n;
}

static void pack(struct fds *fds, bool *there, const int *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		there[i] = from[i] >= 0;
		if (there[i])
			fds->v[fds->n++] = from[i];
	}
}

static void unpack(const struct fds *fds, const bool *there, int *to, size_t n)
{
	size_t at = 0;
	for (size_t i = 0; i < n; i++)
		to[i] = there[i] && at < fds->n ? fds->v[at++] : FD_NONE;
}

struct message {
	uint32_t index;
	bool there[MADE_FDS];
};

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

static bool claim(struct ahead *a, size_t i)
{
	return atomic_exchange(&a->claims[i], 1) == 0;
}

static int make(const struct wish *w, struct made *ret, struct err *err)
{
	struct runtime_namespaces ns = RUNTIME_NAMESPACES_NONE;
	int r = runtime_namespaces_new(&w->idmap, true, &ns, err);
	if (r < 0)
		return r;
	*ret = MADE_NONE;
	ret->fds[0] = ns.user;
	ret->fds[1] = ns.net;
	return w->dns ? dns_sockets(ns.net, &ret->fds[2], &ret->fds[3], err) : 0;
}

static void made_close(struct made *m)
{
	for (size_t i = 0; i < MADE_FDS; i++)
		m->fds[i] = fd_close(m->fds[i]);
}

static int send_made(int socket, size_t index, const struct made *m)
{
	struct message body = { .index = (uint32_t)index };
	struct iovec iov[2] = { { &body, sizeof(body) }, { NULL, 0 } };
	struct fds fds = { .n = 0 };
	pack(&fds, body.there, m->fds, MADE_FDS);
	ssize_t sent = send_with(socket, iov, &fds);
	return sent < 0 ? (int)sent : 0;
}

/* What fails here arrives empty, and fails again there, with its reason. */
static void make_next(struct ahead *a, size_t i)
{
	cleanup_err struct err err = ERR_INIT;
	struct made m = MADE_NONE;
	if (!a->wishes.v[i].namespaces || !claim(a, i))
		return;
	if (make(&a->wishes.v[i], &m, &err) < 0)
		made_close(&m);
	int r = send_made(a->socket, i, &m);
	made_close(&m);
	if (r < 0)
		_exit(1);
}

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
	struct fds got = { .n = 0 }, sent = { .n = 0 };
	struct iovec in[2] = { { &q, sizeof(q) }, { text, sizeof(text) } };
	ssize_t n = receive_with(a->starts, in, 0, &got);
	int fds[START_FDS];
	if (n < (ssize_t)sizeof(q))
		_exit(n == 0 ? 0 : 1);
	struct runtime_child child = RUNTIME_CHILD_NONE;
	unpack(&got, q.there, fds, START_FDS);
	start_one(a, &q, text, (size_t)n - sizeof(q), fds, &child);
	struct answer answer = { .index = q.index,
				 .pid = child.pid,
				 .start_time = child.start_time };
	struct iovec out[2] = { { &answer, sizeof(answer) }, { NULL, 0 } };
	pack(&sent, answer.there, (int[]){ child.pidfd, child.status_fd }, 2);
	n = send_with(a->starts, out, &sent);
	runtime_child_done(&child);
	for (size_t i = 0; i < START_FDS; i++)
		fd_close(fds[i]);
	if (n < 0)
		_exit(1);
}

/* What is to be started comes first: somebody waits for it. Namespaces from the second on: the
 * first one's are made by the supervisor in this moment. */
static _Noreturn void work(struct ahead *a, const char *project, pid_t supervisor)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(1);
	proc_title("%s [starter]", project);
	for (size_t i = 1;;) {
		bool more = i < a->wishes.n;
		struct pollfd p[2] = { { .fd = a->starts, .events = POLLIN },
				       { .fd = a->socket, .events = more ? POLLOUT : 0 } };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			_exit(1);
		if (p[0].revents)
			serve(a);
		else if (more && p[1].revents)
			make_next(a, i++);
	}
}

/* --- the supervisor --- */

static bool serves_names(const struct container *c)
{
	vec_each(p, &c->ports) {
		if (p->target == 53)
			return true;
	}
	return false;
}

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
					    .idmap = life->spec->idmap,
					    .namespaces = berth->net < 0 && berth->user < 0 &&
							  !str_eq(mode, "host"),
					    .dns = c->networks.n > 0 && !serves_names(c),
					    .made = MADE_NONE,
					    .seen = life->spec,
					    .child = RUNTIME_CHILD_NONE });
}

static void answers_ready(struct watch *w, int fd, uint32_t events, void *data);

static void begin(struct ahead *a, const char *project)
{
	int made[2], starts[2];
	a->claims =
		mmap(NULL, a->wishes.n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a->claims == MAP_FAILED) {
		a->claims = NULL;
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, made) < 0)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, starts) < 0) {
		fd_close(made[0]);
		fd_close(made[1]);
		return;
	}
	pid_t self = getpid();
	a->reaper = getppid();
	a->pid = fork();
	if (a->pid == 0) {
		fd_close(made[0]);
		fd_close(starts[0]);
		a->socket = made[1];
		a->starts = starts[1];
		work(a, project, self);
	}
	fd_close(made[1]);
	fd_close(starts[1]);
	a->socket = made[0];
	a->starts = starts[0];
	if (a->pid > 0)
		a->watch = loop_watch(a->s->loop, a->starts, EPOLLIN, answers_ready, a);
}

void ahead_begin(struct supervisor *s, const struct plan *plan)
{
	if (s->ahead || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	struct ahead *a = new0(struct ahead);
	a->s = s;
	a->socket = a->starts = FD_NONE;
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

/* False: there is nothing more to come. */
static bool receive(struct ahead *a)
{
	struct message body;
	struct iovec iov[2] = { { &body, sizeof(body) }, { NULL, 0 } };
	struct fds fds;
	ssize_t n = receive_with(a->socket, iov, 0, &fds);
	if (n != sizeof(body) || body.index >= a->wishes.n)
		return false;
	struct wish *w = &a->wishes.v[body.index];
	unpack(&fds, body.there, w->made.fds, MADE_FDS);
	w->arrived = true;
	return true;
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

bool ahead_take(struct supervisor *s, struct berth *berth, const struct spec_idmap *idmap)
{
	struct ahead *a = s->ahead;
	struct wish *w = a ? find(a, berth) : NULL;
	if (!w || !w->namespaces || w->idmap.base != idmap->base || w->idmap.count != idmap->count)
		return false;
	if (claim(a, (size_t)(w - a->wishes.v))) {
		w->arrived = true; /* the supervisor makes it now: nothing will come */
		return false;
	}
	while (!w->arrived && receive(a))
		;
	if (w->made.fds[1] < 0)
		return false;
	berth->user = w->made.fds[0];
	berth->net = w->made.fds[1];
	berth->udp = w->made.fds[2];
	berth->tcp = w->made.fds[3];
	berth->idmap = *idmap;
	w->made = MADE_NONE;
	return true;
}

/* --- starts --- */

/* The process is gone: what it did not answer for is done here. */
static void process_gone(struct ahead *a)
{
	watch_close(a->watch);
	a->watch = NULL;
	a->starts = fd_close(a->starts);
	a->under_way = 0;
	vec_each(w, &a->wishes)
		w->answered |= w->life != NULL;
}

/* One answer is noted; what follows from it is done when nothing else is being done. */
static bool hear(struct ahead *a, int flags)
{
	struct answer answer;
	struct iovec iov[2] = { { &answer, sizeof(answer) }, { NULL, 0 } };
	struct fds fds;
	if (a->starts < 0)
		return false;
	ssize_t n = receive_with(a->starts, iov, flags, &fds);
	if (n == -EAGAIN)
		return false;
	if (n != sizeof(answer) || answer.index >= a->wishes.n || !a->wishes.v[answer.index].life) {
		process_gone(a);
		return false;
	}
	struct wish *w = &a->wishes.v[answer.index];
	int got[2];
	unpack(&fds, answer.there, got, 2);
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
	struct fds fds = { .n = 0 };
	const int all[START_FDS] = { ns->user, ns->net, stdio[0], stdio[1], stdio[2] };
	pack(&fds, q.there, all, START_FDS);
	struct iovec iov[2] = { { &q, sizeof(q) }, { text.data, text.len } };
	ssize_t sent = send_with(a->starts, iov, &fds);
	return sent < 0 ? (int)sent : 0;
}

bool ahead_start(struct life *life, struct spec *spec, const struct runtime_namespaces *ns,
		 int stdio[3], ahead_answer answer)
{
	struct ahead *a = life->s->ahead;
	struct wish *w = a ? find(a, life->berth) : NULL;
	if (!w || !w->seen || w->idmap.base != spec->idmap.base || spec->process.tty)
		return false;
	bool heard = false;
	while (hear(a, MSG_DONTWAIT))
		heard = true;
	if (heard)
		take_later(a);
	if (a->starts < 0 || a->under_way >= AT_ONCE ||
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
	for (size_t i = 0; a->claims && i < a->wishes.n; i++)
		(void)claim(a, i); /* it ends after the one it is at, and leaves no helper behind */
	watch_close(a->watch);
	fd_close(a->starts);
	while (a->pid > 0 && receive(a))
		;
	if (a->pid > 0)
		while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
			;
	vec_each(w, &a->wishes)
		made_close(&w->made);
	if (a->claims)
		munmap(a->claims, a->wishes.n);
	vec_done(&a->wishes);
	fd_close(a->socket);
	free(a);
}
