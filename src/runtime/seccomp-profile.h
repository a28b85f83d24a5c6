/* For this room only: a seccomp profile, resolved for this machine's architectures, and its
 * compilation. seccomp-table.c holds Docker's profile, seccomp-profile.c makes rules of it or of a
 * user's file, seccomp-bpf.c makes a program of the rules.
 *
 * libseccomp resolves the names. The program is our own because libseccomp needs some 10 ms to
 * build one of this size, on every `exec` (ours: 0.2 ms), and loading costs by length: as
 * a binary search over ranges of numbers with the same verdict it has 450 instructions, not
 * 1,500. */
#ifndef STAVE_RUNTIME_SECCOMP_PROFILE_H
#define STAVE_RUNTIME_SECCOMP_PROFILE_H

#include "base/err.h"
#include "base/vec.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

enum seccomp_op {
	SECCOMP_NE,
	SECCOMP_LT,
	SECCOMP_LE,
	SECCOMP_EQ,
	SECCOMP_GE,
	SECCOMP_GT,
	SECCOMP_MASKED_EQ, /* (argument & value) == value2 */
	SECCOMP_OP_MAX_
};

struct seccomp_arg {
	uint8_t index;
	enum seccomp_op op;
	bool low; /* only the 32 bits that the kernel looks at */
	uint64_t value, value2;
};

enum { SECCOMP_ARGS_MAX = 6 };

struct seccomp_rule { /* all its args must fit */
	int nr;
	uint32_t action; /* SECCOMP_RET_* with its data */
	size_t n;
	struct seccomp_arg args[SECCOMP_ARGS_MAX];
};

struct seccomp_arch {
	uint32_t audit;	  /* AUDIT_ARCH_* */
	uint32_t resolve; /* SCMP_ARCH_* */
	int highest;	  /* above this number: ENOSYS; -1: no such limit */
	VEC(struct seccomp_rule) rules;
};

enum { SECCOMP_ARCHES_MAX = 2 }; /* the machine's own, and its 32-bit one */

struct seccomp_profile {
	uint32_t fallback; /* action for calls without a rule, and for other architectures */
	struct seccomp_arch arches[SECCOMP_ARCHES_MAX];
	size_t n;
};
void seccomp__profile_done(struct seccomp_profile *profile);

/* Docker's profile for a container with these capabilities. */
void seccomp__profile_default(uint64_t caps, struct seccomp_profile *ret);
/* A user's profile in Docker's (and the OCI's) JSON. INPUT: what is wrong with it. */
int seccomp__profile_parse(const char *json, uint64_t caps, struct seccomp_profile *ret,
			   struct err *err);

/* The program; ret->filter is owned. INPUT (E2BIG): more than the kernel's 4096 instructions. */
int seccomp__compile(const struct seccomp_profile *profile, struct sock_fprog *ret,
		     struct err *err);
/* What the program would answer, for tests: SECCOMP_RET_* with data. `data` is a struct
 * seccomp_data. */
uint32_t seccomp__simulate(const struct sock_fprog *program, const void *data);

/* --- the table --- */

struct seccomp_group { /* calls that exist on one family of machines */
	const char *arch;
	const char *const *names;
};
struct seccomp_cap_group { /* calls that come with a capability */
	int cap;
	const char *const *names;
};
extern const char *const *const seccomp__allowed;
extern const struct seccomp_group seccomp__by_arch[];	 /* ends with NULL */
extern const struct seccomp_cap_group seccomp__by_cap[]; /* ends with -1 */

#endif
