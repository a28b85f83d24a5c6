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
/* logging: the container's {"driver","options"} or NULL. */
int log_limits_parse(const json_t *logging, struct log_limits *ret, struct err *err);
int log_writer_open(const char *slot_dir, const struct log_limits *limits, struct log_writer **ret,
		    struct err *err);
void log_writer_free(struct log_writer *w);
/* Splits into lines (at most 16 KiB each; longer ones become P parts), stamps with the present
 * time, writes. A partial line waits for its end until log_flush. */
int log_write(struct log_writer *w, enum log_stream stream, const char *data, size_t len);
int log_flush(struct log_writer *w);

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
