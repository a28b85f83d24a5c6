#include "test.h"

#include "cli/progress.h"

static struct progress_line lines[] = {
	{ (char *)"Network demo_default", (char *)"Created", PROGRESS_DONE, 0, 100000000 },
	{ (char *)"Container demo-db-1", (char *)"Starting", PROGRESS_WORKING, 0, 0 },
	{ (char *)"Container demo-web-1", (char *)"Error port 80\nis taken", PROGRESS_ERROR, 0,
	  2500000000 },
};

static void a_block_is_drawn(void **state)
{
	cleanup_str struct str out = STR_INIT;
	struct progress_view view = { .lines = lines,
				      .count = 3,
				      .total = 5,
				      .now = NSEC_PER_SEC,
				      .columns = 60,
				      .rows = 24 };
	assert_int_equal(progress__render(&view, &out), 4);
	/* At 1 s the spinner stands at 1000 / 80 % 10 = 2. */
	assert_string_equal(
		str_text(&out),
		"[+] Running 1/5\033[K\n"
		" \xe2\x9c\x94 Network demo_default  Created                       0.1s\033[K\n"
		" \xe2\xa0\xb9 Container demo-db-1   Starting                      1.0s\033[K\n"
		" \xe2\x9c\x98 Container demo-web-1  Error port 80?is taken        2.5s\033[K\n");
}

static size_t widest(const char *text)
{
	size_t best = 0, n = 0;
	for (; *text; text++) {
		if (str_starts(text, "\033[K"))
			text += 2;
		else if (*text == '\n')
			best = n > best ? n : best, n = 0;
		else
			n += (*text & 0xC0) != 0x80;
	}
	return best;
}

static void blocks_fit_the_terminal(void **state)
{
	static const struct {
		const char *name;
		unsigned columns, rows;
		size_t lines;
	} cases[] = {
		{ "wide", 200, 24, 4 }, { "narrow", 30, 24, 4 }, { "tiny", 16, 24, 4 },
		{ "low", 80, 4, 3 },	{ "one row", 80, 1, 2 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_str struct str out = STR_INIT;
		struct progress_view view = { .lines = lines,
					      .count = 3,
					      .now = NSEC_PER_SEC,
					      .columns = cases[i].columns,
					      .rows = cases[i].rows };
		size_t n = progress__render(&view, &out), newlines = 0;
		for (const char *p = str_text(&out); *p; p++)
			newlines += *p == '\n';
		check(cases[i].name, n == cases[i].lines && newlines == n, "%zu lines, %zu", n,
		      newlines);
		check(cases[i].name, widest(str_text(&out)) <= cases[i].columns, "%zu columns",
		      widest(str_text(&out)));
	}
}

static void what_is_done_gives_way(void **state)
{
	cleanup_str struct str out = STR_INIT;
	struct progress_view view = {
		.lines = lines, .count = 3, .now = NSEC_PER_SEC, .columns = 80, .rows = 4
	};
	progress__render(&view, &out);
	assert_null(strstr(str_text(&out), "Network"));
	assert_non_null(strstr(str_text(&out), "demo-db-1"));
	assert_non_null(strstr(str_text(&out), "demo-web-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_drawn),
		cmocka_unit_test(blocks_fit_the_terminal),
		cmocka_unit_test(what_is_done_gives_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
