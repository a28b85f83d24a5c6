/* Which volumes and backup files the words of a command line mean. */
#ifndef STAVE_CLI_VOLUME_FILES_H
#define STAVE_CLI_VOLUME_FILES_H

#include "cli/volume-view.h"
#include "volume/backup.h"

/* The volume that a word names: a volume's name, or the key of one of the project's. Owned. */
int volume_files_name(struct cli *cli, const char *word, char **ret, struct err *err);
/* Names of volumes that exist: those of the words, or, without any, the project's. */
int volume_files_choose(struct cli *cli, const struct strv *words, struct strv *ret,
			struct err *err);

/* A backup and the volume it is for. */
struct volume_file {
	char *path, *volume;
	json_t *manifest;
};
struct volume_files {
	VEC(struct volume_file) items;
};
void volume_files_done(struct volume_files *files);
#define cleanup_volume_files cleanup(volume_files_done)
/* The newest backup in a directory of each volume of the project, matched by key, so that they may
 * be of a project with another name: `from`, or NULL when there is only one to choose from. */
int volume_files_newest(struct cli *cli, const char *dir, const char *from,
			const struct backup_options *options, struct volume_files *ret,
			struct err *err);

#endif
