/* A JSON value as YAML text, in the style in which Docker Compose prints `config`; keys stand in
 * the order in which they were put there. */
#ifndef STAVE_COMPOSE_YAML_WRITE_H
#define STAVE_COMPOSE_YAML_WRITE_H

#include "base/json.h"

char *yaml_write(const json_t *document); /* owned */

#endif
