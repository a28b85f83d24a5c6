#include "compose/shapes.h"

#include <string.h>

static const struct key ulimit_keys[] = {
	{ "soft", &integer, OUT_INT, .cast = CAST_INT },
	{ "hard", &integer, OUT_INT, .cast = CAST_INT },
	{ NULL },
};
static const struct shape ulimit = { .kinds = K_INT | K_STR | K_MAP,
				     .flags = SHAPE_X,
				     .keys = ulimit_keys,
				     .required = LIST("soft", "hard") };
static const struct shape ulimits = { .kinds = K_MAP, .each = &ulimit };

static const struct key file_keys[] = {
	{ "source", &string, OUT_STRING }, { "target", &string, OUT_STRING },
	{ "uid", &string, OUT_STRING },	   { "gid", &string, OUT_STRING },
	{ "mode", &number, OUT_MODE },	   { NULL },
};
static const struct shape file = { .kinds = K_STR | K_MAP, .flags = SHAPE_X, .keys = file_keys };
static const struct shape files = { .kinds = K_LIST, .items = &file };

static const struct key hook_keys[] = {
	{ "command", &command, OUT_HOOK_COMMAND, .flags = KEY_ALWAYS },
	{ "user", &string, OUT_STRING },
	{ "privileged", &boolean, OUT_BOOL },
	{ "working_dir", &string, OUT_STRING },
	{ "environment", &list_or_map, OUT_ENVIRONMENT },
	{ NULL },
};
static const struct shape hook = {
	.kinds = K_MAP, .flags = SHAPE_X, .keys = hook_keys, .required = LIST("command")
};
static const struct shape hooks = { .kinds = K_LIST, .items = &hook };

/* build: */
static const struct key build_ulimit_keys[] = {
	{ "soft", &strict_integer, OUT_INT },
	{ "hard", &strict_integer, OUT_INT },
	{ NULL },
};
static const struct shape build_ulimit = { .kinds = K_INT | K_MAP,
					   .flags = SHAPE_X,
					   .keys = build_ulimit_keys,
					   .required = LIST("soft", "hard") };
static const struct shape build_ulimits = { .kinds = K_MAP, .each = &build_ulimit };
static const struct key build_keys[] = {
	{ "context", &string, OUT_STRING, .path = PATH_CONTEXT },
	{ "dockerfile", &string, OUT_STRING },
	{ "dockerfile_inline", &string, OUT_STRING },
	{ "entitlements", &strings, OUT_STRINGS },
	{ "args", &list_or_map, OUT_ENVIRONMENT, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "provenance", &boolean, OUT_STRING },
	{ "sbom", &boolean, OUT_STRING },
	{ "ssh", &list_or_map, OUT_SSH_KEYS, .canon = CANON_SSH, .item_path = PATH_SSH },
	{ "labels", &list_or_map, OUT_LABELS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "cache_from", &strings, OUT_STRINGS },
	{ "cache_to", &strings, OUT_STRINGS },
	{ "no_cache", &boolean, OUT_BOOL },
	{ "additional_contexts", &list_or_map, OUT_LABELS, .merge = MERGE_SEQUENCE,
	  .unique = UNIQUE_KEY, .canon = CANON_KEY_VALUE, .item_path = PATH_CONTEXT },
	{ "pull", &boolean, OUT_BOOL },
	{ "extra_hosts", &hosts, OUT_HOSTS, .merge = MERGE_HOSTS },
	{ "isolation", &string, OUT_STRING },
	{ "network", &string, OUT_STRING },
	{ "target", &string, OUT_STRING },
	{ "secrets", &files, OUT_OBJECTS, .item_canon = CANON_FILE },
	{ "shm_size", &integer, OUT_BYTES },
	{ "tags", &strings, OUT_STRINGS, .unique = UNIQUE_KEY },
	{ "ulimits", &build_ulimits, OUT_ULIMITS },
	{ "platforms", &strings, OUT_STRINGS },
	{ "privileged", &boolean, OUT_BOOL },
	{ NULL },
};
static const struct shape build = { .kinds = K_STR | K_MAP, .flags = SHAPE_X, .keys = build_keys };

