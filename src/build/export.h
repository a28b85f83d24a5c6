/* What a build leaves: an image in the store, or files. In a process of its own: packing takes a
 * while, and the loop serves other builds. */
#ifndef STAVE_BUILD_EXPORT_H
#define STAVE_BUILD_EXPORT_H

#include "build/build.h"
#include "build/depot.h"

struct export
{
	const struct build_options *options;
	const struct depot *depot;
	const char *result; /* of the target stage: JSON of a struct stage_result */
	int link;	    /* to the build's process */
};

/* The child's whole life; reports the result: {"id", "manifest"}. Never returns. */
_Noreturn void export_main(const struct export *export);

/* --- output.c --- */
struct stack;
/* Writes the stack's files to where the output says. */
int output_files(const struct build_options *options, const struct depot *depot,
		 const struct stack *stack, const struct build_output *output, struct err *err);

#endif
