/* Shell patterns on text. A pattern is cut at its stars into pieces of fixed length; pieces are
 * found one after the other, so that no pattern needs more than length times length steps. */
#include "build/pattern.h"

#include "base/vec.h"

#include <stdint.h>

#define ANY UINT32_MAX

/* Text as characters; a byte that is no UTF-8 stands for itself. */
struct chars {
	uint32_t *v;
	size_t n, cap;
	size_t *at; /* byte offset of each, and of the end */
};

struct piece {
	size_t from, n; /* of the pattern's characters */
};

struct pattern {
	struct chars chars;	  /* ANY: `?` */
	VEC(struct piece) pieces; /* at least one; stars stand between them */
};

static size_t char_length(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;

	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xC0) != 0x80)
			return 1;
	return n;
}

static void add_char(struct chars *c, uint32_t value)
{
	vec_push(c, value);
}

static uint32_t char_value(const char *s, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | (unsigned char)s[i];
	return value;
}

static void chars_done(struct chars *c)
{
	vec_done(c);
	free(c->at);
}

static struct chars chars_of(const char *text)
{
	struct chars c = { 0 };

	c.at = xcalloc(strlen(text) + 1, sizeof(size_t));
	for (const char *s = text; *s;) {
		size_t n = char_length(s);
		c.at[c.n] = (size_t)(s - text);
		add_char(&c, char_value(s, n));
		s += n;
	}
	c.at[c.n] = strlen(text);
	return c;
}

static void pattern_done(struct pattern *p)
{
	chars_done(&p->chars);
	vec_done(&p->pieces);
}

static struct pattern pattern_of(const char *text)
{
	struct pattern p = { 0 };
	size_t from = 0;

	for (const char *s = text; *s;) {
		size_t n;

		if (*s == '*') {
			vec_push(&p.pieces, (struct piece){ from, p.chars.n - from });
			from = p.chars.n;
			s++;
			continue;
		}
		if (*s == '?') {
			add_char(&p.chars, ANY);
			s++;
			continue;
		}
		if (*s == '\\' && s[1])
			s++;
		n = char_length(s);
		add_char(&p.chars, char_value(s, n));
		s += n;
	}
	vec_push(&p.pieces, (struct piece){ from, p.chars.n - from });
	return p;
}

static void turn_round(uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		uint32_t c = v[i];
		v[i] = v[n - 1 - i];
		v[n - 1 - i] = c;
	}
}

static void pattern_turn_round(struct pattern *p)
{
	size_t n = p->chars.n, from = 0;

	turn_round(p->chars.v, n);
	for (size_t i = 0; i < p->pieces.n / 2; i++) {
		struct piece piece = p->pieces.v[i];
		p->pieces.v[i] = p->pieces.v[p->pieces.n - 1 - i];
		p->pieces.v[p->pieces.n - 1 - i] = piece;
	}
	vec_each(piece, &p->pieces) {
		piece->from = from;
		from += piece->n;
	}
}

static bool piece_at(const struct pattern *p, const struct piece *piece, const struct chars *text,
		     size_t at)
{
	if (piece->n > text->n - at)
		return false;
	for (size_t i = 0; i < piece->n; i++)
		if (p->chars.v[piece->from + i] != ANY &&
		    p->chars.v[piece->from + i] != text->v[at + i])
			return false;
	return true;
}

/* Where a match that begins at `start` ends; -1: there is none. */
static ssize_t match_at(const struct pattern *p, const struct chars *text, size_t start,
			bool longest)
{
	const struct piece *last = &p->pieces.v[p->pieces.n - 1];
	size_t at = start;

	if (!piece_at(p, &p->pieces.v[0], text, at))
		return -1;
	at += p->pieces.v[0].n;
	for (size_t i = 1; i < p->pieces.n; i++) {
		const struct piece *piece = &p->pieces.v[i];
		size_t found = at;

		if (piece == last && longest) {
			for (found = text->n + 1; found-- > at;)
				if (piece_at(p, piece, text, found))
					return (ssize_t)(found + piece->n);
			return -1;
		}
		while (found <= text->n && !piece_at(p, piece, text, found))
			found++;
		if (found > text->n)
			return -1;
		at = found + piece->n;
	}
	return (ssize_t)at;
}

void pattern_trim_start(const char *pattern, const char *value, bool longest, struct str *out)
{
	struct pattern p = pattern_of(pattern);
	struct chars text = chars_of(value);
	ssize_t end = match_at(&p, &text, 0, longest);

	str_add(out, value + text.at[end < 0 ? 0 : end]);
	chars_done(&text);
	pattern_done(&p);
}

void pattern_trim_end(const char *pattern, const char *value, bool longest, struct str *out)
{
	struct pattern p = pattern_of(pattern);
	struct chars text = chars_of(value);
	ssize_t end;

	pattern_turn_round(&p);
	if (text.n)
		turn_round(text.v, text.n);
	end = match_at(&p, &text, 0, longest);
	str_addn(out, value, text.at[text.n - (size_t)(end < 0 ? 0 : end)]);
	chars_done(&text);
	pattern_done(&p);
}

void pattern_replace(const char *pattern, const char *value, const char *with, bool all,
		     struct str *out)
{
	struct pattern p = pattern_of(pattern);
	struct chars text = chars_of(value);
	bool some = false, hopeless = false;
	size_t at = 0;

	while (at < text.n) {
		ssize_t end = hopeless || (some && !all) ? -1 : match_at(&p, &text, at, true);

		/* What begins well but lacks a later piece lacks it further on, too. */
		if (end < 0 && p.pieces.n > 1 && piece_at(&p, &p.pieces.v[0], &text, at))
			hopeless = true;
		if (end > (ssize_t)at) {
			str_add(out, with);
			some = true;
			at = (size_t)end;
			continue;
		}
		str_addn(out, value + text.at[at], text.at[at + 1] - text.at[at]);
		at++;
	}
	chars_done(&text);
	pattern_done(&p);
}
