/* A plan for people: what would be done, and why. Shared by `stave plan` and every --dry-run. */
#ifndef STAVE_CLI_PLANVIEW_H
#define STAVE_CLI_PLANVIEW_H

#include "cli/cli.h"
#include "engine/plan.h"

/* Observes, plans, prints ("text" or "json"), changes nothing. */
int planview_run(struct cli *cli, const struct goal *goal, const char *format, struct err *err);

#endif
