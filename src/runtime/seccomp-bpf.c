/* Rules to a program: for each architecture a binary search over ranges of call numbers that share
 * a verdict. Classic BPF jumps only forward and at most 255 instructions on a condition, so code is
 * made from the leaves up, and a far half is reached through an unconditional jump. */
#include "runtime/seccomp-profile.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

enum { PROGRAM_MAX = BPF_MAXINSNS, NUMBERS_MAX = 1 << 20 };

struct code {
	VEC(struct sock_filter) insns;
};

#define STMT(c, k_)	  ((struct sock_filter){ .code = (c), .k = (k_) })
#define JUMP(c, k_, t, f) ((struct sock_filter){ .code = (c), .jt = (t), .jf = (f), .k = (k_) })
#define LOAD(offset)	  STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define RETURN(action)	  STMT(BPF_RET | BPF_K, action)

static void append(struct code *to, const struct code *from)
{
	vec_each(insn, &from->insns)
		vec_push(&to->insns, *insn);
}

/* --- one call with conditions --- */

/* Offsets of the halves of an argument. */
static size_t low_half(unsigned index)
{
	return offsetof(struct seccomp_data, args) + index * 8 +
	       (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0);
}

static size_t high_half(unsigned index)
{
	return offsetof(struct seccomp_data, args) + index * 8 +
	       (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 0 : 4);
}

/* Jump targets that are known only when the whole rule is there. */
enum { TO_NEXT = 0, TO_PASS = 254, TO_FAIL = 255 };

/* One condition. Falls through to what comes next (the next condition, or the verdict) when it
 * fits; TO_PASS marks a jump there, TO_FAIL one to the next rule. */
static void condition(struct code *out, const struct seccomp_arg *arg)
{
	uint32_t low = (uint32_t)arg->value, high = (uint32_t)(arg->value >> 32);
	uint32_t low2 = (uint32_t)arg->value2, high2 = (uint32_t)(arg->value2 >> 32);
	static const struct {
		uint8_t above, below, equal; /* of the low half, and of the high one when unequal */
	} verdicts[SECCOMP_OP_MAX_] = {
		[SECCOMP_NE] = { TO_PASS, TO_PASS, TO_FAIL },
		[SECCOMP_LT] = { TO_FAIL, TO_PASS, TO_FAIL },
		[SECCOMP_LE] = { TO_FAIL, TO_PASS, TO_PASS },
		[SECCOMP_EQ] = { TO_FAIL, TO_FAIL, TO_PASS },
		[SECCOMP_GE] = { TO_PASS, TO_FAIL, TO_PASS },
		[SECCOMP_GT] = { TO_PASS, TO_FAIL, TO_FAIL },
	};

	if (arg->op == SECCOMP_MASKED_EQ) {
		if (!arg->low) {
			vec_push(&out->insns, LOAD(high_half(arg->index)));
			vec_push(&out->insns, STMT(BPF_ALU | BPF_AND | BPF_K, high));
			vec_push(&out->insns,
				 JUMP(BPF_JMP | BPF_JEQ | BPF_K, high2, TO_NEXT, TO_FAIL));
		}
		vec_push(&out->insns, LOAD(low_half(arg->index)));
		vec_push(&out->insns, STMT(BPF_ALU | BPF_AND | BPF_K, low));
		vec_push(&out->insns, JUMP(BPF_JMP | BPF_JEQ | BPF_K, low2, TO_PASS, TO_FAIL));
		return;
	}
	if (!arg->low) {
		vec_push(&out->insns, LOAD(high_half(arg->index)));
		vec_push(&out->insns,
			 JUMP(BPF_JMP | BPF_JGT | BPF_K, high, verdicts[arg->op].above, TO_NEXT));
		vec_push(&out->insns,
			 JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, TO_NEXT, verdicts[arg->op].below));
	}
	vec_push(&out->insns, LOAD(low_half(arg->index)));
	vec_push(&out->insns,
		 JUMP(BPF_JMP | BPF_JGT | BPF_K, low, verdicts[arg->op].above, TO_NEXT));
	vec_push(&out->insns, JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, verdicts[arg->op].equal,
				   verdicts[arg->op].below));
}

