/* Networks and published ports, end to end, in namespaces of the test's own. */
#include "net-world.h"

#include "net/link.h"
#include "net/nft.h"
#include "net/port.h"
#include "net/rules.h"

static struct world world;

static int setup(void **state)
{
	world_init(&world);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	world_done(*state);
	return 0;
}

/* A namespace beyond the host: 198.51.100.2 and 2001:db8:1::2, the host being .1 and ::1. */
static int outside(struct world *w)
{
	int ns = new_netns();
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 9 }, near[] = { 2, 0, 0, 0, 0, 8 };
	struct link_bridge b = { .name = "uplink", .mac = near, .prefix4 = 24, .prefix6 = 64 };
	assert_int_equal(address__parse("198.51.100.1", &b.gateway4), 0);
	assert_int_equal(address__parse("2001:db8:1::1", &b.gateway6), 0);
	must(link__bridge(w->net, &b, err));
	struct link_pair p = { .host = "uplink0",
			       .bridge = "uplink",
			       .prefix = "eth",
			       .mac = mac,
			       .prefix4 = 24,
			       .prefix6 = 64,
			       .route4 = b.gateway4,
			       .route6 = b.gateway6 };
	assert_int_equal(address__parse("198.51.100.2", &p.ipv4), 0);
	assert_int_equal(address__parse("2001:db8:1::2", &p.ipv6), 0);
	char name[IFNAMSIZ];
	must(link__pair(w->net, ns, &p, name, err));
	return ns;
}

static void publish(struct world *w, const char *owner, const char *host, uint8_t protocol,
		    uint16_t published, uint16_t target, const struct net_address *to, size_t n)
{
	struct net_ports p = { .owner = owner };
	struct net_port *port = vec_add(&p.ports);
	*port = (struct net_port){ .protocol = protocol, .published = published, .target = target };
	snprintf(port->host, sizeof(port->host), "%s", host);
	for (size_t i = 0; i < n; i++) {
		struct net_target *t = vec_add(&p.targets);
		memcpy(t->ipv4, to[i].ipv4, sizeof(t->ipv4));
		memcpy(t->ipv6, to[i].ipv6, sizeof(t->ipv6));
	}
	must(net_ports_set(w->net, &p, err));
	net_ports_done(&p);
}

static void a_published_port_is_reached_from_everywhere(void **state)
{
	struct world *w = *state;
	char from[INET6_ADDRSTRLEN];
	struct net_address web, other, far;
	int out = outside(w);
	make_network(w, "a", false, false, NULL);
	make_network(w, "b", false, false, NULL);
	int c = container(w, "a", "p/web-1", &web);
	int c2 = container(w, "a", "p/other-1", &other);
	int c3 = container(w, "b", "q/far-1", &far);
	int server = serve(c, SOCK_STREAM, "0.0.0.0", 80);
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);

	assert_true(reaches(w->host, web.ipv4, 80, server, NULL)); /* the host, directly */
	assert_true(reaches(c2, web.ipv4, 80, server, from));
	assert_string_equal(from, other.ipv4);
	assert_true(reaches(w->host, "127.0.0.1", 8080, server, NULL));
	assert_true(reaches(w->host, "198.51.100.1", 8080, server, NULL));
	assert_true(reaches(out, "198.51.100.1", 8080, server, from));
	assert_string_equal(from, "198.51.100.2"); /* the client's own address arrives */
	assert_true(reaches(c, "198.51.100.1", 8080, server, NULL));  /* hairpin, itself */
	assert_true(reaches(c2, "198.51.100.1", 8080, server, NULL)); /* a neighbour */
	assert_true(reaches(c3, "198.51.100.1", 8080, server, from)); /* another network */
	assert_string_equal(from, far.ipv4);

	/* What is not published is not reached. */
	int hidden = serve(c, SOCK_STREAM, "0.0.0.0", 81);
	assert_true(cut_off(c3, web.ipv4, 81, hidden));
	assert_true(cut_off(out, web.ipv4, 81, hidden));
	assert_true(cut_off(out, web.ipv4, 80, server));
	assert_int_equal(dial(w->host, "127.0.0.1", 8081), -ECONNREFUSED);

	/* Containers get out, with the host's address. */
	int world_server = serve(out, SOCK_STREAM, "198.51.100.2", 443);
	assert_true(reaches(c, "198.51.100.2", 443, world_server, from));
	assert_string_equal(from, "198.51.100.1");

	must(net_ports_remove(w->net, "p/web", err));
	assert_int_equal(dial(w->host, "127.0.0.1", 8080), -ECONNREFUSED);
	int fds[] = { server, hidden, world_server, out, c, c2, c3 };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void connections_are_dealt_over_the_replicas(void **state)
{
	struct world *w = *state;
	struct net_address a[3];
	int ns[3], server[3], hits[3] = { 0 };
	make_network(w, "a", false, false, NULL);
	static const char *const keys[] = { "p/web-1", "p/web-2", "p/web-3" };
	for (int i = 0; i < 3; i++) {
		ns[i] = container(w, "a", keys[i], &a[i]);
		server[i] = serve(ns[i], SOCK_STREAM, "0.0.0.0", 80);
		fcntl(server[i], F_SETFL, O_NONBLOCK);
	}
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, a, 3);
	for (int n = 0; n < 12; n++) {
		int client = dial(w->host, "127.0.0.1", 8080);
		assert_true(client >= 0);
		for (int i = 0; i < 3; i++) {
			int conn = accept4(server[i], NULL, NULL, SOCK_CLOEXEC);
			hits[i] += conn >= 0;
			if (conn >= 0)
				close(conn);
		}
		close(client);
	}
	for (int i = 0; i < 3; i++)
		check(keys[i], hits[i] == 4, "got %d of 12", hits[i]);

	/* One leaves: nothing goes to it any more. */
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, a + 1, 2);
	for (int n = 0; n < 6; n++)
		close(dial(w->host, "127.0.0.1", 8080));
	assert_int_equal(accept4(server[0], NULL, NULL, SOCK_CLOEXEC), -1);

	/* None is left: refused, and the port stays reserved. */
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, NULL, 0);
	assert_int_equal(dial(w->host, "127.0.0.1", 8080), -ECONNREFUSED);
	for (int i = 0; i < 3; i++) {
		close(server[i]);
		close(ns[i]);
	}
}

