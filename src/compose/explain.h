/* Where a value comes from, and what it replaced. */
#ifndef STAVE_COMPOSE_EXPLAIN_H
#define STAVE_COMPOSE_EXPLAIN_H

#include "compose/compose.h"

/* The history of the value at a path such as "services.web.environment.URL" or
 * "services.web.ports[0]", newest first: a list of {value, place, how} where `how` is "set",
 * "interpolated" (its text before variables were replaced), "replaced" or "derived" (a default of
 * Compose's). New reference; NULL with NOT_FOUND when there is no such path. */
json_t *explain_path(const struct compose_result *result, const char *path, struct err *err);

/* The environment of a service: a list of {name, value, source, losers: [{value, source}]}, sorted
 * by name. value is null for a name that has none. New reference; NULL with NOT_FOUND. */
json_t *explain_environment(const struct compose_result *result, const char *service,
			    struct err *err);

#endif
