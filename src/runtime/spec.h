/* What to run: one plain struct with the meaning of the OCI runtime specification (config.md,
 * config-linux.md). It knows nothing of Compose or images. The engine builds it, stores it as JSON
 * in the container's directory (spec_to_json), and `exec` and health checks read it back. All
 * strings are owned by the spec; all-zero is a valid empty spec except where a comment says
 * otherwise (use spec_init). */
#ifndef STAVE_RUNTIME_SPEC_H
#define STAVE_RUNTIME_SPEC_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

enum { SPEC_ID_LEN = 64 }; /* container ids are 64 lower-case hexadecimal digits, as Docker's */

/* A contiguous id mapping: container ids 0..count-1 are host ids base..base+count-1. count 0: no
 * user namespace. */
struct spec_idmap {
	uint32_t base;
	uint32_t count;
};

enum spec_mount_type {
	SPEC_MOUNT_BIND,   /* source: absolute host path, opened by the privileged side before
			      anything else */
	SPEC_MOUNT_VOLUME, /* like bind, of a directory of ours; with copy_up it is filled from the
			      image when empty */
	SPEC_MOUNT_TMPFS,
	SPEC_MOUNT_MQUEUE,
	SPEC_MOUNT_FILES, /* a private tmpfs holding `files`, each bound to its own target: secrets
			     and configs */
	SPEC_MOUNT_OWN,	  /* the same in the memory of the container's own private directory, and
			     writable unless `readonly`: hosts, hostname, resolv.conf */
	SPEC_MOUNT_OVERLAY, /* `layers` as one tree, or its `subpath`; source: a directory of ours,
			       which takes what is written, NULL: nothing may be */
};

/* One file of a SPEC_MOUNT_FILES or SPEC_MOUNT_OWN. */
struct spec_file {
	char *target; /* absolute path inside */
	char *data;   /* len bytes */
	size_t len;
	uint32_t uid, gid, mode; /* mode: permission bits, e.g. 0444 */
};

struct spec_mount {
	enum spec_mount_type type;
	char *source;
	char *target; /* absolute, cleaned; resolved beneath the root while mounting; missing ones
			 are created */
	bool readonly, nosuid, nodev, noexec;
	bool nonrecursive; /* bind: without what is mounted below the source */
	bool copy_up;  /* volume: fill an empty one from the image's directory (owner, mode, xattrs
			  kept) */
	bool no_idmap; /* bind: keep host ids even under a user namespace */
	int propagation; /* 0 (rprivate) or MS_SHARED, MS_SLAVE, MS_PRIVATE with or without MS_REC
			  */
	char *subpath; /* volume, overlay: directory beneath the source, resolved beneath it; NULL:
			* the whole
			*/
	struct strv layers; /* overlay: absolute host directories, bottom first */
	uint64_t size;	    /* tmpfs: bytes; 0: the kernel's default */
	uint32_t mode;	    /* tmpfs: permission bits; 0: 01777 */
	uint32_t uid, gid;  /* tmpfs: owner of the root */
	VEC(struct spec_file) files;
};

struct spec_rlimit {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
};
/* "nofile" -> RLIMIT_NOFILE; -1: there is no such limit. */
int spec_rlimit_resource(const char *name);

struct spec_device {
	char *source; /* host path */
	char *target; /* path inside */
	char *access; /* subset of "rwm" */
};

/* A rule for the device controller without a node ("c 1:3 rwm" of device_cgroup_rules). */
struct spec_sysctl {
	char *name, *value;
};

enum spec_ns {
	SPEC_NS_PRIVATE, /* a new one (pid, ipc, uts, cgroup) */
	SPEC_NS_HOST,
	SPEC_NS_JOIN, /* that of another process: struct spec's *_join pid */
};

/* The process: also what exec runs. */
struct spec_process {
	struct strv args; /* at least one; looked up in the container's PATH like execvp */
	struct strv env;
	char *cwd;  /* absolute; NULL: "/"; created when missing */
	char *user; /* "uid", "uid:gid", "name", "name:group"; NULL or "": 0:0. Resolved inside,
		       from the image's own /etc/passwd and /etc/group (bounded, never followed out)
		     */
	struct strv groups; /* group_add: names or ids */
	uint64_t caps;	    /* bounding, and for uid 0 permitted and effective: 1 << CAP_*
			       (runtime/caps.h) */
	bool no_new_privs;
	bool tty;
	uint16_t rows, cols; /* of the pty; 0: leave */
	VEC(struct spec_rlimit) rlimits;
	bool has_oom_score_adj;
	int oom_score_adj; /* -1000..1000 */
};

