/* A client's connection to the supervisor: frames in, answers out. What is asked for is
 * supervisor-control.c's to know. */
#ifndef STAVE_ENGINE_CONN_H
#define STAVE_ENGINE_CONN_H

#include "engine/protocol.h"
#include "engine/supervisor.h"

struct conn_calls {
	/* 0, or why this frame is not answered: the connection is closed with that. */
	int (*dispatch)(struct conn *conn, struct frame *frame, struct err *err);
	void (*closed)(struct conn *conn); /* it is off supervisor.conns; freed after the round */
};

struct conn {
	struct supervisor *s;
	const struct conn_calls *calls;
	struct channel channel;
	struct watch *watch;
	bool greeted;
	int busy;	  /* the request that is being answered, 0: none */
	char *wait_id;	  /* WAIT: for this container */
	nsec_t wait_run;  /* ... to end the run that began then; 0: for good */
	struct strv held; /* ids of containers that are paused as long as this client is there */
	char *console;	  /* id of the container whose terminal this client has */
	bool closing;
};

/* Adds to the supervisor's conns and reads from now on; takes fd. */
void conn_new(struct supervisor *s, int fd, const struct conn_calls *calls);
void conn_close(struct conn *conn);
void conn_put(struct conn *conn, enum frame_type type, const json_t *body, int fd);
void conn_event(struct conn *conn, const json_t *event);
/* Ends a request: RESULT with err (NULL: success), members of `extra` (taken, may be NULL) and fd
 * beside it. */
void conn_result(struct conn *conn, const struct err *err, json_t *extra, int fd);

#endif
