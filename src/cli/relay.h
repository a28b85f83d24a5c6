/* Standard descriptors for a process in a container. Only pipes are handed over as they are: a
 * terminal of the host could be typed into from inside (TIOCSTI), a file could be cut or rewound,
 * and both show the host's path in /proc/self/fd. For those the process gets a pipe, and the bytes
 * are carried here.
 *
 *	struct relay relay = RELAY_NONE;
 *	relay_open(&relay, own, err);         relay.child[i] is for the process
 *	... start the process ...
 *	relay_started(&relay);                our copies of its ends are closed
 *	session_run(&(struct session){ .relay = &relay, ... })
 *	relay_done(&relay);
 */
#ifndef STAVE_CLI_RELAY_H
#define STAVE_CLI_RELAY_H

#include "base/err.h"
#include "base/fs.h"

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct watch;

struct relay {
	int child[3]; /* FD_NONE: nothing (the process gets its own /dev/null) */
	int own[3];   /* where the bytes come from and go to; borrowed */
	int pipe[3];  /* our ends; FD_NONE: `child` is `own` itself */
	struct watch *watch[3];
	struct watch *room; /* waits for room in pipe[0] */
	struct loop *loop;
	char *chunk; /* read from own[0], not yet in the pipe */
	size_t len, at;
};
#define RELAY_NONE                                                                                 \
	{                                                                                          \
		.child = { FD_NONE, FD_NONE, FD_NONE }, .own = { FD_NONE, FD_NONE, FD_NONE },      \
		.pipe = { FD_NONE, FD_NONE, FD_NONE },                                             \
	}

/* own: FD_NONE for one that the process is not to have. */
int relay_open(struct relay *r, const int own[3], struct err *err);
void relay_started(struct relay *r);
/* Carries bytes whenever the loop runs. */
int relay_watch(struct relay *r, struct loop *loop, struct err *err);
/* The process has ended: what is still in its pipes is its output; what others may yet write is
 * not. */
void relay_drain(struct relay *r);
void relay_done(struct relay *r);
#define cleanup_relay cleanup(relay_done)

#endif
