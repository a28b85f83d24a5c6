/* What the compiled profiles answer, without loading them. */
#include "test.h"

#include "runtime/caps.h"
#include "runtime/seccomp-profile.h"
#include "runtime/seccomp.h"

#include "base/time.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#define ALLOW	  SECCOMP_RET_ALLOW
#define ERRNO(no) (SECCOMP_RET_ERRNO | (no))
#define BIT(cap)  (UINT64_C(1) << CAP_##cap)

static uint32_t native_audit(void)
{
	return seccomp_arch_native() == SCMP_ARCH_AARCH64 ? AUDIT_ARCH_AARCH64 : AUDIT_ARCH_X86_64;
}

static uint32_t ask(const struct sock_fprog *program, int nr, uint64_t arg, unsigned index)
{
	struct seccomp_data data = { .nr = nr, .arch = native_audit() };

	data.args[index] = arg;
	return seccomp__simulate(program, &data);
}

static void test_default(void **state)
{
	const struct {
		const char *call;
		uint64_t extra_caps, arg;
		uint32_t want;
	} cases[] = {
		{ "read", 0, 0, ALLOW },
		{ "execve", 0, 0, ALLOW },
		{ "mseal", 0, 0, ALLOW },
		{ "futex_waitv", 0, 0, ALLOW },
		{ "mount", 0, 0, ERRNO(EPERM) },
		{ "mount", BIT(SYS_ADMIN), 0, ALLOW },
		{ "unshare", 0, 0, ERRNO(EPERM) },
		{ "keyctl", 0, 0, ERRNO(EPERM) },
		{ "add_key", 0, 0, ERRNO(EPERM) },
		{ "bpf", 0, 0, ERRNO(EPERM) },
		{ "bpf", BIT(BPF), 0, ALLOW },
		{ "perf_event_open", 0, 0, ERRNO(EPERM) },
		{ "io_uring_setup", 0, 0, ERRNO(EPERM) },
		{ "userfaultfd", 0, 0, ERRNO(EPERM) },
		{ "syslog", 0, 0, ERRNO(EPERM) },
		{ "reboot", BIT(SYS_BOOT), 0, ALLOW },
		{ "clone3", 0, 0, ERRNO(ENOSYS) },
		{ "clone3", BIT(SYS_ADMIN), 0, ALLOW },
		{ "clone", 0, 0x1200011, ALLOW },
		{ "clone", 0, 0x10000000, ERRNO(EPERM) },
		{ "clone", BIT(SYS_ADMIN), 0x10000000, ALLOW },
		{ "personality", 0, 0, ALLOW },
		{ "personality", 0, 0xffffffff, ALLOW },
		{ "personality", 0, 0x40000, ERRNO(EPERM) },
		{ "socket", 0, 2, ALLOW },
		{ "socket", 0, 16, ALLOW },
		{ "socket", 0, 17, ALLOW }, /* NET_RAW is one of the defaults */
		{ "socket", 0, 38, ERRNO(EPERM) },
		{ "socket", 0, 0x100000026, ERRNO(EPERM) },
		{ "socket", 0, 0xffffffff00000026, ERRNO(EPERM) },
		{ "socket", 0, 39, ALLOW },
		{ "socket", 0, 40, ERRNO(EPERM) },
		{ "socket", 0, 41, ALLOW },
		{ "socket", BIT(SYS_ADMIN), 38, ERRNO(EPERM) },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seccomp_profile profile;
		struct sock_fprog program;
		cleanup_err struct err err = ERR_INIT;
		int nr = seccomp_syscall_resolve_name_arch(seccomp_arch_native(), cases[i].call);
		uint32_t got;

		if (str_eq(cases[i].call, "mseal"))
			nr = 462;
		seccomp__profile_default(caps_default() | cases[i].extra_caps, &profile);
		assert_int_equal(seccomp__compile(&profile, &program, &err), 0);
		got = ask(&program, nr, cases[i].arg, 0);
		check(cases[i].call, got == cases[i].want, "argument %llx: got %x, want %x",
		      (unsigned long long)cases[i].arg, got, cases[i].want);
		assert_int_equal(ask(&program, 999, 0, 0), ERRNO(ENOSYS));
		assert_int_equal(ask(&program, 0x40000000, 0, 0), ERRNO(ENOSYS)); /* x32 */
		free(program.filter);
		seccomp__profile_done(&profile);
	}
}

static void test_packet_sockets(void **state)
{
	struct seccomp_profile profile;
	struct sock_fprog program;
	cleanup_err struct err err = ERR_INIT;
	int nr = seccomp_syscall_resolve_name_arch(seccomp_arch_native(), "socket");
	(void)state;

	seccomp__profile_default(caps_default() & ~BIT(NET_RAW), &profile);
	assert_int_equal(seccomp__compile(&profile, &program, &err), 0);
	assert_int_equal(ask(&program, nr, 17, 0), ERRNO(EPERM));
	assert_int_equal(ask(&program, nr, 0x100000011, 0), ERRNO(EPERM));
	assert_int_equal(ask(&program, nr, 16, 0), ALLOW);
	assert_int_equal(ask(&program, nr, 18, 0), ALLOW);
	free(program.filter);
	seccomp__profile_done(&profile);
}

