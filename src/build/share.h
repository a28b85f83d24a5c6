/* The build cache of other machines: --cache-from, --cache-to. What is shared are the entries of
 * steps and the blobs of their layers, as an artifact in a registry or in an OCI layout directory,
 * or inside of the image's own config ("inline"). An entry is found by the same key on every
 * machine; its layer is fetched when a step turns out to be it. */
#ifndef STAVE_BUILD_SHARE_H
#define STAVE_BUILD_SHARE_H

#include "build/build.h"
#include "build/cache.h"
#include "build/stack.h"

/* The steps that other machines have, by key. */
struct shared_step;
struct shared {
	VEC(struct shared_step) steps;
};
void shared_done(struct shared *shared);

/* Reads one source; its steps are added. ERR_NOT_FOUND and ERR_NETWORK: no cache, which is no
 * reason to fail. ERR_INPUT: there is something else. */
int shared_read(struct shared *shared, const struct build_cache_place *place, struct err *err);
/* All of the options' sources, each reported as a step. A cache that cannot be read is said to be
 * none: everything can be made. */
void shared_open(struct shared *shared, const struct build_options *o, int *numbers);
/* The step with this key: fetches its layer and puts it on top of the stack's. *ret is the entry,
 * with inputs of its own. -ENOENT with an empty err: nobody has it. */
int shared_find(const struct shared *shared, struct image_store *store, const struct stack *below,
		const char *key, struct cache_entry *ret, struct err *err);

/* What is to be shared: the steps, and where their layers are. */
struct sharing {
	struct strv keys;
	json_t *steps;
	struct image_layers layers;
};
void sharing_done(struct sharing *s);
/* Adds the steps with these keys (in their order), whose layers, as far as they have some, are
 * among `layers`: pairs of key and layer. */
struct sharing_layer {
	const char *key;
	const struct image_layer *layer;
};
void sharing_add(struct sharing *s, const struct depot *depot, const struct strv *keys,
		 const struct sharing_layer *layers, size_t count);
int sharing_write(struct sharing *s, struct image_store *store,
		  const struct build_cache_place *place, struct err *err);
/* The steps whose layers the image has, for its config. New reference. */
json_t *sharing_inline(const struct sharing *s);
#define SHARE_INLINE_KEY "stave.buildcache.v1"

#endif
