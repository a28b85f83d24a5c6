/* Control groups, version 2: one directory, one tree; devices through a BPF program. */
#include "runtime/cgroup.h"

#include "base/fs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void name(struct cgroup *cg)
{
	strv_addf(&cg->dirs, "%s/%s", cg->host->root, cg->path);
}

/* Hands the controllers down into a directory's children. Each by itself: one that the kernel or
 * the parent does not have must not cost the others. A limit that needs a missing one says so. */
static void enable_controllers(const char *dir)
{
	static const char *const controllers[] = { "+cpu", "+memory", "+pids", "+io", "+cpuset" };
	cleanup_free char *path = xasprintf("%s/cgroup.subtree_control", dir);

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		struct err ignored = ERR_INIT;
		(void)fs_poke(AT_FDCWD, path, controllers[i], &ignored);
		err_done(&ignored);
	}
}

static int enable_in_parent(const char *dir, struct err *err)
{
	cleanup_free char *parent = path_dir(dir);

	(void)err;
	enable_controllers(parent);
	return 0;
}

static int create(struct cgroup *cg, struct err *err)
{
	return runtime__cgroup_mkdirs(cg->host->root, cg->path, enable_in_parent, err);
}

static int put(struct cgroup *cg, const char *file, const char *setting, const char *value,
	       struct err *err)
{
	return runtime__cgroup_write(cg->dirs.v[0], file, value, setting, err);
}

/* A byte limit; negative: none. */
static int put_limit(struct cgroup *cg, const char *file, const char *setting, int64_t value,
		     struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return put(cg, file, setting, value < 0 ? "max" : text, err);
}

/* v2 counts swap by itself, v1 (and the spec) memory and swap together. */
static int apply_memory(struct cgroup *cg, struct err *err)
{
	const struct spec_resources *res = &cg->spec->resources;
	int64_t swap = res->memory; /* as Docker: as much again */
	int r = 0;

	if (res->memory && (r = put_limit(cg, "memory.max", "memory limit", res->memory, err)) < 0)
		return r;
	if (res->memory_swap > 0)
		swap = res->memory_swap > res->memory ? res->memory_swap - res->memory : 0;
	else if (res->memory_swap < 0)
		swap = -1;
	if (res->memory || res->memory_swap) {
		cleanup_err struct err why = ERR_INIT;
		r = put_limit(cg, "memory.swap.max", "memory and swap limit", swap, &why);
		if (r < 0 && (r != -EOPNOTSUPP || res->memory_swap > 0))
			return err_move(err, &why);
	}
	if (!res->memory_reservation)
		return 0;
	return put_limit(cg, "memory.low", "memory reservation", res->memory_reservation, err);
}