static void datagrams_and_host_addresses(void **state)
{
	struct world *w = *state;
	struct net_address web;
	int out = outside(w);
	make_network(w, "a", false, false, NULL);
	int c = container(w, "a", "p/web-1", &web);
	int udp = serve(c, SOCK_DGRAM, "0.0.0.0", 53);
	int tcp = serve(c, SOCK_STREAM, "0.0.0.0", 80);
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, &web, 1);
	assert_true(echoes(w->host, "127.0.0.1", 5353, udp));
	assert_true(echoes(out, "198.51.100.1", 5353, udp));
	publish(w, "p/web", "127.0.0.1", IPPROTO_TCP, 8080, 80, &web, 1);
	assert_true(reaches(w->host, "127.0.0.1", 8080, tcp, NULL));
	assert_true(cut_off(out, "198.51.100.1", 8080, tcp));
	assert_true(cut_off(w->host, "198.51.100.1", 8080, tcp));
	publish(w, "p/web", "198.51.100.1", IPPROTO_TCP, 8080, 80, &web, 1);
	assert_true(reaches(out, "198.51.100.1", 8080, tcp, NULL));
	assert_true(cut_off(w->host, "127.0.0.1", 8080, tcp));

	publish(w, "p/web", "0.0.0.0", IPPROTO_TCP, 8080, 80, &web, 1); /* IPv4, all of it */
	assert_true(reaches(out, "198.51.100.1", 8080, tcp, NULL));
	assert_true(reaches(w->host, "127.0.0.1", 8080, tcp, NULL));
	assert_int_equal(dial(w->host, "::1", 8080), -ECONNREFUSED);

	/* Without a replica a datagram is refused, not swallowed. */
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, NULL, 0);
	struct sockaddr_storage a;
	socklen_t len = sock_address("127.0.0.1", 5353, &a);
	int client = socket_in(w->host, AF_INET, SOCK_DGRAM);
	assert_int_equal(connect(client, (struct sockaddr *)&a, len), 0);
	assert_int_equal(send(client, "x", 1, 0), 1);
	char byte;
	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	int fds[] = { client, udp, tcp, c, out };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* A client that goes on sending from one port follows the replicas, though the kernel remembers
 * where its first datagram went. */
