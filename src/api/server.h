/* Serves the metrics over HTTP, in the foreground, until SIGINT, SIGTERM or SIGHUP: GET /metrics,
 * and GET /-/healthy, which only says that it answers. */
#ifndef STAVE_API_SERVER_H
#define STAVE_API_SERVER_H

#include "api/listen.h"

/* `project` NULL: all. `where` as listen_parse takes it. `ready` is called with where it listens,
 * once it does. Every scrape reads the state afresh; between them it sleeps. */
int metrics_serve(const struct engine_paths *paths, const char *project, const char *where,
		  void (*ready)(const char *url), struct err *err);

#endif
