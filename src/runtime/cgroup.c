#include "runtime/cgroup.h"

#include "base/fs.h"
#include "base/parse.h"
#include "base/proc.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 4 << 20, DEPTH_MAX = 32 };

/* Controllers that a container is put into. The named systemd hierarchy is left alone. */
static const struct {
	const char *name;
	bool optional;
} controllers[] = {
	{ "devices", false }, { "freezer", false }, { "pids", false },	{ "memory", false },
	{ "cpu", false },     { "cpuacct", false }, { "blkio", false }, { "cpuset", true },
};

static void add_hierarchy(struct cgroup_host *host, const char *mount, const char *options)
{
	cleanup_strv struct strv names = strv_split(options, ',');
	cleanup_str struct str used = STR_INIT;
	bool optional = true;

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		if (!strv_has(&names, controllers[i].name))
			continue;
		str_addf(&used, "%s%s", used.len ? "," : "", controllers[i].name);
		optional = optional && controllers[i].optional;
	}
	if (!used.len)
		return;
	vec_push(&host->hierarchies, (struct cgroup_hierarchy){ .mount = xstrdup(mount),
								.name = xstrdup(path_base(mount)),
								.option = str_take(&used),
								.optional = optional });
}

/* Fields 5 (mount point), and after the " - ": type, source, super options. */
static void parse_mount(struct cgroup_host *host, char *line)
{
	char *dash = strstr(line, " - ");
	cleanup_strv struct strv front = { 0 }, back = { 0 };

	if (!dash)
		return;
	*dash = 0;
	front = strv_split(line, ' ');
	back = strv_split(dash + 3, ' ');
	if (front.n < 5 || back.n < 3)
		return;
	if (str_eq(back.v[0], "cgroup"))
		add_hierarchy(host, front.v[4], back.v[2]);
	else if (str_eq(back.v[0], "cgroup2") && !host->root)
		host->root = xstrdup(front.v[4]);
}

void runtime__cgroup_host_parse(const char *mountinfo, struct cgroup_host *ret)
{
	cleanup_strv struct strv lines = strv_split(mountinfo, '\n');

	*ret = (struct cgroup_host){ 0 };
	for (size_t i = 0; i < lines.n; i++)
		parse_mount(ret, lines.v[i]);
	ret->v2 = ret->root && !ret->hierarchies.n;
	ret->available = ret->root || ret->hierarchies.n;
}

void runtime__cgroup_host_done(struct cgroup_host *host)
{
	vec_each(h, &host->hierarchies) {
		free(h->mount);
		free(h->name);
		free(h->option);
	}
	vec_done(&host->hierarchies);
	free(host->root);
	*host = (struct cgroup_host){ 0 };
}

const struct cgroup_host *runtime__cgroup_host(void)
{
	static struct cgroup_host host;
	static bool known;
	cleanup_str struct str text = STR_INIT;

	if (known)
		return &host;
	runtime__cgroup_read_text("/proc/self", "mountinfo", &text);
	runtime__cgroup_host_parse(str_text(&text), &host);
	known = true;
	return &host;
}

bool runtime__cgroup_uses(const struct spec *spec, const struct cgroup_hierarchy *h)
{
	return !h->optional || spec->resources.cpuset_cpus || spec->resources.cpuset_mems;
}

struct cgroup *runtime__cgroup_new(const struct spec *spec, const struct cgroup_host *host)
{
	struct cgroup *cg = new0(struct cgroup);
	const char *parent = spec->cgroup_parent;

	cg->host = host ? host : runtime__cgroup_host();
	cg->ops = cg->host->v2 ? &runtime__cgroup_v2 : &runtime__cgroup_v1;
	cg->spec = spec;
	cg->fd = FD_NONE;
	if (str_empty(parent)) {
		cg->path =
			xasprintf("stave/%s/%s", spec->project ? spec->project : "none", spec->id);
	} else {
		cleanup_free char *absolute = xasprintf("/%s/%s", parent, spec->id);
		cleanup_free char *clean = path_clean(absolute);
		cg->path = xstrdup(clean + 1);
	}
	cg->ops->name(cg);
	return cg;
}

void runtime__cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	free(cg->path);
	strv_done(&cg->dirs);
	vec_done(&cg->dir_indexes);
	fd_close(cg->fd);
	free(cg);
}

/* --- files --- */

int runtime__cgroup_write(const char *dir, const char *file, const char *value, const char *setting,
			  struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, file);
	cleanup_err struct err why = ERR_INIT;
	int r = fs_poke(AT_FDCWD, path, value, &why);

	if (r == -ENOENT)
		return err_unsupported(err, "%s: the machine's control groups have no '%s'",
				       setting, file);
	return r < 0 ? err_sys(err, -r, "%s: write '%s' to '%s'", setting, value, file) : 0;
}

void runtime__cgroup_read_text(const char *dir, const char *file, struct str *out)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, file);
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_fd int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0, &ignored);
	cleanup_err struct err ignored_too = ERR_INIT;

	if (fd >= 0)
		(void)fs_read_fd(fd, path, FILE_BYTES_MAX, out, &ignored_too);
}

