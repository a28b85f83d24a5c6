/* What happened to a project's containers, on disk: what `events --since` tells of the past. One
 * event a line, as JSON, as those who follow get it. Bounded: `events`, and the `events.1` before
 * it, in the project's directory; they go with it. */
#ifndef STAVE_ENGINE_EVENT_LOG_H
#define STAVE_ENGINE_EVENT_LOG_H

#include "base/err.h"
#include "base/json.h"
#include "base/time.h"
#include "engine/state-path.h"

/* Appends it. What cannot be written is lost: no container waits for its history. */
void event_log_add(const struct engine_paths *paths, const char *project, const json_t *event);

/* Calls fn for each event with since <= time < until (wall; until 0: all), the oldest first, until
 * it returns non-zero, which is then returned. Lines that are no events are skipped. A project
 * without a log has none: 0. */
int event_log_read(const struct engine_paths *paths, const char *project, nsec_t since,
		   nsec_t until, int (*fn)(const json_t *event, void *data), void *data,
		   struct err *err);

#endif
