/* Writing onto what the last run of the same instruction wrote: what is the same stays where it is,
 * what changed is written over it, and what is gone is taken away. The result is the same as of
 * writing onto what is below, as long as nothing there comes to light again or decides otherwise;
 * where it could, this fails, and all is to be written anew.
 *
 *	stay_begin(&stay, list)
 *	copy_apply(copy, &target)       the root: the layers below, and the last run's on top
 *	stay_end(&stay, root, ...)      what was not met is removed
 */
#ifndef STAVE_BUILD_STAY_H
#define STAVE_BUILD_STAY_H

#include "build/written.h"

struct stay {
	struct written *list;  /* borrowed */
	uint64_t files, bytes; /* that may still be written: with more a new layer is better */
};
struct stay stay_begin(struct written *list);
/* Something is to be written. ERR_CONFLICT: too much. */
int stay_spend(struct stay *stay, uint64_t bytes, struct err *err);
/* A source goes to the path `target`, as a directory's content or as one file. ERR_CONFLICT: the
 * last run had none such. */
int stay_target(struct stay *stay, bool is_dir, const char *target, struct err *err);
/* The same in the list of a run. */
void stay_note_target(struct written_list *list, bool is_dir, const char *target);
/* Removes what was not seen from the root. `below`: trees of the layers below; what they have must
 * not be removed, ERR_CONFLICT. */
int stay_end(struct stay *stay, int root, const int *below, size_t count, struct err *err);

#endif
