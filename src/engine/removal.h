/* Trees that take time to remove (a writable layer of a million files, a volume of a database) go
 * beside the supervisor: by a process of its own, one tree at a time, while the supervisor answers
 * names, writes logs and checks healths. Nothing has to be remembered for a crash: what is given
 * here has no record and no name any more, and state_unrecorded() and volume_unnamed() find it
 * again. */
#ifndef STAVE_ENGINE_REMOVAL_H
#define STAVE_ENGINE_REMOVAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct supervisor;

/* Removals that somebody waits for; they are done in their order. Zero: none. */
struct removal_span {
	uint64_t first, last;
};

/* Removes the tree. What is small is gone when this returns; the rest is added to the span, and
 * when it is gone tell->removal_over is called. Without a span (NULL) a failure is a warning. */
int removal_begin(struct supervisor *s, const char *path, struct removal_span *span,
		  struct err *err);
/* 1: something of the span is still there; 0: all has gone; negative: could not be removed, said
 * once. */
int removal_poll(struct supervisor *s, struct removal_span *span, struct err *err);
bool removal_pending(const struct supervisor *s);

#endif
