/* One RUN step: a container of our own runtime on the step's file system. The caller's process
 * waits for it in its event loop, passing on what it writes and answering the names it asks for. */
#ifndef STAVE_BUILD_RUN_H
#define STAVE_BUILD_RUN_H

#include "build/sandbox.h"
#include "build/stack.h"

struct run {
	const struct work *work;
	struct sandbox *sandbox;
	struct strv args, env;	/* borrowed */
	const char *cwd, *user; /* borrowed; NULL: "/", root */
	enum sandbox_network network;
	bool insecure;			/* --security=insecure: everything the host's root may */
	const struct strv *extra_hosts; /* "name=address" or "name:address" */
	uint64_t shm_size;		/* bytes; 0: 64 MiB */
	int64_t memory;			/* bytes; 0: no limit */
	const char *cgroup_parent;
	VEC(struct spec_rlimit) rlimits; /* borrowed */
	VEC(struct spec_mount) mounts;	 /* of --mount; taken */
	void (*output)(void *data, const char *text, size_t len);
	void *data;
	const bool *cancelled; /* becomes true when the build is given up */
};

/* *ret_status: the exit status, 128 + signal for a killed one. ERR_CANCELLED: given up. */
int run_step(struct run *run, int *ret_status, struct err *err);

#endif
