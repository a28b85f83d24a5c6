/* For this room only: a container's control group. One interface, two back ends (cgroup-v1.c,
 * cgroup-v2.c) that are chosen by what the machine has mounted; hybrid machines (controllers on v1)
 * use v1.
 *
 * A container's group is stave/<project>/<id>, or <cgroup_parent>/<id>, in every hierarchy it uses.
 * The privileged side creates, changes and removes; the intermediate joins. */
#ifndef STAVE_RUNTIME_CGROUP_H
#define STAVE_RUNTIME_CGROUP_H

#include "runtime/runtime.h"

struct cgroup_hierarchy { /* one v1 mount */
	char *mount;	  /* where it is mounted on the host */
	char *name;	  /* its directory below /sys/fs/cgroup: "memory", "cpu,cpuacct" */
	char *option;	  /* mount option: the controllers, "memory" */
	bool optional;	  /* only entered when the spec has a value for it (cpuset) */
};

struct cgroup_host {
	bool available; /* any control group file system is mounted */
	bool v2;
	char *root;				  /* v2: the mount */
	VEC(struct cgroup_hierarchy) hierarchies; /* v1: those that a container uses */
};
/* What the machine has; read once per process. */
const struct cgroup_host *runtime__cgroup_host(void);
/* The same from given mountinfo text, for tests. */
void runtime__cgroup_host_parse(const char *mountinfo, struct cgroup_host *ret);
void runtime__cgroup_host_done(struct cgroup_host *host);
/* Whether a container of this spec is in the hierarchy. */
bool runtime__cgroup_uses(const struct spec *spec, const struct cgroup_hierarchy *h);

struct cgroup;
/* Names the group of a spec without touching the kernel. Never NULL; free with cgroup_free. The
 * spec is borrowed. `host` NULL: the machine's. */
struct cgroup *runtime__cgroup_new(const struct spec *spec, const struct cgroup_host *host);
void runtime__cgroup_free(struct cgroup *cg); /* NULL is allowed; the group stays */

/* Makes the directories, sets the limits (for the number of processes, one more) and the device
 * rules. On failure nothing is left. */
int runtime__cgroup_create(const struct spec *spec, struct cgroup **ret, struct err *err);
/* What must wait until the intermediate is gone: the exact limit of processes. */
int runtime__cgroup_started(struct cgroup *cg, struct err *err);
/* The calling process joins (v1; on v2 it is born inside). Negative errno. */
int runtime__cgroup_join(const struct cgroup *cg);
/* v2: a descriptor of the directory for CLONE_INTO_CGROUP, owned by cg; else FD_NONE. */
int runtime__cgroup_fd(const struct cgroup *cg);
/* Opens what runtime__cgroup_join and _fd need, for a group that exists. */
int runtime__cgroup_open(struct cgroup *cg, struct err *err);
int runtime__cgroup_apply(struct cgroup *cg, struct err *err);
int runtime__cgroup_remove(struct cgroup *cg, struct err *err);

/* --- device rules (device-rules.c) --- */

enum { DEVICE_READ = 1u << 0, DEVICE_WRITE = 1u << 1, DEVICE_MKNOD = 1u << 2, DEVICE_ALL = 7 };
struct device_rule {
	char type;	      /* 'c', 'b', or 'a' for everything */
	int64_t major, minor; /* -1: any */
	unsigned access;
};
struct device_rules { /* what is allowed; the rest is denied */
	VEC(struct device_rule) rules;
};
int runtime__device_rules(const struct spec *spec, struct device_rules *ret, struct err *err);
/* "c 1:3 rwm"; buf at least 48 bytes; returns buf. */
char *runtime__device_rule_format(const struct device_rule *rule, char *buf, size_t size);
int runtime__device_rule_parse(const char *text, struct device_rule *ret);
/* v2 (device-program.c): the program that says so, loaded and attached to the group. */
struct bpf_insn { /* kernel ABI */
	uint8_t code;
	uint8_t dst_reg : 4, src_reg : 4;
	int16_t off;
	int32_t imm;
};
size_t runtime__device_program(const struct device_rules *rules, struct bpf_insn *ret, size_t max);
int runtime__device_program_load(const struct device_rules *rules, struct err *err);
int runtime__device_program_attach(int cgroup, const struct device_rules *rules, struct err *err);

/* --- what a back end is --- */

struct cgroup {
	const struct cgroup_ops *ops;
	const struct cgroup_host *host;
	const struct spec *spec;
	char *path;	      /* relative to each hierarchy's mount, without a leading slash */
	struct strv dirs;     /* v1: the directory in each hierarchy it uses; v2: one */
	VEC(int) dir_indexes; /* v1: index into host->hierarchies of each of dirs */
	int fd;		      /* v2 */
};

struct cgroup_ops {
	void (*name)(struct cgroup *cg);		   /* fills dirs */
	int (*create)(struct cgroup *cg, struct err *err); /* the directories */
	int (*apply)(struct cgroup *cg, struct err *err);  /* limits but pids */
	/* with `extra` processes more than the spec says */
	int (*apply_pids)(struct cgroup *cg, int extra, struct err *err);
	int (*devices)(struct cgroup *cg, const struct device_rules *rules, struct err *err);
	int (*freeze)(struct cgroup *cg, bool freeze, struct err *err);
	bool (*frozen)(struct cgroup *cg);
	int (*kill)(struct cgroup *cg, int signo, struct err *err);
	int (*stats)(struct cgroup *cg, struct runtime_stats *ret, struct err *err);
};
extern const struct cgroup_ops runtime__cgroup_v1, runtime__cgroup_v2;

/* The group's directory with the files of a controller. NULL: there is none. */
const char *runtime__cgroup_dir(const struct cgroup *cg, const char *controller);
/* One file of a group: open, write. A missing file (-ENOENT) is a controller that the kernel does
 * not have here; the message says which setting needs it. */
int runtime__cgroup_write(const char *dir, const char *file, const char *value, const char *setting,
			  struct err *err);
/* The number in a file: 0 when it is missing or says "max". */
uint64_t runtime__cgroup_read(const char *dir, const char *file);
/* The number after `key` in a file of "key value" lines; 0 when missing. */
uint64_t runtime__cgroup_read_key(const char *dir, const char *file, const char *key);
/* The text of a file, appended; empty when missing. */
void runtime__cgroup_read_text(const char *dir, const char *file, struct str *out);
/* mkdir -p of cg->path below `mount`, tolerating others who remove empty parents meanwhile; after
 * each new directory calls `each` (or NULL) with its full path. */
int runtime__cgroup_mkdirs(const char *mount, const char *path,
			   int (*each)(const char *dir, struct err *err), struct err *err);
/* Pids of the group and what is below it, appended. */
void runtime__cgroup_pids(const char *dir, struct runtime_pids *out);

#endif
