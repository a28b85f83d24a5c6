/* Leases: in a directory of the test's own, without root. */
#include "test.h"

#include "base/fs.h"
#include "net/lease.h"

#include <fcntl.h>

static char dir_path[64];

static int setup(void **state)
{
	struct err err = ERR_INIT;
	snprintf(dir_path, sizeof(dir_path), "/tmp/stave-lease-XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	int fd = fs_open(AT_FDCWD, dir_path, O_RDONLY | O_DIRECTORY, 0, &err);
	assert_true(fd >= 0);
	assert_int_equal(fs_mkdirs(fd, "leases", 0755, &err), 0);
	assert_int_equal(fs_mkdirs(fd, "addresses", 0755, &err), 0);
	*state = (void *)(intptr_t)fd;
	return 0;
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;
	close((int)(intptr_t)*state);
	return fs_remove_tree(AT_FDCWD, dir_path, &err);
}

static struct lease_pools pools_of(const char *subnet, const char *range, const char *gateway)
{
	struct lease_pools p = { 0 };
	assert_int_equal(subnet__parse(subnet, &p.v4.subnet), 0);
	if (range)
		assert_int_equal(subnet__parse(range, &p.v4.range), 0);
	assert_int_equal(address__parse(gateway, &p.v4.gateway), 0);
	return p;
}

/* Takes or releases ("-key") and compares the address, in order. */
struct move {
	const char *key, *want_static, *want; /* want NULL: refused */
};

static void play(int fd, const struct lease_pools *pools, const struct move *moves, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_err struct err err = ERR_INIT;
		char text[INET6_ADDRSTRLEN];
		struct lease lease;
		if (moves[i].key[0] == '-') {
			assert_int_equal(lease__release(fd, moves[i].key + 1, &err), 0);
			continue;
		}
		int r = lease__take(fd, pools, moves[i].key, moves[i].want_static, NULL, NULL,
				    &lease, &err);
		check(moves[i].key, (r == 0) == (moves[i].want != NULL), "step %zu: %d %s", i, r,
		      err.msg ? err.msg : "");
		if (r == 0)
			check_text(moves[i].key, address__format(&lease.ipv4, text), moves[i].want);
	}
}

static void a_freed_address_is_the_last_to_be_given_again(void **state)
{
	static const struct move moves[] = {
		{ "a", NULL, "10.0.0.2" }, { "b", NULL, "10.0.0.3" }, { "a", NULL, "10.0.0.2" },
		{ "-a", NULL, NULL },	   { "c", NULL, "10.0.0.4" }, { "-b", NULL, NULL },
		{ "d", NULL, "10.0.0.5" }, { "e", NULL, "10.0.0.6" }, /* none is new now */
		{ "f", NULL, "10.0.0.2" }, { "-c", NULL, NULL },      { "g", NULL, "10.0.0.3" },
		{ "h", NULL, "10.0.0.4" }, { "i", NULL, NULL },	      { "-e", NULL, NULL },
		{ "i", NULL, "10.0.0.6" }, { "-zzz", NULL, NULL },
	};
	struct lease_pools pools = pools_of("10.0.0.0/29", NULL, "10.0.0.1");
	play((int)(intptr_t)*state, &pools, moves, ARRAY_SIZE(moves));
}

static void static_addresses_and_ranges(void **state)
{
	static const struct move moves[] = {
		{ "a", "10.0.0.9", "10.0.0.9" }, /* outside of the range is allowed */
		{ "b", NULL, "10.0.0.16" },	 /* from the range */
		{ "c", "10.0.0.17", "10.0.0.17" },
		{ "d", NULL, "10.0.0.18" },  /* around the static one */
		{ "e", "10.0.0.9", NULL },   /* another's */
		{ "e", "10.0.0.1", NULL },   /* the gateway */
		{ "e", "10.0.0.0", NULL },   /* the network */
		{ "e", "10.0.0.255", NULL }, /* broadcast */
		{ "e", "10.0.1.5", NULL },   /* not in the subnet */
		{ "e", "fd00::1", NULL },
		{ "e", "web", NULL },
		{ "b", "10.0.0.20", "10.0.0.20" }, /* moves, and the old one is free */
		{ "b", NULL, "10.0.0.20" },	   /* and stays */
		{ "f", NULL, "10.0.0.19" },
		{ "-a", NULL, NULL },
		{ "e", "10.0.0.9", "10.0.0.9" },
	};
	struct lease_pools pools = pools_of("10.0.0.0/24", "10.0.0.16/28", "10.0.0.1");
	play((int)(intptr_t)*state, &pools, moves, ARRAY_SIZE(moves));
}

static void reserved_addresses_are_never_given(void **state)
{
	static const struct move moves[] = {
		{ "a", NULL, "10.0.0.3" },
		{ "b", NULL, "10.0.0.5" },
		{ "c", "10.0.0.4", "10.0.0.4" },
	};
	struct lease_pools pools = pools_of("10.0.0.0/24", NULL, "10.0.0.1");
	struct address a;
	assert_int_equal(address__parse("10.0.0.2", &a), 0);
	vec_push(&pools.v4.reserved, a);
	assert_int_equal(address__parse("10.0.0.4", &a), 0);
	vec_push(&pools.v4.reserved, a);
	play((int)(intptr_t)*state, &pools, moves, ARRAY_SIZE(moves));
	lease__pools_done(&pools);
}

/* Every file may be missing, empty or cut short after a power failure. */
static void damaged_files_cost_addresses_not_service(void **state)
{
	int fd = (int)(intptr_t)*state;
	cleanup_err struct err err = ERR_INIT;
	static const struct move first[] = { { "a", NULL, "10.0.0.2" }, { "b", NULL, "10.0.0.3" } };
	static const struct move then[] = {
		{ "b", NULL, "10.0.0.3" },
		{ "a", NULL, "10.0.0.2" }, /* its mark does not count without the lease */
		{ "c", NULL, "10.0.0.4" }, /* the search passes what is in use */
	};
	struct lease_pools pools = pools_of("10.0.0.0/29", NULL, "10.0.0.1");
	play(fd, &pools, first, ARRAY_SIZE(first));
	assert_int_equal(fs_write_atomic(fd, "leases/a", "", 0, 0644, 0, &err), 0);
	assert_int_equal(fs_write_atomic(fd, "next4", "many", 4, 0644, 0, &err), 0);
	play(fd, &pools, then, ARRAY_SIZE(then));
}

static void leases_are_listed(void **state)
{
	int fd = (int)(intptr_t)*state;
	cleanup_err struct err err = ERR_INIT;
	cleanup_strv struct strv keys = { 0 };
	static const struct move moves[] = { { "p+web-2", NULL, "10.0.0.2" },
					     { "p+web-1", NULL, "10.0.0.3" } };
	struct lease_pools pools = pools_of("10.0.0.0/24", NULL, "10.0.0.1");
	play(fd, &pools, moves, ARRAY_SIZE(moves));
	assert_int_equal(lease__list(fd, &keys, &err), 0);
	assert_int_equal(keys.n, 2);
	assert_string_equal(keys.v[0], "p+web-1");
	assert_string_equal(keys.v[1], "p+web-2");
}

int main(void)
{
#define lease_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		lease_test(a_freed_address_is_the_last_to_be_given_again),
		lease_test(static_addresses_and_ranges),
		lease_test(reserved_addresses_are_never_given),
		lease_test(damaged_files_cost_addresses_not_service),
		lease_test(leases_are_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
