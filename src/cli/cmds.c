/* The table of verbs, sorted by name. */
#include "cli/cmd.h"

#include <stddef.h>

#define CMDS(X)                                                                                    \
	X(attach)                                                                                  \
	X(cp)                                                                                      \
	X(exec)                                                                                    \
	X(logs)                                                                                    \
	X(plan)                                                                                    \
	X(run)                                                                                     \
	X(up)                                                                                      \
	X(version)

#define X(name) extern const struct cmd cmd_##name;
CMDS(X)
#undef X

const struct cmd *const cmds[] = {
#define X(name) &cmd_##name,
	CMDS(X)
#undef X
		NULL,
};
