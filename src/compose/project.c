/* struct project as a table of fields: decoding, storing and freeing all go by it. */
#include "compose/compose.h"

#include "base/parse.h"
#include "compose/decode.h"
#include "compose/field.h"

#define AT(type, member) offsetof(struct type, member)
#define STRING(type, member)                                                                       \
	{                                                                                          \
#member, F_STRING, AT(type, member)                                                \
	}
#define STRV(type, member)                                                                         \
	{                                                                                          \
#member, F_STRV, AT(type, member)                                                  \
	}
#define JSON(type, member)                                                                         \
	{                                                                                          \
#member, F_JSON, AT(type, member)                                                  \
	}
#define FLAG(type, member)                                                                         \
	{                                                                                          \
#member, F_BOOL, AT(type, member)                                                  \
	}
#define I64(type, member)                                                                          \
	{                                                                                          \
#member, F_I64, AT(type, member)                                                   \
	}
#define NSEC(name, type, member)                                                                   \
	{                                                                                          \
		name, F_DURATION, AT(type, member)                                                 \
	}
#define PLACE(type)                                                                                \
	{                                                                                          \
		"x-place", F_PLACE, AT(type, place)                                                \
	}

static const struct field build_fields[] = {
	STRING(service_build, context),
	STRING(service_build, dockerfile),
	STRING(service_build, dockerfile_inline),
	STRING(service_build, target),
	{ NULL },
};

static const struct field port_fields[] = {
	STRING(service_port, name),
	STRING(service_port, host_ip),
	STRING(service_port, published),
	{ "target", F_U16, AT(service_port, target) },
	STRING(service_port, protocol),
	STRING(service_port, mode),
	STRING(service_port, app_protocol),
	PLACE(service_port),
	{ NULL },
};

static const char *const mount_words[] = { "bind",  "volume",  "tmpfs", "image",
					   "npipe", "cluster", NULL };

static void read_mount_subpath(const json_t *value, void *base)
{
	struct service_mount *m = base;
	free(m->subpath);
	m->subpath = xstrdup(json_string_value(value));
}

static json_t *write_subpath(const void *base, enum mount_kind kind)
{
	const struct service_mount *m = base;
	return m->subpath && m->kind == kind ? json_string_nocheck(m->subpath) : NULL;
}

static json_t *write_volume_subpath(const void *base)
{
	return write_subpath(base, MOUNT_KIND_VOLUME);
}

static json_t *write_image_subpath(const void *base)
{
	return write_subpath(base, MOUNT_KIND_IMAGE);
}

static void done_mount_subpath(void *base)
{
	free(((struct service_mount *)base)->subpath);
}

static void read_tmpfs_mode(const json_t *value, void *base)
{
	struct service_mount *m = base;
	m->has_tmpfs_mode = json_is_integer(value);
	m->tmpfs_mode = (uint32_t)json_integer_value(value);
}

static json_t *write_tmpfs_mode(const void *base)
{
	const struct service_mount *m = base;
	return m->has_tmpfs_mode ? json_integer(m->tmpfs_mode) : NULL;
}

static const struct field mount_fields[] = {
	{ "type", F_ENUM, AT(service_mount, kind), .words = mount_words },
	STRING(service_mount, source),
	STRING(service_mount, target),
	FLAG(service_mount, read_only),
	STRING(service_mount, consistency),
	{ "bind.create_host_path", F_BOOL, AT(service_mount, create_host_path) },
	{ "bind.propagation", F_STRING, AT(service_mount, propagation) },
	{ "bind.recursive", F_STRING, AT(service_mount, recursive) },
	{ "bind.selinux", F_STRING, AT(service_mount, selinux) },
	{ "volume.nocopy", F_BOOL, AT(service_mount, nocopy) },
	{ "volume.subpath", F_CUSTOM, .read = read_mount_subpath, .write = write_volume_subpath,
	  .done = done_mount_subpath },
	{ "image.subpath", F_CUSTOM, .read = read_mount_subpath, .write = write_image_subpath },
	{ "tmpfs.size", F_SIZE, AT(service_mount, tmpfs_size) },
	{ "tmpfs.mode", F_CUSTOM, .read = read_tmpfs_mode, .write = write_tmpfs_mode },
	{ "x-tmpfs-options", F_STRV, AT(service_mount, tmpfs_options) },
	PLACE(service_mount),
	{ NULL },
};

