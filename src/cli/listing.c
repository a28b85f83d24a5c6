#include "cli/listing.h"

#include "cli/gotemplate.h"

#include <ctype.h>
#include <stdio.h>

/* A line of a table: its cells. */
struct line {
	struct strv cells;
};

static size_t columns_of(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += (*text & 0xC0) != 0x80;
	return n;
}

/* What a member looks like in a table or template. */
static char *member_text(const json_t *value)
{
	if (!value || json_is_null(value))
		return xstrdup("");
	return json_is_string(value) ? xstrdup(json_string_value(value)) : json_text(value);
}

static void print_lines(struct line *lines, size_t count, const struct listing *l, struct str *out)
{
	size_t widths[32] = { 0 };
	size_t min = l->min_width ? l->min_width : 10, gap = l->gap ? l->gap : 3;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < lines[i].cells.n && k < ARRAY_SIZE(widths); k++) {
			size_t n = columns_of(lines[i].cells.v[k]) + gap;
			n = n < min ? min : n;
			widths[k] = n > widths[k] ? n : widths[k];
		}
	for (size_t i = 0; i < count; i++) {
		const struct strv *cells = &lines[i].cells;
		for (size_t k = 0; k < cells->n; k++) {
			str_add(out, cells->v[k]);
			size_t n = columns_of(cells->v[k]);
			for (; k + 1 < cells->n && k < ARRAY_SIZE(widths) && n < widths[k]; n++)
				str_addc(out, ' ');
		}
		str_addc(out, '\n');
	}
}

static void render_table(const struct listing *l, struct str *out)
{
	size_t count = json_array_size(l->rows) + 1;
	struct line *lines = xcalloc(count, sizeof(*lines));
	for (const struct listing_column *c = l->columns; c->title; c++)
		strv_add(&lines[0].cells, c->title);
	for (size_t i = 1; i < count; i++)
		for (const struct listing_column *c = l->columns; c->title; c++)
			strv_take(&lines[i].cells,
				  str_tame(member_text(json_object_get(
						   json_array_get(l->rows, i - 1), c->key)),
					   false));
	print_lines(lines, count, l, out);
	for (size_t i = 0; i < count; i++)
		strv_done(&lines[i].cells);
	free(lines);
}

/* Members that begin with an underscore are not shown. */
static json_t *without_hidden(const json_t *row)
{
	json_t *copy = json_copy((json_t *)row);
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe(copy, next, key, value)
		if (*key == '_')
			json_object_del(copy, key);
	return copy;
}

static void render_json(const struct listing *l, struct str *out)
{
	const json_t *row;
	size_t i;
	cleanup_json json_t *shown = json_array();
	json_array_foreach(l->rows, i, row)
		json_array_append_new(shown, without_hidden(row));
	if (l->json_array) {
		cleanup_free char *text = json_text(shown);
		str_addf(out, "%s\n", text);
		return;
	}
	json_array_foreach(shown, i, row) {
		cleanup_free char *text = json_text(row);
		str_addf(out, "%s\n", text);
	}
}

/* The title of each member: the column's, else the member in capitals. */
static json_t *titles_of(const struct listing *l)
{
	json_t *titles = json_object(), *row, *value;
	const char *key;
	size_t i;
	json_array_foreach(l->rows, i, row) {
		json_object_foreach(row, key, value) {
			if (*key == '_' || json_object_get(titles, key))
				continue;
			cleanup_free char *title = xstrdup(key);
			for (char *p = title; *p; p++)
				*p = (char)toupper((unsigned char)*p);
			json_put_str(titles, key, title);
		}
	}
	for (const struct listing_column *c = l->columns; c->title; c++)
		json_put_str(titles, c->key, c->title);
	for (const struct listing_column *c = l->titles; c && c->title; c++)
		json_put_str(titles, c->key, c->title);
	return titles;
}

/* \t and \n mean what they mean in C wherever they stand, as for Docker. */
static char *without_escapes(const char *template)
{
	char *text = xstrdup(template), *to = text;
	for (const char *p = text; *p; p++) {
		bool escape = p[0] == '\\' && (p[1] == 't' || p[1] == 'n');
		*to++ = escape ? (p[1] == 't' ? '\t' : '\n') : *p;
		p += escape;
	}
	*to = '\0';
	return text;
}

static int render_template(const struct listing *l, const char *template, bool table,
			   struct str *out, struct err *err)
{
	size_t rows = json_array_size(l->rows), count = rows + table;
	struct line *lines = xcalloc(count, sizeof(*lines));
	cleanup_json json_t *titles = titles_of(l);
	cleanup_free char *plain = without_escapes(template);
	int r = 0;
	for (size_t i = 0; r == 0 && i < count; i++) {
		cleanup_str struct str text = STR_INIT;
		bool is_title = table && i == 0;
		const json_t *whole = is_title ? titles : json_array_get(l->rows, i - table);
		cleanup_json json_t *row = without_hidden(whole);
		struct gotemplate t = {
			.text = plain,
			.known = titles,
			.labels = json_object_get(whole, LISTING_LABELS),
			.titles = is_title,
		};
		r = gotemplate_expand(&t, row, &text, err);
		lines[i].cells = strv_split(str_text(&text), table ? '\t' : '\0');
	}
	if (r == 0)
		print_lines(lines, count, l, out);
	for (size_t i = 0; i < count; i++)
		strv_done(&lines[i].cells);
	free(lines);
	return r;
}

int listing__render(const struct listing *l, const char *format, struct str *out, struct err *err)
{
	if (str_empty(format) || strcmp(format, "table") == 0 || strcmp(format, "pretty") == 0) {
		render_table(l, out);
		return 0;
	}
	if (strcmp(format, "json") == 0) {
		render_json(l, out);
		return 0;
	}
	const char *template = str_after(format, "table"); /* with or without a blank behind it */
	if (template)
		template += strspn(template, " ");
	if (!str_starts(format, "table ") && !strstr(format, "{{"))
		return err_usage(err,
				 "invalid value '%s' for '--format': expected table, json or a "
				 "template ({{.Name}})",
				 format);
	return render_template(l, template ? template : format, template != NULL, out, err);
}

int listing_print(const struct listing *l, const char *format, struct err *err)
{
	cleanup_str struct str out = STR_INIT;
	int r = listing__render(l, format, &out, err);
	if (r == 0)
		fwrite(str_text(&out), 1, out.len, stdout);
	return r;
}
