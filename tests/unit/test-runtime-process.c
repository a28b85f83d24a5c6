/* The process in a container: who it is, its terminal, its signals, how its start can fail, and the
 * built-in init. */
#include "box.h"

#include "test.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const unsigned kinds[] = { BOX_USER_NS, 0 };

static bool output_has(const struct box *box, const char *text)
{
	return strstr(str_text(&box->text), text);
}

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static void test_users(void **state)
{
	static const struct {
		const char *user, *group_add, *want, *home;
	} cases[] = {
		{ NULL, NULL, "uid 0 gid 0 groups 0", "env HOME=/root" },
		{ "alice", NULL, "uid 1000 gid 1001 groups 50 1001", "env HOME=/home/alice" },
		{ "1000", NULL, "uid 1000 gid 1001 groups 50 1001", "env HOME=/home/alice" },
		{ "alice:staff", NULL, "uid 1000 gid 50 groups 50", "env HOME=/home/alice" },
		{ "1234", NULL, "uid 1234 gid 0 groups 0", "env HOME=/" },
		{ "1234:5678", "staff", "uid 1234 gid 5678 groups 50 5678", "env HOME=/" },
		{ "0:0", "777", "uid 0 gid 0 groups 0 777", "env HOME=/root" },
		{ "mallory", NULL, NULL, "no user 'mallory'" },
		{ "alice:nobody", NULL, NULL, "no group 'nobody'" },
		{ "alice", "nobody", NULL, "no group 'nobody'" },
		{ "70000", NULL, NULL, "65536" },
	};
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct box *box = box_new(BOX_USER_NS);
		if (cases[i].user)
			set(&box->spec.process.user, cases[i].user);
		if (cases[i].group_add)
			strv_add(&box->spec.process.groups, cases[i].group_add);
		box_start(box, "id", "env", NULL);
		if (cases[i].want) {
			check(cases[i].want, box->result == 0, "%s", box->err.msg);
			box_wait(box);
			check(cases[i].want, box_said(box, cases[i].want), "%s",
			      str_text(&box->text));
			check(cases[i].want, box_said(box, cases[i].home), "%s",
			      str_text(&box->text));
		} else {
			check(cases[i].user, box->result < 0, "started");
			check(cases[i].user, strstr(box->err.msg, cases[i].home), "%s",
			      box->err.msg);
		}
		box_free(box);
	}
}

static void test_failures(void **state)
{
	static const struct {
		const char *arg, *cwd;
		int no, status;
		const char *text;
	} cases[] = {
		{ "no-such-command", NULL, ENOENT, 127, "not found in PATH" },
		{ "/bin/none", NULL, ENOENT, 127, "not found in the image" },
		{ "/etc/passwd", NULL, EACCES, 126, "Permission denied" },
		{ "/bin", NULL, EACCES, 126, "Permission denied" },
		{ "/bin/script", NULL, ENOENT, 127, "interpreter" },
		{ "/bin/garbage", NULL, EACCES, 126, "not a program" },
		{ "script-not-x", NULL, EACCES, 126, "Permission denied" },
		{ "/bin/payload", "/etc/passwd", ENOTDIR, 125, "working directory" },
	};
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct box *box = box_new(kinds[i % 2]);
		box_write(box, "bin/script", "#!/bin/missing\n", 0755);
		box_write(box, "bin/garbage", "garbage", 0755);
		box_write(box, "bin/script-not-x", "garbage", 0644);
		strv_add(&box->spec.process.args, cases[i].arg);
		box->spec.process.cwd = xstrdup(cases[i].cwd);
		box_start_with(box, 0);
		check(cases[i].arg, box->result < 0, "started");
		check(cases[i].arg, box->err.no == cases[i].no, "errno %d: %s", box->err.no,
		      box->err.msg);
		check(cases[i].arg, box->err.kind == ERR_CONTAINER, "kind %d", box->err.kind);
		check(cases[i].arg, strstr(box->err.msg, cases[i].text), "%s", box->err.msg);
		box_wait(box);
		check(cases[i].arg, WEXITSTATUS(box->status) == cases[i].status, "%x", box->status);
		box_free(box);
	}
}

