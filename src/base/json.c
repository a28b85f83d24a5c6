#include "base/json.h"

#include "base/fs.h"

int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct err *err)
{
	json_error_t where;
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
	if (!j)
		return err_input(err, "%s:%d:%d: invalid JSON: %s", what, where.line, where.column,
				 where.text);
	*ret = j;
	return 0;
}

int json_read(int dirfd, const char *path, size_t max, json_t **ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(dirfd, path, max, &text, err);
	if (r == 0 && text.len == 0)
		return err_new(err, ERR_INPUT, ENODATA, "%s: the file is empty", path);
	return r < 0 ? r : json_parse(str_text(&text), text.len, path, ret, err);
}

char *json_text(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	/* jansson refuses only what cannot be text (cycles, NaN); we build neither. */
	if (!text)
		abort();
	return text;
}

int json_write(int dirfd, const char *path, const json_t *j, mode_t mode, unsigned flags,
	       struct err *err)
{
	cleanup_free char *text = json_text(j);
	return fs_write_atomic(dirfd, path, text, strlen(text), mode, flags, err);
}

const char *json_str(const json_t *obj, const char *key, const char *fallback)
{
	const json_t *j = json_object_get(obj, key);
	return json_is_string(j) ? json_string_value(j) : fallback;
}

int64_t json_int(const json_t *obj, const char *key, int64_t fallback)
{
	const json_t *j = json_object_get(obj, key);
	return json_is_integer(j) ? (int64_t)json_integer_value(j) : fallback;
}

double json_num(const json_t *obj, const char *key, double fallback)
{
	const json_t *j = json_object_get(obj, key);
	return json_is_number(j) ? json_number_value(j) : fallback;
}

bool json_flag(const json_t *obj, const char *key, bool fallback)
{
	const json_t *j = json_object_get(obj, key);
	return json_is_boolean(j) ? json_is_true(j) : fallback;
}

void json_strv(const json_t *obj, const char *key, struct strv *out)
{
	const json_t *array = json_object_get(obj, key), *item;
	size_t i;
	json_array_foreach(array, i, item)
		if (json_is_string(item))
			strv_add(out, json_string_value(item));
}

json_t *json_from_strv(const struct strv *sv)
{
	json_t *array = json_array();
	for (size_t i = 0; i < sv->n; i++)
		json_array_append_new(array, json_string(sv->v[i]));
	return array;
}

void json_put(json_t *obj, const char *key, json_t *value)
{
	if (value)
		json_object_set_new(obj, key, value);
}

void json_put_str(json_t *obj, const char *key, const char *value)
{
	if (value)
		json_object_set_new(obj, key, json_string(value));
}
