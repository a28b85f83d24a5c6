/* Which images and layers containers need: over all projects of this root. */
#ifndef STAVE_CLI_IMAGE_USE_H
#define STAVE_CLI_IMAGE_USE_H

#include "cli/cli.h"

struct image_use {
	struct strv ids;	/* image ids */
	struct strv layers;	/* absolute layer directories */
	struct strv containers; /* "<image id> <container name>" of each container */
};
int image_use_load(struct cli *cli, struct image_use *ret, struct err *err);
/* The same as if the containers with these ids, and with `no_cache` the build cache, were gone. */
int image_use_load_but(struct cli *cli, const struct strv *gone, bool no_cache,
		       struct image_use *ret, struct err *err);
void image_use_done(struct image_use *use);

#endif