static const struct field network_use_fields[] = {
	STRV(service_network, aliases),
	STRING(service_network, ipv4_address),
	STRING(service_network, ipv6_address),
	STRING(service_network, mac_address),
	STRING(service_network, interface_name),
	STRV(service_network, link_local_ips),
	{ "priority", F_INT, AT(service_network, priority) },
	{ "gw_priority", F_INT, AT(service_network, gw_priority) },
	JSON(service_network, driver_opts),
	PLACE(service_network),
	{ NULL },
};

static const char *const condition_words[] = { "service_started", "service_healthy",
					       "service_completed_successfully", NULL };
static const struct field depends_fields[] = {
	{ "condition", F_ENUM, AT(service_depends, condition), .words = condition_words },
	FLAG(service_depends, required),
	FLAG(service_depends, restart),
	PLACE(service_depends),
	{ NULL },
};

static const struct field health_fields[] = {
	FLAG(service_healthcheck, disable),
	{ "test", F_COMMAND, AT(service_healthcheck, test) },
	NSEC("interval", service_healthcheck, interval),
	NSEC("timeout", service_healthcheck, timeout),
	NSEC("start_period", service_healthcheck, start_period),
	NSEC("start_interval", service_healthcheck, start_interval),
	{ "retries", F_INT, AT(service_healthcheck, retries), .unset = -1 },
	{ NULL },
};

static const struct field file_use_fields[] = {
	STRING(service_file, source),
	STRING(service_file, target),
	STRING(service_file, uid),
	STRING(service_file, gid),
	{ "mode", F_MODE, AT(service_file, mode), .has = AT(service_file, has_mode) },
	PLACE(service_file),
	{ NULL },
};

static const struct field device_fields[] = {
	STRING(service_device, source),
	STRING(service_device, target),
	STRING(service_device, permissions),
	{ NULL },
};

static const struct field blkio_device_fields[] = {
	{ "Path", F_STRING, offsetof(struct blkio_device, path) },
	{ "Rate", F_SIZE, offsetof(struct blkio_device, rate) },
	{ NULL },
};
static const struct field blkio_weight_fields[] = {
	{ "Path", F_STRING, offsetof(struct blkio_device, path) },
	{ "Weight", F_I64, offsetof(struct blkio_device, rate) },
	{ NULL },
};
#define RATES(name, member, count)                                                                 \
	{                                                                                          \
		name, F_ARRAY, AT(service_blkio, member), .has = AT(service_blkio, count),         \
							  .sub = blkio_device_fields,              \
							  .size = sizeof(struct blkio_device)      \
	}
static const struct field blkio_fields[] = {
	{ "weight", F_U16, AT(service_blkio, weight) },
	{ "weight_device", F_ARRAY, AT(service_blkio, weight_device),
	  .has = AT(service_blkio, weight_devices), .sub = blkio_weight_fields,
	  .size = sizeof(struct blkio_device) },
	RATES("device_read_bps", read_bps, read_bps_count),
	RATES("device_read_iops", read_iops, read_iops_count),
	RATES("device_write_bps", write_bps, write_bps_count),
	RATES("device_write_iops", write_iops, write_iops_count),
	{ NULL },
};

