#include "compose/yaml-scalar.h"

#include "base/parse.h"

#include <ctype.h>
#include <math.h>
#include <strings.h>

static bool one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* Go's ParseInt with base 0: 0x, 0o, 0b, a leading 0 for octal, underscores left out before. */
static bool parse_go_int(const char *text, int64_t *ret)
{
	char digits[72];
	size_t n = 0;
	bool negative = *text == '-';
	for (const char *p = text + (*text == '-' || *text == '+'); *p; p++) {
		if (*p == '_')
			continue;
		if (n == sizeof(digits) - 1)
			return false;
		digits[n++] = *p;
	}
	digits[n] = '\0';
	const char *p = digits;
	unsigned base = 10;
	if (p[0] == '0' && p[1]) {
		char kind = tolower((unsigned char)p[1]);
		base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
		p += kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1;
	}
	if (!*p)
		return false;
	uint64_t value = 0;
	for (; *p; p++) {
		int c = tolower((unsigned char)*p);
		unsigned digit = isdigit(c)		? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
							: 99;
		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	if (value > (uint64_t)INT64_MAX)
		return false;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_float(const char *p)
{
	p += *p == '-' || *p == '+';
	size_t whole = strspn(p, "0123456789"), fraction = 0;
	p += whole;
	if (*p == '.') {
		fraction = strspn(++p, "0123456789");
		p += fraction;
	}
	if (!whole && !fraction)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		size_t exponent = strspn(p, "0123456789");
		if (!exponent)
			return false;
		p += exponent;
	}
	return !*p;
}

/* 2001-12-14, with or without a time: four digits, '-', one or two, '-', one or two. */
static bool looks_time(const char *p)
{
	if (strspn(p, "0123456789") != 4 || p[4] != '-')
		return false;
	p += 5;
	size_t month = strspn(p, "0123456789");
	if (month < 1 || month > 2 || p[month] != '-')
		return false;
	p += month + 1;
	size_t day = strspn(p, "0123456789");
	if (day < 1 || day > 2)
		return false;
	p += day;
	if (!*p)
		return true;
	if (*p != 'T' && *p != 't' && *p != ' ')
		return false;
	p++;
	return isdigit((unsigned char)*p) && strchr(p, ':') &&
	       strspn(p, "0123456789:.Zz+-") == strlen(p);
}

static struct node *plain_number(struct arena *a, const char *text, struct where where)
{
	int64_t i;
	double f;
	if (parse_go_int(text, &i))
		return node_int(a, i, where);
	char bare[80];
	size_t n = 0;
	for (const char *p = text; *p && n < sizeof(bare) - 1; p++)
		if (*p != '_')
			bare[n++] = *p;
	bare[n] = '\0';
	if (looks_float(bare) && parse_double(bare, -INFINITY, INFINITY, &f) == 0)
		return node_float(a, f, where);
	return NULL;
}

static struct node *plain_scalar(struct arena *a, const char *text, struct where where)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", NULL };
	static const char *const infs[] = {
		".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL
	};
	static const char *const minus_infs[] = { "-.inf", "-.Inf", "-.INF", NULL };
	static const char *const nans[] = { ".nan", ".NaN", ".NAN", NULL };
	if (one_of(text, nulls))
		return node_null(a, where);
	if (one_of(text, trues) || one_of(text, falses))
		return node_bool(a, tolower((unsigned char)text[0]) == 't', where);
	if (one_of(text, infs))
		return node_float(a, INFINITY, where);
	if (one_of(text, minus_infs))
		return node_float(a, -INFINITY, where);
	if (one_of(text, nans))
		return node_float(a, NAN, where);
	struct node *n = NULL;
	if (isdigit((unsigned char)text[0]) || strchr("+-.", text[0])) {
		if (looks_time(text)) {
			n = node_string(a, text, where);
			n->kind = NODE_TIME;
			return n;
		}
		n = plain_number(a, text, where);
	}
	return n ? n : node_string(a, text, where);
}

bool scalar_bool(const char *text, bool *ret)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "y", "n" };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(words[i], text) == 0) {
			*ret = i % 2 == 0;
			return true;
		}
	return false;
}

struct node *yaml_scalar(struct arena *a, const char *text, size_t len, bool plain, const char *tag,
			 struct where where)
{
	bool text_wanted = str_ends(tag, ":str") || strcmp(tag, "!") == 0;
	bool merge = str_ends(tag, "!reset"); /* !override makes text of what it stands before */
	bool typed = str_starts(tag, "tag:yaml.org,2002:");
	if (!plain || len > 64 || text_wanted || (*tag && !typed && !merge)) {
		struct node *n = node_string_n(a, text, len, where);
		n->quoted = !plain;
		if (!plain && typed && !text_wanted) { /* !!int "5" */
			struct node *other = plain_scalar(a, n->text, where);
			return other;
		}
		return n;
	}
	char copy[65];
	memcpy(copy, text, len);
	copy[len] = '\0';
	return plain_scalar(a, copy, where);
}
