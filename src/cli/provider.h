/* Services that somebody else provides (`provider:`): a program of the host makes them, with Docker
 * Compose's words for its plugins: `TYPE compose --project-name=NAME up|down --OPTION=VALUE
 * SERVICE`, which answers with lines of JSON. */
#ifndef STAVE_CLI_PROVIDER_H
#define STAVE_CLI_PROVIDER_H

#include "cli/cli.h"

/* Before up, create, run and scale: has those among the services (none: all) and, unless no_deps,
 * what they depend on made. What they say of themselves is in the environment of their dependents
 * then, and nobody waits for them any more: the project is changed. A dry run only tells. */
int provider_up(struct cli *cli, const struct strv *services, bool no_deps, struct err *err);
/* After down. */
int provider_down(struct cli *cli, const struct strv *services, struct err *err);

#endif