/* blkio_config: */
static const struct key blkio_weight_keys[] = {
	{ "path", &string, OUT_STRING, .shown = "Path", .flags = KEY_ALWAYS },
	{ "weight", &integer, OUT_INT, .shown = "Weight", .flags = KEY_ALWAYS },
	{ NULL },
};
static const struct shape blkio_weight = { .kinds = K_MAP, .keys = blkio_weight_keys };
static const struct shape blkio_weights = { .kinds = K_LIST, .items = &blkio_weight };
static const struct key blkio_rate_keys[] = {
	{ "path", &string, OUT_STRING, .shown = "Path", .flags = KEY_ALWAYS },
	{ "rate", &integer, OUT_BYTES, .shown = "Rate", .flags = KEY_ALWAYS },
	{ NULL },
};
static const struct shape blkio_rate = { .kinds = K_MAP, .keys = blkio_rate_keys };
static const struct shape blkio_rates = { .kinds = K_LIST, .items = &blkio_rate };
static const struct key blkio_keys[] = {
	{ "weight", &integer, OUT_INT },
	{ "weight_device", &blkio_weights, OUT_OBJECTS },
	{ "device_read_bps", &blkio_rates, OUT_OBJECTS },
	{ "device_read_iops", &blkio_rates, OUT_OBJECTS },
	{ "device_write_bps", &blkio_rates, OUT_OBJECTS },
	{ "device_write_iops", &blkio_rates, OUT_OBJECTS },
	{ NULL },
};
static const struct shape blkio = { .kinds = K_MAP, .keys = blkio_keys };

/* develop: */
static const struct key watch_keys[] = {
	{ "path", &string, OUT_STRING, .path = PATH_FILE },
	{ "action",
	  &(const struct shape){
		  .kinds = K_STR,
		  .words = LIST("rebuild", "sync", "restart", "sync+restart", "sync+exec") },
	  OUT_STRING },
	{ "target", &string, OUT_STRING },
	{ "exec", &hook, OUT_OBJECT, .flags = KEY_ALWAYS },
	{ "include", &string_or_list, OUT_STRINGS, .canon = CANON_STRING_LIST },
	{ "ignore", &string_or_list, OUT_STRINGS, .canon = CANON_STRING_LIST },
	{ "initial_sync", &strict_boolean, OUT_BOOL },
	{ NULL },
};
static const struct shape watch = {
	.kinds = K_MAP, .flags = SHAPE_X, .keys = watch_keys, .required = LIST("path", "action")
};
static const struct shape watches = { .kinds = K_LIST, .items = &watch };
static const struct key develop_keys[] = {
	{ "watch", &watches, OUT_OBJECTS, .canon = CANON_WATCH },
	{ NULL },
};
static const struct shape develop = { .kinds = K_MAP | K_NULL,
				      .flags = SHAPE_X,
				      .keys = develop_keys };

/* The smaller objects of a service. */
static const struct key credential_keys[] = {
	{ "config", &string, OUT_STRING },
	{ "file", &string, OUT_STRING },
	{ "registry", &string, OUT_STRING },
	{ NULL },
};
static const struct shape credential = { .kinds = K_MAP,
					 .flags = SHAPE_X,
					 .keys = credential_keys };
static const struct key depends_keys[] = {
	{ "condition",
	  &(const struct shape){ .kinds = K_STR,
				 .words = LIST("service_started", "service_healthy",
					       "service_completed_successfully") },
	  OUT_STRING },
	{ "restart", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "required", &strict_boolean, OUT_BOOL_KEEP, .cast = CAST_BOOL },
	{ NULL },
};
static const struct shape dependency = {
	.kinds = K_MAP, .flags = SHAPE_X, .keys = depends_keys, .required = LIST("condition")
};
static const struct shape depends = { .kinds = K_LIST | K_MAP,
				      .flags = SHAPE_UNIQUE | SHAPE_NAMES,
				      .items = &string,
				      .each = &dependency };
