/* Resources, devices and sysctls. The old keys (cpus, mem_limit) win over deploy.resources: Compose
 * refuses files in which the two differ. */
#include "engine/cdi.h"
#include "engine/service-impl.h"

enum { CPU_PERIOD_US = 100000, CPU_QUOTA_MIN_US = 1000 };
#define MEMORY_MIN ((int64_t)6 << 20) /* less than that, and the set-up itself is killed */

static int set_memory(struct making *m, struct err *err)
{
	const struct service *s = m->service;
	struct spec_resources *r = &m->spec->resources;
	r->memory = s->mem_limit ? s->mem_limit : (int64_t)s->deploy.limit_memory;
	r->memory_reservation =
		s->mem_reservation ? s->mem_reservation : (int64_t)s->deploy.reserve_memory;
	r->memory_swappiness = s->mem_swappiness;
	r->oom_kill_disable = s->oom_kill_disable;
	if (r->memory && r->memory < MEMORY_MIN)
		return service__bad(m, NULL, err,
				    "a memory limit of %lld bytes is too small: 6 MiB "
				    "is the least",
				    (long long)r->memory);
	if (r->memory && r->memory_reservation > r->memory)
		return service__bad(m, NULL, err, "the memory reservation is over the limit");
	r->memory_swap = s->memswap_limit;
	/* As Docker: as much swap as memory where nothing is said. */
	if (r->memory && r->memory_swap == 0)
		r->memory_swap = r->memory <= INT64_MAX / 2 ? 2 * r->memory : -1;
	if (r->memory_swap > 0 && r->memory_swap < r->memory)
		return service__bad(m, NULL, err, "memswap_limit is under the memory limit");
	return 0;
}

static int set_cpu(struct making *m, struct err *err)
{
	const struct service *s = m->service;
	struct spec_resources *r = &m->spec->resources;
	double cpus = s->cpus > 0 ? s->cpus : s->deploy.limit_cpus;
	r->cpu_shares = (uint64_t)s->cpu_shares;
	r->cpu_period_us = (uint64_t)s->cpu_period;
	r->cpu_quota_us = s->cpu_quota;
	if (cpus > 0) {
		r->cpu_period_us = CPU_PERIOD_US;
		r->cpu_quota_us = (int64_t)(cpus * CPU_PERIOD_US + 0.5);
		if (r->cpu_quota_us < CPU_QUOTA_MIN_US)
			r->cpu_quota_us = CPU_QUOTA_MIN_US;
	}
	r->cpu_rt_runtime_us = s->cpu_rt_runtime_us;
	r->cpu_rt_period_us = (uint64_t)s->cpu_rt_period_us;
	free(r->cpuset_cpus);
	r->cpuset_cpus = xstrdup(s->cpuset);
	r->pids = s->pids_limit ? s->pids_limit : s->deploy.limit_pids;
	return 0;
}

static void free_blkio(struct spec_resources *r)
{
	for (size_t i = 0; i < r->blkio_count; i++)
		free(r->blkio[i].path);
	free(r->blkio);
	r->blkio = NULL;
	r->blkio_count = 0;
}

static int set_blkio(struct making *m, struct err *err)
{
	const struct service_blkio *b = &m->service->blkio;
	struct spec_resources *r = &m->spec->resources;
	const struct {
		const struct blkio_device *devices;
		size_t n;
		int what;
	} lists[] = {
		{ b->weight_device, b->weight_devices, SPEC_BLKIO_WEIGHT },
		{ b->read_bps, b->read_bps_count, SPEC_BLKIO_READ_BPS },
		{ b->read_iops, b->read_iops_count, SPEC_BLKIO_READ_IOPS },
		{ b->write_bps, b->write_bps_count, SPEC_BLKIO_WRITE_BPS },
		{ b->write_iops, b->write_iops_count, SPEC_BLKIO_WRITE_IOPS },
	};
	free_blkio(r);
	r->blkio_weight = b->weight;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (size_t k = 0; k < lists[i].n; k++) {
			r->blkio = xreallocarray(r->blkio, r->blkio_count + 1, sizeof(*r->blkio));
			struct spec_blkio *to = &r->blkio[r->blkio_count++];
			*to = (struct spec_blkio){ .path = xstrdup(lists[i].devices[k].path),
						   .rate = lists[i].devices[k].rate };
			to->what = lists[i].what;
		}
	}
	strv_done(&r->device_rules);
	strv_copy(&r->device_rules, &m->service->device_cgroup_rules);
	return 0;
}

