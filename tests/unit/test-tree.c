/* Trees: what a build sees of a directory, and its hash. */
#include "base/cleanup.h"
#include "base/fs.h"
#include "build/tree.h"
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

struct box {
	char path[64];
	int fd;
};

static void put(int dir, const char *path, const char *text)
{
	struct err err = ERR_INIT;
	cleanup_free char *parent = path_dir(path);

	assert_int_equal(fs_mkdirs(dir, parent, 0755, &err), 0);
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void link_to(int dir, const char *target, const char *name)
{
	assert_int_equal(symlinkat(target, dir, name), 0);
}

static void set_mode(int dir, const char *name, mode_t mode)
{
	assert_int_equal(fchmodat(dir, name, mode, 0), 0);
}

static int set_up(void **state)
{
	struct box *b = new0(struct box);

	snprintf(b->path, sizeof(b->path), "/tmp/stave-tree-XXXXXX");
	assert_non_null(mkdtemp(b->path));
	b->fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(b->fd, "c", 0755);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct box *b = *state;
	struct err err = ERR_INIT;

	assert_int_equal(fs_remove_tree(AT_FDCWD, b->path, &err), 0);
	close(b->fd);
	free(b);
	return 0;
}

static struct tree open_tree(struct box *b)
{
	return (struct tree){ .fd = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			      .name = "the build context" };
}

static int note(void *data, const struct tree_entry *e, struct err *err)
{
	str_addf(data, "%s%s%s|", e->path, S_ISDIR(e->st.st_mode) ? "/" : "", e->late ? "+" : "");
	return 0;
}

static struct ignore *patterns(const char *lines)
{
	struct ignore *ignore = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(ignore_parse(lines, strlen(lines), ".dockerignore", &ignore, &err), 0);
	return ignore;
}

static void fill(int c)
{
	put(c, "a.txt", "a");
	put(c, "b.md", "b");
	put(c, "src/main.c", "main");
	put(c, "src/deep/x.c", "x");
	put(c, "src/deep/keep/y.c", "y");
	put(c, "out/o", "o");
	mkdirat(c, "empty", 0755);
	link_to(c, "src", "link");
	link_to(c, "/etc/passwd", "passwd");
	link_to(c, "loop2", "loop1");
	link_to(c, "loop1", "loop2");
	link_to(c, "../../../../..", "up");
	link_to(c, "nowhere", "dangling");
}

static void test_walks(void **state)
{
	static const struct {
		const char *name, *path, *ignore, *exclude, *include, *want;
	} walks[] = {
		{ "all", "", NULL, NULL, NULL,
		  "/|a.txt|b.md|dangling|empty/|link|loop1|loop2|out/|out/o|passwd|src/|src/deep/"
		  "|src/"
		  "deep/keep/|src/deep/keep/y.c|src/deep/x.c|src/main.c|up|" },
		{ "a directory", "src", NULL, NULL, NULL,
		  "/|deep/|deep/keep/|deep/keep/y.c|deep/x.c|main.c|" },
		{ "through a link", "link/deep", NULL, NULL, NULL, "/|keep/|keep/y.c|x.c|" },
		{ "a file", "src/main.c", NULL, NULL, NULL, "|" },
		{ "the root by a link that climbs out", "up/a.txt", NULL, NULL, NULL, "|" },
		{ "ignored", "", "l*\nout\nsrc/deep", NULL, NULL,
		  "/|a.txt|b.md|dangling|empty/|passwd|src/|src/main.c|up|" },
		{ "exceptions", "", "*\n!src/deep/keep\n!*.md", NULL, NULL,
		  "/|b.md|src/+|src/deep/+|src/deep/keep/|src/deep/keep/y.c|" },
		{ "an ignored directory with an exception", "src", "src\n!src/deep/x.c", NULL, NULL,
		  "/+|deep/+|deep/x.c|" },
		{ "excluded", "src", NULL, "**/*.c\n!deep/keep/*.c", NULL,
		  "/|deep/|deep/keep/|deep/keep/y.c|" },
		{ "an excluded file", "src/main.c", NULL, "*.c", NULL, "" },
		{ "included", "", NULL, NULL, "src/**/*.c",
		  "/|src/+|src/deep/+|src/deep/keep/+|src/deep/keep/y.c|src/deep/x.c|src/main.c|" },
		{ "an included directory", "", NULL, NULL, "src/deep",
		  "/|src/+|src/deep/|src/deep/keep/|src/deep/keep/y.c|src/deep/x.c|" },
	};
	struct box *b = *state;
	cleanup_fd int c = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	fill(c);
	for (size_t i = 0; i < ARRAY_SIZE(walks); i++) {
		cleanup(ignore_free_cleanup) struct ignore *ignore = NULL, *exclude = NULL;
		cleanup_str struct str out = STR_INIT;
		struct err err = ERR_INIT;
		struct tree tree = open_tree(b);

		if (walks[i].ignore)
			ignore = patterns(walks[i].ignore);
		if (walks[i].exclude)
			exclude = patterns(walks[i].exclude);
		tree.ignore = ignore;
		struct tree_walk walk = { note, &out, exclude, walks[i].include };
		check(walks[i].name, tree_walk(&tree, walks[i].path, &walk, &err) == 0, "%s",
		      err.msg);
		check_text(walks[i].name, str_text(&out), walks[i].want);
		close(tree.fd);
	}
}

static void test_not_found(void **state)
{
	static const struct {
		const char *path, *ignore, *want;
	} cases[] = {
		{ "nix", NULL, "'nix' is not in the build context" },
		{ "src/nix/x", NULL, "'src/nix/x' is not in the build context" },
		{ "a.txt/x", NULL, "'a.txt/x' is not in the build context" },
		{ "dangling", NULL, "'nowhere' is not in the build context" },
		{ "passwd", NULL, "'etc/passwd' is not in the build context" },
		{ "../../etc/passwd", NULL, "'etc/passwd' is not in the build context" },
		{ "loop1", NULL,
		  "'loop1' in the build context: Too many levels of symbolic links" },
		{ "out/o", "out",
		  "'out/o' is not in the build context: .dockerignore leaves it out" },
		{ "link/main.c", "src",
		  "'link/main.c' is not in the build context: .dockerignore leaves it out" },
	};
	struct box *b = *state;
	cleanup_fd int c = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	fill(c);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(ignore_free_cleanup) struct ignore *ignore = NULL;
		cleanup_strv struct strv found = { 0 };
		struct err err = ERR_INIT;
		struct tree tree = open_tree(b);
		cleanup_fd int fd = tree.fd;

		if (cases[i].ignore)
			ignore = patterns(cases[i].ignore);
		tree.ignore = ignore;
		check(cases[i].path, tree_resolve(&tree, cases[i].path, &found, &err) < 0, "found");
		check_text(cases[i].path, err.msg, cases[i].want);
		err_done(&err);
	}
}

