/* Structs to JSON and back by tables of fields: one row says where a value is in the struct and
 * under which name, in which form, it is in the JSON. The JSON forms are those of `config --format
 * json`, so the same tables decode the canonical document and store the project. */
#ifndef STAVE_COMPOSE_FIELD_H
#define STAVE_COMPOSE_FIELD_H

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

enum field_type {
	F_STRING,   /* char * */
	F_BOOL,	    /* bool; `has`: also whether it was there */
	F_INT,	    /* int; `unset` when it is not there */
	F_I64,	    /* int64_t; the same */
	F_U16,	    /* uint16_t */
	F_U32,	    /* uint32_t; `has` */
	F_DOUBLE,   /* double */
	F_SIZE,	    /* uint64_t or int64_t as "512" */
	F_DURATION, /* nsec_t as "1m30s"; -1 when it is not there */
	F_MODE,	    /* uint32_t as "0440"; `has` */
	F_STRV,	    /* struct strv as a list */
	F_PAIRS,    /* struct strv of "name=value" as a map */
	F_ENV,	    /* the same; nulls go to the struct strv at `has` */
	F_JSON,	    /* json_t * */
	F_COMMAND,  /* struct command as a list or null */
	F_ENUM,	    /* an enum, by `words` */
	F_OBJECT,   /* a struct in place; `has`: a bool that says it was there */
	F_LIST,	    /* VEC of structs as a list */
	F_NAMED,    /* VEC of structs as a map; `has`: the char * that holds the name */
	F_ARRAY,    /* pointer and, at `has`, size_t count, as a list */
	F_PLACE,    /* struct place */
	F_TEXT,	    /* char[65] */
	F_CUSTOM,   /* by functions */
};

struct field {
	const char *name; /* dots go down: "resources.limits.cpus"; NULL ends the table */
	enum field_type type;
	size_t offset;
	size_t has; /* offset of a companion; 0: none */
	int64_t unset;
	const struct field *sub;
	size_t size; /* of one element */
	const char *const *words;
	void (*read)(const json_t *value, void *base);
	json_t *(*write)(const void *base); /* NULL result: nothing to store */
	void (*done)(void *base);
};

void fields_read(const struct field *table, const json_t *obj, void *base);
json_t *fields_write(const struct field *table, const void *base); /* new reference */
void fields_done(const struct field *table, void *base);

#endif
