/* What a scrape is made of: the projects and containers as their state files and the kernel's
 * counters say, at one moment. Reads only, and asks no supervisor anything, so that a machine in
 * trouble can still be watched. Called by the cli's process.
 *
 *	struct sample sample = { 0 };
 *	sample_take(&paths, NULL, &sample, &err);
 *	metrics_format(&sample, &text);
 *	sample_done(&sample);
 */
#ifndef STAVE_API_SAMPLE_H
#define STAVE_API_SAMPLE_H

#include "engine/resources.h"

struct sample_container {
	const struct container *c; /* the project's */
	bool running;		   /* its resources could be read */
	struct resources resources;
};
struct sample_project {
	char *name;
	bool readable;	  /* false: its state files make no sense; then it has no containers */
	pid_t supervisor; /* 0: none runs */
	uint64_t supervisor_memory; /* resident, in bytes */
	struct containers records;
	VEC(struct sample_container) containers;
};
struct sample {
	VEC(struct sample_project) projects; /* sorted by name */
};
void sample_done(struct sample *sample);
#define cleanup_sample cleanup(sample_done)

/* One project, which need not be there, or (NULL) all of the root: then one whose files are damaged
 * is marked so and hides no other. sample_done() is due after a failure, too. */
int sample_take(const struct engine_paths *paths, const char *project, struct sample *ret,
		struct err *err);

#endif
