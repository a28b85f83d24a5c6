#include "net/rules.h"

#include "base/fs.h"
#include "net/network.h"
#include "net/nft.h"
#include "net/port.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

/* Names this text's version: a table of another version is made again. */
static const char version_chain[] = "version_2";

/* %s is the table. Each connection is looked at once, when it is new; all lookups hash, so that the
 * cost is the same for one port and for a thousand.
 *
 * publish: the address that was given with the port first, then all addresses; one target (plain
 * map) before several (ring: a counter deals connections over RULES_RING slots).
 * prerouting leaves loopback addresses alone: such a packet came from a cable and is a forgery, the
 * host's own go through output. There ::1 is left to the proxy: Linux has no way
 * of routing it, unlike 127.0.0.1 (route_localnet).
 * guard: route_localnet on a bridge (for replies to 127.0.0.1) must not let containers reach the
 * host's loopback.
 * refusal: a replica that has just died, or does not listen yet, refuses connections until the map
 * knows it. While there are others, the client does not hear of the first refusal (it is not
 * `assured`: never was a connection) and asks again, as after a lost packet; it is then dealt out
 * anew. The second one within some seconds is passed on.
 * postrouting: what came from 127.0.0.1, or goes back to the network it came from (hairpin),
 * must return through us; the rest of what containers send out is masqueraded. The hairpin is known
 * by its source: for frames that br_netfilter shows us here the kernel names no input interface.
 * forward: a bridge talks to itself (icc), to the outside (unless closed), and to another bridge or
 * from outside only through a published port. */
static const char skeleton[] =
	"table inet %1$s {\n"
	"	set bridges { type ifname; }\n"
	"	set closed { type ifname; }\n"
	"	set masked { type ifname; }\n"
	"	set own4 { type ifname . ipv4_addr; flags interval; }\n"
	"	set own6 { type ifname . ipv6_addr; flags interval; }\n"
	"	set icc { type ifname . ifname; }\n"
	"	set refused { type inet_proto . inet_service; }\n"
	"	map one4 { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	"	map one6 { type inet_proto . inet_service : ipv6_addr . inet_service; }\n"
	"	map at4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; "
	"}\n"
	"	map at6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; "
	"}\n"
	"	map ring4 { typeof numgen inc mod %2$d . meta l4proto . th dport"
	" : ip daddr . th dport; }\n"
	"	map ring6 { typeof numgen inc mod %2$d . meta l4proto . th dport"
	" : ip6 daddr . th dport; }\n"
	"	map atring4 { typeof numgen inc mod %2$d . ip daddr . meta l4proto . th dport"
	" : ip daddr . th dport; }\n"
	"	map atring6 { typeof numgen inc mod %2$d . ip6 daddr . meta l4proto . th dport"
	" : ip6 daddr . th dport; }\n"
	"	set inring4 { type ipv4_addr . inet_service; }\n"
	"	set inring6 { type ipv6_addr . inet_service; }\n"
	"	set again4 { type ipv4_addr . inet_service . inet_service;"
	" flags dynamic,timeout; timeout 5s; size 65536; }\n"
	"	set again6 { type ipv6_addr . inet_service . inet_service;"
	" flags dynamic,timeout; timeout 5s; size 65536; }\n"
	"	chain %3$s { }\n"
	"	chain publish {\n"
	"		dnat ip to ip daddr . meta l4proto . th dport map @at4\n"
	"		dnat ip to meta l4proto . th dport map @one4\n"
	"		dnat ip to numgen inc mod %2$d . ip daddr . meta l4proto . th dport"
	" map @atring4\n"
	"		dnat ip to numgen inc mod %2$d . meta l4proto . th dport map @ring4\n"
	"		dnat ip6 to ip6 daddr . meta l4proto . th dport map @at6\n"
	"		dnat ip6 to meta l4proto . th dport map @one6\n"
	"		dnat ip6 to numgen inc mod %2$d . ip6 daddr . meta l4proto . th dport"
	" map @atring6\n"
	"		dnat ip6 to numgen inc mod %2$d . meta l4proto . th dport map @ring6\n"
	"	}\n"
	"	chain guard {\n"
	"		type filter hook prerouting priority -300; policy accept;\n"
	"		iifname @bridges ip daddr 127.0.0.0/8 drop\n"
	"		iifname @bridges ip saddr 127.0.0.0/8 drop\n"
	"	}\n"
	"	chain refusal {\n"
	"		type filter hook prerouting priority -150; policy accept;\n"
	"		tcp flags & (syn | rst | ack) == rst | ack iifname @bridges"
	" ct direction reply ct status & (dnat | assured) == dnat jump refused_once\n"
	"	}\n"
	"	chain refused_once {\n"
	"		ip saddr . tcp sport @inring4 ip daddr . tcp dport . tcp sport != @again4"
	" add @again4 { ip daddr . tcp dport . tcp sport } drop\n"
	"		ip6 saddr . tcp sport @inring6 ip6 daddr . tcp dport . tcp sport != @again6"
	" add @again6 { ip6 daddr . tcp dport . tcp sport } drop\n"
	"	}\n"
	"	chain prerouting {\n"
	"		type nat hook prerouting priority -100; policy accept;\n"
	"		ip daddr 127.0.0.0/8 return\n"
	"		ip6 daddr ::1 return\n"
	"		fib daddr type local jump publish\n"
	"	}\n"
	"	chain output {\n"
	"		type nat hook output priority -100; policy accept;\n"
	"		ip6 daddr ::1 return\n"
	"		fib daddr type local jump publish\n"
	"	}\n"
	"	chain input {\n"
	"		type filter hook input priority 0; policy accept;\n"
	"		meta l4proto . th dport @refused reject\n"
	"	}\n"
	"	chain forward {\n"
	"		type filter hook forward priority 0; policy accept;\n"
	"		iifname @bridges jump outgoing\n"
	"		oifname @bridges jump incoming\n"
	"	}\n"
	"	chain outgoing {\n"
	"		iifname . oifname @icc accept\n"
	"		iifname @closed drop\n"
	"		oifname @closed drop\n"
	"		ct state established,related accept\n"
	"		oifname @bridges ct status dnat accept\n"
	"		oifname @bridges drop\n"
	"		accept\n"
	"	}\n"
	"	chain incoming {\n"
	"		oifname @closed drop\n"
	"		ct state established,related accept\n"
	"		ct status dnat accept\n"
	"		drop\n"
	"	}\n"
	"	chain postrouting {\n"
	"		type nat hook postrouting priority 100; policy accept;\n"
	"		oifname @bridges ip saddr 127.0.0.0/8 masquerade\n"
	"		ct status dnat oifname . ip saddr @own4 masquerade\n"
	"		ct status dnat oifname . ip6 saddr @own6 masquerade\n"
	"		iifname @masked oifname != @bridges masquerade\n"
	"	}\n"
	"}\n";

