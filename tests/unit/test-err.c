#include "test.h"

#include "base/err.h"

static void kinds_have_names_both_ways(void **state)
{
	for (int kind = 0; kind < ERR_KIND_MAX_; kind++) {
		const char *name = err_kind_name((enum err_kind)kind);
		check("kind", name && *name, "kind %d has no name", kind);
		check(name, (int)err_kind_parse(name) == kind, "got %d", (int)err_kind_parse(name));
	}
	assert_int_equal(err_kind_parse("no-such"), ERR_KIND_MAX_);
	assert_int_equal(err_kind_parse(""), ERR_KIND_MAX_);
}

static void system_errors_choose_their_kind(void **state)
{
	static const struct {
		const char *name;
		int no;
		enum err_kind kind;
		const char *message;
	} cases[] = {
		{ "missing", ENOENT, ERR_NOT_FOUND, "open 'x': No such file or directory" },
		{ "forbidden", EACCES, ERR_PERMISSION, "open 'x': Permission denied" },
		{ "not owner", EPERM, ERR_PERMISSION, "open 'x': Operation not permitted" },
		{ "other", EIO, ERR_SYSTEM, "open 'x': Input/output error" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		int r = err_sys(&err, cases[i].no, "open '%s'", "x");
		check(cases[i].name, r == -cases[i].no, "got %d", r);
		check(cases[i].name, err.kind == cases[i].kind, "got %d", (int)err.kind);
		check_text(cases[i].name, err.msg, cases[i].message);
	}
}

static void wrapping_goes_outside_in(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	assert_int_equal(err_not_found(&err, "image '%s' not found", "a"), -ENOENT);
	assert_int_equal(err_wrap(&err, "start '%s'", "web-1"), -ENOENT);
	assert_string_equal(err.msg, "start 'web-1': image 'a' not found");
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void moving_empties_the_source(void **state)
{
	cleanup_err struct err from = ERR_INIT, to = ERR_INIT;
	assert_int_equal(err_move(&to, &from), 0);
	err_conflict(&from, "port 80 is taken");
	assert_int_equal(err_move(&to, &from), -EEXIST);
	assert_null(from.msg);
	assert_int_equal(from.kind, ERR_NONE);
	assert_string_equal(to.msg, "port 80 is taken");
	err_done(&to);
	assert_int_equal(err_conflict(&to, "used again"), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_have_names_both_ways),
		cmocka_unit_test(system_errors_choose_their_kind),
		cmocka_unit_test(wrapping_goes_outside_in),
		cmocka_unit_test(moving_empties_the_source),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
