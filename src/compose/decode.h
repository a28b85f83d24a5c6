/* The canonical document as struct project. */
#ifndef STAVE_COMPOSE_DECODE_H
#define STAVE_COMPOSE_DECODE_H

#include "compose/field.h"
#include "compose/model.h"

extern const struct field project_fields[], service_fields[];

/* Of m->canonical and m->disabled. places: service name -> its places, as resolve_project made
 * them. Owned. */
struct project *decode_project(struct compose_model *m, json_t *places);

/* Reports numbers that no container can have. Returns 0 or -1. */
int check_numbers(struct compose_model *m);

#endif
