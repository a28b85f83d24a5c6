/* Between a directory and the tar in a backup. For the files of this room. */
#ifndef STAVE_VOLUME_TAR_H
#define STAVE_VOLUME_TAR_H

#include "volume/seal.h"

enum { TAR_PATH_MAX = 4096 };

int tar_pack(struct seal_writer *w, int dir, const struct backup_options *options,
	     struct backup_info *info, struct err *err);
/* dir FD_NONE: only reads. */
int tar_unpack(struct seal_reader *r, int dir, const struct backup_options *options,
	       struct backup_info *info, struct err *err);

static inline int tar__check_stop(const struct backup_options *o, struct err *err)
{
	if (o->stop && o->stop(o->data))
		return err_new(err, ERR_CANCELLED, EINTR, "interrupted");
	return 0;
}

#endif