static void datagram_flows_follow_the_replicas(void **state)
{
	struct world *w = *state;
	struct net_address a[2];
	struct sockaddr_storage to;
	char byte;
	make_network(w, "a", false, false, NULL);
	int c1 = container(w, "a", "p/dns-1", &a[0]), c2 = container(w, "a", "p/dns-2", &a[1]);
	int s1 = serve(c1, SOCK_DGRAM, "0.0.0.0", 53), s2 = serve(c2, SOCK_DGRAM, "0.0.0.0", 53);
	int client = socket_in(w->host, AF_INET, SOCK_DGRAM);
	socklen_t len = sock_address("127.0.0.1", 5353, &to);
	(void)sendto(client, "0", 1, 0, (struct sockaddr *)&to, len); /* nobody is there yet */
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, a, 1);
	assert_int_equal(sendto(client, "1", 1, 0, (struct sockaddr *)&to, len), 1);
	assert_int_equal(recv(s1, &byte, 1, 0), 1);
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, a + 1, 1);
	assert_int_equal(sendto(client, "2", 1, 0, (struct sockaddr *)&to, len), 1);
	assert_int_equal(recv(s2, &byte, 1, 0), 1);
	assert_int_equal(byte, '2');
	int fds[] = { client, s1, s2, c1, c2 };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void ipv6_networks_publish_over_ipv6(void **state)
{
	struct world *w = *state;
	char from[INET6_ADDRSTRLEN];
	struct net_address web, other;
	int out = outside(w);
	make_network(w, "six", false, true, NULL);
	int c = container(w, "six", "p/web-1", &web);
	int c2 = container(w, "six", "p/other-1", &other);
	assert_true(web.ipv6[0] != '\0');
	int server = serve(c, SOCK_STREAM, "::", 80);
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);
	assert_true(reaches(c2, web.ipv6, 80, server, from));
	assert_string_equal(from, other.ipv6);
	assert_true(reaches(out, "2001:db8:1::1", 8080, server, from));
	assert_string_equal(from, "2001:db8:1::2");
	assert_true(reaches(w->host, "2001:db8:1::1", 8080, server, NULL));
	assert_true(reaches(c2, "2001:db8:1::1", 8080, server, NULL));
	assert_true(reaches(w->host, "127.0.0.1", 8080, server, NULL));
	int fds[] = { server, c, c2, out };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void internal_networks_have_no_way_out(void **state)
{
	struct world *w = *state;
	struct net_address one, two, web;
	int out = outside(w);
	make_network(w, "in", true, false, NULL);
	make_network(w, "open", false, false, NULL);
	int c1 = container(w, "in", "p/one-1", &one);
	int c2 = container(w, "in", "p/two-1", &two);
	int c3 = container(w, "open", "p/web-1", &web);
	int s1 = serve(c1, SOCK_STREAM, "0.0.0.0", 80);
	int s3 = serve(c3, SOCK_STREAM, "0.0.0.0", 80);
	int so = serve(out, SOCK_STREAM, "198.51.100.2", 80);
	assert_true(reaches(c2, one.ipv4, 80, s1, NULL));
	assert_true(cut_off(c1, "198.51.100.2", 80, so));
	assert_true(cut_off(c3, one.ipv4, 80, s1));
	assert_true(cut_off(c1, web.ipv4, 80, s3));
	int fds[] = { s1, s3, so, c1, c2, c3, out };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void a_taken_port_names_its_holder(void **state)
{
	struct world *w = *state;
	struct net_address web;
	make_network(w, "a", false, false, NULL);
	int c = container(w, "a", "p/web-1", &web);
	int foreign = serve(w->host, SOCK_STREAM, "0.0.0.0", 5432);
	struct net_ports p = { .owner = "p/web" };
	vec_push(&p.ports,
		 (struct net_port){ .protocol = IPPROTO_TCP, .published = 5432, .target = 80 });
	char pid[32];
	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	must_fail(net_ports_check(w->net, &p, err), ERR_CONFLICT, "port 5432 is used by process");
	must_fail(net_ports_set(w->net, &p, err), ERR_CONFLICT, pid);
	close(foreign);
	must(net_ports_check(w->net, &p, err));
	must(net_ports_set(w->net, &p, err));
	must(net_ports_check(w->net, &p, err)); /* one's own are free */
	p.owner = "q/db";
	must_fail(net_ports_check(w->net, &p, err), ERR_CONFLICT, "service 'web' of project 'p'");

	/* Others cannot take a reserved port. */
	struct sockaddr_storage a;
	socklen_t len = sock_address("0.0.0.0", 5432, &a);
	int fd = socket_in(w->host, AF_INET, SOCK_STREAM);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(fd);

	/* A free one is picked, and kept when it is asked for again. */
	p.ports.v[0].published = 0;
	must(net_ports_set(w->net, &p, err));
	uint16_t picked = p.ports.v[0].published;
	assert_in_range(picked, 32768, 60999);
	p.ports.v[0].published = 0;
	must(net_ports_set(w->net, &p, err));
	assert_int_equal(p.ports.v[0].published, picked);
	net_ports_done(&p);
	close(c);
}

static void a_second_process_takes_over(void **state)
{
	struct world *w = *state;
	struct net_address web, again;
	make_network(w, "a", false, false, NULL);
	int c = container(w, "a", "p/web-1", &web);
	int server = serve(c, SOCK_STREAM, "0.0.0.0", 80);
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);
	publish(w, "p/web", "", IPPROTO_TCP, 8081, 80, &web, 1);
	net_free(w->net); /* the old supervisor dies */
	must(net_open(w->root, w->run, &w->net, err));
	assert_true(reaches(w->host, "127.0.0.1", 8081, server, NULL)); /* nobody notices */
	struct net_attach a = { .network = "a", .key = "p/web-1", .default_route = true };
	must(net_attach(w->net, c, &a, &again, err)); /* attached already */
	assert_string_equal(again.ipv4, web.ipv4);
	assert_string_equal(again.ifname, web.ifname);
	publish(w, "p/web", "", IPPROTO_TCP, 8082, 80, &web, 1);
	assert_true(reaches(w->host, "127.0.0.1", 8082, server, NULL));
	assert_true(cut_off(w->host, "127.0.0.1", 8081, server));

	/* Somebody empties the whole firewall: the next change brings all of ours back. */
	must(nft__run(w->net, "flush ruleset", err));
	assert_true(cut_off(w->host, "127.0.0.1", 8082, server));
	publish(w, "p/other", "", IPPROTO_TCP, 8083, 80, &web, 1);
	assert_true(reaches(w->host, "127.0.0.1", 8082, server, NULL));
	assert_true(reaches(w->host, "127.0.0.1", 8083, server, NULL));
	close(server);
	close(c);
}

