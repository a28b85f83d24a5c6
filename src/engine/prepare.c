/* A process beside the supervisor that makes namespaces for containers to come. To the kernel a
 * network namespace is the dearest part of a start; while many containers are created, which is
 * mostly files, a second processor makes them. Why a process, see ahead.c. It is told the id maps
 * as they are leased, and answers with descriptors; a shared page of marks says who makes which:
 * what it has not begun when the supervisor needs it, the supervisor makes itself. */
#include "base/proc.h"
#include "engine/passing.h"
#include "engine/supervisor.h"
#include "net/dns.h"
#include "runtime/runtime.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { MADE_FDS = 4 };

/* In the order of the descriptors in a message. */
struct made {
	int fds[MADE_FDS]; /* user, net, udp, tcp */
};
#define MADE_NONE ((struct made){ { FD_NONE, FD_NONE, FD_NONE, FD_NONE } })

struct expected {
	const struct berth *berth;
	struct spec_idmap idmap;
	bool arrived;
	struct made made;
};

struct preparer {
	VEC(struct expected) expected;
	size_t most;	       /* as many have a mark */
	size_t next;	       /* where the search begins: they are taken in their order */
	_Atomic(char) *claims; /* shared: set by who makes it */
	pid_t pid;
	int socket;
};

struct order {
	uint32_t index;
	bool dns;
	struct spec_idmap idmap;
};

struct delivery {
	uint32_t index;
	bool there[MADE_FDS];
};

static bool claim(struct preparer *p, size_t i)
{
	return atomic_exchange(&p->claims[i], 1) == 0;
}

static void made_close(struct made *m)
{
	for (size_t i = 0; i < MADE_FDS; i++)
		m->fds[i] = fd_close(m->fds[i]);
}

/* --- the process --- */

static int make(const struct order *order, struct made *ret, struct err *err)
{
	struct runtime_namespaces ns = RUNTIME_NAMESPACES_NONE;
	int r = runtime_namespaces_new(&order->idmap, true, &ns, err);
	if (r < 0)
		return r;
	ret->fds[0] = ns.user;
	ret->fds[1] = ns.net;
	return order->dns ? dns_sockets(ns.net, &ret->fds[2], &ret->fds[3], err) : 0;
}

/* What fails here arrives empty, and fails again there, with its reason. */
static bool deliver(struct preparer *p, const struct order *order)
{
	cleanup_err struct err err = ERR_INIT;
	struct made m = MADE_NONE;
	struct delivery body = { .index = order->index };
	struct iovec iov[2] = { { &body, sizeof(body) }, { NULL, 0 } };
	struct passed fds = { .n = 0 };
	if (make(order, &m, &err) < 0)
		made_close(&m);
	passed_pack(&fds, body.there, m.fds, MADE_FDS);
	ssize_t sent = passing_send(p->socket, iov, 0, &fds);
	made_close(&m);
	return sent > 0;
}

/* Ends with the supervisor's side of the socket. */
static _Noreturn void work(struct preparer *p, const char *project, pid_t supervisor)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(1);
	proc_title("%s [preparer]", project);
	for (;;) {
		struct order order;
		struct iovec iov[2] = { { &order, sizeof(order) }, { NULL, 0 } };
		struct passed none;
		if (passing_receive(p->socket, iov, 0, &none) != sizeof(order))
			_exit(0);
		if (claim(p, order.index) && !deliver(p, &order))
			_exit(1);
	}
}

/* --- the supervisor --- */

