#include "runtime/seccomp-profile.h"

#include "runtime/caps.h"

#include "base/json.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>

/* A profile is a few kilobytes; and no more rules than any real one has. */
enum { JSON_BYTES_MAX = 1 << 20, RULES_MAX = 20000 };

#define DENIED(no) (SECCOMP_RET_ERRNO | ((uint32_t)(no)&SECCOMP_RET_DATA))

static const struct machine {
	uint32_t native, audit, compat, compat_audit;
	const char *family, *name; /* as Docker's profile says it in includes.arches */
} machines[] = {
	{ SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, SCMP_ARCH_X86, AUDIT_ARCH_I386, "x86", "amd64" },
	{ SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, SCMP_ARCH_ARM, AUDIT_ARCH_ARM, "arm", "arm64" },
	{ SCMP_ARCH_RISCV64, AUDIT_ARCH_RISCV64, 0, 0, "riscv", "riscv64" },
	{ SCMP_ARCH_PPC64LE, AUDIT_ARCH_PPC64LE, 0, 0, "ppc", "ppc64le" },
};

/* Calls that are newer than the libseccomp we may be built with; one number everywhere. */
static const struct {
	const char *name;
	int nr;
} new_calls[] = {
	{ "process_mrelease", 448 },
	{ "futex_waitv", 449 },
	{ "set_mempolicy_home_node", 450 },
	{ "cachestat", 451 },
	{ "fchmodat2", 452 },
	{ "map_shadow_stack", 453 },
	{ "futex_wake", 454 },
	{ "futex_wait", 455 },
	{ "futex_requeue", 456 },
	{ "statmount", 457 },
	{ "listmount", 458 },
	{ "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 },
	{ "lsm_list_modules", 461 },
	{ "mseal", 462 },
	{ "setxattrat", 463 },
	{ "getxattrat", 464 },
	{ "listxattrat", 465 },
	{ "removexattrat", 466 },
	{ "open_tree_attr", 467 },
	{ "file_getattr", 468 },
	{ "file_setattr", 469 },
};

/* What libseccomp gives no number for on 32-bit x86, because it can also be reached through
 * socketcall or ipc. */
static const struct {
	const char *name;
	int nr;
} x86_calls[] = {
	{ "socket", 359 },	{ "socketpair", 360 }, { "bind", 361 },
	{ "connect", 362 },	{ "listen", 363 },     { "accept4", 364 },
	{ "getsockopt", 365 },	{ "setsockopt", 366 }, { "getsockname", 367 },
	{ "getpeername", 368 }, { "sendto", 369 },     { "sendmsg", 370 },
	{ "recvfrom", 371 },	{ "recvmsg", 372 },    { "shutdown", 373 },
	{ "semget", 393 },	{ "semctl", 394 },     { "shmget", 395 },
	{ "shmctl", 396 },	{ "shmat", 397 },      { "shmdt", 398 },
	{ "msgget", 399 },	{ "msgsnd", 400 },     { "msgrcv", 401 },
	{ "msgctl", 402 },
};

static const struct machine *machine(void)
{
	uint32_t native = seccomp_arch_native();

	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].native == native)
			return &machines[i];
	return NULL;
}

static void init(struct seccomp_profile *p, uint32_t fallback, bool compat, bool limited)
{
	const struct machine *m = machine();

	*p = (struct seccomp_profile){ .fallback = fallback };
	if (!m)
		return;
	p->arches[p->n++] = (struct seccomp_arch){ .audit = m->audit,
						   .resolve = m->native,
						   .highest = limited ? 0 : -1 };
	if (compat && m->compat)
		p->arches[p->n++] = (struct seccomp_arch){ .audit = m->compat_audit,
							   .resolve = m->compat,
							   .highest = limited ? 0 : -1 };
}

void seccomp__profile_done(struct seccomp_profile *profile)
{
	for (size_t i = 0; i < profile->n; i++)
		vec_done(&profile->arches[i].rules);
	*profile = (struct seccomp_profile){ 0 };
}

/* Negative when the architecture has no such call. */
static int resolve(const struct seccomp_arch *arch, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(arch->resolve, name);

	for (size_t i = 0; arch->resolve == SCMP_ARCH_X86 && nr < 0 && i < ARRAY_SIZE(x86_calls);
	     i++)
		if (str_eq(x86_calls[i].name, name))
			nr = x86_calls[i].nr;
	for (size_t i = 0; nr < 0 && i < ARRAY_SIZE(new_calls); i++)
		if (str_eq(new_calls[i].name, name))
			nr = new_calls[i].nr;
	return nr;
}

