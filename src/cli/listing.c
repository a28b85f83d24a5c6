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

enum action_kind { ACTION_TEXT, ACTION_JSON, ACTION_RANGE, ACTION_END };

/* The inside of {{ }}, trimmed: ".Name", "json .Name", "json .", "range .List", "end". */
struct action {
	enum action_kind kind;
	char member[128]; /* "" for the whole row; "State.Status" is a member of a member */
};

/* What follows the word and its blanks, or NULL. */
static const char *behind_word(const char *text, size_t *len, const char *word)
{
	size_t n = strlen(word);
	if (*len <= n || strncmp(text, word, n) != 0 || text[n] != ' ')
		return NULL;
	for (; n < *len && text[n] == ' '; n++)
		;
	*len -= n;
	return text + n;
}

static bool parse_action(const char *text, size_t len, struct action *ret)
{
	const char *operand;
	while (len && isspace((unsigned char)*text))
		text++, len--;
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	*ret = (struct action){ .kind = ACTION_TEXT };
	if (len == 3 && strncmp(text, "end", 3) == 0) {
		ret->kind = ACTION_END;
		return true;
	}
	if ((operand = behind_word(text, &len, "json"))) {
		ret->kind = ACTION_JSON;
		text = operand;
	} else if ((operand = behind_word(text, &len, "range"))) {
		ret->kind = ACTION_RANGE;
		text = operand;
	}
	if (!len || *text != '.' || len - 1 >= sizeof(ret->member))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_' &&
		    (text[i] != '.' || text[i - 1] == '.'))
			return false;
	memcpy(ret->member, text + 1, len - 1);
	return true;
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

static const json_t *operand_of(const json_t *row, const struct action *action)
{
	return *action->member ? find_member(row, action->member) : row;
}

static void add_value(const json_t *row, const struct action *action, struct str *out)
{
	const json_t *value = operand_of(row, action);
	cleanup_free char *text = action->kind == ACTION_TEXT ? member_text(value)
				  : value		      ? json_text(value)
							      : xstrdup("null");
	str_add(out, text);
}

struct expansion {
	const struct listing *l;
	const char *template;
	struct str *out;
	struct err *err;
};
enum { RANGES_MAX = 8 }; /* one in the other */

static int not_understood(const struct expansion *x)
{
	return err_usage(x->err,
			 "template '%s': only {{.Member}}, {{json .Member}} and {{range "
			 ".Member}}...{{end}} are understood",
			 x->template);
}

/* The action at p, which begins with "{{"; what follows it, or NULL. */
static const char *take_action(const char *p, const char *stop, struct action *ret)
{
	const char *end = strstr(p + 2, "}}");
	return end && end < stop && parse_action(p + 2, (size_t)(end - p - 2), ret) ? end + 2
										    : NULL;
}

/* Where the {{end}} is that belongs to a range whose body begins at p, or NULL. */
static const char *range_end(const char *p, const char *stop)
{
	unsigned open = 1;
	while ((p = strstr(p, "{{")) && p < stop) {
		struct action action;
		const char *next = take_action(p, stop, &action);
		if (!next)
			return NULL;
		open += action.kind == ACTION_RANGE;
		open -= action.kind == ACTION_END;
		if (!open)
			return p;
		p = next;
	}
	return NULL;
}

static int expand(const struct expansion *x, const char *p, const char *stop, const json_t *row,
		  unsigned depth);

/* The body for each of an array, or of an object in the order of its keys, as in Go. */
static int expand_range(const struct expansion *x, const char *body, const char *stop,
			const json_t *list, unsigned depth)
{
	cleanup_strv struct strv keys = { 0 };
	const char *key;
	json_t *value;
	size_t i;
	int r = 0;
	json_array_foreach(list, i, value)
		if (r == 0)
			r = expand(x, body, stop, value, depth + 1);
	json_object_foreach((json_t *)list, key, value)
		strv_add(&keys, key);
	strv_sort(&keys);
	for (i = 0; r == 0 && i < keys.n; i++)
		r = expand(x, body, stop, json_object_get(list, keys.v[i]), depth + 1);
	return r;
}

static int expand_action(const struct expansion *x, const char **p, const char *stop,
			 const json_t *row, unsigned depth)
{
	struct action action;
	const char *next = take_action(*p, stop, &action), *end = NULL;
	if (!next || action.kind == ACTION_END || depth > RANGES_MAX)
		return not_understood(x);
	if (!depth && !*action.member && action.kind != ACTION_JSON)
		return not_understood(x);
	if (!depth && json_array_size(x->l->rows) && *action.member && !known(x->l, action.member))
		return err_usage(x->err, "template '%s': no member '%s'", x->template,
				 action.member);
	if (action.kind == ACTION_RANGE && !(end = range_end(next, stop)))
		return not_understood(x);
	*p = next;
	if (end) {
		*p = take_action(end, stop, &(struct action){ 0 });
		return row ? expand_range(x, next, end, operand_of(row, &action), depth) : 0;
	}
	if (row)
		add_value(row, &action, x->out);
	else
		add_title(x->l, action.member, x->out);
	return 0;
}

/* A row through the template, or an element through a range's body; row NULL: the titles. */
static int expand(const struct expansion *x, const char *p, const char *stop, const json_t *row,
		  unsigned depth)
{
	int r = 0;
	while (r == 0 && p < stop) {
		if (p[0] == '\\' && (p[1] == 't' || p[1] == 'n')) {
			str_addc(x->out, p[1] == 't' ? '\t' : '\n');
			p += 2;
		} else if (p[0] == '{' && p[1] == '{') {
			r = expand_action(x, &p, stop, row, depth);
		} else {
			str_addc(x->out, *p++);
		}
	}
	return r;
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
		struct expansion x = { .l = l, .template = template, .out = &text, .err = err };
		r = expand(&x, template, template + strlen(template), row, 0);
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
