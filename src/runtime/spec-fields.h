/* For this room's spec*.c only: what the members of struct spec are, as data. Freeing, writing and
 * reading a spec all walk these tables, so a member that is in its table cannot be forgotten by one
 * of them. tests/unit/test-runtime-spec.c walks them too. */
#ifndef STAVE_RUNTIME_SPEC_FIELDS_H
#define STAVE_RUNTIME_SPEC_FIELDS_H

#include "runtime/spec.h"

#include <stddef.h>

enum spec_field_type {
	FIELD_STR,  /* char *, owned */
	FIELD_ID,   /* char[SPEC_ID_LEN + 1] in place */
	FIELD_STRV, /* struct strv */
	FIELD_BOOL,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64, /* as a signed number in JSON: RLIM_INFINITY is -1 there */
	FIELD_I32,
	FIELD_I64,
	FIELD_ENUM,   /* int-sized; `names` */
	FIELD_OBJECT, /* a struct in place; `sub` */
	FIELD_VEC,    /* VEC() of structs; `sub`, `size` */
	FIELD_ARRAY,  /* pointer to structs, count (size_t) at `count_offset`; `sub`, `size` */
	FIELD_BYTES,  /* char *, length (size_t) at `count_offset` */
};

struct spec_fields;

struct spec_field {
	const char *name; /* of the member, and of the key in JSON */
	enum spec_field_type type;
	size_t offset, count_offset, size;
	const struct spec_fields *sub;
	const char *const *names; /* of an enum's values, NULL-terminated */
};

struct spec_fields {
	const struct spec_field *v;
	size_t n;
};

extern const struct spec_fields spec__fields, spec__process_fields, spec__mount_fields;

/* What every VEC() looks like. */
struct spec_vec {
	char *v;
	size_t n, cap;
};

/* Frees what the fields of `object` own, and leaves them empty. */
void spec__fields_done(const struct spec_fields *fields, void *object);

#endif
