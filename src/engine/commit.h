/* A container's changes as an image: what its writable layer holds, on top of the layers that it
 * was made of, and its configuration. Volumes and what is mounted are not part of it. */
#ifndef STAVE_ENGINE_COMMIT_H
#define STAVE_ENGINE_COMMIT_H

#include "engine/container.h"
#include "engine/state-path.h"
#include "image/image.h"

struct commit_options {
	const char *name;	      /* reference; NULL: an image without a name */
	const char *author, *message; /* NULL: none */
	const struct strv *changes;   /* Dockerfile lines, applied to the configuration */
};

/* *ret_id: "sha256:..." of the image, owned. The container should not write meanwhile: the caller
 * pauses it. ERR_NOT_FOUND when the image it was made of is gone. */
int engine_commit(const struct engine_paths *paths, struct image_store *store,
		  const struct container *c, const struct commit_options *options, char **ret_id,
		  struct err *err);

/* The merged tree as the container sees it, without what is mounted in it, as a tar to a
 * descriptor. */
int engine_export(const struct engine_paths *paths, const struct container *c, int fd,
		  struct err *err);

#endif
