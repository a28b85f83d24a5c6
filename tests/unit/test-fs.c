#include "test.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Each test has a directory of its own; `top` is open on it. */
struct world {
	char dir[40];
	int top;
};

static int setup(void **state)
{
	struct world *w = new0(struct world);
	memcpy(w->dir, "/tmp/stave-test-fs-XXXXXX", 26);
	assert_non_null(mkdtemp(w->dir));
	w->top = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->top >= 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	int r = fs_remove_tree(AT_FDCWD, w->dir, &err);
	if (r < 0)
		print_error("%s\n", err.msg);
	err_done(&err);
	close(w->top);
	free(w);
	return r;
}

static void put(int top, const char *path, const char *text)
{
	struct err err = ERR_INIT;
	assert_int_equal(fs_write_atomic(top, path, text, strlen(text), 0644, 0, &err), 0);
}

static void reading_has_bounds(void **state)
{
	struct world *w = *state;
	put(w->top, "five", "12345");
	assert_int_equal(mkfifoat(w->top, "fifo", 0600), 0);
	static const struct {
		const char *path;
		size_t max;
		int result;
		enum err_kind kind;
	} cases[] = {
		{ "five", 5, 0, ERR_NONE },
		{ "five", 100, 0, ERR_NONE },
		{ "five", 4, -EINVAL, ERR_INPUT },
		{ "five", 0, -EINVAL, ERR_INPUT },
		{ "fifo", 10, -EINVAL, ERR_INPUT },
		{ ".", 10, -EINVAL, ERR_INPUT },
		{ "none", 10, -ENOENT, ERR_NOT_FOUND },
		{ "/proc/self/stat", 4096, 0, ERR_NONE }, /* its size reads 0 */
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_str struct str text = STR_INIT;
		int r = fs_read(w->top, cases[i].path, cases[i].max, &text, &err);
		check(cases[i].path, r == cases[i].result, "max %zu: got %d", cases[i].max, r);
		check(cases[i].path, err.kind == cases[i].kind, "got %d", (int)err.kind);
		if (r == 0)
			check(cases[i].path, text.len > 0, "is empty");
	}
}