/* The table as it is being made, by a process. */
struct rules_making {
	struct nft_run run;
	int lock;
};

static int start_table(struct net *net, struct nft_run *ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	if (nft__table(net)) /* another version's; in the same transaction */
		str_addf(&text, "delete table inet %s\n", net->table);
	str_addf(&text, skeleton, net->table, RULES_RING, version_chain);
	return nft__start(str_text(&text), ret, err);
}

/* Two processes must not make the table at the same time. */
static int lock_rules(struct net *net, int *ret, struct err *err)
{
	int r = fs_mkdirs(net->run, "ports", 0755, err);
	return r < 0 ? r : net__lock(net->run, "ports", ret, err);
}

int rules__begin(struct net *net, struct err *err)
{
	int r = net__nf(net, err);
	if (r < 0 || net->making || nft__chain(net, version_chain))
		return r;
	cleanup_fd int lock = FD_NONE;
	struct nft_run run;
	r = lock_rules(net, &lock, err);
	if (r < 0 || nft__chain(net, version_chain))
		return r;
	r = start_table(net, &run, err);
	if (r < 0)
		return r;
	net->making = new0(struct rules_making);
	*net->making = (struct rules_making){ .run = run, .lock = fd_take(lock) };
	return 0;
}

int rules__settle(struct net *net, struct err *err)
{
	struct rules_making *making = ptr_take(net->making);
	if (!making)
		return 0;
	int r = nft__finish(&making->run, err);
	if (r == 0)
		r = net->restore(net, err);
	fd_close(making->lock);
	free(making);
	return r;
}

int rules__ready(struct net *net, struct err *err)
{
	int r = rules__begin(net, err);
	return r < 0 ? r : rules__settle(net, err);
}

