/* Container output: one log per slot in the CRI text format, "TIME stream P|F text", bounded and
 * rotated by the supervisor, read straight from the files by everybody else. */
#ifndef STAVE_ENGINE_LOG_H
#define STAVE_ENGINE_LOG_H

#include "engine/state.h"

enum log_stream { LOG_STDOUT, LOG_STDERR };

/* --- writing (supervisor) --- */
struct log_writer;
struct log_limits {
	uint64_t max_size; /* bytes of one file; default 10 MiB */
	int max_files;	   /* rotated ones included; default 3 */
	bool json_file;	   /* Docker's json-file format instead of CRI */
	bool none;	   /* keep nothing */
};
/* logging: the container's {"driver","options"} or NULL. Unknown drivers keep our own log.
 * ERR_INPUT for a size or count that is none. */
int log_limits_parse(const json_t *logging, struct log_limits *ret, struct err *err);
int log_writer_open(const char *slot_dir, const struct log_limits *limits, struct log_writer **ret,
		    struct err *err);
void log_writer_free(struct log_writer *w); /* log_end, and closes */
DEFINE_CLEANUP(struct log_writer, log_writer_free)
/* Splits into lines (at most 16 KiB each; longer ones become P parts), stamps with the present
 * time, writes all whole lines with one system call. A partial line waits in memory for its end,
 * for log_flush or for log_end. Negative errno (ENOSPC): what did not fit is lost as a whole, never
 * in the middle of a line; the next call tries again. */
int log_write(struct log_writer *w, enum log_stream stream, const char *data, size_t len);
/* Writes partial lines as P parts: a prompt is to be seen, its line may go on. */
int log_flush(struct log_writer *w);
/* Writes partial lines as lines: the container has exited. The writer stays usable. */
int log_end(struct log_writer *w);
/* New limits from now on (live update of logging:). */
void log_writer_limits(struct log_writer *w, const struct log_limits *limits);

/* --- reading (anybody) --- */
struct log_line {
	nsec_t time; /* wall */
	enum log_stream stream;
	bool partial;
	const char *text; /* borrowed, without newline, len bytes */
	size_t len;
	size_t source; /* index of the source it came from */
};
struct log_source {
	char *slot_dir;
};
struct log_query {
	VEC(struct log_source) sources;
	nsec_t since, until; /* wall; 0: unbounded */
	int64_t tail;	     /* last N of each source; -1: all */
};
/* Calls fn for each line of all sources, merged by time. fn returns non-zero to stop. Rotated files
 * are included. */
int log_read(const struct log_query *query, int (*fn)(const struct log_line *line, void *data),
	     void *data, struct err *err);
/* The same, then goes on with what is appended (inotify), across rotation and recreation, until fn
 * or `stop` says so: `stop` is polled at least each 200 ms and may be NULL. */
int log_follow(const struct log_query *query, int (*fn)(const struct log_line *line, void *data),
	       bool (*stop)(void *data), void *data, struct err *err);

#endif