static const struct key device_keys[] = {
	{ "source", &string, OUT_STRING },
	{ "target", &string, OUT_STRING },
	{ "permissions", &string, OUT_STRING },
	{ NULL },
};
static const struct shape device = { .kinds = K_STR | K_MAP,
				     .flags = SHAPE_X,
				     .keys = device_keys,
				     .required = LIST("source", "target") };
static const struct shape devices = { .kinds = K_LIST, .items = &device };
static const struct key env_file_keys[] = {
	{ "path", &string, OUT_STRING, .path = PATH_FILE },
	{ "required", &boolean, OUT_BOOL_KEEP },
	{ "format", &string, OUT_STRING },
	{ NULL },
};
static const struct shape env_file = { .kinds = K_STR | K_MAP,
				       .keys = env_file_keys,
				       .required = LIST("path") };
static const struct shape env_files = { .kinds = K_STR | K_LIST, .items = &env_file };
static const struct shape label_files = { .kinds = K_STR | K_LIST, .items = &string };
static const struct key extends_keys[] = {
	{ "file", &string, OUT_STRING, .path = PATH_FILE },
	{ "service", &string, OUT_STRING },
	{ NULL },
};
static const struct shape extends = { .kinds = K_STR | K_MAP,
				      .keys = extends_keys,
				      .required = LIST("service") };
static const struct shape provider_value = { .kinds = K_STR | K_NUM | K_BOOL | K_LIST,
					     .items = &scalar_or_null };
static const struct shape provider_options = { .kinds = K_MAP, .each = &provider_value };
static const struct key provider_keys[] = {
	{ "type", &string, OUT_STRING },
	{ "options", &provider_options, OUT_STRINGS_MAP },
	{ NULL },
};
static const struct shape provider = {
	.kinds = K_MAP, .flags = SHAPE_X, .keys = provider_keys, .required = LIST("type")
};
static const struct shape gpu = { .kinds = K_MAP,
				  .flags = SHAPE_OPEN,
				  .keys = device_request_keys };
static const struct shape gpus = { .kinds = K_STR | K_LIST, .items = &gpu, .words = LIST("all") };
static const struct key health_keys[] = {
	{ "test", &(const struct shape){ .kinds = K_STR | K_LIST, .items = &string }, OUT_TEST,
	  .merge = MERGE_OVERRIDE },
	{ "timeout", &string, OUT_DURATION },
	{ "interval", &string, OUT_DURATION },
	{ "retries", &number, OUT_INT_KEEP, .cast = CAST_INT },
	{ "start_period", &string, OUT_DURATION },
	{ "start_interval", &string, OUT_DURATION },
	{ "disable", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ NULL },
};
static const struct shape health = { .kinds = K_MAP, .flags = SHAPE_X, .keys = health_keys };
static const struct shape log_value = { .kinds = K_STR | K_NUM | K_NULL };
static const struct shape log_options = { .kinds = K_MAP, .each = &log_value };
static const struct key logging_keys[] = {
	{ "driver", &string, OUT_STRING },
	{ "options", &log_options, OUT_LABELS },
	{ NULL },
};
static const struct shape logging = { .kinds = K_MAP, .flags = SHAPE_X, .keys = logging_keys };
static const struct key service_model_keys[] = {
	{ "endpoint_var", &string, OUT_STRING },
	{ "model_var", &string, OUT_STRING },
	{ NULL },
};
static const struct shape service_model = { .kinds = K_MAP | K_NULL,
					    .flags = SHAPE_X,
					    .keys = service_model_keys };
static const struct shape service_models = { .kinds = K_LIST | K_MAP,
					     .flags = SHAPE_UNIQUE | SHAPE_NAMES,
					     .items = &string,
					     .each = &service_model };
