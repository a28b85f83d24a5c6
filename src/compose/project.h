/* The typed project: what the Compose files mean, with every default applied, every path absolute,
 * every variable resolved. Pure data; all strings are owned by the project (free with
 * project_free). NULL strings and zero numbers mean "not set" unless a comment says otherwise;
 * has_* tells "set to zero" apart where that matters. Names are the Compose specification's. */
#ifndef STAVE_COMPOSE_PROJECT_H
#define STAVE_COMPOSE_PROJECT_H

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a key stands in the files: for reasons ("environment.TZ added, compose.yaml:14"). file is
 * owned here. */
struct place {
	char *file;
	int line, column;
};

/* A command, entrypoint or healthcheck test. set: the key was there (an empty one overrides the
 * image's). */
struct command {
	bool set;
	struct strv args; /* already split; for healthcheck: ["CMD", ...], ["CMD-SHELL", "..."],
			     ["NONE"] */
};

struct service_build {
	bool set;
	json_t *raw; /* the canonical `build:` object */
	char *context, *dockerfile, *dockerfile_inline, *target;
};

struct service_port {
	char *name;
	char *host_ip;	 /* NULL: all */
	char *published; /* NULL: any free; "8000" or a range "8000-8010" of which one free is taken
			  */
	uint16_t target;
	char *protocol; /* "tcp", "udp", "sctp" */
	char *mode;	/* "ingress" or "host" */
	char *app_protocol;
	struct place place;
};

enum mount_kind {
	MOUNT_KIND_BIND,
	MOUNT_KIND_VOLUME,
	MOUNT_KIND_TMPFS,
	MOUNT_KIND_IMAGE,
	MOUNT_KIND_NPIPE,
	MOUNT_KIND_CLUSTER
};
struct service_mount {
	enum mount_kind kind;
	char *source; /* bind: absolute host path; volume: key in project volumes, NULL: anonymous;
			 image: reference */
	char *target;
	bool read_only;
	bool create_host_path; /* bind: make a missing source a directory */
	char *propagation;     /* bind */
	char *recursive;       /* bind: "enabled", "disabled", "writable", "readonly" */
	char *selinux;	       /* "z", "Z" */
	bool nocopy;	       /* volume */
	char *subpath;	       /* volume, image */
	uint64_t tmpfs_size;
	bool has_tmpfs_mode;
	uint32_t tmpfs_mode;
	struct strv
		tmpfs_options; /* of the short form, beyond size, mode and ro: "uid=1000", "exec" */
	char *consistency;
	struct place place;
};

struct service_network { /* an entry of a service's networks: */
	char *network;	 /* key in project networks */
	struct strv aliases;
	char *ipv4_address, *ipv6_address, *mac_address, *interface_name;
	struct strv link_local_ips;
	int priority, gw_priority;
	json_t *driver_opts;
	struct place place;
};

enum depends_condition { DEPENDS_STARTED, DEPENDS_HEALTHY, DEPENDS_COMPLETED };
struct service_depends {
	char *service;
	enum depends_condition condition;
	bool required; /* default true */
	bool restart;
	struct place place;
};

struct service_healthcheck {
	bool set;     /* the key was there */
	bool disable; /* disable: true, or test NONE */
	struct command test;
	nsec_t interval, timeout, start_period, start_interval; /* -1: not set */
	int retries;						/* -1: not set */
};

/* A secret or config as a service uses it. */
struct service_file {
	char *source;	 /* key in project secrets/configs */
	char *target;	 /* file name under /run/secrets, or absolute; configs: absolute */
	char *uid, *gid; /* text, as written */
	bool has_mode;
	uint32_t mode;
	struct place place;
};

struct service_ulimit {
	char *name;	    /* "nofile" */
	int64_t soft, hard; /* -1: unlimited */
};

struct service_device {
	char *source, *target, *permissions;
};

struct service_blkio {
	uint16_t weight; /* 0: not set */
	struct blkio_device {
		char *path;
		uint64_t rate; /* bytes or operations per second, or weight */
	} * weight_device, *read_bps, *read_iops, *write_bps, *write_iops;
	size_t weight_devices, read_bps_count, read_iops_count, write_bps_count, write_iops_count;
};

struct service_deploy {
	bool set;
	char *mode; /* "replicated", "global", "replicated-job", "global-job"; NULL */
	bool has_replicas;
	uint32_t replicas;
	/* resources.limits / reservations */
	double limit_cpus, reserve_cpus;
	uint64_t limit_memory, reserve_memory;
	int64_t limit_pids;
	/* restart_policy */
	char *restart_condition; /* "none", "on-failure", "any"; NULL: no restart_policy */
	nsec_t restart_delay, restart_window; /* -1: not set */
	bool has_restart_max_attempts;
	uint32_t restart_max_attempts;
	/* update_config */
	char *update_order, *update_failure_action;
	bool has_update_parallelism;
	uint32_t update_parallelism;
	nsec_t update_delay, update_monitor;
	char *endpoint_mode;
	json_t *labels;
	json_t *raw; /* the canonical object */
};

struct service_logging {
	char *driver; /* NULL: ours */
	json_t *options;
};

enum restart_policy { RESTART_NO, RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_UNLESS_STOPPED };