static bool is_jump(const struct sock_filter *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP;
}

static uint8_t target(uint8_t mark, size_t at, size_t pass, size_t fail)
{
	if (mark == TO_PASS)
		return (uint8_t)(pass - at - 1);
	if (mark == TO_FAIL)
		return (uint8_t)(fail - at - 1);
	return mark;
}

/* Conditions, then the verdict. Six conditions of six instructions stay far below 254. */
static void rule_code(struct code *out, const struct seccomp_rule *rule)
{
	struct code conditions = { 0 };
	size_t ends[SECCOMP_ARGS_MAX];

	for (size_t i = 0; i < rule->n; i++) {
		condition(&conditions, &rule->args[i]);
		ends[i] = conditions.insns.n;
	}
	size_t fail = conditions.insns.n + 1, which = 0;
	for (size_t at = 0; at < conditions.insns.n; at++) {
		struct sock_filter *insn = &conditions.insns.v[at];
		if (at == ends[which])
			which++;
		if (!is_jump(insn))
			continue;
		insn->jt = target(insn->jt, at, ends[which], fail);
		insn->jf = target(insn->jf, at, ends[which], fail);
	}
	append(out, &conditions);
	vec_push(&out->insns, RETURN(rule->action));
	vec_done(&conditions.insns);
}

/* --- ranges --- */

/* Calls first..(the next range's first - 1): one action, or the rules of one call. */
struct range {
	uint32_t first, action;
	const struct seccomp_rule *rules; /* sorted; NULL: the action alone */
	size_t n;
};
struct ranges {
	VEC(struct range) list;
};

static bool same_verdict(const struct range *a, const struct range *b)
{
	return !a->rules && !b->rules && a->action == b->action;
}

/* Ranges come in order; one that starts where the last did replaces it, equal neighbours merge. */
static void add_range(struct ranges *out, struct range range)
{
	if (out->list.n && out->list.v[out->list.n - 1].first == range.first)
		out->list.n--;
	if (!out->list.n || !same_verdict(&out->list.v[out->list.n - 1], &range))
		vec_push(&out->list, range);
}

static int by_number(const void *a, const void *b)
{
	const struct seccomp_rule *x = a, *y = b;

	return (x->nr > y->nr) - (x->nr < y->nr);
}

/* Stable for equal numbers: the order of the profile decides between conditions. */
static void sort_rules(struct seccomp_rule *rules, size_t n)
{
	struct seccomp_rule *copy = xcalloc(n ? n : 1, sizeof(*copy));
	size_t counts[2049] = { 0 }, at = 0;

	for (size_t i = 0; i < n; i++)
		at += rules[i].nr > 2047;
	if (at) { /* numbers of rare machines: order within a number is not kept there */
		qsort(rules, n, sizeof(*rules), by_number);
		free(copy);
		return;
	}
	for (size_t i = 0; i < n; i++)
		counts[rules[i].nr + 1]++;
	for (size_t i = 1; i < ARRAY_SIZE(counts); i++)
		counts[i] += counts[i - 1];
	for (size_t i = 0; i < n; i++)
		copy[counts[rules[i].nr]++] = rules[i];
	memcpy(rules, copy, n * sizeof(*rules));
	free(copy);
}

static void make_ranges(const struct seccomp_profile *p, const struct seccomp_arch *arch,
			const struct seccomp_rule *rules, size_t n, struct ranges *out)
{
	const uint32_t enosys = SECCOMP_RET_ERRNO | ENOSYS;

	add_range(out, (struct range){ .first = 0, .action = p->fallback });
	for (size_t i = 0, end; i < n; i = end) {
		uint32_t nr = (uint32_t)rules[i].nr;
		size_t plain = n;
		for (end = i; end < n && rules[end].nr == rules[i].nr; end++)
			if (!rules[end].n && plain == n)
				plain = end;
		/* A rule without conditions decides, unless others come before it. */
		struct range range = { .first = nr, .rules = &rules[i], .n = end - i };
		if (plain == i)
			range = (struct range){ .first = nr, .action = rules[i].action };
		else if (plain < n)
			range.n = plain - i + 1;
		add_range(out, range);
		add_range(out, (struct range){ .first = nr + 1, .action = p->fallback });
	}
	if (arch->highest >= 0)
		add_range(out,
			  (struct range){ .first = (uint32_t)arch->highest + 1, .action = enosys });
}