static const struct key service_network_keys[] = {
	{ "aliases", &string_set, OUT_STRINGS, .unique = UNIQUE_KEY },
	{ "driver_opts", &options_map, OUT_LABELS },
	{ "gw_priority", &strict_number, OUT_INT },
	{ "interface_name", &string, OUT_STRING },
	{ "ipv4_address", &string, OUT_STRING },
	{ "ipv6_address", &string, OUT_STRING },
	{ "link_local_ips", &string_set, OUT_STRINGS, .unique = UNIQUE_KEY },
	{ "mac_address", &string, OUT_STRING },
	{ "priority", &strict_number, OUT_INT },
	{ NULL },
};
static const struct shape service_network = { .kinds = K_MAP | K_NULL,
					      .flags = SHAPE_X,
					      .keys = service_network_keys };
static const struct shape service_networks = { .kinds = K_LIST | K_MAP,
					       .flags = SHAPE_UNIQUE | SHAPE_NAMES,
					       .items = &string,
					       .each = &service_network };
static const struct key port_keys[] = {
	{ "name", &string, OUT_STRING },	 { "mode", &string, OUT_STRING },
	{ "host_ip", &string, OUT_STRING },	 { "target", &integer, OUT_INT, .cast = CAST_INT },
	{ "published", &integer, OUT_STRING },	 { "protocol", &string, OUT_STRING },
	{ "app_protocol", &string, OUT_STRING }, { NULL },
};
static const struct shape port = { .kinds = K_NUM | K_STR | K_MAP,
				   .flags = SHAPE_X,
				   .keys = port_keys,
				   .required = LIST("target") };
static const struct shape ports = { .kinds = K_LIST, .flags = SHAPE_UNIQUE, .items = &port };

/* volumes: of a service */
static const struct key bind_keys[] = {
	{ "selinux", &(const struct shape){ .kinds = K_STR, .words = LIST("z", "Z") }, OUT_STRING },
	{ "propagation", &string, OUT_STRING },
	{ "create_host_path", &boolean, OUT_BOOL },
	{ "recursive",
	  &(const struct shape){ .kinds = K_STR,
				 .words = LIST("enabled", "disabled", "writable", "readonly") },
	  OUT_STRING },
	{ NULL },
};
static const struct shape bind = { .kinds = K_MAP, .flags = SHAPE_X, .keys = bind_keys };
static const struct key volume_opt_keys[] = {
	{ "labels", &list_or_map, OUT_LABELS },
	{ "nocopy", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "subpath", &string, OUT_STRING },
	{ NULL },
};
static const struct shape volume_opts = { .kinds = K_MAP,
					  .flags = SHAPE_X,
					  .keys = volume_opt_keys };
static const struct key tmpfs_keys[] = {
	{ "size", &(const struct shape){ .kinds = K_INT | K_STR, .flags = SHAPE_NOT_NEG },
	  OUT_BYTES },
	{ "mode", &number, OUT_INT },
	{ NULL },
};
static const struct shape tmpfs_opts = { .kinds = K_MAP, .flags = SHAPE_X, .keys = tmpfs_keys };
static const struct key image_opt_keys[] = {
	{ "subpath", &string, OUT_STRING },
	{ NULL },
};
static const struct shape image_opts = { .kinds = K_MAP, .flags = SHAPE_X, .keys = image_opt_keys };
static const struct key mount_keys[] = {
	{ "type",
	  &(const struct shape){
		  .kinds = K_STR,
		  .words = LIST("bind", "volume", "tmpfs", "cluster", "npipe", "image") },
	  OUT_STRING },
	{ "source", &string, OUT_STRING },
	{ "target", &string, OUT_STRING },
	{ "read_only", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "consistency", &string, OUT_STRING },
	{ "bind", &bind, OUT_OBJECT },
	{ "volume", &volume_opts, OUT_OBJECT },
	{ "tmpfs", &tmpfs_opts, OUT_OBJECT },
	{ "image", &image_opts, OUT_OBJECT },
	{ NULL },
};
static const struct shape mount = { .kinds = K_STR | K_MAP,
				    .flags = SHAPE_X,
				    .keys = mount_keys,
				    .required = LIST("type", "target") };