static void test_cwd_and_names(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		set(&box->spec.process.cwd, "/made/for/it");
		set(&box->spec.hostname, "name");
		set(&box->spec.domainname, "example.org");
		vec_push(&box->spec.sysctls,
			 (struct spec_sysctl){ xstrdup("net.ipv4.ip_forward"), xstrdup("1") });
		vec_push(&box->spec.sysctls,
			 (struct spec_sysctl){ xstrdup("kernel.msgmax"), xstrdup("9000") });
		box_run(box, "cwd", "uts", "stat=/made/for/it", "cat=/proc/sys/net/ipv4/ip_forward",
			"cat=/proc/sys/kernel/msgmax",
			"cat=/proc/sys/net/ipv4/ip_unprivileged_port_start",
			"cat=/proc/sys/net/ipv4/ping_group_range", NULL);
		box_expect(box, "cwd /made/for/it");
		box_expect(box, "hostname name");
		box_expect(box, "domainname example.org");
		box_expect(box, "1");
		box_expect(box, "9000");
		box_expect(box, "0");
		assert_true(output_has(box, kinds[i] & BOX_USER_NS ? "0\t65535" : "0\t2147483647"));
		assert_true(output_has(box, "stat /made/for/it: 40755 0:0"));
		set(&box->spec.sysctls.v[0].name, "no.such.sysctl");
		box_start(box, "cwd", NULL);
		assert_true(box->result < 0);
		assert_non_null(strstr(box->err.msg, "no.such.sysctl"));
		box_free(box);
	}
}

/* /dev/stdout can be opened again, by the user that the program runs as. */
static void test_stdout_reopens(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		set(&box->spec.process.user, "alice");
		box_run(box, "create=/dev/stdout", NULL);
		box_expect(box, "hello");
		box_free(box);
	}
}

static void test_tty(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < 4; i++) {
		struct box *box = box_new(kinds[i % 2]);
		char buf[4096];
		ssize_t n;
		int console;

		box->spec.init = i >= 2;
		box->spec.process.tty = true;
		box->spec.process.rows = 33;
		box->spec.process.cols = 111;
		set(&box->spec.process.user, "alice");
		box_start(box, "tty", "env", "fds", NULL);
		if (box->result < 0)
			fail_msg("%s", box->err.msg);
		console = box->child.console;
		assert_true(console >= 0);
		while ((n = read(console, buf, sizeof(buf))) > 0)
			for (ssize_t k = 0; k < n; k++)
				if (buf[k] != '\r')
					str_addc(&box->text, buf[k]);
		box_expect(box, "tty yes /dev/pts/0");
		box_expect(box, "size 33 111");
		box_expect(box, "foreground yes");
		box_expect(box, "session leader yes");
		box_expect(box, "open /dev/tty: ok");
		box_expect(box, "env TERM=xterm");
		assert_true(output_has(box, "stat /dev/console: 20620 1000:"));
		assert_false(output_has(box, "fd 3"));
		box_wait(box);
		box_free(box);
	}
}

static void test_exec_tty(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		struct spec_process process = { .caps = caps_default(), .tty = true, .rows = 7 };
		struct runtime_exec exec = { .process = &process, .stdio = { -1, -1, -1 } };
		struct runtime_child child;
		char buf[4096];
		ssize_t n;
		int status;

		box_start(box, "sleep", NULL);
		exec.pid = box->child.pid;
		exec.start_time = box->child.start_time;
		strv_add(&process.args, "payload");
		strv_add(&process.args, "tty");
		strv_add(&process.args, "fds");
		if (runtime_exec(&box->spec, &exec, &child, &box->err) < 0 ||
		    runtime_start_result(child.status_fd, &box->err) < 0)
			fail_msg("%s", box->err.msg);
		while ((n = read(child.console, buf, sizeof(buf))) > 0)
			for (ssize_t k = 0; k < n; k++)
				if (buf[k] != '\r')
					str_addc(&box->text, buf[k]);
		box_expect(box, "tty yes /dev/pts/0");
		box_expect(box, "size 7 0");
		box_expect(box, "foreground yes");
		box_expect(box, "open /dev/tty: ok");
		assert_false(output_has(box, "fd 3"));
		assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
		assert_int_equal(status, 0);
		runtime_child_done(&child);
		/* A process that is not the one that was meant. */
		exec.start_time++;
		assert_true(runtime_exec(&box->spec, &exec, &child, &box->err) < 0);
		assert_int_equal(box->err.kind, ERR_NOT_FOUND);
		spec_process_done(&process);
		box_free(box);
	}
}

