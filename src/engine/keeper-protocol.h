/* What keeper and supervisor say to each other: one fixed struct per message over a SOCK_SEQPACKET
 * socketpair, descriptors beside it with SCM_RIGHTS. Both ends are the same binary's, except that
 * after an upgrade a newer supervisor may talk to an older keeper: numbers are never used again.
 *
 * Life of a supervisor: LIST -> HELD..., EXIT..., LIST_END; then HOLD, DROP and ACK as things
 * happen, EXIT from the keeper for each child that dies. An EXIT is repeated to every new
 * supervisor until it is acknowledged. */
#ifndef STAVE_ENGINE_KEEPER_PROTOCOL_H
#define STAVE_ENGINE_KEEPER_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { KEEPER_VERSION = 1 };

/* Where the keeper puts them before it executes the supervisor, and `client_open` before it
 * executes the keeper. */
enum {
	KEEPER_FD_SOCKET =
		3, /* supervisor: the keeper; keeper: a supervisor that hands over, or nothing */
	KEEPER_FD_READY =
		4, /* a pipe: who holds it says READY_OK once, or why not; may be absent */
};
#define READY_OK   "ok\n"
#define READY_BUSY "busy\n" /* another keeper holds the project's lock */

/* How a supervisor ends. Anything else is a crash. */
enum {
	SUPERVISOR_DONE = 0,
	SUPERVISOR_UPGRADE = 75, /* start the newest binary in my place */
	SUPERVISOR_FAILED = 76,	 /* could not start, has said why; starting again would not help */
};

enum keeper_message_type {
	/* supervisor -> keeper */
	KEEPER_HOLD = 100, /* name + one descriptor: keep it; replaces one of the same name */
	KEEPER_DROP = 101, /* name: close it; a name that ends in '/' drops everything below it */
	KEEPER_LIST = 102, /* send everything you have */
	KEEPER_ACK = 103,  /* pid: its exit is on disk */
	KEEPER_GO = 104,   /* end of a hand-over from a supervisor whose keeper died */
	/* keeper -> supervisor */
	KEEPER_HELD = 200, /* name + descriptor (a duplicate; the keeper keeps its own) */
	KEEPER_EXIT = 201, /* pid, status as wait() gives it */
	KEEPER_LIST_END = 202,
};

/* The program that the next supervisors are: given by the client that asked for the upgrade. No
 * slot and no container is called so. */
#define KEEPER_PROGRAM_OWNER "stave"
#define KEEPER_PROGRAM	     "program"

/* "<slot>/net", "<id>/out": a slot's name has at most 200 bytes. */
enum { KEEPER_NAME_MAX = 232 };

struct keeper_message {
	uint32_t version;
	uint32_t type;
	int32_t pid;
	int32_t status;
	char name[KEEPER_NAME_MAX]; /* terminated */
};

/* Sends one message, with fd beside it when that is not negative (stays the caller's). Blocks
 * unless the socket does not. 0 or negative errno; allocates nothing. */
int keeper_send(int socket, const struct keeper_message *message, int fd);
/* Receives one. 1: a message, *ret_fd owned or FD_NONE; 0: the other side is gone; -EAGAIN; other
 * negative errno. A malformed message (length, version 0, name not terminated) is -EBADMSG.
 * flags: MSG_DONTWAIT or 0. Allocates nothing. */
int keeper_receive(int socket, int flags, struct keeper_message *ret, int *ret_fd);
/* Fills type and name; false when the name is too long. */
bool keeper_message_init(struct keeper_message *message, enum keeper_message_type type,
			 const char *name);

#endif
