/* Namespaces of slots that are about to be started, made by a process of its own beside the
 * supervisor. To the kernel a network namespace is the dearest part of a start, and the supervisor
 * starts one container after the other: on a second processor the next ones are made meanwhile.
 *
 * A process and no thread: containers' first processes are clones of the supervisor that allocate,
 * which they could not if another thread held the allocator's lock as they were cloned; and
 * entering a namespace wants a process with one thread. It shares nothing with the supervisor but a
 * page of marks, by which each takes what the other has not begun, and a socket. What it makes are
 * descriptors: nothing of it is left when it, or the supervisor, is killed. */
#include "base/log.h"
#include "base/proc.h"
#include "engine/supervisor.h"
#include "net/dns.h"
#include "runtime/runtime.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { AHEAD_LEAST = 4, /* fewer are started sooner than the process */ AHEAD_FDS = 4 };

/* In the order of the descriptors in a message. */
struct made {
	int fds[AHEAD_FDS]; /* user, net, udp, tcp */
};
#define MADE_NONE ((struct made){ { FD_NONE, FD_NONE, FD_NONE, FD_NONE } })

struct wish {
	const struct berth *berth;
	struct spec_idmap idmap;
	bool dns;
	bool arrived;
	struct made made;
};

struct ahead {
	VEC(struct wish) wishes;
	size_t next;	       /* where the search begins: wishes come true in their order */
	_Atomic(char) *claims; /* shared: one for each wish, set by who makes it */
	pid_t pid;
	int socket;
};

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
	for (size_t i = 0; i < AHEAD_FDS; i++)
		m->fds[i] = fd_close(m->fds[i]);
}

struct message {
	uint32_t index;
	bool there[AHEAD_FDS];
};

static int send_made(int socket, size_t index, const struct made *m)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(AHEAD_FDS * sizeof(int))];
	} control = { 0 };
	struct message body = { .index = (uint32_t)index };
	struct iovec iov = { .iov_base = &body, .iov_len = sizeof(body) };
	int fds[AHEAD_FDS];
	size_t n = 0;
	for (size_t i = 0; i < AHEAD_FDS; i++) {
		body.there[i] = m->fds[i] >= 0;
		if (body.there[i])
			fds[n++] = m->fds[i];
	}
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = n ? &control : NULL,
			      .msg_controllen = n ? CMSG_SPACE(n * sizeof(int)) : 0 };
	control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(n * sizeof(int)) };
	memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	ssize_t sent;
	do
		sent = sendmsg(socket, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* From the second on: the first one is begun by the supervisor in this moment. What fails here
 * arrives empty, and fails again there, with its reason. */
static _Noreturn void work(struct ahead *a, const char *project, pid_t supervisor)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(1);
	proc_title("%s [namespaces]", project);
	for (size_t i = 1; i < a->wishes.n; i++) {
		cleanup_err struct err err = ERR_INIT;
		struct made m = MADE_NONE;
		if (!claim(a, i))
			continue;
		if (make(&a->wishes.v[i], &m, &err) < 0)
			made_close(&m);
		int r = send_made(a->socket, i, &m);
		made_close(&m);
		if (r < 0)
			_exit(1);
	}
	_exit(0);
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

static void wish_for(struct ahead *a, const struct life *life)
{
	const struct container *c = life->c;
	const struct berth *berth = life->berth;
	const char *mode = c->network_mode ? c->network_mode : "";
	if (!life->spec || life_runs(life) || berth->net >= 0 || berth->user >= 0 ||
	    str_eq(mode, "host") || str_starts(mode, "service:") || str_starts(mode, "container:"))
		return;
	vec_push(&a->wishes, (struct wish){ .berth = berth,
					    .idmap = life->spec->idmap,
					    .dns = c->networks.n > 0 && !serves_names(c),
					    .made = MADE_NONE });
}

static void begin(struct ahead *a, const char *project)
{
	int ends[2];
	a->claims =
		mmap(NULL, a->wishes.n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a->claims == MAP_FAILED) {
		a->claims = NULL;
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	pid_t self = getpid();
	a->pid = fork();
	if (a->pid == 0) {
		fd_close(ends[0]);
		a->socket = ends[1];
		work(a, project, self);
	}
	fd_close(ends[1]);
	a->socket = ends[0];
}

void ahead_begin(struct supervisor *s, const struct plan *plan)
{
	if (s->ahead || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	struct ahead *a = new0(struct ahead);
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

/* False: there is nothing more to come. */
static bool receive(struct ahead *a)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(AHEAD_FDS * sizeof(int))];
	} control;
	struct message body;
	struct iovec iov = { .iov_base = &body, .iov_len = sizeof(body) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.room) };
	ssize_t n;
	do
		n = recvmsg(a->socket, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(body) || body.index >= a->wishes.n)
		return false;
	struct wish *w = &a->wishes.v[body.index];
	const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	const unsigned char *fd = c ? CMSG_DATA(c) : NULL;
	for (size_t i = 0; fd && i < AHEAD_FDS; i++) {
		if (!body.there[i])
			continue;
		memcpy(&w->made.fds[i], fd, sizeof(int));
		fd += sizeof(int);
	}
	w->arrived = true;
	return true;
}

static struct wish *find(struct ahead *a, const struct berth *berth)
{
	for (size_t i = 0; i < a->wishes.n; i++) {
		size_t at = (a->next + i) % a->wishes.n;
		if (a->wishes.v[at].berth != berth)
			continue;
		a->next = at + 1;
		return &a->wishes.v[at];
	}
	return NULL;
}

bool ahead_take(struct supervisor *s, struct berth *berth, const struct spec_idmap *idmap)
{
	struct ahead *a = s->ahead;
	struct wish *w = a ? find(a, berth) : NULL;
	if (!w || w->idmap.base != idmap->base || w->idmap.count != idmap->count)
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

void ahead_end(struct supervisor *s)
{
	struct ahead *a = s->ahead;
	if (!a)
		return;
	s->ahead = NULL;
	for (size_t i = 0; a->claims && i < a->wishes.n; i++)
		(void)claim(a, i); /* it ends after the one it is at, and leaves no helper behind */
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
