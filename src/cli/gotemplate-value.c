/* Values as Go prints them, and what it takes for true. */
#include "cli/gotemplate.h"

bool gotemplate_truth(const json_t *v)
{
	if (json_is_string(v))
		return json_string_length(v) > 0;
	if (json_is_number(v))
		return json_number_value(v) < 0 || json_number_value(v) > 0;
	if (json_is_array(v))
		return json_array_size(v) > 0;
	return json_is_object(v) ? json_object_size(v) > 0 : json_is_true(v);
}

static void print_object(const json_t *value, struct str *out)
{
	cleanup_strv struct strv keys = { 0 };
	const char *key;
	json_t *member;
	json_object_foreach((json_t *)value, key, member)
		strv_add(&keys, key);
	strv_sort(&keys);
	str_add(out, "map[");
	for (size_t i = 0; i < keys.n; i++) {
		str_addf(out, "%s%s:", i ? " " : "", keys.v[i]);
		gotemplate_print(json_object_get(value, keys.v[i]), out);
	}
	str_addc(out, ']');
}

void gotemplate_print(const json_t *value, struct str *out)
{
	const json_t *part;
	size_t i;
	if (json_is_string(value)) {
		str_addn(out, json_string_value(value), json_string_length(value));
	} else if (json_is_array(value)) {
		str_addc(out, '[');
		json_array_foreach(value, i, part) {
			if (i)
				str_addc(out, ' ');
			gotemplate_print(part, out);
		}
		str_addc(out, ']');
	} else if (json_is_object(value)) {
		print_object(value, out);
	} else if (value && !json_is_null(value)) {
		cleanup_free char *text = json_text(value);
		str_add(out, text);
	}
}
