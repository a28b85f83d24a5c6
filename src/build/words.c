/* The ways a Dockerfile's line is cut into words. */
#include "base/json.h"
#include "build/parser.h"

#include <ctype.h>

static bool blank(char c)
{
	return isspace((unsigned char)c);
}

void words__fields(const char *text, struct strv *ret)
{
	while (*text) {
		size_t len = 0;

		while (blank(*text))
			text++;
		while (text[len] && !blank(text[len]))
			len++;
		if (len)
			strv_take(ret, xstrndup(text, len));
		text += len;
	}
}

/* The length of the word at text. */
static size_t quoted_length(const char *text, char escape)
{
	const char *s = text;
	char quote = 0;

	for (; *s && (quote || !blank(*s)); s++) {
		if (quote && *s == quote)
			quote = 0;
		else if (!quote && (*s == '\'' || *s == '"'))
			quote = *s;
		else if (*s == escape && quote != '\'' && s[1])
			s++;
	}
	return (size_t)(s - text);
}

void words__quoted(const char *text, char escape, struct strv *ret)
{
	for (;;) {
		while (blank(*text))
			text++;
		size_t len = quoted_length(text, escape);
		if (!len)
			return;
		/* An escape at the very end escapes nothing. */
		bool loose = !text[len] && text[len - 1] == escape &&
			     (len < 2 || text[len - 2] != escape);
		if (len > loose)
			strv_take(ret, xstrndup(text, len - loose));
		text += len;
	}
}

/* One flag without its quotes; *text is moved behind it. */
static char *read_flag(const char **text)
{
	cleanup_str struct str word = STR_INIT_MAX(DOCKERFILE_BYTES_MAX);
	const char *s = *text;
	char quote = 0;

	for (; *s && (quote || !blank(*s)); s++) {
		if (quote && *s == quote) {
			quote = 0;
		} else if (!quote && (*s == '\'' || *s == '"')) {
			quote = *s;
		} else if (*s == '\\') {
			if (!s[1])
				continue;
			str_addc(&word, *++s);
		} else {
			str_addc(&word, *s);
		}
	}
	*text = s;
	return str_take(&word);
}

const char *words__flags(const char *text, struct strv *ret)
{
	for (;;) {
		while (blank(*text))
			text++;
		if (text[0] != '-' || text[1] != '-')
			return text;
		cleanup_free char *word = read_flag(&text);
		while (blank(*text))
			text++;
		if (str_eq(word, "--"))
			return text;
		strv_take(ret, ptr_take(word));
	}
}

int words__csv(const char *text, struct strv *ret)
{
	const char *s = text;

	for (;;) {
		cleanup_str struct str field = STR_INIT_MAX(DOCKERFILE_BYTES_MAX);

		if (*s == '"') {
			for (s++; *s && !(*s == '"' && s[1] != '"'); s++) {
				s += *s == '"';
				str_addc(&field, *s);
			}
			if (*s != '"' || (s[1] && s[1] != ','))
				return -EINVAL;
			s++;
		} else {
			size_t len = strcspn(s, ",");
			if (memchr(s, '"', len))
				return -EINVAL;
			str_addn(&field, s, len);
			s += len;
		}
		strv_take(ret, str_take(&field));
		if (!*s)
			return 0;
		s++;
	}
}

int words__json(const char *text, struct strv *ret)
{
	size_t i;
	json_t *element;
	int r = 1;

	while (blank(*text))
		text++;
	if (*text != '[')
		return 0;
	json_t *array = json_loads(text, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, NULL);
	if (!json_is_array(array)) {
		json_decref(array);
		return 0;
	}
	json_array_foreach(array, i, element) {
		if (json_is_string(element))
			strv_add(ret, json_string_value(element));
		else
			r = -EINVAL;
	}
	json_decref(array);
	return r;
}
