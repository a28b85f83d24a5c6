/* Which stages a build needs, and what a name after FROM, --from= or from= stands for. */
#ifndef STAVE_BUILD_GRAPH_H
#define STAVE_BUILD_GRAPH_H

#include "build/build.h"
#include "build/dockerfile.h"
#include "build/scope.h"

enum source_kind { SOURCE_SCRATCH, SOURCE_STAGE, SOURCE_DIR, SOURCE_IMAGE };
struct source {
	enum source_kind kind;
	size_t stage;	  /* SOURCE_STAGE */
	const char *name; /* SOURCE_DIR: the directory; SOURCE_IMAGE: its name. Borrowed */
};

struct graph_stage {
	char *base;	/* the image or stage of FROM, expanded */
	char *platform; /* of FROM, expanded; NULL: the build's */
	bool needed;
	VEC(size_t) uses; /* stages that must be there for it, by number */
};
struct graph {
	const struct dockerfile *file; /* borrowed, as the next */
	const struct build_options *options;
	VEC(struct graph_stage) stages;
	struct strv predefined;
	struct scope global;
	size_t target;
};
/* ERR_INPUT, with the line in the message. */
int graph_make(struct graph *ret, const struct dockerfile *file,
	       const struct build_options *options, struct err *err);
void graph_done(struct graph *graph);
#define cleanup_graph cleanup(graph_done)

/* `before`: only stages before this one count. */
void graph_source(const struct graph *graph, const char *name, size_t before, struct source *ret);

#endif
