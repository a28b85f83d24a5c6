/* A JSON value as text, byte for byte as Go's encoder writes it: objects in the order in which
 * their keys were put there, two blanks of indentation a level, or none at all. */
#ifndef STAVE_COMPOSE_JSON_WRITE_H
#define STAVE_COMPOSE_JSON_WRITE_H

#include "base/json.h"

enum {
	JSON_WRITE_COMPACT = 1u << 0, /* on one line, without blanks */
	JSON_WRITE_HTML = 1u << 1,    /* <, > and & as \u003c, \u003e and \u0026 */
	JSON_WRITE_DOLLARS = 1u << 2, /* $ as $$: what can be read as a Compose file again */
};

/* Appends to out. With `flush`, which empties it, out is handed over whenever it has grown. */
void json_write_text(const json_t *j, unsigned flags, struct str *out,
		     void (*flush)(struct str *out, void *data), void *data);

#endif
