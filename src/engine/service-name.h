/* The names that a project gives what is made for a service. */
#ifndef STAVE_ENGINE_SERVICE_NAME_H
#define STAVE_ENGINE_SERVICE_NAME_H

#include "compose/project.h"

/* "<project>-<service>-<number>", or container_name: (then replicas after the first get
 * "-<number>"). Owned. */
char *service_container_name(const struct project *project, const struct service *service,
			     uint32_t number);

/* The reference that a service's container uses: image:, or <project>-<service> for one that is
 * only built. Owned. */
char *service_image_name(const struct project *project, const struct service *service);

/* A `type: image` volume may name a service of the project: the reference of that one's image.
 * NULL: there is no such service. Owned. */
char *service_mounted_image_name(const struct project *project, const char *source);

#endif