static const struct field deploy_fields[] = {
	STRING(service_deploy, mode),
	{ "replicas", F_U32, AT(service_deploy, replicas),
	  .has = AT(service_deploy, has_replicas) },
	{ "resources.limits.cpus", F_DOUBLE, AT(service_deploy, limit_cpus) },
	{ "resources.limits.memory", F_SIZE, AT(service_deploy, limit_memory) },
	{ "resources.limits.pids", F_I64, AT(service_deploy, limit_pids) },
	{ "resources.reservations.cpus", F_DOUBLE, AT(service_deploy, reserve_cpus) },
	{ "resources.reservations.memory", F_SIZE, AT(service_deploy, reserve_memory) },
	{ "restart_policy.condition", F_STRING, AT(service_deploy, restart_condition) },
	NSEC("restart_policy.delay", service_deploy, restart_delay),
	NSEC("restart_policy.window", service_deploy, restart_window),
	{ "restart_policy.max_attempts", F_U32, AT(service_deploy, restart_max_attempts),
	  .has = AT(service_deploy, has_restart_max_attempts) },
	{ "update_config.order", F_STRING, AT(service_deploy, update_order) },
	{ "update_config.failure_action", F_STRING, AT(service_deploy, update_failure_action) },
	{ "update_config.parallelism", F_U32, AT(service_deploy, update_parallelism),
	  .has = AT(service_deploy, has_update_parallelism) },
	NSEC("update_config.delay", service_deploy, update_delay),
	NSEC("update_config.monitor", service_deploy, update_monitor),
	STRING(service_deploy, endpoint_mode),
	JSON(service_deploy, labels),
	{ NULL },
};

static const struct field logging_fields[] = {
	STRING(service_logging, driver),
	JSON(service_logging, options),
	{ NULL },
};

/* A single number, or soft and hard. */
static void read_ulimits(const json_t *value, void *base)
{
	struct service *s = base;
	const char *name;
	json_t *item;
	json_object_foreach((json_t *)value, name, item) {
		struct service_ulimit *u = vec_add(&s->ulimits);
		u->name = xstrdup(name);
		u->soft = json_is_integer(item) ? json_integer_value(item)
						: json_int(item, "soft", 0);
		u->hard = json_is_integer(item) ? json_integer_value(item)
						: json_int(item, "hard", 0);
	}
}

static json_t *write_ulimits(const void *base)
{
	const struct service *s = base;
	if (!s->ulimits.n)
		return NULL;
	json_t *map = json_object();
	vec_each(u, &s->ulimits)
		json_object_set_new_nocheck(map, u->name,
					    json_pack("{sI sI}", "soft", (json_int_t)u->soft,
						      "hard", (json_int_t)u->hard));
	return map;
}

static void done_ulimits(void *base)
{
	struct service *s = base;
	vec_each(u, &s->ulimits)
		free(u->name);
	vec_done(&s->ulimits);
}

static const char *const restart_words[] = { "no", "always", "on-failure", "unless-stopped" };

static void read_restart(const json_t *value, void *base)
{
	struct service *s = base;
	const char *text = json_string_value(value);
	const char *retries = text ? str_after(text, "on-failure:") : NULL;
	for (size_t i = 0; text && i < ARRAY_SIZE(restart_words); i++)
		if (strcmp(restart_words[i], text) == 0) {
			s->restart = (enum restart_policy)i;
			s->has_restart = true;
		}
	if (retries && parse_int(retries, 0, 1 << 30, &s->restart_retries) == 0) {
		s->restart = RESTART_ON_FAILURE;
		s->has_restart = true;
	}
}

static json_t *write_restart(const void *base)
{
	const struct service *s = base;
	if (!s->has_restart)
		return NULL;
	if (s->restart == RESTART_ON_FAILURE && s->restart_retries)
		return json_sprintf("on-failure:%d", s->restart_retries);
	return json_string(restart_words[s->restart]);
}

#define NAMED(label, member, name, fields)                                                         \
	{                                                                                          \
		label, F_NAMED, AT(service, member),                                               \
			.has = offsetof(__typeof__(*((struct service *)0)->member.v), name),       \
			.sub = fields, .size = sizeof(*((struct service *)0)->member.v)            \
	}
#define OBJECTS(label, member, fields)                                                             \
	{                                                                                          \
		label, F_LIST, AT(service, member),                                                \
			.sub = fields, .size = sizeof(*((struct service *)0)->member.v)            \
	}

