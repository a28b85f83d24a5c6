#include "test.h"

#include "base/cleanup.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define S NSEC_PER_SEC

static void rfc3339_both_ways(void **state)
{
	static const struct {
		const char *text;
		int result;
		nsec_t value;
		const char *printed; /* NULL: not printed back */
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00.000000000Z" },
		{ "2026-11-21T04:25:44.123456789Z", 0, 1795235144 * S + 123456789,
		  "2026-11-21T04:25:44.123456789Z" },
		{ "2026-11-21T04:25:44.5+01:30", 0, 1795235144 * S - 5400 * S + 500000000,
		  "2026-11-21T02:55:44.500000000Z" },
		{ "2026-11-21T04:25:44-0200", 0, 1795242344 * S, NULL },
		{ "2026-11-21", 0, 1795219200 * S, NULL },
		{ "2026-11-21T04:25:44", 0, 1795235144 * S, NULL },
		{ "2026-11-21 04:25", 0, 1795235100 * S, NULL },
		{ "2024-02-29T23:59:59Z", 0, 1709251199 * S, "2024-02-29T23:59:59.000000000Z" },
		{ "1795235144", 0, 1795235144 * S, NULL },
		{ "1795235144.25", 0, 1795235144 * S + 250000000, NULL },
		{ "2026-11-21T04:25:44.1234567891Z", 0, 1795235144 * S + 123456789, NULL },
		{ "", -EINVAL, 0, NULL },
		{ "2025-02-29", -EINVAL, 0, NULL },
		{ "2026-13-01", -EINVAL, 0, NULL },
		{ "2026-00-01", -EINVAL, 0, NULL },
		{ "2026-11-31", -EINVAL, 0, NULL },
		{ "2026-11-21T24:00:00Z", -EINVAL, 0, NULL },
		{ "2026-11-21T04:60:00Z", -EINVAL, 0, NULL },
		{ "2026-11-21T04:25:44Zx", -EINVAL, 0, NULL },
		{ "2026-11-21T04:25:44.Z", -EINVAL, 0, NULL },
		{ "2026-11-21T04:25:44+25:00", -EINVAL, 0, NULL },
		{ "26-11-21", -EINVAL, 0, NULL },
		{ "9999-01-01", -EINVAL, 0, NULL },
		{ "99999999999999999999", -EINVAL, 0, NULL },
		{ "12x", -EINVAL, 0, NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[RFC3339_TEXT];
		nsec_t value = 0;
		int r = parse_rfc3339(cases[i].text, &value);
		check(cases[i].text, r == cases[i].result, "got %d", r);
		check(cases[i].text, value == cases[i].value, "got %" PRId64, value);
		if (cases[i].printed)
			check_text(cases[i].text, format_rfc3339(value, text), cases[i].printed);
	}
	char before[RFC3339_TEXT];
	assert_string_equal(format_rfc3339(-1, before), "1969-12-31T23:59:59.999999999Z");
}

static void ages_read_as_dockers(void **state)
{
	static const struct {
		nsec_t age;
		const char *text;
	} cases[] = {
		{ -5 * S, "Less than a second" },
		{ 0, "Less than a second" },
		{ 1 * S, "1 second" },
		{ 59 * S, "59 seconds" },
		{ 60 * S, "About a minute" },
		{ 119 * S, "About a minute" },
		{ 120 * S, "2 minutes" },
		{ 3599 * S, "59 minutes" },
		{ 3600 * S, "About an hour" },
		{ 5399 * S, "About an hour" },
		{ 5400 * S, "2 hours" },
		{ 47 * 3600 * S, "47 hours" },
		{ 48 * 3600 * S, "2 days" },
		{ 13 * 86400 * S, "13 days" },
		{ 14 * 86400 * S, "2 weeks" },
		{ 60 * 86400 * S, "2 months" },
		{ 730 * 86400 * S, "2 years" },
		{ INT64_MAX, "292 years" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[AGE_TEXT];
		check_text(cases[i].text, format_age(cases[i].age, text), cases[i].text);
	}
}

static void clocks_go_forward(void **state)
{
	nsec_t a = now_mono(), b = now_mono();
	assert_true(a > 0 && b >= a);
	assert_true(now_wall() > 1700000000 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3339_both_ways),
		cmocka_unit_test(ages_read_as_dockers),
		cmocka_unit_test(clocks_go_forward),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