static const struct shape mounts = { .kinds = K_LIST, .flags = SHAPE_UNIQUE, .items = &mount };

static const struct shape storage_value = { .kinds = K_STR | K_INT | K_NULL };
static const struct key service_keys[] = {
	{ "profiles", &string_set, OUT_STRINGS, .unique = UNIQUE_KEY },
	{ "annotations", &list_or_map, OUT_LABELS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "attach", &boolean, OUT_BOOL_KEEP },
	{ "build", &build, OUT_OBJECT, .merge = MERGE_BUILD, .canon = CANON_BUILD,
	  .preset = PRESET_BUILD },
	{ "develop", &develop, OUT_OBJECT },
	{ "blkio_config", &blkio, OUT_OBJECT },
	{ "cap_add", &string_set, OUT_STRINGS, .unique = UNIQUE_KEY },
	{ "cap_drop", &string_set, OUT_STRINGS, .unique = UNIQUE_KEY },
	{ "cgroup_parent", &string, OUT_STRING },
	{ "cgroup", &(const struct shape){ .kinds = K_STR, .words = LIST("host", "private") },
	  OUT_STRING },
	{ "cpu_count", &(const struct shape){ .kinds = K_INT | K_STR, .flags = SHAPE_NOT_NEG },
	  OUT_INT, .cast = CAST_INT, .flags = KEY_INERT },
	{ "cpu_percent", &(const struct shape){ .kinds = K_INT | K_STR, .low = 0, .high = 100 },
	  OUT_FLOAT, .cast = CAST_FLOAT, .flags = KEY_INERT },
	{ "cpu_period", &number, OUT_INT, .cast = CAST_INT },
	{ "cpu_quota", &number, OUT_INT, .cast = CAST_INT },
	{ "cpu_rt_period", &number, OUT_INT, .cast = CAST_INT },
	{ "cpu_rt_runtime", &number, OUT_INT, .cast = CAST_INT },
	{ "cpus", &number, OUT_FLOAT, .cast = CAST_FLOAT },
	{ "cpuset", &string, OUT_STRING },
	{ "cpu_shares", &number, OUT_INT, .cast = CAST_INT },
	{ "command", &command, OUT_COMMAND, .merge = MERGE_OVERRIDE },
	{ "configs", &files, OUT_OBJECTS, .unique = UNIQUE_CONFIG, .item_canon = CANON_FILE },
	{ "container_name", &string, OUT_STRING },
	{ "credential_spec", &credential, OUT_OBJECT, .flags = KEY_INERT },
	{ "depends_on", &depends, OUT_OBJECT_MAP, .merge = MERGE_DEPENDS, .canon = CANON_DEPENDS },
	{ "deploy", &deploy_shape, OUT_OBJECT },
	{ "device_cgroup_rules", &string_set, OUT_STRINGS },
	{ "devices", &devices, OUT_OBJECTS, .unique = UNIQUE_DEVICE, .item_canon = CANON_DEVICE },
	{ "dns", &string_or_list, OUT_STRINGS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY,
	  .canon = CANON_STRING_LIST },
	{ "dns_opt", &string_set, OUT_STRINGS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "dns_search", &string_or_list, OUT_STRINGS, .merge = MERGE_SEQUENCE,
	  .unique = UNIQUE_KEY },
	{ "domainname", &string, OUT_STRING },
	{ "entrypoint", &command, OUT_COMMAND, .merge = MERGE_OVERRIDE },
	{ "provider", &provider, OUT_OBJECT },
	{ "environment", &list_or_map, OUT_ENVIRONMENT, .merge = MERGE_SEQUENCE,
	  .unique = UNIQUE_KEY },
	{ "env_file", &env_files, OUT_OBJECTS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_ENV_FILE,
	  .canon = CANON_ENV_FILE },
	{ "expose", &number_set, OUT_STRINGS, .unique = UNIQUE_EXPOSE },
	{ "extends", &extends, OUT_OBJECT, .canon = CANON_EXTENDS },
	{ "external_links", &string_set, OUT_STRINGS, .flags = KEY_INERT },
	{ "extra_hosts", &hosts, OUT_HOSTS, .merge = MERGE_HOSTS },
	{ "group_add", &number_set, OUT_STRINGS },
	{ "gpus", &gpus, OUT_OBJECTS, .canon = CANON_GPUS, .item_preset = PRESET_DEVICE_REQUEST,
	  .flags = KEY_INERT },
	{ "hostname", &string, OUT_STRING },
	{ "healthcheck", &health, OUT_OBJECT },
	{ "image", &string, OUT_STRING },
	{ "init", &boolean, OUT_BOOL_KEEP, .cast = CAST_BOOL },
	{ "ipc", &string, OUT_STRING },
	{ "isolation", &string, OUT_STRING, .flags = KEY_INERT },
	{ "labels", &list_or_map, OUT_LABELS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "label_file", &label_files, OUT_STRINGS, .merge = MERGE_SEQUENCE,
	  .canon = CANON_STRING_LIST, .item_path = PATH_FILE },
	{ "links", &string_set, OUT_STRINGS, .unique = UNIQUE_KEY },
	{ "logging", &logging, OUT_OBJECT, .merge = MERGE_LOGGING },
	{ "mem_limit", &number, OUT_BYTES },
	{ "mem_reservation", &integer, OUT_BYTES },
	{ "memswap_limit", &number, OUT_BYTES },
	{ "mem_swappiness", &integer, OUT_BYTES },
	{ "mac_address", &string, OUT_STRING },
	{ "models", &service_models, OUT_OBJECT_MAP, .merge = MERGE_NAMES, .canon = CANON_NAMES,
	  .flags = KEY_INERT },
	{ "network_mode", &string, OUT_STRING },
	{ "networks", &service_networks, OUT_OBJECT_MAP, .merge = MERGE_NAMES,
	  .canon = CANON_NAMES },
	{ "oom_kill_disable", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "oom_score_adj",
	  &(const struct shape){ .kinds = K_INT | K_STR, .low = -1000, .high = 1000 }, OUT_INT,
	  .cast = CAST_INT },
	{ "pid", &(const struct shape){ .kinds = K_STR | K_NULL }, OUT_STRING },
	{ "pids_limit", &number, OUT_INT, .cast = CAST_INT },
	{ "platform", &string, OUT_STRING },
	{ "ports", &ports, OUT_OBJECTS, .unique = UNIQUE_PORT, .canon = CANON_PORTS,
	  .item_preset = PRESET_PORT },
	{ "post_start", &hooks, OUT_OBJECTS },
	{ "pre_stop", &hooks, OUT_OBJECTS },
	{ "privileged", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "pull_policy", &string, OUT_STRING },
	{ "pull_refresh_after", &string, OUT_NONE },
	{ "read_only", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "restart", &string, OUT_STRING },
	{ "runtime", &string, OUT_STRING, .flags = KEY_INERT },
	{ "scale", &integer, OUT_INT_KEEP, .cast = CAST_INT },
	{ "secrets", &files, OUT_OBJECTS, .unique = UNIQUE_SECRET, .item_canon = CANON_FILE,
	  .item_preset = PRESET_SECRET },
	{ "security_opt", &string_set, OUT_STRINGS },
	{ "shm_size", &number, OUT_BYTES },
	{ "stdin_open", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "stop_grace_period", &string, OUT_DURATION },
	{ "stop_signal", &string, OUT_STRING },
	{ "storage_opt", &(const struct shape){ .kinds = K_MAP, .each = &storage_value },
	  OUT_LABELS, .flags = KEY_INERT },
	{ "sysctls", &list_or_map, OUT_LABELS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "tmpfs", &string_or_list, OUT_STRINGS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "tty", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "ulimits", &ulimits, OUT_ULIMITS, .item_cast = CAST_INT, .item_merge = MERGE_OVERRIDE },
	{ "use_api_socket", &strict_boolean, OUT_BOOL, .flags = KEY_INERT },
	{ "user", &string, OUT_STRING },
	{ "userns_mode", &string, OUT_STRING },
	{ "uts", &string, OUT_STRING },
	{ "volumes", &mounts, OUT_OBJECTS, .unique = UNIQUE_VOLUME, .item_canon = CANON_VOLUME,
	  .item_path = PATH_MOUNT },
	{ "volumes_from",
	  &(const struct shape){ .kinds = K_LIST, .flags = SHAPE_UNIQUE, .items = &string },
	  OUT_STRINGS },
	{ "working_dir", &string, OUT_STRING },
	{ NULL },
};
const struct shape service_shape = { .kinds = K_MAP, .flags = SHAPE_X, .keys = service_keys };
static const struct shape services = { .kinds = K_MAP,
				       .flags = SHAPE_NAMES,
				       .each = &service_shape };