const struct field service_fields[] = {
	PLACE(service),
	STRING(service, image),
	{ "build", F_OBJECT, AT(service, build), .has = AT(service, build.set),
	  .sub = build_fields },
	{ "x-build", F_JSON, AT(service, build.raw) },
	STRING(service, pull_policy),
	STRING(service, pull_refresh_after),
	STRING(service, platform),
	{ "command", F_COMMAND, AT(service, command) },
	{ "entrypoint", F_COMMAND, AT(service, entrypoint) },
	{ "environment", F_ENV, AT(service, environment), .has = AT(service, unset_env) },
	JSON(service, labels),
	JSON(service, annotations),
	STRING(service, working_dir),
	STRING(service, user),
	STRING(service, hostname),
	STRING(service, domainname),
	STRING(service, container_name),
	STRV(service, group_add),
	FLAG(service, tty),
	FLAG(service, stdin_open),
	{ "init", F_BOOL, AT(service, init), .has = AT(service, has_init) },
	FLAG(service, read_only),
	FLAG(service, privileged),
	STRING(service, network_mode),
	NAMED("networks", networks, network, network_use_fields),
	OBJECTS("ports", ports, port_fields),
	STRV(service, expose),
	STRV(service, extra_hosts),
	STRV(service, dns),
	STRV(service, dns_search),
	STRV(service, dns_opt),
	STRV(service, links),
	STRV(service, external_links),
	STRING(service, mac_address),
	OBJECTS("volumes", mounts, mount_fields),
	STRV(service, volumes_from),
	OBJECTS("secrets", secrets, file_use_fields),
	OBJECTS("configs", configs, file_use_fields),
	OBJECTS("devices", devices, device_fields),
	STRV(service, device_cgroup_rules),
	{ "shm_size", F_SIZE, AT(service, shm_size) },
	JSON(service, storage_opt),
	NAMED("depends_on", depends_on, service, depends_fields),
	{ "healthcheck", F_OBJECT, AT(service, healthcheck), .has = AT(service, healthcheck.set),
	  .sub = health_fields },
	{ "restart", F_CUSTOM, .read = read_restart, .write = write_restart },
	STRING(service, stop_signal),
	NSEC("stop_grace_period", service, stop_grace_period),
	STRV(service, profiles),
	{ "scale", F_U32, AT(service, scale), .has = AT(service, has_scale), .unset = 1 },
	{ "deploy", F_OBJECT, AT(service, deploy), .has = AT(service, deploy.set),
	  .sub = deploy_fields },
	{ "x-deploy", F_JSON, AT(service, deploy.raw) },
	{ "logging", F_OBJECT, AT(service, logging), .sub = logging_fields },
	{ "attach", F_BOOL, AT(service, attach), .has = AT(service, has_attach) },
	JSON(service, post_start),
	JSON(service, pre_stop),
	JSON(service, provider),
	JSON(service, models),
	JSON(service, develop),
	JSON(service, gpus),
	JSON(service, credential_spec),
	STRV(service, cap_add),
	STRV(service, cap_drop),
	STRV(service, security_opt),
	STRING(service, pid),
	STRING(service, ipc),
	STRING(service, uts),
	STRING(service, userns_mode),
	STRING(service, cgroup),
	STRING(service, cgroup_parent),
	STRING(service, isolation),
	STRING(service, runtime),
	{ "sysctls", F_PAIRS, AT(service, sysctls) },
	{ "ulimits", F_CUSTOM, .read = read_ulimits, .write = write_ulimits, .done = done_ulimits },
	{ "cpus", F_DOUBLE, AT(service, cpus) },
	{ "cpu_percent", F_DOUBLE, AT(service, cpu_percent) },
	I64(service, cpu_quota),
	I64(service, cpu_period),
	I64(service, cpu_shares),
	{ "cpu_rt_runtime", F_I64, AT(service, cpu_rt_runtime_us) },
	{ "cpu_rt_period", F_I64, AT(service, cpu_rt_period_us) },
	I64(service, cpu_count),
	STRING(service, cpuset),
	{ "mem_limit", F_SIZE, AT(service, mem_limit) },
	{ "mem_reservation", F_SIZE, AT(service, mem_reservation) },
	{ "memswap_limit", F_SIZE, AT(service, memswap_limit) },
	{ "mem_swappiness", F_SIZE, AT(service, mem_swappiness), .unset = -1 },
	I64(service, pids_limit),
	FLAG(service, oom_kill_disable),
	{ "oom_score_adj", F_INT, AT(service, oom_score_adj) },
	{ "x-has-oom-score-adj", F_BOOL, AT(service, has_oom_score_adj) },
	{ "blkio_config", F_OBJECT, AT(service, blkio), .sub = blkio_fields },
	FLAG(service, use_api_socket),
	{ "x-config-hash", F_TEXT, AT(service, config_hash) },
	{ "x-canonical", F_JSON, AT(service, canonical) },
	{ "x-places", F_JSON, AT(service, places) },
	{ NULL },
};

