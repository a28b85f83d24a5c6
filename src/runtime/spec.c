#include "runtime/spec.h"

#include "runtime/caps.h"
#include "runtime/spec-fields.h"

_Static_assert(sizeof(enum spec_ns) == sizeof(int), "FIELD_ENUM reads an int");

static const char *const mount_type_names[] = {
	[SPEC_MOUNT_BIND] = "bind",	  [SPEC_MOUNT_VOLUME] = "volume",
	[SPEC_MOUNT_TMPFS] = "tmpfs",	  [SPEC_MOUNT_MQUEUE] = "mqueue",
	[SPEC_MOUNT_FILES] = "files",	  [SPEC_MOUNT_OWN] = "own",
	[SPEC_MOUNT_OVERLAY] = "overlay", NULL
};
static const char *const ns_names[] = {
	[SPEC_NS_PRIVATE] = "private", [SPEC_NS_HOST] = "host", [SPEC_NS_JOIN] = "join", NULL
};
static const char *const seccomp_names[] = { [SPEC_SECCOMP_DEFAULT] = "default",
					     [SPEC_SECCOMP_UNCONFINED] = "unconfined",
					     [SPEC_SECCOMP_PROFILE] = "profile",
					     NULL };
static const char *const blkio_names[] = {
	[SPEC_BLKIO_READ_BPS] = "read-bps",   [SPEC_BLKIO_WRITE_BPS] = "write-bps",
	[SPEC_BLKIO_READ_IOPS] = "read-iops", [SPEC_BLKIO_WRITE_IOPS] = "write-iops",
	[SPEC_BLKIO_WEIGHT] = "weight",	      NULL
};

#define F(s, member, kind)                                                                         \
	{                                                                                          \
		.name = #member, .type = FIELD_##kind, .offset = offsetof(struct s, member)        \
	}
#define F_ENUM(s, member, table)                                                                   \
	{                                                                                          \
		.name = #member, .type = FIELD_ENUM, .offset = offsetof(struct s, member),         \
		.names = (table)                                                                   \
	}
#define F_OBJECT(s, member, fields)                                                                \
	{                                                                                          \
		.name = #member, .type = FIELD_OBJECT, .offset = offsetof(struct s, member),       \
		.sub = &(fields)                                                                   \
	}
#define F_VEC(s, member, element, fields)                                                          \
	{                                                                                          \
		.name = #member, .type = FIELD_VEC, .offset = offsetof(struct s, member),          \
		.size = sizeof(struct element), .sub = &(fields)                                   \
	}
#define F_ARRAY(s, member, count, element, fields)                                                 \
	{                                                                                          \
		.name = #member, .type = FIELD_ARRAY, .offset = offsetof(struct s, member),        \
		.count_offset = offsetof(struct s, count), .size = sizeof(struct element),         \
		.sub = &(fields)                                                                   \
	}
#define F_BYTES(s, member, length)                                                                 \
	{                                                                                          \
		.name = #member, .type = FIELD_BYTES, .offset = offsetof(struct s, member),        \
		.count_offset = offsetof(struct s, length)                                         \
	}
#define FIELDS(array)                                                                              \
	{                                                                                          \
		(array), ARRAY_SIZE(array)                                                         \
	}

static const struct spec_field idmap_field[] = {
	F(spec_idmap, base, U32),
	F(spec_idmap, count, U32),
};
static const struct spec_fields idmap_fields = FIELDS(idmap_field);

static const struct spec_field file_field[] = {
	F(spec_file, target, STR), F_BYTES(spec_file, data, len), F(spec_file, uid, U32),
	F(spec_file, gid, U32),	   F(spec_file, mode, U32),
};
static const struct spec_fields file_fields = FIELDS(file_field);

static const struct spec_field mount_field[] = {
	F_ENUM(spec_mount, type, mount_type_names),
	F(spec_mount, source, STR),
	F(spec_mount, layers, STRV),
	F(spec_mount, target, STR),
	F(spec_mount, readonly, BOOL),
	F(spec_mount, nosuid, BOOL),
	F(spec_mount, nodev, BOOL),
	F(spec_mount, noexec, BOOL),
	F(spec_mount, nonrecursive, BOOL),
	F(spec_mount, copy_up, BOOL),
	F(spec_mount, no_idmap, BOOL),
	F(spec_mount, propagation, I32),
	F(spec_mount, subpath, STR),
	F(spec_mount, size, U64),
	F(spec_mount, mode, U32),
	F(spec_mount, uid, U32),
	F(spec_mount, gid, U32),
	F_VEC(spec_mount, files, spec_file, file_fields),
};
const struct spec_fields spec__mount_fields = FIELDS(mount_field);

static const struct spec_field rlimit_field[] = {
	F(spec_rlimit, resource, I32),
	F(spec_rlimit, soft, U64),
	F(spec_rlimit, hard, U64),
};
static const struct spec_fields rlimit_fields = FIELDS(rlimit_field);

static const struct spec_field device_field[] = {
	F(spec_device, source, STR),
	F(spec_device, target, STR),
	F(spec_device, access, STR),
};
static const struct spec_fields device_fields = FIELDS(device_field);

static const struct spec_field sysctl_field[] = {
	F(spec_sysctl, name, STR),
	F(spec_sysctl, value, STR),
};
static const struct spec_fields sysctl_fields = FIELDS(sysctl_field);

