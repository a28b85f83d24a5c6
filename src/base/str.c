#include "base/str.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static size_t str_limit(const struct str *s)
{
	return s->max ? s->max : STR_MAX_DEFAULT;
}

void str_done(struct str *s)
{
	free(s->data);
	*s = (struct str){ .max = s->max };
}

void str_clear(struct str *s)
{
	s->len = 0;
	s->overflow = false;
	if (s->data)
		s->data[0] = '\0';
}

char *str_room(struct str *s, size_t more)
{
	size_t limit = str_limit(s);
	if (s->overflow || s->len > limit || more > limit - s->len) {
		s->overflow = true;
		return NULL;
	}
	size_t want = s->len + more + 1;
	if (want > s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 32;
		if (cap < want)
			cap = want;
		if (cap > limit + 1)
			cap = limit + 1;
		s->data = xreallocarray(s->data, cap, 1);
		s->cap = cap;
		s->data[s->len] = '\0';
	}
	return s->data + s->len;
}

void str_grew(struct str *s, size_t count)
{
	assert(s->data && s->len + count < s->cap);
	s->len += count;
	s->data[s->len] = '\0';
}

void str_addn(struct str *s, const void *data, size_t len)
{
	char *room = str_room(s, len);
	if (!room)
		return;
	if (len)
		memcpy(room, data, len);
	str_grew(s, len);
}

void str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
	if (s->len + 1 >= s->cap || s->overflow) {
		str_addn(s, &c, 1);
		return;
	}
	s->data[s->len++] = c; /* within cap is within max */
	s->data[s->len] = '\0';
}

void str_addf(struct str *s, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *text = xvasprintf(format, ap);
	va_end(ap);
	str_add(s, text);
}

bool str_overflowed(const struct str *s)
{
	return s->overflow;
}

const char *str_text(const struct str *s)
{
	return s->data ? s->data : "";
}

char *str_take(struct str *s)
{
	char *text = s->data ? s->data : xstrdup("");
	*s = (struct str){ .max = s->max };
	return text;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

const char *str_after(const char *s, const char *prefix)
{
	return str_starts(s, prefix) ? s + strlen(prefix) : NULL;
}

/* The length of the UTF-8 sequence at s (at most `len` bytes), with its code point; 0 when it is
 * not one: overlong forms, surrogates and what is above U+10FFFF are refused. */
static size_t utf8_next(const unsigned char *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n;
	uint32_t c;

	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	if ((s[0] & 0xe0) == 0xc0)
		n = 2, c = s[0] & 0x1f;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3, c = s[0] & 0x0f;
	else if ((s[0] & 0xf8) == 0xf0)
		n = 4, c = s[0] & 0x07;
	else
		return 0;
	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

bool str_utf8(const char *s, size_t len, bool printable)
{
	const unsigned char *p = (const unsigned char *)s;
	while (len) {
		uint32_t c;
		size_t n = utf8_next(p, len, &c);
		if (n == 0 || c == 0)
			return false;
		if (printable && (c < 0x20 || (c >= 0x7f && c < 0xa0)))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

char *str_tame(char *s, bool lines)
{
	for (unsigned char *p = (unsigned char *)s; *p; p++) {
		if ((*p < 0x20 && !(lines && (*p == '\n' || *p == '\t'))) || *p == 0x7f)
			*p = ' ';
		else if (*p == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0) /* C1 */
			p[0] = p[1] = ' ';
	}
	return s;
}

/* Insertions, deletions, replacements and swaps of neighbours each count one, as each is one slip
 * of the fingers. Three rows are enough. Names are short; longer ones are "far away" by definition.
 */
size_t str_distance(const char *a, const char *b, size_t limit)
{
	enum { LONGEST = 64 };
	size_t n = strlen(a), m = strlen(b);
	size_t rows[3][LONGEST + 1];

	if (n > LONGEST || m > LONGEST || (n > m ? n - m : m - n) > limit)
		return limit + 1;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
				size_t swapped = rows[(i + 1) % 3][j - 2] + 1;
				best = swapped < best ? swapped : best;
			}
			row[j] = best;
		}
	}
	return rows[n % 3][m] <= limit ? rows[n % 3][m] : limit + 1;
}
