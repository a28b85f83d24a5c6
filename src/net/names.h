/* The names of networks: this project's own, set by its supervisor, and those of other projects on
 * the same network, read from the files they publish. One line a name, "name key ipv4 ipv6" with
 * "-" for what is missing, in STAVE_RUN/names/<network>/<project>. */
#ifndef STAVE_NET_NAMES_H
#define STAVE_NET_NAMES_H

#include "net/dns.h"

struct names;
/* run: STAVE_RUN; project: whose own names these are. */
int names__new(struct loop *loop, const char *run, const char *project, struct names **ret,
	       struct err *err);
void names__free(struct names *names); /* writes what is not written yet */

/* Replaces this project's names on the network; the file follows at the end of the loop's round. */
int names__set(struct names *names, const char *network, const struct dns_names *list,
	       struct err *err);
/* Begins to follow what others publish on the network. */
void names__follow(struct names *names, const char *network);

/* The addresses that a name has on a network. */
struct name_hit {
	uint8_t ipv4[4], ipv6[16];
	bool has4, has6;
};
struct name_hits {
	VEC(struct name_hit) list;
};
/* `name` in lower case. False when nobody has it; true with hits (maybe none) otherwise. Each call
 * begins one further in the list, so that clients that take the first are spread. */
bool names__find(struct names *names, const char *network, const char *name, struct name_hits *ret);
/* The name of an address on a network: the first that only one slot has. Borrowed until the next
 * change; NULL when there is none. */
const char *names__reverse(struct names *names, const char *network, const char *address);

/* Removes the files of a project that is gone. `run` is STAVE_RUN's descriptor. */
int names__forget(int run, const char *project, struct err *err);

#endif