static const struct spec_field process_field[] = {
	F(spec_process, args, STRV),
	F(spec_process, env, STRV),
	F(spec_process, cwd, STR),
	F(spec_process, user, STR),
	F(spec_process, groups, STRV),
	F(spec_process, caps, U64),
	F(spec_process, no_new_privs, BOOL),
	F(spec_process, tty, BOOL),
	F(spec_process, rows, U16),
	F(spec_process, cols, U16),
	F_VEC(spec_process, rlimits, spec_rlimit, rlimit_fields),
	F(spec_process, has_oom_score_adj, BOOL),
	F(spec_process, oom_score_adj, I32),
};
const struct spec_fields spec__process_fields = FIELDS(process_field);

static const struct spec_field blkio_field[] = {
	F(spec_blkio, path, STR),
	F_ENUM(spec_blkio, what, blkio_names),
	F(spec_blkio, rate, U64),
};
static const struct spec_fields blkio_fields = FIELDS(blkio_field);

static const struct spec_field resources_field[] = {
	F(spec_resources, memory, I64),
	F(spec_resources, memory_swap, I64),
	F(spec_resources, memory_reservation, I64),
	F(spec_resources, memory_swappiness, I64),
	F(spec_resources, oom_kill_disable, BOOL),
	F(spec_resources, cpu_shares, U64),
	F(spec_resources, cpu_quota_us, I64),
	F(spec_resources, cpu_period_us, U64),
	F(spec_resources, cpu_rt_runtime_us, I64),
	F(spec_resources, cpu_rt_period_us, U64),
	F(spec_resources, cpuset_cpus, STR),
	F(spec_resources, cpuset_mems, STR),
	F(spec_resources, pids, I64),
	F(spec_resources, blkio_weight, U16),
	F_ARRAY(spec_resources, blkio, blkio_count, spec_blkio, blkio_fields),
	F(spec_resources, device_rules, STRV),
};
static const struct spec_fields resources_fields = FIELDS(resources_field);

static const struct spec_field spec_field[] = {
	F(spec, id, ID),
	F(spec, project, STR),
	F(spec, name, STR),
	F(spec, layers, STRV),
	F(spec, dir, STR),
	F(spec, rootfs, STR),
	F(spec, readonly_root, BOOL),
	F_OBJECT(spec, idmap, idmap_fields),
	F_ENUM(spec, pid, ns_names),
	F_ENUM(spec, ipc, ns_names),
	F_ENUM(spec, uts, ns_names),
	F_ENUM(spec, cgroup, ns_names),
	F(spec, pid_join, I32),
	F(spec, ipc_join, I32),
	F(spec, uts_join, I32),
	F(spec, hostname, STR),
	F(spec, domainname, STR),
	F_OBJECT(spec, process, spec__process_fields),
	F(spec, init, BOOL),
	F(spec, privileged, BOOL),
	F(spec, shm_size, U64),
	F_VEC(spec, mounts, spec_mount, spec__mount_fields),
	F_VEC(spec, devices, spec_device, device_fields),
	F_VEC(spec, sysctls, spec_sysctl, sysctl_fields),
	F_ENUM(spec, seccomp, seccomp_names),
	F(spec, seccomp_profile, STR),
	F(spec, unmask_paths, BOOL),
	F(spec, cgroup_parent, STR),
	F_OBJECT(spec, resources, resources_fields),
	F(spec, stop_signal, I32),
};
const struct spec_fields spec__fields = FIELDS(spec_field);

static void elements_done(const struct spec_field *f, char *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		spec__fields_done(f->sub, v + i * f->size);
	free(v);
}

static void field_done(const struct spec_field *f, char *object)
{
	char *p = object + f->offset;
	char **text = (void *)p;
	struct spec_vec *vec = (void *)p;

	switch (f->type) {
	case FIELD_BYTES:
		*(size_t *)(void *)(object + f->count_offset) = 0;
		free(*text);
		*text = NULL;
		break;
	case FIELD_STR:
		free(*text);
		*text = NULL;
		break;
	case FIELD_STRV: strv_done((void *)p); break;
	case FIELD_OBJECT: spec__fields_done(f->sub, p); break;
	case FIELD_VEC:
		elements_done(f, vec->v, vec->n);
		*vec = (struct spec_vec){ 0 };
		break;
	case FIELD_ARRAY:
		elements_done(f, *text, *(size_t *)(void *)(object + f->count_offset));
		*text = NULL;
		*(size_t *)(void *)(object + f->count_offset) = 0;
		break;
	default: break; /* the others own nothing */
	}
}

void spec__fields_done(const struct spec_fields *fields, void *object)
{
	for (size_t i = 0; i < fields->n; i++)
		field_done(&fields->v[i], object);
}

void spec_init(struct spec *s)
{
	*s = (struct spec){
		.process.caps = caps_default(),
		.resources.memory_swappiness = -1,
	};
}

void spec_done(struct spec *s)
{
	spec__fields_done(&spec__fields, s);
}

void spec_process_done(struct spec_process *p)
{
	spec__fields_done(&spec__process_fields, p);
}

void spec_mount_done(struct spec_mount *m)
{
	spec__fields_done(&spec__mount_fields, m);
}