struct service {
	char *name;
	struct place place;

	/* what runs */
	char *image; /* NULL: only build; then the image's name is <project>-<service> */
	struct service_build build;
	char *pull_policy;
	char *pull_refresh_after; /* for pull_policy: refresh; not part of `config`, as with Compose
				   */
	char *platform;
	struct command command, entrypoint;
	struct strv
		environment;   /* "KEY=value", env_file applied below it, resolved; sorted by key */
	struct strv unset_env; /* keys given without a value that the shell has not: kept from the
				  image */
	json_t *labels, *annotations;
	char *working_dir, *user, *hostname, *domainname, *container_name;
	struct strv group_add;
	bool tty, stdin_open, init, has_init, read_only, privileged;

	/* networks and names */
	char *network_mode; /* NULL, "host", "none", "bridge", "service:NAME", "container:NAME" */
	VEC(struct service_network) networks;
	VEC(struct service_port) ports;
	struct strv expose;	 /* "8000", "8000-8010/udp" */
	struct strv extra_hosts; /* "name=address", in order, one address each */
	struct strv dns, dns_search, dns_opt;
	struct strv links, external_links; /* "service:alias" */
	char *mac_address;

	/* files */
	VEC(struct service_mount) mounts; /* volumes: and tmpfs: */
	struct strv volumes_from;	  /* "service[:ro]", "container:name[:ro]" */
	VEC(struct service_file) secrets, configs;
	VEC(struct service_device) devices;
	struct strv device_cgroup_rules;
	uint64_t shm_size;
	json_t *storage_opt;

	/* life */
	VEC(struct service_depends) depends_on;
	struct service_healthcheck healthcheck;
	enum restart_policy restart;
	bool has_restart;
	int restart_retries; /* on-failure:N; 0: no limit */
	char *stop_signal;
	nsec_t stop_grace_period; /* -1: not set (10 s) */
	struct strv profiles;
	bool has_scale;
	uint32_t scale; /* how many: scale, else deploy.replicas, else 1 */
	struct service_deploy deploy;
	struct service_logging logging;
	bool attach, has_attach;
	json_t *post_start, *pre_stop; /* arrays of hooks or NULL */
	json_t *provider, *models, *develop, *gpus, *credential_spec;

	/* isolation and resources */
	struct strv cap_add, cap_drop, security_opt;
	char *pid, *ipc, *uts, *userns_mode, *cgroup, *cgroup_parent, *isolation, *runtime;
	struct strv sysctls; /* "name=value" */
	VEC(struct service_ulimit) ulimits;
	double cpus, cpu_percent;
	int64_t cpu_quota, cpu_period, cpu_shares, cpu_rt_runtime_us, cpu_rt_period_us, cpu_count;
	char *cpuset;
	int64_t mem_limit, mem_reservation, memswap_limit; /* memswap -1: unlimited */
	int64_t mem_swappiness;				   /* -1: not set */
	int64_t pids_limit;				   /* -1 unlimited; 0 not set */
	bool oom_kill_disable, has_oom_score_adj;
	int oom_score_adj;
	struct service_blkio blkio;
	bool use_api_socket;

	/* Hash of everything that is fixed at exec time, and of everything that can be applied
	 * live, for the plan. Hex. */
	char config_hash[65];
	json_t *canonical; /* this service's object in `config`, with marks dropped: what plan
			      compares and names in reasons */
	json_t *places; /* "environment.TZ" -> "compose.yaml:14": where each canonical path was set
			 */
};

struct project_network {
	char *key, *name; /* name: the real one, "<project>_<key>" or given */
	char *driver;
	bool external, internal, attachable;
	bool enable_ipv4, enable_ipv6;
	json_t *driver_opts, *labels;
	struct ipam_config {
		char *subnet, *gateway, *ip_range;
		struct strv aux_addresses; /* addresses only */
	} * ipam;
	size_t ipam_count;
	char *ipam_driver;
	struct place place;
};

struct project_volume {
	char *key, *name;
	char *driver;
	bool external;
	json_t *driver_opts, *labels;
	struct place place;
};

struct project_file { /* a secret or config */
	char *key, *name;
	bool external;
	char *file;	   /* absolute path */
	char *environment; /* variable name; its value was resolved into content (secrets: kept out
			      of config's output) */
	char *content;	   /* NULL: read `file` when the container starts */
	struct place place;
};

struct project {
	char *name;
	char *working_dir; /* absolute */
	struct strv files; /* absolute Compose files, for labels and ls */
	struct strv environment_files;
	VEC(struct service) services;	      /* active ones, sorted by name */
	VEC(struct service) disabled;	      /* of inactive profiles */
	VEC(struct project_network) networks; /* used ones and `default` when used */
	VEC(struct project_volume) volumes;
	VEC(struct project_file) secrets, configs;
	struct strv warnings_keys; /* accepted but not acted on: "services.web.isolation", each
				      warned about once */
};

void project_free(struct project *project);
DEFINE_CLEANUP(struct project, project_free)
struct service *project_service(const struct project *project, const char *name); /* active; NULL */
struct project_network *project_network(const struct project *project, const char *key); /* NULL */
struct project_volume *project_volume(const struct project *project, const char *key);	 /* NULL */

#endif
