/* What a container must not be able to do, seen from inside: Docker's defaults item by item, and
 * what stave promises beyond them. Each kind of container is asked, with and without a user
 * namespace of its own. */
#include "box.h"

#include "test.h"

#define DEFAULT_CAPS "00000000a80425fb"

static const unsigned kinds[] = { BOX_USER_NS, 0 };

static bool output_has(const struct box *box, const char *text)
{
	return strstr(str_text(&box->text), text);
}

static void test_capabilities(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		box_run(box, "cat=/proc/self/status", NULL);
		box_expect(box, "CapInh:\t0000000000000000");
		box_expect(box, "CapAmb:\t0000000000000000");
		box_expect(box, "CapPrm:\t" DEFAULT_CAPS);
		box_expect(box, "CapEff:\t" DEFAULT_CAPS);
		box_expect(box, "CapBnd:\t" DEFAULT_CAPS);
		box_expect(box, "Seccomp:\t2");
		box_expect(box, "NoNewPrivs:\t0");
		box->spec.process.user = xstrdup("alice");
		box->spec.process.no_new_privs = true;
		box_run(box, "cat=/proc/self/status", "id", NULL);
		box_expect(box, "CapPrm:\t0000000000000000");
		box_expect(box, "CapEff:\t0000000000000000");
		box_expect(box, "CapBnd:\t" DEFAULT_CAPS);
		box_expect(box, "NoNewPrivs:\t1");
		box_expect(box, "Seccomp:\t2");
		box_expect(box, "uid 1000 gid 1001 groups 50 1001");
		box_free(box);
	}
}

static void test_seccomp(void **state)
{
	static const char *const refused[] = {
		"socket alg: EPERM",
		"socket vsock: EPERM",
		"mount: EPERM",
		"unshare: EPERM",
		"clone userns: EPERM",
		"keyctl: EPERM",
		"add_key: EPERM",
		"bpf: EPERM",
		"perf: EPERM",
		"userfaultfd: EPERM",
		"io_uring: EPERM",
		"reboot: EPERM",
		"kexec: EPERM",
		"open_by_handle: EPERM",
		"settime: EPERM",
		"syslog: EPERM",
		"personality bad: EPERM",
		"clone3: ENOSYS",
		"unknown: ENOSYS",
		"socket inet: ok",
		"personality: ok",
		"socket packet: ok",
		"chroot: ok",
	};
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		box_run(box, "syscalls", NULL);
		for (size_t k = 0; k < ARRAY_SIZE(refused); k++)
			box_expect(box, refused[k]);
		/* Allowed: what answers is the call itself. */
		assert_false(output_has(box, "mseal: EPERM"));
		assert_false(output_has(box, "futex_waitv: EPERM"));
		box->spec.process.caps &= ~(UINT64_C(1) << 13); /* NET_RAW */
		box_run(box, "syscalls", NULL);
		box_expect(box, "socket packet: EPERM");
		box_free(box);
	}
}