/* Docker's FORWARD chain drops what it does not know, whatever our table says. */
static void foreign_chains_that_drop_let_us_pass(void **state)
{
	struct world *w = *state;
	struct net_address web, other;
	int out = outside(w);
	must(nft__run(w->net,
		      "table ip filter {\n"
		      " chain FORWARD { type filter hook forward priority 0; policy drop;\n"
		      "  jump DOCKER-USER\n }\n"
		      " chain DOCKER-USER { }\n}\n",
		      err));
	make_network(w, "a", false, false, NULL);
	int c = container(w, "a", "p/web-1", &web);
	int c2 = container(w, "a", "p/other-1", &other);
	int server = serve(c, SOCK_STREAM, "0.0.0.0", 80);
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);
	assert_true(reaches(out, "198.51.100.1", 8080, server, NULL));
	assert_true(reaches(c2, web.ipv4, 80, server, NULL));
	int so = serve(out, SOCK_STREAM, "198.51.100.2", 80);
	assert_true(reaches(c, "198.51.100.2", 80, so, NULL));
	must(net_ports_remove(w->net, "p/web", err));
	must(net_sweep(w->net, "p", NULL, NULL, err));
	must(net_network_remove(w->net, "a", err));
	struct nft_places places = { 0 };
	must(nft__chains(w->net, &places, err));
	assert_int_equal(places.list.n, 2); /* only the foreign ones are left */
	vec_each(p, &places.list) {
		struct nft_handles found = { 0 };
		assert_int_equal(nft__rules_find(w->net, p, "stave", &found), 0);
		assert_int_equal(found.list.n, 0);
		vec_done(&found.list);
	}
	vec_done(&places.list);
	int fds[] = { server, so, c, c2, out };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void networks_live_by_their_records(void **state)
{
	struct world *w = *state;
	struct net_network n, again;
	struct net_address web;
	bool created = true;
	make_network(w, "a", false, false, &n);
	must(net_network_create(w->net, &n.config, &again, &created, err));
	assert_false(created);
	assert_string_equal(again.subnet4, n.subnet4);
	net_network_done(&again);

	n.config.internal = true;
	must_fail(net_network_create(w->net, &n.config, &again, &created, err), ERR_CONFLICT,
		  "internal is 'false', not 'true'");
	n.config.internal = false;

	struct net_config c;
	net_config_init(&c);
	c.name = xstrdup("b");
	struct net_pool *pool = vec_add(&c.pools);
	pool->subnet = xstrdup(n.subnet4);
	must_fail(net_network_create(w->net, &c, &again, &created, err), ERR_CONFLICT,
		  "overlaps network 'a'");
	c.driver = xstrdup("overlay");
	must_fail(net_network_create(w->net, &c, &again, &created, err), ERR_UNSUPPORTED,
		  "overlay");
	net_config_done(&c);

	int ns = container(w, "a", "p/web-1", &web);
	must_fail(net_network_remove(w->net, "a", err), ERR_CONFLICT, "in use by p/web-1");

	/* After a reboot there is the record, and nothing in the kernel. */
	cleanup_strv struct strv links = { 0 };
	strv_add(&links, n.bridge);
	must(link__delete(w->net, &links, err));
	must(nft__run(w->net, "flush ruleset", err));
	assert_int_equal(link__index(w->net, n.bridge), -ENODEV);
	must(net_network_create(w->net, &n.config, &again, &created, err));
	assert_false(created);
	assert_true(link__index(w->net, n.bridge) > 0);
	net_network_done(&again);

	must(net_detach(w->net, "a", "p/web-1", true, err));
	must(net_detach(w->net, "a", "p/web-1", true, err)); /* missing is success */
	must(net_network_remove(w->net, "a", err));
	must(net_network_remove(w->net, "a", err));
	assert_int_equal(link__index(w->net, n.bridge), -ENODEV);
	assert_false(nft__chain(w->net, "forward")); /* the table went with the last network */
	net_network_done(&n);
	close(ns);
}

