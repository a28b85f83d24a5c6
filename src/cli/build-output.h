/* --output, --push, --load: what becomes of an image that was built. */
#ifndef STAVE_CLI_BUILD_OUTPUT_H
#define STAVE_CLI_BUILD_OUTPUT_H

#include "build/build.h"
#include "cli/cli.h"

struct build_outputs {
	struct strv archives; /* files that the image is saved in; "-": standard output */
	struct strv layouts;  /* directories, as OCI layouts */
	bool push, keep;      /* to the registries of its names; in the store, too */
};
void build_outputs_done(struct build_outputs *o);

/* One --output: "type=local,dest=DIR", "DIR", "-", ... Files are the builder's affair and go to
 * *b. ERR_USAGE. */
int build_output_add(struct build_outputs *o, struct build_options *b, const char *text,
		     struct err *err);
/* What was asked for together: whether it fits. Call when all are there. */
int build_outputs_check(struct build_outputs *o, struct build_options *b, struct err *err);
/* Saves and pushes the image of the job; its names are the options'. What a registry got may be
 * another manifest (its layers are compressed): job->digest is then of that one. */
int build_outputs_write(struct cli *cli, const struct build_outputs *o,
			const struct build_options *b, struct build_job *job, bool quiet,
			struct err *err);

/* --metadata-file: what Docker's tools write about a build. */
int build_metadata_write(const char *path, const struct build_options *b,
			 const struct build_job *job, struct err *err);

#endif
