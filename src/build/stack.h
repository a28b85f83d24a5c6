/* The file system of a stage: layers of the base image, then one for each step that changed
 * something. A step at work has an overlay's upper directory of its own over them:
 *
 *	stack_open(depot, store, &stack, &dirs)   descriptors: renaming a layer does not disturb
 *	work_begin(depot, &dirs, &work)
 *	work_mount(&work, &root)                COPY, WORKDIR: write beneath the descriptor
 *	   or work_spec(&work, &spec)           RUN: the runtime mounts it in the container
 *	work_finish(depot, &work, ...)          the upper directory is the layer: renamed
 */
#ifndef STAVE_BUILD_STACK_H
#define STAVE_BUILD_STACK_H

#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "build/cache.h"
#include "runtime/spec.h"

struct stack_layer {
	char key[SHA256_HEX];	  /* of its cache entry; "": of the base image */
	char snapshot[DEPOT_ID];  /* "": a layer of the image store */
	struct image_layer image; /* image.chain "": not committed */
};
struct stack {
	VEC(struct stack_layer) layers; /* bottom first */
};
void stack_done(struct stack *stack);
#define cleanup_stack cleanup(stack_done)
void stack_copy(struct stack *to, const struct stack *from);
void stack_add_entry(struct stack *stack,
		     const struct cache_entry *e); /* nothing for an empty one */
json_t *stack_to_json(const struct stack *stack);
void stack_from_json(const json_t *j, struct stack *ret);

/* The layers' directories, open. */
struct stack_dirs {
	VEC(int) fds;
	struct strv paths; /* "/proc/self/fd/N": for the runtime, in this process */
};
void stack_dirs_done(struct stack_dirs *dirs);
#define cleanup_stack_dirs cleanup(stack_dirs_done)
int stack_open(const struct depot *depot, struct image_store *store, const struct stack *stack,
	       struct stack_dirs *ret, struct err *err);

struct work {
	char *dir;			/* upper/, work/ and, for a stack without layers, none/ */
	const struct stack_dirs *below; /* borrowed */
};
int work_begin(const struct depot *depot, const struct stack_dirs *below, struct work *ret,
	       struct err *err);
/* Begins anew, on what is below, after a try that failed. */
int work_clear(const struct work *work, struct err *err);
void work_done(struct work *work); /* removes what was not finished */
#define cleanup_work cleanup(work_done)
/* Sets the spec's layers and dir. */
void work_spec(const struct work *work, struct spec *spec);
/* The whole file system as a detached mount; closing the descriptor unmounts. */
int work_mount(const struct work *work, int *ret_fd, struct err *err);
/* Gives the upper directory its place among the snapshots and sets snapshot, empty, bytes of the
 * entry; one that is a difference is never empty. `epoch` other than 0: times after it become it
 * (wall nanoseconds). */
int work_finish(const struct depot *depot, struct work *work, nsec_t epoch,
		struct cache_entry *entry, struct err *err);

/* Bytes on disk of what is below a directory. */
int stack_measure(int dir, uint64_t *ret_bytes, struct err *err);

/* Looking into a stack (COPY --from): its whole file system as a detached mount. */
struct stack_view {
	struct stack_dirs dirs;
	struct work work; /* the mount needs an upper directory, too */
	int fd;		  /* its root; owned by the view */
};
#define STACK_VIEW_NONE ((struct stack_view){ .fd = FD_NONE })
int stack_view(const struct depot *depot, struct image_store *store, const struct stack *stack,
	       struct stack_view *ret, struct err *err);
void stack_view_done(struct stack_view *view);
#define cleanup_stack_view cleanup(stack_view_done)

#endif