static void test_resolve(void **state)
{
	static const struct {
		const char *source, *ignore, *want;
	} cases[] = {
		{ "a.txt", NULL, "a.txt" },
		{ "./src/../a.txt", NULL, "a.txt" },
		{ "/../../a.txt", NULL, "a.txt" },
		{ ".", NULL, "" },
		{ "/", NULL, "" },
		{ "src/", NULL, "src" },
		{ "*.txt", NULL, "a.txt" },
		{ "*.??", NULL, "b.md" },
		{ "nix*", NULL, "(none)" },
		{ "src/*", NULL, "src/deep src/main.c" },
		{ "*/*.c", NULL, "src/main.c" },
		{ "s*/d*/*", NULL, "src/deep/keep src/deep/x.c" },
		{ "link/*.c", NULL, "src/main.c" },
		{ "[ab].*", NULL, "a.txt b.md" },
		{ "*.*", "*.md", "a.txt" },
		{ "../*.txt", NULL, "a.txt" },
		{ "up/*.txt", NULL, "a.txt" },
	};
	struct box *b = *state;
	cleanup_fd int c = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	fill(c);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(ignore_free_cleanup) struct ignore *ignore = NULL;
		cleanup_strv struct strv found = { 0 };
		struct err err = ERR_INIT;
		struct tree tree = open_tree(b);
		cleanup_fd int fd = tree.fd;

		if (cases[i].ignore)
			ignore = patterns(cases[i].ignore);
		tree.ignore = ignore;
		check(cases[i].source, tree_resolve(&tree, cases[i].source, &found, &err) == 0,
		      "%s", err.msg);
		cleanup_free char *got = found.n ? strv_join(&found, " ") : xstrdup("(none)");
		check_text(cases[i].source, got, cases[i].want);
	}
}

static void digest_of(struct box *b, struct digest_cache *cache, bool keep_owner, char hex[65])
{
	cleanup(hash_free_cleanup) struct hash *h = hash_new();
	struct err err = ERR_INIT;
	struct tree tree = open_tree(b);

	tree.cache = cache;
	tree.keep_owner = keep_owner;
	check("digest", tree_digest(&tree, "", NULL, NULL, h, &err) == 0, "%s", err.msg);
	hash_end(h, hex);
	close(tree.fd);
}

