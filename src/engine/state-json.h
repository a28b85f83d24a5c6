/* The tables of this room's records (state-json.c) and a container's file (container-file.c), for
 * the files that read and write them. */
#ifndef STAVE_ENGINE_STATE_JSON_H
#define STAVE_ENGINE_STATE_JSON_H

#include "engine/record.h"
#include "engine/state.h"

extern const struct record state__slot_record;
extern const struct record state__container_record; /* what was created */
extern const struct record state__state_record;	    /* how it is, without the addresses */

/* How it is, with the addresses of the networks that c is on. */
json_t *state__state_to_json(const struct container *c); /* new reference */
int state__state_from_json(const json_t *j, const char *what, struct container *c, struct err *err);

/* --- container.jsonl --- */

#define CONTAINER_FILE "container.jsonl"

struct text_line {
	const char *text; /* without a terminator */
	size_t len;
};
struct container_file {
	char *path;
	struct str text;
	struct text_line record, spec, state; /* in text */
	size_t changes;			      /* bytes of all the state lines */
};
void container_file_done(struct container_file *f);

/* dir: the container's. -ENOENT: there is none. */
int container_file__read(const char *dir, struct container_file *ret, struct err *err);
int container_file__parse(const struct container_file *f, struct text_line line, json_t **ret,
			  struct err *err);
/* Makes the file, or makes it anew. */
int container_file__write(const char *dir, const json_t *record, const json_t *spec,
			  const json_t *state, struct err *err);
/* Adds a state. changes: as read, 0 after a write; kept up to date. */
int container_file__append(const char *dir, const json_t *state, size_t *changes, struct err *err);

#endif
