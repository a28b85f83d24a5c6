/* Which container a reference in a Compose file means. */
#ifndef STAVE_ENGINE_SERVICE_REFERENCE_H
#define STAVE_ENGINE_SERVICE_REFERENCE_H

#include "engine/state.h"

/* Finds a running or stopped container that another one refers to: "service:NAME" (its lowest
 * number), "container:NAME" (by name or id, of any project), of "network_mode", "pid", "ipc".
 * ERR_NOT_FOUND. The result is the caller's to free. */
int service_reference(const struct engine_paths *paths, const char *project, const char *reference,
		      struct container **ret, struct err *err);

#endif