static void a_sweep_takes_what_is_not_kept(void **state)
{
	struct world *w = *state;
	struct net_address a;
	make_network(w, "a", false, false, NULL);
	int n1 = container(w, "a", "p/web-1", &a), n2 = container(w, "a", "p/db-1", &a),
	    n3 = container(w, "a", "other/web-1", &a);
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &a, 1);
	publish(w, "p/db", "", IPPROTO_TCP, 8081, 80, &a, 1);
	cleanup_strv struct strv keep = { 0 };
	strv_add(&keep, "p/db-1");
	must(net_sweep(w->net, "p", &keep, NULL, err));
	must_fail(net_lease(w->net, "a", "p/web-1", &a, err), ERR_NOT_FOUND, "no address");
	must(net_lease(w->net, "a", "p/db-1", &a, err));
	must(net_lease(w->net, "a", "other/web-1", &a, err));
	struct net_ports p = { 0 };
	must_fail(net_ports_load(w->net, "p/web", &p, err), ERR_NOT_FOUND, "publishes no ports");
	must(net_ports_load(w->net, "p/db", &p, err));
	net_ports_done(&p);
	close(n1);
	close(n2);
	close(n3);
}

static void containers_can_be_kept_apart(void **state)
{
	struct world *w = *state;
	struct net_address one, two;
	struct net_config c;
	struct net_network n;
	bool created;
	net_config_init(&c);
	c.name = xstrdup("apart");
	c.options = json_pack("{s:s,s:s}", "com.docker.network.bridge.enable_icc", "false",
			      "com.docker.network.driver.mtu", "1400");
	must(net_network_create(w->net, &c, &n, &created, err));
	int c1 = container(w, "apart", "p/one-1", &one);
	int c2 = container(w, "apart", "p/two-1", &two);
	int s1 = serve(c1, SOCK_STREAM, "0.0.0.0", 80);
	assert_true(cut_off(c2, one.ipv4, 80, s1));
	assert_true(reaches(w->host, one.ipv4, 80, s1, NULL));
	publish(w, "p/one", "", IPPROTO_TCP, 8080, 80, &one, 1);
	assert_true(reaches(c2, "127.0.0.1", 8080, s1, NULL) == false); /* its own loopback */
	net_network_done(&n);
	net_config_done(&c);
	close(s1);
	close(c1);
	close(c2);
}

/* --- with a loop --- */

static void rounds(struct loop *loop, nsec_t time)
{
	for (nsec_t end = now_mono() + time; now_mono() < end;)
		loop_once(loop, 5 * NSEC_PER_MSEC);
}

