/* The store from outside: import, load, find, list, tag. */
#include "image-fixture.h"

static const struct tar_entry rootfs[] = {
	{ "etc/", AE_IFDIR, 0755 },
	{ "etc/os-release", .data = "ID=test\n" },
	{ "bin/sh", .mode = 0755, .data = "#!" },
};

static char *import_rootfs(struct fixture *f, const char *name, const struct strv *changes)
{
	int fd = tar_make(rootfs, ARRAY_SIZE(rootfs), ARCHIVE_FILTER_ZSTD);
	struct err err = ERR_INIT;
	char *id = NULL;

	if (image_import(f->store, fd, name, &(struct image_import){ .changes = changes }, &id,
			 &err) < 0)
		fail_msg("%s", err.msg);
	close(fd);
	return id;
}

static void test_import(void **state)
{
	static const char *const lines[] = {
		"CMD [\"/bin/sh\", \"-l\"]",
		"entrypoint exec /start \"$@\"",
		"ENV A=1 B=\"two words\"",
		"ENV C all the rest",
		"EXPOSE 80 53/udp",
		"VOLUME /data /more",
		"WORKDIR /srv",
		"WORKDIR app",
		"USER app:app",
		"LABEL x=y",
		"STOPSIGNAL SIGINT",
		"HEALTHCHECK --interval=5s --retries=2 CMD test -f /ok",
	};
	struct fixture *f = *state;
	cleanup_strv struct strv changes = { 0 };
	cleanup_free char *id = NULL, *path = NULL;
	cleanup_image struct image image = { 0 }, by_id = { 0 };
	struct err err = ERR_INIT;
	struct image_config *c = &image.config;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		strv_add(&changes, lines[i]);
	id = import_rootfs(f, "app:1", &changes);
	if (image_find(f->store, "app:1", &image, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(image.id, id);
	assert_int_equal(image.layers.n, 1);
	path = xasprintf("%s/etc/os-release", image.layers.v[0]);
	assert_int_equal(stat(path, &st), 0);
	assert_string_equal(c->cmd.v[1], "-l");
	assert_string_equal(c->entrypoint.v[2], "exec /start \"$@\"");
	assert_string_equal(env_get(&c->env, "B"), "two words");
	assert_string_equal(env_get(&c->env, "C"), "all the rest");
	assert_string_equal(c->exposed.v[0], "53/udp");
	assert_string_equal(c->exposed.v[1], "80/tcp");
	assert_string_equal(c->volumes.v[1], "/more");
	assert_string_equal(c->working_dir, "/srv/app");
	assert_string_equal(c->user, "app:app");
	assert_string_equal(json_str(c->labels, "x", ""), "y");
	assert_true(c->health.set && c->health.retries == 2);
	assert_int_equal(c->health.interval, 5 * NSEC_PER_SEC);
	assert_string_equal(c->health.test.v[0], "CMD-SHELL");
	assert_string_equal(image.names.v[0], "app:1");
	assert_true(image.size > 0);
	/* by the beginning of its id */
	id[7 + 12] = '\0';
	assert_int_equal(image_find(f->store, id + 7, &by_id, &err), 0);
	assert_string_equal(by_id.id, image.id);
}

static void test_bad_changes(void **state)
{
	static const char *const lines[] = {
		"RUN true",
		"CMD",
		"EXPOSE 99999",
		"EXPOSE x",
		"ENV A",
		"ENV =b",
		"SHELL sh",
		"HEALTHCHECK --interval=x CMD true",
		"HEALTHCHECK wrong",
		"LABEL 'open",
		"USER a b",
		"WORKDIR",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		cleanup_strv struct strv changes = { 0 };
		cleanup_err struct err err = ERR_INIT;
		cleanup_image struct image image = { 0 };
		int fd = tar_make(rootfs, ARRAY_SIZE(rootfs), ARCHIVE_FILTER_NONE);

		strv_add(&changes, lines[i]);
		if (image_import(f->store, fd, "bad", &(struct image_import){ .changes = &changes },
				 NULL, &err) == 0)
			fail_msg("'%s' was taken", lines[i]);
		err_done(&err);
		assert_int_equal(image_find(f->store, "bad", &image, &err), -ENOENT);
		close(fd);
	}
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *one = import_rootfs(f, "app", NULL);
	cleanup(image_list_done) struct image_list list = { 0 }, after = { 0 };
	cleanup_err struct err err = ERR_INIT;

	/* A repository may be the beginning of another one, and of a tag. */
	assert_int_equal(image_tag(f->store, "app", "app/latest:x", &err), 0);
	assert_int_equal(image_tag(f->store, one, "localhost:5000/app:2", &err), 0);
	assert_int_equal(image_list(f->store, &list, &err), 0);
	assert_int_equal(list.items.n, 3);
	assert_string_equal(list.items.v[0].name, "app/latest:x");
	assert_string_equal(list.items.v[1].name, "app:latest");
	assert_string_equal(list.items.v[2].name, "localhost:5000/app:2");
	assert_true(image_tag(f->store, "nothing", "x", &err) == -ENOENT);
	err_done(&err);
	assert_true(image_tag(f->store, "app", "../x", &err) < 0);
	err_done(&err);
	/* Another image under its only name: the old one stays, without a name. */
	cleanup_free char *two = import_rootfs(f, "solo", NULL);
	cleanup_strv struct strv changes = { 0 };
	strv_add(&changes, "ENV A=1");
	cleanup_free char *three = import_rootfs(f, "solo", &changes);
	assert_string_not_equal(two, three);
	assert_int_equal(image_list(f->store, &after, &err), 0);
	assert_int_equal(after.items.n, 5);
	assert_null(after.items.v[4].name);
}

/* --- archives --- */

static char *layer_bytes(size_t *ret_size)
{
	int fd = tar_make(rootfs, ARRAY_SIZE(rootfs), ARCHIVE_FILTER_NONE);
	off_t size = lseek(fd, 0, SEEK_END);
	char *data = xmalloc((size_t)size);

	assert_int_equal(pread(fd, data, (size_t)size, 0), size);
	close(fd);
	*ret_size = (size_t)size;
	return data;
}

struct member {
	char *name;
	const void *data;
	size_t size;
	const char *link;
};

static int archive_of(const struct member *members, size_t count, int filter)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct archive *a = archive_write_new();

	archive_write_set_format_pax_restricted(a);
	archive_write_add_filter(a, filter);
	archive_write_open_fd(a, fd);
	for (size_t i = 0; i < count; i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, members[i].name);
		archive_entry_set_filetype(e, members[i].link ? AE_IFLNK : AE_IFREG);
		if (members[i].link)
			archive_entry_set_symlink(e, members[i].link);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, (la_int64_t)members[i].size);
		archive_write_header(a, e);
		archive_write_data(a, members[i].data, members[i].size);
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

struct layout {
	char *layer, *config, *manifest, *index, *docker;
	char *layer_path, *config_path, *manifest_path;
	struct member members[5];
};

static void layout_done(struct layout *l)
{
	free(l->layer);
	free(l->config);
	free(l->manifest);
	free(l->index);
	free(l->docker);
	free(l->layer_path);
	free(l->config_path);
	free(l->manifest_path);
}

/* An image of one layer, as an OCI layout (0..3) and as docker save has it (0, 1, 4). */
static void layout_make(struct layout *l, const char *diff)
{
	char layer_hex[65], config_hex[65], manifest_hex[65];
	size_t size;

	l->layer = layer_bytes(&size);
	hash_hex(l->layer, size, layer_hex);
	l->config =
		xasprintf("{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"x\"]},"
			  "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]}}",
			  image__machine(), diff ? diff : layer_hex);
	hash_hex(l->config, strlen(l->config), config_hex);
	l->manifest = xasprintf(
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a\",\"digest\":\"sha256:%s\","
		"\"size\":%zu},\"layers\":[{\"mediaType\":\"b\",\"digest\":\"sha256:%s\",\"size\":%"
		"zu}]}",
		config_hex, strlen(l->config), layer_hex, size);
	hash_hex(l->manifest, strlen(l->manifest), manifest_hex);
	l->index = xasprintf("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:%s\","
			     "\"size\":%zu,\"annotations\":{\"org.opencontainers.image.ref.name\":"
			     "\"demo:oci\"}}]}",
			     manifest_hex, strlen(l->manifest));
	l->layer_path = xasprintf("blobs/sha256/%s", layer_hex);
	l->config_path = xasprintf("blobs/sha256/%s", config_hex);
	l->manifest_path = xasprintf("blobs/sha256/%s", manifest_hex);
	l->docker = xasprintf("[{\"Config\":\"%s\",\"RepoTags\":[\"demo:docker\"],"
			      "\"Layers\":[\"old/layer.tar\"]}]",
			      l->config_path);
	l->members[0] = (struct member){ l->layer_path, l->layer, size, NULL };
	l->members[1] = (struct member){ l->config_path, l->config, strlen(l->config), NULL };
	l->members[2] = (struct member){ l->manifest_path, l->manifest, strlen(l->manifest), NULL };
	l->members[3] = (struct member){ (char *)"index.json", l->index, strlen(l->index), NULL };
	l->members[4] =
		(struct member){ (char *)"manifest.json", l->docker, strlen(l->docker), NULL };
}

static void expect_loaded(struct fixture *f, int fd, const char *name)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_image struct image image = { 0 };
	cleanup_free char *path = NULL;
	struct err err = ERR_INIT;

	if (image_load(f->store, fd, NULL, &names, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
	close(fd);
	assert_int_equal(names.n, 1);
	assert_string_equal(names.v[0], name);
	assert_int_equal(image_find(f->store, name, &image, &err), 0);
	path = xasprintf("%s/bin/sh", image.layers.v[0]);
	assert_int_equal(access(path, X_OK), 0);
}

static void test_load(void **state)
{
	struct fixture *f = *state;
	cleanup(layout_done) struct layout l = { 0 };
	cleanup_free char *link = NULL;

	layout_make(&l, NULL);
	expect_loaded(f, archive_of(l.members, 4, ARCHIVE_FILTER_NONE), "demo:oci");
	expect_loaded(f, archive_of(l.members, 4, ARCHIVE_FILTER_GZIP), "demo:oci");
	/* Docker's oldest form names layers by links. */
	link = xasprintf("../%s", l.layer_path);
	struct member docker[] = {
		l.members[0],
		l.members[1],
		{ (char *)"old/layer.tar", "", 0, link },
		l.members[4],
	};
	expect_loaded(f, archive_of(docker, 4, ARCHIVE_FILTER_ZSTD), "demo:docker");
}

static void test_load_directory(void **state)
{
	struct fixture *f = *state;
	cleanup(layout_done) struct layout l = { 0 };
	cleanup_free char *dir = xasprintf("%s/layout", f->root);
	cleanup_free char *blobs = xasprintf("%s/blobs/sha256", dir);
	struct err err = ERR_INIT;

	layout_make(&l, NULL);
	assert_int_equal(fs_mkdirs(AT_FDCWD, blobs, 0755, &err), 0);
	for (int i = 0; i < 4; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, l.members[i].name);

		assert_int_equal(fs_write_atomic(AT_FDCWD, path, l.members[i].data,
						 l.members[i].size, 0644, 0, &err),
				 0);
	}
	expect_loaded(f, open(dir, O_RDONLY | O_DIRECTORY), "demo:oci");
}

static void test_load_bad(void **state)
{
	struct fixture *f = *state;
	cleanup(layout_done) struct layout good = { 0 }, lying = { 0 };
	cleanup(image_list_done) struct image_list list = { 0 };
	struct err err = ERR_INIT;

	layout_make(&good, NULL);
	layout_make(&lying, "0000000000000000000000000000000000000000000000000000000000000000");
	struct member damaged[4];
	memcpy(damaged, good.members, sizeof(damaged));
	damaged[1].size--;
	struct member no_layer[] = { good.members[1], good.members[2], good.members[3] };
	struct member loop[] = { good.members[4],
				 { (char *)"a", "", 0, "b" },
				 { (char *)"b", "", 0, "a" } };
	const struct {
		const char *what, *word;
		int fd;
	} cases[] = {
		{ "a layer is missing", "not in the image store", archive_of(no_layer, 3, 0) },
		{ "other bytes than the name says", "digest", archive_of(damaged, 4, 0) },
		{ "the config lies", "but the image says", archive_of(lying.members, 4, 0) },
		{ "links in a circle", "has no", archive_of(loop, 3, 0) },
		{ "a root file system", "image import",
		  tar_make(rootfs, ARRAY_SIZE(rootfs), ARCHIVE_FILTER_NONE) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (image_load(f->store, cases[i].fd, NULL, NULL, &err) == 0)
			fail_msg("%s: was taken", cases[i].what);
		if (!strstr(err.msg, cases[i].word))
			fail_msg("%s: %s", cases[i].what, err.msg);
		err_done(&err);
		close(cases[i].fd);
	}
	assert_int_equal(image_list(f->store, &list, &err), 0);
	assert_int_equal(list.items.n, 0);
}

/* The same bytes twice: the second time they are there already, whether the digest is asked for or
 * not. */
static void test_put_twice(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char first[DIGEST_TEXT], second[DIGEST_TEXT];

	assert_int_equal(image__blob_put(f->store, "text", 4, first, &err), 0);
	assert_int_equal(image__blob_put(f->store, "text", 4, NULL, &err), 0);
	assert_int_equal(image__blob_put(f->store, "text", 4, second, &err), 0);
	assert_string_equal(first, second);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_put_twice),   STORE_TEST(test_import),
		STORE_TEST(test_bad_changes), STORE_TEST(test_names),
		STORE_TEST(test_load),	      STORE_TEST(test_load_directory),
		STORE_TEST(test_load_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
