/* A stage at work, in a process of its own: its instructions one after the other, each either found
 * in the cache or carried out. For this room's files; build.c starts it with stage_main(). */
#ifndef STAVE_BUILD_STAGE_H
#define STAVE_BUILD_STAGE_H

#include "build/build.h"
#include "build/cache.h"
#include "build/graph.h"
#include "build/product.h"
#include "build/report.h"
#include "build/sandbox.h"
#include "build/share.h"
#include "build/stack.h"
#include "build/tree.h"

/* What a finished stage is to others. */
struct stage_result {
	struct stack stack;
	json_t *doc;	      /* image config */
	struct strv keys;     /* of all steps that led here, for sharing the cache */
	char key[SHA256_HEX]; /* of its files */
};
void stage_result_done(struct stage_result *r);
json_t *stage_result_to_json(const struct stage_result *r);
int stage_result_from_json(const char *text, struct stage_result *ret, struct err *err);

struct stage_run {
	const struct build_options *options;
	const struct dockerfile *file;
	const struct graph *graph;
	const struct stage *stage;
	struct depot *depot;
	const struct shared *shared; /* steps that other machines made */
	const struct tree *context;  /* NULL: none */
	int link;		     /* to the build's process */

	struct product product;
	struct scope scope;
	struct stack stack;
	char key[SHA256_HEX]; /* of the files so far */
	struct strv keys;     /* of the steps so far */
	nsec_t when;	      /* the last step was made (wall) */
	size_t step, steps;   /* steps that are counted: "2/5" */
	bool running;	      /* the step was announced and has not ended */
	nsec_t since;	      /* the step's start */
	struct str line;      /* output without a line end yet */
	struct strv tail;     /* the last lines of the step's output */
	struct loop *loop;    /* made with the sandbox */
	struct sandbox sandbox;
	bool has_sandbox;
	struct stage_result **others; /* by stage number, as far as they were asked for */
	bool cancelled;
};

/* The child's whole life; never returns. */
_Noreturn void stage_main(struct stage_run *run);

/* --- for the kinds of steps --- */

void stage_event(struct stage_run *run, enum build_event_kind kind, const char *text);
/* What a step writes; lines are passed on when they are whole. */
void stage_output(struct stage_run *run, const char *text, size_t len);
void stage_output_end(struct stage_run *run); /* what has come of the last line is one */
/* The text of the step for people: "[build 2/5] RUN make". Announces it. */
void stage_begin(struct stage_run *run, const char *what);
void stage_end(struct stage_run *run);

/* Carries out a step whose inputs (without the parent) are in `e`, or finds it in the cache; then
 * the stage stands on its tree. make() fills the upper directory of `work`; NULL in `work` of a
 * result that has no files is not possible: it may leave it empty. */
struct stage_step {
	const char *what; /* for people */
	struct cache_entry *entry;
	bool alone;	     /* --link: does not depend on what is below */
	const char *lineage; /* the key is remembered under this, too; NULL: no */
	int (*make)(struct stage_run *run, const struct work *work, void *data, struct err *err);
	void *data;
};
int stage_step(struct stage_run *run, const struct stage_step *step, struct err *err);

/* By what the next run of an instruction finds this one, wherever in the file it is then. Owned. */
char *stage_lineage(const struct stage_run *run, const char *instruction, const char *workdir);

/* The result of another stage; waits for it. Borrowed. */
int stage_other(struct stage_run *run, size_t index, const struct stage_result **ret,
		struct err *err);
/* --- source.c --- */

/* Finds the image for the platform, pulling it when it is not there or has to be new. One of
 * another machine's does not take the name of this machine's away. */
int stage_image(struct stage_run *run, const char *name, const char *platform, bool announce,
		struct image *ret, struct err *err);
/* An image's layers, and the key of what stands on them. */
int stage_image_stack(struct stage_run *run, const struct image *image, struct stack *ret,
		      char key[SHA256_HEX], struct err *err);
/* The key of a beginning: `chain` names its files. */
void stage_base_key(const struct stage_run *run, const char *chain, char key[SHA256_HEX]);
char *stage_platform(const struct stage_run *run, const char *given); /* owned */
/* What a name in --from stands for: its files as a stack and their key. A directory is not one:
 * *ret_dir says which then (borrowed), and the stack stays empty. */
int stage_source(struct stage_run *run, const char *name, struct stack *ret, char key[SHA256_HEX],
		 const char **ret_dir, struct err *err);

/* --- the steps --- */

/* FROM: image, stage or nothing. */
int stage_from(struct stage_run *run, struct err *err);
/* RUN. */
int stage_run_step(struct stage_run *run, const struct instruction *in, struct err *err);
/* COPY, ADD. */
int stage_copy_step(struct stage_run *run, const struct instruction *in, struct err *err);
/* Files of a tree as one layer in `ret`, kept in the cache by their content (*ret_hex). source: a
 * path in it, NULL for all; the content of a directory, or (*ret_file) one file under its own name.
 */
int stage_gather(struct stage_run *run, const struct tree *tree, const char *source,
		 struct stack *ret, char hex[SHA256_HEX], bool *ret_file, struct err *err);
/* The same, written below the directory `to`. */
int stage_copy_tree(struct stage_run *run, const struct tree *tree, const char *source, int to,
		    struct err *err);
/* WORKDIR: the directory is made. */
int stage_workdir_step(struct stage_run *run, const struct instruction *in, struct err *err);

#endif
