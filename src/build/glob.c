#include "build/glob.h"

#include "base/alloc.h"

#include <stdint.h>
#include <string.h>

/* One character of a text; a byte that is no UTF-8 stands for itself. Moves on. */
static uint32_t next_char(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : p[0] >= 0xC0 ? 2 : 1;
	uint32_t value = n == 1 ? p[0] : p[0] & (0xFF >> (n + 1));

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80) {
			++*s;
			return 0x110000 + p[0];
		}
		value = value << 6 | (p[i] & 0x3F);
	}
	*s += n;
	return value;
}

/* A character of a class, escapes taken. -1: there is none. */
static int64_t class_char(const char **p)
{
	if (**p == '\\')
		++*p;
	else if (**p == '-' || **p == ']')
		return -1;
	return **p ? (int64_t)next_char(p) : -1;
}

/* Matches c with the class that begins behind *p; moves *p behind its bracket. -1: not closed or
 * empty. */
static int match_class(const char **p, uint32_t c)
{
	bool negated = **p == '^', matched = false;
	int ranges = 0;

	*p += negated;
	while (!(**p == ']' && ranges > 0)) {
		int64_t low = class_char(p), high = low;

		if (low < 0 || !**p)
			return -1;
		if (**p == '-') {
			++*p;
			high = class_char(p);
			if (high < 0 || !**p)
				return -1;
		}
		matched = matched || (low <= c && c <= high);
		ranges++;
	}
	++*p;
	return matched != negated;
}

bool glob_valid(const char *pattern)
{
	const char *p = pattern;

	while (*p) {
		if (*p == '\\' && !p[1])
			return false;
		if (*p == '[') {
			p++;
			if (match_class(&p, 0) < 0)
				return false;
			continue;
		}
		p += *p == '\\';
		p++;
	}
	return true;
}

bool glob_magic(const char *pattern)
{
	for (const char *p = pattern; *p; p++) {
		if (strchr("*?[", *p))
			return true;
		if (*p == '\\' && !*++p)
			return false;
	}
	return false;
}

char *glob_literal(const char *pattern)
{
	char *text = xstrdup(pattern), *to = text;

	for (const char *p = pattern; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		*to++ = *p;
	}
	*to = 0;
	return text;
}

/* One character of the name against one element of the pattern, no star. Moves both on a match. */
static bool match_one(const char **pattern, const char **name)
{
	const char *p = *pattern, *n = *name;

	if (*p == '[') {
		uint32_t c = next_char(&n);
		p++;
		if (c == '/' || match_class(&p, c) != 1)
			return false;
	} else if (*p == '?') {
		if (next_char(&n) == '/')
			return false;
		p++;
	} else {
		p += *p == '\\';
		if (*p++ != *n++)
			return false;
	}
	*pattern = p;
	*name = n;
	return true;
}

/* Only the last star can need another try: what an earlier one takes does not matter to what is
 * behind the next. */
bool glob_match(const char *pattern, const char *name)
{
	const char *star = NULL, *from = NULL;

	if (!glob_valid(pattern))
		return false;
	while (*name || *pattern) {
		if (*pattern == '*') {
			star = ++pattern;
			from = name;
			continue;
		}
		if (*pattern && *name && match_one(&pattern, &name))
			continue;
		/* A slash ends what a star can take. */
		if (!star || !*from || *from == '/')
			return false;
		next_char(&from);
		name = from;
		pattern = star;
	}
	return true;
}
