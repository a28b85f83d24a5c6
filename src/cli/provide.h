/* Images for the services that are about to run: pulled or built as pull_policy and the options
 * say, before any container is touched. */
#ifndef STAVE_CLI_PROVIDE_H
#define STAVE_CLI_PROVIDE_H

#include "cli/cli.h"
#include "cli/progress.h"

struct provide {
	const char *pull; /* --pull: "always", "missing", "never", "policy" or NULL */
	bool build, no_build, quiet_pull, quiet_build;
};
/* services: those named (their dependencies count too unless no_deps); empty: all of the project.
 */
int provide_images(struct cli *cli, const struct strv *services, bool no_deps,
		   const struct provide *options, struct err *err);

/* One pull or push, shown as a step of p (NULL: quiet). */
int provide_pull(struct image_store *store, struct progress *p, const char *name,
		 const char *platform, struct err *err);
int provide_push(struct image_store *store, struct progress *p, const char *name, char **ret_digest,
		 struct err *err);
/* When an image must be pulled: "always", "missing", "never", "build", "daily", "weekly",
 * "every_<duration>". ERR_INPUT for others. */
int provide_needs_pull(struct image_store *store, const char *name, const char *policy, bool *ret,
		       struct err *err);

#endif
