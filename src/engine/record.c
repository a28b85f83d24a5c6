#include "engine/record.h"

#include "base/vec.h"

/* Every VEC(...) has this shape; it is moved with memcpy, never aliased. */
struct any_vec {
	void *v;
	size_t n, cap;
};

/* Lists in records are short (ports, mounts, networks); this only stops nonsense. */
enum { RECORD_LIST_MAX = 1 << 20 };

#define LOAD(type, at)                                                                             \
	({                                                                                         \
		type loaded_;                                                                      \
		memcpy(&loaded_, (at), sizeof(loaded_));                                           \
		loaded_;                                                                           \
	})
#define STORE(type, at, ...)                                                                       \
	do {                                                                                       \
		type stored_ = (__VA_ARGS__);                                                      \
		memcpy((at), &stored_, sizeof(stored_));                                           \
	} while (0)

static json_t *save_int(int64_t value)
{
	return value ? json_integer(value) : NULL;
}

/* What is not UTF-8 (a health check's output may be anything) keeps its ASCII. */
static json_t *save_text(const char *text)
{
	json_t *j = text ? json_string(text) : NULL;
	if (j || !text)
		return j;
	cleanup_free char *copy = xstrdup(text);
	for (char *c = copy; *c; c++) {
		if ((unsigned char)*c > 127)
			*c = '?';
	}
	return json_string(copy);
}

static json_t *save_list(const struct record *record, const void *at)
{
	struct any_vec vec = LOAD(struct any_vec, at);
	if (vec.n == 0)
		return NULL;
	json_t *array = json_array();
	for (size_t i = 0; i < vec.n; i++)
		json_array_append_new(array,
				      record_save(record, (const char *)vec.v + i * record->size));
	return array;
}

/* New reference, or NULL when there is nothing to write. */
static json_t *save_field(const struct record_field *f, const void *at)
{
	switch (f->type) {
	case RECORD_TYPE_STR: return save_text(LOAD(const char *, at));
	case RECORD_TYPE_TEXT: return *(const char *)at ? save_text(at) : NULL;
	case RECORD_TYPE_STRV: {
		const struct strv *sv = at;
		return sv->n ? json_from_strv(sv) : NULL;
	}
	case RECORD_TYPE_BOOL: return LOAD(bool, at) ? json_true() : NULL;
	case RECORD_TYPE_INT: return save_int(LOAD(int, at));
	case RECORD_TYPE_U8: return save_int(LOAD(uint8_t, at));
	case RECORD_TYPE_U16: return save_int(LOAD(uint16_t, at));
	case RECORD_TYPE_U32: return save_int(LOAD(uint32_t, at));
	case RECORD_TYPE_I64: return save_int(LOAD(int64_t, at));
	case RECORD_TYPE_U64: return save_int((int64_t)LOAD(uint64_t, at));
	case RECORD_TYPE_JSON: return json_incref(LOAD(json_t *, at));
	case RECORD_TYPE_ENUM: return json_string(f->enum_name(LOAD(int, at)));
	case RECORD_TYPE_LIST: return save_list(f->record, at);
	case RECORD_TYPE_GROUP: return record_save(f->record, at);
	}
	return NULL;
}

void record_save_into(const struct record *record, const void *from, json_t *obj)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct record_field *f = &record->fields[i];
		json_put(obj, f->name, save_field(f, (const char *)from + f->offset));
	}
}

json_t *record_save(const struct record *record, const void *from)
{
	json_t *obj = json_object();
	record_save_into(record, from, obj);
	return obj;
}

static int bad_type(const struct record_field *f, const char *what, struct err *err)
{
	return err_input(err, "%s: '%s' has a value that cannot be read", what, f->name);
}

static int load_text(const struct record_field *f, const json_t *value, const char *what, char *at,
		     struct err *err)
{
	const char *text = json_string_value(value);
	if (!text || strlen(text) >= f->size)
		return bad_type(f, what, err);
	memcpy(at, text, strlen(text) + 1);
	return 0;
}

static int load_strv(const struct record_field *f, const json_t *value, const char *what,
		     struct strv *to, struct err *err)
{
	size_t i;
	json_t *item;
	if (!json_is_array(value))
		return bad_type(f, what, err);
	json_array_foreach(value, i, item) {
		if (!json_is_string(item))
			return bad_type(f, what, err);
		strv_add(to, json_string_value(item));
	}
	return 0;
}

