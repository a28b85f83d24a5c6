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

/* --- large files: several threads, blocks past the page cache --- */

/* Text that differs from byte to byte and from file to file, `size` long. */
static char *noise(size_t size, unsigned seed)
{
	char *text = xmalloc(size + 1);

	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245u + 12345u;
		text[i] = (char)('!' + (seed >> 16) % 90);
	}
	text[size] = '\0';
	return text;
}

static void same_content(int root, const char *name, const char *want)
{
	cleanup_str struct str have = STR_INIT;
	cleanup_err struct err err = ERR_INIT;

	if (fs_read(root, name, 64 << 20, &have, &err) < 0)
		fail_msg("%s", err.msg);
	if (have.len != strlen(want) || memcmp(have.data, want, have.len) != 0)
		fail_msg("'%s' has other bytes (%zu of %zu)", name, have.len, strlen(want));
}

/* Around the sizes of chunks and blocks, and, by the attributes, at every place in a chunk. */
static void test_large_files(void **state)
{
	static const size_t sizes[] = { 65535,	       65536,	 65537,
					131072,	       3u << 20, (1 << 20) - 512,
					(1 << 20) + 1, 300000,	 (5 << 20) + 4095,
					4097,	       1,	 700001 };
	static const int filters[] = { ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP,
				       ARCHIVE_FILTER_ZSTD };
	struct tar_entry entries[ARRAY_SIZE(sizes)] = { 0 };
	char names[ARRAY_SIZE(sizes)][8], first[DIGEST_TEXT] = "";
	cleanup_free char *value = noise(9000, 7);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		entries[i].name = names[i];
		entries[i].data = noise(sizes[i], (unsigned)i);
		if (i % 3 == 1) {
			entries[i].xattr = "user.note";
			entries[i].xattr_value = value + 7000 + 300 * (i % 5);
		}
	}
	for (size_t k = 0; k < ARRAY_SIZE(filters); k++) {
		cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
		struct unpack_result result;
		struct err err = ERR_INIT;

		if (unpack(*state, entries, ARRAY_SIZE(entries), filters[k], NULL, &w, &result,
			   &err) < 0)
			fail_msg("%s", err.msg);
		if (!first[0])
			memcpy(first, result.diff_id, DIGEST_TEXT);
		assert_string_equal(first, result.diff_id);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			same_content(w.root, names[i], entries[i].data);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		free((char *)entries[i].data);
}

struct broken_source {
	int fd;
	uint64_t left; /* before it fails, or before what comes is damaged */
	bool damage;
};

static ssize_t read_broken(void *data, void *buf, size_t size, struct err *err)
{
	struct broken_source *b = data;
	ssize_t n;

	if (!b->left && !b->damage)
		return err_new(err, ERR_NETWORK, ECONNRESET, "the wire is cut");
	n = read(b->fd, buf, b->left && size > b->left ? b->left : size);
	if (!b->left && n > 0)
		memset(buf, 0xff, (size_t)n);
	b->left -= b->left ? (uint64_t)n : 0;
	return n;
}

/* Wherever it ends: one error, the first one's, and nobody waits for the rest. */
static void test_large_and_broken(void **state)
{
	static const struct {
		uint64_t at;
		bool damage;
		enum err_kind kind;
	} cases[] = {
		{ 300, false, ERR_NETWORK },
		{ 2 << 20, false, ERR_NETWORK },
		{ (4 << 20) + 77, false, ERR_NETWORK },
		{ 1 << 20, true, ERR_INPUT },
		{ (5 << 20) + 1, true, ERR_INPUT },
	};
	struct fixture *f = *state;
	cleanup_free char *text = noise(12 << 20, 3);
	const struct tar_entry good[] = { { "a", .data = text }, { "b", .data = text } };
	const struct tar_entry hostile[] = { { "../out", .data = text }, { "b", .data = text } };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		size_t k = i % ARRAY_SIZE(cases);
		bool bad = i >= ARRAY_SIZE(cases); /* the caller stops before the source does */
		cleanup_fd int fd = tar_make(bad ? hostile : good, 2, ARCHIVE_FILTER_GZIP);
		struct broken_source b = { fd, cases[k].at, cases[k].damage };
		struct unpack_source source = { read_broken, &b };
		cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
		cleanup_err struct err err = ERR_INIT;
		struct unpack_result result;

		assert_int_equal(image__layer_begin(f->store, &w, &err), 0);
		assert_true(image__unpack(f->store, w.root, &source, NULL, &result, &err) < 0);
		if (err.kind != cases[k].kind && !(bad && strstr(err.msg, "leads out")))
			fail_msg("cut at %llu: %s", (unsigned long long)cases[k].at, err.msg);
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
		cmocka_unit_test_setup_teardown(test_large_files, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_large_and_broken, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_truncated, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
