/* A container as `docker inspect` shows it: the same members with the same meaning, of what is on
 * record. */
#ifndef STAVE_ENGINE_INSPECT_H
#define STAVE_ENGINE_INSPECT_H

#include "engine/state.h"

/* New reference. `spec` may be NULL (its part of HostConfig and Config is left out), and so may
 * `net` (addresses and picked host ports are then left out). */
json_t *container_inspect(const struct container *c, const struct spec *spec, struct net *net);

#endif
