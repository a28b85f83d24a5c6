/* From the merged tree to the services that are meant: typed values, profiles, consistency,
 * env_file and label_file, what the command line selects. */
#ifndef STAVE_COMPOSE_RESOLVE_H
#define STAVE_COMPOSE_RESOLVE_H

#include "compose/model.h"

/* Fills m->canonical and m->disabled. service name -> places (see project.h) goes to `places`,
 * which may be NULL. Returns 0 or -1 with diagnostics. */
int resolve_project(struct compose_model *m, json_t *places);

/* consistency.c: what cannot be right about the active services. */
int check_consistency(struct compose_model *m, json_t *project, json_t *disabled);
/* traps.c: warnings about the active services. */
void find_traps(struct compose_model *m);

#endif
