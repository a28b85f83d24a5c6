/* nftables: whole rule texts through libnftables (rare: once per table, a process and some ten
 * milliseconds), set elements and single rules straight through nfnetlink (often: each port and
 * network), which costs some microseconds and reads nothing of what other programs have in the
 * kernel. */
#ifndef STAVE_NET_NFT_H
#define STAVE_NET_NFT_H

#include "net/handle.h"

/* Runs commands in nft's own language, one transaction. In a process of its own: the library and
 * what it allocates would stay in the supervisor, and be copied with it for every container. */
int nft__run(struct net *net, const char *text, struct err *err);
/* The same in two steps: between them it is at work. */
struct nft_run {
	pid_t pid; /* 0: none */
	int listen;
};
int nft__start(const char *text, struct nft_run *ret, struct err *err);
int nft__finish(struct nft_run *run, struct err *err);

/* A transaction on the elements of our table's sets and maps: begin, any number of elements,
 * commit. Either all of it happens or nothing. Keys and data are as the kernel holds them: each
 * part of a concatenation padded to four bytes, network byte order. */
int nft__begin(struct net *net, struct err *err);
enum nft_op { NFT_ADD, NFT_DELETE };
void nft__element(struct net *net, enum nft_op op, const char *set, const void *key, size_t key_len,
		  const void *data, size_t data_len);
/* The same for a set with intervals: an element from `first` to `last`. */
void nft__range(struct net *net, enum nft_op op, const char *set, const void *first,
		const void *last, size_t key_len);
/* Quiet about its reasons: -EEXIST and -ENOENT mean that the kernel has other elements than
 * expected. Otherwise 0 or another negative errno. */
int nft__commit(struct net *net);

/* Whether the element is there. */
bool nft__has(struct net *net, const char *set, const void *key, size_t key_len);
/* Number of elements of a set, or negative errno. */
int nft__count(struct net *net, const char *set);
/* Deletes our table with all that is in it; missing is success. On the handle's own socket: closing
 * a socket (nft__run does) waits until the kernel has let go of what was deleted, some ten
 * milliseconds. */
int nft__drop_table(struct net *net);
bool nft__table(struct net *net); /* whether it is there */
/* Whether our table has this chain. */
bool nft__chain(struct net *net, const char *chain);

/* Chains of any table that forwarded packets pass and that drop what no rule accepts. */
struct nft_place {
	int family; /* NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET */
	char table[64], chain[64];
	bool forward_drop; /* a base chain at the forward hook with policy drop */
};
struct nft_places {
	VEC(struct nft_place) list; /* all chains of all tables */
};
int nft__chains(struct net *net, struct nft_places *ret, struct err *err);
/* The handles of a chain's rules that carry `comment`. */
struct nft_handles {
	VEC(uint64_t) list;
};
int nft__rules_find(struct net *net, const struct nft_place *place, const char *comment,
		    struct nft_handles *ret);

/* Rules in chains of other programs, as parts of a transaction: as nft itself writes them, so that
 * `nft` and `iptables` show them, counter and comment included. */
struct nft_rule {
	const char *iif, *oif; /* interfaces; "br-*": all whose name begins so; NULL: any */
	int verdict;	       /* NF_ACCEPT, NFT_RETURN */
	const char *comment;
};
/* In front of the chain's other rules. */
void nft__rule_insert(struct net *net, const struct nft_place *place, const struct nft_rule *rule);
void nft__rule_delete(struct net *net, const struct nft_place *place, uint64_t handle);

#endif
