#include "compose/yaml-write.h"

#include "compose/yaml-scalar.h"

#include <ctype.h>

struct writer {
	struct str out;
	struct arena *arena;
};

static bool plain_first(char c)
{
	return !strchr("-?:,[]{}#&*!|>'\"%@` \t=", c) && (unsigned char)c >= 0x20;
}

/* Whether the text can stand without quotes and be read back as the same string. */
static bool plain(struct writer *w, const char *s, size_t len)
{
	if (!len || len > 4096 || s[0] == ' ' || s[len - 1] == ' ' || strlen(s) != len)
		return false;
	if (!plain_first(*s) && !(strchr("-?:", *s) && len > 1 && plain_first(s[1]) && s[1] != '-'))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = s[i];
		if (c < 0x20 || c == 0x7f || (c == '#' && s[i - 1] == ' ') ||
		    (c == ':' && (i + 1 == len || s[i + 1] == ' ')))
			return false;
	}
	static const char *const words[] = { "y",  "Y",	  "yes", "Yes", "YES", "on",
					     "On", "ON",  "n",	 "N",	"no",  "No",
					     "NO", "off", "Off", "OFF", "<<",  NULL };
	for (const char *const *word = words; *word; word++)
		if (strcmp(s, *word) == 0)
			return false;
	return yaml_scalar(w->arena, s, len, true, "", NOWHERE)->kind == NODE_STRING;
}

static void quoted(struct writer *w, const char *s, size_t len)
{
	str_addc(&w->out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = s[i];
		if (c == '"' || c == '\\')
			str_addf(&w->out, "\\%c", c);
		else if (c == '\n')
			str_add(&w->out, "\\n");
		else if (c == '\t')
			str_add(&w->out, "\\t");
		else if (c < 0x20 || c == 0x7f)
			str_addf(&w->out, "\\x%02x", c);
		else
			str_addc(&w->out, (char)c);
	}
	str_addc(&w->out, '"');
}

/* Several lines as a literal block, when nothing in them speaks against it. */
static bool block(struct writer *w, const char *s, size_t len, int indent)
{
	if (!memchr(s, '\n', len) || s[0] == ' ' || s[0] == '\n' || s[0] == '\t' ||
	    strlen(s) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)s[i] < 0x20 && s[i] != '\n' && s[i] != '\t') || s[i] == 0x7f ||
		    (s[i] == '\n' && i > 0 && s[i - 1] == ' '))
			return false;
	bool ends = s[len - 1] == '\n', keep = ends && len > 1 && s[len - 2] == '\n';
	str_add(&w->out, ends ? keep ? "|+" : "|" : "|-");
	for (const char *p = s; *p;) {
		size_t line = strcspn(p, "\n");
		if (line)
			str_addf(&w->out, "\n%*s%.*s", indent, "", (int)line, p);
		else
			str_addc(&w->out, '\n');
		p += line + (p[line] == '\n');
	}
	return true;
}

static void text(struct writer *w, const char *s, size_t len, int indent)
{
	if (plain(w, s, len))
		str_addn(&w->out, s, len);
	else if (!block(w, s, len, indent)) {
		bool control = false;
		for (size_t i = 0; i < len; i++)
			control |= (unsigned char)s[i] < 0x20 || s[i] == 0x7f;
		if (control || strchr(s, '\'')) {
			quoted(w, s, len);
			return;
		}
		str_addf(&w->out,
			 strchr("0123456789+-.~tTfFnNyYoO", *s) && !strchr(s, '"') &&
					 !strchr(s, '\\')
				 ? "\"%s\""
				 : "'%s'",
			 s);
	}
}

static void value(struct writer *w, const json_t *j, int indent, bool in_list);

static void line(struct writer *w, int indent)
{
	if (w->out.len)
		str_addc(&w->out, '\n');
	for (; indent > 0; indent -= 2)
		str_addn(&w->out, "  ", 2);
}

static void map(struct writer *w, const json_t *j, int indent, bool in_list)
{
	json_t *object = (json_t *)j;
	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		if (!in_list)
			line(w, indent);
		in_list = false;
		text(w, json_object_iter_key(i), json_object_iter_key_len(i), indent + 2);
		str_addc(&w->out, ':');
		value(w, json_object_iter_value(i), indent + 2, false);
	}
}

static void list(struct writer *w, const json_t *j, int indent)
{
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)j, i, item) {
		line(w, indent);
		str_addc(&w->out, '-');
		value(w, item, indent + 2, true);
	}
}

static void value(struct writer *w, const json_t *j, int indent, bool in_list)
{
	char buf[FLOAT_TEXT];
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		if (!json_object_size(j)) {
			str_add(&w->out, " {}");
			return;
		}
		if (in_list)
			str_addc(&w->out, ' ');
		map(w, j, indent, in_list);
		return;
	case JSON_ARRAY:
		if (!json_array_size(j))
			str_add(&w->out, " []");
		else
			list(w, j, indent);
		return;
	case JSON_STRING:
		str_addc(&w->out, ' ');
		text(w, json_string_value(j), json_string_length(j), indent);
		return;
	case JSON_INTEGER:
		str_addf(&w->out, " %" JSON_INTEGER_FORMAT, json_integer_value(j));
		return;
	case JSON_REAL: str_addf(&w->out, " %s", format_float(json_real_value(j), buf)); return;
	case JSON_TRUE: str_add(&w->out, " true"); return;
	case JSON_FALSE: str_add(&w->out, " false"); return;
	case JSON_NULL: str_add(&w->out, " null"); return;
	}
}

char *yaml_write(const json_t *document)
{
	struct writer w = { .out = { .max = SIZE_MAX / 4 }, .arena = arena_new() };
	map(&w, document, 0, false);
	str_addc(&w.out, '\n');
	arena_free(w.arena);
	return str_take(&w.out);
}
