#include "net/proxy.h"

#include "net/port.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum {
	BACKLOG = 128,
	CONNECTIONS_MAX = 256, /* six descriptors each */
	CHUNK = 64 << 10,      /* what a pipe holds */
};
#define PAUSE	     (200 * NSEC_PER_MSEC) /* after running out of descriptors */
#define CONNECT_TIME (10 * NSEC_PER_SEC)

struct proxy {
	struct loop *loop;
	int fd;
	struct watch *watch;
	struct timer *pause;
	VEC(struct sockaddr_storage) targets;
	size_t turn;
	struct connection *first;
	unsigned count;
	bool listening;
};

/* One direction: what `from` sent and `to` has not taken yet is in the pipe. */
struct half {
	int in, out; /* of the pipe */
	size_t held;
	bool eof, closed; /* `from` has ended; `to` has been told */
};

struct connection {
	struct proxy *proxy;
	struct connection *next, **self;
	int fd[2]; /* client, replica */
	struct watch *watch[2];
	struct half half[2]; /* half[i]: from fd[i] to fd[1 - i] */
	struct timer *timer; /* until the replica has answered */
	size_t refusals;     /* replicas that did not want it */
	bool connected;
};

static void connection_free(struct connection *c)
{
	*c->self = c->next;
	if (c->next)
		c->next->self = c->self;
	c->proxy->count--;
	for (int i = 0; i < 2; i++) {
		watch_close(c->watch[i]);
		fd_close(c->fd[i]);
		fd_close(c->half[i].in);
		fd_close(c->half[i].out);
	}
	timer_close(c->timer);
	free(c);
}

/* Moves what can be moved from fd[i] to the other side. False: broken. */
static bool pump(struct connection *c, int i)
{
	struct half *h = &c->half[i];
	for (;;) {
		if (h->held == 0 && !h->eof) {
			ssize_t n = splice(c->fd[i], NULL, h->in, NULL, CHUNK,
					   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
			if (n < 0 && (errno == EAGAIN || errno == EINTR))
				return true;
			if (n < 0)
				return false;
			h->eof = n == 0;
			h->held = (size_t)n;
		}
		if (h->held == 0) {
			if (!h->closed)
				(void)shutdown(c->fd[1 - i], SHUT_WR); /* gone: seen on its side */
			h->closed = true;
			return true;
		}
		ssize_t n = splice(h->out, NULL, c->fd[1 - i], NULL, h->held,
				   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0)
			return false;
		h->held -= (size_t)n;
	}
}

/* Waits for input where the pipe is empty, for room where it is not. An end that has nothing more
 * to say or to hear is not watched any longer: it would report its hang-up for ever. */
static void want(struct connection *c)
{
	for (int i = 0; i < 2; i++) {
		const struct half *from = &c->half[i], *to = &c->half[1 - i];
		if (from->eof && to->closed) {
			watch_close(c->watch[i]);
			c->watch[i] = NULL;
		}
		if (!c->watch[i])
			continue;
		uint32_t events = from->held == 0 && !from->eof ? EPOLLIN : 0;
		watch_events(c->watch[i], events | (to->held ? EPOLLOUT : 0));
	}
}

static bool dial_another(struct connection *c);

static void on_traffic(struct watch *w, int fd, uint32_t events, void *data)
{
	struct connection *c = data;
	if (!c->connected) {
		int error = 0;
		socklen_t len = sizeof(error);
		if (fd != c->fd[1]) { /* events are 0: it has hung up */
			connection_free(c);
			return;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
			if (!dial_another(c))
				connection_free(c);
			return;
		}
		c->connected = true;
		timer_close(c->timer);
		c->timer = NULL;
	}
	/* Both ends have said all, or one of them is broken (its error ends the splice). */
	if ((events & EPOLLERR) || !pump(c, 0) || !pump(c, 1) ||
	    (c->half[0].closed && c->half[1].closed)) {
		connection_free(c);
		return;
	}
	want(c);
}

static void on_connect_timeout(struct timer *t, void *data)
{
	connection_free(data);
}

static bool open_pipes(struct connection *c)
{
	for (int i = 0; i < 2; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
			return false;
		c->half[i].out = ends[0];
		c->half[i].in = ends[1];
	}
	return true;
}

static int dial(const struct sockaddr_storage *to)
{
	cleanup_fd int fd =
		socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	socklen_t len =
		to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	if (fd < 0 || (connect(fd, (const struct sockaddr *)to, len) < 0 && errno != EINPROGRESS))
		return FD_NONE;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	return fd_take(fd);
}

/* One that has died, or does not listen yet, refuses; the others are asked before the client hears
 * of it. */
static bool dial_another(struct connection *c)
{
	struct proxy *p = c->proxy;
	watch_close(c->watch[1]);
	c->watch[1] = NULL;
	c->fd[1] = fd_close(c->fd[1]);
	if (++c->refusals >= p->targets.n)
		return false;
	c->fd[1] = dial(&p->targets.v[p->turn++ % p->targets.n]);
	if (c->fd[1] < 0)
		return false;
	c->watch[1] = loop_watch(p->loop, c->fd[1], EPOLLOUT, on_traffic, c);
	return true;
}

/* Takes `client`. */
static void connection_new(struct proxy *p, int client)
{
	struct connection *c = new0(struct connection);
	c->proxy = p;
	c->fd[0] = client;
	c->fd[1] = p->targets.n ? dial(&p->targets.v[p->turn++ % p->targets.n]) : FD_NONE;
	for (int i = 0; i < 2; i++)
		c->half[i] = (struct half){ .in = FD_NONE, .out = FD_NONE };
	c->self = &p->first;
	c->next = p->first;
	if (c->next)
		c->next->self = &c->next;
	p->first = c;
	p->count++;
	if (c->fd[1] < 0 || !open_pipes(c)) {
		connection_free(c);
		return;
	}
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	c->watch[0] = loop_watch(p->loop, c->fd[0], 0, on_traffic, c);
	c->watch[1] = loop_watch(p->loop, c->fd[1], EPOLLOUT, on_traffic, c);
	c->timer = loop_timer(p->loop, CONNECT_TIME, 0, on_connect_timeout, c);
}

static void on_accept(struct watch *w, int fd, uint32_t events, void *data)
{
	struct proxy *p = data;
	int client = p->count < CONNECTIONS_MAX
			     ? accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)
			     : -1;
	if (client >= 0) {
		connection_new(p, client);
		return;
	}
	if (p->count < CONNECTIONS_MAX && errno != EMFILE && errno != ENFILE && errno != ENOMEM)
		return;
	watch_events(p->watch, 0); /* they wait in the backlog, and we do not spin */
	timer_again(p->pause, PAUSE);
}

