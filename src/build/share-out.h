/* Writing the build cache to where others find it (--cache-to). */
#ifndef STAVE_BUILD_SHARE_OUT_H
#define STAVE_BUILD_SHARE_OUT_H

#include "build/share.h"

struct stage_result;
/* Adds the steps of a stage; its layers become layers of the image store. */
int share_gather(struct sharing *s, const struct depot *depot, struct image_store *store,
		 const struct stage_result *result, struct err *err);

struct share_out {
	const struct build_options *options; /* of the job */
	const struct depot *depot;
	/* Results of stages as JSON: those that the images stand on, and all (mode=max), the
	 * targets first. */
	const struct strv *targets, *all;
};
/* Writes to all of the options' cache_to but "inline", which is the image's. Blocks; reports as
 * the next step. */
int share_out(const struct share_out *o, int *numbers, struct err *err);

#endif
