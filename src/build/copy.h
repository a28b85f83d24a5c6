/* COPY and ADD: what an instruction names is found and, if it is elsewhere, fetched; hashed for the
 * cache key; and written into a root file system.
 *
 *	struct copy *copy = NULL;
 *	r = copy_open(&options, &copy, &err);          (URLs and git repositories are fetched here)
 *	r = copy_digest(copy, hex, &err);              (-> is the step cached?)
 *	r = copy_apply(copy, &target, &err);
 *	copy_free(copy);
 */
#ifndef STAVE_BUILD_COPY_H
#define STAVE_BUILD_COPY_H

#include "base/hash.h"
#include "build/dockerfile.h"
#include "build/stay.h"
#include "build/tree.h"

struct copy;

struct copy_options {
	const struct instruction *in; /* expanded (instruction_expand); borrowed until copy_free */
	const struct tree *from;      /* the context, or what --from names; borrowed */
	const char *workdir;	      /* absolute; NULL: "/" */
	int scratch;		      /* a directory for what is fetched; emptied by copy_free */
	bool has_epoch;		      /* SOURCE_DATE_EPOCH: */
	int64_t epoch;		      /* seconds; every time that is written is this one */
	const struct strv *secrets;   /* "id=value" that HTTP sources may use
					 (HTTP_AUTH_TOKEN_<host>, HTTP_AUTH_HEADER_<host>) or NULL */
	const char *ssh_socket;	      /* an agent for git over ssh, or NULL */
};

/* ERR_INPUT and ERR_NOT_FOUND are mistakes in the instruction; ERR_NETWORK: could not be fetched;
 * ERR_UNSUPPORTED: needs git, and there is none. Forks for git. */
int copy_open(const struct copy_options *options, struct copy **ret, struct err *err);
void copy_free(struct copy *copy);
DEFINE_CLEANUP(struct copy, copy_free)

/* Of everything that will be written, where relative to the destination; not of the flags, nor of
 * the destination itself. */
int copy_digest(struct copy *copy, char hex[SHA256_HEX], struct err *err);

struct copy_target {
	int root;  /* of a whole file system (an overlay's, or for --link an empty directory) */
	int own;   /* an overlay's upper directory; without one the same as root */
	int users; /* names of --chown are looked up in etc/passwd and etc/group below it */
	const struct written *before; /* of the last run, whose files are shared; or NULL */
	struct written_list *list;    /* what is written is added; or NULL */
	struct stay *stay;	      /* the root shows what the last run wrote already; or NULL */
};
/* A failure leaves a part behind: the caller throws the layer away. What the overlay shows of the
 * root is not all that was written: it is to be mounted anew. */
int copy_apply(struct copy *copy, const struct copy_target *target, struct err *err);

#endif
