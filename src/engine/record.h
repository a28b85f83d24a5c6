/* Plain structs to JSON and back by table, so that a field is named once and cannot be written but
 * not read, or read but not freed. For this room's records and messages; used by every process.
 *
 *	static const struct record_field volume_fields[] = {
 *		RECORD_STR(struct container_volume, name),
 *		RECORD_BOOL(struct container_volume, anonymous),
 *	};
 *	static const struct record volume_record = RECORD(struct container_volume, volume_fields);
 *
 * Reading is tolerant of what it does not know and strict with what it knows: an unknown member is
 * ignored, a missing or null one leaves the field as it was, one of another type is an error.
 * Fields that are empty (NULL, 0, false, no elements) are not written. */
#ifndef STAVE_ENGINE_RECORD_H
#define STAVE_ENGINE_RECORD_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum record_type {
	RECORD_TYPE_STR,   /* char *, owned */
	RECORD_TYPE_TEXT,  /* char[size] */
	RECORD_TYPE_STRV,  /* struct strv */
	RECORD_TYPE_BOOL,  /* bool */
	RECORD_TYPE_INT,   /* int */
	RECORD_TYPE_U8,	   /* uint8_t */
	RECORD_TYPE_U16,   /* uint16_t */
	RECORD_TYPE_U32,   /* uint32_t */
	RECORD_TYPE_I64,   /* int64_t, nsec_t */
	RECORD_TYPE_U64,   /* uint64_t, at most INT64_MAX */
	RECORD_TYPE_JSON,  /* json_t *, owned */
	RECORD_TYPE_ENUM,  /* an enum (as wide as an int), by name */
	RECORD_TYPE_LIST,  /* VEC(struct) */
	RECORD_TYPE_GROUP, /* struct by value, as an object */
};

struct record;
struct record_field {
	const char *name;
	enum record_type type;
	size_t offset;
	size_t size;			 /* TEXT: of the array */
	const struct record *record;	 /* LIST, GROUP: of the element */
	const char *(*enum_name)(int v); /* ENUM: NULL from the first number that is none */
};
struct record {
	size_t size; /* of the struct */
	const struct record_field *fields;
	size_t count;
};

#define RECORD(type, table)                                                                        \
	{                                                                                          \
		.size = sizeof(type), .fields = (table), .count = ARRAY_SIZE(table)                \
	}

/* The offset, and a warning (an error in CI) when the field is not of the type that the row says.
 */
#define RECORD_AT(owner, field, want)                                                              \
	(offsetof(owner, field) + 0 * sizeof(&((owner *)0)->field == (want *)0))
#define RECORD_PLAIN(owner, field, type_, want)                                                    \
	{                                                                                          \
		.name = #field, .type = RECORD_TYPE_##type_,                                       \
		.offset = RECORD_AT(owner, field, want)                                            \
	}
#define RECORD_STR(owner, field)  RECORD_PLAIN(owner, field, STR, char *)
#define RECORD_STRV(owner, field) RECORD_PLAIN(owner, field, STRV, struct strv)
#define RECORD_BOOL(owner, field) RECORD_PLAIN(owner, field, BOOL, bool)
#define RECORD_INT(owner, field)  RECORD_PLAIN(owner, field, INT, int)
#define RECORD_U8(owner, field)	  RECORD_PLAIN(owner, field, U8, uint8_t)
#define RECORD_U16(owner, field)  RECORD_PLAIN(owner, field, U16, uint16_t)
#define RECORD_U32(owner, field)  RECORD_PLAIN(owner, field, U32, uint32_t)
#define RECORD_I64(owner, field)  RECORD_PLAIN(owner, field, I64, int64_t)
#define RECORD_U64(owner, field)  RECORD_PLAIN(owner, field, U64, uint64_t)
#define RECORD_JSON(owner, field) RECORD_PLAIN(owner, field, JSON, json_t *)
#define RECORD_TEXT(owner, field)                                                                  \
	{                                                                                          \
		.name = #field, .type = RECORD_TYPE_TEXT, .offset = offsetof(owner, field),        \
		.size = sizeof(((owner *)0)->field)                                                \
	}
#define RECORD_ENUM(owner, field, names)                                                           \
	{                                                                                          \
		.name = #field, .type = RECORD_TYPE_ENUM, .offset = offsetof(owner, field),        \
		.enum_name = (names)                                                               \
	}
#define RECORD_LIST(owner, field, element)                                                         \
	{                                                                                          \
		.name = #field, .type = RECORD_TYPE_LIST, .offset = offsetof(owner, field),        \
		.record = (element)                                                                \
	}
#define RECORD_GROUP(owner, field, element)                                                        \
	{                                                                                          \
		.name = #field, .type = RECORD_TYPE_GROUP, .offset = offsetof(owner, field),       \
		.record = (element)                                                                \
	}

/* New reference: an object. */
json_t *record_save(const struct record *record, const void *from);
/* Adds the members to `obj`. */
void record_save_into(const struct record *record, const void *from, json_t *obj);
/* Fills the struct at `to`, which must be initialised. ERR_INPUT names `what` and the member; what
 * was read until then is in `to`, for record_done. */
int record_load(const struct record *record, const json_t *obj, const char *what, void *to,
		struct err *err);
/* Frees what the fields own and makes them zero; not the struct itself. */
void record_done(const struct record *record, void *of);

#endif
