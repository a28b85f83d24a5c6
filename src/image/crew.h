/* Pieces of work, several at once, in processes of their own: the layers of a pull or a push. A
 * process takes the next piece when it is done with one, so that it keeps its connection; what it
 * has to say comes through a pipe. When one fails all are ended, however deep they are in a
 * library.
 */
#ifndef STAVE_IMAGE_CREW_H
#define STAVE_IMAGE_CREW_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { CREW_RESULT_MAX = 128, CREW_MAX = 8 };

struct crew_voice;
/* In a worker: how far it is. `phase` is short, and a message may get lost. */
void image__crew_tell(struct crew_voice *v, const char *phase, uint64_t done, uint64_t total);

struct crew {
	size_t count;	/* pieces */
	size_t at_once; /* at most CREW_MAX */
	void *data;	/* of the functions */
	/* In each worker, before its first piece. */
	void (*enter)(void *data);
	/* In a worker: piece `i`, which leaves up to CREW_RESULT_MAX bytes at `result`. */
	int (*work)(void *data, size_t i, struct crew_voice *v, void *result, struct err *err);
	/* At home: what a worker tells, and that a piece is done. */
	void (*told)(void *data, size_t i, const char *phase, uint64_t done, uint64_t total);
	void (*done)(void *data, size_t i, const void *result);
};
int image__crew_run(const struct crew *c, struct err *err);

#endif
