/* The tables of this room's records (state-json.c), for the files that read and write them. */
#ifndef STAVE_ENGINE_STATE_JSON_H
#define STAVE_ENGINE_STATE_JSON_H

#include "engine/record.h"
#include "engine/state.h"

extern const struct record state__slot_record;
extern const struct record state__container_record; /* container.json */
extern const struct record state__state_record;	    /* state.json, without the addresses */

/* state.json, with the addresses of the networks that c is on. */
json_t *state__state_to_json(const struct container *c); /* new reference */
int state__state_from_json(const json_t *j, const char *what, struct container *c, struct err *err);

#endif
