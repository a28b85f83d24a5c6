/* From a Compose service and its image to what runs: the one place where Compose's words become the
 * runtime's. Reads the image's config and env-file-free project data only; touches no kernel. Used
 * by the supervisor when a container is created. */
#ifndef STAVE_ENGINE_SERVICE_SPEC_H
#define STAVE_ENGINE_SERVICE_SPEC_H

#include "engine/plan.h"
#include "image/image.h"
#include "volume/volume.h"

struct service_context {
	const struct engine_paths *paths;
	const struct project *project;
	const struct service *service;
	const struct image *image;
	struct slot *slot;	     /* anonymous volumes are looked up and added here */
	const struct oneoff *oneoff; /* NULL: a replica */
	/* What a volume of `type: image` names: looked up by name, then as a service's. */
	int (*find_image)(void *data, const char *source, const struct image **ret,
			  struct err *err);
	void *find_data;
	bool can_idmap;	       /* false: no user namespace (file system refuses) */
	bool renew_volumes;    /* new anonymous volumes instead of the slot's */
	struct strv *warnings; /* what was asked for and is not done is added; may be NULL */
};

/* Fills both: the record (state CREATED) and the spec. Bind sources must exist (or are created when
 * create_host_path): ERR_NOT_FOUND names file, line and path. Secrets and configs are read now.
 * Volumes named in the mounts are made by their own steps; anonymous ones are created here,
 * and the slot's id range is leased when the container has a user namespace; one that shares the
 * network, pid or ipc namespace of another container gets that one's range. The caller makes the
 * records (state_container_create). */
int service_container(const struct service_context *context, struct container **ret,
		      struct spec *ret_spec, struct err *err);

/* STEP_UPDATE: brings the fields of the record that are marked live, and the resources in the spec,
 * in line with the service as it is now; everything else stays as created. The caller stores both
 * (state_container_save) and applies them (runtime_update, net_ports_set, health
 * timers, log_writer_limits). */
int service_update(const struct service_context *context, struct container *c, struct spec *spec,
		   struct err *err);

#define SERVICE_HOSTS	    "/etc/hosts"
#define SERVICE_HOSTNAME    "/etc/hostname"
#define SERVICE_RESOLV_CONF "/etc/resolv.conf"
/* Fills the spec's own files with these targets: at each start, when addresses are known. They are
 * not stored. */
int service_fill_etc(const struct engine_paths *paths, const struct project *project,
		     const struct container *c, struct spec *spec, struct err *err);

/* A project's network as its room wants it (net_config_done it). NULL: the network that services
 * with network_mode: bridge share, "<project>_bridge". */
void service_network_config(const struct project *project, const struct project_network *network,
			    struct net_config *ret);
/* What a volume of the project is to be; borrows. */
struct volume service_volume(const struct project *project, const struct project_volume *v);

#endif
