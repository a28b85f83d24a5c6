/* The one error type. A function that can fail returns int: 0 (or a documented count) on success,
 * negative errno on failure, and then, and only then, `err` (last parameter, never NULL) is filled.
 * Outputs are untouched on failure. Floors 1 to 4 make errors and pass them up; only cli/ and api/
 * print them.
 *
 *	struct err err = ERR_INIT;
 *	int r = fs_read(dirfd, "hosts", HOSTS_MAX, &text, &err);
 *	if (r < 0)
 *		return err_wrap(&err, "container '%s'", name);
 *
 * Messages: lower case, no full stop, subject in single quotes, and, where there is one, the
 * remedy. */
#ifndef STAVE_BASE_ERR_H
#define STAVE_BASE_ERR_H

#include "base/cleanup.h"

#include <stdarg.h>

/* What sort of trouble: cli/ maps it to an exit status, api/ to an HTTP status, one table each. */
#define ERR_KINDS(X)                                                                               \
	X(NONE, "none")                                                                            \
	X(SYSTEM, "system") /* a system call failed; `no` says how */                              \
	X(USAGE, "usage")   /* the command line is wrong */                                        \
	X(INPUT, "input")   /* a file, an archive or a value from outside is wrong */              \
	X(NOT_FOUND, "not-found")                                                                  \
	X(CONFLICT, "conflict") /* exists already, in use, port taken */                           \
	X(PERMISSION, "permission")                                                                \
	X(UNSUPPORTED, "unsupported") /* the kernel, the file system or stave cannot do it */      \
	X(NETWORK, "network")	      /* a peer could not be reached or answered nonsense */       \
	X(TIMEOUT, "timeout")                                                                      \
	X(CANCELLED, "cancelled") /* Ctrl-C, or the other side went away */                        \
	X(CONTAINER, "container") /* a container failed: exited, unhealthy, command not found */   \
	X(INTERNAL, "internal")	  /* a broken promise inside stave */

enum err_kind {
#define X(name, text) ERR_##name,
	ERR_KINDS(X)
#undef X
		ERR_KIND_MAX_
};

struct err {
	enum err_kind kind;
	int no; /* positive errno */
	char *msg;
};

#define ERR_INIT ((struct err){ 0 })

/* Each fills *err (which must be empty) and returns -no. A `no` of 0 is a programming error
 * (assert). */
int err_new(struct err *err, enum err_kind kind, int no, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* A failed system call: appends ": <strerror(no)>". The kind is PERMISSION for EPERM/EACCES,
 * NOT_FOUND for ENOENT, SYSTEM otherwise. */
int err_sys(struct err *err, int no, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Common shapes of err_new, named so that the call reads well. */
#define err_input(err, ...)	  err_new((err), ERR_INPUT, EINVAL, __VA_ARGS__)
#define err_usage(err, ...)	  err_new((err), ERR_USAGE, EINVAL, __VA_ARGS__)
#define err_not_found(err, ...)	  err_new((err), ERR_NOT_FOUND, ENOENT, __VA_ARGS__)
#define err_conflict(err, ...)	  err_new((err), ERR_CONFLICT, EEXIST, __VA_ARGS__)
#define err_unsupported(err, ...) err_new((err), ERR_UNSUPPORTED, EOPNOTSUPP, __VA_ARGS__)

/* Puts "<format>: " in front of the message; returns -err->no. A room does so at most once. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees the message and makes *err empty again; for failures that are dealt with. */
void err_done(struct err *err);
#define cleanup_err cleanup(err_done)

/* Moves `from` into the empty `to`. Returns -to->no, or 0 when `from` was empty. */
int err_move(struct err *to, struct err *from);

const char *err_kind_name(enum err_kind kind);
enum err_kind err_kind_parse(const char *name); /* ERR_KIND_MAX_ when unknown */

#endif