static void range_code(const struct seccomp_profile *p, const struct range *range, struct code *out)
{
	for (size_t i = 0; i < range->n; i++)
		rule_code(out, &range->rules[i]);
	if (!range->n || range->rules[range->n - 1].n)
		vec_push(&out->insns, RETURN(range->n ? p->fallback : range->action));
}

/* The call's number is loaded; 17 levels at most for the largest number of ranges. */
static void search_code(const struct seccomp_profile *p, const struct range *ranges, size_t n,
			struct code *out)
{
	struct code below = { 0 }, above = { 0 };
	size_t half = n / 2;

	if (n == 1) {
		range_code(p, ranges, out);
		return;
	}
	search_code(p, ranges, half, &below);
	search_code(p, ranges + half, n - half, &above);
	if (below.insns.n <= 255) {
		vec_push(&out->insns, JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[half].first,
					   (uint8_t)below.insns.n, 0));
	} else {
		vec_push(&out->insns, JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[half].first, 0, 1));
		vec_push(&out->insns, STMT(BPF_JMP | BPF_JA, (uint32_t)below.insns.n));
	}
	append(out, &below);
	append(out, &above);
	vec_done(&below.insns);
	vec_done(&above.insns);
}

static void arch_code(const struct seccomp_profile *p, const struct seccomp_arch *arch,
		      struct code *out)
{
	struct seccomp_rule *rules =
		xmemdup(arch->rules.n ? arch->rules.v : (void *)"", arch->rules.n * sizeof(*rules));
	struct ranges ranges = { 0 };

	sort_rules(rules, arch->rules.n);
	make_ranges(p, arch, rules, arch->rules.n, &ranges);
	vec_push(&out->insns, LOAD(offsetof(struct seccomp_data, nr)));
	search_code(p, ranges.list.v, ranges.list.n, out);
	vec_done(&ranges.list);
	free(rules);
}

int seccomp__compile(const struct seccomp_profile *p, struct sock_fprog *ret, struct err *err)
{
	struct code code = { 0 };

	for (size_t i = 0; i < p->n; i++) {
		struct code arch = { 0 };
		arch_code(p, &p->arches[i], &arch);
		vec_push(&code.insns, LOAD(offsetof(struct seccomp_data, arch)));
		vec_push(&code.insns, JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->arches[i].audit, 1, 0));
		vec_push(&code.insns, STMT(BPF_JMP | BPF_JA, (uint32_t)arch.insns.n));
		append(&code, &arch);
		vec_done(&arch.insns);
	}
	vec_push(&code.insns, RETURN(p->fallback));
	if (code.insns.n > PROGRAM_MAX) {
		vec_done(&code.insns);
		return err_new(err, ERR_INPUT, E2BIG,
			       "seccomp profile: it needs more than %d instructions", PROGRAM_MAX);
	}
	*ret = (struct sock_fprog){ .len = (unsigned short)code.insns.n, .filter = code.insns.v };
	return 0;
}

uint32_t seccomp__simulate(const struct sock_fprog *program, const void *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < program->len; pc++) {
		const struct sock_filter *insn = &program->filter[pc];
		bool yes = false;
		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)data + insn->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K: a &= insn->k; continue;
		case BPF_RET | BPF_K: return insn->k;
		case BPF_JMP | BPF_JA: pc += insn->k; continue;
		case BPF_JMP | BPF_JEQ | BPF_K: yes = a == insn->k; break;
		case BPF_JMP | BPF_JGT | BPF_K: yes = a > insn->k; break;
		case BPF_JMP | BPF_JGE | BPF_K: yes = a >= insn->k; break;
		default: abort(); /* nothing else is ever emitted */
		}
		pc += yes ? insn->jt : insn->jf;
	}
	abort(); /* the last instruction returns */
}
