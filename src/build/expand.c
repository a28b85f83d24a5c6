/* The words of a Dockerfile: quotes, escapes and variables, as BuildKit's reader has them. */
#include "build/expand.h"

#include "build/dockerfile.h"
#include "build/pattern.h"

#include <ctype.h>

enum {
	KEEP_QUOTES = 1u << 0,	  /* quotes stay in the result */
	KEEP_ESCAPES = 1u << 1,	  /* escape characters stay */
	NO_QUOTES = 1u << 2,	  /* quotes mean nothing: a heredoc */
	KEEP_VARIABLES = 1u << 3, /* variables stay as they are written */
	SPLIT = 1u << 4,
};

struct lexer {
	const struct expand *x;
	const char *at;
	unsigned flags;
	char escape;
	int depth;
	struct err *err;
};

/* Where text goes: into one result, or cut at blanks into words. */
struct sink {
	struct str *text;
	struct strv *words; /* NULL: no cutting */
	bool in_word;
};

static bool blank(char c)
{
	return isspace((unsigned char)c);
}

static void end_word(struct sink *s)
{
	if (s->words && s->text->len)
		strv_add(s->words, str_text(s->text));
	if (s->words)
		str_clear(s->text);
	s->in_word = false;
}

static void put_quoted(struct sink *s, const char *text, size_t len)
{
	str_addn(s->text, text, len);
	s->in_word = true;
}