int rules__retire(struct net *net, struct err *err)
{
	static const char *const owned[] = { "bridges", "refused", "one4",  "one6",    "at4",
					     "at6",	"ring4",   "ring6", "atring4", "atring6" };
	int r = net__nf(net, err);
	if (r < 0)
		return r;
	cleanup_fd int lock = FD_NONE;
	r = lock_rules(net, &lock, err);
	if (r < 0 || !nft__chain(net, version_chain))
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
		if (nft__count(net, owned[i]) > 0)
			return 0;
	r = nft__drop_table(net);
	return r < 0 ? err_sys(err, -r, "remove the nftables table '%s'", net->table) : 0;
}

/* --- guests in other programs' chains --- */

/* Where to put our accept rules: Docker documents DOCKER-USER for that, and calls it first from its
 * FORWARD chain; in the chain itself otherwise. */
static const struct nft_place *invitation(const struct nft_places *places,
					  const struct nft_place *dropping)
{
	vec_each(p, &places->list)
		if (p->family == dropping->family && str_eq(p->table, dropping->table) &&
		    str_eq(p->chain, "DOCKER-USER"))
			return p;
	return dropping;
}

/* Rules that iptables can read back, so that Docker's own `iptables -S` goes on working: one
 * interface each way, a counter, a verdict. Towards Docker's bridges its own rules decide. Inserted
 * in front, so the last line comes first. */
static void put_invitation(struct net *net, const struct nft_place *at, const char *bridge,
			   const char *comment)
{
	const struct nft_rule rules[] = {
		{ .iif = bridge, .verdict = NF_ACCEPT, .comment = comment },
		{ .iif = bridge, .oif = "br-*", .verdict = NFT_RETURN, .comment = comment },
		{ .iif = bridge, .oif = "docker0", .verdict = NFT_RETURN, .comment = comment },
		{ .oif = bridge, .verdict = NF_ACCEPT, .comment = comment },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		nft__rule_insert(net, at, &rules[i]);
}

/* Looked for first, as a question in the middle of a transaction would be part of it. */
struct guests {
	VEC(struct nft_place) places;
	VEC(uint64_t) handles; /* one for each place; none when rules are to be made */
};

static void guests_done(struct guests *g)
{
	vec_done(&g->places);
	vec_done(&g->handles);
}

int rules__invite(struct net *net, const char *bridge, struct err *err)
{
	struct nft_places places = { 0 };
	cleanup(guests_done) struct guests inviting = { 0 };
	cleanup_free char *comment = xasprintf("stave %s", bridge);
	cleanup_fd int lock = FD_NONE; /* several supervisors see the same chain appear */
	int r = nft__chains(net, &places, err);
	vec_each(p, &places.list) {
		if (!p->forward_drop || str_starts(p->table, "stave"))
			continue;
		if (lock < 0)
			r = lock_rules(net, &lock, err);
		if (r < 0)
			break;
		const struct nft_place *at = invitation(&places, p);
		struct nft_handles found = { 0 };
		if (nft__rules_find(net, at, comment, &found) == 0 && found.list.n == 0)
			vec_push(&inviting.places, *at);
		vec_done(&found.list);
	}
	vec_done(&places.list);
	if (r == 0 && inviting.places.n > 0)
		r = nft__begin(net, err);
	if (r < 0 || inviting.places.n == 0)
		return r;
	vec_each(at, &inviting.places)
		put_invitation(net, at, bridge, comment);
	r = nft__commit(net);
	return r < 0 ? err_sys(err, -r, "let '%s' through other programs' nftables chains", bridge)
		     : 0;
}

int rules__disinvite(struct net *net, const char *bridge, struct err *err)
{
	struct nft_places places = { 0 };
	cleanup(guests_done) struct guests going = { 0 };
	cleanup_free char *comment = xasprintf("stave %s", bridge);
	int r = nft__chains(net, &places, err);
	vec_each(p, &places.list) {
		if (!p->forward_drop && !str_eq(p->chain, "DOCKER-USER"))
			continue;
		struct nft_handles found = { 0 };
		(void)nft__rules_find(net, p, comment, &found); /* gone by now: nothing found */
		vec_each(handle, &found.list) {
			vec_push(&going.places, *p);
			vec_push(&going.handles, *handle);
		}
		vec_done(&found.list);
	}
	vec_done(&places.list);
	if (r == 0 && going.places.n > 0)
		r = nft__begin(net, err);
	if (r < 0 || going.places.n == 0)
		return r;
	for (size_t i = 0; i < going.places.n; i++)
		nft__rule_delete(net, &going.places.v[i], going.handles.v[i]);
	r = nft__commit(net);
	return r < 0 && r != -ENOENT ? err_sys(err, -r, "remove the rules of '%s'", bridge) : 0;
}
