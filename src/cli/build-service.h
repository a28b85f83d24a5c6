/* Images of services that say `build:`. Used by build, up, create and run. */
#ifndef STAVE_CLI_BUILD_SERVICE_H
#define STAVE_CLI_BUILD_SERVICE_H

#include "build/build.h"
#include "cli/cli.h"

struct build_wish {
	struct strv args, ssh; /* --build-arg, --ssh */
	bool no_cache, pull, push, quiet, check, explain;
	bool all_platforms;	       /* else only the one that runs here */
	const char *memory, *progress; /* or NULL */
};
/* Builds those of the services (NULL-terminated) that have a build section, and the services that
 * they name as contexts; side by side where one does not need another. *ret_built (may be NULL):
 * appends the names of the images. ERR_INPUT names the file and line of what cannot be done. */
int build_services(struct cli *cli, struct image_store *store, const struct service **services,
		   const struct build_wish *wish, struct strv *ret_built, struct err *err);
/* A service that is only to be built: also one that was not asked for, or whose profile is not
 * active. NULL: there is none. */
const struct service *build_service_find(const struct project *project, const char *name);
/* The bake file that says the same, as `build --print` of Compose. New reference. */
json_t *build_services_print(const struct cli *cli, const struct service **services,
			     const struct build_wish *wish);
/* What has to be done first in a process that may build: starts the program again from a sealed
 * copy (runtime_protect). Call before anything is done that must not be done twice. */
int build_services_protect(struct err *err);

#endif