static void test_masked_paths(void **state)
{
	static const char *const empty[] = {
		"interrupts",	"kcore",      "keys",	    "latency_stats", "sched_debug",
		"timer_list",	"kallsyms",   "iomem",	    "vmallocinfo",   "slabinfo",
		"pagetypeinfo", "kpagecount", "kpageflags", "kpagecgroup",
	};
	static const char *const empty_dirs[] = { "/proc/acpi", "/proc/asound", "/proc/scsi",
						  "/sys/firmware",
						  "/sys/devices/virtual/powercap" };
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		for (size_t k = 0; k < ARRAY_SIZE(empty); k++) {
			cleanup_free char *path = xasprintf("/proc/%s", empty[k]);
			cleanup_free char *verb = xasprintf("cat=%s", path);
			cleanup_free char *missing = xasprintf("%s: ENOENT\n", path);
			if (access(path, F_OK) < 0)
				continue; /* this kernel has no such file */
			box_run(box, verb, NULL);
			check(path, box->text.len == 0 || str_eq(str_text(&box->text), missing),
			      "it says %zu bytes", box->text.len);
		}
		for (size_t k = 0; k < ARRAY_SIZE(empty_dirs); k++) {
			cleanup_free char *verb = xasprintf("ls=%s", empty_dirs[k]);
			cleanup_free char *missing = xasprintf("ls %s: ENOENT\n", empty_dirs[k]);
			box_run(box, verb, NULL);
			check(empty_dirs[k],
			      box->text.len == 0 || str_eq(str_text(&box->text), missing), "%s",
			      str_text(&box->text));
		}
		box_run(box, "cat=/sys/kernel/notes", "cat=/sys/kernel/vmcoreinfo", NULL);
		check("/sys/kernel", box->text.len < 80, "%s", str_text(&box->text));
		box_run(box, "poke=/proc/sys/kernel/domainname:x", "poke=/proc/sysrq-trigger:h",
			"poke=/proc/sys/vm/drop_caches:1", "create=/sys/x", "create=/proc/irq/x",
			"statvfs=/sys", "statvfs=/sys/fs/cgroup", "statvfs=/proc", "statvfs=/dev",
			"statvfs=/dev/shm", "statvfs=/dev/mqueue", "statvfs=/proc/sys",
			"ls=/sys/fs/cgroup", NULL);
		assert_false(output_has(box, "poke /proc/sys/kernel/domainname: ok"));
		assert_false(output_has(box, "poke /proc/sysrq-trigger: ok"));
		assert_false(output_has(box, "poke /proc/sys/vm/drop_caches: ok"));
		assert_true(output_has(box, "statvfs /proc/sys: ro nosuid nodev noexec"));
		assert_true(output_has(box, "statvfs /sys: ro nosuid nodev noexec"));
		assert_true(output_has(box, "statvfs /sys/fs/cgroup: ro nosuid nodev noexec"));
		assert_true(output_has(box, "statvfs /proc: nosuid nodev noexec"));
		assert_true(output_has(box, "statvfs /dev: nosuid noexec"));
		assert_true(output_has(box, "statvfs /dev/shm: nosuid nodev noexec size 67108864"));
		assert_true(output_has(box, "statvfs /dev/mqueue: nosuid nodev noexec"));
		box_free(box);
	}
}

static void test_devices(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		box_run(box, "open=/dev/null", "open=/dev/zero", "open=/dev/full",
			"open=/dev/random", "open=/dev/urandom", "open=/dev/ptmx",
			"mknod=/tmp/mem:1:1", "mknod=/tmp/kmsg:1:11", "mknod=/tmp/sda:8:0",
			"mknod=/dev/fuse:10:229", "ls=/dev", "stat=/dev/null", NULL);
		box_expect(box, "open /dev/null: ok");
		box_expect(box, "open /dev/zero: ok");
		box_expect(box, "open /dev/full: ok");
		box_expect(box, "open /dev/random: ok");
		box_expect(box, "open /dev/urandom: ok");
		box_expect(box, "open /dev/ptmx: ok");
		assert_false(output_has(box, "open /tmp/mem: ok"));
		assert_false(output_has(box, "open /tmp/kmsg: ok"));
		assert_false(output_has(box, "open /tmp/sda: ok"));
		assert_false(output_has(box, "open /dev/fuse: ok"));
		/* Before Linux 6.3 nobody owns them, with a user namespace. */
		assert_true(box_said(box, "stat /dev/null: 20666 0:0 0 1:3") ||
			    box_said(box, "stat /dev/null: 20666 65534:65534 0 1:3"));
		struct strv lines = strv_split(str_text(&box->text), '\n');
		size_t nodes = 0;
		for (size_t k = 0; k < lines.n; k++)
			nodes += str_starts(lines.v[k], "ls /dev: ");
		strv_done(&lines);
		/* null zero full random urandom tty, 6 links, pts shm mqueue; and the node tried */
		assert_in_range(nodes, 14, 16);
		box_free(box);
	}
}

/* No host path in mountinfo, no host mount, one's own cgroup as the root. (A bind mount of the
 * user's shows its path on its own file system: that the kernel does not let anybody hide.) */
static void test_mountinfo(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		struct spec_mount *own = box_mount(box, SPEC_MOUNT_OWN, NULL, NULL);
		vec_push(&own->files, (struct spec_file){ .target = xstrdup("/etc/hosts"),
							  .data = xstrdup("127.0.0.1 me\n"),
							  .len = 13,
							  .mode = 0644 });
		box_run(box, "cat=/proc/self/mountinfo", "cat=/etc/hosts", NULL);
		assert_true(output_has(box, " / / rw"));
		box_expect(box, "127.0.0.1 me");
		assert_false(output_has(box, box->dir));
		assert_false(output_has(box, "stave-test"));
		assert_false(output_has(box, TEST_DIR));
		assert_false(output_has(box, "ext4"));
		box_run(box, "cat=/proc/self/cgroup", NULL);
		struct strv lines = strv_split(str_text(&box->text), '\n');
		for (size_t k = 0; k < lines.n; k++)
			if (*lines.v[k])
				assert_true(str_ends(lines.v[k], ":/"));
		strv_done(&lines);
		box_free(box);
	}
}

