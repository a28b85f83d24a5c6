/* A spec as JSON and back: one object whose keys are the member names. Text that is not UTF-8
 * (environment values may be anything) and the bytes of files are written as {"base64": "..."}.
 * Members that are zero are left out; reading starts from zero, not from spec_init(). */
#include "runtime/spec-fields.h"

#include "base/vec.h"

/* More elements than any real container has; keeps a damaged file from costing memory. */
enum { ELEMENTS_MAX = 100000 };

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *base64_object(const char *data, size_t len)
{
	cleanup_free char *text = xmalloc((len + 2) / 3 * 4 + 1);
	char *out = text;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)(uint8_t)data[i] << 16;
		if (i + 1 < len)
			bits |= (uint32_t)(uint8_t)data[i + 1] << 8;
		if (i + 2 < len)
			bits |= (uint8_t)data[i + 2];
		*out++ = base64_digits[bits >> 18];
		*out++ = base64_digits[bits >> 12 & 63];
		*out++ = i + 1 < len ? base64_digits[bits >> 6 & 63] : '=';
		*out++ = i + 2 < len ? base64_digits[bits & 63] : '=';
	}
	*out = 0;
	return json_pack("{s:s}", "base64", text);
}

/* Decodes {"base64": "..."}; the result is owned and has a terminator after its *ret_len bytes.
 * NULL when it is anything else. */
static char *base64_decode(const json_t *j, size_t *ret_len)
{
	const char *text = json_string_value(json_object_get(j, "base64"));
	size_t len = text ? strlen(text) : 1, n = 0;
	cleanup_free char *data = NULL;

	if (len % 4)
		return NULL;
	data = xmalloc(len / 4 * 3 + 1);
	for (size_t i = 0; i < len; i += 4) {
		uint32_t bits = 0;
		unsigned padding = 0;
		for (size_t k = 0; k < 4; k++) {
			const char *digit = strchr(base64_digits, text[i + k]);
			bits <<= 6;
			if (text[i + k] == '=' && k >= 2 && i + 4 == len)
				padding++;
			else if (digit && !padding)
				bits |= (uint32_t)(digit - base64_digits);
			else
				return NULL;
		}
		for (unsigned k = 0; k < 3 - padding; k++)
			data[n++] = (char)(bits >> (16 - 8 * k));
	}
	data[n] = 0;
	*ret_len = n;
	return ptr_take(data);
}

static json_t *text_to_json(const char *text)
{
	json_t *j = json_string(text);

	return j ? j : base64_object(text, strlen(text));
}

/* Owned, or NULL when it is not a text (or holds a NUL). */
static char *text_from_json(const json_t *j)
{
	size_t len = 0;

	if (json_is_string(j))
		return xstrdup(json_string_value(j));
	char *text = base64_decode(j, &len);
	if (text && strlen(text) == len)
		return text;
	free(text);
	return NULL;
}

static json_t *fields_to_json(const struct spec_fields *fields, const char *object);

static json_t *elements_to_json(const struct spec_field *f, const char *v, size_t n)
{
	json_t *array = n ? json_array() : NULL;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, fields_to_json(f->sub, v + i * f->size));
	return array;
}

static json_t *strv_to_json(const struct strv *sv)
{
	json_t *array = sv->n ? json_array() : NULL;

	for (size_t i = 0; i < sv->n; i++)
		json_array_append_new(array, text_to_json(sv->v[i]));
	return array;
}

static int64_t number_get(const struct spec_field *f, const char *p)
{
	switch (f->type) {
	case FIELD_BOOL: return *(const bool *)p;
	case FIELD_U16: return *(const uint16_t *)(const void *)p;
	case FIELD_U32: return *(const uint32_t *)(const void *)p;
	case FIELD_U64: return (int64_t) * (const uint64_t *)(const void *)p;
	case FIELD_I64: return *(const int64_t *)(const void *)p;
	default: return *(const int32_t *)(const void *)p;
	}
}

/* NULL: the member has its zero value and is left out. */
static json_t *field_to_json(const struct spec_field *f, const char *object)
{
	const char *p = object + f->offset;
	const char *text = NULL;
	size_t count = 0;
	int64_t number;

	if (f->type == FIELD_STR || f->type == FIELD_BYTES || f->type == FIELD_VEC ||
	    f->type == FIELD_ARRAY)
		text = *(const char *const *)(const void *)p;
	if (f->type == FIELD_ARRAY || f->type == FIELD_BYTES)
		count = *(const size_t *)(const void *)(object + f->count_offset);
	switch (f->type) {
	case FIELD_STR: return text ? text_to_json(text) : NULL;
	case FIELD_ID: return *p ? json_string(p) : NULL;
	case FIELD_STRV: return strv_to_json((const void *)p);
	case FIELD_OBJECT: return fields_to_json(f->sub, p);
	case FIELD_VEC:
		return elements_to_json(f, text, ((const struct spec_vec *)(const void *)p)->n);
	case FIELD_ARRAY: return elements_to_json(f, text, count);
	case FIELD_BYTES: return text ? base64_object(text, count) : NULL;
	case FIELD_ENUM:
		number = number_get(f, p);
		return number ? json_string(f->names[number]) : NULL;
	case FIELD_BOOL: return number_get(f, p) ? json_true() : NULL;
	default: number = number_get(f, p); return number ? json_integer(number) : NULL;
	}
}

