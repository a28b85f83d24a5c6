/* What changes beneath directories, by inotify: changes are gathered until they pause. */
#ifndef STAVE_CLI_FILEWATCH_H
#define STAVE_CLI_FILEWATCH_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

struct filewatch;

/* `wants_dir`: asked of each directory, which is watched with what is below it. */
int filewatch_new(bool (*wants_dir)(void *data, const char *path), void *data,
		  struct filewatch **ret, struct err *err);
void filewatch_free(struct filewatch *watch);
DEFINE_CLEANUP(struct filewatch, filewatch_free)

/* A directory with all below it, or a file (by the directory that it is in). Absolute and clean. */
int filewatch_add(struct filewatch *watch, const char *path, struct err *err);

/* Blocks until something has changed and nothing more has for a moment, or `stop_fd` is readable
 * (*ret stays empty). Appends the absolute paths of what was written, made, renamed or removed,
 * files and directories, each once. After an overflow of the kernel's queue it is everything. */
int filewatch_wait(struct filewatch *watch, int stop_fd, struct strv *ret, struct err *err);

#endif