/* Each change of what an image keeps changes the hash; times do not. */
static void test_digest(void **state)
{
	struct box *b = *state;
	cleanup_fd int c = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char before[65], after[65];
	struct timespec times[2] = { { 1, 2 }, { 3, 4 } };

	fill(c);
	digest_of(b, NULL, false, before);
	utimensat(c, "a.txt", times, 0);
	utimensat(c, "src", times, 0);
	utimensat(c, ".", times, 0);
	set_mode(c, ".", 0700); /* the context's own mode goes nowhere */
	digest_of(b, NULL, false, after);
	assert_string_equal(before, after);
	set_mode(c, "a.txt", 0600);
	digest_of(b, NULL, false, after);
	assert_string_not_equal(before, after);
	set_mode(c, "a.txt", 0644);
	digest_of(b, NULL, false, after);
	assert_string_equal(before, after);
	unlinkat(c, "link", 0);
	link_to(c, "out", "link");
	digest_of(b, NULL, false, after);
	assert_string_not_equal(before, after);
	unlinkat(c, "link", 0);
	link_to(c, "src", "link");
	renameat(c, "a.txt", c, "a2.txt");
	digest_of(b, NULL, false, after);
	assert_string_not_equal(before, after);
	renameat(c, "a2.txt", c, "a.txt");
	put(c, "a.txt", "A");
	digest_of(b, NULL, false, after);
	assert_string_not_equal(before, after);
	put(c, "a.txt", "a");
	cleanup_fd int fd = openat(c, "a.txt", O_RDONLY | O_CLOEXEC);
	if (fsetxattr(fd, "user.x", "1", 1, 0) == 0) {
		digest_of(b, NULL, false, after);
		assert_string_not_equal(before, after);
		fremovexattr(fd, "user.x");
	}
	if (geteuid() == 0) {
		assert_int_equal(fchownat(c, "a.txt", 7, 8, 0), 0);
		digest_of(b, NULL, false, after);
		assert_string_equal(before, after);
		digest_of(b, NULL, true, after);
		assert_string_not_equal(before, after);
	}
}

/* FIFOs and devices are seen, and never opened: this would hang or read for ever. */
static void test_special(void **state)
{
	struct box *b = *state;
	cleanup_fd int c = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char before[65], after[65];

	put(c, "x\ny\t\xFF", "odd name");
	assert_int_equal(mkfifoat(c, "fifo", 0644), 0);
	digest_of(b, NULL, false, before);
	if (mknodat(c, "zero", S_IFCHR | 0666, makedev(1, 5)) < 0)
		skip();
	digest_of(b, NULL, false, after);
	assert_string_not_equal(before, after);
}

static void test_depth(void **state)
{
	struct box *b = *state;
	struct err err = ERR_INIT;
	cleanup_str struct str out = STR_INIT;
	int at = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < TREE_DEPTH_MAX + 2; i++) {
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(at);
	struct tree tree = open_tree(b);
	struct tree_walk walk = { note, &out, NULL, NULL };
	assert_true(tree_walk(&tree, "", &walk, &err) < 0);
	assert_int_equal(err.kind, ERR_INPUT);
	err_done(&err);
	close(tree.fd);
}

/* The cache gives what reading would; a changed file is read again; a damaged cache is none. */
static void test_cache(void **state)
{
	struct box *b = *state;
	cleanup_fd int c = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char plain[65], hex[65];
	uint64_t was_read, known;
	struct err err = ERR_INIT;

	fill(c);
	usleep(150000); /* files this young are not remembered */
	digest_of(b, NULL, false, plain);
	struct digest_cache *cache = digest_cache_open(b->fd, "digests");
	digest_of(b, cache, false, hex);
	assert_string_equal(hex, plain);
	digest_cache_counts(cache, &was_read, &known);
	assert_int_equal(was_read, 6);
	assert_int_equal(known, 0);
	assert_int_equal(digest_cache_save(cache, &err), 0);
	digest_cache_free(cache);

	put(c, "src/main.c", "MAIN"); /* same size */
	digest_of(b, NULL, false, plain);
	cache = digest_cache_open(b->fd, "digests");
	digest_of(b, cache, false, hex);
	assert_string_equal(hex, plain);
	digest_cache_counts(cache, &was_read, &known);
	assert_int_equal(was_read, 1);
	assert_int_equal(known, 5);
	assert_int_equal(digest_cache_save(cache, &err), 0);
	digest_cache_free(cache);

	put(b->fd, "digests", "stvdig01 nonsense");
	cache = digest_cache_open(b->fd, "digests");
	digest_of(b, cache, false, hex);
	assert_string_equal(hex, plain);
	digest_cache_counts(cache, &was_read, &known);
	assert_int_equal(known, 0);
	digest_cache_free(cache);
}

/* A file that was written a moment ago may be written again without its times telling. */
static void test_young(void **state)
{
	struct box *b = *state;
	cleanup_fd int c = openat(b->fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char one[65], two[65];
	struct err err = ERR_INIT;

	for (int i = 0; i < 20; i++) {
		struct digest_cache *cache = digest_cache_open(b->fd, "digests");
		put(c, "f", i % 2 ? "odd!" : "even");
		digest_of(b, cache, false, i % 2 ? one : two);
		if (i)
			assert_string_not_equal(one, two);
		assert_int_equal(digest_cache_save(cache, &err), 0);
		digest_cache_free(cache);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_walks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_resolve, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_digest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_special, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cache, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_young, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