static void test_user_namespace(void **state)
{
	struct box *box;
	struct stat st;
	(void)state;
	need_root();
	box = box_new(BOX_USER_NS);
	box_run(box, "cat=/proc/self/uid_map", "cat=/proc/self/gid_map", "create=/tmp/made",
		"stat=/tmp/made", "stat=/bin/payload", NULL);
	assert_true(output_has(box, "         0    1000000      65536"));
	box_expect(box, "stat /tmp/made: 100644 0:0 6");
	assert_true(output_has(box, "stat /bin/payload: 100755 0:0"));
	/* Natural owners on disk. */
	cleanup_free char *made = xasprintf("%s/container/upper/tmp/made", box->dir);
	assert_int_equal(lstat(made, &st), 0);
	assert_int_equal(st.st_uid, 0);
	/* Nobody on the host. */
	box_start(box, "sleep", NULL);
	cleanup_free char *proc = xasprintf("/proc/%d", box->child.pid);
	cleanup_str struct str status = STR_INIT;
	cleanup_free char *path = xasprintf("%s/status", proc);
	assert_int_equal(fs_read(AT_FDCWD, path, 65536, &status, &box->err), 0);
	assert_non_null(strstr(str_text(&status), "Uid:\t1000000\t1000000\t1000000\t1000000"));
	box_free(box);
}

static void test_processes_and_ipc(void **state)
{
	static const char *const names[] = { "pid", "ipc", "uts", "net", "mnt", "cgroup" };
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		box_start(box, "ls=/proc", "cat=/proc/net/unix", "cat=/proc/keys",
			  "poke=/proc/self/oom_score_adj:-500", "cat=/proc/self/oom_score_adj",
			  "trap", NULL);
		assert_int_equal(box->result, 0);
		while (!output_has(box, "ready"))
			assert_true(box_read(box));
		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			struct stat ours, theirs;
			cleanup_free char *a = xasprintf("/proc/self/ns/%s", names[k]);
			cleanup_free char *b =
				xasprintf("/proc/%d/ns/%s", box->child.pid, names[k]);
			assert_int_equal(stat(a, &ours), 0);
			assert_int_equal(stat(b, &theirs), 0);
			check(names[k], ours.st_ino != theirs.st_ino, "the host's");
		}
		assert_int_equal(runtime_kill_all(&box->spec, SIGKILL, &box->err), 0);
		box_wait(box);
		assert_true(WIFSIGNALED(box->status) && WTERMSIG(box->status) == SIGKILL);
		box_expect(box, "ls /proc: 1");
		assert_false(output_has(box, "ls /proc: 2\n"));
		box_expect(box, "poke /proc/self/oom_score_adj: EACCES");
		box_expect(box, "0");
		box_free(box);
	}
}

/* Neither what runs before the exec nor the init leads to a file of the host. */
static void test_own_binary(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		box->spec.init = true;
		box_run(box, "exe=1", "pid", NULL);
		box_expect(box, "pid 2 ppid 1");
		box_expect(box, "exe 1 rw: EACCES");
		box_expect(box, "mem 1 rw: EACCES");
		box_free(box);
	}
}

static void test_descriptors(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		/* Descriptors that stave's caller forgot to close on exec. */
		int leak = open("/", O_RDONLY | O_DIRECTORY), high = fcntl(leak, F_DUPFD, 700);
		box->spec.process.cwd = xstrdup("/proc/self/fd/700");
		box_start(box, "fds", "cwd", NULL);
		assert_true(box->result < 0);
		box_wait(box);
		free(box->spec.process.cwd);
		box->spec.process.cwd = NULL;
		box_run(box, "fds", "cwd", NULL);
		assert_string_equal(str_text(&box->text), "fd 0\nfd 1\nfd 2\ncwd /\n");
		close(leak);
		close(high);
		box_free(box);
	}
}

