/* Names of containers and images. */
#include "engine/service-name.h"

#include "base/str.h"

char *service_container_name(const struct project *project, const struct service *service,
			     uint32_t number)
{
	if (!service->container_name)
		return xasprintf("%s-%s-%u", project->name, service->name, number);
	if (number == 1)
		return xstrdup(service->container_name);
	return xasprintf("%s-%u", service->container_name, number);
}

char *service_image_name(const struct project *project, const struct service *service)
{
	if (!str_empty(service->image))
		return xstrdup(service->image);
	return xasprintf("%s-%s", project->name, service->name);
}

char *service_mounted_image_name(const struct project *project, const char *source)
{
	const struct service *service = project_service(project, source);
	return service ? service_image_name(project, service) : NULL;
}
