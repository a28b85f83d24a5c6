/* Where the records lie, and which names may become part of a path. */
#ifndef STAVE_ENGINE_STATE_PATH_H
#define STAVE_ENGINE_STATE_PATH_H

#include "base/err.h"

/* Where everything is. Filled once by the cli (options, environment) and handed down. */
struct engine_paths {
	char *root; /* STAVE_ROOT, absolute */
	char *run;  /* STAVE_RUN, absolute */
};

/* A name from outside before it becomes part of a path: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 200
 * bytes. `what` is "project", "container", ... ERR_INPUT. */
int state_name_check(const char *what, const char *name, struct err *err);

/* Directory of a container, a slot or all slots, owned text. */
char *state_container_dir(const struct engine_paths *paths, const char *project, const char *id);
char *state_slot_dir(const struct engine_paths *paths, const char *project, const char *slot);
char *state_slots_dir(const struct engine_paths *paths, const char *project);
char *state_mountpoints_dir(const struct engine_paths *paths); /* runtime_mountpoints_make */
/* The project's directory, or what is `below` it ("" for itself). Owned text. */
char *state__project_path(const struct engine_paths *paths, const char *project, const char *below);

#endif
