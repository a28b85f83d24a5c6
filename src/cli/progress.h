/* What people see while something long runs: the steps of an up, a down, a stop, on stderr. On a
 * terminal a block of lines that is redrawn in place with the time that has passed; elsewhere one
 * plain line per change; with --progress json one JSON object per change; with quiet only
 * warnings.
 *
 *	struct progress *p = progress_new(cli, 0);
 *	r = client_apply(client, project, &goal, interrupt, progress_event, p, err);
 *	progress_done(p);
 *
 * No threads: on a terminal a child process does the drawing, so that the clock goes on while the
 * caller waits in the client. Whoever holds a progress must not write to the terminal until
 * progress_done. */
#ifndef STAVE_CLI_PROGRESS_H
#define STAVE_CLI_PROGRESS_H

#include "cli/cli.h"

struct progress;

/* total: how many steps are expected, for the "2/5"; 0: as many as are seen. Never fails: without
 * the means for a terminal's display it falls back to plain lines. */
struct progress *progress_new(struct cli *cli, size_t total);
/* Can be passed as a client_event_fn with the progress as data. Events that are no steps and no
 * warnings are ignored. */
void progress_event(const struct engine_event *event, void *progress);
/* What follows are restarts: "Restarting" and "Started", as with Docker Compose. */
void progress_restarts(struct progress *p);
/* For work that is not the engine's (a pull, a load): subject "Image nginx", text "Pulled". action
 * as for steps: "start", "wait", "done", "error". */
void progress_step(struct progress *p, const char *subject, const char *action, const char *text);
/* Whether anything was said of the subject. */
bool progress_seen(const struct progress *p, const char *subject);
/* Draws the last state, waits for the drawing child and frees. NULL is allowed. */
void progress_done(struct progress *p);
DEFINE_CLEANUP(struct progress, progress_done)

/* For this room and its tests: the block as it is drawn. */
enum progress_state { PROGRESS_WORKING, PROGRESS_DONE, PROGRESS_ERROR };
struct progress_line {
	char *subject, *text;
	enum progress_state state;
	nsec_t start, end; /* monotonic; end 0: still working */
};
struct progress_view {
	const struct progress_line *lines;
	size_t count, total;
	nsec_t now;
	unsigned columns, rows; /* of the terminal */
	bool colour;
};
/* Appends the block to out; the number of lines it has. Never wider than the terminal and never
 * higher than rows - 1: lines that are done give way first. */
size_t progress__render(const struct progress_view *view, struct str *out);

#endif
