#include "engine/restart.h"

bool restart_wanted(const struct container *c)
{
	if (!c->wanted)
		return false;
	switch (c->restart) {
	case RESTART_NO: return false;
	case RESTART_ALWAYS:
	case RESTART_UNLESS_STOPPED: return true;
	case RESTART_ON_FAILURE:
		return c->exit_code != 0 &&
		       (c->restart_retries == 0 || c->restarts < (uint32_t)c->restart_retries);
	}
	return false;
}

nsec_t restart_delay(nsec_t last, nsec_t up)
{
	const nsec_t first = RESTART_FIRST_MS * NSEC_PER_MSEC,
		     most = RESTART_MAX_MS * NSEC_PER_MSEC;
	if (last == 0 || up >= RESTART_STEADY_S * NSEC_PER_SEC)
		return first;
	return last * 2 > most ? most : last * 2;
}
