/* .env.schema: what the variables of a project may be, as a part of JSON Schema, checked before
 * anything is read that would use them. docs/env-schema.md says what is understood. */
#ifndef STAVE_COMPOSE_SCHEMA_H
#define STAVE_COMPOSE_SCHEMA_H

#include "compose/model.h"

/* Checks m->env against the project directory's .env.schema, when there is one. Every fault is a
 * diagnostic at the variable's own line, or, where no file sets it, at the schema's. Values are
 * never shown: they may be secrets. */
void schema_check(struct compose_model *m);

#endif
