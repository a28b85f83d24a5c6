/* Control groups, version 1 (and hybrid): one directory in each controller's hierarchy. */
#include "runtime/cgroup.h"

#include "base/fs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void name(struct cgroup *cg)
{
	const struct cgroup_host *host = cg->host;

	for (size_t i = 0; i < host->hierarchies.n; i++) {
		if (!runtime__cgroup_uses(cg->spec, &host->hierarchies.v[i]))
			continue;
		strv_addf(&cg->dirs, "%s/%s", host->hierarchies.v[i].mount, cg->path);
		vec_push(&cg->dir_indexes, (int)i);
	}
}

/* The group's directory in the hierarchy of a controller; NULL when there is none. */
/* A new cpuset is empty, and nothing can run in it. */
static int inherit_cpuset(const char *dir, struct err *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	cleanup_free char *parent = path_dir(dir);

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_str struct str value = STR_INIT;
		runtime__cgroup_read_text(parent, files[i], &value);
		int r = runtime__cgroup_write(dir, files[i], str_text(&value), "cpuset", err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int create(struct cgroup *cg, struct err *err)
{
	for (size_t i = 0; i < cg->dirs.n; i++) {
		const struct cgroup_hierarchy *h = &cg->host->hierarchies.v[cg->dir_indexes.v[i]];
		int r = runtime__cgroup_mkdirs(h->mount, cg->path,
					       h->optional ? inherit_cpuset : NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put(struct cgroup *cg, const char *controller, const char *file, const char *setting,
	       const char *value, struct err *err)
{
	const char *dir = runtime__cgroup_dir(cg, controller);

	if (!dir)
		return err_unsupported(err, "%s: the machine has no '%s' control group controller",
				       setting, controller);
	return runtime__cgroup_write(dir, file, value, setting, err);
}

static int put_number(struct cgroup *cg, const char *controller, const char *file,
		      const char *setting, int64_t value, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return put(cg, controller, file, setting, text, err);
}

/* memory and memory + swap: each write must keep memory <= memory + swap, so a raise begins with
 * the latter. Without swap accounting in the kernel there is only the former. */
static int apply_memory(struct cgroup *cg, struct err *err)
{
	const struct spec_resources *r = &cg->spec->resources;
	int64_t swap = r->memory_swap ? r->memory_swap : r->memory * 2;
	cleanup_err struct err first = ERR_INIT;
	int ret;

	if (r->memory > INT64_MAX / 2 && !r->memory_swap)
		swap = -1;
	if (!r->memory)
		return 0;
	ret = put_number(cg, "memory", "memory.limit_in_bytes", "memory limit", r->memory, &first);
	if (ret == 0 || ret == -EINVAL) {
		err_done(&first);
		ret = put_number(cg, "memory", "memory.memsw.limit_in_bytes",
				 "memory and swap limit", swap, &first);
		if (ret == -EOPNOTSUPP && !r->memory_swap) {
			err_done(&first);
			ret = 0;
		}
	}
	return ret < 0 ? err_move(err, &first)
		       : put_number(cg, "memory", "memory.limit_in_bytes", "memory limit",
				    r->memory, err);
}

static int apply_blkio(struct cgroup *cg, struct err *err)
{
	static const char *const files[] = {
		[SPEC_BLKIO_READ_BPS] = "blkio.throttle.read_bps_device",
		[SPEC_BLKIO_WRITE_BPS] = "blkio.throttle.write_bps_device",
		[SPEC_BLKIO_READ_IOPS] = "blkio.throttle.read_iops_device",
		[SPEC_BLKIO_WRITE_IOPS] = "blkio.throttle.write_iops_device",
		[SPEC_BLKIO_WEIGHT] = "blkio.weight_device",
	};
	const struct spec_resources *res = &cg->spec->resources;

	for (size_t i = 0; i < res->blkio_count; i++) {
		struct stat st;
		char value[64];
		if (stat(res->blkio[i].path, &st) < 0)
			return err_sys(err, errno, "blkio_config: '%s'", res->blkio[i].path);
		snprintf(value, sizeof(value), "%u:%u %llu", major(st.st_rdev), minor(st.st_rdev),
			 (unsigned long long)res->blkio[i].rate);
		int r = put(cg, "blkio", files[res->blkio[i].what], "blkio_config", value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_text(struct cgroup *cg, struct err *err)
{
	const struct spec_resources *r = &cg->spec->resources;
	int ret;

	if (r->cpuset_cpus &&
	    (ret = put(cg, "cpuset", "cpuset.cpus", "cpuset", r->cpuset_cpus, err)) < 0)
		return ret;
	if (r->cpuset_mems &&
	    (ret = put(cg, "cpuset", "cpuset.mems", "cpuset", r->cpuset_mems, err)) < 0)
		return ret;
	return 0;
}

static int apply(struct cgroup *cg, struct err *err)
{
	const struct spec_resources *res = &cg->spec->resources;
	const struct {
		bool set;
		const char *controller, *file, *setting;
		int64_t value;
	} rows[] = {
		{ res->memory_reservation != 0, "memory", "memory.soft_limit_in_bytes",
		  "memory reservation", res->memory_reservation },
		{ res->memory_swappiness >= 0, "memory", "memory.swappiness", "memory swappiness",
		  res->memory_swappiness },
		{ res->oom_kill_disable, "memory", "memory.oom_control", "oom_kill_disable", 1 },
		{ res->cpu_shares != 0, "cpu", "cpu.shares", "cpu_shares",
		  (int64_t)res->cpu_shares },
		{ res->cpu_period_us != 0, "cpu", "cpu.cfs_period_us", "cpu_period",
		  (int64_t)res->cpu_period_us },
		{ res->cpu_quota_us != 0, "cpu", "cpu.cfs_quota_us", "cpus", res->cpu_quota_us },
		{ res->cpu_rt_period_us != 0, "cpu", "cpu.rt_period_us", "cpu_rt_period",
		  (int64_t)res->cpu_rt_period_us },
		{ res->cpu_rt_runtime_us != 0, "cpu", "cpu.rt_runtime_us", "cpu_rt_runtime",
		  res->cpu_rt_runtime_us },
	};
	int r = apply_memory(cg, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
		if (rows[i].set)
			r = put_number(cg, rows[i].controller, rows[i].file, rows[i].setting,
				       rows[i].value, err);
	if (r == 0 && res->blkio_weight) {
		/* CFQ's file is gone from new kernels, BFQ's may be there. */
		cleanup_err struct err why = ERR_INIT;
		r = put_number(cg, "blkio", "blkio.weight", "blkio weight", res->blkio_weight,
			       &why);
		if (r < 0)
			r = put_number(cg, "blkio", "blkio.bfq.weight", "blkio weight",
				       res->blkio_weight, err);
	}
	if (r < 0 || (r = apply_text(cg, err)) < 0)
		return r;
	return apply_blkio(cg, err);
}

static int apply_pids(struct cgroup *cg, int extra, struct err *err)
{
	int64_t pids = cg->spec->resources.pids;

	if (!pids)
		return 0;
	return pids < 0 ? put(cg, "pids", "pids.max", "pids limit", "max", err)
			: put_number(cg, "pids", "pids.max", "pids limit", pids + extra, err);
}

/* The file is opened once for all rules: opening costs more than writing. */
static int devices(struct cgroup *cg, const struct device_rules *rules, struct err *err)
{
	const char *dir = runtime__cgroup_dir(cg, "devices");
	char text[64];
	int r;

	if (!dir)
		return 0; /* the nodes that exist inside, and nodev mounts, are what is left */
	if ((r = runtime__cgroup_write(dir, "devices.deny", "a", "devices", err)) < 0)
		return r;
	cleanup_free char *path = xasprintf("%s/devices.allow", dir);
	cleanup_fd int fd = fs_open(AT_FDCWD, path, O_WRONLY, 0, err);
	if (fd < 0)
		return fd;
	vec_each(rule, &rules->rules) {
		runtime__device_rule_format(rule, text, sizeof(text));
		if (write(fd, text, strlen(text)) < 0)
			return err_sys(err, errno, "allow the device '%s'", text);
	}
	return 0;
}

static bool frozen(struct cgroup *cg)
{
	const char *dir = runtime__cgroup_dir(cg, "freezer");
	cleanup_str struct str state = STR_INIT;

	if (dir)
		runtime__cgroup_read_text(dir, "freezer.state", &state);
	return str_starts(str_text(&state), "FR"); /* FREEZING or FROZEN */
}

static int freeze(struct cgroup *cg, bool to, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int r = put(cg, "freezer", "freezer.state", "pause", to ? "FROZEN" : "THAWED", err);

	/* A process that forks while the others are being frozen needs another round. */
	for (int attempt = 0; r == 0 && to && attempt < 1000; attempt++) {
		cleanup_str struct str state = STR_INIT;
		runtime__cgroup_read_text(runtime__cgroup_dir(cg, "freezer"), "freezer.state",
					  &state);
		if (str_starts(str_text(&state), "FROZEN"))
			return 0;
		nanosleep(&pause, NULL);
		r = put(cg, "freezer", "freezer.state", "pause", "FROZEN", err);
	}
	return r;
}

static void signal_all(struct cgroup *cg, int signo)
{
	struct runtime_pids pids = { 0 };

	if (cg->dirs.n)
		runtime__cgroup_pids(cg->dirs.v[0], &pids);
	vec_each(pid, &pids.pids)
		(void)kill(*pid, signo); /* gone is good too */
	vec_done(&pids.pids);
}

/* Frozen, no process can fork away from the signal, nor end and leave its number to another. */
static int kill_all(struct cgroup *cg, int signo, struct err *err)
{
	cleanup_err struct err ignored = ERR_INIT;
	bool was = frozen(cg);

	if (!runtime__cgroup_dir(cg, "freezer")) {
		signal_all(cg, signo);
		return 0;
	}
	if (!was && freeze(cg, true, &ignored) < 0)
		return ignored.no == EOPNOTSUPP ? 0 : err_move(err, &ignored); /* group gone */
	signal_all(cg, signo);
	/* A paused container stays paused, except for what cannot wait. */
	return was && signo != SIGKILL ? 0 : freeze(cg, false, err);
}

/* "8:0 Read 4096" lines. */
static void read_blkio(const char *dir, struct runtime_stats *ret)
{
	cleanup_str struct str text = STR_INIT;

	runtime__cgroup_read_text(dir, "blkio.throttle.io_service_bytes", &text);
	cleanup_strv struct strv lines = strv_split(str_text(&text), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		unsigned long long bytes;
		if (sscanf(lines.v[i], "%*u:%*u Read %llu", &bytes) == 1)
			ret->blk_read += bytes;
		else if (sscanf(lines.v[i], "%*u:%*u Write %llu", &bytes) == 1)
			ret->blk_write += bytes;
	}
}

static void read_memory(const char *dir, struct runtime_stats *ret)
{
	uint64_t cache = runtime__cgroup_read_key(dir, "memory.stat", "total_inactive_file");

	ret->memory = runtime__cgroup_read(dir, "memory.usage_in_bytes");
	ret->memory -= cache < ret->memory ? cache : ret->memory;
	ret->memory_limit = runtime__cgroup_read(dir, "memory.limit_in_bytes");
	if (ret->memory_limit > (uint64_t)1 << 60)
		ret->memory_limit = 0; /* how v1 says "no limit" */
	ret->memory_peak = runtime__cgroup_read(dir, "memory.max_usage_in_bytes");
	ret->oom_kills = runtime__cgroup_read_key(dir, "memory.oom_control", "oom_kill");
}

static int stats(struct cgroup *cg, struct runtime_stats *ret, struct err *err)
{
	const char *memory = runtime__cgroup_dir(cg, "memory"),
		   *cpu = runtime__cgroup_dir(cg, "cpuacct"),
		   *pids = runtime__cgroup_dir(cg, "pids"),
		   *blkio = runtime__cgroup_dir(cg, "blkio");

	(void)err;
	if (memory)
		read_memory(memory, ret);
	if (cpu)
		ret->cpu_ns = runtime__cgroup_read(cpu, "cpuacct.usage");
	if (pids) {
		ret->pids = runtime__cgroup_read(pids, "pids.current");
		ret->pids_limit = runtime__cgroup_read(pids, "pids.max");
	}
	if (blkio)
		read_blkio(blkio, ret);
	return 0;
}

const struct cgroup_ops runtime__cgroup_v1 = {
	.name = name,
	.create = create,
	.apply = apply,
	.apply_pids = apply_pids,
	.devices = devices,
	.freeze = freeze,
	.frozen = frozen,
	.kill = kill_all,
	.stats = stats,
};