static void on_pause_over(struct timer *t, void *data)
{
	struct proxy *p = data;
	if (p->watch)
		watch_events(p->watch, EPOLLIN);
}

struct proxy *proxy__new(struct loop *loop, int fd)
{
	struct proxy *p = new0(struct proxy);
	p->loop = loop;
	p->fd = fd;
	p->pause = loop_timer(loop, NSEC_PER_SEC, 0, on_pause_over, p);
	timer_stop(p->pause);
	return p;
}

/* A listening socket that is shut down stays bound: the port remains reserved. */
static void set_listening(struct proxy *p, bool listening)
{
	if (listening == p->listening)
		return;
	p->listening = listening;
	/* Connections inherit it: what is left of them (TIME_WAIT) must not keep the next
	 * supervisor from binding. A listener is not shared with others all the same. */
	(void)setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &(int){ listening }, sizeof(int));
	if (!listening) {
		watch_close(p->watch);
		p->watch = NULL;
		(void)shutdown(p->fd, SHUT_RDWR);
	} else if (listen(p->fd, BACKLOG) == 0) {
		p->watch = loop_watch(p->loop, p->fd, EPOLLIN, on_accept, p);
	} else {
		p->listening = false; /* another listener: IPv6 stays refused here */
	}
}

void proxy__free(struct proxy *p)
{
	if (!p)
		return;
	set_listening(p, false);
	while (p->first)
		connection_free(p->first);
	timer_close(p->pause);
	vec_done(&p->targets);
	free(p);
}

void proxy__targets(struct proxy *p, const struct net_ports *ports, uint16_t port)
{
	vec_done(&p->targets);
	vec_each(t, &ports->targets) {
		struct sockaddr_storage address;
		if (port__target(t, port, &address))
			vec_push(&p->targets, address);
	}
	set_listening(p, p->targets.n > 0);
}
