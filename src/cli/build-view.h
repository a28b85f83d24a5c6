/* What people see of a build, on stderr: on a terminal one line per step, redrawn; elsewhere plain
 * lines as BuildKit's, each with its step's number. */
#ifndef STAVE_CLI_BUILD_VIEW_H
#define STAVE_CLI_BUILD_VIEW_H

#include "build/build.h"
#include "cli/cli.h"
#include "cli/progress.h"

struct build_view {
	struct cli *cli;
	struct progress *progress; /* on a terminal, else NULL */
	bool quiet;
	bool raw;	 /* a line of JSON for each event */
	bool checking;	 /* warnings are what is asked for: on stdout, at the end */
	bool json;	 /* what is asked for is printed as JSON */
	struct str said; /* with checking: the warnings, as text and as JSON */
	json_t *found;
	VEC(char *) names; /* of the steps, by number */
	int numbers;	   /* the highest so far */
	char *failure;	   /* what is said of a failed step, for after the display */
};

/* mode: NULL or "auto", "plain", "tty", "quiet". ERR_USAGE. */
int build_view_init(struct build_view *view, struct cli *cli, const char *mode, bool quiet,
		    struct err *err);
void build_view_free(struct build_view *view); /* the same, and its memory */
/* What --check says at the end, on stdout; the exit status. */
int build_view_checked(const struct build_view *view);
/* Ends the display; prints what a failed step said. */
void build_view_done(struct build_view *view);

/* One of the builds that share a view: `data` of struct build_options. */
struct build_view_part {
	struct build_view *view;
	const char *service; /* NULL: it is the only one */
	int base;	     /* added to the numbers of its steps */
};
void build_view_event(void *part, const struct build_event *event);
void build_view_diagnose(void *part, const struct diagnostics *diagnostics, const struct str *text);
/* --call=outline and targets. */
void build_view_outline(void *part, const json_t *doc);
/* Keeps the warnings for build_view_checked(). */
void build_view_note(struct build_view *view, const struct diagnostics *diagnostics,
		     const struct str *text);

#endif