static void begin(struct preparer *p, const char *project)
{
	int ends[2];
	p->claims = mmap(NULL, p->most, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->claims == MAP_FAILED)
		p->claims = NULL;
	if (!p->claims || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	pid_t self = getpid();
	p->pid = fork();
	if (p->pid == 0) {
		fd_close(ends[0]);
		p->socket = ends[1];
		work(p, project, self);
	}
	fd_close(ends[1]);
	p->socket = ends[0];
}

void prepare_begin(struct supervisor *s, const struct plan *plan)
{
	size_t most = 0;
	vec_each(step, &plan->steps)
		most += step->kind == STEP_START;
	if (s->preparer || most < AHEAD_LEAST || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	s->preparer = new0(struct preparer);
	s->preparer->most = most;
	s->preparer->socket = FD_NONE;
	begin(s->preparer, s->name);
	if (s->preparer->pid <= 0)
		prepare_end(s);
}

static bool serves_names(const struct container *c)
{
	vec_each(p, &c->ports) {
		if (p->target == 53)
			return true;
	}
	return false;
}

void prepare_expect(struct life *life)
{
	struct preparer *p = life->s->preparer;
	const struct container *c = life->c;
	const struct berth *berth = life->berth;
	const char *mode = c->network_mode ? c->network_mode : "";
	if (!p || p->expected.n == p->most || !life->spec || berth->net >= 0 || berth->user >= 0 ||
	    str_eq(mode, "host") || str_starts(mode, "service:") || str_starts(mode, "container:"))
		return;
	struct order order = { .index = (uint32_t)p->expected.n,
			       .dns = c->networks.n > 0 && !serves_names(c),
			       .idmap = life->spec->idmap };
	struct iovec iov[2] = { { &order, sizeof(order) }, { NULL, 0 } };
	const struct passed none = { .n = 0 };
	/* What it has no room for now, it would not have made in time. */
	if (passing_send(p->socket, iov, MSG_DONTWAIT, &none) == sizeof(order))
		vec_push(&p->expected, (struct expected){ .berth = berth,
							  .idmap = order.idmap,
							  .made = MADE_NONE });
}

/* False: there is nothing more to come. */
static bool receive(struct preparer *p)
{
	struct delivery body;
	struct iovec iov[2] = { { &body, sizeof(body) }, { NULL, 0 } };
	struct passed fds;
	ssize_t n = passing_receive(p->socket, iov, 0, &fds);
	if (n != sizeof(body) || body.index >= p->expected.n)
		return false;
	struct expected *e = &p->expected.v[body.index];
	passed_unpack(&fds, body.there, e->made.fds, MADE_FDS);
	e->arrived = true;
	return true;
}

static struct expected *find(struct preparer *p, const struct berth *berth)
{
	for (size_t i = 0; i < p->expected.n; i++) {
		size_t at = (p->next + i) % p->expected.n;
		if (p->expected.v[at].berth != berth)
			continue;
		p->next = at;
		return &p->expected.v[at];
	}
	return NULL;
}

bool prepare_take(struct supervisor *s, struct berth *berth, const struct spec_idmap *idmap)
{
	struct preparer *p = s->preparer;
	struct expected *e = p ? find(p, berth) : NULL;
	if (!e || e->idmap.base != idmap->base || e->idmap.count != idmap->count)
		return false;
	if (claim(p, (size_t)(e - p->expected.v))) {
		e->arrived = true; /* the supervisor makes it now: nothing will come */
		return false;
	}
	while (!e->arrived && receive(p))
		;
	if (e->made.fds[1] < 0)
		return false;
	berth->user = e->made.fds[0];
	berth->net = e->made.fds[1];
	berth->udp = e->made.fds[2];
	berth->tcp = e->made.fds[3];
	berth->idmap = *idmap;
	e->made = MADE_NONE;
	return true;
}

void prepare_end(struct supervisor *s)
{
	struct preparer *p = ptr_take(s->preparer);
	if (!p)
		return;
	/* It ends after the one it is at, and leaves no helper behind. */
	for (size_t i = 0; p->claims && i < p->most; i++)
		(void)claim(p, i);
	if (p->pid > 0) {
		(void)shutdown(p->socket, SHUT_WR);
		while (receive(p))
			;
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	vec_each(e, &p->expected)
		made_close(&e->made);
	if (p->claims)
		munmap(p->claims, p->most);
	vec_done(&p->expected);
	fd_close(p->socket);
	free(p);
}
