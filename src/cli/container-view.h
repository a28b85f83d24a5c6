/* A container as lists show it, in Docker's words. */
#ifndef STAVE_CLI_CONTAINER_VIEW_H
#define STAVE_CLI_CONTAINER_VIEW_H

#include "cli/cli.h"

/* "Up 5 minutes (healthy)", "Exited (0) 3 seconds ago". Owned. */
char *container_view_status(const struct container *c, nsec_t now_wall);
/* What is published, as asked for and as it is: array of {URL, TargetPort, PublishedPort,
 * Protocol}. `net` may be NULL: then only as asked for. New reference. */
json_t *container_view_publishers(const struct container *c, struct net *net);
/* A row with all the members that `docker compose ps --format json` has. New reference. */
json_t *container_view_row(const struct container *c, struct net *net, nsec_t now_wall,
			   bool truncate);

#endif
