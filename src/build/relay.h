/* Passes connections on from a socket that a container may use to an SSH agent outside, whose own
 * rules about who connects (its user, or root) a container's user does not meet. */
#ifndef STAVE_BUILD_RELAY_H
#define STAVE_BUILD_RELAY_H

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

#define RELAY_SOCKET "agent"

/* Makes `dir`/agent with that owner and mode, and a process that serves it. */
int relay_start(const char *dir, const char *agent, uint32_t uid, uint32_t gid, uint32_t mode,
		pid_t *ret_pid, struct err *err);
void relay_stop(pid_t pid);

#endif
