/* One slot's log as a stream of lines, over its rotated files, and on as it grows. For log-read.c
 * only. */
#ifndef STAVE_ENGINE_LOG_FILE_H
#define STAVE_ENGINE_LOG_FILE_H

#include "engine/log.h"

struct log_file;
/* tail: begins with the last N lines; -1: with the oldest. A directory or file that is missing is
 * an empty log. */
int log_file__open(const char *slot_dir, int64_t tail, struct log_file **ret, struct err *err);
void log_file__free(struct log_file *f);
/* 1: a line, borrowed until the next call; 0: none now, later perhaps; else negative errno. */
int log_file__next(struct log_file *f, struct log_line *ret);

#endif
