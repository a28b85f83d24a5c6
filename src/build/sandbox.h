/* Where the RUN steps of one stage run: a range of ids, a user and a network namespace with a way
 * out, a name server on 127.0.0.11. Numbered, and the number is locked while it is in use: what a
 * build that was killed left behind is cleared by the next one that takes the number.
 *
 * The network is an ordinary one of net/, made for the first sandbox and removed after the last;
 * nothing is published in it, and sandboxes do not reach each other's ports by name. */
#ifndef STAVE_BUILD_SANDBOX_H
#define STAVE_BUILD_SANDBOX_H

#include "base/loop.h"
#include "net/dns.h"
#include "net/net.h"
#include "runtime/runtime.h"

enum sandbox_network { SANDBOX_BRIDGE, SANDBOX_NONE, SANDBOX_HOST };

struct sandbox {
	char *root, *run;
	struct loop *loop; /* borrowed */
	int number;
	int lock;			 /* of the number */
	struct spec_idmap idmap;	 /* count 0: no user namespace */
	struct runtime_namespaces ns[3]; /* by enum sandbox_network, made when first needed */
	bool made[3];
	struct net *net;
	struct dns *dns;
	int net_lock;
	char address[INET6_ADDRSTRLEN], gateway[INET_ADDRSTRLEN]; /* of the bridge; "" before */
};
#define SANDBOX_NONE_INIT                                                                          \
	((struct sandbox){                                                                         \
		.number = -1,                                                                      \
		.lock = FD_NONE,                                                                   \
		.net_lock = FD_NONE,                                                               \
		.ns = { RUNTIME_NAMESPACES_NONE, RUNTIME_NAMESPACES_NONE,                          \
			RUNTIME_NAMESPACES_NONE },                                                 \
	})

/* Takes a number. `loop` answers names while it runs. root, run: STAVE_ROOT, STAVE_RUN. */
int sandbox_open(const char *root, const char *run, struct loop *loop, struct sandbox *ret,
		 struct err *err);
void sandbox_close(struct sandbox *s);
#define cleanup_sandbox cleanup(sandbox_close)

/* Makes the namespaces for that network when they are not there yet. `user`: with a user namespace
 * (not for the host's network, whose sysfs belongs to the host). Borrowed until the close. */
int sandbox_namespaces(struct sandbox *s, enum sandbox_network network,
		       struct runtime_namespaces *ret, struct err *err);
/* /etc/resolv.conf for a step on that network. Appends. */
int sandbox_resolv(const struct sandbox *s, enum sandbox_network network, struct str *out,
		   struct err *err);
/* Remembers the container that runs now ("": none), so that it can be killed by whoever takes the
 * number after a crash. */
int sandbox_note(struct sandbox *s, const char *id, struct err *err);

#endif