/* 2..262144 of v1 onto 1..10000, as runc and systemd do. */
static uint64_t weight_of_shares(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static int apply_cpu(struct cgroup *cg, struct err *err)
{
	const struct spec_resources *res = &cg->spec->resources;
	unsigned long long period = res->cpu_period_us ? res->cpu_period_us : 100000;
	char text[64];
	int r;

	if (res->cpu_shares) {
		r = put_limit(cg, "cpu.weight", "cpu_shares",
			      (int64_t)weight_of_shares(res->cpu_shares), err);
		if (r < 0)
			return r;
	}
	if (res->cpu_quota_us || res->cpu_period_us) {
		if (res->cpu_quota_us > 0)
			snprintf(text, sizeof(text), "%lld %llu", (long long)res->cpu_quota_us,
				 period);
		else
			snprintf(text, sizeof(text), "max %llu", period);
		if ((r = put(cg, "cpu.max", "cpus", text, err)) < 0)
			return r;
	}
	if (res->cpuset_cpus && (r = put(cg, "cpuset.cpus", "cpuset", res->cpuset_cpus, err)) < 0)
		return r;
	if (res->cpuset_mems)
		return put(cg, "cpuset.mems", "cpuset", res->cpuset_mems, err);
	return 0;
}

static int apply_io(struct cgroup *cg, struct err *err)
{
	static const char *const keys[] = {
		[SPEC_BLKIO_READ_BPS] = "rbps",	  [SPEC_BLKIO_WRITE_BPS] = "wbps",
		[SPEC_BLKIO_READ_IOPS] = "riops", [SPEC_BLKIO_WRITE_IOPS] = "wiops",
		[SPEC_BLKIO_WEIGHT] = NULL,
	};
	const struct spec_resources *res = &cg->spec->resources;
	char value[80];

	for (size_t i = 0; i < res->blkio_count; i++) {
		const char *key = keys[res->blkio[i].what];
		unsigned long long rate = res->blkio[i].rate;
		struct stat st;
		if (stat(res->blkio[i].path, &st) < 0)
			return err_sys(err, errno, "blkio_config: '%s'", res->blkio[i].path);
		snprintf(value, sizeof(value), "%u:%u %s%s%llu", major(st.st_rdev),
			 minor(st.st_rdev), key ? key : "", key ? "=" : "", rate);
		int r = put(cg, key ? "io.max" : "io.bfq.weight", "blkio_config", value, err);
		if (r < 0)
			return r;
	}
	if (!res->blkio_weight)
		return 0;
	/* 10..1000 onto 1..10000 (io.weight); BFQ keeps v1's numbers. */
	cleanup_err struct err why = ERR_INIT;
	if (put_limit(cg, "io.bfq.weight", "blkio weight", res->blkio_weight, &why) == 0)
		return 0;
	snprintf(value, sizeof(value), "default %u",
		 1 + (unsigned)(res->blkio_weight - 10) * 9999 / 990);
	return put(cg, "io.weight", "blkio weight", value, err);
}

static int apply(struct cgroup *cg, struct err *err)
{
	int r;

	if ((r = apply_memory(cg, err)) < 0 || (r = apply_cpu(cg, err)) < 0)
		return r;
	return apply_io(cg, err);
}

static int apply_pids(struct cgroup *cg, int extra, struct err *err)
{
	int64_t pids = cg->spec->resources.pids;

	return pids ? put_limit(cg, "pids.max", "pids limit", pids < 0 ? pids : pids + extra, err)
		    : 0;
}

static int devices(struct cgroup *cg, const struct device_rules *rules, struct err *err)
{
	cleanup_fd int fd = fs_open(AT_FDCWD, cg->dirs.v[0], O_RDONLY | O_DIRECTORY, 0, err);

	return fd < 0 ? fd : runtime__device_program_attach(fd, rules, err);
}

static bool frozen(struct cgroup *cg)
{
	return runtime__cgroup_read_key(cg->dirs.v[0], "cgroup.events", "frozen") == 1 ||
	       runtime__cgroup_read(cg->dirs.v[0], "cgroup.freeze") == 1;
}

static int freeze(struct cgroup *cg, bool to, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int r = put(cg, "cgroup.freeze", "pause", to ? "1" : "0", err);

	for (int attempt = 0; r == 0 && to && attempt < 1000; attempt++) {
		if (runtime__cgroup_read_key(cg->dirs.v[0], "cgroup.events", "frozen") == 1)
			break;
		nanosleep(&pause, NULL);
	}
	return r;
}

static int kill_all(struct cgroup *cg, int signo, struct err *err)
{
	struct runtime_pids pids = { 0 };
	cleanup_err struct err ignored = ERR_INIT;
	bool was = frozen(cg);
	int r;

	if (signo == SIGKILL && put(cg, "cgroup.kill", "kill", "1", &ignored) == 0)
		return 0;
	err_done(&ignored);
	if (!was && (r = freeze(cg, true, &ignored)) < 0)
		return r == -EOPNOTSUPP ? 0 : err_move(err, &ignored); /* group gone */
	runtime__cgroup_pids(cg->dirs.v[0], &pids);
	vec_each(pid, &pids.pids)
		(void)kill(*pid, signo); /* gone is good too */
	vec_done(&pids.pids);
	return was && signo != SIGKILL ? 0 : freeze(cg, false, err);
}

/* "8:0 rbytes=1 wbytes=2 ..." lines. */
static void read_io(const char *dir, struct runtime_stats *ret)
{
	cleanup_str struct str text = STR_INIT;

	runtime__cgroup_read_text(dir, "io.stat", &text);
	for (const char *p = str_text(&text); (p = strstr(p, "bytes="));) {
		unsigned long long bytes = 0;
		(void)sscanf(p, "bytes=%llu", &bytes);
		if (p > str_text(&text) && p[-1] == 'r')
			ret->blk_read += bytes;
		else if (p > str_text(&text) && p[-1] == 'w')
			ret->blk_write += bytes;
		p += strlen("bytes=");
	}
}

static int stats(struct cgroup *cg, struct runtime_stats *ret, struct err *err)
{
	const char *dir = cg->dirs.v[0];
	uint64_t cache = runtime__cgroup_read_key(dir, "memory.stat", "inactive_file");

	(void)err;
	ret->cpu_ns = runtime__cgroup_read_key(dir, "cpu.stat", "usage_usec") * 1000;
	ret->memory = runtime__cgroup_read(dir, "memory.current");
	ret->memory -= cache < ret->memory ? cache : ret->memory;
	ret->memory_limit = runtime__cgroup_read(dir, "memory.max");
	ret->memory_peak = runtime__cgroup_read(dir, "memory.peak");
	ret->pids = runtime__cgroup_read(dir, "pids.current");
	ret->pids_limit = runtime__cgroup_read(dir, "pids.max");
	ret->oom_kills = runtime__cgroup_read_key(dir, "memory.events", "oom_kill");
	read_io(dir, ret);
	return 0;
}

const struct cgroup_ops runtime__cgroup_v2 = {
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