static void wait_for(struct box *box, const char *text)
{
	while (!output_has(box, text))
		if (!box_read(box))
			fail_msg("no '%s' in: %s", text, str_text(&box->text));
}

static void test_init(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		box->spec.init = true;
		box_run(box, "orphan", "exit=9", NULL);
		box_expect(box, "orphan reaped");
		box_expect(box, "pid 2");
		assert_int_equal(WEXITSTATUS(box->status), 9);
		box_run(box, "cat=/proc/1/comm", NULL);
		assert_false(output_has(box, "payload"));
		box_start(box, "trap", NULL);
		wait_for(box, "ready");
		assert_true(runtime_signal_works(box->child.pid, SIGTERM));
		assert_int_equal(proc_pidfd_signal(box->child.pidfd, SIGTERM), 0);
		wait_for(box, "signal 15");
		assert_int_equal(proc_pidfd_signal(box->child.pidfd, SIGUSR2), 0);
		box_wait(box);
		assert_int_equal(box->status, 0);
		/* Killed by a signal: 128 + its number. */
		box_start(box, "sleep", NULL);
		assert_int_equal(proc_pidfd_signal(box->child.pidfd, SIGTERM), 0);
		box_wait(box);
		assert_int_equal(WEXITSTATUS(box->status), 128 + SIGTERM);
		/* Without an init, PID 1 does not hear what it does not handle. */
		box->spec.init = false;
		box_start(box, "trap", NULL);
		wait_for(box, "ready");
		assert_true(runtime_signal_works(box->child.pid, SIGTERM));
		assert_true(runtime_signal_works(box->child.pid, SIGKILL));
		box_free(box);
		box = box_new(kinds[i]);
		box_start(box, "sleep", NULL);
		assert_false(runtime_signal_works(box->child.pid, SIGTERM));
		box_free(box);
	}
}

/* As the supervisor does it: the container is the child of the caller's parent. */
static void test_clone_parent(void **state)
{
	struct box *box;
	int pair[2], status;
	pid_t pid, container;
	(void)state;
	need_root();
	box = box_new(BOX_USER_NS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	pid = fork();
	if (pid == 0) {
		strv_add(&box->spec.process.args, "/bin/payload");
		strv_add(&box->spec.process.args, "exit=5");
		box_start_with(box, RUNTIME_CLONE_PARENT);
		container = box->result < 0 ? -1 : box->child.pid;
		_exit(write(pair[1], &container, sizeof(container)) < 0);
	}
	assert_int_equal(read(pair[0], &container, sizeof(container)), sizeof(container));
	assert_true(container > 0);
	assert_int_equal(waitpid(container, &status, 0), container);
	assert_int_equal(WEXITSTATUS(status), 5);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(waitpid(-1, NULL, __WALL), -1); /* no intermediate is left to anybody */
	assert_int_equal(runtime_cleanup(&box->spec, &box->err), 0);
	close(pair[0]);
	close(pair[1]);
	box_free(box);
}

static void test_joins(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *a = box_new(kinds[i]), *b = box_new(kinds[i]);
		a->spec.idmap.base = a->spec.idmap.count ? 2000000 : 0;
		fd_close(a->ns.user);
		fd_close(a->ns.net);
		assert_int_equal(runtime_namespaces_new(&a->spec.idmap, true, &a->ns, &a->err), 0);
		box_start(a, "create=/dev/shm/shared", "trap", NULL);
		wait_for(a, "ready");
		b->spec.ipc = b->spec.pid = SPEC_NS_JOIN;
		b->spec.ipc_join = b->spec.pid_join = a->child.pid;
		box_run(b, "cat=/dev/shm/shared", "ls=/proc", "pid", "create=/x", NULL);
		box_expect(b, "hello");
		box_expect(b, "ls /proc: 1");
		assert_false(output_has(b, "pid 1 "));
		box_expect(b, "create /x: ok");
		box_free(b);
		box_free(a);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),	      cmocka_unit_test(test_failures),
		cmocka_unit_test(test_cwd_and_names), cmocka_unit_test(test_stdout_reopens),
		cmocka_unit_test(test_tty),	      cmocka_unit_test(test_exec_tty),
		cmocka_unit_test(test_init),	      cmocka_unit_test(test_clone_parent),
		cmocka_unit_test(test_joins),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
