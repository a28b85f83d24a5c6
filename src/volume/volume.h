/* Named and anonymous volumes: STAVE_ROOT/volumes/<name>/{volume.json,_data/}. Knows nothing of
 * Compose. */
#ifndef STAVE_VOLUME_VOLUME_H
#define STAVE_VOLUME_VOLUME_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"

struct volume {
	char *name;
	char *project, *key; /* owner; NULL for volumes of nobody */
	char *driver;	     /* "local" */
	json_t *options;     /* driver_opts (type, o, device); object or NULL */
	json_t *labels;
	bool anonymous;
	nsec_t created; /* wall */
	char *path;	/* absolute path of its data */
};
void volume_done(struct volume *v);
#define cleanup_volume cleanup(volume_done)

/* Creates it when missing (*ret_created says so); one whose record cannot be read gets the record
 * that `want` asks for, and keeps its data. `want` borrows. driver_opts with type none/bind
 * and device make a bind volume (path is the device); any other type is a file system that is
 * mounted while it is used. An existing one with another driver or other options: ERR_CONFLICT
 * naming the difference. */
int volume_create(const char *root, const struct volume *want, struct volume *ret,
		  bool *ret_created, struct err *err);
int volume_load(const char *root, const char *name, struct volume *ret,
		struct err *err); /* ERR_NOT_FOUND */
int volume_list(const char *root, struct strv *ret_names, struct err *err);
/* Removes record and data; missing is success. Never crosses a mount. */
int volume_remove(const char *root, const char *name, struct err *err);
/* The same in two steps, so that nobody sees or uses half of one: takes its name away and says
 * where its files are (*ret_path, owned; NULL: there was none), for fs_remove_tree. ERR_CONFLICT
 * when something is mounted in it. */
int volume_bury(const char *root, const char *name, char **ret_path, struct err *err);
/* Adds the paths of what has no name: buried and not removed, or never finished; by a process that
 * was killed, or by one that is at it. */
int volume_unnamed(const char *root, struct strv *ret_paths, struct err *err);
/* What its data takes up on disk, as `du` counts, and in how many files and directories. Blocks for
 * as long as looking at each takes. */
int volume_usage(const struct volume *v, uint64_t *ret_bytes, uint64_t *ret_inodes,
		 struct err *err);
/* The limit of its size that the options ask for (size: 1g); 0: none. */
uint64_t volume_limit(const struct volume *v);
/* Its data are a directory of the host's (type none, o bind). */
bool volume_is_bind(const struct volume *v);
/* Its data are a file system of their own (type tmpfs, nfs, ext4, ...). */
bool volume_is_mount(const struct volume *v);
/* Mounts and unmounts such a one on its path; nothing for others, and when it is so already. The
 * options of `o` are the kernel's; the name of `addr=` is looked up. */
int volume_mount(const struct volume *v, struct err *err);
int volume_unmount(const struct volume *v, struct err *err);
int volume_name_check(const char *name, struct err *err); /* [a-zA-Z0-9][a-zA-Z0-9_.-]* up to 255 */

#endif
