/* Removing, collecting, verifying; and saving, which loads again. */
#include "image-fixture.h"

static char *import_file(struct fixture *f, const char *name, const char *content)
{
	const struct tar_entry e[] = { { "file", .data = content } };
	int fd = tar_make(e, 1, ARCHIVE_FILTER_GZIP);
	struct err err = ERR_INIT;
	char *id = NULL;

	if (image_import(f->store, fd, name, &(struct image_import){ 0 }, &id, &err) < 0)
		fail_msg("%s", err.msg);
	close(fd);
	return id;
}

static size_t count(int dir)
{
	cleanup_strv struct strv names = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(fs_list(dir, ".", &names, &err), 0);
	return names.n;
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *one = import_file(f, "one", "1");
	cleanup_free char *two = import_file(f, "two", "2");
	cleanup_strv struct strv untagged = { 0 }, deleted = { 0 }, in_use = { 0 };
	cleanup_image struct image image = { 0 };
	cleanup_err struct err err = ERR_INIT;

	assert_int_equal(count(f->store->blobs), 6); /* layer, config, manifest of each */
	assert_int_equal(image_tag(f->store, "one", "uno", &err), 0);
	/* by id, with two names: only with force */
	assert_int_equal(image_remove(f->store, one, false, NULL, NULL, NULL, &err), -EEXIST);
	err_done(&err);
	/* one of two names: the image stays */
	assert_int_equal(image_remove(f->store, "one", false, NULL, &untagged, &deleted, &err), 0);
	assert_string_equal(untagged.v[0], "one:latest");
	assert_int_equal(deleted.n, 0);
	assert_int_equal(count(f->store->blobs), 6);
	/* the last: it goes, but not the layer that a container has */
	assert_int_equal(image_find(f->store, "uno", &image, &err), 0);
	strv_copy(&in_use, &image.layers);
	assert_int_equal(image_remove(f->store, "uno", false, &in_use, &untagged, &deleted, &err),
			 0);
	assert_string_equal(deleted.v[0], one);
	assert_int_equal(count(f->store->blobs), 3);
	assert_int_equal(count(f->store->layers), 2);
	assert_int_equal(image_remove(f->store, "two", false, NULL, NULL, NULL, &err), 0);
	assert_int_equal(count(f->store->blobs), 0);
	assert_int_equal(count(f->store->layers), 0);
	assert_int_equal(image_remove(f->store, "two", false, NULL, NULL, NULL, &err), -ENOENT);
}

/* While somebody adds, nothing is swept; leftovers of a crash go with the next collection. */
static void test_collect(void **state)
{
	struct fixture *f = *state;
	cleanup_blob struct blob_writer w = BLOB_WRITER_NONE;
	char digest[DIGEST_TEXT];
	struct err err = ERR_INIT;
	int lock = FD_NONE;

	assert_int_equal(image__lock(f->store, IMAGE_LOCK_SHARED, &lock, &err), 0);
	assert_int_equal(image__blob_put(f->store, "x", 1, digest, &err), 0);
	assert_int_equal(image__blob_begin(f->store, &w, &err), 0);
	assert_int_equal(image__collect(f->store, NULL, &err), 0);
	assert_true(image__blob_has(f->store, digest));
	fd_close(lock);
	assert_int_equal(mkdirat(f->store->layers, "tmp-crashed", 0700), 0);
	assert_int_equal(image__collect(f->store, NULL, &err), 0);
	assert_false(image__blob_has(f->store, digest));
	assert_int_equal(count(f->store->tmp), 0);
	assert_int_equal(count(f->store->layers), 0);
}

static void test_prune(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *old = import_file(f, "app", "old");
	cleanup_free char *new = import_file(f, "app", "new");
	cleanup_free char *used = import_file(f, "used", "used");
	cleanup_strv struct strv keep = { 0 };
	cleanup_image_pruned struct image_pruned would = { 0 }, did = { 0 }, all = { 0 };
	struct image_prune options = { .dry_run = true };
	struct err err = ERR_INIT;

	assert_int_equal(image_prune(f->store, &options, &would, &err), 0);
	assert_int_equal(count(f->store->layers), 3);
	options.dry_run = false;
	assert_int_equal(image_prune(f->store, &options, &did, &err), 0);
	assert_int_equal(did.deleted.n, 1);
	assert_string_equal(did.deleted.v[0], old);
	assert_true(did.freed.blobs > 0);
	assert_true(did.freed.layers > 0);
	/* what a dry run says is what happens */
	assert_true(strv_equal(&would.deleted, &did.deleted));
	assert_memory_equal(&would.freed, &did.freed, sizeof(would.freed));
	strv_add(&keep, used);
	options = (struct image_prune){ .all = true, .keep_ids = &keep };
	assert_int_equal(image_prune(f->store, &options, &all, &err), 0);
	assert_int_equal(all.deleted.n, 1);
	assert_string_equal(all.deleted.v[0], new);
	assert_string_equal(all.untagged.v[0], "app:latest");
	assert_int_equal(count(f->store->layers), 1);
}

static void test_verify(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *id = import_file(f, "app", "content");
	cleanup(image_damage_done) struct image_damage none = { 0 }, damage = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(image_verify(f->store, false, NULL, &none, &err), 0);
	assert_int_equal(none.blobs.n + none.layers.n, 0);
	assert_int_equal(fchmodat(f->store->blobs, image__hex(id), 0600, 0), 0);
	int fd = openat(f->store->blobs, image__hex(id), O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 3), 1);
	close(fd);
	assert_int_equal(image_verify(f->store, false, NULL, &damage, &err), 0);
	assert_int_equal(damage.blobs.n, 1);
	assert_string_equal(damage.blobs.v[0], id);
}

static void test_save(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *id = import_file(f, "app:1", "content");
	cleanup_strv struct strv names = { 0 }, loaded = { 0 };
	cleanup_image struct image before = { 0 }, after = { 0 };
	struct err err = ERR_INIT;
	int fd = memfd_create("save", MFD_CLOEXEC);

	assert_int_equal(image_tag(f->store, "app:1", "localhost:5000/app:2", &err), 0);
	assert_int_equal(image_find(f->store, "app:1", &before, &err), 0);
	strv_add(&names, "app:1");
	strv_add(&names, "localhost:5000/app:2");
	if (image_save(f->store, &names, fd, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(image_remove(f->store, id, true, NULL, NULL, NULL, &err), 0);
	assert_int_equal(count(f->store->blobs), 0);
	lseek(fd, 0, SEEK_SET);
	if (image_load(f->store, fd, NULL, &loaded, &err) < 0)
		fail_msg("%s", err.msg);
	close(fd);
	assert_true(strv_has(&loaded, "app:1") && strv_has(&loaded, "localhost:5000/app:2"));
	assert_int_equal(image_find(f->store, "localhost:5000/app:2", &after, &err), 0);
	assert_string_equal(before.manifest, after.manifest);
	assert_string_equal(before.id, after.id);

	cleanup_json json_t *inspect = image_inspect(&after);
	assert_string_equal(json_str(inspect, "Id", ""), id);
	assert_int_equal(json_array_size(json_object_get(inspect, "RepoTags")), 2);
	cleanup_json json_t *history = image_history(f->store, &after);
	assert_int_equal(json_array_size(history), 1);
	assert_int_equal(json_int(json_array_get(history, 0), "Size", 0), 7);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_remove), STORE_TEST(test_collect), STORE_TEST(test_prune),
		STORE_TEST(test_verify), STORE_TEST(test_save),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
