/* Who owns every byte below STAVE_ROOT. For `stave system df`; reads the disk, changes nothing. */
#ifndef STAVE_ENGINE_USAGE_H
#define STAVE_ENGINE_USAGE_H

#include "engine/state.h"

enum disk_owner {
	DISK_BLOBS,	 /* image content as it came */
	DISK_LAYERS,	 /* the same, unpacked */
	DISK_CONTAINERS, /* writable layers */
	DISK_VOLUMES,
	DISK_BUILD, /* the build cache */
	DISK_LOGS,
	DISK_TEMPORARY, /* what is being made, and what a crash left */
	DISK_RECORDS,	/* names, states, leases, and the directories themselves */
	DISK_OWNER_MAX_
};

/* One thing of an owner that has several: a container's id, a volume's name, "<project>/<slot>" of
 * a log, a layer's chain id. */
struct disk_item {
	enum disk_owner owner;
	char *name;
	uint64_t bytes;
};
struct disk_usage {
	uint64_t bytes[DISK_OWNER_MAX_]; /* their sum is what `du -sx` says of the root */
	VEC(struct disk_item) items;
};
void disk_usage_done(struct disk_usage *u);
#define cleanup_disk_usage cleanup(disk_usage_done)
/* Blocks for as long as looking at every file takes. No root is no bytes. */
int disk_usage_load(const struct engine_paths *paths, struct disk_usage *ret, struct err *err);
/* Of one item; 0 when there is none. */
uint64_t disk_usage_of(const struct disk_usage *u, enum disk_owner owner, const char *name);

#endif
