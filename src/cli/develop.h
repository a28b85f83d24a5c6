/* The rules of develop.watch: which file of the host concerns which service, and how. */
#ifndef STAVE_CLI_DEVELOP_H
#define STAVE_CLI_DEVELOP_H

#include "base/vec.h"
#include "build/ignore.h"
#include "compose/project.h"

enum develop_action {
	DEVELOP_REBUILD = 1u << 0,
	DEVELOP_SYNC = 1u << 1,
	DEVELOP_RESTART = 1u << 2,
	DEVELOP_EXEC = 1u << 3,
};

struct develop_rule {
	const struct service *service; /* borrowed */
	unsigned actions;	       /* enum develop_action */
	char *path;		       /* absolute, clean: a directory or a file */
	bool file;		       /* it is one: its target is the file itself */
	const char *target;	       /* borrowed; NULL without DEVELOP_SYNC */
	bool initial_sync;
	const json_t *exec; /* borrowed */
	char *context; /* of the service's build: what its .dockerignore is relative to; or NULL */
	struct ignore *ignore, *include, *dockerignore; /* NULL: none */
};
struct develop {
	VEC(struct develop_rule) rules;
	struct ignore *ephemeral; /* what editors leave behind for a moment, and .git */
	struct strv warnings;
};
/* Those of the named services (none: of all). ERR_INPUT when there are none, or a rule cannot be
 * kept to. */
int develop_load(const struct project *project, const struct strv *services, struct develop *ret,
		 struct err *err);
void develop_done(struct develop *develop);
#define cleanup_develop cleanup(develop_done)

/* The name beneath the rule's path that an absolute path has, when the rule is about it: borrowed,
 * from `path`. Else NULL. */
const char *develop_match(const struct develop *develop, const struct develop_rule *rule,
			  const char *path);
/* Whether anything in this directory may be what a rule is about. */
bool develop_wants_dir(const struct develop *develop, const char *path);

#endif
