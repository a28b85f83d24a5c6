/* For this room only: the system call filter as a BPF program. */
#ifndef STAVE_RUNTIME_SECCOMP_H
#define STAVE_RUNTIME_SECCOMP_H

#include "runtime/spec.h"

#include <linux/filter.h>

/* The program for a spec's profile with these capabilities (some calls are allowed with some of
 * them). *ret is borrowed: it is kept for the life of the process, one for each different profile
 * and set of capabilities; NULL for an unconfined or privileged spec. Called by the privileged
 * side; allocates, forks nothing. INPUT: the user's profile is wrong. */
int runtime__seccomp_load(const struct spec *spec, uint64_t caps, const struct sock_fprog **ret,
			  struct err *err);

#endif
