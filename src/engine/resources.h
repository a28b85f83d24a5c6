/* What a running container uses, read where the kernel counts it: its control group and its
 * network namespace. For `stave stats` and the metrics; asks no supervisor. */
#ifndef STAVE_ENGINE_RESOURCES_H
#define STAVE_ENGINE_RESOURCES_H

#include "engine/state.h"
#include "runtime/runtime.h"

/* Since the slot's network namespace was made: it outlives the containers in it. */
struct traffic {
	uint64_t received_bytes, received_packets, received_errors, received_dropped;
	uint64_t sent_bytes, sent_packets, sent_errors, sent_dropped;
};

struct resources {
	struct runtime_stats stats; /* memory_limit, pids_limit 0: none */
	double cpu_limit;	    /* cores; 0: none */
	bool has_traffic; /* false: it has no network of its own (host, service:, container:) */
	struct traffic traffic; /* all interfaces but lo */
};

/* ERR_NOT_FOUND: it does not run, or ended meanwhile. */
int container_resources(const struct engine_paths *paths, const struct container *c,
			struct resources *ret, struct err *err);
/* Sums what /proc/PID/net/dev says; lines that make no sense count nothing. */
struct traffic traffic_parse(const char *text);

#endif
