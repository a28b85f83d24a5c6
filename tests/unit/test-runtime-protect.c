/* A program that runs from a sealed copy of itself: the same arguments, a binary nobody can write.
 * Also what the kernel check says here. */
#include "test.h"

#include "runtime/runtime.h"

#include "base/fs.h"

#include <fcntl.h>

static char **arguments;

static void test_protect(void **state)
{
	struct err err = ERR_INIT;
	char link[256] = "";
	(void)state;

	/* Comes back only in the copy. */
	if (runtime_protect(arguments[1] ? NULL : arguments, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(readlink("/proc/self/exe", link, sizeof(link) - 1) > 0);
	assert_non_null(strstr(link, "memfd:stave"));
	int fd = open("/proc/self/exe", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		assert_true(write(fd, "x", 1) < 0);
		close(fd);
	}
	assert_true(fcntl(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), F_GET_SEALS) &
		    F_SEAL_WRITE);
}

static void test_check_kernel(void **state)
{
	struct err err = ERR_INIT;
	(void)state;

	if (geteuid() != 0) {
		assert_true(runtime_check_kernel(&err) < 0);
		assert_int_equal(err.kind, ERR_PERMISSION);
		err_done(&err);
		skip();
	}
	if (runtime_check_kernel(&err) < 0)
		fail_msg("%s", err.msg);
	assert_true(runtime_can_idmap("/var/tmp") || !runtime_can_idmap("/"));
	assert_false(runtime_can_idmap("/proc"));
	assert_false(runtime_can_idmap("/nonexistent"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protect),
		cmocka_unit_test(test_check_kernel),
	};

	(void)argc;
	arguments = argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
