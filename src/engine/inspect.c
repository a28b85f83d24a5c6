/* Docker's inspect document from our records. */
#include "engine/inspect.h"

#include <netinet/in.h>

enum { NANO_PER_CPU = 1000000000 };

/* Docker's "never". */
static const char never[] = "0001-01-01T00:00:00Z";

static void put_time(json_t *j, const char *key, nsec_t wall)
{
	char text[RFC3339_TEXT];
	json_put_str(j, key, wall > 0 ? format_rfc3339(wall, text) : never);
}

static json_t *health_document(const struct container *c)
{
	json_t *log = json_array(), *j = json_object();
	json_put_str(j, "Status", container_health_name(c->health_state));
	json_put(j, "FailingStreak", json_integer(c->health_failing));
	vec_each(result, &c->health_log) {
		json_t *one = json_object();
		put_time(one, "Start", result->start);
		put_time(one, "End", result->end);
		json_put(one, "ExitCode", json_integer(result->exit_code));
		json_put_str(one, "Output", result->output ? result->output : "");
		json_array_append_new(log, one);
	}
	json_put(j, "Log", log);
	return j;
}

static json_t *state_document(const struct container *c)
{
	json_t *j = json_object();
	json_put_str(j, "Status", container_state_shown(c->state));
	json_put(j, "Running",
		 json_boolean(c->state == CONTAINER_RUNNING || c->state == CONTAINER_PAUSED ||
			      c->state == CONTAINER_STOPPING || c->state == CONTAINER_BACKOFF));
	json_put(j, "Paused", json_boolean(c->state == CONTAINER_PAUSED));
	json_put(j, "Restarting", json_boolean(c->state == CONTAINER_BACKOFF));
	json_put(j, "OOMKilled", json_boolean(c->oom_killed));
	json_put(j, "Dead", json_boolean(c->state == CONTAINER_DEAD));
	json_put(j, "Pid", json_integer(c->pid > 0 ? c->pid : 0));
	json_put(j, "ExitCode", json_integer(c->exit_code));
	json_put_str(j, "Error", c->error ? c->error : "");
	put_time(j, "StartedAt", c->started);
	put_time(j, "FinishedAt", c->finished);
	if (c->health.enabled && c->health_state != HEALTH_NONE)
		json_put(j, "Health", health_document(c));
	return j;
}

static json_t *restart_document(const struct container *c)
{
	static const char *const names[] = {
		[RESTART_NO] = "no",
		[RESTART_ALWAYS] = "always",
		[RESTART_ON_FAILURE] = "on-failure",
		[RESTART_UNLESS_STOPPED] = "unless-stopped",
	};
	return json_pack("{s:s, s:i}", "Name", names[c->restart], "MaximumRetryCount",
			 c->restart_retries);
}

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : protocol == IPPROTO_SCTP ? "sctp" : "tcp";
}

/* {"8000/tcp": [{"HostIp": "", "HostPort": "8000"}]} */
static json_t *ports_document(const struct net_port *ports, size_t n)
{
	json_t *j = json_object();
	for (size_t i = 0; i < n; i++) {
		cleanup_free char *key =
			xasprintf("%u/%s", ports[i].target, protocol_name(ports[i].protocol));
		cleanup_free char *number =
			ports[i].published ? xasprintf("%u", ports[i].published) : xstrdup("");
		json_t *list = json_object_get(j, key);
		if (!list) {
			list = json_array();
			json_object_set_new(j, key, list);
		}
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "HostIp", ports[i].host, "HostPort", number));
	}
	return j;
}

static void put_resources(json_t *j, const struct spec_resources *r)
{
	int64_t period = r->cpu_period_us ? (int64_t)r->cpu_period_us : 100000;
	json_put(j, "Memory", json_integer(r->memory));
	json_put(j, "MemoryReservation", json_integer(r->memory_reservation));
	json_put(j, "MemorySwap", json_integer(r->memory_swap));
	json_put(j, "NanoCpus",
		 json_integer(r->cpu_quota_us > 0 ? r->cpu_quota_us * NANO_PER_CPU / period : 0));
	json_put(j, "CpuShares", json_integer((json_int_t)r->cpu_shares));
	json_put_str(j, "CpusetCpus", r->cpuset_cpus ? r->cpuset_cpus : "");
	json_put(j, "PidsLimit", r->pids ? json_integer(r->pids) : json_null());
	json_put(j, "BlkioWeight", json_integer(r->blkio_weight));
	json_put(j, "OomKillDisable", json_boolean(r->oom_kill_disable));
}

static json_t *host_document(const struct container *c, const struct spec *spec)
{
	json_t *j = json_object();
	json_put_str(j, "NetworkMode",
		     c->network_mode ? c->network_mode
		     : c->networks.n ? c->networks.v[0].network
				     : "none");
	json_put(j, "PortBindings", ports_document(c->ports.v, c->ports.n));
	json_put(j, "RestartPolicy", restart_document(c));
	json_put(j, "AutoRemove", json_boolean(c->auto_remove));
	json_put(j, "LogConfig", json_pack("{s:s}", "Type", json_str(c->logging, "driver", "cri")));
	json_put(j, "ExtraHosts", json_from_strv(&c->extra_hosts));
	if (!spec)
		return j;
	put_resources(j, &spec->resources);
	json_put(j, "Privileged", json_boolean(spec->privileged));
	json_put(j, "ReadonlyRootfs", json_boolean(spec->readonly_root));
	json_put(j, "Init", json_boolean(spec->init));
	json_put(j, "ShmSize",
		 json_integer((json_int_t)(spec->shm_size ? spec->shm_size : 64 << 20)));
	json_put_str(j, "UsernsMode", spec->idmap.count ? "private" : "host");
	return j;
}