/* The top-level resources. */
static const struct key external_keys[] = {
	{ "name", &string, OUT_STRING },
	{ NULL },
};
static const struct shape external = { .kinds = K_BOOL | K_STR | K_MAP,
				       .flags = SHAPE_X,
				       .keys = external_keys };
/* That of a secret or config, which Docker Compose checks less. */
static const struct shape external_file = { .kinds = K_BOOL | K_STR | K_MAP,
					    .flags = SHAPE_OPEN,
					    .keys = external_keys };
static const struct shape addresses = { .kinds = K_MAP, .each = &string };
static const struct key ipam_config_keys[] = {
	{ "subnet", &string, OUT_STRING },
	{ "gateway", &string, OUT_STRING },
	{ "ip_range", &string, OUT_STRING },
	{ "aux_addresses", &addresses, OUT_LABELS },
	{ NULL },
};
static const struct shape ipam_config = { .kinds = K_MAP,
					  .flags = SHAPE_X,
					  .keys = ipam_config_keys };
static const struct shape ipam_configs = { .kinds = K_LIST, .items = &ipam_config };
static const struct key ipam_keys[] = {
	{ "driver", &string, OUT_STRING },
	{ "config", &ipam_configs, OUT_OBJECTS, .merge = MERGE_IPAM },
	{ "options", &addresses, OUT_NONE }, /* not part of Compose's model */
	{ NULL },
};
static const struct shape ipam = { .kinds = K_MAP, .flags = SHAPE_X, .keys = ipam_keys };
static const struct key network_keys[] = {
	{ "name", &string, OUT_STRING },
	{ "driver", &string, OUT_STRING },
	{ "driver_opts", &options_map, OUT_LABELS },
	{ "ipam", &ipam, OUT_OBJECT_KEEP },
	{ "external", &external, OUT_BOOL, .cast = CAST_BOOL },
	{ "internal", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "attachable", &boolean, OUT_BOOL, .cast = CAST_BOOL },
	{ "labels", &list_or_map, OUT_LABELS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "enable_ipv4", &boolean, OUT_BOOL_KEEP, .cast = CAST_BOOL },
	{ "enable_ipv6", &boolean, OUT_BOOL_KEEP, .cast = CAST_BOOL },
	{ NULL },
};
static const struct shape network = { .kinds = K_MAP | K_NULL,
				      .flags = SHAPE_X,
				      .keys = network_keys };
