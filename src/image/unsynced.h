/* The mark that names may be ahead of their bytes (unsynced.c). */
#ifndef STAVE_IMAGE_UNSYNCED_H
#define STAVE_IMAGE_UNSYNCED_H

#include "image/store.h"

enum { UNSYNCED_BOOT_MAX = 64 };
struct unsynced_mark {
	char boot[UNSYNCED_BOOT_MAX];
	nsec_t since; /* wall; 0: there is no mark */
};
int image__boot_id(char ret[UNSYNCED_BOOT_MAX], struct err *err);
int image__unsynced_read(struct image_store *store, struct unsynced_mark *ret, struct err *err);
/* All is on the disk: the mark goes. */
int image__unsynced_forget(struct image_store *store, struct err *err);

#endif
