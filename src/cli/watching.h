/* develop.watch at work: what changes on the host is brought to the services' containers. */
#ifndef STAVE_CLI_WATCHING_H
#define STAVE_CLI_WATCHING_H

#include "cli/cli.h"

struct watching_options {
	bool prune; /* images that lose their name by a rebuild go */
	bool quiet; /* builds say nothing */
};
/* To be called before anything is done: starts the program again, protected from what it is about
 * to enter. */
int watching_protect(struct err *err);
/* Whether the services' rules can be kept to. ERR_INPUT when there are none. */
int watching_check(struct cli *cli, const struct strv *services, struct err *err);
/* Watches until Ctrl-C (0) or a failure of watching itself. What a change leads to may fail: that
 * is told, and the next change is waited for. */
int watching_run(struct cli *cli, const struct strv *services,
		 const struct watching_options *options, struct err *err);

#endif
