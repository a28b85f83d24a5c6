/* Documents with blobs that are no images, kept where images are: in a registry, or in an OCI
 * layout directory. build/ keeps its cache so. */
#ifndef STAVE_IMAGE_ARTIFACT_H
#define STAVE_IMAGE_ARTIFACT_H

#include "image/assemble.h"

struct image_place {
	const char *name; /* in a registry: a reference; or */
	const char *dir;  /* an OCI layout, */
	const char *tag;  /* in which it has this name (or digest) */
};

struct image_artifact {
	json_t *config; /* the document */
	char *type;	/* its media type */
	json_t *layers; /* descriptors of the blobs: digest, size, mediaType */
};
void image_artifact_done(struct image_artifact *a);
#define cleanup_image_artifact cleanup(image_artifact_done)

/* Reads what is there: an artifact, or an image, whose config is the document. Of an index the part
 * for this machine. ERR_NOT_FOUND; ERR_NETWORK. */
int image_artifact_get(const struct image_place *place, struct image_artifact *ret,
		       struct err *err);
/* Brings one of its blobs into the store, when it is not there. */
int image_artifact_fetch(struct image_store *store, const struct image_place *place,
			 const char *digest, uint64_t size, struct err *err);
/* Stores the document with the blobs, which are in the store. The directory is made. */
int image_artifact_put(struct image_store *store, const struct image_place *place, const char *type,
		       json_t *config, const struct image_layers *blobs, struct err *err);
/* Makes the layer, whose blob is in the store, there on top of `below` (NULL: nothing); sets
 * layer->chain. */
int image_layer_place(struct image_store *store, const struct image_layer *below,
		      struct image_layer *layer, struct err *err);

#endif
