/* From a Compose service and its image to what runs: the one place where Compose's words become the
 * runtime's. Reads the image's config and env-file-free project data only; touches no kernel. Used
 * by the supervisor when a container is created. */
#ifndef STAVE_ENGINE_SERVICE_SPEC_H
#define STAVE_ENGINE_SERVICE_SPEC_H

#include "engine/plan.h"
#include "image/image.h"

struct service_context {
	const struct engine_paths *paths;
	const struct project *project;
	const struct service *service;
	const struct image *image;
	struct slot *slot;	     /* anonymous volumes are looked up and added here */
	const struct oneoff *oneoff; /* NULL: a replica */
	bool can_idmap;		     /* false: no user namespace (file system refuses) */
};

/* Fills both: the record (state CREATED) and the spec. Bind sources must exist (or are created when
 * create_host_path): ERR_NOT_FOUND names file, line and path. Secrets and configs are read now.
 * Volumes named in the mounts are made by their own steps; anonymous ones are created here. */
int service_container(const struct service_context *context, struct container **ret,
		      struct spec *ret_spec, struct err *err);

/* Writes hosts, hostname and resolv.conf into the container's directory (called again at each
 * start, when addresses are known). */
int service_write_etc(const struct engine_paths *paths, const struct project *project,
		      const struct container *c, const struct spec *spec, struct err *err);

/* A project's network or volume as its room wants it. */
void service_network_config(const struct project *project, const struct project_network *network,
			    struct net_config *ret);

#endif
