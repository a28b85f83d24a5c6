/* Layers from hostile archives: nothing outside the layer is written, and every refusal says why.
 */
#include "image-fixture.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define DIR AE_IFDIR, 0755

/* Unpacks into a fresh layer, whose root comes back. */
static int unpack(struct fixture *f, const struct tar_entry *entries, size_t count, int filter,
		  const struct unpack_limits *limits, struct layer_writer *w,
		  struct unpack_result *result, struct err *err)
{
	int fd = tar_make(entries, count, filter), r;
	struct unpack_source source = { read_fd_source, &fd };

	assert_int_equal(image__layer_begin(f->store, w, err), 0);
	r = image__unpack(f->store, w->root, &source, limits, result, err);
	close(fd);
	return r;
}

static void test_tree(void **state)
{
	static const struct tar_entry entries[] = {
		{ "./", DIR, .uid = 1, .gid = 2, .mtime = 1000 },
		{ "./etc/", DIR, .mtime = 1001 },
		{ "./etc/passwd", .data = "root:x:0:0\n", .mtime = 1002 },
		{ "./bin/su", .mode = 04755, .data = "#!", .uid = 0, .gid = 7 },
		{ "./bin/ping", .data = "x", .xattr = "user.note", .xattr_value = "hello" },
		{ "./lib", AE_IFLNK, .link = "usr/lib", .mtime = 1003 },
		{ "./etc/hard", .link = "etc/passwd" },
		{ "./pipe", AE_IFIFO, 0600 },
		{ "./dev/null", AE_IFCHR, 0666, .major = 1, .minor = 3 },
		{ "./caf\303\251", .data = "utf-8" },
		{ "./etc/passwd2", .data = "" },
	};
	static const int filters[] = { ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP,
				       ARCHIVE_FILTER_ZSTD, ARCHIVE_FILTER_XZ,
				       ARCHIVE_FILTER_BZIP2 };
	char first[DIGEST_TEXT] = "";

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
		struct unpack_result result;
		struct err err = ERR_INIT;
		struct stat st, st2;
		char buf[64] = "";

		if (unpack(*state, entries, ARRAY_SIZE(entries), filters[i], NULL, &w, &result,
			   &err) < 0)
			fail_msg("%s", err.msg);
		/* The identity is that of the bytes inside the compression. */
		if (!first[0])
			memcpy(first, result.diff_id, DIGEST_TEXT);
		assert_string_equal(first, result.diff_id);
		assert_int_equal(fstat(w.root, &st), 0);
		assert_int_equal(st.st_uid, 1);
		assert_int_equal(st.st_gid, 2);
		assert_int_equal(st.st_mtime, 1000);
		assert_int_equal(fstatat(w.root, "bin/su", &st, 0), 0);
		assert_int_equal(st.st_mode, S_IFREG | 04755);
		assert_int_equal(st.st_gid, 7);
		assert_int_equal(fstatat(w.root, "etc", &st, 0), 0);
		assert_int_equal(st.st_mtime, 1001);
		assert_int_equal(fstatat(w.root, "etc/passwd", &st, 0), 0);
		assert_int_equal(fstatat(w.root, "etc/hard", &st2, 0), 0);
		assert_true(st.st_ino == st2.st_ino && st.st_mtime == 1002);
		assert_int_equal(fstatat(w.root, "lib", &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_true(S_ISLNK(st.st_mode) && st.st_mtime == 1003);
		assert_int_equal(fstatat(w.root, "pipe", &st, 0), 0);
		assert_true(S_ISFIFO(st.st_mode));
		assert_int_equal(fstatat(w.root, "dev/null", &st, 0), 0);
		assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
		assert_int_equal(fstatat(w.root, "caf\303\251", &st, 0), 0);
		int fd = openat(w.root, "bin/ping", O_RDONLY);
		assert_int_equal(fgetxattr(fd, "user.note", buf, sizeof(buf)), 5);
		close(fd);
	}
}

/* Each is refused with this word in the message, or harmless (no word); afterwards nothing stands
 * outside. */
static void test_hostile(void **state)
{
	static const struct {
		const char *what, *word;
		struct tar_entry e[4];
	} cases[] = {
		{ "dot dot", "leads out", { { "../escape", .data = "x" } } },
		{ "dot dot inside", "leads out", { { "a/../../escape", .data = "x" } } },
		{ "absolute", NULL, { { "/escape", .data = "x" } } },
		{ "symlinked parent",
		  NULL,
		  { { "out", AE_IFLNK, .link = "../.." }, { "out/escape", .data = "x" } } },
		{ "absolute symlinked parent",
		  "cannot", /* inside the root there is no such directory */
		  { { "out", AE_IFLNK, .link = "/tmp" }, { "out/escape", .data = "x" } } },
		{ "file over symlink",
		  NULL,
		  { { "f", AE_IFLNK, .link = "../../escape" }, { "f", .data = "x" } } },
		{ "hard link out", "leads out", { { "h", .link = "../../lock" } } },
		{ "hard link through symlink",
		  "hard link",
		  { { "s", AE_IFLNK, .link = "/etc" }, { "h", .link = "s/passwd" } } },
		{ "hard link to nothing", "hard link", { { "h", .link = "nothing" } } },
		{ "whiteout of dots", "whiteout", { { "a/.wh...", .data = "" } } },
		{ "whiteout of nothing", "whiteout", { { "a/.wh.", .data = "" } } },
		{ "symlink loop",
		  "symbolic links",
		  { { "a", AE_IFLNK, .link = "b" }, { "b", AE_IFLNK, .link = "a" }, { "a/x" } } },
		{ "owner out of range", "range", { { "f", .uid = 4294967295LL } } },
		{ "root is a file", "root", { { ".", .data = "x" } } },
		{ "file as directory", "'a/b'", { { "a", .data = "x" }, { "a/b", .data = "x" } } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = *state;
		cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
		cleanup_err struct err err = ERR_INIT;
		struct unpack_result result;
		cleanup_free char *outside = xasprintf("%s/layers/escape", f->root);
		cleanup_free char *above = xasprintf("%s/escape", f->root);
		size_t n = 0;
		int r;

		while (n < 4 && cases[i].e[n].name)
			n++;
		r = unpack(f, cases[i].e, n, ARCHIVE_FILTER_NONE, NULL, &w, &result, &err);
		if (cases[i].word && str_eq(cases[i].word, "cannot"))
			assert_true(r == 0 || err.kind != ERR_NONE);
		else if (cases[i].word && (r == 0 || !strstr(err.msg, cases[i].word)))
			fail_msg("%s: '%s'", cases[i].what, r ? err.msg : "was taken");
		else if (!cases[i].word && r < 0)
			fail_msg("%s: %s", cases[i].what, err.msg);
		if (fs_exists(AT_FDCWD, "/tmp/escape") || fs_exists(AT_FDCWD, outside) ||
		    fs_exists(AT_FDCWD, above) || fs_exists(AT_FDCWD, "/escape"))
			fail_msg("%s: something was written outside", cases[i].what);
	}
}

static void test_whiteouts(void **state)
{
	static const struct tar_entry entries[] = {
		{ ".wh.gone", .data = "" },
		{ "dir/", DIR },
		{ "dir/.wh..wh..opq", .data = "" },
		{ ".wh..wh.plnk", .data = "" },
		{ ".wh.again", .data = "" },
		{ "again/", DIR },
		{ "kept/", DIR },
		{ ".wh.kept", .data = "" },
		{ "plain/", DIR, .xattr = "user.overlay.redirect", .xattr_value = "/etc" },
		{ "plain2/", DIR, .xattr = "trusted.overlay.opaque", .xattr_value = "y" },
	};
	static const struct {
		const char *name;
		bool opaque;
	} dirs[] = { { "dir", true },
		     { "again", true },
		     { "kept", true },
		     { "plain", false },
		     { "plain2", false } };
	cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
	struct unpack_result result;
	struct err err = ERR_INIT;
	struct stat st;
	char list[256];

	if (unpack(*state, entries, ARRAY_SIZE(entries), ARCHIVE_FILTER_NONE, NULL, &w, &result,
		   &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(fstatat(w.root, "gone", &st, 0), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	assert_false(fs_exists(w.root, ".wh..wh.plnk"));
	assert_false(fs_exists(w.root, "plnk"));
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		int fd = openat(w.root, dirs[i].name, O_RDONLY | O_DIRECTORY);
		char value = 0;
		ssize_t n = fgetxattr(fd, "user.overlay.opaque", &value, 1);

		assert_true(fd >= 0);
		if ((n == 1 && value == 'y') != dirs[i].opaque)
			fail_msg("'%s' opaque: %zd", dirs[i].name, n);
		if (!dirs[i].opaque)
			assert_int_equal(flistxattr(fd, list, sizeof(list)), 0);
		close(fd);
	}
}

static void test_limits(void **state)
{
	static const struct tar_entry many[] = { { "a", .data = "1" },
						 { "b", .data = "2" },
						 { "c", .data = "3" } };
	static const struct {
		struct unpack_limits limits;
		const char *word;
	} cases[] = {
		{ { .entries = 2 }, "more than 2 entries" },
		{ { .bytes = 1024 }, "more than 1024 bytes" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
		cleanup_err struct err err = ERR_INIT;
		struct unpack_result result;

		assert_true(unpack(*state, many, ARRAY_SIZE(many), ARCHIVE_FILTER_GZIP,
				   &cases[i].limits, &w, &result, &err) < 0);
		if (!strstr(err.msg, cases[i].word))
			fail_msg("%s", err.msg);
	}
}

/* A name of a megabyte, a component of 256, and bytes that are no archive at all. */
static void test_nonsense(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *component = xcalloc(1, 300);
	cleanup_free char *deep = xcalloc(1, 6000);
	const char *const names[] = { component, deep };

	memset(component, 'x', 256);
	for (int i = 0; i < 5000; i++)
		deep[i] = i % 2 ? '/' : 'd';
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct tar_entry e = { names[i], .data = "x" };
		cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
		cleanup_err struct err err = ERR_INIT;
		struct unpack_result result;

		assert_true(unpack(f, &e, 1, ARCHIVE_FILTER_NONE, NULL, &w, &result, &err) < 0);
		assert_int_equal(err.kind, ERR_INPUT);
	}
	static const char *const junk[] = { "hello, this is not a tar", "\x1f\x8b\x08garbage",
					    "\x28\xb5\x2f\xfdgarbage" };
	for (size_t i = 0; i < ARRAY_SIZE(junk); i++) {
		cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
		cleanup_err struct err err = ERR_INIT;
		struct unpack_result result;
		int fd = memfd_create("junk", MFD_CLOEXEC);
		struct unpack_source source = { read_fd_source, &fd };

		assert_int_equal(fs_write_all(fd, junk[i], strlen(junk[i])), 0);
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(image__layer_begin(f->store, &w, &err), 0);
		assert_true(image__unpack(f->store, w.root, &source, NULL, &result, &err) < 0);
		close(fd);
	}
}

/* A truncated archive is an error wherever it is cut. */
static void test_truncated(void **state)
{
	struct fixture *f = *state;
	static const struct tar_entry entries[] = { { "a", .data = "some data" },
						    { "b", .data = "more data" } };
	static const int filters[] = { ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD };

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		int fd = tar_make(entries, 2, filters[i]);
		off_t size = lseek(fd, 0, SEEK_END);

		for (off_t cut = size - 1; cut > size / 2; cut -= 7) {
			cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
			cleanup_err struct err err = ERR_INIT;
			struct unpack_result result;
			struct unpack_source source = { read_fd_source, &fd };

			assert_int_equal(ftruncate(fd, cut), 0);
			lseek(fd, 0, SEEK_SET);
			assert_int_equal(image__layer_begin(f->store, &w, &err), 0);
			if (image__unpack(f->store, w.root, &source, NULL, &result, &err) == 0)
				fail_msg("filter %zu cut at %d of %d was taken", i, (int)cut,
					 (int)size);
		}
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tree, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_hostile, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_whiteouts, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_limits, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_truncated, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