static const struct key volume_keys[] = {
	{ "name", &string, OUT_STRING },
	{ "driver", &string, OUT_STRING },
	{ "driver_opts", &options_map, OUT_LABELS },
	{ "external", &external, OUT_BOOL, .cast = CAST_BOOL },
	{ "labels", &list_or_map, OUT_LABELS, .merge = MERGE_SEQUENCE },
	{ NULL },
};
static const struct shape volume = { .kinds = K_MAP | K_NULL,
				     .flags = SHAPE_X,
				     .keys = volume_keys };
static const struct key resource_file_keys[] = {
	{ "name", &string, OUT_STRING },
	{ "file", &string, OUT_STRING, .path = PATH_HOST },
	{ "environment", &string, OUT_STRING },
	{ "content", &string, OUT_STRING },
	{ "external", &external_file, OUT_BOOL, .cast = CAST_BOOL },
	{ "labels", &list_or_map, OUT_LABELS },
	{ "driver", &string, OUT_STRING },
	{ "driver_opts", &options_map, OUT_LABELS },
	{ "template_driver", &string, OUT_STRING },
	{ NULL },
};
/* A config has no driver and a secret no content; the rest is the same. */
static const struct key config_file_keys[] = {
	{ "name", &string, OUT_STRING },
	{ "file", &string, OUT_STRING, .path = PATH_HOST },
	{ "environment", &string, OUT_STRING },
	{ "content", &string, OUT_STRING },
	{ "external", &external_file, OUT_BOOL, .cast = CAST_BOOL },
	{ "labels", &list_or_map, OUT_LABELS },
	{ "template_driver", &string, OUT_STRING },
	{ NULL },
};
static const struct shape secret = { .kinds = K_MAP, .flags = SHAPE_X, .keys = resource_file_keys };
static const struct shape config = { .kinds = K_MAP, .flags = SHAPE_X, .keys = config_file_keys };
static const struct key model_keys[] = {
	{ "name", &string, OUT_STRING },
	{ "model", &string, OUT_STRING },
	{ "context_size", &strict_integer, OUT_INT },
	{ "runtime_flags", &strings, OUT_STRINGS },
	{ NULL },
};
static const struct shape model = {
	.kinds = K_MAP, .flags = SHAPE_X, .keys = model_keys, .required = LIST("model")
};
static const struct shape networks = { .kinds = K_MAP, .flags = SHAPE_NAMES, .each = &network };
static const struct shape volumes = { .kinds = K_MAP, .flags = SHAPE_NAMES, .each = &volume };
static const struct shape secrets = { .kinds = K_MAP, .flags = SHAPE_NAMES, .each = &secret };
static const struct shape configs = { .kinds = K_MAP, .flags = SHAPE_NAMES, .each = &config };
static const struct shape models = { .kinds = K_MAP, .flags = SHAPE_NAMES, .each = &model };

