/* The metrics in Prometheus' text format (version 0.0.4). docs/metrics.md describes each; the table
 * in metrics.c is where they are. */
#ifndef STAVE_API_METRICS_H
#define STAVE_API_METRICS_H

#include "api/sample.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends every family, those without a value too. */
void metrics_format(const struct sample *sample, struct str *out);
/* Takes a sample and formats it. `project` NULL: all. */
int metrics_text(const struct engine_paths *paths, const char *project, struct str *out,
		 struct err *err);

#endif
