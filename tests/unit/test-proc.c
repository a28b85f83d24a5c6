#include "test.h"

#include "base/fs.h"
#include "base/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void signals_both_ways(void **state)
{
	static const struct {
		const char *name;
		int number;
	} cases[] = {
		{ "TERM", SIGTERM },
		{ "SIGTERM", SIGTERM },
		{ "sigterm", SIGTERM },
		{ "15", 15 },
		{ "IOT", SIGABRT },
		{ "RTMIN", 34 },
		{ "RTMIN+3", 37 },
		{ "SIGRTMIN+3", 37 },
		{ "RTMAX", 64 },
		{ "RTMAX-14", 50 },
		{ "64", 64 },
		{ "0", -EINVAL },
		{ "65", -EINVAL },
		{ "-1", -EINVAL },
		{ "", -EINVAL },
		{ "SIG", -EINVAL },
		{ "TERMX", -EINVAL },
		{ "RTMIN+31", -EINVAL },
		{ "RTMIN-1", -EINVAL },
		{ "RTMIN+", -EINVAL },
		{ "SIGVERYLONGNAMEINDEED", -EINVAL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int got = signal_parse(cases[i].name);
		check(cases[i].name, got == cases[i].number, "got %d", got);
	}
	for (int signo = 1; signo <= 64; signo++) {
		if (signo == 32 || signo == 33)
			continue; /* libc's own */
		const char *name = signal_name(signo);
		check(name, signal_parse(name) == signo, "of signal %d", signo);
	}
	assert_string_equal(signal_name(0), "SIG?");
	assert_string_equal(signal_name(65), "SIG?");
	assert_string_equal(signal_name(SIGABRT), "SIGABRT");
}

static void start_time_is_identity(void **state)
{
	uint64_t mine = proc_start_time(getpid());
	assert_true(mine > 0);
	assert_true(proc_alive(getpid(), mine));
	assert_false(proc_alive(getpid(), mine + 1));
	assert_false(proc_alive(0, mine));
	assert_int_equal(proc_parent(getpid()), getppid());

	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	uint64_t start = proc_start_time(child);
	assert_true(proc_alive(child, start));
	int fd = proc_pidfd(child);
	assert_true(fd >= 0);
	assert_int_equal(proc_pidfd_signal(fd, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(proc_pidfd_signal(fd, SIGKILL), -ESRCH);
	assert_false(proc_alive(child, start));
	assert_int_equal(proc_parent(child), -1);
	fd_close(fd);
}

static void a_zombie_of_a_stranger_is_abandoned(void **state)
{
	char name[32];
	siginfo_t info;
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_true(proc_alive(child, proc_start_time(child)));
	assert_true(proc_abandoned(child));
	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	assert_int_equal(prctl(PR_SET_NAME, "stave"), 0);
	assert_false(proc_abandoned(child)); /* its end will be told */
	assert_int_equal(prctl(PR_SET_NAME, name), 0);
	assert_false(proc_abandoned(getpid()));
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(proc_abandoned(child));
}

static void read_title(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, size - 1);
	assert_true(n >= 0);
	text[n] = '\0';
}

static void titles_show_in_proc(void **state)
{
	char text[256];
	proc_title("supervisor %s", "demo");
	read_title(getpid(), "cmdline", text, sizeof(text));
	assert_string_equal(text, "stave: supervisor demo");
	read_title(getpid(), "comm", text, sizeof(text));
	assert_string_equal(text, "stave\n");
	proc_title("x");
	read_title(getpid(), "cmdline", text, sizeof(text));
	assert_string_equal(text, "stave: x");
	assert_non_null(getenv("PATH"));
}

int main(int argc, char **argv)
{
	proc_title_init(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_both_ways),
		cmocka_unit_test(a_zombie_of_a_stranger_is_abandoned),
		cmocka_unit_test(start_time_is_identity),
		cmocka_unit_test(titles_show_in_proc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
