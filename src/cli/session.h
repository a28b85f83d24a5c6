/* A foreground session with a process in a container: the terminal or plain descriptors on one
 * side, a pty master, an attach socket or nothing (the process has our own descriptors) on the
 * other. Used by exec, run and attach. */
#ifndef STAVE_CLI_SESSION_H
#define STAVE_CLI_SESSION_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct relay;

struct session {
	int peer;    /* pty master or attach socket, borrowed; FD_NONE: the process has
			descriptors of its own */
	int pidfd;   /* becomes readable when the process has ended; borrowed */
	bool tty;    /* peer is a pty master: raw mode, window size */
	bool redraw; /* tells the program of a change of the window, so that it shows its prompt */
	bool no_stdin;
	struct relay *relay;	 /* carries what those descriptors say; borrowed, NULL: none */
	const char *detach_keys; /* "ctrl-p,ctrl-q"; NULL: none */
	/* Called for each SIGINT, SIGTERM, SIGHUP, SIGQUIT that we get. */
	void (*forward)(int signo, void *data);
	void *data;
};
enum { SESSION_ENDED = 0, SESSION_DETACHED = 1 };
/* Blocks until the process has ended and its output is through. The terminal is as it was
 * afterwards, whatever happened. */
int session_run(const struct session *session, struct err *err);
/* The exit status for the shell from a wait status: the code, or 128 + signal. */
int session_exit_status(int wait_status);

#endif
