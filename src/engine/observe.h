/* Gathers what a plan needs to know, from state files, networks, volumes and the image store. Reads
 * only. */
#ifndef STAVE_ENGINE_OBSERVE_H
#define STAVE_ENGINE_OBSERVE_H

#include "engine/plan.h"
#include "image/image.h"

int observe(const struct engine_paths *paths, struct net *net, struct image_store *images,
	    const struct project *project, const char *project_name, struct observed *ret,
	    struct err *err);

#endif