/* Resources; 0 means "not limited / not set" unless said otherwise. */
struct spec_resources {
	int64_t memory;		    /* bytes */
	int64_t memory_swap;	    /* memory + swap in bytes; -1 unlimited */
	int64_t memory_reservation; /* bytes, soft */
	int64_t memory_swappiness;  /* 0..100; -1: not set */
	bool oom_kill_disable;
	uint64_t cpu_shares;  /* 2..262144, cgroup v1 meaning; converted to a weight on v2 */
	int64_t cpu_quota_us; /* per period */
	uint64_t cpu_period_us;
	int64_t cpu_rt_runtime_us;
	uint64_t cpu_rt_period_us;
	char *cpuset_cpus, *cpuset_mems;
	int64_t pids;	       /* -1 unlimited */
	uint16_t blkio_weight; /* 10..1000 */
	struct spec_blkio {    /* per device throttles */
		char *path;    /* host device */
		enum {
			SPEC_BLKIO_READ_BPS,
			SPEC_BLKIO_WRITE_BPS,
			SPEC_BLKIO_READ_IOPS,
			SPEC_BLKIO_WRITE_IOPS,
			SPEC_BLKIO_WEIGHT
		} what;
		uint64_t rate;
	} * blkio;
	size_t blkio_count;
	struct strv device_rules; /* extra device controller rules: "c 10:200 rwm" */
};

enum spec_seccomp { SPEC_SECCOMP_DEFAULT, SPEC_SECCOMP_UNCONFINED, SPEC_SECCOMP_PROFILE };

struct spec {
	char id[SPEC_ID_LEN + 1];
	char *project; /* for process titles and cgroup names: "stave/<project>/<id>" */
	char *name;    /* container name, for messages */

	/* root: overlay of `layers` (bottom first) with upper and work below `dir`; or, when there
	 * are no layers, the plain directory `rootfs` */
	struct strv layers; /* absolute host directories, each an unpacked layer diff */
	char *dir;	    /* the container's own directory; holds upper/, work/ */
	char *rootfs;
	bool readonly_root;

	struct spec_idmap idmap;
	enum spec_ns pid, ipc, uts, cgroup;
	pid_t pid_join, ipc_join, uts_join; /* with SPEC_NS_JOIN, filled in just before the start */
	/* user and network namespace are given as descriptors to runtime_start */
	char *hostname, *domainname;

	struct spec_process process;
	bool init;	   /* a built-in PID 1 that forwards signals and reaps */
	bool privileged;   /* all caps (already in process.caps), all devices, nothing masked, sysfs
			      and cgroup writable */
	uint64_t shm_size; /* bytes of /dev/shm; 0: 64 MiB */
	VEC(struct spec_mount)
	mounts; /* in order; runtime adds proc, sys, dev, devpts, shm, mqueue, cgroup itself */
	VEC(struct spec_device) devices;
	VEC(struct spec_sysctl) sysctls;
	enum spec_seccomp seccomp;
	char *seccomp_profile; /* with SPEC_SECCOMP_PROFILE: the profile's JSON text */
	bool unmask_paths;     /* security_opt systempaths=unconfined */

	char *cgroup_parent; /* user's cgroup_parent; NULL: ours */
	struct spec_resources resources;

	int stop_signal; /* informational: what stop sends; 0: SIGTERM */
};

void spec_init(struct spec *s); /* defaults: private namespaces, swappiness -1, Docker's default
				   capabilities */
void spec_done(struct spec *s);
#define cleanup_spec cleanup(spec_done)
void spec_process_done(struct spec_process *p);
void spec_mount_done(struct spec_mount *m);

/* Whole, in both directions. The data of spec_files is stored too (base64), so the file must be
 * written with mode 0600. */
json_t *spec_to_json(const struct spec *s);
int spec_from_json(const json_t *j, struct spec *ret, struct err *err);

#endif