static uint64_t leading_number(const char *text)
{
	uint64_t value = 0;

	for (; *text >= '0' && *text <= '9' && value < UINT64_MAX / 10 - 9; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

uint64_t runtime__cgroup_read(const char *dir, const char *file)
{
	cleanup_str struct str text = STR_INIT;

	runtime__cgroup_read_text(dir, file, &text);
	return leading_number(str_text(&text));
}

uint64_t runtime__cgroup_read_key(const char *dir, const char *file, const char *key)
{
	cleanup_str struct str text = STR_INIT;
	size_t len = strlen(key);

	runtime__cgroup_read_text(dir, file, &text);
	for (const char *p = str_text(&text); *p;) {
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return leading_number(p + len + 1);
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return 0;
}

const char *runtime__cgroup_dir(const struct cgroup *cg, const char *controller)
{
	if (cg->host->v2)
		return cg->dirs.v[0];
	for (size_t i = 0; i < cg->dirs.n; i++) {
		const char *option = cg->host->hierarchies.v[cg->dir_indexes.v[i]].option;
		cleanup_strv struct strv names = strv_split(option, ',');
		if (strv_has(&names, controller))
			return cg->dirs.v[i];
	}
	return NULL;
}

/* --- directories --- */

/* The last directory first: its parents are there for all but a project's first container. */
static int make_dirs(char *full, size_t start, int (*each)(const char *, struct err *),
		     struct err *err)
{
	char *slash = strrchr(full + start, '/');
	int r;

	if (mkdir(full, 0755) == 0)
		return each ? each(full, err) : 0;
	if (errno == EEXIST)
		return 0;
	if (errno != ENOENT || !slash)
		return -errno;
	*slash = 0;
	r = make_dirs(full, start, each, err);
	*slash = '/';
	if (r < 0)
		return r;
	if (mkdir(full, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	return each ? each(full, err) : 0;
}

int runtime__cgroup_mkdirs(const char *mount, const char *path,
			   int (*each)(const char *dir, struct err *err), struct err *err)
{
	/* Another container of the project may be the last to go just now, and take the parents
	 * with it. */
	for (int attempt = 0;; attempt++) {
		cleanup_free char *full = xasprintf("%s/%s", mount, path);
		int r = make_dirs(full, strlen(mount) + 1, each, err);
		if (r == 0 || err->no)
			return r;
		if (r != -ENOENT || attempt > 20)
			return err_sys(err, -r, "make the control group '%s'", full);
	}
}

/* Calls fn for the directory and all below it, the deepest first. */
static void walk(const char *dir, int depth, void (*fn)(const char *dir, void *data), void *data)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err ignored = ERR_INIT;
	struct stat st;

	if (depth > DEPTH_MAX || stat(dir, &st) < 0)
		return;
	/* A directory with two links has no directories below it. */
	if (st.st_nlink > 2 && fs_list(AT_FDCWD, dir, &names, &ignored) == 0) {
		for (size_t i = 0; i < names.n; i++) {
			cleanup_free char *below = xasprintf("%s/%s", dir, names.v[i]);
			if (lstat(below, &st) == 0 && S_ISDIR(st.st_mode))
				walk(below, depth + 1, fn, data);
		}
	}
	fn(dir, data);
}

static void add_pids(const char *dir, void *data)
{
	struct runtime_pids *out = data;
	cleanup_str struct str text = STR_INIT;

	runtime__cgroup_read_text(dir, "cgroup.procs", &text);
	for (const char *p = str_text(&text); *p;) {
		vec_push(&out->pids, (pid_t)leading_number(p));
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
}

void runtime__cgroup_pids(const char *dir, struct runtime_pids *out)
{
	walk(dir, 0, add_pids, out);
}

static void remove_dir(const char *dir, void *data)
{
	int *result = data;

	if (rmdir(dir) < 0 && errno != ENOENT)
		*result = -errno;
}

/* --- a container's life --- */

static int create(struct cgroup *cg, struct err *err)
{
	struct device_rules rules = { 0 };
	int r;

	if ((r = runtime__device_rules(cg->spec, &rules, err)) == 0 &&
	    (r = cg->ops->create(cg, err)) == 0 && (r = cg->ops->apply(cg, err)) == 0 &&
	    (r = cg->ops->apply_pids(cg, 1, err)) == 0) /* the intermediate */
		r = cg->ops->devices(cg, &rules, err);
	vec_done(&rules.rules);
	return r;
}

int runtime__cgroup_create(const struct spec *spec, struct cgroup **ret, struct err *err)
{
	struct cgroup *cg = runtime__cgroup_new(spec, NULL);
	int r = create(cg, err);

	if (r == 0)
		r = runtime__cgroup_open(cg, err);
	if (r < 0) {
		struct err ignored = ERR_INIT;
		(void)runtime__cgroup_remove(cg,
					     &ignored); /* the first failure is the one to tell */
		err_done(&ignored);
		runtime__cgroup_free(cg);
		return r;
	}
	*ret = cg;
	return 0;
}

int runtime__cgroup_started(struct cgroup *cg, struct err *err)
{
	return cg->ops->apply_pids(cg, 0, err);
}

int runtime__cgroup_open(struct cgroup *cg, struct err *err)
{
	if (!cg->host->v2)
		return 0;
	cg->fd = fs_open(AT_FDCWD, cg->dirs.v[0], O_RDONLY | O_DIRECTORY, 0, err);
	return cg->fd < 0 ? cg->fd : 0;
}

int runtime__cgroup_fd(const struct cgroup *cg)
{
	return cg->fd;
}

/* Through `tasks`: a thread that moves only itself does not wait for a grace period, as a move
 * through cgroup.procs does. */
int runtime__cgroup_join(const struct cgroup *cg)
{
	if (cg->host->v2)
		return 0;
	for (size_t i = 0; i < cg->dirs.n; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/tasks", cg->dirs.v[i]);
		cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) < 0)
			return -errno;
	}
	return 0;
}

int runtime__cgroup_apply(struct cgroup *cg, struct err *err)
{
	int r = cg->ops->apply(cg, err);

	return r < 0 ? r : cg->ops->apply_pids(cg, 0, err);
}

/* A group is busy for a moment after its last process has been reaped. */
static int remove_all(struct cgroup *cg)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int r = 0;

	for (int attempt = 0; attempt < 500; attempt++) {
		r = 0;
		for (size_t i = 0; i < cg->dirs.n; i++)
			walk(cg->dirs.v[i], 0, remove_dir, &r);
		if (r != -EBUSY)
			return r;
		nanosleep(&pause, NULL);
	}
	return r;
}

/* stave/<project> and stave, when this was the last in them. Every container is in every hierarchy,
 * but for the optional ones: what holds one of them holds the others. */
static void remove_parents(const struct cgroup *cg)
{
	bool held = false;

	if (!str_empty(cg->spec->cgroup_parent))
		return;
	for (size_t i = 0; i < cg->dirs.n; i++) {
		bool optional =
			!cg->host->v2 && cg->host->hierarchies.v[cg->dir_indexes.v[i]].optional;
		if (held && !optional)
			continue;
		cleanup_free char *project = path_dir(cg->dirs.v[i]);
		cleanup_free char *ours = path_dir(project);
		if (rmdir(project) == 0 || errno == ENOENT)
			(void)rmdir(ours); /* other projects keep it */
		else if (!optional)
			held = true;
	}
}

/* Mostly nothing is in it any more, and below it. */
static bool remove_empty(const struct cgroup *cg)
{
	bool gone = true;

	for (size_t i = 0; i < cg->dirs.n; i++)
		gone &= rmdir(cg->dirs.v[i]) == 0 || errno == ENOENT;
	return gone;
}

int runtime__cgroup_remove(struct cgroup *cg, struct err *err)
{
	struct runtime_pids pids = { 0 };
	int r;

	if (remove_empty(cg)) {
		remove_parents(cg);
		return 0;
	}

	for (size_t i = 0; i < cg->dirs.n; i++)
		runtime__cgroup_pids(cg->dirs.v[i], &pids);
	if (pids.pids.n) {
		struct err ignored = ERR_INIT;
		(void)cg->ops->kill(cg, SIGKILL, &ignored); /* rmdir tells when it did not work */
		err_done(&ignored);
	}
	vec_done(&pids.pids);
	r = remove_all(cg);
	if (r < 0)
		return err_sys(err, -r, "remove the control group '%s'", cg->path);
	remove_parents(cg);
	return 0;
}

/* --- the room's face --- */

#define cleanup_cgroup cleanup(cgroup_cleanup)
static void cgroup_cleanup(struct cgroup **cg)
{
	runtime__cgroup_free(*cg);
}

int runtime_kill_all(const struct spec *spec, int signo, struct err *err)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);

	return cg->ops->kill(cg, signo, err);
}

int runtime_pause(const struct spec *spec, bool pause, struct err *err)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);

	return cg->ops->freeze(cg, pause, err);
}

bool runtime_paused(const struct spec *spec)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);

	return cg->ops->frozen(cg);
}

int runtime_update(const struct spec *spec, struct err *err)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);

	return runtime__cgroup_apply(cg, err);
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

int runtime_pids(const struct spec *spec, struct runtime_pids *ret, struct err *err)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);
	struct runtime_pids pids = { 0 };

	(void)err;
	if (cg->dirs.n)
		runtime__cgroup_pids(cg->dirs.v[0], &pids);
	if (pids.pids.n)
		qsort(pids.pids.v, pids.pids.n, sizeof(pid_t), compare_pids);
	memcpy(ret, &pids, sizeof(pids));
	return 0;
}

int runtime_stats(const struct spec *spec, struct runtime_stats *ret, struct err *err)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);

	*ret = (struct runtime_stats){ 0 };
	return cg->dirs.n ? cg->ops->stats(cg, ret, err) : 0;
}

int runtime_cleanup(const struct spec *spec, struct err *err)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);

	return runtime__cgroup_remove(cg, err);
}
