#include "compose/json-write.h"

#include "compose/node.h"

enum { FLUSH_AT = 64 << 10 };

struct writer {
	struct str *out;
	unsigned flags;
	void (*flush)(struct str *out, void *data);
	void *data;
};

/* What a byte is written as, or NULL: as it is. */
static const char *escaped(const struct writer *w, unsigned char c, char buf[8])
{
	switch (c) {
	case '"': return "\\\"";
	case '\\': return "\\\\";
	case '\n': return "\\n";
	case '\r': return "\\r";
	case '\t': return "\\t";
	case '\b': return "\\b";
	case '\f': return "\\f";
	case '$': return w->flags & JSON_WRITE_DOLLARS ? "$$" : NULL;
	case '<':
	case '>':
	case '&':
		if (!(w->flags & JSON_WRITE_HTML))
			return NULL;
		break;
	default:
		if (c >= 0x20)
			return NULL;
	}
	snprintf(buf, 8, "\\u%04x", c);
	return buf;
}

static void string(struct writer *w, const char *s, size_t len)
{
	char buf[8];
	size_t from = 0;
	str_addc(w->out, '"');
	for (size_t i = 0; i < len; i++) {
		const char *instead = escaped(w, s[i], buf);
		/* U+2028 and U+2029 end lines in JavaScript. */
		if (!instead && (unsigned char)s[i] == 0xe2 && i + 2 < len &&
		    (unsigned char)s[i + 1] == 0x80 && ((unsigned char)s[i + 2] & 0xfe) == 0xa8) {
			str_addn(w->out, s + from, i - from);
			str_add(w->out, (unsigned char)s[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
			i += 2;
			from = i + 1;
		}
		if (!instead)
			continue;
		str_addn(w->out, s + from, i - from);
		str_add(w->out, instead);
		from = i + 1;
	}
	str_addn(w->out, s + from, len - from);
	str_addc(w->out, '"');
}

static void line(struct writer *w, unsigned depth)
{
	if (w->flags & JSON_WRITE_COMPACT)
		return;
	str_addc(w->out, '\n');
	while (depth--)
		str_addn(w->out, "  ", 2);
}

static void value(struct writer *w, const json_t *j, unsigned depth);

static void object(struct writer *w, json_t *j, unsigned depth)
{
	bool first = true;
	str_addc(w->out, '{');
	for (void *i = json_object_iter(j); i; i = json_object_iter_next(j, i)) {
		if (!first)
			str_addc(w->out, ',');
		first = false;
		line(w, depth + 1);
		string(w, json_object_iter_key(i), json_object_iter_key_len(i));
		str_addc(w->out, ':');
		if (!(w->flags & JSON_WRITE_COMPACT))
			str_addc(w->out, ' ');
		value(w, json_object_iter_value(i), depth + 1);
	}
	if (!first)
		line(w, depth);
	str_addc(w->out, '}');
}

static void array(struct writer *w, const json_t *j, unsigned depth)
{
	size_t i;
	json_t *item;
	str_addc(w->out, '[');
	json_array_foreach((json_t *)j, i, item) {
		if (i)
			str_addc(w->out, ',');
		line(w, depth + 1);
		value(w, item, depth + 1);
	}
	if (i)
		line(w, depth);
	str_addc(w->out, ']');
}

/* Go writes the exponent of a small number in as few digits as it needs: 1e-7, not 1e-07. */
static void real(struct writer *w, double f)
{
	char buf[FLOAT_TEXT];
	const char *text = format_float(f, buf), *zero = strstr(text, "e-0");
	if (zero)
		str_addf(w->out, "%.*se-%s", (int)(zero - text), text, zero + 3);
	else
		str_add(w->out, text);
}

static void value(struct writer *w, const json_t *j, unsigned depth)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT: object(w, (json_t *)j, depth); break;
	case JSON_ARRAY: array(w, j, depth); break;
	case JSON_STRING: string(w, json_string_value(j), json_string_length(j)); break;
	case JSON_INTEGER: str_addf(w->out, "%" JSON_INTEGER_FORMAT, json_integer_value(j)); break;
	case JSON_REAL: real(w, json_real_value(j)); break;
	case JSON_TRUE: str_add(w->out, "true"); break;
	case JSON_FALSE: str_add(w->out, "false"); break;
	case JSON_NULL: str_add(w->out, "null"); break;
	}
	if (w->flush && w->out->len > FLUSH_AT)
		w->flush(w->out, w->data);
}

void json_write_text(const json_t *j, unsigned flags, struct str *out,
		     void (*flush)(struct str *out, void *data), void *data)
{
	struct writer w = { out, flags, flush, data };
	value(&w, j, 0);
	if (flush)
		flush(out, data);
}
