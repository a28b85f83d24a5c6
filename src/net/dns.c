/* The server: askers, their two sockets each, and the answers. */
#include "net/dns.h"

#include "base/fs.h"
#include "base/map.h"
#include "net/dns-packet.h"
#include "net/forward.h"
#include "net/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum {
	UDP_ROUND = 32,	      /* datagrams of one asker before the others have their turn */
	STREAMS_MAX = 256,    /* connections of all askers */
	STREAMS_EACH = 16,    /* of one */
	ANSWERS_MAX = 1024,   /* addresses of one name */
	CLIENT_PENDING = 256, /* forwarded questions of one asker */
};
#define STREAM_IDLE (10 * NSEC_PER_SEC)

struct dns {
	struct loop *loop;
	struct names *names;
	struct forwarder *forwarder;
	struct map clients; /* key -> struct client */
	unsigned streams;
};

struct client {
	struct dns *dns;
	int udp, tcp;
	struct watch *udp_watch, *tcp_watch;
	struct strv servers, networks;
	bool forward;
	struct stream *streams;
	struct relay *relays;
	unsigned stream_count, relay_count;
};

/* A connection of an asker. Questions are answered one after the other. */
struct stream {
	struct client *client;
	struct stream *next, **self;
	int fd;
	struct watch *watch;
	struct timer *timer;
	uint8_t in[DNS_QUERY_MAX + 2];
	size_t got;
	uint8_t *out; /* length and answer; NULL: none under way */
	size_t out_len, sent;
	struct relay *relay; /* waiting for a resolver */
};

/* A question of an asker that is on its way to a resolver. */
struct relay {
	struct client *client;
	struct relay *next, **self;
	struct forward *forward;
	struct stream *stream; /* or NULL: */
	struct sockaddr_storage from;
	socklen_t from_len;
	struct dns_query query;
	uint8_t *packet; /* for answering that nobody answered */
};

/* --- answering from what we know --- */

struct reply {
	struct dns_record records[ANSWERS_MAX];
	size_t n;
	enum dns_rcode rcode;
};

static void add_hits(struct reply *reply, const struct name_hits *hits, uint16_t type)
{
	vec_each(hit, &hits->list) {
		if (reply->n >= ANSWERS_MAX)
			return;
		struct dns_record *r = &reply->records[reply->n];
		if ((type == DNS_A || type == DNS_ANY) && hit->has4) {
			*r = (struct dns_record){ .type = DNS_A };
			memcpy(r->address, hit->ipv4, sizeof(hit->ipv4));
			reply->n++;
			r++;
		}
		if ((type == DNS_AAAA || type == DNS_ANY) && hit->has6 && reply->n < ANSWERS_MAX) {
			*r = (struct dns_record){ .type = DNS_AAAA };
			memcpy(r->address, hit->ipv6, sizeof(hit->ipv6));
			reply->n++;
		}
	}
}

/* "web" on the first of the asker's networks that has it, "web.proj_default" on that one. A name
 * that is ours has an answer for every type, maybe an empty one: asking the world for the rest
 * would be slow, and none of its business. */
static bool answer_name(struct client *c, const struct dns_question *q, struct reply *reply)
{
	for (size_t i = 0; i < c->networks.n; i++) {
		const char *network = c->networks.v[i];
		struct name_hits hits = { 0 };
		bool found = names__find(c->dns->names, network, q->name, &hits);
		size_t len = strlen(q->name), tail = strlen(network);
		if (!found && len > tail + 1 && q->name[len - tail - 1] == '.' &&
		    strcasecmp(q->name + len - tail, network) == 0) {
			cleanup_free char *name = xstrndup(q->name, len - tail - 1);
			found = names__find(c->dns->names, network, name, &hits);
		}
		if (found)
			add_hits(reply, &hits, q->type);
		vec_done(&hits.list);
		if (found)
			return true;
	}
	return false;
}

/* text: where the name is built; it must live as long as the reply. */
static bool answer_reverse(struct client *c, const struct dns_question *q, struct reply *reply,
			   char text[512])
{
	char address[INET6_ADDRSTRLEN];
	if (q->type != DNS_PTR || !dns__reverse_name(q->name, address))
		return false;
	for (size_t i = 0; i < c->networks.n; i++) {
		const char *name = names__reverse(c->dns->names, c->networks.v[i], address);
		if (!name)
			continue;
		snprintf(text, 512, "%s.%s", name, c->networks.v[i]);
		reply->records[reply->n++] = (struct dns_record){ .type = DNS_PTR, .name = text };
		return true;
	}
	return false;
}

/* 0: the reply is ready in out (its length returned in *ret_len); 1: ask a resolver; negative: no
 * answer at all. */
