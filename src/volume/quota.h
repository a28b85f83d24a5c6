/* The largest size of a volume, kept by the file system: project quotas of ext4 and XFS. A
 * directory bears the number of its project, and hands it on to whatever is made in it. */
#ifndef STAVE_VOLUME_QUOTA_H
#define STAVE_VOLUME_QUOTA_H

#include "base/err.h"

#include <stdint.h>

/* Gives the empty directory a project of its own, of at most `bytes`. ERR_UNSUPPORTED, with what
 * would have to be different, where the file system does not keep such limits. Root of the host is
 * not held to it (CAP_SYS_RESOURCE), root of a container with a user namespace is. */
int quota_limit(int dir, uint64_t bytes, struct err *err);
/* Before the directory is removed: its project has no limit any more. One without is left alone. */
void quota_release(int dir);

#endif
