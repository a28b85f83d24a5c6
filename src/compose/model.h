/* What one load knows: its memory, the files it has read, what it has to say, the environment that
 * values are interpolated from, and the merged tree. */
#ifndef STAVE_COMPOSE_MODEL_H
#define STAVE_COMPOSE_MODEL_H

#include "base/map.h"
#include "compose/compose.h"
#include "compose/node.h"

#include <stdint.h>

struct source {
	const char *name; /* as shown to the user */
	const char *path; /* absolute; "-" for standard input */
	const char *text; /* NULL when it was not read whole */
	size_t len;
};

/* A step on the way to the file that is being read: an include or an extends. */
struct step {
	const struct step *up;
	struct where where; /* of the include or extends */
	const char *what;   /* the file or service it leads to */
};

struct compose_model {
	struct arena *arena;
	const struct compose_options *options;
	struct diagnostics *diagnostics;
	VEC(struct source) sources; /* [0] is nowhere */
	const struct step *step;    /* how we got to what is being read now */

	const char *cwd;	 /* the user's working directory, absolute */
	const char *working_dir; /* the project's, absolute */
	const char *name;	 /* the project's */
	bool name_given;	 /* -p or COMPOSE_PROJECT_NAME: files do not change it */
	struct strv files;	 /* absolute Compose files, "-" included */
	struct strv env_files;
	struct strv profiles;
	struct map env;	      /* name -> const char *: shell, then --env-file or .env */
	struct map env_where; /* name -> struct where *: those that came from a file */
	struct map unset;     /* variables that have been warned about -> struct where * */
	struct map parsed;    /* path -> documents that wait for load_set */

	struct node *tree;	/* merged, canonical short forms; normalised unless asked not to */
	json_t *canonical;	/* what `config` prints; NULL with no_interpolate */
	json_t *disabled;	/* services of inactive profiles, as in canonical */
	struct map secrets;	/* "secrets.key" or "configs.key" -> resolved text */
	size_t nodes;		/* made so far, for the bounds in yaml.h */
	size_t bytes, expanded; /* of files, and of values after interpolation */
};

struct compose_model *model_new(const struct compose_options *options,
				struct diagnostics *diagnostics);
void model_free(struct compose_model *m);
DEFINE_CLEANUP(struct compose_model, model_free)

/* Registers a file that marks can point into; text may be NULL. */
uint16_t model_source(struct compose_model *m, const char *path, const char *text, size_t len);
/* How the user would write that path: relative to the working directory where that is shorter. In
 * the arena. */
const char *model_display(struct compose_model *m, const char *path);
struct mark model_mark(const struct compose_model *m, struct where where);
const char *model_place(struct compose_model *m, struct where where); /* "compose.yaml:14"; "" */

/* The environment for interpolation. */
const char *model_env(const struct compose_model *m, const char *name); /* NULL: not set */

/* Adds a diagnostic. hint and path may be NULL. The same message at the same place is said once. */
void diagnose(struct compose_model *m, enum severity severity, struct where where, const char *path,
	      const char *hint, const char *format, ...) __attribute__((format(printf, 6, 7)));
#define complain(m, where, path, ...)                                                              \
	diagnose((m), SEVERITY_ERROR, (where), (path), NULL, __VA_ARGS__)
#define warn(m, where, path, ...)                                                                  \
	diagnose((m), SEVERITY_WARNING, (where), (path), NULL, __VA_ARGS__)
static inline bool model_failed(const struct compose_model *m)
{
	return m->diagnostics->errors > 0;
}
/* "did you mean 'x'?" for the nearest of `names` (NULL-terminated), in the arena; NULL when none is
 * near. */
const char *nearest_hint(struct compose_model *m, const char *word, const char *const *names);

/* The place of services.NAME.KEY (key may be NULL) in the tree; NOWHERE when it is not there. */
struct where service_where(const struct compose_model *m, const char *name, const char *key);

#endif
