/* The build checks ("# check" rules): what is allowed in a Dockerfile and still probably wrong. */
#ifndef STAVE_BUILD_CHECK_H
#define STAVE_BUILD_CHECK_H

#include "build/dockerfile.h"
#include "build/ignore.h"
#include "build/rules.h"

struct check_options {
	const struct ignore *ignore; /* of the context, for CopyIgnoredFile; NULL: none */
	const struct strv
		*build_args; /* names ("A" or "A=value") that --build-arg gives; or NULL */
	/* The environment (KEY=value) of the image that a stage is based on; NULL: not known, and
	 * then nothing is said of undefined variables in that stage. May be NULL. */
	const struct strv *(*base_env)(void *data, const struct stage *stage);
	void *data;
};

/* Adds a warning for each finding, its `path` being the rule's name. With `# check=error=true` they
 * are errors and the result is -EINVAL. `# check=skip=` is heeded; what is wrong in the directive
 * itself is an error. Else 0. */
int dockerfile_check(const struct dockerfile *file, const struct check_options *options,
		     struct diagnostics *diagnostics);

#endif
