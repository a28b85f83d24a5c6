#include "build/run.h"

#include "base/fs.h"
#include "build/stubs.h"
#include "runtime/caps.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* As BuildKit calls the machine; programs write it into what they build. */
#define HOSTNAME "buildkitsandbox"
enum { OUTPUT_CHUNK = 65536, HOSTS_MAX = 1 << 20 };

/* --- the spec --- */

static void add_file(struct spec_mount *files, const char *target, struct str *text)
{
	struct spec_file *f = vec_add(&files->files);

	f->len = text->len;
	f->target = xstrdup(target);
	f->data = str_take(text);
	f->mode = 0644;
}

static int add_hosts(const struct run *run, struct spec_mount *files, struct err *err)
{
	cleanup_str struct str text = STR_INIT_MAX(HOSTS_MAX);
	size_t n = run->extra_hosts ? run->extra_hosts->n : 0;

	str_add(&text, "127.0.0.1\tlocalhost " HOSTNAME "\n"
		       "::1\tlocalhost ip6-localhost ip6-loopback\n");
	for (size_t i = 0; i < n; i++) {
		const char *entry = run->extra_hosts->v[i];
		size_t name = strcspn(entry, "=:");
		const char *address = entry + name + (entry[name] != '\0');

		if (!name || !*address || strpbrk(entry, "\n\r"))
			return err_input(err, "extra host '%s' is not NAME=ADDRESS", entry);
		if (str_eq(address, "host-gateway"))
			address = run->sandbox->gateway[0] ? run->sandbox->gateway : "127.0.0.1";
		str_addf(&text, "%s\t%.*s\n", address, (int)name, entry);
	}
	add_file(files, "/etc/hosts", &text);
	return 0;
}

/* On a file system in memory, bound over the image's: nothing of it reaches the layer. */
static int add_etc(const struct run *run, struct spec *spec, struct err *err)
{
	cleanup_str struct str resolv = STR_INIT;
	struct spec_mount *files = vec_add(&spec->mounts);
	int r;

	files->type = SPEC_MOUNT_FILES;
	r = add_hosts(run, files, err);
	if (r == 0)
		r = sandbox_resolv(run->sandbox, run->network, &resolv, err);
	if (r == 0)
		add_file(files, "/etc/resolv.conf", &resolv);
	return r;
}

static bool with_user_ns(const struct run *run)
{
	return run->sandbox->idmap.count && run->network != SANDBOX_HOST && !run->insecure;
}

static int make_spec(struct run *run, struct spec *spec, struct err *err)
{
	struct spec_process *p = &spec->process;
	int r;

	spec_init(spec);
	hex_random(spec->id, SPEC_ID_LEN);
	spec->project = xstrdup("build");
	spec->name = xstrdup("build");
	spec->hostname = xstrdup(HOSTNAME);
	work_spec(run->work, spec);
	if (with_user_ns(run))
		spec->idmap = run->sandbox->idmap;
	strv_copy(&p->args, &run->args);
	strv_copy(&p->env, &run->env);
	p->cwd = xstrdup(run->cwd);
	p->user = xstrdup(run->user);
	vec_each(l, &run->rlimits)
		vec_push(&p->rlimits, *l);
	if (run->insecure) {
		spec->privileged = true;
		p->caps = caps_all();
		spec->seccomp = SPEC_SECCOMP_UNCONFINED;
	}
	spec->shm_size = run->shm_size;
	spec->resources.memory = run->memory;
	spec->cgroup_parent = xstrdup(run->cgroup_parent);
	r = add_etc(run, spec, err);
	vec_each(m, &run->mounts)
		vec_push(&spec->mounts, *m);
	vec_done(&run->mounts);
	return r;
}

/* --- mount points --- */

static char **target_of(struct spec *spec, size_t mount, size_t file)
{
	struct spec_mount *m = &spec->mounts.v[mount];

	return m->type == SPEC_MOUNT_FILES ? &m->files.v[file].target : &m->target;
}

static size_t targets_of(const struct spec_mount *m)
{
	return m->type == SPEC_MOUNT_FILES ? m->files.n : 1;
}

/* What the mounts will make in the image; targets that are links to nothing are replaced. */
static int look_at_stubs(const struct run *run, struct spec *spec, struct stubs *stubs,
			 struct err *err)
{
	static const char *const own[] = { "/proc", "/sys", "/dev" };
	cleanup_strv struct strv paths = { 0 };
	cleanup_fd int root = FD_NONE;
	size_t at = 0;
	int r = work_mount(run->work, &root, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < spec->mounts.n; i++)
		for (size_t k = 0; k < targets_of(&spec->mounts.v[i]); k++)
			strv_add(&paths, *target_of(spec, i, k));
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		strv_add(&paths, own[i]);
	r = stubs_look(root, &paths, stubs, err);
	for (size_t i = 0; r == 0 && i < spec->mounts.n; i++)
		for (size_t k = 0; k < targets_of(&spec->mounts.v[i]); k++) {
			char **target = target_of(spec, i, k);

			free(*target);
			*target = xstrdup(paths.v[at++]);
		}
	return r;
}

