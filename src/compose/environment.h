/* The variables that values are interpolated from. */
#ifndef STAVE_COMPOSE_ENVIRONMENT_H
#define STAVE_COMPOSE_ENVIRONMENT_H

#include "compose/model.h"

/* The shell's variables (options->environ, or the process's), and PWD. */
void environment_shell(struct compose_model *m);
/* Adds what a file says to m->env; what is there already stays. required: a missing file is an
 * error. Returns 0 or -1 with a diagnostic at `where`. */
int environment_file(struct compose_model *m, const char *path, bool required, struct where where);
/* A copy of m->env for the time of an include; environment_restore puts the old one back. */
struct map environment_fork(struct compose_model *m);
void environment_restore(struct compose_model *m, struct map *saved);

#endif