static json_t *fields_to_json(const struct spec_fields *fields, const char *object)
{
	json_t *j = json_object();

	for (size_t i = 0; i < fields->n; i++)
		json_put(j, fields->v[i].name, field_to_json(&fields->v[i], object));
	return j;
}

static int fields_from_json(const struct spec_fields *fields, const json_t *j, char *object,
			    struct err *err);

static int wrong(const struct spec_field *f, struct err *err)
{
	return err_input(err, "'%s' in a stored container has a wrong value", f->name);
}

/* Reads an array of structs. On failure the elements read so far are in *ret. */
static int elements_from_json(const struct spec_field *f, const json_t *j, struct spec_vec *ret,
			      struct err *err)
{
	size_t n = json_array_size(j);

	if (!json_is_array(j) || n > ELEMENTS_MAX)
		return wrong(f, err);
	ret->v = xcalloc(n ? n : 1, f->size);
	ret->cap = n;
	for (; ret->n < n; ret->n++) {
		int r = fields_from_json(f->sub, json_array_get(j, ret->n),
					 ret->v + ret->n * f->size, err);
		if (r < 0) {
			ret->n++;
			return r;
		}
	}
	return 0;
}

static int strv_from_json(const struct spec_field *f, const json_t *j, struct strv *ret,
			  struct err *err)
{
	size_t n = json_array_size(j);

	if (!json_is_array(j) || n > ELEMENTS_MAX)
		return wrong(f, err);
	for (size_t i = 0; i < n; i++) {
		char *text = text_from_json(json_array_get(j, i));
		if (!text)
			return wrong(f, err);
		strv_take(ret, text);
	}
	return 0;
}

/* Writes an integer member; false when it is out of the member's range. */
static bool number_set(const struct spec_field *f, int64_t number, char *p)
{
	switch (f->type) {
	case FIELD_U16: *(uint16_t *)(void *)p = (uint16_t)number; break;
	case FIELD_U32: *(uint32_t *)(void *)p = (uint32_t)number; break;
	case FIELD_U64: *(uint64_t *)(void *)p = (uint64_t)number; break;
	case FIELD_I64: *(int64_t *)(void *)p = number; break;
	default: *(int32_t *)(void *)p = (int32_t)number; break;
	}
	return number_get(f, p) == number;
}

static int id_from_json(const struct spec_field *f, const json_t *j, char *p, struct err *err)
{
	const char *id = json_string_value(j);

	if (!id || strlen(id) != SPEC_ID_LEN || strspn(id, "0123456789abcdef") != SPEC_ID_LEN)
		return wrong(f, err);
	memcpy(p, id, SPEC_ID_LEN + 1);
	return 0;
}

static int enum_from_json(const struct spec_field *f, const json_t *j, char *p, struct err *err)
{
	for (int i = 0; f->names[i]; i++) {
		if (str_eq(f->names[i], json_string_value(j))) {
			*(int *)(void *)p = i;
			return 0;
		}
	}
	return wrong(f, err);
}

static int field_from_json(const struct spec_field *f, const json_t *j, char *object,
			   struct err *err)
{
	char *p = object + f->offset;
	char **text = (void *)p;
	struct spec_vec elements = { 0 };
	int r;

	switch (f->type) {
	case FIELD_STR: *text = text_from_json(j); return *text ? 0 : wrong(f, err);
	case FIELD_BYTES:
		*text = base64_decode(j, (size_t *)(void *)(object + f->count_offset));
		return *text ? 0 : wrong(f, err);
	case FIELD_ID: return id_from_json(f, j, p, err);
	case FIELD_STRV: return strv_from_json(f, j, (void *)p, err);
	case FIELD_OBJECT: return fields_from_json(f->sub, j, p, err);
	case FIELD_VEC: return elements_from_json(f, j, (void *)p, err);
	case FIELD_ARRAY:
		r = elements_from_json(f, j, &elements, err);
		*text = elements.v;
		*(size_t *)(void *)(object + f->count_offset) = elements.n;
		return r;
	case FIELD_ENUM: return enum_from_json(f, j, p, err);
	case FIELD_BOOL:
		*(bool *)p = json_is_true(j);
		return json_is_boolean(j) ? 0 : wrong(f, err);
	default:
		return json_is_integer(j) && number_set(f, json_integer_value(j), p)
			       ? 0
			       : wrong(f, err);
	}
}

/* Unknown keys are skipped: a newer stave may have written the file. */
static int fields_from_json(const struct spec_fields *fields, const json_t *j, char *object,
			    struct err *err)
{
	if (!json_is_object(j))
		return err_input(err, "a stored container is damaged: an object is missing");
	for (size_t i = 0; i < fields->n; i++) {
		const json_t *member = json_object_get(j, fields->v[i].name);
		int r = member ? field_from_json(&fields->v[i], member, object, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

json_t *spec_to_json(const struct spec *s)
{
	return fields_to_json(&spec__fields, (const char *)s);
}

int spec_from_json(const json_t *j, struct spec *ret, struct err *err)
{
	struct spec s = { 0 };
	int r = fields_from_json(&spec__fields, j, (char *)&s, err);

	if (r < 0)
		spec_done(&s);
	else
		*ret = s;
	return r;
}
