/* The type of a YAML scalar, as Compose's reader (go-yaml v3) decides it: true/false only as
 * booleans, octal with a leading 0 or 0o, underscores in numbers, timestamps. */
#ifndef STAVE_COMPOSE_YAML_SCALAR_H
#define STAVE_COMPOSE_YAML_SCALAR_H

#include "compose/node.h"

/* tag is the whole tag ("tag:yaml.org,2002:str", "!reset") or "". */
struct node *yaml_scalar(struct arena *a, const char *text, size_t len, bool plain, const char *tag,
			 struct where where);

/* What a boolean may be written as where only text could be: true, yes, on, y and their opposites,
 * in any case. False: none of them. */
bool scalar_bool(const char *text, bool *ret);

#endif
