/* The DNS server with askers in namespaces of their own, and resolvers of ours on the host. */
#include "net-world.h"

#include "net/dns-packet.h"

static struct world world;
static struct loop *loop;
static struct dns *dns;
static char resolv_path[128];

static int setup(void **state)
{
	world_init(&world);
	must(loop_new(&loop, err));
	snprintf(resolv_path, sizeof(resolv_path), "%s/resolv.conf", world.dir);
	must(dns_new_with(loop, world.run, "p", resolv_path, &dns, err));
	return 0;
}

static int teardown(void **state)
{
	dns_free(dns);
	loop_free(loop);
	world_done(&world);
	return 0;
}

static int asker(const char *key, const char *network, bool forward)
{
	int ns = new_netns();
	struct dns_client c = { .key = key, .forward = forward };
	must(dns_sockets(ns, &c.udp, &c.tcp, err));
	strv_add(&c.networks, network);
	must(dns_client_add(dns, &c, err));
	strv_done(&c.networks);
	return ns;
}

static size_t question(const char *name, uint16_t type, uint8_t *out)
{
	memcpy(out, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", DNS_HEADER);
	size_t at = DNS_HEADER;
	while (*name) {
		size_t label = strcspn(name, ".");
		out[at++] = (uint8_t)label;
		memcpy(out + at, name, label);
		at += label;
		name += label + (name[label] == '.');
	}
	out[at++] = 0;
	out[at++] = (uint8_t)(type >> 8);
	out[at++] = (uint8_t)type;
	out[at++] = 0;
	out[at++] = 1;
	return at;
}

/* The answer as text: "NXDOMAIN", "10.0.0.2 10.0.0.3", "" for none; "TC" in front when it is
 * truncated; NULL when none came in time. */
static char *read_answer(const uint8_t *packet, size_t len)
{
	static const char *const rcodes[] = { "",	  "FORMERR", "SERVFAIL",
					      "NXDOMAIN", "NOTIMP",  "REFUSED" };
	struct str text = STR_INIT;
	assert_true(len >= DNS_HEADER);
	assert_int_equal(packet[0] << 8 | packet[1], 0x1234);
	str_add(&text, packet[2] & 2 ? "TC " : "");
	str_add(&text, rcodes[packet[3] & 15]);
	size_t at = DNS_HEADER, count = (size_t)(packet[6] << 8 | packet[7]);
	while (packet[at])
		at += packet[at] + 1u;
	at += 5;
	for (size_t i = 0; i < count && i < 4; i++) {
		char address[INET6_ADDRSTRLEN] = "";
		int type = packet[at + 3], size = packet[at + 11];
		if (type == DNS_PTR) {
			for (size_t n = at + 12; packet[n]; n += packet[n] + 1u)
				str_addf(&text, "%.*s.", packet[n], packet + n + 1);
		} else {
			assert_int_equal(packet[at + 9], DNS_TTL);
			inet_ntop(type == DNS_A ? AF_INET : AF_INET6, packet + at + 12, address,
				  sizeof(address));
		}
		str_addf(&text, "%s%s", i ? " " : "", address);
		at += 12 + (size_t)size;
	}
	return str_take(&text);
}

static char *ask(int ns, const char *name, uint16_t type)
{
	static uint8_t packet[DNS_UDP_MOST];
	struct sockaddr_storage a;
	socklen_t len = sock_address("127.0.0.11", 53, &a);
	int fd = socket_in(ns, AF_INET, SOCK_DGRAM);
	size_t size = question(name, type, packet);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(send(fd, packet, size, 0), (ssize_t)size);
	ssize_t n = -1;
	for (nsec_t end = now_mono() + 60 * NSEC_PER_SEC; n < 0 && now_mono() < end;) {
		loop_once(loop, 20 * NSEC_PER_MSEC);
		n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	}
	close(fd);
	return n < 0 ? NULL : read_answer(packet, (size_t)n);
}

/* Two questions in one go over one connection; the answers in order. */
static void ask_stream(int ns, const char *name, char *answers[2])
{
	uint8_t packet[1024];
	static uint8_t in[DNS_MESSAGE_MAX];
	int fd = dial(ns, "127.0.0.11", 53);
	assert_true(fd >= 0);
	size_t size = question(name, DNS_A, packet + 2);
	packet[0] = 0;
	packet[1] = (uint8_t)size;
	memcpy(packet + size + 2, packet, size + 2);
	assert_int_equal(send(fd, packet, 2 * (size + 2), 0), (ssize_t)(2 * (size + 2)));
	size_t got = 0, answer = 0;
	for (nsec_t end = now_mono() + 60 * NSEC_PER_SEC; answer < 2 && now_mono() < end;) {
		loop_once(loop, 20 * NSEC_PER_MSEC);
		ssize_t n = recv(fd, in + got, sizeof(in) - got, MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		size_t want = got >= 2 ? (size_t)(in[0] << 8 | in[1]) + 2 : sizeof(in);
		if (got >= want) {
			answers[answer++] = read_answer(in + 2, want - 2);
			memmove(in, in + want, got - want);
			got -= want;
		}
	}
	close(fd);
}

#define check_ask(ns, name, type, want)                                                            \
	do {                                                                                       \
		cleanup_free char *got_answer = ask((ns), (name), (type));                         \
		check_text(name, got_answer, (want));                                              \
	} while (0)

static void set_names(const char *network, const struct dns_name *names, size_t n)
{
	struct dns_names list = { 0 };
	for (size_t i = 0; i < n; i++)
		vec_push(&list.names, names[i]);
	must(dns_names_set(dns, network, &list, err));
	vec_done(&list.names);
}

static void names_of_shared_networks_are_answered(void **state)
{
	static const struct dns_name front[] = {
		{ "p-web-1", "p/web-1", "10.0.0.2", NULL },
		{ "p-web-2", "p/web-2", "10.0.0.3", NULL },
		{ "web", "p/web-1", "10.0.0.2", NULL },
		{ "web", "p/web-2", "10.0.0.3", NULL },
		{ "Six", "p/six-1", "10.0.0.4", "fd00::4" },
		{ "idle", "p/idle-1", NULL, NULL },
	};
	static const struct dns_name back[] = {
		{ "db", "p/db-1", "10.0.1.2", NULL },
	};
	int ns = asker("p/web-1", "front", false);
	int other = asker("p/db-1", "back", false);
	set_names("front", front, ARRAY_SIZE(front));
	set_names("back", back, ARRAY_SIZE(back));
	check_ask(ns, "web", DNS_A, "10.0.0.2 10.0.0.3");
	check_ask(ns, "WEB", DNS_A, "10.0.0.3 10.0.0.2"); /* no case, and the next one first */
	check_ask(ns, "web.front", DNS_A, "10.0.0.2 10.0.0.3");
	check_ask(ns, "p-web-2", DNS_A, "10.0.0.3");
	check_ask(ns, "web", DNS_AAAA, ""); /* there is such a name, without IPv6 */
	check_ask(ns, "web", 15, "");	    /* nor mail */
	check_ask(ns, "six", DNS_AAAA, "fd00::4");
	check_ask(ns, "six", DNS_A, "10.0.0.4");
	check_ask(ns, "idle", DNS_A, "");
	check_ask(ns, "db", DNS_A, "NXDOMAIN"); /* another network */
	check_ask(other, "db", DNS_A, "10.0.1.2");
	check_ask(other, "web", DNS_A, "NXDOMAIN");
	check_ask(ns, "2.0.0.10.in-addr.arpa", DNS_PTR, "p-web-1.front.");
	check_ask(other, "2.0.0.10.in-addr.arpa", DNS_PTR, "NXDOMAIN");

	struct strv both = { 0 };
	strv_add(&both, "front");
	strv_add(&both, "back");
	assert_int_equal(dns_client_networks(dns, "p/web-1", &both), 0);
	strv_done(&both);
	check_ask(ns, "db", DNS_A, "10.0.1.2");

	set_names("front", front, 1); /* the others have left */
	check_ask(ns, "p-web-2", DNS_A, "NXDOMAIN");
	check_ask(ns, "p-web-1", DNS_A, "10.0.0.2");
	dns_client_remove(dns, "p/db-1");
	close(ns);
	close(other);
}

static void long_answers_go_by_stream(void **state)
{
	struct dns_name many[100];
	char address[100][INET_ADDRSTRLEN], key[100][16];
	for (int i = 0; i < 100; i++) {
		snprintf(address[i], sizeof(address[i]), "10.0.0.%d", i + 1);
		snprintf(key[i], sizeof(key[i]), "p/web-%d", i + 1);
		many[i] = (struct dns_name){ "web", key[i], address[i], NULL };
	}
	int ns = asker("p/web-1", "front", false);
	set_names("front", many, ARRAY_SIZE(many));
	check_ask(ns, "web", DNS_A, "TC 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4");
	char *answers[2] = { NULL, NULL };
	ask_stream(ns, "web", answers);
	check_text("first", answers[0], "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5");
	check_text("second", answers[1], "10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6");
	free(answers[0]);
	free(answers[1]);
	close(ns);
}

/* A resolver on the host that answers every A question with one address, or with an rcode. */
struct resolver {
	int udp, tcp;
	struct watch *udp_watch, *tcp_watch;
	uint8_t last, rcode;
	unsigned asked;
};

static size_t resolver_answer(struct resolver *r, uint8_t *packet, size_t n)
{
	r->asked++;
	packet[2] |= 0x80;
	packet[3] = r->rcode;
	if (r->rcode)
		return n;
	packet[7] = 1;
	memcpy(packet + n, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\xc0\x00\x02", 15);
	packet[n + 15] = r->last;
	return n + 16;
}

static void resolver_udp(struct watch *w, int fd, uint32_t events, void *data)
{
	uint8_t packet[1024];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, packet, 512, 0, (struct sockaddr *)&from, &len);
	assert_true(n > 0);
	size_t size = resolver_answer(data, packet, (size_t)n);
	sendto(fd, packet, size, 0, (struct sockaddr *)&from, len);
}

static void resolver_tcp(struct watch *w, int fd, uint32_t events, void *data)
{
	uint8_t packet[1024];
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	size_t got = 0;
	while (got < 2 ||
	       got < packet[1] + 2u) { /* the question is sent at once after connecting */
		loop_once(loop, 0);
		ssize_t n = recv(conn, packet + got, 512 - got, MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
	}
	size_t size = resolver_answer(data, packet + 2, got - 2);
	packet[1] = (uint8_t)size;
	send(conn, packet, size + 2, MSG_NOSIGNAL);
	close(conn);
}

static void resolver_start(struct resolver *r, const char *ip)
{
	r->udp = serve(world.host, SOCK_DGRAM, ip, 53);
	r->tcp = serve(world.host, SOCK_STREAM, ip, 53);
	r->udp_watch = loop_watch(loop, r->udp, EPOLLIN, resolver_udp, r);
	r->tcp_watch = loop_watch(loop, r->tcp, EPOLLIN, resolver_tcp, r);
}

static void resolver_stop(struct resolver *r)
{
	watch_close(r->udp_watch);
	watch_close(r->tcp_watch);
	close(r->udp);
	close(r->tcp);
}

static void set_resolv(const char *text)
{
	must(fs_write_atomic(AT_FDCWD, resolv_path, text, strlen(text), 0644, 0, err));
}

/* Without waiting for one that is silent; a busy machine may be slow, not five times in a row. */
static void check_at_once(int ns)
{
	nsec_t took = NSEC_PER_SEC;
	for (int i = 0; i < 5 && took >= NSEC_PER_SEC; i++) {
		nsec_t start = now_mono();
		check_ask(ns, "example.com", DNS_A, "192.0.2.2");
		took = now_mono() - start;
	}
	assert_true(took < NSEC_PER_SEC);
}

static void other_names_are_forwarded(void **state)
{
	struct resolver one = { .last = 1 }, two = { .last = 2 };
	char *answers[2] = { NULL, NULL };
	resolver_start(&one, "127.0.0.1");
	resolver_start(&two, "127.0.0.2");
	set_resolv("nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
	int ns = asker("p/web-1", "front", true);
	check_ask(ns, "example.com", DNS_A, "192.0.2.1");
	ask_stream(ns, "example.com", answers);
	check_text("stream", answers[0], "192.0.2.1");
	check_text("stream", answers[1], "192.0.2.1");
	free(answers[0]);
	free(answers[1]);

	one.rcode = DNS_SERVFAIL; /* cannot: the next one may */
	check_ask(ns, "example.com", DNS_A, "192.0.2.2");
	two.rcode = DNS_SERVFAIL;
	check_ask(ns, "example.com", DNS_A, "SERVFAIL");
	one.rcode = DNS_NXDOMAIN; /* an answer like any other */
	two.asked = 0;
	check_ask(ns, "example.com", DNS_A, "NXDOMAIN");
	assert_int_equal(two.asked, 0);
	one.rcode = two.rcode = 0;

	resolver_stop(&one); /* closed: said at once */
	check_at_once(ns);

	/* Silent: the next one after a while, and then at once. */
	int silent = serve(world.host, SOCK_DGRAM, "127.0.0.3", 53);
	set_resolv("nameserver 127.0.0.3\nnameserver 127.0.0.2\n"); /* the file is followed */
	nsec_t start = now_mono();
	check_ask(ns, "example.com", DNS_A, "192.0.2.2");
	assert_true(now_mono() - start > NSEC_PER_SEC);
	check_at_once(ns);
	close(silent);

	/* Nobody to ask. */
	set_resolv("");
	check_ask(ns, "example.com", DNS_A, "SERVFAIL");
	resolver_stop(&two);
	close(ns);
}

/* Another project's supervisor publishes names of a network that both are on. */
static void names_of_other_projects_are_found(void **state)
{
	struct dns *other = NULL;
	struct dns_names list = { 0 };
	int ns = asker("p/web-1", "shared", false);
	check_ask(ns, "api", DNS_A, "NXDOMAIN");
	must(dns_new_with(loop, world.run, "q", resolv_path, &other, err));
	vec_push(&list.names, (struct dns_name){ "api", "q/api-1", "10.0.0.9", NULL });
	must(dns_names_set(other, "shared", &list, err));
	for (int i = 0; i < 5; i++)
		loop_once(loop, 10 * NSEC_PER_MSEC);
	check_ask(ns, "api", DNS_A, "10.0.0.9");
	dns_free(other); /* dies: its names stay until they are swept */
	check_ask(ns, "api", DNS_A, "10.0.0.9");
	must(net_sweep(world.net, "q", NULL, NULL, err));
	for (int i = 0; i < 5; i++)
		loop_once(loop, 10 * NSEC_PER_MSEC);
	check_ask(ns, "api", DNS_A, "NXDOMAIN");
	vec_done(&list.names);
	close(ns);
}

/* Questions that arrived while no supervisor was there are answered by the next one. */
static void a_restart_loses_no_question(void **state)
{
	static const struct dns_name names[] = { { "web", "p/web-1", "10.0.0.2", NULL } };
	uint8_t packet[512];
	int ns = new_netns();
	struct dns_client c = { .key = "p/web-1" };
	must(dns_sockets(ns, &c.udp, &c.tcp, err));
	struct sockaddr_storage a;
	socklen_t len = sock_address("127.0.0.11", 53, &a);
	int fd = socket_in(ns, AF_INET, SOCK_DGRAM);
	size_t size = question("web", DNS_A, packet);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(send(fd, packet, size, 0), (ssize_t)size);
	strv_add(&c.networks, "front");
	must(dns_client_add(dns, &c, err));
	strv_done(&c.networks);
	set_names("front", names, 1);
	loop_once(loop, 100 * NSEC_PER_MSEC);
	ssize_t n = recv(fd, packet, sizeof(packet), 0);
	assert_true(n > 0);
	cleanup_free char *text = read_answer(packet, (size_t)n);
	assert_string_equal(text, "10.0.0.2");
	close(fd);
	close(ns);
}

/* A container that is a DNS server itself binds port 53 of all its addresses, and its own questions
 * are answered all the same. */
static void a_name_server_can_be_contained(void **state)
{
	static const struct dns_name names[] = { { "web", "p/web-1", "10.0.0.2", NULL } };
	char *answers[2] = { NULL, NULL };
	int ns = new_netns();
	struct dns_client c = { .key = "p/web-1" };
	must(dns_sockets_aside(ns, &c.udp, &c.tcp, err));
	strv_add(&c.networks, "front");
	must(dns_client_add(dns, &c, err));
	strv_done(&c.networks);
	set_names("front", names, 1);
	int udp = serve(ns, SOCK_DGRAM, "0.0.0.0", 53), tcp = serve(ns, SOCK_STREAM, "::", 53);
	check_ask(ns, "web", DNS_A, "10.0.0.2");
	ask_stream(ns, "web", answers);
	check_text("stream", answers[0], "10.0.0.2");
	check_text("stream", answers[1], "10.0.0.2");
	assert_true(echoes(ns, "127.0.0.1", 53, udp)); /* its own is not ours */
	free(answers[0]);
	free(answers[1]);
	close(udp);
	close(tcp);
	close(ns);
}

int main(void)
{
#define dns_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		dns_test(names_of_shared_networks_are_answered),
		dns_test(long_answers_go_by_stream),
		dns_test(other_names_are_forwarded),
		dns_test(names_of_other_projects_are_found),
		dns_test(a_restart_loses_no_question),
		dns_test(a_name_server_can_be_contained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
