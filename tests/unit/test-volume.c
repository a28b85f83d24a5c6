/* Volumes: made once, found again, compared, removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "volume/volume.h"

static char root[64];

static int setup(void **state)
{
	snprintf(root, sizeof(root), "/tmp/stave-test-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;

	return fs_remove_tree(AT_FDCWD, root, &err);
}

static void test_life(void **state)
{
	cleanup_volume struct volume v = { 0 }, again = { 0 }, loaded = { 0 };
	cleanup_json json_t *labels = json_pack("{s:s}", "a", "b");
	struct volume want = { .name = (char *)"demo_data",
			       .project = (char *)"demo",
			       .key = (char *)"data",
			       .labels = labels };
	cleanup_strv struct strv names = { 0 };
	struct err err = ERR_INIT;
	struct stat st;
	bool created = false;

	assert_int_equal(volume_create(root, &want, &v, &created, &err), 0);
	assert_true(created);
	assert_int_equal(stat(v.path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(volume_create(root, &want, &again, &created, &err), 0);
	assert_false(created);
	assert_int_equal(volume_load(root, "demo_data", &loaded, &err), 0);
	assert_string_equal(loaded.project, "demo");
	assert_string_equal(loaded.key, "data");
	assert_string_equal(json_str(loaded.labels, "a", ""), "b");
	assert_true(loaded.created > 0);
	assert_int_equal(volume_list(root, &names, &err), 0);
	assert_int_equal(names.n, 1);
	assert_int_equal(volume_remove(root, "demo_data", &err), 0);
	assert_int_equal(volume_remove(root, "demo_data", &err), 0);
	assert_true(stat(v.path, &st) < 0);
}

/* Without its name it is no volume any more, and what is left of it is found. */
static void test_bury(void **state)
{
	struct volume want = { .name = (char *)"old" };
	cleanup_strv struct strv names = { 0 }, left = { 0 };
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *path = NULL, *none = NULL;

	(void)state;
	assert_int_equal(volume_create(root, &want, NULL, NULL, &err), 0);
	assert_int_equal(volume_bury(root, "old", &path, &err), 0);
	assert_true(fs_exists(AT_FDCWD, path));
	assert_int_equal(volume_list(root, &names, &err), 0);
	assert_int_equal(names.n, 0);
	assert_int_equal(volume_bury(root, "old", &none, &err), 0);
	assert_null(none);
	assert_int_equal(volume_unnamed(root, &left, &err), 0);
	assert_int_equal(left.n, 1);
	assert_string_equal(left.v[0], path);
	assert_int_equal(fs_remove_tree(AT_FDCWD, path, &err), 0);
}

static void test_bind(void **state)
{
	cleanup_json json_t *options =
		json_pack("{s:s,s:s,s:s}", "type", "none", "o", "bind", "device", root);
	cleanup_json json_t *other =
		json_pack("{s:s,s:s,s:s}", "type", "none", "o", "bind", "device", "/");
	struct volume want = { .name = (char *)"b", .options = options };
	cleanup_volume struct volume v = { 0 };
	cleanup_err struct err err = ERR_INIT;

	assert_int_equal(volume_create(root, &want, &v, NULL, &err), 0);
	assert_string_equal(v.path, root);
	want.options = other;
	assert_true(volume_create(root, &want, NULL, NULL, &err) < 0);
	assert_int_equal(err.kind, ERR_CONFLICT);
	err_done(&err);
	assert_int_equal(volume_remove(root, "b", &err), 0);
	assert_true(fs_exists(AT_FDCWD, root));
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *driver, *type, *device;
		enum err_kind kind;
	} cases[] = {
		{ "../x", NULL, NULL, NULL, ERR_INPUT },
		{ ".x", NULL, NULL, NULL, ERR_INPUT },
		{ "", NULL, NULL, NULL, ERR_INPUT },
		{ "a/b", NULL, NULL, NULL, ERR_INPUT },
		{ "a\n", NULL, NULL, NULL, ERR_INPUT },
		{ "x", "rclone", NULL, NULL, ERR_UNSUPPORTED },
		{ "x", NULL, "nfs", NULL, ERR_INPUT },
		{ "x", NULL, NULL, ":/export", ERR_INPUT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_json json_t *options = json_object();
		struct volume want = { .name = (char *)cases[i].name,
				       .driver = (char *)cases[i].driver,
				       .options = options };
		cleanup_strv struct strv names = { 0 };
		cleanup_err struct err err = ERR_INIT;

		json_put_str(options, "type", cases[i].type);
		json_put_str(options, "device", cases[i].device);
		if (volume_create(root, &want, NULL, NULL, &err) == 0)
			fail_msg("case %zu was taken", i);
		assert_int_equal(err.kind, cases[i].kind);
		err_done(&err);
		assert_int_equal(volume_list(root, &names, &err), 0);
		assert_int_equal(names.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bury, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
