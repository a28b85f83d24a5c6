#include "compose/field.h"

#include "base/parse.h"
#include "base/vec.h"
#include "compose/project.h"

typedef VEC(char) any_vec;

static void *at(const void *base, size_t offset)
{
	return (char *)base + offset;
}

static const json_t *get_path(const json_t *obj, const char *path)
{
	for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
		char part[64];
		snprintf(part, sizeof(part), "%.*s", (int)(dot - path), path);
		obj = json_object_get(obj, part);
	}
	return json_object_get(obj, path);
}

static void put_path(json_t *obj, const char *path, json_t *value)
{
	for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
		char part[64];
		snprintf(part, sizeof(part), "%.*s", (int)(dot - path), path);
		json_t *next = json_object_get(obj, part);
		if (!next) {
			next = json_object();
			json_object_set_new(obj, part, next);
		}
		obj = next;
	}
	json_object_set_new_nocheck(obj, path, value);
}

static void read_strv(const json_t *value, struct strv *out)
{
	size_t i;
	json_t *item;
	if (json_is_string(value))
		strv_add(out, json_string_value(value));
	json_array_foreach(value, i, item)
		if (json_is_string(item))
			strv_add(out, json_string_value(item));
}

static void read_pairs(const json_t *value, struct strv *out, struct strv *nulls)
{
	const char *key;
	json_t *item;
	json_object_foreach((json_t *)value, key, item) {
		if (json_is_string(item))
			strv_addf(out, "%s=%s", key, json_string_value(item));
		else if (nulls)
			strv_add(nulls, key);
	}
}

static int64_t read_size(const json_t *value, int64_t unset)
{
	int64_t n;
	if (json_is_integer(value))
		return json_integer_value(value);
	if (json_is_string(value) &&
	    parse_i64(json_string_value(value), INT64_MIN, INT64_MAX, &n) == 0)
		return n;
	return unset;
}

static nsec_t read_duration(const json_t *value)
{
	nsec_t d = -1;
	if (json_is_string(value))
		(void)parse_duration(json_string_value(value), &d);
	return d;
}

static void read_place(const json_t *value, struct place *place)
{
	place->file = xstrdup(json_str(value, "file", NULL));
	place->line = (int)json_int(value, "line", 0);
	place->column = (int)json_int(value, "column", 0);
}

static void read_enum(const struct field *f, const json_t *value, void *p)
{
	const char *text = json_string_value(value);
	for (int i = 0; text && f->words[i]; i++)
		if (strcmp(f->words[i], text) == 0)
			*(int *)p = i;
}

static void read_list(const struct field *f, const json_t *value, any_vec *vec)
{
	size_t i, n = json_array_size(value);
	json_t *item;
	vec->v = xcalloc(n ? n : 1, f->size);
	vec->n = vec->cap = n;
	json_array_foreach(value, i, item)
		fields_read(f->sub, item, vec->v + i * f->size);
}

static void read_named(const struct field *f, const json_t *value, any_vec *vec)
{
	size_t i = 0, n = json_object_size(value);
	const char *key;
	json_t *item;
	vec->v = xcalloc(n ? n : 1, f->size);
	vec->n = vec->cap = n;
	json_object_foreach((json_t *)value, key, item) {
		char *one = vec->v + i++ * f->size;
		*(char **)at(one, f->has) = xstrdup(key);
		fields_read(f->sub, item, one);
	}
}

