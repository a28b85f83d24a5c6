/* The list of what a COPY wrote, and what the next run makes of it. */
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "build/stay.h"
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

struct box {
	char path[64];
	int dir, diff;
};

static int set_up(void **state)
{
	struct box *b = new0(struct box);
	struct err err = ERR_INIT;

	snprintf(b->path, sizeof(b->path), "/tmp/stave-written-XXXXXX");
	assert_non_null(mkdtemp(b->path));
	b->dir = fs_open(AT_FDCWD, b->path, O_RDONLY | O_DIRECTORY, 0, &err);
	assert_int_equal(mkdirat(b->dir, "diff", 0755), 0);
	b->diff = fs_open(b->dir, "diff", O_RDONLY | O_DIRECTORY, 0, &err);
	assert_true(b->diff >= 0);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct box *b = *state;
	struct err err = ERR_INIT;

	fd_close(b->diff);
	fd_close(b->dir);
	assert_int_equal(fs_remove_tree(AT_FDCWD, b->path, &err), 0);
	free(b);
	return 0;
}

static void add(struct written_list *list, mode_t mode, const char *path, char digest)
{
	struct written_file file = { .mode = mode, .size = 7, .mtime_ns = 9 };
	uint64_t at;

	file.digest[0] = (unsigned char)digest;
	written_add(list, &file, path, &at);
}

/* d/ with two files, one of which was written twice, and a destination. */
static void write_list(const struct box *b, bool partial)
{
	cleanup(written_free_cleanup) struct written_list *list = NULL;
	struct err err = ERR_INIT;

	(void)unlinkat(b->dir, "written", 0);
	assert_int_equal(written_begin(b->dir, true, 1000, &list, &err), 0);
	stay_note_target(list, true, "d");
	add(list, S_IFDIR | 0755, "d", 0);
	add(list, S_IFREG | 0644, "d/one", 1);
	add(list, S_IFREG | 0644, "d/two", 2);
	add(list, S_IFREG | 0644, "d/two", 3);
	written_add_other(list, S_IFREG, "d/link");
	if (partial)
		written_partial(list);
	assert_int_equal(written_end(list, &err), 0);
}

static void found(void **state)
{
	struct written_file file;

	write_list(*state, false);
	cleanup(written_close_cleanup) struct written *w =
		written_open(((struct box *)*state)->diff);
	assert_non_null(w);
	assert_true(written_find(w, "d/one", &file));
	assert_int_equal(file.digest[0], 1);
	assert_int_equal(file.size, 7);
	assert_false(written_find(w, "d/two", &file));
	assert_false(written_find(w, "d/link", &file));
	assert_false(written_find(w, "d/three", &file));
	assert_int_equal(written_count_of(w), 6);
}

static void complete(void **state)
{
	struct box *b = *state;

	for (int partial = 0; partial < 2; partial++) {
		write_list(b, partial);
		cleanup(written_close_cleanup) struct written *w = written_open(b->diff);
		assert_non_null(w);
		assert_int_equal(written_complete(w, true, 1000), !partial);
		assert_false(written_complete(w, true, 1001));
		assert_false(written_complete(w, false, 0));
	}
}

static void damaged(void **state)
{
	struct box *b = *state;
	struct stat st;

	write_list(b, false);
	assert_int_equal(fstatat(b->dir, "written", &st, 0), 0);
	cleanup_fd int fd = openat(b->dir, "written", O_RDWR | O_CLOEXEC);
	for (off_t size = st.st_size - 1; size >= 0; size -= 5) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_null(written_open(b->diff));
	}
}

static int note(void *data, const char *path, mode_t mode, struct err *err)
{
	str_addf(data, "%s%s ", path, S_ISDIR(mode) ? "/" : "");
	return 0;
}

static void unseen(void **state)
{
	struct box *b = *state;
	cleanup_str struct str text = STR_INIT;
	struct err err = ERR_INIT;

	write_list(b, false);
	cleanup(written_close_cleanup) struct written *w = written_open(b->diff);
	assert_int_equal(written_unseen(w, note, &text, &err), 0);
	assert_string_equal(str_text(&text), "d/link d/two d/one d/ /d d ");
	str_clear(&text);
	assert_true(written_see(w, "d"));
	assert_true(written_see(w, "d/two"));
	assert_false(written_see(w, "d/three"));
	assert_int_equal(written_unseen(w, note, &text, &err), 0);
	assert_string_equal(str_text(&text), "d/link d/one /d d ");
}

static void destinations(void **state)
{
	struct box *b = *state;
	struct err err = ERR_INIT;

	write_list(b, false);
	cleanup(written_close_cleanup) struct written *w = written_open(b->diff);
	struct stay stay = stay_begin(w);
	assert_int_equal(stay_target(&stay, true, "d", &err), 0);
	assert_true(stay_target(&stay, false, "d", &err) < 0);
	assert_int_equal(err.kind, ERR_CONFLICT);
	err_done(&err);
	assert_true(stay_target(&stay, true, "e", &err) < 0);
	err_done(&err);
	assert_int_equal(stay_spend(&stay, 1000, &err), 0);
	assert_true(stay_spend(&stay, (uint64_t)1 << 40, &err) < 0);
	err_done(&err);
	for (int i = 0; i < 255; i++)
		assert_int_equal(stay_spend(&stay, 0, &err), 0);
	assert_true(stay_spend(&stay, 0, &err) < 0);
	err_done(&err);
}

/* The same path twice is removed once only. */
static void removed(void **state)
{
	struct box *b = *state;
	struct err err = ERR_INIT;
	struct stat before, after;

	write_list(b, false);
	assert_int_equal(mkdirat(b->diff, "d", 0755), 0);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "d/one", "d/two", "d/link" };

		fd_close(openat(b->diff, names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	}
	assert_int_equal(fstatat(b->diff, "d", &before, 0), 0);
	cleanup(written_close_cleanup) struct written *w = written_open(b->diff);
	written_see(w, "d");
	written_see(w, "d/one");
	struct stay stay = stay_begin(w);
	assert_int_equal(stay_end(&stay, b->diff, NULL, 0, &err), 0);
	assert_true(fs_exists(b->diff, "d/one"));
	assert_false(fs_exists(b->diff, "d/two"));
	assert_false(fs_exists(b->diff, "d/link"));
	assert_int_equal(fstatat(b->diff, "d", &after, 0), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(complete, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unseen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destinations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removed, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
