/* The image at the end of a build. */
#ifndef STAVE_BUILD_COMMIT_H
#define STAVE_BUILD_COMMIT_H

#include "build/build.h"
#include "build/cache.h"
#include "build/stack.h"

/* Makes sure that each layer of the stack is in the image store with its blob: what was made by
 * this build is packed and renamed. The entries of the cache learn where their trees are now.
 * Appends to *ret. `said` is told of each layer that is packed. */
int commit_layers(const struct depot *depot, struct image_store *store, const struct stack *stack,
		  struct image_layers *ret, void (*said)(void *data, const char *text), void *data,
		  struct err *err);

/* Labels, times and names; the image's id and manifest are owned by the caller. doc is changed. */
int commit_image(const struct build_options *options, json_t *doc,
		 const struct image_layers *layers, char **ret_id, char **ret_manifest,
		 struct err *err);
/* The annotations of the manifest, or with `index` of the index, as a new object. */
json_t *commit_annotations(const struct build_options *options, bool index);

#endif
