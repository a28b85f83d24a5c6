/* What a Dockerfile offers and takes, without building it: --call=targets and --call=outline. */
#ifndef STAVE_BUILD_OUTLINE_H
#define STAVE_BUILD_OUTLINE_H

#include "base/json.h"
#include "build/graph.h"

/* The stages, the one that is built by default marked. New reference. */
json_t *outline_targets(const struct dockerfile *file);
/* The target, and the arguments, secrets and agents that it and what it needs ask for. New
 * reference. */
json_t *outline_target(const struct dockerfile *file, const struct graph *graph);

#endif
