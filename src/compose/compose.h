/* What does this set of Compose files mean? Files -> tree of nodes with marks -> interpolate,
 * extends, include, merge, profiles -> validated -> typed struct project (compose/project.h), and
 * back (`config`). Called by the cli. Knows nothing of how anything runs; reads, never writes.
 *
 *	struct compose_options options = { .files = ..., ... };
 *	struct compose_result result;
 *	int r = compose_load(&options, &result, &err);
 *	(print result.diagnostics, whatever r is)
 *	... result.project ...
 *	compose_result_done(&result);
 */
#ifndef STAVE_COMPOSE_COMPOSE_H
#define STAVE_COMPOSE_COMPOSE_H

#include "base/diagnostic.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/vec.h"
#include "compose/project.h"

#include <stdbool.h>

struct compose_options {
	struct strv files;     /* -f; empty: COMPOSE_FILE, else discovery; "-" is standard input */
	struct strv env_files; /* --env-file; empty: COMPOSE_ENV_FILES, else .env in the project
				  directory */
	struct strv profiles;  /* --profile; COMPOSE_PROFILES is added */
	const char *project_name;      /* -p; NULL: COMPOSE_PROJECT_NAME, name:, directory */
	const char *project_directory; /* --project-directory or NULL */
	struct strv services; /* selected on the command line: enables their profiles; empty: all */
	const struct strv *environ; /* the shell environment; NULL: the process's */
	const char *working_dir;    /* NULL: the process's */
	bool no_interpolate, no_normalize, no_path_resolution, no_consistency, no_env_resolution;
	bool check_variables; /* against .env.schema, before anything else is read */
	bool document_only;   /* only what compose_to_json needs: result.project stays NULL */
	bool all_services; /* keep services of inactive profiles (down, ps, config --profiles ...)
			    */
};

struct compose_result {
	struct project *project;	/* NULL when there were errors */
	struct diagnostics diagnostics; /* warnings too */
	struct compose_model *model; /* the tree behind it, for config, --explain, --variables; see
					compose/model.h */
};
void compose_result_done(struct compose_result *result);

/* Returns 0, or negative with `err` (kind INPUT: see the diagnostics; err then holds a one-line
 * summary). */
int compose_load(const struct compose_options *options, struct compose_result *ret,
		 struct err *err);

/* The canonical document, as `config --format json` prints it (Docker Compose's fields and
 * order-free equality). New reference. */
json_t *compose_to_json(const struct compose_result *result);

/* The resolved project as stored and sent to the supervisor: everything struct project holds, marks
 * included, and back, without looking at any file again. */
json_t *project_to_json(const struct project *project);
int project_from_json(const json_t *j, struct project **ret, struct err *err);

/* The one document of a YAML or JSON file of another format, within the bounds of Compose files, as
 * JSON. ERR_INPUT with the place. *ret is the caller's. */
int compose_read_yaml(const char *path, json_t **ret, struct err *err);

#endif
