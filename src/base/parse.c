#include "base/parse.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int parse_u64(const char *s, uint64_t low, uint64_t high, uint64_t *ret)
{
	uint64_t value = 0;
	if (!*s)
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
	for (const char *p = s; *p; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	if (value < low || value > high)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_i64(const char *s, int64_t low, int64_t high, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t magnitude, most = (uint64_t)INT64_MAX + negative;
	int r = parse_u64(s + negative, 0, most, &magnitude);
	if (r < 0)
		return r;
	int64_t value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	if (value < low || value > high)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_int(const char *s, int low, int high, int *ret)
{
	int64_t value;
	int r = parse_i64(s, low, high, &value);
	if (r == 0)
		*ret = (int)value;
	return r;
}

int parse_octal(const char *s, uint32_t high, uint32_t *ret)
{
	if (s[0] == '0' && (s[1] == 'o' || s[1] == 'O'))
		s += 2;
	uint64_t value = 0;
	if (!*s)
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (*p < '0' || *p > '7')
			return -EINVAL;
	for (; *s; s++) {
		value = value << 3 | (uint64_t)(*s - '0');
		if (value > high)
			return -ERANGE;
	}
	*ret = (uint32_t)value;
	return 0;
}

int parse_double(const char *s, double low, double high, double *ret)
{
	/* strtod also takes blanks, hexadecimal, "inf" and "nan": none of them is meant. */
	if (!*s || s[strspn(s, "0123456789+-.eE")] != '\0')
		return -EINVAL;
	char *end;
	errno = 0;
	double value = strtod(s, &end);
	if (*end || end == s)
		return -EINVAL;
	if (errno == ERANGE || !isfinite(value) || value < low || value > high)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_bool(const char *s, bool *ret)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = {
		{ "true", true }, { "false", false }, { "1", true },  { "0", false },
		{ "yes", true },  { "no", false },    { "on", true }, { "off", false },
		{ "t", true },	  { "f", false },     { "y", true },  { "n", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(words[i].text, s) == 0) {
			*ret = words[i].value;
			return 0;
		}
	return -EINVAL;
}

static const struct {
	const char *text;
	nsec_t unit;
} duration_units[] = {
	/* Longer ones first where one begins like another. */
	{ "ns", 1 },
	{ "us", NSEC_PER_USEC },
	{ "\xc2\xb5s", NSEC_PER_USEC }, /* U+00B5, micro sign: what Go prints */
	{ "\xce\xbcs", NSEC_PER_USEC }, /* U+03BC, Greek mu */
	{ "ms", NSEC_PER_MSEC },
	{ "s", NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },
	{ "h", 3600 * NSEC_PER_SEC },
};

static nsec_t take_unit(const char **s)
{
	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
		size_t len = strlen(duration_units[i].text);
		if (strncmp(*s, duration_units[i].text, len) == 0) {
			*s += len;
			return duration_units[i].unit;
		}
	}
	return 0;
}

/* One "1.5h" of a duration, added to *total. */
static int take_part(const char **s, nsec_t *total)
{
	const char *number = *s;
	size_t whole = strspn(number, "0123456789"), digits = whole, fraction = 0;
	if (number[whole] == '.') {
		fraction = strspn(number + whole + 1, "0123456789");
		digits += 1 + fraction;
	}
	if (whole + fraction == 0)
		return -EINVAL;
	*s += digits;
	nsec_t unit = take_unit(s), value = 0;
	if (!unit)
		return -EINVAL;
	for (size_t i = 0; i < whole; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, number[i] - '0', &value))
			return -ERANGE;
	if (__builtin_mul_overflow(value, unit, &value))
		return -ERANGE;
	nsec_t scale = unit;
	for (size_t i = 0; i < fraction; i++) {
		/* 36e11 (an hour) divided by ten a dozen times is nothing: no overflow here. */
		value += (number[whole + 1 + i] - '0') * scale / 10;
		scale /= 10;
	}
	return __builtin_add_overflow(*total, value, total) ? -ERANGE : 0;
}

int parse_duration(const char *s, nsec_t *ret)
{
	nsec_t total = 0;
	if (strcmp(s, "0") == 0) {
		*ret = 0;
		return 0;
	}
	do {
		int r = take_part(&s, &total);
		if (r < 0)
			return r;
	} while (*s);
	*ret = total;
	return 0;
}

/* value / unit with its fraction, without trailing zeros: 1500 / 1000 -> "1.5". */
static int format_fraction(char *buf, size_t size, uint64_t value, uint64_t unit)
{
	int n = snprintf(buf, size, "%" PRIu64, value / unit);
	uint64_t rest = value % unit;
	if (!rest)
		return n;
	buf[n++] = '.';
	for (unit /= 10; rest && unit; unit /= 10) {
		buf[n++] = (char)('0' + rest / unit);
		rest %= unit;
	}
	buf[n] = '\0';
	return n;
}

char *format_duration(nsec_t d, char buf[DURATION_TEXT])
{
	static const struct {
		uint64_t below, unit;
		const char *text;
	} small[] = {
		{ 1000, 1, "ns" },
		{ 1000000, 1000, "\xc2\xb5s" },
		{ 1000000000, 1000000, "ms" },
	};
	uint64_t value = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
	int n = 0;

	if (value == 0) {
		memcpy(buf, "0s", 3);
		return buf;
	}
	if (d < 0)
		buf[n++] = '-';
	for (size_t i = 0; i < ARRAY_SIZE(small); i++)
		if (value < small[i].below) {
			n += format_fraction(buf + n, DURATION_TEXT - (size_t)n, value,
					     small[i].unit);
			memcpy(buf + n, small[i].text, strlen(small[i].text) + 1);
			return buf;
		}
	uint64_t minutes = value / (60 * (uint64_t)NSEC_PER_SEC);
	if (minutes >= 60)
		n += snprintf(buf + n, DURATION_TEXT - (size_t)n, "%" PRIu64 "h", minutes / 60);
	if (minutes)
		n += snprintf(buf + n, DURATION_TEXT - (size_t)n, "%" PRIu64 "m", minutes % 60);
	n += format_fraction(buf + n, DURATION_TEXT - (size_t)n,
			     value % (60 * (uint64_t)NSEC_PER_SEC), (uint64_t)NSEC_PER_SEC);
	memcpy(buf + n, "s", 2);
	return buf;
}

int parse_size(const char *s, uint64_t *ret)
{
	static const char units[] = "kmgtp";
	size_t digits = strspn(s, "0123456789.");
	char number[32];
	double value, scale = 1;

	if (digits == 0 || digits >= sizeof(number) || !isdigit((unsigned char)s[0]))
		return -EINVAL;
	memcpy(number, s, digits);
	number[digits] = '\0';
	s += digits;
	if (*s == ' ')
		s++;
	const char *unit = *s ? strchr(units, tolower((unsigned char)*s)) : NULL;
	if (unit) {
		for (const char *p = units; p <= unit; p++)
			scale *= 1024;
		s++;
		if (*s == 'i' || *s == 'I')
			s++;
	}
	if (*s == 'b' || *s == 'B')
		s++;
	if (*s)
		return -EINVAL;
	/* Whole numbers keep all 64 bits; a double would round above 2^53. */
	uint64_t whole, product;
	int r = parse_u64(number, 0, UINT64_MAX, &whole);
	if (r == 0) {
		if (__builtin_mul_overflow(whole, (uint64_t)scale, &product))
			return -ERANGE;
		*ret = product;
		return 0;
	}
	if (r == -ERANGE)
		return r;
	r = parse_double(number, 0, 18446744073709549568.0 / scale, &value);
	if (r < 0)
		return r;
	*ret = (uint64_t)(value * scale);
	return 0;
}

char *format_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)bytes;
	size_t unit = 0;
	/* three digits, and 999.6 is already the next unit's */
	for (; value >= 999.5 && unit + 1 < ARRAY_SIZE(units); unit++)
		value /= 1000;
	return xasprintf("%.3g%s", value, units[unit]);
}

char *format_base64(const void *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = data;
	char *out = xcalloc(1, 4 * ((len + 2) / 3) + 1), *to = out;

	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16;

		if (have > 1)
			bits |= (uint32_t)in[i + 1] << 8;
		if (have > 2)
			bits |= in[i + 2];
		*to++ = digits[bits >> 18];
		*to++ = digits[bits >> 12 & 63];
		*to++ = have > 1 ? digits[bits >> 6 & 63] : '=';
		*to++ = have > 2 ? digits[bits & 63] : '=';
	}
	return out;
}
