/* The keeper: what a supervisor gave it survives that supervisor. The test is keeper and supervisor
 * itself: executed as `test-keeper keeper P` it is the real keeper, as `test-keeper supervisor P`
 * one generation after the other of a supervisor that is killed, steps aside, and ends. */
#include "base/fs.h"
#include "base/hash.h"
#include "engine/client.h"
#include "engine/keeper-protocol.h"
#include "engine/keeper.h"
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { EXIT_OF_CHILD = 7 };

/* --- the supervisor's part --- */

static void say(const char *text)
{
	int fd = open(getenv("TEST_RESULT"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	(void)!write(fd, text, strlen(text));
	close(fd);
}

static void send_name(enum keeper_message_type type, const char *name, pid_t pid, int fd)
{
	struct keeper_message m;
	keeper_message_init(&m, type, name);
	m.pid = pid;
	keeper_send(KEEPER_FD_SOCKET, &m, fd);
}

/* A child of the keeper, as containers are. */
static void sibling(void)
{
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(EXIT_OF_CHILD);
}

static int first_generation(void)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return 1;
	(void)!write(fds[1], "kept", 4);
	send_name(KEEPER_HOLD, "web-1/out", 0, fds[0]);
	send_name(KEEPER_HOLD, "web-1/other", 0, fds[0]);
	send_name(KEEPER_HOLD, "db-1/net", 0, fds[0]);
	send_name(KEEPER_HOLD, "db-1/user", 0, fds[0]);
	send_name(KEEPER_DROP, "db-1/", 0, FD_NONE);
	send_name(KEEPER_DROP, "web-1/other", 0, FD_NONE);
	sibling();
	raise(SIGKILL);
	return 1;
}

/* Lists what there is: "held NAME TEXT" lines, and an "exit CODE" line, which may have come before,
 * among or after them. */
static void list(bool acknowledge)
{
	int code = -1;
	send_name(KEEPER_LIST, NULL, 0, FD_NONE);
	for (bool over = false, ended = false; !over || (acknowledge && !ended);) {
		struct keeper_message m;
		cleanup_fd int fd = FD_NONE;
		struct pollfd pfd = { .fd = KEEPER_FD_SOCKET, .events = POLLIN };
		if (poll(&pfd, 1, 60000) <= 0 || keeper_receive(KEEPER_FD_SOCKET, 0, &m, &fd) <= 0)
			return say("no answer\n");
		over |= m.type == KEEPER_LIST_END;
		char text[5] = "", line[256];
		if (m.type == KEEPER_HELD) {
			(void)!read(fd, text, 4);
			snprintf(line, sizeof(line), "held %s %s\n", m.name, text);
			say(line);
		} else if (m.type == KEEPER_EXIT && !ended) {
			code = WEXITSTATUS(m.status);
			ended = true;
			if (acknowledge)
				send_name(KEEPER_ACK, NULL, m.pid, FD_NONE);
		}
	}
	char last[32];
	snprintf(last, sizeof(last), "exit %d\n", code);
	if (code >= 0)
		say(last);
}

static int supervisor(void)
{
	cleanup_str struct str so_far = STR_INIT;
	struct err err = ERR_INIT;
	(void)fs_read(AT_FDCWD, getenv("TEST_RESULT"), 4096, &so_far, &err);
	err_done(&err);
	if (so_far.len == 0) {
		say("first\n");
		return first_generation();
	}
	if (!strstr(str_text(&so_far), "second")) {
		say("second\n");
		list(true);
		return SUPERVISOR_UPGRADE;
	}
	say("third\n");
	list(false);
	say("end\n");
	return SUPERVISOR_DONE;
}

/* --- the test's part --- */

static char *run_keeper(int *ret_status)
{
	char hex[9], path[64], result[96];
	hex_random(hex, 8);
	snprintf(path, sizeof(path), "/tmp/stave-test-keeper-%s", hex);
	snprintf(result, sizeof(result), "%s/result", path);
	assert_int_equal(mkdir(path, 0700), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("STAVE_RUN", path, 1);
		setenv("STAVE_ROOT", path, 1);
		setenv("TEST_RESULT", result, 1);
		(void)close(KEEPER_FD_SOCKET);
		(void)close(KEEPER_FD_READY);
		execl("/proc/self/exe", "test-keeper", "keeper", "demo", NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, ret_status, 0), pid);
	cleanup_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	(void)fs_read(AT_FDCWD, result, 4096, &text, &err);
	assert_false(fs_exists(AT_FDCWD, "projects"));
	err_done(&err);
	cleanup_free char *left = xasprintf("%s/projects/demo", path);
	assert_false(fs_exists(AT_FDCWD, left));
	(void)fs_remove_tree(AT_FDCWD, path, &err);
	err_done(&err);
	return str_take(&text);
}

static void test_generations(void **unused)
{
	(void)unused;
	int status = -1;
	cleanup_free char *text = run_keeper(&status);
	assert_string_equal(
		text, "first\nsecond\nheld web-1/out kept\nexit 7\nthird\nheld web-1/out \nend\n");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), SUPERVISOR_DONE);
}

static void test_lock_is_one(void **unused)
{
	(void)unused;
	char path[] = "/tmp/stave-test-lock-XXXXXX";
	assert_non_null(mkdtemp(path));
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int first = keeper_lock(dir);
	assert_true(first >= 0);
	assert_int_equal(keeper_lock(dir), -EWOULDBLOCK);
	/* The holder removes the file as it leaves: whoever opened it before that has locked
	 * nothing. */
	assert_int_equal(unlinkat(dir, "lock", 0), 0);
	int second = keeper_lock(dir);
	assert_true(second >= 0);
	close(first);
	close(second);
	assert_int_equal(unlinkat(dir, "lock", 0), 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

static void test_names_have_a_bound(void **unused)
{
	(void)unused;
	struct keeper_message m;
	char name[KEEPER_NAME_MAX + 1];
	memset(name, 'a', sizeof(name));
	name[KEEPER_NAME_MAX] = '\0';
	assert_false(keeper_message_init(&m, KEEPER_HOLD, name));
	name[KEEPER_NAME_MAX - 1] = '\0';
	assert_true(keeper_message_init(&m, KEEPER_HOLD, name));
}

int main(int argc, char **argv)
{
	const struct engine_paths paths = { .root = getenv("STAVE_ROOT"),
					    .run = getenv("STAVE_RUN") };
	if (argc == 3 && strcmp(argv[1], "keeper") == 0)
		return keeper_main(&paths, argv[2], argv);
	if (argc == 3 && strcmp(argv[1], "supervisor") == 0)
		return supervisor();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_lock_is_one),
		cmocka_unit_test(test_names_have_a_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