static int clear_stubs(const struct run *run, const struct stubs *stubs, struct err *err)
{
	cleanup_free char *path = path_join(run->work->dir, "upper");
	cleanup_fd int upper = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, err);

	return upper < 0 ? upper : stubs_clear(stubs, upper, err);
}

/* --- running --- */

struct running {
	struct run *run;
	const struct spec *spec;
	struct loop *loop;
	int pipe; /* read end; FD_NONE after its end */
	struct watch *watch, *end;
	bool ended, killed;
};

static void pass_output(struct watch *w, int fd, uint32_t events, void *data)
{
	struct running *g = data;
	static char buf[OUTPUT_CHUNK];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)events;
	if (n > 0) {
		g->run->output(g->run->data, buf, (size_t)n);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		watch_close(w);
		g->watch = NULL;
		g->pipe = fd_close(g->pipe);
	}
}

static void has_ended(struct watch *w, int fd, uint32_t events, void *data)
{
	struct running *g = data;

	(void)fd;
	(void)events;
	watch_close(w);
	g->end = NULL;
	g->ended = true;
}

/* After the end, what is still in the pipe; a process that outlived its PID namespace's first one
 * does not exist, so the pipe ends. */
static void wait_for_end(struct running *g, int pidfd)
{
	g->watch = loop_watch(g->loop, g->pipe, EPOLLIN, pass_output, g);
	g->end = loop_watch(g->loop, pidfd, EPOLLIN, has_ended, g);
	while (!g->ended || g->pipe >= 0) {
		enum { POLL = 200 };

		loop_once(g->loop, POLL * NSEC_PER_MSEC);
		if (*g->run->cancelled && !g->killed) {
			cleanup_err struct err ignored = ERR_INIT; /* the clean-up kills, too */

			g->killed = true;
			(void)runtime_kill_all(g->spec, SIGKILL, &ignored);
		}
	}
}

static int start(struct run *run, const struct spec *spec, int out, struct runtime_child *child,
		 struct err *err)
{
	struct runtime_start s = { .stdio = { FD_NONE, out, out } };
	int r = sandbox_namespaces(run->sandbox, run->network, &s.ns, err);

	if (r < 0)
		return r;
	if (!with_user_ns(run))
		s.ns.user = FD_NONE;
	r = sandbox_note(run->sandbox, spec->id, err);
	return r < 0 ? r : runtime_start(spec, &s, child, err);
}

static int execute(struct run *run, const struct spec *spec, int *ret_status, struct err *err)
{
	struct runtime_child child = RUNTIME_CHILD_NONE;
	struct running g = { .run = run, .spec = spec, .loop = run->sandbox->loop };
	int out[2], status = 0, r;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	r = start(run, spec, out[1], &child, err);
	fd_close(out[1]);
	g.pipe = out[0];
	if (r == 0) {
		r = runtime_start_result(child.status_fd, err);
		wait_for_end(&g, child.pidfd);
		if (waitpid(child.pid, &status, 0) < 0)
			status = 0xff00; /* cannot be: it is our child */
		*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	fd_close(g.pipe);
	runtime_child_done(&child);
	return r;
}

int run_step(struct run *run, int *ret_status, struct err *err)
{
	cleanup_spec struct spec spec;
	cleanup_stubs struct stubs stubs = { 0 };
	cleanup_err struct err ignored = ERR_INIT;
	struct runtime_namespaces ns;
	/* First the network: /etc/hosts may name its gateway. */
	int r = sandbox_namespaces(run->sandbox, run->network, &ns, err);

	spec_init(&spec);
	if (r == 0) {
		spec_done(&spec);
		r = make_spec(run, &spec, err);
	}
	if (r == 0)
		r = look_at_stubs(run, &spec, &stubs, err);
	if (r == 0) {
		r = execute(run, &spec, ret_status, err);
		(void)runtime_cleanup(&spec, &ignored); /* the number's next owner tries again */
	}
	if (*run->cancelled) {
		err_done(err);
		return err_new(err, ERR_CANCELLED, EINTR, "the build was given up");
	}
	if (r == 0)
		r = clear_stubs(run, &stubs, err);
	return r;
}