/* One rule for each architecture that has the call. The number counts as known even when `known` is
 * all that is wanted of it (a call that comes with a capability which is not there). */
static void add(struct seccomp_profile *p, const char *name, const struct seccomp_rule *rule,
		bool known_only)
{
	for (size_t i = 0; i < p->n; i++) {
		struct seccomp_arch *arch = &p->arches[i];
		struct seccomp_rule copy = *rule;

		copy.nr = resolve(arch, name);
		if (copy.nr < 0)
			continue;
		if (arch->highest >= 0 && copy.nr > arch->highest)
			arch->highest = copy.nr;
		if (!known_only)
			vec_push(&arch->rules, copy);
	}
}

static void add_names(struct seccomp_profile *p, const char *const *names, bool known_only)
{
	const struct seccomp_rule allow = { .action = SECCOMP_RET_ALLOW };

	for (; *names; names++)
		add(p, *names, &allow, known_only);
}

static void add_if(struct seccomp_profile *p, const char *name, unsigned index, enum seccomp_op op,
		   uint64_t value, uint64_t value2, uint32_t action)
{
	const struct seccomp_rule rule = {
		.action = action,
		.n = 1,
		.args = { { .index = (uint8_t)index,
			    .op = op,
			    .low = true,
			    .value = value,
			    .value2 = value2 } },
	};

	add(p, name, &rule, false);
}

/* All of them ints or unsigned ints to the kernel, whatever the upper half of the register says. */
static void add_conditional(struct seccomp_profile *p, bool raw, bool admin)
{
	static const uint32_t personalities[] = { 0x0, 0x8, 0x20000, 0x20008, 0xffffffff };
	const uint64_t namespaces = 2114060288; /* every CLONE_NEW* but CLONE_NEWTIME */
	const struct seccomp_rule enosys = { .action = DENIED(ENOSYS) };

	if (!raw)
		add_if(p, "socket", 0, SECCOMP_EQ, AF_PACKET, 0, DENIED(EPERM));
	add_if(p, "socket", 0, SECCOMP_LT, AF_ALG, 0, SECCOMP_RET_ALLOW);
	add_if(p, "socket", 0, SECCOMP_EQ, AF_NFC, 0, SECCOMP_RET_ALLOW);
	add_if(p, "socket", 0, SECCOMP_GT, AF_VSOCK, 0, SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
		add_if(p, "personality", 0, SECCOMP_EQ, personalities[i], 0, SECCOMP_RET_ALLOW);
	if (admin)
		return;
	add_if(p, "clone", 0, SECCOMP_MASKED_EQ, namespaces, 0, SECCOMP_RET_ALLOW);
	add(p, "clone3", &enosys, false);
}

void seccomp__profile_default(uint64_t caps, struct seccomp_profile *ret)
{
	const struct machine *m = machine();

	init(ret, DENIED(EPERM), true, true);
	add_names(ret, seccomp__allowed, false);
	for (const struct seccomp_group *g = seccomp__by_arch; g->arch; g++)
		add_names(ret, g->names, !m || !str_eq(m->family, g->arch));
	for (const struct seccomp_cap_group *g = seccomp__by_cap; g->cap >= 0; g++)
		add_names(ret, g->names, !(caps >> g->cap & 1));
	add_conditional(ret, caps >> CAP_NET_RAW & 1, caps >> CAP_SYS_ADMIN & 1);
}

/* --- a user's profile --- */

static const struct {
	const char *name;
	uint32_t action;
	bool has_errno;
} actions[] = {
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
};

static const char *const ops[SECCOMP_OP_MAX_] = {
	[SECCOMP_NE] = "SCMP_CMP_NE",
	[SECCOMP_LT] = "SCMP_CMP_LT",
	[SECCOMP_LE] = "SCMP_CMP_LE",
	[SECCOMP_EQ] = "SCMP_CMP_EQ",
	[SECCOMP_GE] = "SCMP_CMP_GE",
	[SECCOMP_GT] = "SCMP_CMP_GT",
	[SECCOMP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};

static int parse_action(const json_t *j, const char *key, const char *errno_key, uint32_t *ret,
			struct err *err)
{
	const char *name = json_str(j, key, "");

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!str_eq(actions[i].name, name))
			continue;
		*ret = actions[i].action;
		if (actions[i].has_errno)
			*ret |= (uint32_t)json_int(j, errno_key, EPERM) & SECCOMP_RET_DATA;
		return 0;
	}
	return err_input(err, "seccomp profile: '%s' is not an action that stave has (%s)", name,
			 key);
}

