/* The device rules as a BPF program for the v2 device controller. Written by hand: a dozen
 * instructions per rule need no compiler. <linux/bpf.h> itself cannot be included next to
 * base/banned.h (it has an enum of helper names such as strtol's), so that the few things needed of
 * it stand here; they are kernel ABI. */
#include "runtime/cgroup.h"

#include <linux/bpf_common.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BPF_PROG_LOAD = 5, BPF_PROG_ATTACH = 8 };
enum { BPF_PROG_TYPE_CGROUP_DEVICE = 15, BPF_CGROUP_DEVICE = 6, BPF_F_ALLOW_MULTI = 2 };
enum { BPF_DEVCG_DEV_BLOCK = 1, BPF_DEVCG_DEV_CHAR = 2 };
enum { BPF_DEVCG_ACC_MKNOD = 1, BPF_DEVCG_ACC_READ = 2, BPF_DEVCG_ACC_WRITE = 4 };
enum { BPF_ALU64 = 7, BPF_MOV = 0xb0, BPF_JNE = 0x50, BPF_EXIT = 0x90 };
enum { BPF_REG_0, BPF_REG_1, BPF_REG_2, BPF_REG_3, BPF_REG_4, BPF_REG_5 };

struct bpf_load {
	uint32_t prog_type, insn_cnt;
	uint64_t insns, license;
	uint32_t log_level, log_size;
	uint64_t log_buf;
	uint32_t kern_version, prog_flags;
	char prog_name[16];
};
struct bpf_attach {
	uint32_t target_fd, attach_bpf_fd, attach_type, attach_flags;
};

/* The program's argument: struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; } */

#define INSN(c, d, s, o, i)                                                                        \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define LOAD32(dst, offset) INSN(BPF_LDX | BPF_W | BPF_MEM, dst, BPF_REG_1, offset, 0)
#define MOVE(dst, src)	    INSN(BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOVE_IMM(dst, imm)  INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define AND_IMM(dst, imm)   INSN(BPF_ALU | BPF_AND | BPF_K, dst, 0, 0, imm)
#define SHIFT(dst, imm)	    INSN(BPF_ALU | BPF_RSH | BPF_K, dst, 0, 0, imm)
#define SKIP_NE(reg, value) INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, value)
#define EXIT()		    INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

enum { RULE_INSNS_MAX = 9, FRAME_INSNS = 8, VERDICT_INSNS = 2 };

static unsigned bpf_access(unsigned access)
{
	return (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0) |
	       (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

/* r2 type, r3 wanted access, r4 major, r5 minor. A rule that does not fit jumps over its end. */
static size_t rule_program(const struct device_rule *rule, struct bpf_insn *out)
{
	struct bpf_insn tests[RULE_INSNS_MAX];
	size_t n = 0;

	if (rule->type != 'a')
		tests[n++] = SKIP_NE(BPF_REG_2,
				     rule->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK);
	if (rule->access != DEVICE_ALL) {
		tests[n++] = MOVE(BPF_REG_0, BPF_REG_3);
		tests[n++] = AND_IMM(BPF_REG_0, (int)~bpf_access(rule->access));
		tests[n++] = SKIP_NE(BPF_REG_0, 0);
	}
	if (rule->major >= 0)
		tests[n++] = SKIP_NE(BPF_REG_4, (int)rule->major);
	if (rule->minor >= 0)
		tests[n++] = SKIP_NE(BPF_REG_5, (int)rule->minor);
	for (size_t i = 0; i < n; i++) {
		if (tests[i].code == (BPF_JMP | BPF_JNE | BPF_K))
			tests[i].off = (int16_t)(n - i - 1 +
						 VERDICT_INSNS); /* over the rest and the verdict */
		out[i] = tests[i];
	}
	out[n++] = MOVE_IMM(BPF_REG_0, 1);
	out[n++] = EXIT();
	return n;
}

size_t runtime__device_program(const struct device_rules *rules, struct bpf_insn *ret, size_t max)
{
	size_t n = 0;

	if (max < rules->rules.n * RULE_INSNS_MAX + FRAME_INSNS)
		return 0;
	ret[n++] = LOAD32(BPF_REG_2, 0);
	ret[n++] = MOVE(BPF_REG_3, BPF_REG_2);
	ret[n++] = AND_IMM(BPF_REG_2, 0xffff);
	ret[n++] = SHIFT(BPF_REG_3, 16);
	ret[n++] = LOAD32(BPF_REG_4, 4);
	ret[n++] = LOAD32(BPF_REG_5, 8);
	for (size_t i = 0; i < rules->rules.n; i++) {
		size_t added = rule_program(&rules->rules.v[i], ret + n);
		n += added;
		if (added == VERDICT_INSNS)
			return n; /* everything is allowed; the verifier refuses what cannot be
				     reached */
	}
	ret[n++] = MOVE_IMM(BPF_REG_0, 0);
	ret[n++] = EXIT();
	return n;
}

int runtime__device_program_load(const struct device_rules *rules, struct err *err)
{
	static const char license[] = "GPL";
	size_t max = rules->rules.n * RULE_INSNS_MAX + FRAME_INSNS + 1;
	cleanup_free struct bpf_insn *insns = xcalloc(max, sizeof(*insns));
	struct bpf_load attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uintptr_t)insns,
		.insn_cnt = (uint32_t)runtime__device_program(rules, insns, max),
		.license = (uintptr_t)license,
		.prog_name = "stave_devices",
	};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	return fd < 0 ? err_sys(err, errno, "load the device program") : fd;
}

int runtime__device_program_attach(int cgroup, const struct device_rules *rules, struct err *err)
{
	cleanup_fd int program = runtime__device_program_load(rules, err);
	struct bpf_attach attr = {
		.target_fd = (uint32_t)cgroup,
		.attach_bpf_fd = (uint32_t)program,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};

	if (program < 0)
		return program;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
		return err_sys(err, errno, "attach the device program");
	return 0;
}