static const struct field ipam_fields[] = {
	{ "subnet", F_STRING, offsetof(struct ipam_config, subnet) },
	{ "gateway", F_STRING, offsetof(struct ipam_config, gateway) },
	{ "ip_range", F_STRING, offsetof(struct ipam_config, ip_range) },
	{ "x-aux-addresses", F_STRV, offsetof(struct ipam_config, aux_addresses) },
	{ NULL },
};
static const struct field network_fields[] = {
	STRING(project_network, name),
	STRING(project_network, driver),
	FLAG(project_network, external),
	FLAG(project_network, internal),
	FLAG(project_network, attachable),
	FLAG(project_network, enable_ipv4),
	FLAG(project_network, enable_ipv6),
	JSON(project_network, driver_opts),
	JSON(project_network, labels),
	{ "ipam.config", F_ARRAY, AT(project_network, ipam), .has = AT(project_network, ipam_count),
	  .sub = ipam_fields, .size = sizeof(struct ipam_config) },
	{ "ipam.driver", F_STRING, AT(project_network, ipam_driver) },
	PLACE(project_network),
	{ NULL },
};
static const struct field volume_fields[] = {
	STRING(project_volume, name),
	STRING(project_volume, driver),
	FLAG(project_volume, external),
	JSON(project_volume, driver_opts),
	JSON(project_volume, labels),
	PLACE(project_volume),
	{ NULL },
};
static const struct field file_fields[] = {
	STRING(project_file, name),
	FLAG(project_file, external),
	STRING(project_file, file),
	STRING(project_file, environment),
	STRING(project_file, content),
	PLACE(project_file),
	{ NULL },
};

#define SECTION(label, member, type, id, fields)                                                   \
	{                                                                                          \
		label, F_NAMED, AT(project, member), .has = offsetof(struct type, id),             \
						     .sub = fields, .size = sizeof(struct type)    \
	}
const struct field project_fields[] = {
	STRING(project, name),
	{ "x-working-dir", F_STRING, AT(project, working_dir) },
	{ "x-files", F_STRV, AT(project, files) },
	{ "x-environment-files", F_STRV, AT(project, environment_files) },
	SECTION("services", services, service, name, service_fields),
	SECTION("x-disabled", disabled, service, name, service_fields),
	SECTION("networks", networks, project_network, key, network_fields),
	SECTION("volumes", volumes, project_volume, key, volume_fields),
	SECTION("secrets", secrets, project_file, key, file_fields),
	SECTION("configs", configs, project_file, key, file_fields),
	{ "x-warnings", F_STRV, AT(project, warnings_keys) },
	{ NULL },
};

void project_free(struct project *project)
{
	if (!project)
		return;
	fields_done(project_fields, project);
	free(project);
}

json_t *project_to_json(const struct project *project)
{
	return fields_write(project_fields, project);
}

/* What nobody asked for is not stored. */
static void default_scale(struct service *services, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!services[i].has_scale)
			services[i].scale = 1;
}

int project_from_json(const json_t *j, struct project **ret, struct err *err)
{
	if (!json_is_object(j) || !json_is_string(json_object_get(j, "name")))
		return err_input(err, "not a stored project");
	struct project *project = new0(struct project);
	fields_read(project_fields, j, project);
	default_scale(project->services.v, project->services.n);
	default_scale(project->disabled.v, project->disabled.n);
	*ret = project;
	return 0;
}

struct service *project_service(const struct project *project, const char *name)
{
	vec_each(s, &project->services)
		if (str_eq(s->name, name))
			return s;
	return NULL;
}

struct project_network *project_network(const struct project *project, const char *key)
{
	vec_each(n, &project->networks)
		if (str_eq(n->key, key))
			return n;
	return NULL;
}

struct project_volume *project_volume(const struct project *project, const char *key)
{
	vec_each(v, &project->volumes)
		if (str_eq(v->key, key))
			return v;
	return NULL;
}