static void put(struct sink *s, const char *text, size_t len)
{
	if (!s->words) {
		str_addn(s->text, text, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (!blank(text[i]))
			put_quoted(s, text + i, 1);
		else if (s->in_word)
			end_word(s);
	}
}

static int too_long(struct lexer *l, const struct str *s)
{
	return err_input(l->err, "the result of replacing variables is longer than %zu bytes",
			 s->max);
}

static int read_until(struct lexer *l, char stop, unsigned flags, struct sink *out);
static int read_dollar(struct lexer *l, struct str *out);

static int read_single_quoted(struct lexer *l, struct str *out)
{
	size_t len = strcspn(l->at + 1, "'");

	if (!l->at[1 + len])
		return err_input(l->err,
				 "unexpected end while looking for the matching single quote");
	if (l->flags & KEEP_QUOTES)
		str_addn(out, l->at, len + 2);
	else
		str_addn(out, l->at + 1, len);
	l->at += len + 2;
	return 0;
}

static int read_double_quoted(struct lexer *l, struct str *out)
{
	int r;

	if (l->flags & KEEP_QUOTES)
		str_addc(out, '"');
	l->at++;
	while (*l->at != '"') {
		char c = *l->at;

		if (!c)
			return err_input(
				l->err,
				"unexpected end while looking for the matching double quote");
		if (c == '$') {
			if ((r = read_dollar(l, out)) < 0)
				return r;
			continue;
		}
		l->at++;
		if (c == l->escape) {
			char next = *l->at;
			if (!next)
				continue;
			/* Only these can be escaped between quotes; else the escape is a character.
			 */
			if (next == '"' || next == '$' || next == l->escape) {
				if (l->flags & KEEP_ESCAPES)
					str_addc(out, c);
				c = next;
				l->at++;
			}
		}
		str_addc(out, c);
	}
	if (l->flags & KEEP_QUOTES)
		str_addc(out, '"');
	l->at++;
	return 0;
}

static bool special_parameter(char c)
{
	return c && strchr("@*#?-$!0", c);
}

/* Letters beyond ASCII count as letters. */
static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static char *read_name(struct lexer *l)
{
	const char *from = l->at;

	if (isdigit((unsigned char)*l->at)) {
		while (isdigit((unsigned char)*l->at))
			l->at++;
	} else if (special_parameter(*l->at)) {
		l->at++;
	} else {
		while (name_char(*l->at))
			l->at++;
	}
	return xstrndup(from, (size_t)(l->at - from));
}

static const char *look_up(const struct lexer *l, const char *name)
{
	return l->x->lookup ? l->x->lookup(l->x->data, name) : NULL;
}

static void tell_unset(const struct lexer *l, const char *name)
{
	if (l->x->unset && !(l->flags & KEEP_VARIABLES))
		l->x->unset(l->x->data, name);
}

/* Reads a word of ${name<modifier>word} up to the closing `stop`. */
static int read_operand(struct lexer *l, char stop, unsigned flags, struct str *out)
{
	struct sink sink = { .text = out };
	int r;

	if (++l->depth > EXPAND_DEPTH_MAX)
		return err_input(l->err, "variables are nested more than %d deep",
				 EXPAND_DEPTH_MAX);
	r = read_until(l, stop, flags, &sink);
	l->depth--;
	return r;
}

static int read_replacement(struct lexer *l, const char *name, struct str *out)
{
	cleanup_str struct str pattern = STR_INIT_MAX(EXPAND_WORD_MAX);
	cleanup_str struct str with = STR_INIT_MAX(EXPAND_WORD_MAX);
	unsigned flags = l->flags & ~(unsigned)SPLIT;
	bool all = *l->at == '/';
	int r;

	l->at += all;
	if ((r = read_operand(l, '/', flags | KEEP_ESCAPES, &pattern)) < 0 ||
	    (r = read_operand(l, '}', flags, &with)) < 0)
		return r;
	const char *value = look_up(l, name);
	if (!value)
		tell_unset(l, name);
	else
		pattern_replace(str_text(&pattern), value, str_text(&with), all, out);
	return 0;
}

static int read_modifier(struct lexer *l, const char *name, struct str *out)
{
	cleanup_str struct str word = STR_INIT_MAX(EXPAND_WORD_MAX);
	unsigned flags = l->flags & ~(unsigned)SPLIT;
	bool colon = *l->at == ':';
	char kind;
	int r;

	l->at += colon;
	kind = *l->at;
	if (!kind || !strchr(colon ? "+-?" : "+-?#%/", kind))
		return err_input(l->err,
				 "unsupported modifier '%s%.1s' in the substitution of '%s'",
				 colon ? ":" : "", l->at, name);
	l->at++;
	if (kind == '/')
		return read_replacement(l, name, out);
	bool trims = kind == '#' || kind == '%';
	bool longest = trims && *l->at == kind;
	l->at += longest;
	if ((r = read_operand(l, '}', trims ? flags | KEEP_ESCAPES : flags, &word)) < 0)
		return r;
	const char *value = look_up(l, name);
	bool missing = !value || (colon && !*value);
	switch (kind) {
	case '-': str_add(out, missing ? str_text(&word) : value); return 0;
	case '+': str_add(out, missing ? "" : str_text(&word)); return 0;
	case '?':
		if (missing)
			return err_input(l->err, "%s: %s", name,
					 word.len ? str_text(&word)
					 : value  ? "is not allowed to be empty"
						  : "is not allowed to be unset");
		str_add(out, value);
		return 0;
	default:
		if (!value)
			tell_unset(l, name);
		else if (kind == '#')
			pattern_trim_start(str_text(&word), value, longest, out);
		else
			pattern_trim_end(str_text(&word), value, longest, out);
		return 0;
	}
}

static int read_braced(struct lexer *l, struct str *out)
{
	if (!*l->at)
		return err_input(l->err, "a '}' is missing after '${'");
	if (strchr("{}:", *l->at))
		return err_input(l->err, "bad substitution '${%.1s'", l->at);
	cleanup_free char *name = read_name(l);
	if (!*l->at)
		return err_input(l->err, "a '}' is missing after '${%s'", name);
	if (*l->at != '}')
		return read_modifier(l, name, out);
	l->at++;
	const char *value = look_up(l, name);
	if (!value)
		tell_unset(l, name);
	str_add(out, value ? value : "");
	return 0;
}

/* A variable that is to stay: the text up to the brace that ends it. */
static int keep_braced(struct lexer *l, struct str *out)
{
	cleanup_str struct str word = STR_INIT_MAX(out->max);
	int r;

	str_add(out, "${");
	if ((r = read_operand(l, '}', l->flags & ~(unsigned)SPLIT, &word)) < 0)
		return r;
	str_addn(out, str_text(&word), word.len);
	str_addc(out, '}');
	return 0;
}

/* Stands on the `$`. */
static int read_dollar(struct lexer *l, struct str *out)
{
	l->at++;
	if (*l->at == '{') {
		l->at++;
		return l->flags & KEEP_VARIABLES ? keep_braced(l, out) : read_braced(l, out);
	}
	cleanup_free char *name = *l->at ? read_name(l) : NULL;
	if (str_empty(name)) {
		str_addc(out, '$');
		return 0;
	}
	if (l->flags & KEEP_VARIABLES) {
		str_addf(out, "$%s", name);
		return 0;
	}
	const char *value = look_up(l, name);
	if (!value)
		tell_unset(l, name);
	str_add(out, value ? value : "");
	return 0;
}

static void read_escape(struct lexer *l, unsigned flags, struct sink *out)
{
	if (flags & KEEP_ESCAPES)
		put_quoted(out, l->at, 1);
	l->at++;
	if (!*l->at)
		return;
	put_quoted(out, l->at, 1);
	l->at++;
}

/* Up to `stop`, which is taken too; 0: to the end. */
static int read_until(struct lexer *l, char stop, unsigned flags, struct sink *out)
{
	unsigned before = l->flags;
	int r = 0;

	l->flags = flags;
	while (r == 0 && *l->at && !(stop && *l->at == stop)) {
		char c = *l->at;
		bool quotes = !(flags & NO_QUOTES);

		if (c == '$' || (quotes && (c == '\'' || c == '"'))) {
			cleanup_str struct str piece = STR_INIT_MAX(out->text->max);

			r = c == '$'   ? read_dollar(l, &piece)
			    : c == '"' ? read_double_quoted(l, &piece)
				       : read_single_quoted(l, &piece);
			if (r == 0 && str_overflowed(&piece))
				r = too_long(l, &piece);
			if (r == 0 && c == '$')
				put(out, str_text(&piece), piece.len);
			else if (r == 0)
				put_quoted(out, str_text(&piece), piece.len);
		} else if (c == l->escape) {
			read_escape(l, flags, out);
		} else {
			put(out, &c, 1);
			l->at++;
		}
		if (r == 0 && str_overflowed(out->text))
			r = too_long(l, out->text);
	}
	l->flags = before;
	if (r == 0 && stop && !*l->at)
		return err_input(l->err, "a '%c' is missing", stop);
	l->at += stop && r == 0;
	return r;
}

static int run(const struct expand *x, const char *text, unsigned flags, struct str *out,
	       struct strv *words, struct err *err)
{
	struct lexer l = {
		.x = x,
		.at = text,
		.flags = flags,
		.escape = x->escape ? x->escape : '\\',
		.err = err,
	};
	struct sink sink = { .text = out, .words = words };
	int r = read_until(&l, 0, flags, &sink);

	if (r == 0)
		end_word(&sink);
	return r;
}

int expand_word(const struct expand *x, const char *word, struct str *out, struct err *err)
{
	return run(x, word, 0, out, NULL, err);
}

int expand_text(const struct expand *x, const char *word, char **ret, struct err *err)
{
	cleanup_str struct str out = STR_INIT_MAX(EXPAND_WORD_MAX);
	int r = run(x, word, 0, &out, NULL, err);

	if (r == 0)
		*ret = str_take(&out);
	return r;
}

int expand_words(const struct expand *x, const char *text, struct strv *ret, struct err *err)
{
	cleanup_str struct str word = STR_INIT_MAX(EXPAND_WORD_MAX);

	return run(x, text, SPLIT, &word, ret, err);
}

int expand_heredoc(const struct expand *x, const char *content, char **ret, struct err *err)
{
	cleanup_str struct str out = STR_INIT_MAX(EXPAND_HEREDOC_MAX);
	int r = run(x, content, NO_QUOTES, &out, NULL, err);

	if (r == 0)
		*ret = str_take(&out);
	return r;
}

void expand_split(const char *text, char escape, struct strv *ret)
{
	cleanup_str struct str word = STR_INIT_MAX(DOCKERFILE_BYTES_MAX);
	cleanup_err struct err ignored = ERR_INIT; /* an open quote: the words before it count */
	struct expand x = { .escape = escape };

	(void)run(&x, text, SPLIT | KEEP_QUOTES | KEEP_ESCAPES | KEEP_VARIABLES, &word, ret,
		  &ignored);
}