static void read_one(const struct field *f, const json_t *value, void *base)
{
	void *p = at(base, f->offset), *has = f->has ? at(base, f->has) : NULL;
	uint32_t mode;
	any_vec vec;
	switch (f->type) {
	case F_STRING: *(char **)p = xstrdup(json_string_value(value)); break;
	case F_BOOL:
		*(bool *)p = json_is_true(value);
		if (has)
			*(bool *)has = json_is_boolean(value);
		break;
	case F_INT:
		*(int *)p = json_is_integer(value) ? (int)json_integer_value(value) : (int)f->unset;
		break;
	case F_I64:
		*(int64_t *)p = json_is_integer(value) ? json_integer_value(value) : f->unset;
		break;
	case F_U16: *(uint16_t *)p = (uint16_t)json_integer_value(value); break;
	case F_U32:
		*(uint32_t *)p = json_is_integer(value) ? (uint32_t)json_integer_value(value)
							: (uint32_t)f->unset;
		if (has)
			*(bool *)has = json_is_integer(value);
		break;
	case F_DOUBLE: *(double *)p = json_number_value(value); break;
	case F_SIZE: *(int64_t *)p = read_size(value, f->unset); break;
	case F_DURATION: *(nsec_t *)p = read_duration(value); break;
	case F_MODE:
		if (json_is_string(value) &&
		    parse_octal(json_string_value(value), 0xffff, &mode) == 0) {
			*(uint32_t *)p = mode;
			*(bool *)has = true;
		}
		break;
	case F_STRV: read_strv(value, p); break;
	case F_PAIRS:
	case F_ENV: read_pairs(value, p, has); break;
	case F_JSON: *(json_t **)p = json_incref((json_t *)value); break;
	case F_COMMAND:
		((struct command *)p)->set = json_is_array(value);
		read_strv(value, &((struct command *)p)->args);
		break;
	case F_ENUM: read_enum(f, value, p); break;
	case F_OBJECT:
		if (has)
			*(bool *)has = json_is_object(value);
		fields_read(f->sub, value, p);
		break;
	case F_LIST: read_list(f, value, p); break;
	case F_NAMED: read_named(f, value, p); break;
	case F_ARRAY:
		read_list(f, value, &vec);
		*(char **)p = vec.v;
		*(size_t *)has = vec.n;
		break;
	case F_PLACE: read_place(value, p); break;
	case F_TEXT: snprintf(p, 65, "%s", value ? json_string_value(value) : ""); break;
	case F_CUSTOM:
		if (value)
			f->read(value, base);
		break;
	}
}

void fields_read(const struct field *table, const json_t *obj, void *base)
{
	for (const struct field *f = table; f->name; f++)
		read_one(f, get_path(obj, f->name), base);
}

static json_t *write_pairs(const struct strv *pairs, const struct strv *nulls)
{
	if (!pairs->n && (!nulls || !nulls->n))
		return NULL;
	json_t *map = json_object();
	for (size_t i = 0; i < pairs->n; i++) {
		const char *equals = strchr(pairs->v[i], '=');
		cleanup_free char *key =
			xstrndup(pairs->v[i], equals ? (size_t)(equals - pairs->v[i]) : SIZE_MAX);
		json_object_set_new_nocheck(map, key,
					    json_string_nocheck(equals ? equals + 1 : ""));
	}
	for (size_t i = 0; nulls && i < nulls->n; i++)
		json_object_set_new_nocheck(map, nulls->v[i], json_null());
	return map;
}

static json_t *write_list(const struct field *f, const char *v, size_t n)
{
	if (!n)
		return NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, fields_write(f->sub, v + i * f->size));
	return list;
}

static json_t *write_named(const struct field *f, const any_vec *vec)
{
	if (!vec->n)
		return NULL;
	json_t *map = json_object();
	for (size_t i = 0; i < vec->n; i++) {
		const char *one = vec->v + i * f->size;
		json_object_set_new_nocheck(map, *(char **)at(one, f->has),
					    fields_write(f->sub, one));
	}
	return map;
}

static json_t *write_place(const struct place *place)
{
	if (!place->file)
		return NULL;
	json_t *j = json_object();
	json_put_str(j, "file", place->file);
	json_put(j, "line", json_integer(place->line));
	json_put(j, "column", json_integer(place->column));
	return j;
}

static json_t *write_number(int64_t value, int64_t unset)
{
	return value == unset ? NULL : json_integer(value);
}

