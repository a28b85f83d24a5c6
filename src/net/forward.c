#include "net/forward.h"

#include "base/map.h"
#include "net/dns-packet.h"
#include "net/resolv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
	PENDING_MAX = 1024,	/* a flood of names nobody answers costs this many sockets */
	ATTEMPTS_MAX = 4,	/* within the five seconds that C libraries wait */
	SERVERS_KNOWN_MAX = 64, /* remembered as silent */
};
#define ATTEMPT_TIME (1200 * NSEC_PER_MSEC)
#define SHUN_TIME    (15 * NSEC_PER_SEC) /* a silent server is asked last for so long */

struct forwarder {
	struct loop *loop;
	struct resolv_file resolv;
	struct map silent; /* server -> nsec_t * until when it is asked last */
	struct forward *first;
	unsigned pending;
};

struct forward {
	struct forwarder *owner;
	struct forward *next, **self;
	struct strv servers; /* in the order of asking */
	unsigned attempt;
	bool tcp;
	int fd;
	struct watch *watch;
	struct timer *timer;
	uint8_t *question; /* two bytes of length (TCP), then the message */
	size_t len;	   /* of the message */
	uint8_t id[2];	   /* the asker's */
	size_t sent;	   /* of question, TCP */
	uint8_t *answer;   /* TCP: length and message so far */
	size_t got;
	uint8_t *refusal; /* the last answer that sent us to the next server */
	size_t refusal_len;
	forward_fn fn;
	void *data;
};

static void attempt(struct forward *q);

struct forwarder *forwarder__new(struct loop *loop, const char *resolv_conf)
{
	struct forwarder *f = new0(struct forwarder);
	f->loop = loop;
	f->resolv.path = xstrdup(resolv_conf ? resolv_conf : "/etc/resolv.conf");
	f->silent = MAP_INIT_FREE(free);
	return f;
}

void forwarder__free(struct forwarder *f)
{
	if (!f)
		return;
	while (f->first)
		forward__cancel(f->first);
	resolv__file_done(&f->resolv);
	map_done(&f->silent);
	free(f);
}

static void hang_up(struct forward *q)
{
	watch_close(q->watch);
	q->watch = NULL;
	q->fd = fd_close(q->fd);
	free(q->answer);
	q->answer = NULL;
	q->got = q->sent = 0;
}

void forward__cancel(struct forward *q)
{
	if (!q)
		return;
	*q->self = q->next;
	if (q->next)
		q->next->self = q->self;
	q->owner->pending--;
	hang_up(q);
	timer_close(q->timer);
	strv_done(&q->servers);
	free(q->question);
	free(q->refusal);
	free(q);
}

/* The end: the question is off all lists when fn runs, so that it may start another. */
static void finish(struct forward *q, uint8_t *answer, size_t len)
{
	forward_fn fn = q->fn;
	void *data = q->data;
	uint8_t *last = NULL;
	if (!answer && q->refusal) {
		last = answer = ptr_take(q->refusal);
		len = q->refusal_len;
	}
	if (answer)
		memcpy(answer, q->id, 2);
	/* A TCP answer lies in the question's own buffer. */
	cleanup_free uint8_t *kept = ptr_take(q->answer);
	(void)kept;
	forward__cancel(q);
	fn(data, answer, len);
	free(last);
}

/* --- servers --- */

static bool is_silent(struct forwarder *f, const char *server)
{
	const nsec_t *until = map_get(&f->silent, server);
	return until && *until > now_mono();
}

static void mark_silent(struct forwarder *f, const char *server)
{
	if (f->silent.live >= SERVERS_KNOWN_MAX) {
		map_done(&f->silent);
		f->silent = MAP_INIT_FREE(free);
	}
	nsec_t until = now_mono() + SHUN_TIME;
	map_set(&f->silent, server, xmemdup(&until, sizeof(until)));
}

/* Those that answered lately first, each group in the order of the file. */
static void order_servers(struct forwarder *f, const struct strv *wanted, struct strv *ret)
{
	const struct strv *all = wanted->n ? wanted : &resolv__file_read(&f->resolv)->servers;
	for (int silent = 0; silent < 2; silent++)
		for (size_t i = 0; i < all->n && ret->n < RESOLV_SERVERS; i++)
			if (is_silent(f, all->v[i]) == silent)
				strv_add(ret, all->v[i]);
}

/* "10.0.0.1", "fd00::1", "fe80::1%eth0", port 53. */
static socklen_t server_address(const char *text, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(53);
		return sizeof(*in);
	}
	cleanup_free char *host = xstrndup(text, strcspn(text, "%"));
	const char *zone = strchr(text, '%');
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return 0;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(53);
	in6->sin6_scope_id = zone ? if_nametoindex(zone + 1) : 0;
	return sizeof(*in6);
}

static const char *current_server(const struct forward *q)
{
	return q->servers.v[q->attempt % q->servers.n];
}

/* --- one attempt --- */

