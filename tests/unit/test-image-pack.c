/* A layer directory as an archive, and back: nothing is lost, and the same tree gives the same
 * bytes whatever order it was made in. */
#include "image-fixture.h"

#include "image/assemble.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Makes the tree below `dir`; `backwards`: in another order. */
static void make_tree(int dir, bool backwards)
{
	static const char *const names[] = { "b", "a", "long-name", "c" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t k = backwards ? ARRAY_SIZE(names) - 1 - i : i;
		int fd = openat(dir, names[k], O_WRONLY | O_CREAT | O_EXCL, 0644);

		assert_true(fd >= 0);
		assert_int_equal(fs_write_all(fd, names[k], strlen(names[k])), 0);
		assert_int_equal(fchown(fd, 1000, 70000), 0);
		assert_int_equal(fchmod(fd, 04755), 0); /* changing the owner takes setuid away */
		assert_int_equal(fsetxattr(fd, "user.note", "x", 1, 0), 0);
		close(fd);
	}
	assert_int_equal(mkdirat(dir, "d", 0750), 0);
	assert_int_equal(mknodat(dir, "d/gone", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(linkat(dir, "a", dir, "d/link", 0), 0);
	assert_int_equal(symlinkat("../\xc3\xa4\xff", dir, "d/symlink"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	int opaque = openat(dir, "d", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fsetxattr(opaque, "user.overlay.opaque", "y", 1, 0), 0);
	assert_int_equal(fsetxattr(opaque, "user.overlay.origin", "o", 1, 0), 0);
	close(opaque);
}

static void set_times(int dir)
{
	static const char *const names[] = { "b",      "a",	    "long-name", "c",
					     "d/gone", "d/symlink", "fifo",	 "d" };
	const struct timespec times[2] = { { 1000, 0 }, { 1000, 999 } };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(utimensat(dir, names[i], times, AT_SYMLINK_NOFOLLOW), 0);
}

/* A directory below the store with a tree in diff/. Owned. */
static char *make_dir(struct fixture *f, const char *name, bool backwards)
{
	char *path = xasprintf("%s/%s", f->root, name);
	cleanup_free char *diff = xasprintf("%s/diff", path);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(diff, 0755), 0);
	int dir = open(diff, O_RDONLY | O_DIRECTORY);
	make_tree(dir, backwards);
	set_times(dir);
	close(dir);
	return path;
}

static void pack(struct fixture *f, const char *path, struct image_layer *ret)
{
	cleanup_free char *diff = xasprintf("%s/diff", path);
	cleanup_fd int dir = open(diff, O_RDONLY | O_DIRECTORY);
	struct err err = ERR_INIT;
	uint64_t entries;

	if (image_layer_pack(f->store, dir, ret, &entries, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(entries, 10); /* four files, d, gone, its mark, link, symlink, fifo */
}

static void test_same_bytes(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *one = make_dir(f, "one", false), *two = make_dir(f, "two", true);
	struct image_layer a, b;

	pack(f, one, &a);
	pack(f, two, &b);
	assert_string_equal(a.diff_id, b.diff_id);
	assert_string_equal(a.diff_id, a.blob);
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *one = make_dir(f, "one", false), *dir = NULL;
	struct image_layer layer, again;
	struct err err = ERR_INIT;
	char value[8];
	struct stat st, other;

	pack(f, one, &layer);
	image__chain(NULL, layer.diff_id, layer.chain);
	if (image__layer_unpack(f->store, layer.blob, layer.diff_id, layer.chain, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	dir = image_layer_dir(f->store, &layer);
	cleanup_fd int fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(fstatat(fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 70000);
	assert_int_equal(st.st_mtime, 1000);
	assert_int_equal(fstatat(fd, "d/link", &other, 0), 0);
	assert_int_equal(st.st_ino, other.st_ino);
	assert_int_equal(fstatat(fd, "d/gone", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	cleanup_fd int sub = openat(fd, "d", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fgetxattr(sub, "user.overlay.opaque", value, sizeof(value)), 1);
	assert_int_equal(fgetxattr(sub, "user.overlay.origin", value, sizeof(value)), -1);
	/* and packed once more it is the same archive */
	assert_int_equal(image_layer_pack(f->store, fd, &again, NULL, &err), 0);
	assert_string_equal(again.diff_id, layer.diff_id);
}

static void test_assemble(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *one = make_dir(f, "one", false), *id = NULL, *second = NULL;
	cleanup_strv struct strv names = { 0 };
	cleanup_image struct image image = { 0 };
	cleanup_json json_t *config = json_pack("{s:s,s:s,s:{s:[s]}}", "architecture", "amd64",
						"os", "linux", "config", "Cmd", "sh");
	struct image_layers layers = { 0 };
	struct image_recipe recipe = { .config = config, .layers = &layers, .names = &names };
	struct image_layer layer;
	struct err err = ERR_INIT;

	pack(f, one, &layer);
	assert_int_equal(image_layer_adopt(f->store, one, NULL, &layer, 10, &err), 0);
	assert_int_not_equal(access(one, F_OK), 0); /* renamed */
	assert_true(image_layer_there(f->store, &layer));
	vec_push(&layers.items, layer);
	strv_add(&names, "made:1");
	if (image_assemble(f->store, &recipe, &id, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(image_find(f->store, "made:1", &image, &err), 0);
	assert_string_equal(image.id, id);
	assert_int_equal(image.layers.n, 1);
	assert_string_equal(image.config.cmd.v[0], "sh");
	assert_int_equal(image_assemble(f->store, &recipe, &second, NULL, &err), 0);
	assert_string_equal(id, second);
	strv_add(&names,
		 "made@sha256:0000000000000000000000000000000000000000000000000000000000000000");
	free(ptr_take(second));
	assert_true(image_assemble(f->store, &recipe, &second, NULL, &err) < 0);
	err_done(&err);
	vec_done(&layers.items);
}

static void put(int dir, const char *name, const char *text)
{
	struct err err = ERR_INIT;

	(void)unlinkat(dir, name, 0);
	assert_int_equal(fs_write_atomic(dir, name, text, strlen(text), 0644, 0, &err), 0);
}

/* A tree that shares files with the layer `one`: what it takes from that layer's archive, and what
 * it reads, come to the same bytes; also when the archive is damaged. */
static void test_old_archive(void **state)
{
	static const char *const shared[] = { "a", "b", "long-name", "d/symlink", "fifo" };
	struct fixture *f = *state;
	cleanup_free char *one = make_dir(f, "one", false), *two = make_dir(f, "two", false);
	cleanup_free char *diff = xasprintf("%s/diff", two), *there = NULL, *blob = NULL;
	cleanup_fd int new = open(diff, O_RDONLY | O_DIRECTORY);
	struct image_layer old, plain, again;
	struct err err = ERR_INIT;

	pack(f, one, &old);
	assert_int_equal(image_layer_adopt(f->store, one, NULL, &old, 10, &err), 0);
	there = image_layer_dir(f->store, &old);
	cleanup_fd int before = open(there, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		assert_int_equal(unlinkat(new, shared[i], 0), 0);
		assert_int_equal(linkat(before, shared[i], new, shared[i], 0), 0);
	}
	/* "a" had two names there; here "c" gets the second, and "d/link" is a file of its own. */
	assert_int_equal(unlinkat(new, "c", 0), 0);
	assert_int_equal(linkat(before, "a", new, "c", 0), 0);
	put(new, "d/link", "changed");
	put(new, "aa", "new");
	put(new, "zz", "new");
	assert_int_equal(image_layer_pack(f->store, new, &plain, NULL, &err), 0);
	assert_int_equal(image_layer_pack_again(f->store, new, &old, &again, NULL, &err), 0);
	assert_string_equal(again.diff_id, plain.diff_id);
	assert_int_equal(again.blob_size, plain.blob_size);
	/* a name that is the second one there has no content to take */
	assert_int_equal(unlinkat(new, "a", 0), 0);
	assert_int_equal(unlinkat(new, "c", 0), 0);
	assert_int_equal(unlinkat(new, "d/link", 0), 0);
	assert_int_equal(linkat(before, "d/link", new, "d/link", 0), 0);
	assert_int_equal(image_layer_pack(f->store, new, &plain, NULL, &err), 0);
	assert_int_equal(image_layer_pack_again(f->store, new, &old, &again, NULL, &err), 0);
	assert_string_equal(again.diff_id, plain.diff_id);
	/* one byte of what would be taken is wrong, then the end is missing, then all */
	blob = xasprintf("%s/blobs/sha256/%s", f->root, image__hex(old.blob));
	assert_int_equal(chmod(blob, 0600), 0);
	cleanup_fd int fd = open(blob, O_RDWR);
	for (size_t i = 0; i < 3; i++) {
		if (i == 0)
			assert_int_equal(pwrite(fd, "X", 1, 1024), 1);
		else
			assert_int_equal(ftruncate(fd, i == 1 ? 700 : 0), 0);
		assert_int_equal(image_layer_pack_again(f->store, new, &old, &again, NULL, &err),
				 0);
		assert_string_equal(again.diff_id, plain.diff_id);
	}
	assert_int_equal(unlink(blob), 0);
	assert_int_equal(image_layer_pack_again(f->store, new, &old, &again, NULL, &err), 0);
	assert_string_equal(again.diff_id, plain.diff_id);
}

#define PACK_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PACK_TEST(test_same_bytes),
		PACK_TEST(test_round_trip),
		PACK_TEST(test_assemble),
		PACK_TEST(test_old_archive),
	};

	if (geteuid() != 0) /* owners and devices */
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