/* Sends `total` bytes from one socket to the other through the loop and says how many arrived. */
static size_t transfer(struct loop *loop, int from, int to, size_t total)
{
	static char buf[100000];
	size_t sent = 0, got = 0;
	for (nsec_t end = now_mono() + 60 * NSEC_PER_SEC; got < total && now_mono() < end;) {
		size_t more = total - sent < sizeof(buf) ? total - sent : sizeof(buf);
		ssize_t n = more ? send(from, buf, more, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
		sent += n > 0 ? (size_t)n : 0;
		loop_once(loop, NSEC_PER_MSEC);
		n = recv(to, buf, sizeof(buf), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
	}
	return got;
}

static void ipv6_reaches_containers_that_have_only_ipv4(void **state)
{
	struct world *w = *state;
	struct loop *loop = NULL;
	struct net_address web;
	int out = outside(w);
	must(loop_new(&loop, err));
	net_serve(w->net, loop);
	make_network(w, "a", false, false, NULL);
	int c = container(w, "a", "p/web-1", &web);
	int server = serve(c, SOCK_STREAM, "0.0.0.0", 80);
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);
	static const struct {
		const char *ip;
		bool outside;
	} cases[] = { { "::1", false }, { "2001:db8:1::1", false }, { "2001:db8:1::1", true } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int client = dial(cases[i].outside ? out : w->host, cases[i].ip, 8080);
		check(cases[i].ip, client >= 0, "%s", strerror(-client));
		rounds(loop, 50 * NSEC_PER_MSEC);
		int conn = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		check(cases[i].ip, conn >= 0, "%s", strerror(errno));
		assert_int_equal(transfer(loop, client, conn, 3000000), 3000000);
		assert_int_equal(transfer(loop, conn, client, 3000000), 3000000);
		/* One side has said all; the other may still speak. */
		char byte;
		shutdown(client, SHUT_WR);
		rounds(loop, 20 * NSEC_PER_MSEC);
		assert_int_equal(recv(conn, &byte, 1, 0), 0);
		assert_int_equal(transfer(loop, conn, client, 1000), 1000);
		close(conn);
		rounds(loop, 20 * NSEC_PER_MSEC);
		assert_int_equal(recv(client, &byte, 1, 0), 0);
		close(client);
	}
	/* Without replicas it is refused, and the port stays ours; with one it answers again. */
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, NULL, 0);
	assert_int_equal(dial(w->host, "::1", 8080), -ECONNREFUSED);
	struct sockaddr_storage a;
	socklen_t len = sock_address("::1", 8080, &a);
	int fd = socket_in(w->host, AF_INET6, SOCK_STREAM);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), -1);
	close(fd);
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);
	int client = dial(w->host, "::1", 8080);
	assert_true(client >= 0);
	rounds(loop, 50 * NSEC_PER_MSEC);
	must(net_ports_remove(w->net, "p/web", err)); /* with a connection open */
	close(client);
	/* What remains of a connection that we ended first does not keep the port. */
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);
	client = dial(w->host, "::1", 8080);
	rounds(loop, 50 * NSEC_PER_MSEC);
	close(accept4(server, NULL, NULL, SOCK_CLOEXEC)); /* of the connection before */
	close(accept4(server, NULL, NULL, SOCK_CLOEXEC));
	rounds(loop, 50 * NSEC_PER_MSEC);
	close(client);
	must(net_ports_remove(w->net, "p/web", err));
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);
	net_free(w->net);
	w->net = NULL;
	loop_free(loop);
	int fds[] = { server, c, out };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* Turns the loop until something has arrived; its length, or -1. */
static ssize_t arrives(struct loop *loop, int fd, char *buf, size_t size,
		       struct sockaddr_storage *from, socklen_t *from_len)
{
	for (nsec_t end = now_mono() + PATIENCE * NSEC_PER_MSEC; now_mono() < end;) {
		loop_once(loop, NSEC_PER_MSEC);
		if (from_len)
			*from_len = sizeof(*from);
		ssize_t n =
			recvfrom(fd, buf, size, MSG_DONTWAIT, (struct sockaddr *)from, from_len);
		if (n >= 0 || errno != EAGAIN)
			return n;
	}
	return -1;
}

/* A datagram of `size` bytes there and back. */
static bool bounces(struct loop *loop, int client, int server, size_t size)
{
	static char out[70000], buf[70000];
	struct sockaddr_storage from;
	socklen_t len;
	memset(out, (int)size, size);
	return send(client, out, size, 0) == (ssize_t)size &&
	       arrives(loop, server, buf, sizeof(buf), &from, &len) == (ssize_t)size &&
	       sendto(server, buf, size, 0, (struct sockaddr *)&from, len) == (ssize_t)size &&
	       arrives(loop, client, buf, sizeof(buf), NULL, NULL) == (ssize_t)size &&
	       memcmp(out, buf, size) == 0;
}

