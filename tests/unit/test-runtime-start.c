/* Starting containers: that a program runs, as whom, where, with what; and how a start fails. */
#include "box.h"

#include <sched.h>
#include <sys/mount.h>

static void test_runs(void **state)
{
	static const unsigned kinds[] = { BOX_USER_NS, 0, BOX_HOST_NET };
	(void)state;
	need_root();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		box_run(box, "pid", "id", "cwd", "uts", "fds", "umask", "signals", "env", "exit=7",
			NULL);
		assert_true(WIFEXITED(box->status) && WEXITSTATUS(box->status) == 7);
		box_expect(box, "pid 1 ppid 0");
		box_expect(box, "uid 0 gid 0 groups 0");
		box_expect(box, "cwd /");
		box_expect(box, "hostname box");
		box_expect(box, "fd 0");
		box_expect(box, "fd 2");
		assert_null(strstr(str_text(&box->text), "fd 3"));
		box_expect(box, "umask 22");
		box_expect(box, "signals blocked 0 handled 0");
		box_expect(box, "env HOME=/root");
		box_free(box);
	}
}

static void exec_in(struct box *box, struct spec_process *process, int *ret_status)
{
	int fds[2];
	struct runtime_child child;
	struct runtime_exec exec = { .pid = box->child.pid,
				     .start_time = box->child.start_time,
				     .process = process };

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	exec.stdio[0] = FD_NONE;
	exec.stdio[1] = exec.stdio[2] = fds[1];
	if (runtime_exec(&box->spec, &exec, &child, &box->err) < 0)
		fail_msg("exec: %s", box->err.msg);
	close(fds[1]);
	box->result = runtime_start_result(child.status_fd, &box->err);
	str_clear(&box->text);
	assert_int_equal(fs_read_fd(fds[0], "output", 1 << 20, &box->text, &(struct err){ 0 }), 0);
	close(fds[0]);
	assert_int_equal(waitpid(child.pid, ret_status, __WALL), child.pid);
	runtime_child_done(&child);
}

static void test_exec(void **state)
{
	static const unsigned kinds[] = { BOX_USER_NS, 0, BOX_HOST_NET };
	(void)state;
	need_root();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		struct spec_process process = { .caps = caps_default() };
		int status;

		box_start(box, "sleep", NULL);
		assert_int_equal(box->result, 0);
		strv_add(&process.args, "payload");
		strv_add(&process.args, "id");
		strv_add(&process.args, "cwd");
		strv_add(&process.args, "fds");
		strv_add(&process.args, "ls=/");
		strv_add(&process.args, "uts");
		strv_add(&process.args, "exit=3");
		exec_in(box, &process, &status);
		if (box->result < 0)
			fail_msg("%s", box->err.msg);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
		box_expect(box, "uid 0 gid 0 groups 0");
		box_expect(box, "cwd /");
		box_expect(box, "hostname box");
		box_expect(box, "ls /: bin");
		assert_null(strstr(str_text(&box->text), "fd 3"));
		spec_process_done(&process);
		box_free(box);
	}
}

/* stave inside a chroot: what enters a container lands in the container's root, not in that of the
 * mount namespace, which is the machine's. */
static void test_in_chroot(void **state)
{
	static const unsigned kinds[] = { BOX_USER_NS, 0 };
	char template[] = "/var/tmp/stave-jail-XXXXXX";
	int status;
	(void)state;
	need_root();
	assert_non_null(mkdtemp(template));
	pid_t pid = fork();
	if (pid == 0) {
		assert_int_equal(unshare(CLONE_NEWNS), 0);
		assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
		assert_int_equal(mount("/", template, NULL, MS_BIND | MS_REC, NULL), 0);
		assert_int_equal(chroot(template), 0);
		assert_int_equal(chdir("/"), 0);
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			struct box *box = box_new(kinds[i]);
			struct spec_process process = { .caps = caps_default() };
			box_start(box, "trap", NULL);
			strv_add(&process.args, "/bin/payload");
			strv_add(&process.args, "ls=/");
			strv_add(&process.args, "cat=/proc/self/mountinfo");
			exec_in(box, &process, &status);
			if (box->result < 0 || !box_said(box, "ls /: bin") ||
			    box_said(box, "ls /: usr") || strstr(str_text(&box->text), "ext4")) {
				print_error("%s\n%s", str_text(&box->text),
					    box->err.msg ? box->err.msg : "");
				_exit(1);
			}
			spec_process_done(&process);
			box_free(box);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(rmdir(template), 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_in_chroot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
