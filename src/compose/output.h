/* The tree as the document that `config` prints: every value in the type that Compose's model gives
 * it, empty ones left out. */
#ifndef STAVE_COMPOSE_OUTPUT_H
#define STAVE_COMPOSE_OUTPUT_H

#include "compose/keys.h"
#include "compose/model.h"

/* An object of the given keys (new reference). Values that cannot be what their key wants are
 * diagnosed and left out. With `places`, the place of every value goes there under its path from
 * this object on ("environment.TZ"). */
json_t *output_object(struct compose_model *m, const struct node *map, const struct shape *shape,
		      const char *path, json_t *places);

/* The members of `map` in order of their names: a new object, or another reference to the map
 * itself when they stand so already. */
json_t *output_sorted(json_t *map);

#endif
