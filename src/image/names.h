/* The names in a directory of a layer, whose tree may be a difference on a whole one (base/
 * difference.h): both together, without what whiteouts take away. Sorted by bytes. */
#ifndef STAVE_IMAGE_NAMES_H
#define STAVE_IMAGE_NAMES_H

#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

/* A name, and which file it is, as far as the directory itself says. */
struct layer_name {
	char *text;
	uint64_t inode;
	unsigned char type; /* DT_... */
	bool base;	    /* only the base has it */
};
struct layer_names {
	VEC(struct layer_name) items;
};
void layer_names_done(struct layer_names *names);
#define cleanup_layer_names cleanup(layer_names_done)

/* Directories, each may be FD_NONE; what is no directory in the base counts as not there. `path`:
 * for messages. */
int layer_names_list(int dir, int base, const char *path, struct layer_names *ret, struct err *err);
/* Opens the directory `name` in both. *ret: FD_NONE when only the base has it; *ret_base: when the
 * base has none, or what it has is hidden. */
int layer_names_enter(int dir, int base, const struct layer_name *name, int *ret, int *ret_base,
		      struct err *err);

/* Nothing of what is below the directory is seen in it. */
bool layer_is_opaque(int dir);

#endif
