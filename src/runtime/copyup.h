/* For this room only: filling an empty volume from the image. */
#ifndef STAVE_RUNTIME_COPYUP_H
#define STAVE_RUNTIME_COPYUP_H

#include "base/err.h"

/* When the directory `to` is empty, copies all of the directory `from` into it, and gives it from's
 * owner, mode and times. Both may be O_PATH descriptors and stay the caller's. Owners, modes, times
 * and extended attributes are kept; what is mounted inside `from` is not copied. Called by a
 * container's first process, as root of its user namespace. */
int runtime__copy_up(int from, int to, struct err *err);

#endif
