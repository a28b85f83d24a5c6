/* Control groups: limits, pause, kill, statistics in real containers (whatever version this machine
 * has); and what the version 2 back end would write, in a directory that only looks like one. */
#include "box.h"

#include "test.h"

#include "runtime/cgroup.h"

#include <signal.h>

static bool output_has(const struct box *box, const char *text)
{
	return strstr(str_text(&box->text), text);
}

static void wait_for(struct box *box, const char *text)
{
	while (!output_has(box, text))
		if (!box_read(box))
			fail_msg("no '%s' in: %s", text, str_text(&box->text));
}

static void test_limits(void **state)
{
	struct box *box;
	struct runtime_stats stats;
	(void)state;
	need_root();
	box = box_new(BOX_USER_NS);
	box->spec.resources.memory = 64 << 20;
	box->spec.resources.pids = 5;
	box->spec.resources.cpu_quota_us = 50000;
	box->spec.resources.cpu_period_us = 100000;
	box->spec.resources.cpu_shares = 512;
	box_start(box, "fork=10", "trap", NULL);
	wait_for(box, "ready");
	/* One more while the intermediate still counts: the exact limit comes when it is gone. */
	if (!output_has(box, "forked 4\n") && !output_has(box, "forked 5\n"))
		fail_msg("%s", str_text(&box->text));
	assert_int_equal(runtime_stats(&box->spec, &stats, &box->err), 0);
	assert_int_equal(stats.memory_limit, 64 << 20);
	assert_in_range(stats.pids, 5, 6);
	assert_int_equal(stats.pids_limit, 5);
	assert_true(stats.cpu_ns > 0);
	assert_true(stats.memory > 0);
	/* Live. */
	box->spec.resources.memory = 128 << 20;
	box->spec.resources.pids = -1;
	if (runtime_update(&box->spec, &box->err) < 0)
		fail_msg("%s", box->err.msg);
	assert_int_equal(runtime_stats(&box->spec, &stats, &box->err), 0);
	assert_int_equal(stats.memory_limit, 128 << 20);
	assert_int_equal(stats.pids_limit, 0);
	box->spec.resources.memory = 32 << 20;
	if (runtime_update(&box->spec, &box->err) < 0)
		fail_msg("%s", box->err.msg);
	box_free(box);
}

static void test_out_of_memory(void **state)
{
	struct box *box;
	struct runtime_stats stats;
	(void)state;
	need_root();
	box = box_new(BOX_USER_NS);
	box->spec.resources.memory = box->spec.resources.memory_swap = 16 << 20;
	box_start(box, "eat=64", NULL);
	assert_int_equal(waitpid(box->child.pid, &box->status, __WALL), box->child.pid);
	box->child.pid = 0;
	assert_true(WIFSIGNALED(box->status) && WTERMSIG(box->status) == SIGKILL);
	assert_int_equal(runtime_stats(&box->spec, &stats, &box->err), 0);
	assert_int_equal(stats.oom_kills, 1);
	assert_int_equal(runtime_cleanup(&box->spec, &box->err), 0);
	box_free(box);
}

static void test_pause_and_kill(void **state)
{
	struct box *box;
	struct runtime_pids pids = { 0 };
	(void)state;
	need_root();
	box = box_new(BOX_USER_NS);
	box_start(box, "fork=3", "trap", NULL);
	wait_for(box, "ready");
	assert_int_equal(runtime_pids(&box->spec, &pids, &box->err), 0);
	assert_int_equal(pids.pids.n, 4);
	assert_true(pids.pids.v[0] < pids.pids.v[1]);
	vec_done(&pids.pids);
	assert_false(runtime_paused(&box->spec));
	assert_int_equal(runtime_pause(&box->spec, true, &box->err), 0);
	assert_true(runtime_paused(&box->spec));
	assert_int_equal(runtime_pause(&box->spec, false, &box->err), 0);
	assert_false(runtime_paused(&box->spec));
	/* A signal for all, then the one that ends even what is paused. */
	assert_int_equal(runtime_kill_all(&box->spec, SIGUSR1, &box->err), 0);
	wait_for(box, "signal 10");
	assert_int_equal(runtime_pause(&box->spec, true, &box->err), 0);
	assert_int_equal(runtime_kill_all(&box->spec, SIGKILL, &box->err), 0);
	box_wait(box);
	assert_true(WIFSIGNALED(box->status));
	/* Gone is success. */
	assert_int_equal(runtime_cleanup(&box->spec, &box->err), 0);
	assert_int_equal(runtime_kill_all(&box->spec, SIGKILL, &box->err), 0);
	box_free(box);
}

static void test_nothing_is_left(void **state)
{
	const struct cgroup_host *host = runtime__cgroup_host();
	struct box *box;
	(void)state;
	need_root();
	box = box_new(0);
	box_run(box, "pid", NULL);
	vec_each(h, &host->hierarchies) {
		cleanup_free char *path = xasprintf("%s/stave/%s", h->mount, box->spec.project);
		check(path, access(path, F_OK) < 0, "is still there");
	}
	/* Processes that nobody stopped do not keep a group alive. */
	box_start(box, "sleep", NULL);
	assert_int_equal(runtime_cleanup(&box->spec, &box->err), 0);
	box_wait(box);
	/* A start that fails leaves none either. */
	box->spec.resources.cpuset_cpus = xstrdup("900");
	box_start(box, "pid", NULL);
	assert_true(box->result < 0);
	assert_non_null(strstr(box->err.msg, "cpuset"));
	vec_each(h, &host->hierarchies) {
		cleanup_free char *path = xasprintf("%s/stave/%s", h->mount, box->spec.project);
		check(path, access(path, F_OK) < 0, "is still there");
	}
	box_free(box);
}

