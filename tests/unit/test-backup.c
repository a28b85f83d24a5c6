/* Backups: what was packed comes back, and nothing that was changed does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/hash.h"
#include "volume/backup.h"

static char root[64];
static const struct backup_key key = { "0123456789abcdef0123456789abcde" };
static const struct backup_key other_key = { "0123456789abcdef0123456789abcdf" };

static char *in_root(const char *name)
{
	return xasprintf("%s/%s", root, name);
}

static void put(const char *name, const void *data, size_t len)
{
	cleanup_free char *path = in_root(name);
	struct err err = ERR_INIT;

	assert_int_equal(fs_write_atomic(AT_FDCWD, path, data, len, 0644, 0, &err), 0);
}

static int setup(void **state)
{
	cleanup_free char *dir = NULL;

	(void)state;
	snprintf(root, sizeof(root), "/tmp/stave-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	dir = in_root("data");
	if (mkdir(dir, 0755) < 0)
		return -1;
	put("data/a", "hello", 5);
	put("data/b", "", 0);
	return 0;
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	return fs_remove_tree(AT_FDCWD, root, &err);
}

static int write_backup(const char *name, const struct backup_key *with, struct backup_info *info)
{
	cleanup_json json_t *manifest = json_pack("{s:s}", "volume", "v");
	cleanup_free char *file = in_root(name), *data = in_root("data");
	struct backup_options options = { .key = with };
	struct err err = ERR_INIT;
	int r = backup_write(file, data, manifest, &options, info, &err);

	err_done(&err);
	return r;
}

static int verify(const char *name, const struct backup_key *with)
{
	cleanup_backup_info struct backup_info info = { 0 };
	cleanup_free char *file = in_root(name);
	struct backup_options options = { .key = with };
	struct err err = ERR_INIT;
	int r = backup_verify(file, &options, &info, &err);

	assert_true(r == 0 || err.msg);
	err_done(&err);
	return r;
}

static void load(const char *name, struct str *out)
{
	cleanup_free char *path = in_root(name);
	struct err err = ERR_INIT;

	assert_int_equal(fs_read(AT_FDCWD, path, 16 << 20, out, &err), 0);
}

static const struct backup_key *const keys[] = { NULL, &key };

static void test_counts(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		cleanup_backup_info struct backup_info wrote = { 0 }, read = { 0 };
		cleanup_free char *file = in_root("x");
		struct backup_options options = { .key = keys[k] };
		struct err err = ERR_INIT;

		assert_int_equal(write_backup("x", keys[k], &wrote), 0);
		assert_int_equal(wrote.entries, 3);
		assert_int_equal(wrote.bytes, 5);
		assert_int_equal(backup_verify(file, &options, &read, &err), 0);
		assert_int_equal(read.entries, 3);
		assert_int_equal(read.bytes, 5);
		assert_int_equal(read.encrypted, keys[k] != NULL);
		assert_string_equal(json_str(read.manifest, "volume", ""), "v");
	}
}

static void test_keys(void **state)
{
	cleanup_backup_info struct backup_info a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(write_backup("plain", NULL, &a), 0);
	assert_int_equal(write_backup("secret", &key, &b), 0);
	assert_int_equal(verify("secret", &key), 0);
	assert_int_equal(verify("secret", &other_key), -EBADMSG);
	assert_int_equal(verify("secret", NULL), -EINVAL);
	assert_int_equal(verify("plain", &key), -EINVAL);
}

/* Every byte of a small one. */
static void test_every_byte(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		cleanup_backup_info struct backup_info info = { 0 };
		cleanup_str struct str text = STR_INIT;

		assert_int_equal(write_backup("x", keys[k], &info), 0);
		load("x", &text);
		assert_in_range(text.len, 200, 4000);
		for (size_t i = 0; i < text.len; i++) {
			text.data[i] ^= (char)(1 << (i % 8));
			put("y", text.data, text.len);
			if (verify("y", keys[k]) >= 0)
				fail_msg("key %zu: a bit of byte %zu of %zu", k, i, text.len);
			text.data[i] ^= (char)(1 << (i % 8));
		}
		for (size_t i = 0; i < text.len; i++) {
			put("y", text.data, i);
			if (verify("y", keys[k]) >= 0)
				fail_msg("key %zu: cut at %zu of %zu", k, i, text.len);
		}
		put("y", text.data, text.len);
		assert_int_equal(verify("y", keys[k]), 0);
	}
}

