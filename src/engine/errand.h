/* An errand: a program that the supervisor runs in a container beside its first process (a health
 * check, a hook). What it writes is kept, to a bound; its end is told once. Never blocks but in
 * errand_end. */
#ifndef STAVE_ENGINE_ERRAND_H
#define STAVE_ENGINE_ERRAND_H

#include "engine/supervisor.h"
#include "runtime/runtime.h"

enum { ERRAND_TEXT_MAX = 4096 };

struct errand {
	/* set by the owner */
	void (*over)(struct errand *errand, int code, const struct err *failed, void *data);
	void *data;
	size_t keep;   /* bytes of the output, at most ERRAND_TEXT_MAX */
	bool keep_end; /* its end instead of its beginning */

	struct runtime_child child; /* pid -1: none runs */
	struct watch *pidfd_watch, *output_watch;
	int output;			/* read end */
	char text[ERRAND_TEXT_MAX + 1]; /* ends with a 0 */
	size_t len;
};
#define ERRAND_NONE ((struct errand){ .child = RUNTIME_CHILD_NONE, .output = FD_NONE })

/* Begins spec->process in the container, as its spec says with that process changed. When it has
 * ended, over() is called: code is its status (128 + signal when one killed it); or failed is not
 * NULL, and says why it could not be executed. All but the text is cleared by then, so that over()
 * may begin the next one or free the errand. */
int errand_begin(struct errand *errand, struct life *life, const struct spec *spec, bool privileged,
		 struct err *err);
static inline bool errand_runs(const struct errand *errand)
{
	return errand->child.pid > 0;
}
void errand_kill(struct errand *errand); /* its end is noticed as any other; nothing when none */
void errand_end(struct errand *errand);	 /* the same at once and without a word */
/* The output without newlines at its end. Owned. */
char *errand_words(const struct errand *errand);

#endif
