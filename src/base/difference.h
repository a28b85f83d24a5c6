/* A layer's tree may hold only what differs from another layer's, which is whole: what changed,
 *what is new, and whiteouts for what is gone. Then a symlink to that other tree, its base, lies
 *beside it:
 *
 *	layers/<chain id>/diff             the tree
 *	layers/<chain id>/difference-of    -> ../<chain id of the base>/diff
 *
 * Whoever mounts the tree mounts the base right beneath it. A base has none itself. */
#ifndef STAVE_BASE_DIFFERENCE_H
#define STAVE_BASE_DIFFERENCE_H

#include "base/err.h"

#include <stdbool.h>

#define DIFFERENCE_LINK "difference-of"

/* Opens the base of the tree `tree`. *ret: FD_NONE when it is whole. ERR_NOT_FOUND: the base is
 * gone. */
int difference_base(int tree, int *ret, struct err *err);
/* The name of the directory that holds the base's tree (its chain id's digits), by what is written
 * in the directory `path` (relative to dirfd) that holds the tree. NULL: it is whole. Owned. */
char *difference_base_name(int dirfd, const char *path);
/* Whether the tree in the directory `path` is there with all that it stands on. */
bool difference_complete(int dirfd, const char *path);
/* Notes the base in the directory `dir`, in the place of one that is noted there. `layers`: the
 * directory of all layers, absolute, or from there (".."): a store can be moved then. */
int difference_note(int dir, const char *layers, const char *base_name, struct err *err);

#endif
