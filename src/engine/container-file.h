/* A container's one file, container.jsonl, as lines. */
#ifndef STAVE_ENGINE_CONTAINER_FILE_H
#define STAVE_ENGINE_CONTAINER_FILE_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

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
