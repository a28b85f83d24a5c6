#include "test.h"

#include "base/str.h"

static void buffers_stop_at_their_maximum(void **state)
{
	cleanup_str struct str s = STR_INIT_MAX(5);
	assert_string_equal(str_text(&s), "");
	str_add(&s, "abc");
	str_addc(&s, 'd');
	assert_false(str_overflowed(&s));
	str_add(&s, "ef");
	assert_true(str_overflowed(&s));
	str_add(&s, "g"); /* nothing is added behind a gap */
	assert_string_equal(str_text(&s), "abcd");
	str_clear(&s);
	assert_false(str_overflowed(&s));
	str_addf(&s, "%d-%s", 12, "xy");
	assert_string_equal(str_text(&s), "12-xy");
	assert_null(str_room(&s, 1));
}

static void taking_leaves_an_empty_buffer(void **state)
{
	struct str s = STR_INIT;
	cleanup_free char *empty = str_take(&s);
	assert_string_equal(empty, "");
	str_addn(&s, "a\0b", 3);
	assert_int_equal(s.len, 3);
	cleanup_free char *text = str_take(&s);
	assert_memory_equal(text, "a\0b", 4);
	assert_int_equal(s.len, 0);
	assert_string_equal(str_text(&s), "");
}

static void room_is_filled_by_hand(void **state)
{
	cleanup_str struct str s = STR_INIT;
	for (int i = 0; i < 1000; i++) {
		char *room = str_room(&s, 100);
		assert_non_null(room);
		memcpy(room, "0123456789", 10);
		str_grew(&s, 10);
	}
	assert_int_equal(s.len, 10000);
	assert_int_equal(strlen(str_text(&s)), 10000);
}

static void lists_grow_shrink_and_join(void **state)
{
	cleanup_strv struct strv sv = { 0 };
	for (int i = 0; i < 100; i++) {
		strv_addf(&sv, "%02d", i);
		assert_null(sv.v[sv.n]);
	}
	while (sv.n > 3)
		strv_remove(&sv, 1);
	cleanup_free char *joined = strv_join(&sv, ", ");
	assert_string_equal(joined, "00, 98, 99");
	strv_remove(&sv, 2);
	strv_remove(&sv, 0);
	strv_remove(&sv, 0);
	assert_null(sv.v[0]);
	strv_add(&sv, "b");
	strv_add(&sv, "a");
	strv_sort(&sv);
	assert_string_equal(sv.v[0], "a");
	assert_true(strv_has(&sv, "b"));
	assert_false(strv_has(&sv, "c"));
	cleanup_strv struct strv copy = { 0 };
	assert_false(strv_equal(&copy, &sv));
	strv_copy(&copy, &sv);
	assert_true(strv_equal(&copy, &sv));
}

static void splitting_keeps_empty_pieces(void **state)
{
	static const struct {
		const char *name, *text, *joined;
		size_t n;
	} cases[] = {
		{ "empty", "", "", 1 },	       { "one", "a", "a", 1 },
		{ "two", "a,b", "a|b", 2 },    { "leading", ",b", "|b", 2 },
		{ "trailing", "a,", "a|", 2 }, { "between", "a,,b", "a||b", 3 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strv struct strv sv = strv_split(cases[i].text, ',');
		cleanup_free char *joined = strv_join(&sv, "|");
		check(cases[i].name, sv.n == cases[i].n, "got %zu", sv.n);
		check_text(cases[i].name, joined, cases[i].joined);
	}
}

static void environments_replace_in_place(void **state)
{
	cleanup_strv struct strv env = { 0 };
	env_set(&env, "A", "1");
	env_set(&env, "AB", "2");
	env_put(&env, "A=3=4");
	assert_int_equal(env.n, 2);
	assert_string_equal(env_get(&env, "A"), "3=4");
	assert_string_equal(env_get(&env, "AB"), "2");
	assert_null(env_get(&env, "ABC"));
	env_put(&env, "BARE"); /* a name without a value */
	assert_null(env_get(&env, "BARE"));
	env_unset(&env, "A");
	assert_null(env_get(&env, "A"));
	assert_string_equal(env_get(&env, "AB"), "2");
	env_unset(&env, "A");
}

static void prefixes_and_suffixes(void **state)
{
	assert_true(str_starts("abc", "ab"));
	assert_true(str_starts("abc", ""));
	assert_false(str_starts("ab", "abc"));
	assert_true(str_ends("abc", "bc"));
	assert_false(str_ends("bc", "abc"));
	assert_string_equal(str_after("abc", "ab"), "c");
	assert_null(str_after("abc", "x"));
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq(NULL, ""));
	assert_true(str_empty(NULL) && str_empty("") && !str_empty(" "));
}

static void utf8_is_checked(void **state)
{
	static const struct {
		const char *name, *text;
		bool valid, printable;
	} cases[] = {
		{ "ascii", "abc", true, true },
		{ "empty", "", true, true },
		{ "umlaut", "\xc3\xa4", true, true },
		{ "emoji", "\xf0\x9f\x98\x80", true, true },
		{ "newline", "a\nb", true, false },
		{ "delete", "a\x7f", true, false },
		{ "C1 control", "\xc2\x9b", true, false },
		{ "lone continuation", "\x80", false, false },
		{ "cut off", "\xc3", false, false },
		{ "overlong slash", "\xc0\xaf", false, false },
		{ "overlong of three", "\xe0\x80\xaf", false, false },
		{ "surrogate", "\xed\xa0\x80", false, false },
		{ "above the last", "\xf4\x90\x80\x80", false, false },
		{ "five bytes", "\xf8\x88\x80\x80\x80", false, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);
		check(cases[i].name, str_utf8(cases[i].text, len, false) == cases[i].valid,
		      "valid");
		check(cases[i].name, str_utf8(cases[i].text, len, true) == cases[i].printable,
		      "printable");
	}
	assert_false(str_utf8("a\0b", 3, false));
	char wild[] = "a\x1b[31m\n\t\x7f\xc2\x9b\xc3\xa9", tame[] = "a [31m\n\t   \xc3\xa9";
	assert_string_equal(str_tame(wild, true), tame);
	assert_string_equal(str_tame(wild, false), "a [31m     \xc3\xa9");
}

static void distances_for_did_you_mean(void **state)
{
	static const struct {
		const char *a, *b;
		size_t limit, want;
	} cases[] = {
		{ "", "", 2, 0 },	    { "image", "image", 2, 0 },
		{ "imgae", "image", 2, 1 }, { "port", "ports", 2, 1 },
		{ "ports", "port", 2, 1 },  { "kitten", "sitting", 5, 3 },
		{ "ab", "ba", 2, 1 },	    { "acb", "cab", 2, 1 },
		{ "abc", "xyz", 2, 3 },	    { "a", "abcdef", 2, 3 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t got = str_distance(cases[i].a, cases[i].b, cases[i].limit);
		check(cases[i].a, got == cases[i].want, "to '%s': got %zu", cases[i].b, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_stop_at_their_maximum),
		cmocka_unit_test(taking_leaves_an_empty_buffer),
		cmocka_unit_test(room_is_filled_by_hand),
		cmocka_unit_test(lists_grow_shrink_and_join),
		cmocka_unit_test(splitting_keeps_empty_pieces),
		cmocka_unit_test(environments_replace_in_place),
		cmocka_unit_test(prefixes_and_suffixes),
		cmocka_unit_test(utf8_is_checked),
		cmocka_unit_test(distances_for_did_you_mean),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
