/* Container output as `logs` and an attached `up` show it: "web-1  | text", a colour per container,
 * merged by time. */
#ifndef STAVE_CLI_LOGVIEW_H
#define STAVE_CLI_LOGVIEW_H

#include "cli/cli.h"
#include "engine/log.h"

struct logview {
	bool colour, prefix, timestamps;
	bool apart; /* what came on standard error goes to ours; else all to standard output */
	struct strv names; /* by source */
	size_t width;	   /* of the longest name */
	bool open_line;	   /* the last line was partial, from source `open` */
	size_t open;
};
/* What a container is called here: "web-1"; a `container_name` stands whole. Borrowed from it. */
const char *logview_name(const struct container *c);
/* Adds a source to the query and the view: the log of this container's slot. */
void logview_add(struct logview *view, struct log_query *query, const struct cli *cli,
		 const struct container *c);
/* A log_read callback; data is the view. Non-zero when stdout is gone. */
int logview_line(const struct log_line *line, void *data);
void logview_done(struct logview *view, struct log_query *query);

#endif