/* Devices and sysctls are fixed at exec time: an update, which calls this too, leaves them. */
static int set_devices(struct making *m, struct err *err)
{
	if (m->spec->devices.n)
		return 0;
	vec_each(d, &m->service->devices) {
		if (cdi_is_name(d->source))
			continue;
		if (str_empty(d->source) || *d->source != '/')
			return service__bad(m, NULL, err,
					    "device '%s' is neither a path nor a CDI name "
					    "(vendor.com/class=name)",
					    d->source ? d->source : "");
		vec_push(&m->spec->devices,
			 (struct spec_device){
				 .source = xstrdup(d->source),
				 .target = xstrdup(str_empty(d->target) ? d->source : d->target),
				 .access = xstrdup(str_empty(d->permissions) ? "rwm"
									     : d->permissions),
			 });
	}
	return 0;
}

/* deploy.resources.reservations.devices: those of the driver `cdi`. */
static void add_requests(struct making *m, struct strv *to)
{
	const json_t *at = m->service->canonical, *request;
	static const char *const path[] = { "deploy", "resources", "reservations", "devices" };
	size_t i;
	for (i = 0; i < ARRAY_SIZE(path); i++)
		at = json_object_get(at, path[i]);
	json_array_foreach(at, i, request) {
		const char *driver = json_str(request, "driver", "");
		if (str_eq(driver, "cdi"))
			json_strv(request, "device_ids", to);
		else
			service__warn(m,
				      "deploy.resources.reservations.devices: there is no driver "
				      "'%s': the container gets no such device",
				      driver);
	}
}

int service__cdi(struct making *m, struct err *err)
{
	cleanup_strv struct strv devices = { 0 }, warnings = { 0 };
	vec_each(d, &m->service->devices) {
		if (cdi_is_name(d->source))
			strv_add(&devices, d->source);
	}
	add_requests(m, &devices);
	int r = cdi_apply(&devices, m->spec, &warnings, err);
	for (size_t i = 0; i < warnings.n; i++)
		service__warn(m, "%s", warnings.v[i]);
	return r < 0 ? err_wrap(err, "service '%s'", m->service->name) : 0;
}

/* What the kernel keeps per IPC namespace; net.* is per network namespace. Anything else would
 * change the host. */
static bool is_namespaced(const char *name)
{
	static const char *const names[] = {
		"kernel.msgmax", "kernel.msgmnb",	   "kernel.msgmni",
		"kernel.sem",	 "kernel.shmall",	   "kernel.shmmax",
		"kernel.shmmni", "kernel.shm_rmid_forced", "kernel.domainname",
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_eq(name, names[i]))
			return true;
	}
	return str_starts(name, "net.") || str_starts(name, "fs.mqueue.");
}

static int set_sysctls(struct making *m, struct err *err)
{
	const struct service *s = m->service;
	if (m->spec->sysctls.n)
		return 0;
	for (size_t i = 0; i < s->sysctls.n; i++) {
		const char *equals = strchr(s->sysctls.v[i], '=');
		size_t len = equals ? (size_t)(equals - s->sysctls.v[i]) : 0;
		cleanup_free char *name = xstrndup(s->sysctls.v[i], len);
		for (char *c = name; *c; c++)
			*c = *c == '/' ? '.' : *c;
		if (!is_namespaced(name))
			return service__bad(m, NULL, err,
					    "sysctl '%s' cannot be set for one container",
					    len ? name : s->sysctls.v[i]);
		if (str_starts(name, "net.") && str_eq(s->network_mode, "host"))
			return service__bad(
				m, NULL, err,
				"sysctl '%s' would change the host: its network is used", name);
		vec_push(&m->spec->sysctls, (struct spec_sysctl){ .name = ptr_take(name),
								  .value = xstrdup(equals + 1) });
	}
	return 0;
}

int service__limits(struct making *m, struct err *err)
{
	static int (*const parts[])(struct making * m, struct err * err) = {
		set_memory, set_cpu, set_blkio, set_devices, set_sysctls,
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r = parts[i](m, err);
		if (r < 0)
			return r;
	}
	return 0;
}
