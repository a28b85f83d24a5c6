/* What verbs that change a project have in common: a dry run, root rights, the supervisor, Ctrl-C,
 * and the progress. */
#ifndef STAVE_CLI_APPLY_H
#define STAVE_CLI_APPLY_H

#include "cli/cli.h"
#include "engine/plan.h"

/* Hands the goal to the project's supervisor (started when there is none) and shows what happens;
 * blocks until it is reached. With --dry-run it prints the plan instead. ERR_CANCELLED after
 * Ctrl-C. */
int apply_goal(struct cli *cli, const struct goal *goal, struct err *err);

/* The supervisor of a project that has something to act on. 0 without a client (*ret NULL) when
 * nothing of the project runs. */
int apply_client(struct cli *cli, struct client **ret, struct err *err);

/* "web=3" words into goal->scale; `option` names them in messages ("--scale", or NULL for
 * arguments). */
int apply_scale(const struct strv *words, const char *option, struct goal *goal, struct err *err);

#endif