static int parse_arg(const json_t *j, struct seccomp_arg *ret, struct err *err)
{
	const char *op = json_str(j, "op", "");
	int64_t index = json_int(j, "index", -1);

	for (size_t i = 0; i < SECCOMP_OP_MAX_; i++) {
		if (!str_eq(ops[i], op) || index < 0 || index >= SECCOMP_ARGS_MAX)
			continue;
		*ret = (struct seccomp_arg){ .index = (uint8_t)index,
					     .op = (enum seccomp_op)i,
					     .value = (uint64_t)json_int(j, "value", 0),
					     .value2 = (uint64_t)json_int(j, "valueTwo", 0) };
		return 0;
	}
	return err_input(err, "seccomp profile: a condition with op '%s' on argument %lld", op,
			 (long long)index);
}

static int parse_args(const json_t *j, struct seccomp_rule *ret, struct err *err)
{
	const json_t *args = json_object_get(j, "args");
	size_t n = json_array_size(args);

	if (n > SECCOMP_ARGS_MAX)
		return err_input(err, "seccomp profile: a rule with more than %d conditions",
				 SECCOMP_ARGS_MAX);
	for (ret->n = 0; ret->n < n; ret->n++) {
		int r = parse_arg(json_array_get(args, ret->n), &ret->args[ret->n], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether the includes (all of them) or excludes (any of them) of a rule fit. Every kernel that
 * stave runs on is newer than what minKernel asks for. */
static bool fits(const json_t *filter, uint64_t caps, bool exclude)
{
	cleanup_strv struct strv names = { 0 }, arches = { 0 };
	const struct machine *m = machine();
	size_t have = 0;

	json_strv(filter, "caps", &names);
	json_strv(filter, "arches", &arches);
	for (size_t i = 0; i < names.n; i++) {
		int cap = caps_parse(names.v[i]);
		have += cap >= 0 && (caps >> cap & 1);
	}
	bool here = m && strv_has(&arches, m->name);
	if (exclude)
		return have || here;
	return have == names.n && (!arches.n || here);
}

static int parse_rule(struct seccomp_profile *p, const json_t *j, uint64_t caps, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	struct seccomp_rule rule = { 0 };
	int r;

	json_strv(j, "names", &names);
	if (json_str(j, "name", NULL))
		strv_add(&names, json_str(j, "name", NULL));
	if ((r = parse_action(j, "action", "errnoRet", &rule.action, err)) < 0 ||
	    (r = parse_args(j, &rule, err)) < 0)
		return r;
	if (p->arches[0].rules.n + names.n > RULES_MAX)
		return err_input(err, "seccomp profile: more than %d rules", RULES_MAX);
	bool known_only = !fits(json_object_get(j, "includes"), caps, false) ||
			  fits(json_object_get(j, "excludes"), caps, true);
	for (size_t i = 0; i < names.n; i++)
		add(p, names.v[i], &rule, known_only);
	return 0;
}

/* Whether the profile names the 32-bit companion of this machine. */
static bool wants_compat(const json_t *j)
{
	cleanup_strv struct strv named = { 0 };
	const json_t *map = json_object_get(j, "archMap");
	size_t i;
	json_t *entry;

	json_strv(j, "architectures", &named);
	json_array_foreach(map, i, entry)
		json_strv(entry, "subArchitectures", &named);
	return strv_has(&named, "SCMP_ARCH_X86") || strv_has(&named, "SCMP_ARCH_ARM");
}

int seccomp__profile_parse(const char *text, uint64_t caps, struct seccomp_profile *ret,
			   struct err *err)
{
	cleanup_json json_t *j = NULL;
	struct seccomp_profile p;
	uint32_t fallback;
	json_t *entry;
	size_t i, len = strlen(text);
	int r;

	if (len > JSON_BYTES_MAX)
		return err_input(err, "seccomp profile: larger than %d bytes", JSON_BYTES_MAX);
	if ((r = json_parse(text, len, "seccomp profile", &j, err)) < 0 ||
	    (r = parse_action(j, "defaultAction", "defaultErrnoRet", &fallback, err)) < 0)
		return r;
	init(&p, fallback, wants_compat(j),
	     (fallback & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO);
	json_array_foreach(json_object_get(j, "syscalls"), i, entry) {
		if ((r = parse_rule(&p, entry, caps, err)) < 0) {
			seccomp__profile_done(&p);
			return r;
		}
	}
	memcpy(ret, &p, sizeof(p));
	return 0;
}
