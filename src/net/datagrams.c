#include "net/datagrams.h"

#include "net/port.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum {
	FLOWS_MAX = 256, /* a descriptor each; the one idle for longest makes room */
	AT_ONCE = 64,	 /* datagrams between two looks at the rest of the loop */
	DATAGRAM = 65535,
};
#define IDLE_TIME (90 * NSEC_PER_SEC) /* as Docker's proxy */
#define IDLE_LOOK (10 * NSEC_PER_SEC)

struct datagrams {
	struct loop *loop;
	int fd;
	struct watch *watch;
	struct timer *idle;
	VEC(struct sockaddr_storage) targets;
	size_t turn;
	struct flow *first;
	unsigned count;
};

/* One client's. */
struct flow {
	struct datagrams *all;
	struct flow *next, **self;
	struct sockaddr_in6 client;
	struct in6_pktinfo local; /* the address it sent to: answers come from there */
	struct sockaddr_storage target;
	int fd; /* connected to the target */
	struct watch *watch;
	nsec_t last; /* mono */
};

static void flow_free(struct flow *f)
{
	*f->self = f->next;
	if (f->next)
		f->next->self = f->self;
	f->all->count--;
	watch_close(f->watch);
	fd_close(f->fd);
	free(f);
}

/* --- from the replica --- */

static void answer(struct flow *f, void *data, size_t len)
{
	char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = { 0 };
	struct iovec part = { data, len };
	struct msghdr message = {
		.msg_name = &f->client,
		.msg_namelen = sizeof(f->client),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(f->local));
	memcpy(CMSG_DATA(c), &f->local, sizeof(f->local));
	(void)sendmsg(f->all->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); /* may be lost, as any */
}

static void on_answer(struct watch *w, int fd, uint32_t events, void *data)
{
	struct flow *f = data;
	char buf[DATAGRAM];
	for (int i = 0; i < AT_ONCE; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) { /* nobody listens there: the next datagram may find another replica */
			flow_free(f);
			return;
		}
		f->last = now_mono();
		answer(f, buf, (size_t)n);
	}
}

/* --- from the client --- */

static struct flow *find_flow(struct datagrams *d, const struct sockaddr_in6 *client,
			      const struct in6_pktinfo *local)
{
	for (struct flow *f = d->first; f; f = f->next)
		if (f->client.sin6_port == client->sin6_port &&
		    f->client.sin6_scope_id == client->sin6_scope_id &&
		    IN6_ARE_ADDR_EQUAL(&f->client.sin6_addr, &client->sin6_addr) &&
		    IN6_ARE_ADDR_EQUAL(&f->local.ipi6_addr, &local->ipi6_addr))
			return f;
	return NULL;
}

static void make_room(struct datagrams *d)
{
	struct flow *oldest = d->first;
	for (struct flow *f = d->first; f; f = f->next)
		if (f->last < oldest->last)
			oldest = f;
	if (d->count >= FLOWS_MAX)
		flow_free(oldest);
}

/* NULL: no descriptor, or no way. */
static struct flow *flow_new(struct datagrams *d, const struct sockaddr_in6 *client,
			     const struct in6_pktinfo *local)
{
	const struct sockaddr_storage *to = &d->targets.v[d->turn++ % d->targets.n];
	socklen_t len =
		to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	cleanup_fd int fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, len) < 0)
		return NULL;
	make_room(d);
	struct flow *f = new0(struct flow);
	f->all = d;
	f->client = *client;
	f->local = *local;
	f->target = *to;
	f->fd = fd_take(fd);
	f->self = &d->first;
	f->next = d->first;
	if (f->next)
		f->next->self = &f->next;
	d->first = f;
	if (d->count++ == 0)
		timer_again(d->idle, IDLE_LOOK);
	f->watch = loop_watch(d->loop, f->fd, EPOLLIN, on_answer, f);
	return f;
}

static void local_address(struct msghdr *message, struct in6_pktinfo *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			memcpy(ret, CMSG_DATA(c), sizeof(*ret));
	/* The way back is the kernel's choice, but where the address means one interface only. */
	if (!IN6_IS_ADDR_LINKLOCAL(&ret->ipi6_addr))
		ret->ipi6_ifindex = 0;
}

/* False: there is nothing to receive. */
static bool receive(struct datagrams *d)
{
	char buf[DATAGRAM], control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct sockaddr_in6 client = { 0 };
	struct in6_pktinfo local = { 0 };
	struct iovec part = { buf, sizeof(buf) };
	struct msghdr message = {
		.msg_name = &client,
		.msg_namelen = sizeof(client),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(d->fd, &message, MSG_DONTWAIT);
	if (n < 0)
		return errno != EAGAIN && errno != EINTR; /* the error of one sent before */
	local_address(&message, &local);
	struct flow *f = find_flow(d, &client, &local);
	if (!f)
		f = flow_new(d, &client, &local);
	if (!f)
		return true;
	f->last = now_mono();
	if (send(f->fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED)
		flow_free(f);
	return true;
}

static void on_datagram(struct watch *w, int fd, uint32_t events, void *data)
{
	for (int i = 0; i < AT_ONCE; i++)
		if (!receive(data))
			return;
}

static void on_idle(struct timer *t, void *data)
{
	struct datagrams *d = data;
	nsec_t now = now_mono();
	for (struct flow *f = d->first, *next; f; f = next) {
		next = f->next;
		if (now - f->last > IDLE_TIME)
			flow_free(f);
	}
	if (d->count)
		timer_again(d->idle, IDLE_LOOK);
}

/* --- the public part --- */

struct datagrams *datagrams__new(struct loop *loop, int fd)
{
	struct datagrams *d = new0(struct datagrams);
	d->loop = loop;
	d->fd = fd;
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &(int){ 1 }, sizeof(int));
	d->idle = loop_timer(loop, NSEC_PER_SEC, 0, on_idle, d);
	timer_stop(d->idle);
	return d;
}

void datagrams__drop(int fd, bool drop)
{
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 0 } };
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };
	if (drop)
		(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	else
		(void)setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &(int){ 0 }, sizeof(int));
}

static void set_receiving(struct datagrams *d, bool receiving)
{
	if (receiving == (d->watch != NULL))
		return;
	datagrams__drop(d->fd, !receiving);
	if (receiving) {
		d->watch = loop_watch(d->loop, d->fd, EPOLLIN, on_datagram, d);
	} else {
		watch_close(d->watch);
		d->watch = NULL;
	}
}

void datagrams__free(struct datagrams *d)
{
	if (!d)
		return;
	set_receiving(d, false);
	while (d->first)
		flow_free(d->first);
	timer_close(d->idle);
	vec_done(&d->targets);
	free(d);
}

static bool is_target(const struct datagrams *d, const struct sockaddr_storage *address)
{
	vec_each(t, &d->targets)
		if (memcmp(t, address, sizeof(*t)) == 0)
			return true;
	return false;
}

void datagrams__targets(struct datagrams *d, const struct net_ports *ports, uint16_t port)
{
	vec_done(&d->targets);
	vec_each(t, &ports->targets) {
		struct sockaddr_storage address;
		if (port__target(t, port, &address))
			vec_push(&d->targets, address);
	}
	for (struct flow *f = d->first, *next; f; f = next) {
		next = f->next;
		if (!is_target(d, &f->target))
			flow_free(f);
	}
	set_receiving(d, d->targets.n > 0);
}
