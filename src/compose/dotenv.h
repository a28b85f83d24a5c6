/* Files of NAME=value lines: .env, env_file, label_file. */
#ifndef STAVE_COMPOSE_DOTENV_H
#define STAVE_COMPOSE_DOTENV_H

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "compose/node.h"

enum { DOTENV_FILE_MAX = 1 << 20, DOTENV_ENTRIES_MAX = 20000 };

struct dotenv_entry {
	const char *name, *value; /* value NULL: a bare name that is not set anywhere */
	uint32_t line;
};

struct dotenv {
	struct arena *arena;
	/* Variables of the world outside of the file; may be NULL. */
	const char *(*lookup)(void *data, const char *name);
	void *data;
	VEC(struct dotenv_entry) entries; /* in order; a later one of the same name replaces */
	struct map by_name;		  /* name -> index + 1 */
};
void dotenv_done(struct dotenv *d);

/* Parses text into d. Fails with INPUT; *ret_line is then the line. */
int dotenv_parse(struct dotenv *d, const char *text, size_t len, uint32_t *ret_line,
		 struct err *err);
/* NAME=value per line, nothing else: no quotes, no variables ("format: raw"). */
int dotenv_parse_raw(struct dotenv *d, const char *text, size_t len, uint32_t *ret_line,
		     struct err *err);
/* Reads the file (regular ones of at most a MiB) and parses it. */
int dotenv_load(struct dotenv *d, const char *path, bool raw, uint32_t *ret_line, struct err *err);
const char *dotenv_get(const struct dotenv *d, const char *name);

#endif
