#include "compose/dotenv.h"

#include "base/fs.h"
#include "base/parse.h"
#include "compose/template.h"

#include <ctype.h>
#include <fcntl.h>

struct scan {
	struct dotenv *d;
	const char *p, *end;
	uint32_t line;
	struct err *err;
};

void dotenv_done(struct dotenv *d)
{
	vec_done(&d->entries);
	map_done(&d->by_name);
}

const char *dotenv_get(const struct dotenv *d, const char *name)
{
	uintptr_t at = (uintptr_t)map_get(&d->by_name, name);
	return at ? d->entries.v[at - 1].value : NULL;
}

static int put(struct scan *s, const char *name, const char *value, uint32_t line)
{
	struct dotenv *d = s->d;
	uintptr_t at = (uintptr_t)map_get(&d->by_name, name);
	if (at) {
		d->entries.v[at - 1].value = value;
		d->entries.v[at - 1].line = line;
		return 0;
	}
	if (d->entries.n >= DOTENV_ENTRIES_MAX)
		return err_input(s->err, "more than %d variables", DOTENV_ENTRIES_MAX);
	vec_push(&d->entries, (struct dotenv_entry){ name, value, line });
	map_set(&d->by_name, name, (void *)(uintptr_t)d->entries.n);
	return 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

static void skip_line(struct scan *s)
{
	const char *nl = memchr(s->p, '\n', s->end - s->p);
	s->p = nl ? nl : s->end;
}

/* To the first character of the next statement; false at the end. */
static bool next_statement(struct scan *s)
{
	while (s->p < s->end) {
		if (*s->p == '\n')
			s->line++;
		if (isspace((unsigned char)*s->p)) {
			s->p++;
			continue;
		}
		if (*s->p != '#')
			return true;
		skip_line(s);
	}
	return false;
}

static void skip_export(struct scan *s)
{
	if (s->end - s->p > 6 && memcmp(s->p, "export", 6) == 0 && blank(s->p[6])) {
		s->p += 7;
		while (s->p < s->end && blank(*s->p))
			s->p++;
	}
}

/* Reads up to the '=' or ':' (or the end of the line: a bare name). */
static int read_name(struct scan *s, char **ret_name, bool *ret_bare)
{
	const char *start = s->p, *q = start;
	for (; q < s->end && *q != '=' && *q != ':' && *q != '\n'; q++)
		if (!blank(*q) && !isalnum((unsigned char)*q) && !strchr("_.-[]", *q) &&
		    !(*q & 0x80))
			return err_input(s->err,
					 "unexpected character '%c' in the name of a variable",
					 isprint((unsigned char)*q) ? *q : '?');
	*ret_bare = q == s->end || *q == '\n';
	const char *stop = q;
	while (stop > start && blank(stop[-1]))
		stop--;
	for (const char *c = start; c < stop; c++)
		if (blank(*c))
			return err_input(s->err, "the name of a variable cannot contain a space");
	*ret_name = arena_strndup(s->d->arena, start, stop - start);
	s->p = q + (q < s->end && *q != '\n');
	return 0;
}

static const char *lookup_both(void *data, const char *name)
{
	struct dotenv *d = data;
	const char *value = d->lookup ? d->lookup(d->data, name) : NULL;
	return value ? value : dotenv_get(d, name);
}

static int expand(struct scan *s, const char *text, size_t len, const char **ret)
{
	cleanup_str struct str out = STR_INIT_MAX(TEMPLATE_RESULT_MAX), error = STR_INIT_MAX(4096);
	size_t at;
	struct template_hooks hooks = { .lookup = lookup_both, .data = s->d };
	if (template_expand(text, len, &hooks, &out, &error, &at) < 0)
		return err_input(s->err, "%s", str_text(&error));
	*ret = arena_strndup(s->d->arena, str_text(&out), out.len);
	return 0;
}

static int unquoted_value(struct scan *s, const char **ret)
{
	const char *start = s->p;
	skip_line(s);
	const char *stop = s->p;
	for (const char *c = start; c + 1 < stop; c++)
		if (c[0] == ' ' && c[1] == '#') {
			stop = c;
			break;
		}
	while (stop > start && isspace((unsigned char)stop[-1]))
		stop--;
	return expand(s, start, stop - start, ret);
}

/* The escapes of a double-quoted value. `\$` becomes `$$`, which the expansion turns into a dollar.
 */
static void unescape(const char *p, const char *end, struct str *out)
{
	static const char from[] = "abcfnrtv\"\\", to[] = "\a\bc\f\n\r\t\v\"\\";
	while (p < end) {
		if (*p != '\\' || p + 1 == end) {
			str_addc(out, *p++);
			continue;
		}
		const char *known = strchr(from, p[1]);
		if (p[1] == '$') {
			str_add(out, "$$");
			p += 2;
		} else if (p[1] == 'c' || !known || !*known) {
			size_t digits = 0;
			if (p[1] == '0')
				while (digits < 3 && p + 2 + digits < end && p[2 + digits] >= '0' &&
				       p[2 + digits] <= '7')
					digits++;
			if (digits == 3) {
				str_addc(out,
					 (char)((p[2] - '0') * 64 + (p[3] - '0') * 8 + p[4] - '0'));
				p += 5;
			} else {
				str_addn(out, p, 2);
				p += 2;
			}
		} else {
			str_addc(out, to[known - from]);
			p += 2;
		}
	}
}

/* A quote inside is written with a backslash; the value may span lines. */
static int quoted_value(struct scan *s, const char **ret)
{
	char quote = *s->p++;
	uint32_t line = s->line;
	cleanup_str struct str raw = STR_INIT_MAX(DOTENV_FILE_MAX);
	for (; s->p < s->end; s->p++) {
		if (*s->p == quote) {
			s->p++;
			if (quote == '\'') {
				*ret = arena_strndup(s->d->arena, str_text(&raw), raw.len);
				return 0;
			}
			cleanup_str struct str text = STR_INIT_MAX(DOTENV_FILE_MAX);
			unescape(str_text(&raw), str_text(&raw) + raw.len, &text);
			return expand(s, str_text(&text), text.len, ret);
		}
		if (*s->p == '\n')
			s->line++;
		if (*s->p == '\\' && s->p + 1 < s->end) {
			if (s->p[1] != quote)
				str_addc(&raw, '\\');
			s->p++;
			if (*s->p == '\n')
				s->line++;
		}
		str_addc(&raw, *s->p);
	}
	s->line = line;
	return err_input(s->err, "a value in quotes that does not end");
}

static int read_statement(struct scan *s)
{
	char *name = NULL;
	const char *value = NULL;
	bool bare = false;
	uint32_t line = s->line;
	skip_export(s);
	int r = read_name(s, &name, &bare);
	if (r < 0)
		return r;
	if (bare) {
		const char *found = s->d->lookup ? s->d->lookup(s->d->data, name) : NULL;
		return found ? put(s, name, arena_strdup(s->d->arena, found), line) : 0;
	}
	while (s->p < s->end && blank(*s->p))
		s->p++;
	if (s->p < s->end && (*s->p == '"' || *s->p == '\''))
		r = quoted_value(s, &value);
	else
		r = unquoted_value(s, &value);
	return r < 0 ? r : put(s, name, value, line);
}

/* The byte order mark that some editors write first. */
static void skip_mark(const char **text, size_t *len)
{
	if (*len >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
		*text += 3;
		*len -= 3;
	}
}

int dotenv_parse(struct dotenv *d, const char *text, size_t len, uint32_t *ret_line,
		 struct err *err)
{
	skip_mark(&text, &len);
	struct scan s = { .d = d, .p = text, .end = text + len, .line = 1, .err = err };
	while (next_statement(&s)) {
		int r = read_statement(&s);
		if (r < 0) {
			*ret_line = s.line;
			return r;
		}
	}
	return 0;
}

int dotenv_parse_raw(struct dotenv *d, const char *text, size_t len, uint32_t *ret_line,
		     struct err *err)
{
	skip_mark(&text, &len);
	struct scan s = { .d = d, .p = text, .end = text + len, .line = 1, .err = err };
	for (; s.p < s.end; s.p++, s.line++) {
		const char *start = s.p;
		skip_line(&s);
		const char *stop = s.p > start && s.p[-1] == '\r' ? s.p - 1 : s.p;
		while (start < stop && isspace((unsigned char)*start))
			start++;
		if (start == stop || *start == '#')
			continue;
		const char *equals = memchr(start, '=', stop - start);
		const char *name = arena_strndup(d->arena, start, (equals ? equals : stop) - start);
		if (!*name || name[strcspn(name, " \t")]) {
			*ret_line = s.line;
			return err_input(err,
					 *name ? "the name of a variable cannot contain a space"
					       : "a value without the name of a variable");
		}
		const char *value = equals ? arena_strndup(d->arena, equals + 1, stop - equals - 1)
				    : d->lookup ? d->lookup(d->data, name)
						: NULL;
		int r = value || equals ? put(&s, name, value, s.line) : 0;
		if (r < 0) {
			*ret_line = s.line;
			return r;
		}
	}
	return 0;
}

int dotenv_load(struct dotenv *d, const char *path, bool raw, uint32_t *ret_line, struct err *err)
{
	cleanup_str struct str text = STR_INIT_MAX(DOTENV_FILE_MAX);
	*ret_line = 0;
	int r = fs_read(AT_FDCWD, path, DOTENV_FILE_MAX, &text, err);
	if (r < 0)
		return r;
	if (!str_utf8(str_text(&text), text.len, false) && memchr(str_text(&text), '\0', text.len))
		return err_input(err, "'%s' holds a NUL character: not a file of variables", path);
	return raw ? dotenv_parse_raw(d, str_text(&text), text.len, ret_line, err)
		   : dotenv_parse(d, str_text(&text), text.len, ret_line, err);
}
