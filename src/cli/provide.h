/* Images for the services that are about to run: pulled or built as pull_policy and the options
 * say, before any container is touched. */
#ifndef STAVE_CLI_PROVIDE_H
#define STAVE_CLI_PROVIDE_H

#include "cli/cli.h"

struct provide {
	const char *pull; /* --pull: "always", "missing", "never", "policy" or NULL */
	bool build, no_build, quiet_pull, quiet_build;
};
/* services: those named (their dependencies count too unless no_deps); empty: all of the project.
 */
int provide_images(struct cli *cli, const struct strv *services, bool no_deps,
		   const struct provide *options, struct err *err);

#endif