static void writing_replaces_whole(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	struct stat st;
	put(w->top, "a", "old");
	assert_int_equal(fs_write_atomic(w->top, "a", "new", 3, 0640, FS_SYNC, &err), 0);
	assert_int_equal(fs_read(w->top, "a", 100, &text, &err), 0);
	assert_string_equal(str_text(&text), "new");
	assert_int_equal(fstatat(w->top, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* A directory in the way: fails, and no temporary file stays. */
	assert_int_equal(mkdirat(w->top, "d", 0755), 0);
	assert_true(fs_write_atomic(w->top, "d", "x", 1, 0644, 0, &err) < 0);
	err_done(&err);
	cleanup_strv struct strv names = { 0 };
	assert_int_equal(fs_list(w->top, ".", &names, &err), 0);
	cleanup_free char *joined = strv_join(&names, " ");
	assert_string_equal(joined, "a d");
	assert_int_equal(fs_list(w->top, "none", &names, &err), -ENOENT);
	err_done(&err);
	assert_true(fs_poke(w->top, "none", "1", &err) == -ENOENT);
	err_done(&err);
	assert_int_equal(fs_poke(w->top, "a", "1", &err), 0);
}

static void syncs_go_on_beside(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	put(w->top, "old", "old");
	fs_sync_aside();
	assert_int_equal(fs_write_atomic(w->top, "new", "1", 1, 0600, FS_SYNC, &err), 0);
	assert_int_equal(fs_read(w->top, "new", 100, &text, &err), 0);
	assert_string_equal(str_text(&text), "1"); /* to be seen at once */
	siginfo_t info;
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), 0); /* a process */
	assert_int_equal(fs_write_atomic(w->top, "old", "2", 1, 0600, FS_SYNC, &err), 0);
	assert_int_equal(fs_sync_settle(&err), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none any more */
	text.len = 0;
	assert_int_equal(fs_read(w->top, "old", 100, &text, &err), 0);
	assert_string_equal(str_text(&text), "2");
	/* From here on as ever. */
	assert_int_equal(fs_write_atomic(w->top, "more", "3", 1, 0600, FS_SYNC, &err), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(fs_sync_settle(&err), 0);
	/* More at once than are kept: the rest is synced on the spot. */
	fs_sync_aside();
	for (int i = 0; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(fs_write_atomic(w->top, name, "4", 1, 0600, FS_SYNC, &err), 0);
	}
	assert_int_equal(fs_sync_settle(&err), 0);
}

static void directories_are_made(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	assert_int_equal(fs_mkdirs(w->top, "a/b/c", 0755, &err), 0);
	assert_int_equal(fs_mkdirs(w->top, "a/b/c", 0755, &err), 0);
	assert_int_equal(fs_mkdirs(w->top, "a/x//y/", 0755, &err), 0);
	assert_true(fs_exists(w->top, "a/x/y"));
	put(w->top, "file", "");
	assert_int_equal(fs_mkdirs(w->top, "file", 0755, &err), -ENOTDIR);
	err_done(&err);
	assert_int_equal(fs_mkdirs(w->top, "file/x", 0755, &err), -ENOTDIR);
	err_done(&err);
	cleanup_fd int fd = fs_opendirs(w->top, "o/p", 0700, &err);
	assert_true(fd >= 0);
	put(fd, "q", "1");
	assert_true(fs_exists(w->top, "o/p/q"));
}

static void symlinks_do_not_lead_outside(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	assert_int_equal(fs_mkdirs(w->top, "root/etc", 0755, &err), 0);
	assert_int_equal(fs_mkdirs(w->top, "root/d", 0755, &err), 0);
	put(w->top, "secret", "outside");
	put(w->top, "root/secret", "inside");
	put(w->top, "root/etc/passwd", "inside");
	assert_int_equal(symlinkat("/etc/passwd", w->top, "root/absolute"), 0);
	assert_int_equal(symlinkat("../../../secret", w->top, "root/up"), 0);
	assert_int_equal(symlinkat("/proc/self/root", w->top, "root/magic"), 0);
	assert_int_equal(symlinkat("loop", w->top, "root/loop"), 0);
	cleanup_fd int root = openat(w->top, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	static const struct {
		const char *path;
		int in_root, beneath; /* 0, or the errno */
	} cases[] = {
		{ "etc/passwd", 0, 0 },	     { "absolute", 0, ELOOP },
		{ "up", 0, ELOOP },	     { "../secret", 0, EXDEV },
		{ "/etc/passwd", 0, EXDEV }, { "d/../../secret", 0, EXDEV },
		{ "loop", ELOOP, ELOOP },    { "magic/etc/passwd", ENOENT, ELOOP },
		{ "none", ENOENT, ENOENT },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err one = ERR_INIT, two = ERR_INIT;
		cleanup_str struct str text = STR_INIT;
		cleanup_fd int a = fs_open_in_root(root, cases[i].path, O_RDONLY, 0, &one);
		check(cases[i].path, (a < 0 ? -a : 0) == cases[i].in_root, "in root: %d", a);
		if (a >= 0) {
			assert_int_equal(fs_read_fd(a, "it", 100, &text, &one), 0);
			check_text(cases[i].path, str_text(&text), "inside");
		}
		cleanup_fd int b = fs_open_beneath(root, cases[i].path, O_RDONLY, 0, &two);
		check(cases[i].path, (b < 0 ? -b : 0) == cases[i].beneath, "beneath: %d", b);
	}
	assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
	cleanup_fd int fifo = fs_open_in_root(root, "fifo", O_RDONLY, 0, &err); /* does not hang */
	assert_true(fifo >= 0);
	cleanup_fd int made = fs_open_beneath(root, "new", O_WRONLY | O_CREAT | O_EXCL, 0600, &err);
	assert_true(made >= 0);
}

static void removal_takes_names_only(void **state)
{
	struct world *w = *state;
	static const char *const bad[] = { ".", "..", "/", "", "a/..", "../.." };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_err struct err err = ERR_INIT;
		check(bad[i], fs_remove_tree(w->top, bad[i], &err) == -EINVAL, "accepted");
	}
	struct err err = ERR_INIT;
	assert_int_equal(fs_remove_tree(w->top, "none", &err), 0);
	assert_int_equal(fs_remove_tree(w->top, "none/none", &err), 0);
	put(w->top, "file", "");
	assert_int_equal(fs_remove_tree(w->top, "file", &err), 0);
	assert_false(fs_exists(w->top, "file"));
}

static void removal_does_not_follow_symlinks(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	assert_int_equal(fs_mkdirs(w->top, "keep/inner", 0755, &err), 0);
	put(w->top, "keep/inner/file", "x");
	assert_int_equal(fs_mkdirs(w->top, "tree/a", 0755, &err), 0);
	assert_int_equal(symlinkat("../keep", w->top, "tree/link"), 0);
	assert_int_equal(symlinkat("../../keep/inner", w->top, "tree/a/link"), 0);
	assert_int_equal(symlinkat("tree", w->top, "to-tree"), 0);
	assert_int_equal(fs_remove_tree(w->top, "to-tree", &err), 0); /* the link itself */
	assert_true(fs_exists(w->top, "tree/a"));
	assert_int_equal(fs_remove_tree(w->top, "tree", &err), 0);
	assert_false(fs_exists(w->top, "tree"));
	assert_true(fs_exists(w->top, "keep/inner/file"));
}

/* Deeper than descriptors and than PATH_MAX. */
static void removal_goes_deep(void **state)
{
	enum { DEPTH = 2200 };
	struct world *w = *state;
	struct err err = ERR_INIT;
	assert_int_equal(mkdirat(w->top, "deep", 0755), 0);
	int at = openat(w->top, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		if (i % 100 == 0)
			put(at, "file", "x");
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(fs_remove_tree(w->top, "deep", &err), 0);
	assert_false(fs_exists(w->top, "deep"));
}

static void removal_goes_wide(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	char name[32];
	assert_int_equal(mkdirat(w->top, "wide", 0755), 0);
	cleanup_fd int wide = openat(w->top, "wide", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "entry-%d", i);
		assert_int_equal(mknodat(wide, name, S_IFREG | 0600, 0), 0);
	}
	/* Never more than was allowed in one call, and it comes to an end. */
	int calls = 1;
	while (fs_remove_tree_some(w->top, "wide", 500, &err) == 1)
		calls++;
	assert_int_equal(err.no, 0);
	assert_in_range(calls, 6, 8);
	assert_false(fs_exists(w->top, "wide"));
}

static void a_large_file_is_not_removed_in_passing(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	assert_int_equal(mkdirat(w->top, "large", 0755), 0);
	cleanup_fd int fd = openat(w->top, "large/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(posix_fallocate(fd, 0, 9 << 20), 0);
	assert_int_equal(fs_remove_tree_some(w->top, "large", 500, &err), 1);
	assert_true(fs_exists(w->top, "large/file"));
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(fs_remove_tree_some(w->top, "large", 500, &err), 0);
	assert_int_equal(fs_remove_tree_some(w->top, "large", 500, &err), 0);
	assert_false(fs_exists(w->top, "large"));
}

/* In a mount namespace of its own, so that whatever goes wrong ends with the child. */
static int in_own_mounts(int (*fn)(struct world *w), struct world *w)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0)
			_exit(77);
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(78);
		_exit(fn(w));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int bind(const char *from, const char *to)
{
	return mount(from, to, NULL, MS_BIND, NULL);
}

/* Removing what has a mount in it fails with EXDEV, and what is mounted stays whole. */
static int refuses(struct world *w, const char *name, const char *witness)
{
	struct err err = ERR_INIT;
	int r = fs_remove_tree(w->top, name, &err);
	if (r != -EXDEV) {
		dprintf(STDERR_FILENO, "%s: got %d: %s\n", name, r, err.msg ? err.msg : "");
		return 1;
	}
	err_done(&err);
	return !fs_exists(w->top, witness);
}

static int with_mounts(struct world *w)
{
	/* The descriptor of before belongs to the old namespace's mounts. */
	w->top = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->top < 0 || fchdir(w->top) < 0)
		return 2;
	/* The same file system, so the same device number: only the mount differs. */
	if (bind("precious", "tree/a/mounted") < 0 || bind("precious", "whole") < 0 ||
	    bind("precious/file", "filetree/file") < 0 ||
	    mount("tmpfs", "tmptree/m", "tmpfs", 0, NULL) < 0 || mkdir("tmptree/m/x", 0700) < 0)
		return 3;
	if (refuses(w, "tree", "precious/file") || refuses(w, "whole", "precious/file") ||
	    refuses(w, "filetree", "precious/file") || refuses(w, "tmptree", "tmptree/m/x"))
		return 1;
	/* An empty mounted directory stays, too. */
	if (mount("tmpfs", "empty/m", "tmpfs", 0, NULL) < 0)
		return 4;
	return refuses(w, "empty", "empty/m");
}

static void removal_stops_at_mounts(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	static const char *const dirs[] = { "precious", "tree/a/mounted", "whole",
					    "filetree", "tmptree/m",	  "empty/m" };
	if (geteuid() != 0)
		skip(); /* mounting needs root */
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(fs_mkdirs(w->top, dirs[i], 0755, &err), 0);
	put(w->top, "precious/file", "x");
	put(w->top, "filetree/file", "");
	int status = in_own_mounts(with_mounts, w);
	if (status == 77)
		skip(); /* no mount namespaces here */
	assert_int_equal(status, 0);
	assert_true(fs_exists(w->top, "precious/file"));
}

static void paths_are_cleaned(void **state)
{
	static const struct {
		const char *path, *clean, *dir, *base;
	} cases[] = {
		{ "", ".", ".", "" },
		{ "a", "a", ".", "a" },
		{ "a/b", "a/b", "a", "b" },
		{ "/", "/", "/", "" },
		{ "/a", "/a", "/", "a" },
		{ "//a///b/", "/a/b", "//a///b", "" },
		{ "./a/./b", "a/b", "./a/.", "b" },
		{ "a/..", ".", "a", ".." },
		{ "a/../..", "..", "a/..", ".." },
		{ "../a", "../a", "..", "a" },
		{ "../../a/../b", "../../b", "../../a/..", "b" },
		{ "/..", "/", "/", ".." },
		{ "/../../a", "/a", "/../..", "a" },
		{ "/a/../../b", "/b", "/a/../..", "b" },
		{ "a/b/../c", "a/c", "a/b/..", "c" },
		{ "...", "...", ".", "..." },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *clean = path_clean(cases[i].path);
		cleanup_free char *dir = path_dir(cases[i].path);
		check_text(cases[i].path, clean, cases[i].clean);
		check_text(cases[i].path, dir, cases[i].dir);
		check_text(cases[i].path, path_base(cases[i].path), cases[i].base);
	}
	cleanup_free char *joined = path_join("/srv/app", "../data");
	assert_string_equal(joined, "/srv/data");
	cleanup_free char *absolute = path_join("/srv/app", "/data/./x");
	assert_string_equal(absolute, "/data/x");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reading_has_bounds),
		T(writing_replaces_whole),
		T(syncs_go_on_beside),
		T(directories_are_made),
		T(symlinks_do_not_lead_outside),
		T(removal_takes_names_only),
		T(removal_does_not_follow_symlinks),
		T(removal_goes_deep),
		T(removal_goes_wide),
		T(a_large_file_is_not_removed_in_passing),
		T(removal_stops_at_mounts),
		cmocka_unit_test(paths_are_cleaned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