static void next_server(struct forward *q, bool silent)
{
	if (silent)
		mark_silent(q->owner, current_server(q));
	hang_up(q);
	q->attempt++;
	/* Each server once at least; a single one again, for a datagram may get lost. */
	unsigned limit = q->servers.n > ATTEMPTS_MAX ? (unsigned)q->servers.n : ATTEMPTS_MAX;
	if (q->attempt >= limit)
		finish(q, NULL, 0);
	else
		attempt(q);
}

/* An answer that says "I cannot": another server may. What it says is kept for the case that none
 * can. */
static void take_answer(struct forward *q, uint8_t *answer, size_t len)
{
	const uint8_t *question = q->question + 2;
	if (!dns__answers(question, q->len, answer, len))
		return; /* not to our question: somebody guesses, or a late one */
	uint16_t rcode = dns__rcode(answer);
	bool refused = rcode == DNS_SERVFAIL || rcode == DNS_REFUSED || rcode == DNS_NOTIMP;
	if (refused && q->attempt + 1 < q->servers.n) {
		free(q->refusal);
		q->refusal = xmemdup(answer, len);
		q->refusal_len = len;
		next_server(q, false);
		return;
	}
	free(map_take(&q->owner->silent, current_server(q)));
	finish(q, answer, len);
}

static void on_datagram(struct watch *w, int fd, uint32_t events, void *data)
{
	static uint8_t buf[DNS_MESSAGE_MAX]; /* one answer at a time; used up before we return */
	struct forward *q = data;
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	if (n >= 0)
		take_answer(q, buf, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		next_server(q, true); /* nobody listens there (ECONNREFUSED), no route */
}

static void on_stream(struct watch *w, int fd, uint32_t events, void *data)
{
	struct forward *q = data;
	if (q->sent < q->len + 2) {
		ssize_t n = send(fd, q->question + q->sent, q->len + 2 - q->sent, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			next_server(q, true);
			return;
		}
		q->sent += (size_t)n;
		if (q->sent == q->len + 2)
			watch_events(q->watch, EPOLLIN);
		return;
	}
	if (!q->answer)
		q->answer = xmalloc(DNS_MESSAGE_MAX + 2);
	ssize_t n = recv(fd, q->answer + q->got, DNS_MESSAGE_MAX + 2 - q->got, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		next_server(q, true);
		return;
	}
	q->got += (size_t)n;
	size_t want = q->got >= 2 ? (size_t)(q->answer[0] << 8 | q->answer[1]) : DNS_MESSAGE_MAX;
	if (q->got >= want + 2)
		take_answer(q, q->answer + 2, want);
}

static void on_timeout(struct timer *t, void *data)
{
	next_server(data, true);
}

static int open_attempt(struct forward *q)
{
	struct sockaddr_storage address;
	socklen_t len = server_address(current_server(q), &address);
	int type = (q->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	if (len == 0)
		return -EINVAL;
	/* A new socket each time: another source port, so that an answer is hard to guess, and
	 * connected, so that a closed port says so at once. */
	cleanup_fd int fd = socket(address.ss_family, type, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, len) < 0 && errno != EINPROGRESS)
		return -errno;
	if (!q->tcp && send(fd, q->question + 2, q->len, MSG_NOSIGNAL) < 0)
		return -errno;
	q->watch = loop_watch(q->owner->loop, fd, q->tcp ? EPOLLOUT : EPOLLIN,
			      q->tcp ? on_stream : on_datagram, q);
	q->fd = fd_take(fd);
	return 0;
}

static void attempt(struct forward *q)
{
	/* Also when it could not be sent: the timer leads to the next server without recursion. */
	int r = open_attempt(q);
	timer_again(q->timer, r < 0 ? NSEC_PER_MSEC : ATTEMPT_TIME);
}

struct forward *forward__start(struct forwarder *f, const struct strv *servers,
			       const uint8_t *question, size_t len, bool tcp, forward_fn fn,
			       void *data)
{
	struct strv order = { 0 };
	if (f->pending >= PENDING_MAX || len < DNS_HEADER || len > DNS_QUERY_MAX)
		return NULL;
	order_servers(f, servers, &order);
	if (order.n == 0)
		return NULL;
	struct forward *q = new0(struct forward);
	q->owner = f;
	q->servers = order;
	q->tcp = tcp;
	q->fd = FD_NONE;
	q->fn = fn;
	q->data = data;
	q->len = len;
	q->question = xmalloc(len + 2);
	q->question[0] = (uint8_t)(len >> 8);
	q->question[1] = (uint8_t)len;
	memcpy(q->question + 2, question, len);
	memcpy(q->id, question, 2);
	(void)!getrandom(q->question + 2, 2, 0); /* else the asker's id, which is random as well */
	q->self = &f->first;
	q->next = f->first;
	if (q->next)
		q->next->self = &q->next;
	f->first = q;
	f->pending++;
	q->timer = loop_timer(f->loop, ATTEMPT_TIME, 0, on_timeout, q);
	attempt(q);
	return q;
}