/* Links of the image lead nowhere but into the image, while mounting and while looking up users. */
static void test_hostile_image(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		char *source = xasprintf("%s/volume", box->dir), *outside, *escaped;
		struct spec_mount *m;

		assert_int_equal(mkdir(source, 0755), 0);
		outside = xasprintf("%s/outside", box->dir);
		assert_int_equal(mkdir(outside, 0755), 0);
		box_link(box, "escape", "../../../../../..");
		box_link(box, "absolute", outside);
		cleanup_free char *target = xasprintf("/escape%s/x", outside);
		m = box_mount(box, SPEC_MOUNT_VOLUME, source, target);
		box_run(box, "cat=/proc/self/mountinfo", NULL);
		escaped = xasprintf("%s/x", outside);
		assert_int_equal(access(escaped, F_OK), -1);
		/* Onto /proc through a link. */
		box_link(box, "p", "proc");
		free(m->target);
		m->target = xstrdup("/p/sys");
		box_start(box, "pid", NULL);
		assert_true(box->result < 0);
		assert_non_null(strstr(box->err.msg, "proc"));
		box_wait(box);
		spec_mount_done(m);
		box->spec.mounts.n = 0;
		/* A FIFO in place of /etc/passwd must not hang, a link out must not be followed. */
		cleanup_free char *passwd = xasprintf("%s/layer/etc/passwd", box->dir);
		assert_int_equal(unlink(passwd), 0);
		assert_int_equal(mkfifo(passwd, 0644), 0);
		box_start(box, "pid", NULL);
		assert_true(box->result < 0);
		assert_non_null(strstr(box->err.msg, "regular file"));
		box_wait(box);
		assert_int_equal(unlink(passwd), 0);
		assert_int_equal(symlink("../../../../../../../../etc/passwd", passwd), 0);
		box->spec.process.user = xstrdup("daemon");
		box_start(box, "id", NULL);
		assert_true(box->result < 0);
		box_wait(box);
		/* An image whose /proc is a link. */
		free(box->spec.process.user);
		box->spec.process.user = NULL;
		box_link(box, "proc", "tmp");
		box_start(box, "pid", NULL);
		box_wait(box);
		free(outside);
		free(escaped);
		free(source);
		box_free(box);
	}
}

static void test_refused_specs(void **state)
{
	static const char *const targets[] = { "/",    "/proc",	   "/proc/sys", "/sys",
					       "/dev", "relative", "/a\nb",	"/tmp/../proc" };
	static const char *const hostnames[] = { "a\nb", "a\tb", "\x7f" };
	(void)state;
	need_root();
	struct box *box = box_new(0);
	struct spec_mount *m = box_mount(box, SPEC_MOUNT_TMPFS, NULL, "/ok");

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		free(m->target);
		m->target = xstrdup(targets[i]);
		box_start(box, "pid", NULL);
		check(targets[i], box->result < 0, "accepted");
		check(targets[i], box->err.kind == ERR_INPUT, "%s", box->err.msg);
	}
	free(m->target);
	m->target = xstrdup("/ok");
	for (size_t i = 0; i < ARRAY_SIZE(hostnames); i++) {
		free(box->spec.hostname);
		box->spec.hostname = xstrdup(hostnames[i]);
		box_start(box, "pid", NULL);
		check(hostnames[i], box->result < 0 && box->err.kind == ERR_INPUT, "accepted");
	}
	box_free(box);
}

static void test_limits_that_cannot_be_raised(void **state)
{
	struct box *box;
	(void)state;
	need_root();
	box = box_new(BOX_USER_NS);
	vec_push(&box->spec.process.rlimits, (struct spec_rlimit){ 7 /* NOFILE */, 100, 200 });
	box_run(box, "rlimit", NULL);
	box_expect(box, "nofile 100 200");
	box->spec.process.rlimits.v[0].hard = box->spec.process.rlimits.v[0].soft = 1 << 19;
	box_start(box, "rlimit", NULL);
	if (box->result < 0) /* no CAP_SYS_RESOURCE here */
		assert_non_null(strstr(box->err.msg, "CAP_SYS_RESOURCE"));
	box_free(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_masked_paths),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_mountinfo),
		cmocka_unit_test(test_user_namespace),
		cmocka_unit_test(test_processes_and_ipc),
		cmocka_unit_test(test_own_binary),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_hostile_image),
		cmocka_unit_test(test_refused_specs),
		cmocka_unit_test(test_limits_that_cannot_be_raised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
