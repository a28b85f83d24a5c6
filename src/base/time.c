#include "base/time.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static nsec_t clock_now(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts); /* cannot fail for these clocks */
	return (nsec_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

nsec_t now_mono(void)
{
	return clock_now(CLOCK_MONOTONIC);
}

nsec_t now_wall(void)
{
	return clock_now(CLOCK_REALTIME);
}

char *format_rfc3339(nsec_t wall, char buf[RFC3339_TEXT])
{
	time_t seconds = (time_t)(wall / NSEC_PER_SEC);
	long fraction = (long)(wall % NSEC_PER_SEC);
	if (fraction < 0) {
		fraction += NSEC_PER_SEC;
		seconds--;
	}
	struct tm tm;
	gmtime_r(&seconds, &tm);
	/* nsec_t ends in 2262, so every field has its usual width: said to the compiler by the
	 * modulo. */
	snprintf(buf, RFC3339_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%09luZ",
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		 (unsigned)tm.tm_sec % 100, (unsigned long)fraction % 1000000000);
	return buf;
}

/* Exactly `width` digits at *s; moves *s behind them. */
static bool take_digits(const char **s, int width, int *ret)
{
	int value = 0;
	for (int i = 0; i < width; i++) {
		if (!isdigit((unsigned char)(*s)[i]))
			return false;
		value = value * 10 + ((*s)[i] - '0');
	}
	*s += width;
	*ret = value;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* ".123": up to nine digits count, further ones are cut off. No dot: zero. */
static bool take_fraction(const char **s, nsec_t *ret)
{
	*ret = 0;
	if (!take_char(s, '.'))
		return true;
	if (!isdigit((unsigned char)**s))
		return false;
	for (nsec_t unit = NSEC_PER_SEC / 10; isdigit((unsigned char)**s); (*s)++, unit /= 10)
		*ret += (**s - '0') * unit;
	return true;
}

static bool take_zone(const char **s, int *ret_seconds)
{
	int hours, minutes, sign;

	*ret_seconds = 0;
	if (!**s || take_char(s, 'Z') || take_char(s, 'z'))
		return true;
	if (take_char(s, '+'))
		sign = 1;
	else if (take_char(s, '-'))
		sign = -1;
	else
		return false;
	if (!take_digits(s, 2, &hours))
		return false;
	(void)take_char(s, ':'); /* ISO 8601 allows +0100 */
	if (!take_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

static int parse_date(const char *s, nsec_t *ret_wall)
{
	int year, month, day, hour = 0, minute = 0, second = 0, zone = 0;
	nsec_t fraction = 0;

	if (!take_digits(&s, 4, &year) || !take_char(&s, '-') || !take_digits(&s, 2, &month) ||
	    !take_char(&s, '-') || !take_digits(&s, 2, &day))
		return -EINVAL;
	if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 ||
	    day > days_in_month(year, month))
		return -EINVAL;
	if (take_char(&s, 'T') || take_char(&s, 't') || take_char(&s, ' ')) {
		if (!take_digits(&s, 2, &hour) || !take_char(&s, ':') ||
		    !take_digits(&s, 2, &minute))
			return -EINVAL;
		if (take_char(&s, ':') &&
		    (!take_digits(&s, 2, &second) || !take_fraction(&s, &fraction)))
			return -EINVAL;
		if (!take_zone(&s, &zone) || hour > 23 || minute > 59 || second > 60)
			return -EINVAL;
	}
	if (*s)
		return -EINVAL;

	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_sec = second };
	*ret_wall = ((nsec_t)timegm(&tm) - zone) * NSEC_PER_SEC + fraction;
	return 0;
}

/* "1763699144" or "1763699144.5". */
static int parse_epoch(const char *s, nsec_t *ret_wall)
{
	nsec_t seconds = 0, fraction;
	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++) {
		seconds = seconds * 10 + (*s - '0');
		if (seconds > INT64_MAX / NSEC_PER_SEC - 1)
			return -EINVAL;
	}
	if (!take_fraction(&s, &fraction) || *s)
		return -EINVAL;
	*ret_wall = seconds * NSEC_PER_SEC + fraction;
	return 0;
}

int parse_rfc3339(const char *s, nsec_t *ret_wall)
{
	return strchr(s, '-') ? parse_date(s, ret_wall) : parse_epoch(s, ret_wall);
}

/* Docker's wording (units.HumanDuration), so that `ps` reads the same. Each row holds for ages
 * below `below`, counted in `unit` after adding `round`. */
char *format_age(nsec_t d, char buf[AGE_TEXT])
{
	enum { MINUTE = 60, HOUR = 3600, DAY = 24 * HOUR };
	static const struct {
		int64_t below, unit, round;
		const char *text;
	} rows[] = {
		{ 1, 1, 0, "Less than a second" },
		{ 2, 1, 0, "1 second" },
		{ MINUTE, 1, 0, "%lld seconds" },
		{ 2 * MINUTE, MINUTE, 0, "About a minute" },
		{ HOUR, MINUTE, 0, "%lld minutes" },
		{ HOUR + HOUR / 2, HOUR, 0, "About an hour" },
		{ 2 * DAY - HOUR / 2, HOUR, HOUR / 2, "%lld hours" },
		{ 14 * DAY, DAY, 0, "%lld days" },
		{ 60 * DAY, 7 * DAY, 0, "%lld weeks" },
		{ 730 * DAY, 30 * DAY, 0, "%lld months" },
		{ INT64_MAX, 365 * DAY, 0, "%lld years" },
	};
	int64_t seconds = d > 0 ? d / NSEC_PER_SEC : 0;
	size_t i = 0;

	while (seconds >= rows[i].below)
		i++;
		/* Two of the formats take no number; the argument is then ignored, as C allows. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	snprintf(buf, AGE_TEXT, rows[i].text,
		 (long long)((seconds + rows[i].round) / rows[i].unit));
#pragma GCC diagnostic pop
	return buf;
}