static json_t *write_one(const struct field *f, const void *base)
{
	const void *p = at(base, f->offset), *has = f->has ? at(base, f->has) : NULL;
	char text[DURATION_TEXT];
	const struct command *c;
	switch (f->type) {
	case F_STRING: return *(char *const *)p ? json_string_nocheck(*(char *const *)p) : NULL;
	case F_BOOL:
		return *(const bool *)p || (has && *(const bool *)has)
			       ? json_boolean(*(const bool *)p)
			       : NULL;
	case F_INT: return write_number(*(const int *)p, f->unset);
	case F_I64: return write_number(*(const int64_t *)p, f->unset);
	case F_U16: return write_number(*(const uint16_t *)p, 0);
	case F_U32: return !has || *(const bool *)has ? json_integer(*(const uint32_t *)p) : NULL;
	case F_DOUBLE: return *(const double *)p != 0 ? json_real(*(const double *)p) : NULL;
	case F_SIZE:
		return *(const int64_t *)p == f->unset
			       ? NULL
			       : json_sprintf("%" JSON_INTEGER_FORMAT,
					      (json_int_t) * (const int64_t *)p);
	case F_DURATION:
		return *(const nsec_t *)p < 0
			       ? NULL
			       : json_string(format_duration(*(const nsec_t *)p, text));
	case F_MODE: return *(const bool *)has ? json_sprintf("0%o", *(const uint32_t *)p) : NULL;
	case F_STRV: return ((const struct strv *)p)->n ? json_from_strv(p) : NULL;
	case F_PAIRS:
	case F_ENV: return write_pairs(p, has);
	case F_JSON: return json_incref(*(json_t *const *)p);
	case F_COMMAND: c = p; return c->set ? json_from_strv(&c->args) : NULL;
	case F_ENUM: return json_string(f->words[*(const int *)p]);
	case F_OBJECT: return has && !*(const bool *)has ? NULL : fields_write(f->sub, p);
	case F_LIST: return write_list(f, ((const any_vec *)p)->v, ((const any_vec *)p)->n);
	case F_NAMED: return write_named(f, p);
	case F_ARRAY: return write_list(f, *(char *const *)p, *(const size_t *)has);
	case F_PLACE: return write_place(p);
	case F_TEXT: return *(const char *)p ? json_string(p) : NULL;
	case F_CUSTOM: return f->write ? f->write(base) : NULL;
	}
	return NULL;
}

json_t *fields_write(const struct field *table, const void *base)
{
	json_t *obj = json_object();
	for (const struct field *f = table; f->name; f++) {
		json_t *value = write_one(f, base);
		if (value)
			put_path(obj, f->name, value);
	}
	return obj;
}

static void done_list(const struct field *f, char *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (f->type == F_NAMED)
			free(*(char **)at(v + i * f->size, f->has));
		fields_done(f->sub, v + i * f->size);
	}
	free(v);
}

void fields_done(const struct field *table, void *base)
{
	for (const struct field *f = table; f->name; f++) {
		void *p = at(base, f->offset);
		switch (f->type) {
		case F_STRING: free(*(char **)p); break;
		case F_STRV:
		case F_PAIRS: strv_done(p); break;
		case F_ENV:
			strv_done(p);
			strv_done(at(base, f->has));
			break;
		case F_JSON: json_decref(*(json_t **)p); break;
		case F_COMMAND: strv_done(&((struct command *)p)->args); break;
		case F_OBJECT: fields_done(f->sub, p); break;
		case F_LIST:
		case F_NAMED: done_list(f, ((any_vec *)p)->v, ((any_vec *)p)->n); break;
		case F_ARRAY: done_list(f, *(char **)p, *(size_t *)at(base, f->has)); break;
		case F_PLACE: free(((struct place *)p)->file); break;
		case F_CUSTOM:
			if (f->done)
				f->done(base);
			break;
		default: break;
		}
	}
}