static int connected(int netns, const char *ip, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = sock_address(ip, port, &a);
	int fd = socket_in(netns, AF_INET6, SOCK_DGRAM);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

static void datagrams_over_ipv6_reach_containers_that_have_only_ipv4(void **state)
{
	struct world *w = *state;
	struct loop *loop = NULL;
	struct net_address a[2];
	char buf[8];
	int out = outside(w);
	must(loop_new(&loop, err));
	net_serve(w->net, loop);
	make_network(w, "a", false, false, NULL);
	int c1 = container(w, "a", "p/dns-1", &a[0]), c2 = container(w, "a", "p/dns-2", &a[1]);
	int s1 = serve(c1, SOCK_DGRAM, "0.0.0.0", 53), s2 = serve(c2, SOCK_DGRAM, "0.0.0.0", 53);
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, a, 1);
	/* Answers come from the address that was asked: the clients are connected to it. Many
	 * clients at once, the largest datagram, and an empty one. */
	int clients[] = { connected(w->host, "::1", 5353), connected(w->host, "::1", 5353),
			  connected(w->host, "2001:db8:1::1", 5353),
			  connected(out, "2001:db8:1::1", 5353) };
	static const size_t sizes[] = { 1, 0, 1200, 65507 };
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
			assert_true(bounces(loop, clients[i], s1, sizes[k]));
	/* More clients than there are flows: all are served, in turn. */
	for (int i = 0; i < 300; i++) {
		int client = connected(w->host, "::1", 5353);
		assert_true(bounces(loop, client, s1, 4));
		close(client);
	}
	/* A flow follows its replica. */
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, a + 1, 1);
	assert_true(bounces(loop, clients[0], s2, 2));
	/* A replica that listens no more is not asked for ever. */
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, a, 2);
	close(s2);
	bool answered = false;
	for (int i = 0; i < 100 && !answered; i++) {
		assert_int_equal(send(clients[0], "?", 1, 0), 1);
		for (nsec_t end = now_mono() + 50 * NSEC_PER_MSEC; now_mono() < end && !answered;) {
			loop_once(loop, NSEC_PER_MSEC);
			answered = recv(s1, buf, sizeof(buf), MSG_DONTWAIT) == 1;
		}
	}
	assert_true(answered);
	/* Without one, what was sent meanwhile does not arrive later. */
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, NULL, 0);
	(void)send(clients[1], "lost", 4, 0);
	publish(w, "p/dns", "", IPPROTO_UDP, 5353, 53, a, 1);
	assert_true(bounces(loop, connected(w->host, "::1", 5353), s1, 3));
	net_free(w->net);
	w->net = NULL;
	loop_free(loop);
	int fds[] = { s1, c1, c2, out };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		close(clients[i]);
}

static void detached_interfaces_go_together(void **state)
{
	struct world *w = *state;
	struct loop *loop = NULL;
	struct net_network n;
	struct net_address a;
	int ns[4];
	static const char *const keys[] = { "p/a-1", "p/a-2", "p/a-3", "p/a-4" };
	must(loop_new(&loop, err));
	net_serve(w->net, loop);
	make_network(w, "a", false, false, &n);
	for (int i = 0; i < 4; i++)
		ns[i] = container(w, "a", keys[i], &a);
	must(net_detach(w->net, "a", keys[0], true, err));
	must(net_detach(w->net, "a", keys[1], false, err));
	rounds(loop, 60 * NSEC_PER_MSEC);
	must_fail(net_lease(w->net, "a", keys[0], &a, err), ERR_NOT_FOUND, "no address");
	must(net_lease(w->net, "a", keys[1], &a, err)); /* the address is kept */
	must(net_detach(w->net, "a", keys[2], true, err));
	must(net_detach(w->net, "a", keys[2], true, err)); /* twice */
	must_fail(net_network_remove(w->net, "a", err), ERR_CONFLICT, "p/a-2");
	must(net_detach(w->net, "a", keys[1], true, err));
	must(net_detach(w->net, "a", keys[3], true, err));
	must(net_network_remove(w->net, "a", err));
	assert_int_equal(link__index(w->net, n.bridge), -ENODEV);
	for (int i = 0; i < 4; i++) {
		go(ns[i]);
		assert_int_equal(if_nametoindex("eth0"), 0);
		close(ns[i]);
	}
	go(w->host);
	net_network_done(&n);
	net_free(w->net);
	w->net = NULL;
	loop_free(loop);
}

static void ports_know_what_they_share(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} cases[] = {
		{ "", "", true },
		{ "", "127.0.0.1", true },
		{ "", "::1", true },
		{ "127.0.0.1", "127.0.0.1", true },
		{ "127.0.0.1", "127.0.0.2", false },
		{ "0.0.0.0", "127.0.0.1", true },
		{ "0.0.0.0", "", true },
		{ "0.0.0.0", "::", false },
		{ "::", "::1", true },
		{ "::", "127.0.0.1", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_port a = { .protocol = IPPROTO_TCP, .published = 80 }, b = a;
		snprintf(a.host, sizeof(a.host), "%s", cases[i].a);
		snprintf(b.host, sizeof(b.host), "%s", cases[i].b);
		check(cases[i].a, port__overlaps(&a, &b) == cases[i].overlap, "with %s",
		      cases[i].b);
		check(cases[i].a, port__overlaps(&b, &a) == cases[i].overlap, "with %s",
		      cases[i].b);
		b.published = 81;
		check(cases[i].a, !port__overlaps(&a, &b), "other port, with %s", cases[i].b);
	}
}