/* 32-bit programs: AF_ALG cannot be had through socketcall, whose arguments are in memory. */
static void test_compat(void **state)
{
	struct seccomp_profile profile;
	struct sock_fprog program;
	cleanup_err struct err err = ERR_INIT;
	struct seccomp_data data = { .arch = AUDIT_ARCH_I386 };
	(void)state;

	if (native_audit() != AUDIT_ARCH_X86_64)
		skip();
	seccomp__profile_default(caps_default(), &profile);
	assert_int_equal(seccomp__compile(&profile, &program, &err), 0);
	data.nr = 102; /* socketcall */
	assert_int_equal(seccomp__simulate(&program, &data), ERRNO(EPERM));
	data.nr = 359; /* socket */
	data.args[0] = 38;
	assert_int_equal(seccomp__simulate(&program, &data), ERRNO(EPERM));
	data.args[0] = 2;
	assert_int_equal(seccomp__simulate(&program, &data), ALLOW);
	data.nr = 21; /* mount */
	assert_int_equal(seccomp__simulate(&program, &data), ERRNO(EPERM));
	data.arch = AUDIT_ARCH_ARM;
	data.nr = 3;
	assert_int_equal(seccomp__simulate(&program, &data), ERRNO(EPERM));
	free(program.filter);
	seccomp__profile_done(&profile);
}

/* Every operator against values around its boundary, in both halves of 64 bits. */
static void test_operators(void **state)
{
	static const char *const names[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };
	static const uint64_t values[] = { 0,		1,	     0xffffffff,  0x100000000,
					   0x100000001, 0x1ffffffff, 0x200000000, 1ULL << 62 };
	int nr = seccomp_syscall_resolve_name_arch(seccomp_arch_native(), "lseek");
	(void)state;

	for (size_t op = 0; op < ARRAY_SIZE(names); op++) {
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			cleanup_free char *json = xasprintf(
				"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
				"[\"lseek\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5,\"args\":"
				"[{\"index\":1,\"op\":\"SCMP_CMP_%s\",\"value\":%llu,\"valueTwo\":"
				"%llu},{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":0}]}]}",
				names[op], (unsigned long long)values[v],
				(unsigned long long)(values[v] & 0x100000001));
			struct seccomp_profile profile;
			struct sock_fprog program;
			cleanup_err struct err err = ERR_INIT;
			if (seccomp__profile_parse(json, 0, &profile, &err) < 0)
				fail_msg("%s", err.msg);
			assert_int_equal(seccomp__compile(&profile, &program, &err), 0);
			for (size_t a = 0; a < ARRAY_SIZE(values); a++) {
				uint64_t x = values[a], y = values[v];
				bool want[] = { x != y, x<y, x <= y, x == y, x >= y, x> y,
						(x & y) == (y & 0x100000001) };
				uint32_t got = ask(&program, nr, x, 1);
				check(names[op], got == (want[op] ? ERRNO(5) : ALLOW),
				      "%llx against %llx: %x", (unsigned long long)x,
				      (unsigned long long)y, got);
			}
			free(program.filter);
			seccomp__profile_done(&profile);
		}
	}
}

static void test_wrong_profiles(void **state)
{
	static const char *const cases[] = {
		"",
		"[]",
		"{}",
		"{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"]}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		"\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		"\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":1,\"op\":\"EQ\"}]}]}",
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seccomp_profile profile;
		cleanup_err struct err err = ERR_INIT;
		int r = seccomp__profile_parse(cases[i], 0, &profile, &err);
		check(cases[i], r < 0, "accepted");
		check(cases[i], err.kind == ERR_INPUT, "kind %d", err.kind);
	}
}

/* The order of a profile decides between conditions; a rule without any ends the search. */
static void test_order(void **state)
{
	struct seccomp_profile profile;
	struct sock_fprog program;
	cleanup_err struct err err = ERR_INIT;
	int nr = seccomp_syscall_resolve_name_arch(seccomp_arch_native(), "kill");
	(void)state;

	assert_int_equal(
		seccomp__profile_parse(
			"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":7,\"syscalls\":["
			"{\"name\":\"kill\",\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":8,\"args\":"
			"[{\"index\":1,\"op\":\"SCMP_CMP_EQ\",\"value\":9}]},"
			"{\"name\":\"kill\",\"action\":\"SCMP_ACT_ALLOW\"},"
			"{\"name\":\"read\",\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":"
			"[\"CAP_SYS_ADMIN\"]}},"
			"{\"name\":\"write\",\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":"
			"[\"CAP_SYS_ADMIN\"]}}]}",
			0, &profile, &err),
		0);
	assert_int_equal(seccomp__compile(&profile, &program, &err), 0);
	assert_int_equal(ask(&program, nr, 9, 1), ERRNO(8));
	assert_int_equal(ask(&program, nr, 15, 1), ALLOW);
	assert_int_equal(ask(&program,
			     seccomp_syscall_resolve_name_arch(seccomp_arch_native(), "read"), 0,
			     0),
			 ERRNO(7));
	assert_int_equal(ask(&program,
			     seccomp_syscall_resolve_name_arch(seccomp_arch_native(), "write"), 0,
			     0),
			 ALLOW);
	free(program.filter);
	seccomp__profile_done(&profile);
}

static void test_cache(void **state)
{
	struct spec spec = { .seccomp = SPEC_SECCOMP_DEFAULT };
	const struct sock_fprog *a, *b, *c;
	cleanup_err struct err err = ERR_INIT;
	(void)state;

	assert_int_equal(runtime__seccomp_load(&spec, 1, &a, &err), 0);
	assert_int_equal(runtime__seccomp_load(&spec, 1, &b, &err), 0);
	assert_int_equal(runtime__seccomp_load(&spec, 3, &c, &err), 0);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	spec.privileged = true;
	assert_int_equal(runtime__seccomp_load(&spec, 1, &b, &err), 0);
	assert_null(b);
	print_message("default profile: %u instructions\n", a->len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),	       cmocka_unit_test(test_packet_sockets),
		cmocka_unit_test(test_compat),	       cmocka_unit_test(test_operators),
		cmocka_unit_test(test_wrong_profiles), cmocka_unit_test(test_order),
		cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
