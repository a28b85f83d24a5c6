#include "test.h"

#include "base/fs.h"
#include "base/json.h"

#include <fcntl.h>

static void parsing_names_the_place(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "{}", true },		  { "[1,2]", true },
		{ "\"text\"", true },	  { "", false },
		{ "{", false },		  { "{\"a\":1,\"a\":2}", false },
		{ "{} trailing", false }, { "{'a':1}", false },
		{ "nul", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_json json_t *j = NULL;
		int r = json_parse(cases[i].text, strlen(cases[i].text), "state.json", &j, &err);
		check(cases[i].text, (r == 0) == cases[i].valid, "got %d", r);
		check(cases[i].text, (j != NULL) == cases[i].valid, "output");
		if (r < 0)
			check(cases[i].text, str_starts(err.msg, "state.json:1:"), "%s", err.msg);
	}
	cleanup_str struct str deep = STR_INIT;
	for (int i = 0; i < 100000; i++)
		str_addc(&deep, '[');
	cleanup_err struct err err = ERR_INIT;
	json_t *j = NULL;
	assert_int_equal(json_parse(str_text(&deep), deep.len, "deep", &j, &err), -EINVAL);
}

static void members_have_defaults(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"i\":-7,\"d\":1.5,\"b\":true,\"n\":null,"
				   "\"l\":[\"a\",1,\"b\",null]}";
	cleanup_err struct err err = ERR_INIT;
	cleanup_json json_t *j = NULL;
	assert_int_equal(json_parse(text, strlen(text), "text", &j, &err), 0);
	assert_string_equal(json_str(j, "s", "-"), "x");
	assert_string_equal(json_str(j, "i", "-"), "-");
	assert_string_equal(json_str(j, "n", "-"), "-");
	assert_string_equal(json_str(j, "none", "-"), "-");
	assert_int_equal(json_int(j, "i", 3), -7);
	assert_int_equal(json_int(j, "s", 3), 3);
	assert_true(json_num(j, "d", 0) == 1.5);
	assert_true(json_num(j, "i", 0) == -7);
	assert_true(json_flag(j, "b", false));
	assert_true(json_flag(j, "s", true));
	cleanup_strv struct strv list = { 0 };
	json_strv(j, "l", &list);
	json_strv(j, "s", &list);
	cleanup_free char *joined = strv_join(&list, ",");
	assert_string_equal(joined, "a,b");
	assert_string_equal(json_str(NULL, "s", "-"), "-");
}

static void equal_values_give_equal_text(void **state)
{
	cleanup_json json_t *a = json_object();
	cleanup_strv struct strv list = { 0 };
	strv_add(&list, "x");
	json_put(a, "b", json_from_strv(&list));
	json_put(a, "none", NULL);
	json_put_str(a, "a", "1");
	json_put_str(a, "c", NULL);
	cleanup_free char *text = json_text(a);
	assert_string_equal(text, "{\"a\":\"1\",\"b\":[\"x\"]}");
}

static void files_round_trip(void **state)
{
	char dir[] = "/tmp/stave-test-json-XXXXXX";
	assert_non_null(mkdtemp(dir));
	cleanup_err struct err err = ERR_INIT;
	cleanup_fd int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_json json_t *j = json_object(), *back = NULL;
	json_put_str(j, "name", "web");
	assert_int_equal(json_write(fd, "a.json", j, 0600, FS_SYNC, &err), 0);
	assert_int_equal(json_read(fd, "a.json", 1000, &back, &err), 0);
	assert_true(json_equal(j, back));
	json_t *small = NULL;
	assert_int_equal(json_read(fd, "a.json", 5, &small, &err), -EINVAL);
	err_done(&err);
	assert_int_equal(json_read(fd, "b.json", 5, &small, &err), -ENOENT);
	err_done(&err);
	assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing_names_the_place),
		cmocka_unit_test(members_have_defaults),
		cmocka_unit_test(equal_values_give_equal_text),
		cmocka_unit_test(files_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