static void the_firewall_is_followed(void **state)
{
	struct world *w = *state;
	struct loop *loop = NULL;
	struct net_address web;
	int out = outside(w);
	must(loop_new(&loop, err));
	net_serve(w->net, loop);
	make_network(w, "a", false, false, NULL);
	int c = container(w, "a", "p/web-1", &web);
	int server = serve(c, SOCK_STREAM, "0.0.0.0", 80);
	publish(w, "p/web", "", IPPROTO_TCP, 8080, 80, &web, 1);
	assert_true(reaches(out, "198.51.100.1", 8080, server, NULL));
	must(nft__run(w->net, "flush ruleset", err));
	assert_true(cut_off(out, "198.51.100.1", 8080, server));
	rounds(loop, 250 * NSEC_PER_MSEC);
	assert_true(reaches(out, "198.51.100.1", 8080, server, NULL));
	/* Docker starts. */
	must(nft__run(w->net,
		      "table ip filter {\n"
		      " chain FORWARD { type filter hook forward priority 0; policy drop; }\n"
		      "}\n",
		      err));
	assert_true(cut_off(out, "198.51.100.1", 8080, server));
	rounds(loop, 250 * NSEC_PER_MSEC);
	assert_true(reaches(out, "198.51.100.1", 8080, server, NULL));
	net_free(w->net);
	w->net = NULL;
	loop_free(loop);
	int fds[] = { server, c, out };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* Rings of thousands of ports are more than one message to the kernel can be. */
static void a_transaction_may_be_of_any_size(void **state)
{
	struct world *w = *state;
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	uint8_t key[8] = { 0 };
	must(rules__ready(w->net, err));
	must(nft__begin(w->net, err));
	for (size_t p = 0; p < 2 * ARRAY_SIZE(protocols); p++) { /* all of them twice */
		key[0] = protocols[p % ARRAY_SIZE(protocols)];
		for (uint32_t port = 0; port <= UINT16_MAX; port++) {
			uint16_t bytes = htons((uint16_t)port);
			memcpy(key + 4, &bytes, sizeof(bytes));
			nft__element(w->net, NFT_ADD, "refused", key, sizeof(key), NULL, 0);
		}
	}
	assert_int_equal(nft__commit(w->net), 0);
	assert_true(nft__has(w->net, "refused", key, sizeof(key)));
	memset(key, 0, sizeof(key));
	key[0] = IPPROTO_TCP;
	assert_true(nft__has(w->net, "refused", key, sizeof(key)));
	/* A part that fails is the answer, whatever follows it. */
	must(nft__begin(w->net, err));
	key[0] = IPPROTO_DCCP;
	nft__element(w->net, NFT_DELETE, "refused", key, sizeof(key), NULL, 0);
	key[0] = IPPROTO_TCP;
	for (uint32_t i = 0; i < 2 * 196608; i++)
		nft__element(w->net, NFT_ADD, "refused", key, sizeof(key), NULL, 0);
	assert_int_equal(nft__commit(w->net), -ENOENT);
}

int main(void)
{
#define world_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		world_test(a_published_port_is_reached_from_everywhere),
		world_test(connections_are_dealt_over_the_replicas),
		world_test(datagrams_and_host_addresses),
		world_test(datagram_flows_follow_the_replicas),
		world_test(ipv6_networks_publish_over_ipv6),
		world_test(internal_networks_have_no_way_out),
		world_test(a_taken_port_names_its_holder),
		world_test(a_second_process_takes_over),
		world_test(foreign_chains_that_drop_let_us_pass),
		world_test(networks_live_by_their_records),
		world_test(a_sweep_takes_what_is_not_kept),
		world_test(containers_can_be_kept_apart),
		world_test(ipv6_reaches_containers_that_have_only_ipv4),
		world_test(datagrams_over_ipv6_reach_containers_that_have_only_ipv4),
		world_test(detached_interfaces_go_together),
		world_test(the_firewall_is_followed),
		world_test(a_transaction_may_be_of_any_size),
		cmocka_unit_test(ports_know_what_they_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