/* Around the ends of pieces, with data that do not compress: sizes chosen so that the end mark
 * falls before, on and behind the border of a piece. */
static void test_pieces(void **state)
{
	cleanup_free char *noise = xmalloc(400000);

	(void)state;
	for (size_t i = 0; i < 400000; i += 64)
		hex_random(noise + i, 63);
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		for (size_t len = 129500; len < 131500; len += 97) {
			cleanup_backup_info struct backup_info info = { 0 };
			cleanup_str struct str text = STR_INIT;

			put("data/noise", noise, 2 * len);
			assert_int_equal(write_backup("x", keys[k], &info), 0);
			assert_int_equal(verify("x", keys[k]), 0);
			load("x", &text);
			for (size_t at = 65536; at < text.len; at += 65536 + 17) {
				text.data[at] ^= 1;
				put("y", text.data, text.len);
				assert_true(verify("y", keys[k]) < 0);
				text.data[at] ^= 1;
				put("y", text.data, at);
				assert_true(verify("y", keys[k]) < 0);
			}
		}
}

/* Pieces of an encrypted one that change places, or come twice. */
static void test_order(void **state)
{
	enum { HEAD = 18 + 24, PIECE = (64 << 10) + 17 };
	cleanup_backup_info struct backup_info info = { 0 };
	cleanup_str struct str text = STR_INIT;
	cleanup_free char *noise = xmalloc(400000), *piece = xmalloc(PIECE);

	(void)state;
	for (size_t i = 0; i < 400000; i += 64)
		hex_random(noise + i, 63);
	put("data/noise", noise, 400000);
	assert_int_equal(write_backup("x", &key, &info), 0);
	load("x", &text);
	assert_true(text.len > HEAD + 2 * PIECE);
	memcpy(piece, text.data + HEAD, PIECE);
	memcpy(text.data + HEAD, text.data + HEAD + PIECE, PIECE);
	put("y", text.data, text.len);
	assert_true(verify("y", &key) < 0);
	memcpy(text.data + HEAD + PIECE, piece, PIECE);
	put("y", text.data, text.len);
	assert_true(verify("y", &key) < 0);
	memcpy(text.data + HEAD, piece, PIECE);
	put("y", text.data, text.len);
	assert_true(verify("y", &key) < 0);
}

static bool at_once(void *data)
{
	(void)data;
	return true;
}

static void test_stopped(void **state)
{
	cleanup_json json_t *manifest = json_object();
	cleanup_free char *file = in_root("x"), *data = in_root("data");
	struct backup_options options = { .stop = at_once };
	struct backup_info info = { 0 };
	cleanup_strv struct strv names = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(backup_write(file, data, manifest, &options, &info, &err), -EINTR);
	assert_int_equal(err.kind, ERR_CANCELLED);
	err_done(&err);
	assert_int_equal(fs_list(AT_FDCWD, root, &names, &err), 0);
	assert_int_equal(names.n, 1); /* "data" */
}

static void test_names(void **state)
{
	cleanup_free char *name = backup_file_name("demo_data", 1795267501 * NSEC_PER_SEC, true);

	(void)state;
	assert_string_equal(name, "demo_data-20261121T132501Z.tar.zst.enc");
	assert_true(backup_file_is(name, "demo_data"));
	assert_false(backup_file_is(name, "demo"));
	assert_false(backup_file_is("demo-data-20261121T130501Z.tar.zst", "demo"));
	assert_true(backup_file_is("demo-data-20261121T130501Z.tar.zst", "demo-data"));
	assert_false(backup_file_is("demo-20261121T130501Z.tar", "demo"));
	assert_false(backup_file_is("demo-20261121T130501Z", "demo"));
	assert_false(backup_file_is("demo-", "demo"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