static void test_host_parse(void **state)
{
	struct cgroup_host host;
	(void)state;

	runtime__cgroup_host_parse("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
				   &host);
	assert_true(host.available && host.v2);
	assert_string_equal(host.root, "/sys/fs/cgroup");
	runtime__cgroup_host_done(&host);
	runtime__cgroup_host_parse(
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		"34 31 0:31 / /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset\n"
		"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		"bad line\n",
		&host);
	assert_true(host.available && !host.v2);
	assert_int_equal(host.hierarchies.n, 2);
	assert_string_equal(host.hierarchies.v[0].option, "cpu,cpuacct");
	assert_false(host.hierarchies.v[0].optional);
	assert_true(host.hierarchies.v[1].optional);
	runtime__cgroup_host_done(&host);
	runtime__cgroup_host_parse("", &host);
	assert_false(host.available);
}

/* The files that version 2 would have; writing to one that is missing is an unsupported setting. */
static void test_v2_files(void **state)
{
	static const char *const files[] = { "memory.max",    "memory.swap.max", "memory.low",
					     "cpu.weight",    "cpu.max",	 "cpuset.cpus",
					     "cpuset.mems",   "pids.max",	 "io.max",
					     "cgroup.freeze", "cgroup.kill",	 "cgroup.events",
					     "cgroup.procs",  "io.weight" };
	static const struct {
		const char *file, *want;
	} wants[] = {
		{ "memory.max", "67108864" },	 { "memory.swap.max", "33554432" },
		{ "memory.low", "1048576" },	 { "cpu.weight", "39" },
		{ "cpu.max", "150000 100000" },	 { "cpuset.cpus", "0-1" },
		{ "cpuset.mems", "0" },		 { "pids.max", "100" },
		{ "io.weight", "default 4950" },
	};
	char template[] = "/tmp/stave-cgroup-XXXXXX";
	struct cgroup_host host = { .available = true, .v2 = true, .root = mkdtemp(template) };
	cleanup_spec struct spec spec;
	cleanup_err struct err err = ERR_INIT;
	struct runtime_stats stats = { 0 };
	(void)state;

	spec_init(&spec);
	memset(spec.id, 'a', SPEC_ID_LEN);
	spec.project = xstrdup("p");
	spec.resources.memory = 64 << 20;
	spec.resources.memory_swap = 96 << 20;
	spec.resources.memory_reservation = 1 << 20;
	spec.resources.cpu_shares = 1024;
	spec.resources.cpu_quota_us = 150000;
	spec.resources.cpuset_cpus = xstrdup("0-1");
	spec.resources.cpuset_mems = xstrdup("0");
	spec.resources.pids = 100;
	spec.resources.blkio_weight = 500;
	struct cgroup *cg = runtime__cgroup_new(&spec, &host);
	assert_int_equal(fs_mkdirs(AT_FDCWD, cg->dirs.v[0], 0755, &err), 0);
	assert_true(str_starts(cg->dirs.v[0], template));
	assert_true(strstr(cg->dirs.v[0], "/stave/p/aaaa"));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *path = xasprintf("%s/%s", cg->dirs.v[0], files[i]);
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	if (runtime__cgroup_apply(cg, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < ARRAY_SIZE(wants); i++) {
		cleanup_str struct str text = STR_INIT;
		runtime__cgroup_read_text(cg->dirs.v[0], wants[i].file, &text);
		check_text(wants[i].file, str_text(&text), wants[i].want);
	}
	assert_int_equal(cg->ops->stats(cg, &stats, &err), 0);
	assert_int_equal(stats.memory_limit, 64 << 20);
	assert_int_equal(stats.pids_limit, 100);
	spec.resources.oom_kill_disable = false;
	cleanup_free char *io = xasprintf("%s/cpu.max", cg->dirs.v[0]);
	assert_int_equal(unlink(io), 0);
	assert_true(runtime__cgroup_apply(cg, &err) < 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	err_done(&err);
	runtime__cgroup_free(cg);
	assert_int_equal(fs_remove_tree(AT_FDCWD, template, &err), 0);
}

static void test_device_rules(void **state)
{
	static const char *const good[] = { "c 1:3 rwm", "b *:* m", "a *:* rwm", "c 136:* r" };
	static const char *const bad[] = { "",	      "c 1:3",	     "x 1:3 rwm",
					   "c 1 rwm", "c 1:3 x",     "c -1:3 rwm",
					   "c 1:3 ",  "c 1:3 rwm x", "c 99999999999:3 r" };
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct device_rule rule;
		char text[64];
		check(good[i], runtime__device_rule_parse(good[i], &rule) == 0, "refused");
		check_text(good[i], runtime__device_rule_format(&rule, text, sizeof(text)),
			   good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct device_rule rule;
		check(bad[i], runtime__device_rule_parse(bad[i], &rule) < 0, "accepted");
	}
}

/* The verifier takes the program, whatever the rules. */
static void test_device_program(void **state)
{
	cleanup_spec struct spec spec;
	struct device_rules rules = { 0 };
	cleanup_err struct err err = ERR_INIT;
	(void)state;
	need_root();
	spec_init(&spec);
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			strv_add(&spec.resources.device_rules, "b 8:* rw");
		if (i == 2)
			spec.privileged = true;
		assert_int_equal(runtime__device_rules(&spec, &rules, &err), 0);
		int fd = runtime__device_program_load(&rules, &err);
		vec_done(&rules.rules);
		if (fd == -ENOSYS || fd == -EPERM) {
			print_message("skipped: no bpf() here\n");
			skip();
		}
		if (fd < 0)
			fail_msg("%s", err.msg);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),	       cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_pause_and_kill), cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_host_parse),     cmocka_unit_test(test_v2_files),
		cmocka_unit_test(test_device_rules),   cmocka_unit_test(test_device_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
