/* Backups of volumes: a directory becomes one file that nothing can change unnoticed, and back. The
 * format is in seal.h; docs/volumes.md says how to read it without stave. Blocks; memory is
 * bounded, whatever the sizes. */
#ifndef STAVE_VOLUME_BACKUP_H
#define STAVE_VOLUME_BACKUP_H

#include "base/err.h"
#include "base/json.h"
#include "volume/volume.h"

#include <stdbool.h>
#include <stdint.h>

struct backup_key {
	unsigned char bytes[32];
};
/* 32 bytes, or their 64 hexadecimal digits. */
int backup_key_load(const char *path, struct backup_key *ret, struct err *err);
void backup_key_done(struct backup_key *key);

struct backup_options {
	const struct backup_key *key; /* NULL: not encrypted */
	bool (*stop)(void *data);     /* asked between pieces: true ends it with ERR_CANCELLED */
	void *data;
	bool devices; /* extract: device nodes, too */
};
struct backup_info {
	json_t *manifest;	 /* volume, project, key, driver, options, labels, created, stave */
	uint64_t entries, bytes; /* bytes: of all files as they are read */
	uint64_t skipped;	 /* sockets */
	bool encrypted;
};
void backup_info_done(struct backup_info *info);
#define cleanup_backup_info cleanup(backup_info_done)

/* Packs what is below `path` into `file`, whole or not at all: written beside it under a temporary
 * name, synced, renamed. Never crosses a mount point, never follows a symlink. */
int backup_write(const char *file, const char *path, const json_t *manifest,
		 const struct backup_options *options, struct backup_info *ret, struct err *err);
/* Reads all of it and unpacks nothing: 0 when every bit is as it was written. */
int backup_verify(const char *file, const struct backup_options *options, struct backup_info *ret,
		  struct err *err);
/* The manifest alone, unchecked. */
int backup_manifest(const char *file, const struct backup_options *options, json_t **ret,
		    struct err *err);
/* Unpacks into the empty directory `dir` (borrowed). On failure some of it is there: the caller
 * unpacks under a temporary name. A name that leads out of the directory, a name given twice, a
 * parent that is no directory and (without options->devices) a device node are ERR_INPUT. */
int backup_extract(const char *file, int dir, const struct backup_options *options,
		   struct backup_info *ret, struct err *err);

json_t *backup_manifest_of(const struct volume *v); /* new reference */

/* Puts what the backup holds into the volume, which exists: unpacked beside its data and, only when
 * every byte was checked, exchanged for them. With `replace` what is there goes; without, data that
 * are not empty are ERR_CONFLICT. Nothing may have the volume mounted. */
int backup_restore(const char *root, const struct volume *v, const char *file, bool replace,
		   const struct backup_options *options, struct backup_info *ret, struct err *err);

/* "<volume>-20261121T130501Z.tar.zst", with ".enc" when encrypted. Owned. */
char *backup_file_name(const char *volume, nsec_t wall, bool encrypted);
/* Does a file's name say that it is a backup of that volume? Sorted by name they are sorted by
 * time. */
bool backup_file_is(const char *name, const char *volume);
/* Removes all but the newest `keep` of the volume's backups in a directory; the names that went are
 * added to `removed`. */
int backup_retain(const char *dir, const char *volume, int keep, struct strv *removed,
		  struct err *err);

#endif
