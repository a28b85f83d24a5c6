/* A plan for people: what would be done, and why (`stave plan`), or as what would be seen if it
 * were done (--dry-run). */
#ifndef STAVE_CLI_PLANVIEW_H
#define STAVE_CLI_PLANVIEW_H

#include "cli/cli.h"
#include "engine/plan.h"

/* Observes, plans, prints ("text" or "json"), changes nothing. */
int planview_run(struct cli *cli, const struct goal *goal, const char *format, struct err *err);

/* Observes, plans, and tells the plan's steps as the verb would, but marked. */
int planview_dry_run(struct cli *cli, const struct goal *goal, struct err *err);

#endif