static int load_int(const struct record_field *f, const json_t *value, const char *what, void *at,
		    struct err *err)
{
	if (!json_is_integer(value))
		return bad_type(f, what, err);
	int64_t n = json_integer_value(value);
	switch (f->type) {
	case RECORD_TYPE_INT:
		if (n < INT32_MIN || n > INT32_MAX)
			return bad_type(f, what, err);
		STORE(int, at, (int)n);
		return 0;
	case RECORD_TYPE_U8:
		if (n < 0 || n > UINT8_MAX)
			return bad_type(f, what, err);
		STORE(uint8_t, at, (uint8_t)n);
		return 0;
	case RECORD_TYPE_U16:
		if (n < 0 || n > UINT16_MAX)
			return bad_type(f, what, err);
		STORE(uint16_t, at, (uint16_t)n);
		return 0;
	case RECORD_TYPE_U32:
		if (n < 0 || n > UINT32_MAX)
			return bad_type(f, what, err);
		STORE(uint32_t, at, (uint32_t)n);
		return 0;
	case RECORD_TYPE_U64:
		if (n < 0)
			return bad_type(f, what, err);
		STORE(uint64_t, at, (uint64_t)n);
		return 0;
	default: STORE(int64_t, at, n); return 0;
	}
}

static int load_enum(const struct record_field *f, const json_t *value, const char *what, void *at,
		     struct err *err)
{
	const char *text = json_string_value(value);
	for (int i = 0; text && f->enum_name(i); i++) {
		if (strcmp(f->enum_name(i), text) == 0) {
			STORE(int, at, i);
			return 0;
		}
	}
	return bad_type(f, what, err);
}

static int load_list(const struct record_field *f, const json_t *value, const char *what, void *at,
		     struct err *err)
{
	size_t n = json_array_size(value);
	struct any_vec vec = LOAD(struct any_vec, at);
	if (!json_is_array(value) || n > RECORD_LIST_MAX || vec.n)
		return bad_type(f, what, err);
	if (n == 0)
		return 0;
	free(vec.v);
	vec = (struct any_vec){ .v = xcalloc(n, f->record->size), .cap = n };
	int r = 0;
	/* The element being read counts already, so that record_done frees what it got. */
	for (size_t i = 0; i < n && r == 0; i++) {
		void *element = (char *)vec.v + i * f->record->size;
		vec.n = i + 1;
		r = record_load(f->record, json_array_get(value, i), what, element, err);
	}
	STORE(struct any_vec, at, vec);
	return r;
}

static int load_field(const struct record_field *f, const json_t *value, const char *what, void *at,
		      struct err *err)
{
	switch (f->type) {
	case RECORD_TYPE_STR:
		if (!json_is_string(value))
			return bad_type(f, what, err);
		free(LOAD(char *, at));
		STORE(char *, at, xstrdup(json_string_value(value)));
		return 0;
	case RECORD_TYPE_TEXT: return load_text(f, value, what, at, err);
	case RECORD_TYPE_STRV: return load_strv(f, value, what, at, err);
	case RECORD_TYPE_BOOL:
		if (!json_is_boolean(value))
			return bad_type(f, what, err);
		STORE(bool, at, json_is_true(value));
		return 0;
	case RECORD_TYPE_INT:
	case RECORD_TYPE_U8:
	case RECORD_TYPE_U16:
	case RECORD_TYPE_U32:
	case RECORD_TYPE_I64:
	case RECORD_TYPE_U64: return load_int(f, value, what, at, err);
	case RECORD_TYPE_JSON:
		json_decref(LOAD(json_t *, at));
		STORE(json_t *, at, json_incref((json_t *)value));
		return 0;
	case RECORD_TYPE_ENUM: return load_enum(f, value, what, at, err);
	case RECORD_TYPE_LIST: return load_list(f, value, what, at, err);
	case RECORD_TYPE_GROUP: return record_load(f->record, value, what, at, err);
	}
	return 0;
}

int record_load(const struct record *record, const json_t *obj, const char *what, void *to,
		struct err *err)
{
	if (!json_is_object(obj))
		return err_input(err, "%s: not a record", what);
	for (size_t i = 0; i < record->count; i++) {
		const struct record_field *f = &record->fields[i];
		const json_t *value = json_object_get(obj, f->name);
		if (!value || json_is_null(value))
			continue;
		int r = load_field(f, value, what, (char *)to + f->offset, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void done_list(const struct record *record, void *at)
{
	struct any_vec vec = LOAD(struct any_vec, at);
	for (size_t i = 0; i < vec.n; i++)
		record_done(record, (char *)vec.v + i * record->size);
	free(vec.v);
	STORE(struct any_vec, at, (struct any_vec){ 0 });
}

void record_done(const struct record *record, void *of)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct record_field *f = &record->fields[i];
		void *at = (char *)of + f->offset;
		switch (f->type) {
		case RECORD_TYPE_STR:
			free(LOAD(char *, at));
			STORE(char *, at, NULL);
			break;
		case RECORD_TYPE_STRV: strv_done(at); break;
		case RECORD_TYPE_JSON:
			json_decref(LOAD(json_t *, at));
			STORE(json_t *, at, NULL);
			break;
		case RECORD_TYPE_LIST: done_list(f->record, at); break;
		case RECORD_TYPE_GROUP: record_done(f->record, at); break;
		default: break; /* owns nothing */
		}
	}
}
