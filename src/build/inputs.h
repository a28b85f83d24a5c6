/* What a build reads: its context, the named ones, the Dockerfile, keys for SSH. Contexts can be
 * directories, archives, git repositories and URLs; when this is done they are directories and
 * images, and the options say so. */
#ifndef STAVE_BUILD_INPUTS_H
#define STAVE_BUILD_INPUTS_H

#include "build/build.h"
#include "build/depot.h"
#include "build/dockerfile.h"
#include "build/tree.h"

struct inputs {
	const struct build_options *asked;
	/* `asked` with contexts that are directories or images, and agents for all of ssh. Borrows
	 * the rest. */
	struct build_options options;
	struct tree context; /* fd FD_NONE: there is none */
	struct ignore *ignore;
	struct digest_cache *digests;
	struct str text; /* of the Dockerfile */
	char *fetched;	 /* what was fetched is below; to be removed */
	VEC(pid_t) agents;
};
#define INPUTS_NONE                                                                                \
	((struct inputs){ .context = { .fd = FD_NONE },                                            \
			  .text = STR_INIT_MAX(DOCKERFILE_BYTES_MAX + 1) })

/* Fetches, unpacks and opens. Blocks. Forks for git and ssh-agent. */
int inputs_open(struct inputs *in, const struct depot *depot, const struct build_options *options,
		struct err *err);
void inputs_done(struct inputs *in);

/* The secrets that fetching may use, as "id=value"; appends. */
void inputs_secrets(const struct build_options *options, struct strv *ret);

/* --- agent.c --- */
/* An ssh-agent at `socket` that holds the keys; it ends with us. ERR_UNSUPPORTED: OpenSSH's agent
 * is not installed. */
int agent_start(const char *socket, const struct strv *keys, pid_t *ret_pid, struct err *err);

#endif