static json_t *config_document(const struct container *c, const struct spec *spec)
{
	json_t *j = json_object();
	json_put_str(j, "Hostname", c->hostname ? c->hostname : "");
	json_put_str(j, "Domainname", c->domainname ? c->domainname : "");
	json_put_str(j, "User", spec && spec->process.user ? spec->process.user : "");
	json_put(j, "Tty", json_boolean(c->tty));
	json_put(j, "OpenStdin", json_boolean(c->stdin_open));
	if (spec) {
		json_put(j, "Env", json_from_strv(&spec->process.env));
		json_put_str(j, "WorkingDir", spec->process.cwd ? spec->process.cwd : "");
	}
	json_put(j, "Cmd", json_from_strv(&c->command));
	json_put_str(j, "Image", c->image ? c->image : "");
	json_put(j, "Labels", c->labels ? json_incref(c->labels) : json_object());
	if (c->health.enabled)
		json_put(j, "Healthcheck",
			 json_pack("{s:o, s:I, s:I, s:I, s:I, s:i}", "Test",
				   json_from_strv(&c->health.test), "Interval",
				   (json_int_t)c->health.interval, "Timeout",
				   (json_int_t)c->health.timeout, "StartPeriod",
				   (json_int_t)c->health.start_period, "StartInterval",
				   (json_int_t)c->health.start_interval, "Retries",
				   c->health.retries));
	return j;
}

static json_t *mounts_document(const struct container *c)
{
	json_t *list = json_array();
	vec_each(v, &c->volumes) {
		json_t *j = json_object();
		json_put_str(j, "Type",
			     v->name	   ? "volume"
			     : v->image_id ? "image"
			     : v->source   ? "bind"
					   : "tmpfs");
		json_put_str(j, "Name", v->image_id ? v->source : v->name);
		json_put_str(j, "Source", v->source ? v->source : "");
		json_put_str(j, "Destination", v->target);
		json_put(j, "RW", json_boolean(!v->read_only));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *networks_document(const struct container *c, struct net *net)
{
	json_t *j = json_object();
	cleanup_free char *key = xasprintf("%s/%s", c->project, c->slot);
	vec_each(n, &c->networks) {
		struct net_address address = { 0 };
		cleanup_err struct err none = ERR_INIT;
		cleanup_err struct err no_network = ERR_INIT;
		cleanup_network struct net_network network = { 0 };
		json_t *one = json_object();
		if (net && net_lease(net, n->network, key, &address, &none) == 0)
			(void)net_network_load(net, n->network, &network, &no_network);
		json_put(one, "Aliases", json_from_strv(&n->aliases));
		json_put_str(one, "IPAddress", address.ipv4);
		json_put(one, "IPPrefixLen", json_integer(address.prefix4));
		json_put_str(one, "GlobalIPv6Address", address.ipv6);
		json_put(one, "GlobalIPv6PrefixLen", json_integer(address.prefix6));
		json_put_str(one, "Gateway", network.gateway4 ? network.gateway4 : "");
		json_put_str(one, "IPv6Gateway", network.gateway6 ? network.gateway6 : "");
		json_put_str(one, "NetworkID", network.id);
		json_put_str(one, "MacAddress", address.mac);
		json_put(j, n->network, one);
	}
	return j;
}

static json_t *network_document(const struct container *c, struct net *net)
{
	json_t *j = json_object(), *ports;
	struct net_ports real = { 0 };
	cleanup_err struct err none = ERR_INIT;
	cleanup_free char *owner = xasprintf("%s/%s", c->project, c->service);
	if (net && c->ports.n && c->pid > 0)
		(void)net_ports_load(net, owner, &real, &none);
	ports = real.ports.n ? ports_document(real.ports.v, real.ports.n)
		: c->pid > 0 ? ports_document(c->ports.v, c->ports.n)
			     : json_object();
	net_ports_done(&real);
	json_put(j, "Ports", ports);
	json_put(j, "Networks", networks_document(c, net));
	return j;
}

json_t *container_inspect(const struct container *c, const struct spec *spec, struct net *net)
{
	json_t *j = json_object(), *args = json_from_strv(&c->command);
	cleanup_free char *name = xasprintf("/%s", c->name);
	if (json_array_size(args))
		json_array_remove(args, 0);
	json_put_str(j, "Id", c->id);
	put_time(j, "Created", c->created);
	json_put_str(j, "Path", c->command.n ? c->command.v[0] : "");
	json_put(j, "Args", args);
	json_put(j, "State", state_document(c));
	json_put_str(j, "Image", c->image_id ? c->image_id : "");
	json_put_str(j, "Name", name);
	json_put(j, "RestartCount", json_integer(c->restarts));
	json_put_str(j, "Platform", "linux");
	json_put(j, "HostConfig", host_document(c, spec));
	json_put(j, "Mounts", mounts_document(c));
	json_put(j, "Config", config_document(c, spec));
	json_put(j, "NetworkSettings", network_document(c, net));
	return j;
}
