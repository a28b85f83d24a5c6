/* Whether a container that has ended comes back, and when. Pure. */
#ifndef STAVE_ENGINE_RESTART_H
#define STAVE_ENGINE_RESTART_H

#include "base/time.h"
#include "engine/state.h"

enum {
	RESTART_FIRST_MS = 100,
	RESTART_MAX_MS = 60000,
	RESTART_STEADY_S = 10, /* up this long: the next backoff is the first again */
};

/* exit_code, wanted and restarts of the record decide. */
bool restart_wanted(const struct container *c);
/* The wait before the next start. last: the previous one, 0 at first; up: how long it ran. */
nsec_t restart_delay(nsec_t last, nsec_t up);

#endif
