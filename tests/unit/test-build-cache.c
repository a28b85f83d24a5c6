/* The build cache's keys and entries, without running anything. */
#include "image-fixture.h"

#include "build/cache.h"

#include <sys/file.h>
#include <unistd.h>

static void make_entry(struct cache_entry *e, const char *command, const char *argument)
{
	*e = (struct cache_entry){ 0 };
	cache_input(e, "the command", command);
	if (argument)
		cache_input(e, "the argument V", argument);
	cache_key(e);
	e->step = xstrdup(command);
	e->created = 42;
}

static void test_keys(void **state)
{
	struct cache_entry a, b, c, d, e = { 0 };

	(void)state;
	make_entry(&a, "x", NULL);
	make_entry(&b, "x", NULL);
	make_entry(&c, "y", NULL);
	make_entry(&d, "x", "1");
	/* the same text, divided otherwise, is another input */
	cache_input(&e, "the comman", "dx");
	cache_key(&e);
	assert_string_equal(a.key, b.key);
	assert_string_not_equal(a.key, c.key);
	assert_string_not_equal(a.key, d.key);
	assert_string_not_equal(a.key, e.key);
	cache_entry_done(&a);
	cache_entry_done(&b);
	cache_entry_done(&c);
	cache_entry_done(&d);
	cache_entry_done(&e);
}

/* A snapshot of one file, as a step leaves it. */
static void make_snapshot(struct depot *depot, struct cache_entry *e, char name)
{
	char path[64];

	memset(e->snapshot, name, 32);
	e->bytes = 4096;
	assert_int_equal(mkdirat(depot->snapshots, e->snapshot, 0700), 0);
	snprintf(path, sizeof(path), "%s/diff", e->snapshot);
	assert_int_equal(mkdirat(depot->snapshots, path, 0755), 0);
}

static void test_load(void **state)
{
	struct fixture *f = *state;
	cleanup_depot struct depot depot = DEPOT_NONE;
	cleanup_cache_entry struct cache_entry e = { 0 }, found = { 0 }, empty = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(depot_open(f->root, &depot, &err), 0);
	make_entry(&e, "RUN x", "1");
	assert_int_equal(cache_load(&depot, f->store, e.key, &found, &err), -ENOENT);
	make_snapshot(&depot, &e, 'a');
	assert_int_equal(cache_save(&depot, &e, &err), 0);
	assert_int_equal(cache_load(&depot, f->store, e.key, &found, &err), 0);
	assert_string_equal(found.snapshot, e.snapshot);
	assert_string_equal(found.step, "RUN x");
	assert_int_equal(found.inputs.n, 2);
	assert_int_equal(found.created, 42);
	/* without its tree an entry is none */
	assert_int_equal(fs_remove_tree(depot.snapshots, e.snapshot, &err), 0);
	cache_entry_done(&found);
	assert_int_equal(cache_load(&depot, f->store, e.key, &found, &err), -ENOENT);
	/* and a step that changed nothing needs none */
	make_entry(&empty, "RUN true", NULL);
	empty.empty = true;
	assert_int_equal(cache_save(&depot, &empty, &err), 0);
	assert_int_equal(cache_load(&depot, f->store, empty.key, &found, &err), 0);
	assert_true(found.empty);
	/* a damaged one is as good as none */
	assert_int_equal(fs_write_atomic(depot.cache, empty.key, "{", 1, 0600, 0, &err), 0);
	cache_entry_done(&found);
	assert_int_equal(cache_load(&depot, f->store, empty.key, &found, &err), -ENOENT);
	assert_int_equal(err.no, 0);
}

static void test_explain(void **state)
{
	static const struct {
		const char *command, *argument, *why;
	} cases[] = {
		{ "x", "1", "it was not built here before" },
		{ "x", "2", "the argument V changed" },
		{ "x", NULL, "the argument V is gone" },
		{ "y", "1", "the command changed, the argument V is new" },
		{ "y", "1", "its result is not in the cache any more" },
	};
	struct fixture *f = *state;
	cleanup_depot struct depot depot = DEPOT_NONE;
	struct err err = ERR_INIT;

	assert_int_equal(depot_open(f->root, &depot, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_cache_entry struct cache_entry e = { 0 };
		cleanup_free char *why = NULL;

		make_entry(&e, cases[i].command, cases[i].argument);
		why = cache_explain(&depot, "here", &e);
		assert_string_equal(why, cases[i].why);
		assert_int_equal(cache_remember(&depot, "here", &e, &err), 0);
	}
}

static void use_at(struct depot *depot, const struct cache_entry *e, time_t when)
{
	const struct timespec times[2] = { { when, 0 }, { when, 0 } };

	assert_int_equal(utimensat(depot->cache, e->key, times, 0), 0);
}

static void test_collect(void **state)
{
	struct fixture *f = *state;
	cleanup_depot struct depot depot = DEPOT_NONE;
	cleanup_cache_entry struct cache_entry a = { 0 }, b = { 0 }, c = { 0 };
	cleanup_cache_list struct cache_list list = { 0 };
	struct err err = ERR_INIT;
	bool layers;
	uint64_t freed;
	int lock;

	assert_int_equal(cache_list(f->root, &list, &err), 0); /* nothing was ever built */
	assert_int_equal(list.items.n, 0);
	assert_int_equal(depot_open(f->root, &depot, &err), 0);
	make_entry(&a, "a", NULL);
	make_entry(&b, "b", NULL);
	make_entry(&c, "c", NULL);
	make_snapshot(&depot, &a, 'a');
	make_snapshot(&depot, &b, 'b');
	make_snapshot(&depot, &c, 'c');
	assert_int_equal(cache_save(&depot, &a, &err), 0);
	assert_int_equal(cache_save(&depot, &b, &err), 0);
	use_at(&depot, &a, 3000);
	use_at(&depot, &b, 1000);
	/* c is a tree that nothing names, tmp/x what a build left that was killed */
	assert_int_equal(mkdirat(depot.tmp, "x", 0700), 0);
	assert_int_equal(cache_list(f->root, &list, &err), 0);
	assert_int_equal(list.items.n, 2);
	assert_string_equal(list.items.v[0].step, "b"); /* used longest ago */
	/* while a build runs nothing is taken away */
	assert_int_equal(depot_lock(&depot, false, &lock, &err), 0);
	assert_int_equal(cache_collect(f->root, 0, NULL, &freed, &layers, &err), 0);
	assert_int_equal(freed, 0);
	assert_int_equal(cache_remove(f->root, a.key, &err), -EWOULDBLOCK);
	err_done(&err);
	close(lock);
	assert_int_equal(cache_collect(f->root, 4096, NULL, &freed, &layers, &err), 0);
	assert_int_equal(freed, 4096);
	assert_true(fs_exists(depot.cache, a.key) && fs_exists(depot.snapshots, a.snapshot));
	assert_false(fs_exists(depot.cache, b.key) || fs_exists(depot.snapshots, b.snapshot));
	assert_false(fs_exists(depot.snapshots, c.snapshot) || fs_exists(depot.tmp, "x"));
	assert_true(cache_remove(f->root, "../cache", &err) < 0);
	err_done(&err);
	assert_int_equal(cache_remove(f->root, a.key, &err), 0);
	assert_false(fs_exists(depot.snapshots, a.snapshot));
}

#define CACHE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHE_TEST(test_keys),
		CACHE_TEST(test_load),
		CACHE_TEST(test_explain),
		CACHE_TEST(test_collect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