static int answer(struct client *c, const uint8_t *packet, size_t len, bool tcp,
		  struct dns_query *query, uint8_t *out, size_t *ret_len)
{
	static struct reply reply; /* large; one question at a time */
	char text[512];
	int r = dns__parse_query(packet, len, query);
	if (r < 0)
		return r;
	const struct dns_question *q = &query->question;
	reply.n = 0;
	reply.rcode = (enum dns_rcode)r;
	if (r == 0 && q->class != DNS_CLASS_IN && q->class != DNS_CLASS_ANY)
		reply.rcode = DNS_REFUSED;
	else if (r == 0 && !answer_name(c, q, &reply) && !answer_reverse(c, q, &reply, text)) {
		if (c->forward)
			return 1;
		reply.rcode = DNS_NXDOMAIN;
	}
	*ret_len = dns__answer(packet, query, reply.rcode, reply.records, reply.n, out,
			       tcp ? DNS_MESSAGE_MAX : query->udp_size);
	return 0;
}

/* --- questions on their way --- */

static void stream_send(struct stream *s, const uint8_t *message, size_t len);

static void relay_free(struct relay *r)
{
	if (!r)
		return;
	*r->self = r->next;
	if (r->next)
		r->next->self = r->self;
	r->client->relay_count--;
	if (r->stream)
		r->stream->relay = NULL;
	forward__cancel(r->forward);
	free(r->packet);
	free(r);
}

static void relay_done(void *data, const uint8_t *message, size_t len)
{
	struct relay *r = data;
	uint8_t failure[DNS_UDP_MOST];
	r->forward = NULL; /* it is over; its memory is not ours */
	if (!message) {
		len = dns__answer(r->packet, &r->query, DNS_SERVFAIL, NULL, 0, failure,
				  sizeof(failure));
		message = failure;
	}
	if (r->stream)
		stream_send(r->stream, message, len);
	else /* a full buffer or an asker that is gone: it asks again */
		(void)sendto(r->client->udp, message, len, MSG_DONTWAIT,
			     (struct sockaddr *)&r->from, r->from_len);
	relay_free(r);
}

static struct relay *relay_start(struct client *c, struct stream *stream, const uint8_t *packet,
				 size_t len, const struct dns_query *query)
{
	if (c->relay_count >= CLIENT_PENDING)
		return NULL;
	struct relay *r = new0(struct relay);
	r->client = c;
	r->stream = stream;
	r->query = *query;
	r->packet = xmemdup(packet, len);
	r->forward = forward__start(c->dns->forwarder, &c->servers, packet, len, stream != NULL,
				    relay_done, r);
	if (!r->forward) {
		free(r->packet);
		free(r);
		return NULL;
	}
	r->self = &c->relays;
	r->next = c->relays;
	if (r->next)
		r->next->self = &r->next;
	c->relays = r;
	c->relay_count++;
	return r;
}

/* --- datagrams --- */

static void on_udp(struct watch *w, int fd, uint32_t events, void *data)
{
	struct client *c = data;
	static uint8_t packet[DNS_QUERY_MAX + 1], out[DNS_UDP_MOST];
	for (int i = 0; i < UDP_ROUND; i++) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from);
		struct dns_query query;
		size_t len;
		ssize_t n = recvfrom(fd, packet, sizeof(packet), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &from_len);
		if (n < 0)
			return;
		int r = answer(c, packet, (size_t)n, false, &query, out, &len);
		if (r < 0)
			continue;
		if (r > 0) {
			struct relay *relay = relay_start(c, NULL, packet, (size_t)n, &query);
			if (relay) {
				relay->from = from;
				relay->from_len = from_len;
				continue;
			}
			len = dns__answer(packet, &query, DNS_SERVFAIL, NULL, 0, out, sizeof(out));
		}
		(void)sendto(fd, out, len, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
	}
}

/* --- streams --- */

static void stream_free(struct stream *s)
{
	*s->self = s->next;
	if (s->next)
		s->next->self = s->self;
	s->client->stream_count--;
	s->client->dns->streams--;
	relay_free(s->relay);
	watch_close(s->watch);
	timer_close(s->timer);
	fd_close(s->fd);
	free(s->out);
	free(s);
}

static void stream_send(struct stream *s, const uint8_t *message, size_t len)
{
	free(s->out);
	s->out = xmalloc(len + 2);
	s->out[0] = (uint8_t)(len >> 8);
	s->out[1] = (uint8_t)len;
	memcpy(s->out + 2, message, len);
	s->out_len = len + 2;
	s->sent = 0;
	watch_events(s->watch, EPOLLOUT);
	timer_again(s->timer, STREAM_IDLE);
}

/* Takes the next whole question from the buffer, if there is one. False: the stream is gone. */
static bool stream_next(struct stream *s)
{
	static uint8_t out[DNS_MESSAGE_MAX];
	size_t want = s->got >= 2 ? (size_t)(s->in[0] << 8 | s->in[1]) : 0;
	struct dns_query query;
	size_t len;
	if (want > DNS_QUERY_MAX) {
		stream_free(s);
		return false;
	}
	if (s->got < 2 || s->got < want + 2) {
		watch_events(s->watch, EPOLLIN);
		return true;
	}
	const uint8_t *packet = s->in + 2;
	int r = answer(s->client, packet, want, true, &query, out, &len);
	if (r < 0) {
		stream_free(s);
		return false;
	}
	if (r > 0) {
		s->relay = relay_start(s->client, s, packet, want, &query);
		if (!s->relay)
			len = dns__answer(packet, &query, DNS_SERVFAIL, NULL, 0, out, sizeof(out));
	}
	if (s->relay)
		watch_events(s->watch, 0); /* until the resolver has answered */
	else
		stream_send(s, out, len);
	memmove(s->in, s->in + want + 2, s->got - want - 2);
	s->got -= want + 2;
	return true;
}

