/* The control protocol between the command line (or api/) and a project's supervisor, over the
 * stream socket STAVE_RUN/projects/<project>/control. A frame is a header and a JSON object;
 * descriptors travel beside the frame's first byte. Every connection begins with HELLO in both
 * directions; a mismatch of versions is answered with the supervisor's own, and the client then
 * asks for UPGRADE; so does a client that would start one and is another build.
 *
 * On one connection requests are answered in order: EVENT frames while it is at work, then one
 * RESULT. CANCEL may be sent while an APPLY or RUN is at work. A connection that ends cancels what
 * it asked for. */
#ifndef STAVE_ENGINE_PROTOCOL_H
#define STAVE_ENGINE_PROTOCOL_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdint.h>

enum { PROTOCOL_VERSION = 1 };

/* Numbers are never used again; a retired one keeps its line. Name, number, most descriptors, text.
 */
#define FRAME_TYPES(X)                                                                             \
	/* requests */                                                                             \
	X(HELLO, 100, 0, "hello")     /* {version} */                                              \
	X(APPLY, 101, 0, "apply")     /* {project?, goal} -> RESULT {} */                          \
	X(RUN, 102, 3, "run")	      /* {project?, goal, stdio} -> RESULT {id} + console */       \
	X(KILL, 103, 0, "kill")	      /* {ids, signal} -> RESULT {} */                             \
	X(PAUSE, 104, 0, "pause")     /* {ids, pause, hold?} -> RESULT {} */                       \
	X(WAIT, 105, 0, "wait")	      /* {id} -> RESULT {exit_code} */                             \
	X(ATTACH, 106, 0, "attach")   /* {id} -> RESULT {tty} + descriptor */                      \
	X(EVENTS, 107, 0, "events")   /* {} -> EVENT until the client goes */                      \
	X(UPGRADE, 108, 1, "upgrade") /* {} + its program -> RESULT {}, then another supervisor */ \
	X(QUIT, 109, 0, "quit")	      /* {} -> RESULT {}: leave at once when nothing runs */       \
	X(CANCEL, 110, 0, "cancel")   /* {} (no answer of its own) */                              \
	/* answers */                                                                              \
	X(HELLO_REPLY, 200, 0, "hello-reply") /* {version, stave, build, pid} */                   \
	X(EVENT, 201, 0, "event")                                                                  \
	X(RESULT, 202, 1, "result") /* {error?: {kind, no, message}} and what the request says */

enum frame_type {
#define X(name, number, fds, text) FRAME_##name = (number),
	FRAME_TYPES(X)
#undef X
};
const char *frame_type_name(enum frame_type type); /* "?" when unknown */
int frame_type_fds(enum frame_type type);	   /* most descriptors; -1: unknown type */

/* As it is on the wire, in the machine's byte order: both ends are on one machine. */
struct frame_header {
	uint16_t version; /* of the sender */
	uint16_t type;
	uint32_t length; /* of the JSON text that follows */
};

enum {
	FRAME_MAX = 64 << 20, /* a project of thousands of services */
	FRAME_FDS = 4,
};

struct frame {
	uint16_t version;
	enum frame_type type;
	json_t *body;	    /* object; owned */
	int fds[FRAME_FDS]; /* owned; the first fd_count */
	int fd_count;
};
void frame_done(struct frame *frame);
#define cleanup_frame cleanup(frame_done)

/* One end of a connection: buffers for what has arrived and what could not be sent yet. */
struct channel {
	int fd; /* owned */
	struct str in, out;
	size_t out_sent;
	int fds[FRAME_FDS]; /* arrived, not yet claimed by a frame */
	int fd_count;
	/* descriptors to send with the byte at this place of `out` */
	VEC(struct channel_fd {
		size_t at;
		int fd;
	})
	out_fds;
};
void channel_init(struct channel *channel, int fd); /* takes fd */
void channel_done(struct channel *channel);

/* Queues a frame; fd (FD_NONE: none) is duplicated. -EMSGSIZE when the body or the queue is too
 * long. */
int channel_put(struct channel *channel, enum frame_type type, const json_t *body, int fd);
/* The same for RUN's three descriptors. */
int channel_put_fds(struct channel *channel, enum frame_type type, const json_t *body,
		    const int *fds, int fd_count);
/* Sends what the socket takes. 1: all is sent, 0: there is more, negative errno: the connection is
 * broken. Blocks when the socket does. */
int channel_send(struct channel *channel);
/* Reads what has arrived. 1: something, 0: the other side has ended, -EAGAIN, or negative errno. */
int channel_receive(struct channel *channel);
/* The next whole frame. 1: one; 0: not yet; negative with err: what arrived is no frame of ours,
 * and the connection is to be closed. */
int channel_take(struct channel *channel, struct frame *ret, struct err *err);

/* {"error": {...}} of a RESULT and back. Returns err's code, or 0 when there is no error in it. */
json_t *result_error(const struct err *err);
int result_to_err(const json_t *body, struct err *err);

#endif
