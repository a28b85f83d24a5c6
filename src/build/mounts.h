/* RUN --mount: what each kind needs, in three steps: read (what goes into the cache's key), made
 * (just before the command runs), released (after). */
#ifndef STAVE_BUILD_MOUNTS_H
#define STAVE_BUILD_MOUNTS_H

#include "build/stage.h"
#include "runtime/spec.h"

struct mounts {
	VEC(struct run_mount) read;
	VEC(struct spec_mount) made;	  /* for the runtime; taken by the caller */
	VEC(int) locks;			  /* of cache mounts */
	struct strv caches;		  /* names of cache mounts in use */
	VEC(pid_t) helpers;		  /* processes that pass an agent's socket on */
	VEC(struct material *) materials; /* of bind mounts, as they are in `read` */
	struct strv temp;		  /* directories to remove */
	VEC(struct spec_file) scripts;
	struct strv env; /* "NAME=value": secrets as variables, SSH_AUTH_SOCK */
};
void mounts_done(struct mounts *m);

/* The files of a bind mount: layers, open. */
struct material {
	struct stack stack;
	struct stack_dirs dirs;
	char *subpath; /* within them; NULL: the whole */
};

int mounts_parse(struct mounts *m, struct stage_run *stage, const struct instruction *in,
		 struct cache_entry *entry, struct err *err);
/* A file below /dev/pipes that the command is given. */
void mounts_add_script(struct mounts *m, const char *name, const char *text);
int mounts_make(struct mounts *m, struct stage_run *stage, const struct work *work,
		struct err *err);
void mounts_release(struct mounts *m, struct stage_run *stage);

#endif
