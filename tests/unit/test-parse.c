#include "test.h"

#include "base/cleanup.h"
#include "base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void integers_are_strict(void **state)
{
	static const struct {
		const char *text;
		int64_t low, high;
		int result;
		int64_t value;
	} cases[] = {
		{ "0", 0, 10, 0, 0 },
		{ "10", 0, 10, 0, 10 },
		{ "-3", -5, 5, 0, -3 },
		{ "007", 0, 10, 0, 7 },
		{ "11", 0, 10, -ERANGE, 0 },
		{ "-1", 0, 10, -ERANGE, 0 },
		{ "", 0, 10, -EINVAL, 0 },
		{ "-", -5, 5, -EINVAL, 0 },
		{ "--1", -5, 5, -EINVAL, 0 },
		{ "+1", 0, 10, -EINVAL, 0 },
		{ " 1", 0, 10, -EINVAL, 0 },
		{ "1 ", 0, 10, -EINVAL, 0 },
		{ "1x", 0, 10, -EINVAL, 0 },
		{ "0x1", 0, 10, -EINVAL, 0 },
		{ "1.0", 0, 10, -EINVAL, 0 },
		{ "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
		{ "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
		{ "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999999", INT64_MIN, INT64_MAX, -ERANGE, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t value = 4711;
		int r = parse_i64(cases[i].text, cases[i].low, cases[i].high, &value);
		check(cases[i].text, r == cases[i].result, "got %d", r);
		int64_t want = cases[i].result ? 4711 : cases[i].value;
		check(cases[i].text, value == want, "got %" PRId64, value);
	}
	uint64_t big;
	assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &big), 0);
	assert_true(big == UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", 0, UINT64_MAX, &big), -ERANGE);
	assert_int_equal(parse_u64("-1", 0, UINT64_MAX, &big), -EINVAL);
	int n;
	assert_int_equal(parse_int("2147483648", INT32_MIN, INT32_MAX, &n), -ERANGE);
}

static void octal_modes(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t value;
	} cases[] = {
		{ "0644", 0, 0644 },  { "644", 0, 0644 },
		{ "0o644", 0, 0644 }, { "7777", 0, 07777 },
		{ "0", 0, 0 },	      { "10000", -ERANGE, 0 },
		{ "8", -EINVAL, 0 },  { "", -EINVAL, 0 },
		{ "0o", -EINVAL, 0 }, { "0x1ff", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 }, { "77777777777777777777777777", -ERANGE, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t value = 0;
		int r = parse_octal(cases[i].text, 07777, &value);
		check(cases[i].text, r == cases[i].result, "got %d", r);
		check(cases[i].text, value == cases[i].value, "got %o", value);
	}
}

static void doubles_and_bools(void **state)
{
	static const char *const bad[] = { "",	 "nan", "inf", "0x10", " 1",
					   "1 ", "1,5", ".",   "e5",   "1e" };
	double d;
	bool b;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check(bad[i], parse_double(bad[i], -1e300, 1e300, &d) == -EINVAL, "accepted");
	assert_int_equal(parse_double("0.5", 0, 1, &d), 0);
	assert_true(d == 0.5);
	assert_int_equal(parse_double("1.5", 0, 1, &d), -ERANGE);
	assert_int_equal(parse_double("1e999", 0, 1e308, &d), -ERANGE);
	assert_int_equal(parse_bool("Yes", &b), 0);
	assert_true(b);
	assert_int_equal(parse_bool("OFF", &b), 0);
	assert_false(b);
	assert_int_equal(parse_bool("", &b), -EINVAL);
	assert_int_equal(parse_bool("2", &b), -EINVAL);
	assert_int_equal(parse_bool("truex", &b), -EINVAL);
}

static void durations_read_as_in_go(void **state)
{
	static const struct {
		const char *text;
		int result;
		nsec_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "30s", 0, 30 * NSEC_PER_SEC },
		{ "1h30m", 0, 5400 * NSEC_PER_SEC },
		{ "1m30.5s", 0, 90500 * NSEC_PER_MSEC },
		{ ".5s", 0, 500 * NSEC_PER_MSEC },
		{ "1.s", 0, NSEC_PER_SEC },
		{ "250ms", 0, 250 * NSEC_PER_MSEC },
		{ "10us", 0, 10 * NSEC_PER_USEC },
		{ "10\xc2\xb5s", 0, 10 * NSEC_PER_USEC },
		{ "7ns", 0, 7 },
		{ "1s1s", 0, 2 * NSEC_PER_SEC },
		{ "", -EINVAL, 0 },
		{ "5", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ ".s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1d", -EINVAL, 0 },
		{ "1s5", -EINVAL, 0 },
		{ "9999999h", -ERANGE, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
		{ "2562047h2562047h", -ERANGE, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		nsec_t value = 0;
		int r = parse_duration(cases[i].text, &value);
		check(cases[i].text, r == cases[i].result, "got %d", r);
		check(cases[i].text, value == cases[i].value, "got %" PRId64, value);
	}
}

static void durations_print_as_in_go(void **state)
{
	static const struct {
		nsec_t value;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 1, "1ns" },
		{ 1500, "1.5\xc2\xb5s" },
		{ 250 * NSEC_PER_MSEC, "250ms" },
		{ NSEC_PER_SEC, "1s" },
		{ 1500 * NSEC_PER_MSEC, "1.5s" },
		{ 90 * NSEC_PER_SEC, "1m30s" },
		{ 3600 * NSEC_PER_SEC, "1h0m0s" },
		{ 5400 * NSEC_PER_SEC + 1, "1h30m0.000000001s" },
		{ -NSEC_PER_SEC, "-1s" },
		{ INT64_MAX, "2562047h47m16.854775807s" },
		{ INT64_MIN, "-2562047h47m16.854775808s" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[DURATION_TEXT];
		nsec_t back = -1;
		check_text(cases[i].text, format_duration(cases[i].value, text), cases[i].text);
		if (cases[i].value < 0)
			continue;
		assert_int_equal(parse_duration(text, &back), 0);
		check(cases[i].text, back == cases[i].value, "read back as %" PRId64, back);
	}
}

static void sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "512", 0, 512 },
		{ "512b", 0, 512 },
		{ "64k", 0, 65536 },
		{ "64kb", 0, 65536 },
		{ "64KiB", 0, 65536 },
		{ "1.5gb", 0, 1610612736 },
		{ "10 MiB", 0, 10485760 },
		{ "2T", 0, 2199023255552 },
		{ "1p", 0, 1125899906842624 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "16384p", -ERANGE, 0 },
		{ "99999.5p", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "k", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "1ki ", -EINVAL, 0 },
		{ "1kbb", -EINVAL, 0 },
		{ "1.2.3k", -EINVAL, 0 },
		{ ".5k", -EINVAL, 0 },
		{ "1  k", -EINVAL, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 0;
		int r = parse_size(cases[i].text, &value);
		check(cases[i].text, r == cases[i].result, "got %d", r);
		check(cases[i].text, value == cases[i].value, "got %" PRIu64, value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_strict),
		cmocka_unit_test(octal_modes),
		cmocka_unit_test(doubles_and_bools),
		cmocka_unit_test(durations_read_as_in_go),
		cmocka_unit_test(durations_print_as_in_go),
		cmocka_unit_test(sizes_are_powers_of_1024),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