static const struct key include_keys[] = {
	{ "path", &string_or_list, OUT_STRINGS },
	{ "env_file", &string_or_list, OUT_STRINGS },
	{ "project_directory", &string, OUT_STRING },
	{ NULL },
};
const struct shape include_shape = { .kinds = K_STR | K_MAP, .keys = include_keys };
static const struct shape includes = { .kinds = K_LIST, .items = &include_shape };

const struct key root_keys[] = {
	{ "name", &string, OUT_STRING },
	{ "services", &services, OUT_OBJECT_MAP },
	{ "networks", &networks, OUT_OBJECT_MAP, .item_canon = CANON_RESOURCE },
	{ "volumes", &volumes, OUT_OBJECT_MAP, .item_canon = CANON_RESOURCE,
	  .item_path = PATH_VOLUME },
	{ "secrets", &secrets, OUT_OBJECT_MAP, .item_canon = CANON_RESOURCE },
	{ "configs", &configs, OUT_OBJECT_MAP, .item_canon = CANON_RESOURCE },
	{ "models", &models, OUT_OBJECT_MAP },
	{ "version", &string, OUT_NONE },
	{ "include", &includes, OUT_NONE },
	{ NULL },
};
const struct shape root_shape = { .kinds = K_MAP, .flags = SHAPE_X, .keys = root_keys };

const struct key *shape_key(const struct shape *shape, const char *name)
{
	if (shape && shape->keys)
		for (const struct key *k = shape->keys; k->name; k++)
			if (k->name[0] == name[0] && strcmp(k->name, name) == 0)
				return k;
	return NULL;
}

const struct key *service_key(const char *name)
{
	return shape_key(&service_shape, name);
}