static void on_stream(struct watch *w, int fd, uint32_t events, void *data)
{
	struct stream *s = data;
	if (s->out) {
		ssize_t n = send(fd, s->out + s->sent, s->out_len - s->sent, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			stream_free(s);
			return;
		}
		s->sent += (size_t)n;
		if (s->sent < s->out_len)
			return;
		free(s->out);
		s->out = NULL;
		(void)stream_next(s); /* the asker may have sent several */
		return;
	}
	if (s->relay) { /* hung up while waiting */
		if (events & (EPOLLHUP | EPOLLERR))
			stream_free(s);
		return;
	}
	ssize_t n = recv(fd, s->in + s->got, sizeof(s->in) - s->got, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stream_free(s);
		return;
	}
	s->got += (size_t)n;
	(void)stream_next(s);
}

static void on_idle(struct timer *t, void *data)
{
	stream_free(data);
}

static void on_accept(struct watch *w, int fd, uint32_t events, void *data)
{
	struct client *c = data;
	cleanup_fd int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0 || c->stream_count >= STREAMS_EACH || c->dns->streams >= STREAMS_MAX)
		return;
	(void)setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	struct stream *s = new0(struct stream);
	s->client = c;
	s->fd = fd_take(conn);
	s->self = &c->streams;
	s->next = c->streams;
	if (s->next)
		s->next->self = &s->next;
	c->streams = s;
	c->stream_count++;
	c->dns->streams++;
	s->watch = loop_watch(c->dns->loop, s->fd, EPOLLIN, on_stream, s);
	s->timer = loop_timer(c->dns->loop, STREAM_IDLE, 0, on_idle, s);
}

/* --- askers --- */

static void client_free(void *data)
{
	struct client *c = data;
	if (!c)
		return;
	while (c->streams)
		stream_free(c->streams);
	while (c->relays)
		relay_free(c->relays);
	watch_close(c->udp_watch);
	watch_close(c->tcp_watch);
	fd_close(c->udp);
	fd_close(c->tcp);
	strv_done(&c->servers);
	strv_done(&c->networks);
	free(c);
}

int dns_new_with(struct loop *loop, const char *run, const char *project, const char *resolv_conf,
		 struct dns **ret, struct err *err)
{
	struct names *names = NULL;
	int r = names__new(loop, run, project, &names, err);
	if (r < 0)
		return r;
	struct dns *dns = new0(struct dns);
	dns->loop = loop;
	dns->names = names;
	dns->forwarder = forwarder__new(loop, resolv_conf);
	dns->clients = MAP_INIT_FREE(client_free);
	*ret = dns;
	return 0;
}

int dns_new(struct loop *loop, const char *run, const char *project, struct dns **ret,
	    struct err *err)
{
	return dns_new_with(loop, run, project, NULL, ret, err);
}

void dns_free(struct dns *dns)
{
	if (!dns)
		return;
	map_done(&dns->clients);
	forwarder__free(dns->forwarder);
	names__free(dns->names);
	free(dns);
}

int dns_client_networks(struct dns *dns, const char *key, const struct strv *networks)
{
	struct client *c = map_get(&dns->clients, key);
	if (!c)
		return -ENOENT;
	struct strv copy = { 0 };
	strv_copy(&copy, networks);
	strv_done(&c->networks);
	c->networks = copy;
	for (size_t i = 0; i < copy.n; i++)
		names__follow(dns->names, copy.v[i]);
	return 0;
}

int dns_client_add(struct dns *dns, const struct dns_client *client, struct err *err)
{
	struct client *c = new0(struct client);
	c->dns = dns;
	c->udp = client->udp;
	c->tcp = client->tcp;
	c->forward = client->forward;
	strv_copy(&c->servers, &client->servers);
	if (c->udp >= 0)
		c->udp_watch = loop_watch(dns->loop, c->udp, EPOLLIN, on_udp, c);
	if (c->tcp >= 0)
		c->tcp_watch = loop_watch(dns->loop, c->tcp, EPOLLIN, on_accept, c);
	map_set(&dns->clients, client->key, c);
	return dns_client_networks(dns, client->key, &client->networks);
}

void dns_client_remove(struct dns *dns, const char *key)
{
	client_free(map_take(&dns->clients, key));
}

int dns_names_set(struct dns *dns, const char *network, const struct dns_names *list,
		  struct err *err)
{
	return names__set(dns->names, network, list, err);
}
