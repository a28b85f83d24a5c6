#include "cli/listing.h"

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
				  member_text(
					  json_object_get(json_array_get(l->rows, i - 1), c->key)));
	print_lines(lines, count, l, out);
	for (size_t i = 0; i < count; i++)
		strv_done(&lines[i].cells);
	free(lines);
}

static void render_json(const struct listing *l, struct str *out)
{
	const json_t *row;
	size_t i;
	if (l->json_array) {
		cleanup_free char *text = json_text(l->rows);
		str_addf(out, "%s\n", text);
		return;
	}
	json_array_foreach(l->rows, i, row) {
		cleanup_free char *text = json_text(row);
		str_addf(out, "%s\n", text);
	}
}

/* Templates: the part of Go's language that people use on lists. */

/* The inside of {{ }}, trimmed: ".Name", "json .Name", "json ."; its member and whether as JSON. */
struct action {
	bool json;
	char member[128]; /* "" for the whole row; "State.Status" is a member of a member */
};

static bool parse_action(const char *text, size_t len, struct action *ret)
{
	while (len && isspace((unsigned char)*text))
		text++, len--;
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	*ret = (struct action){ 0 };
	if (len > 5 && strncmp(text, "json ", 5) == 0) {
		ret->json = true;
		for (text += 5, len -= 5; len && *text == ' '; len--)
			text++;
	}
	if (!len || *text != '.' || len - 1 >= sizeof(ret->member))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_' &&
		    (text[i] != '.' || text[i - 1] == '.'))
			return false;
	memcpy(ret->member, text + 1, len - 1);
	return ret->json || len > 1;
}

/* The member of a row, or of an object in it: "State.Health.Status". */
static const json_t *find_member(const json_t *row, const char *member)
{
	const json_t *found = json_object_get(row, member);
	const char *dot = strchr(member, '.');
	if (found || !dot)
		return found;
	cleanup_free char *first = xstrndup(member, (size_t)(dot - member));
	return find_member(json_object_get(row, first), dot + 1);
}

static bool known(const struct listing *l, const char *member)
{
	const json_t *row;
	size_t i;
	for (const struct listing_column *c = l->columns; c->title; c++)
		if (strcmp(c->key, member) == 0)
			return true;
	json_array_foreach(l->rows, i, row)
		if (find_member(row, member))
			return true;
	return false;
}

/* The title over a member in `table TEMPLATE`: the column's, else the member in capitals. */
static void add_title(const struct listing *l, const char *member, struct str *out)
{
	for (const struct listing_column *c = l->columns; c->title; c++)
		if (strcmp(c->key, member) == 0) {
			str_add(out, c->title);
			return;
		}
	for (; *member; member++)
		str_addc(out, (char)toupper((unsigned char)*member));
}

static void add_value(const json_t *row, const struct action *action, struct str *out)
{
	const json_t *value = *action->member ? find_member(row, action->member) : row;
	cleanup_free char *text =
		action->json ? (value ? json_text(value) : xstrdup("null")) : member_text(value);
	str_add(out, text);
}

/* One row through the template; row NULL: the titles. */
static int expand(const struct listing *l, const char *template, const json_t *row, struct str *out,
		  struct err *err)
{
	for (const char *p = template; *p;) {
		struct action action;
		const char *end;
		if (p[0] == '\\' && (p[1] == 't' || p[1] == 'n')) {
			str_addc(out, p[1] == 't' ? '\t' : '\n');
			p += 2;
		} else if (p[0] == '{' && p[1] == '{') {
			end = strstr(p + 2, "}}");
			if (!end || !parse_action(p + 2, (size_t)(end - p - 2), &action))
				return err_usage(err,
						 "template '%s': only {{.Member}} and {{json "
						 ".Member}} are understood",
						 template);
			if (json_array_size(l->rows) && *action.member && !known(l, action.member))
				return err_usage(err, "template '%s': no member '%s'", template,
						 action.member);
			if (row)
				add_value(row, &action, out);
			else
				add_title(l, action.member, out);
			p = end + 2;
		} else {
			str_addc(out, *p++);
		}
	}
	return 0;
}

static int render_template(const struct listing *l, const char *template, bool table,
			   struct str *out, struct err *err)
{
	size_t rows = json_array_size(l->rows), count = rows + table;
	struct line *lines = xcalloc(count, sizeof(*lines));
	int r = 0;
	for (size_t i = 0; r == 0 && i < count; i++) {
		cleanup_str struct str text = STR_INIT;
		const json_t *row = table && i == 0 ? NULL : json_array_get(l->rows, i - table);
		r = expand(l, template, row, &text, err);
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
	const char *template = str_after(format, "table ");
	if (!template && !strstr(format, "{{"))
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
