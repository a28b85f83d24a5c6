#include "cli/watching.h"

#include "base/fs.h"
#include "cli/apply.h"
#include "cli/build-service.h"
#include "cli/copy.h"
#include "cli/develop.h"
#include "cli/filewatch.h"
#include "cli/image-use.h"
#include "cli/interrupt.h"
#include "engine/service-name.h"
#include "runtime/runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct watching {
	struct cli *cli;
	const struct watching_options *options;
	struct develop develop;
	int interrupt_fd;
};

int watching_protect(struct err *err)
{
	return build_services_protect(err);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* --- sync --- */

/* The running replicas of a service. */
static int find_running(struct cli *cli, const char *service, struct containers *ret,
			struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	int r = state_containers_of(&cli->paths, cli->project_name, service, &found, err);
	if (r < 0)
		return r;
	vec_each(c, &found.items) {
		if ((*c)->oneoff || (*c)->state != CONTAINER_RUNNING)
			continue;
		vec_push(&ret->items, *c);
		*c = NULL;
	}
	return 0;
}

static int sync_into(struct cli *cli, const struct container *c, const char *base,
		     const char *target, const struct strv *files, const struct strv *gone,
		     struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	cleanup_fd int root = FD_NONE, userns = FD_NONE;
	int r = state_spec_load(&cli->paths, c, &spec, err);
	if (r == 0 && spec.idmap.count) {
		cleanup_free char *path = xasprintf("/proc/%d/ns/user", c->pid);
		userns = open(path, O_RDONLY | O_CLOEXEC);
		if (userns < 0)
			return err_sys(err, errno, "open the user namespace of '%s'", c->name);
	}
	if (r == 0)
		r = runtime_open_root(c->pid, c->start_time, &root, err);
	if (r < 0)
		return r;
	const struct copy_end to = { .root = root, .userns = userns, .path = target };
	return copy_sync(base, files, gone, &to, err);
}

static int sync_service(struct watching *w, const struct develop_rule *rule,
			const struct strv *files, const struct strv *gone, struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_free char *base = rule->file ? path_dir(rule->path) : xstrdup(rule->path);
	cleanup_free char *clean = path_clean(rule->target);
	cleanup_free char *target = rule->file ? path_dir(clean) : xstrdup(clean);
	int r = find_running(w->cli, rule->service->name, &found, err);
	vec_each(c, &found.items)
		if (r == 0)
			r = sync_into(w->cli, *c, base, target, files, gone, err);
	return r;
}

/* A file of another name in the container than here is copied under that. */
static bool renames(const struct develop_rule *rule)
{
	cleanup_free char *clean = path_clean(rule->target);
	return rule->file && strcmp(path_base(clean), path_base(rule->path)) != 0;
}

static int sync_renamed(struct watching *w, const struct develop_rule *rule, struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_free char *dir = NULL, *clean = path_clean(rule->target);
	char temp[] = "/tmp/stave-sync-XXXXXX";
	cleanup_strv struct strv files = { 0 }, none = { 0 };
	cleanup_str struct str text = STR_INIT;
	enum { FILE_MAX = 64 << 20 };
	int r = find_running(w->cli, rule->service->name, &found, err);
	if (r == 0)
		r = fs_read(AT_FDCWD, rule->path, FILE_MAX, &text, err);
	if (r < 0)
		return r;
	if (!mkdtemp(temp))
		return err_sys(err, errno, "make a directory in /tmp");
	cleanup_fd int fd = open(temp, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = fs_write_atomic(fd, path_base(clean), str_text(&text), text.len, 0644, 0, err);
	strv_add(&files, path_base(clean));
	dir = path_dir(clean);
	vec_each(c, &found.items)
		if (r == 0)
			r = sync_into(w->cli, *c, temp, dir, &files, &none, err);
	(void)fs_remove_tree(AT_FDCWD, temp, &(struct err){ 0 });
	return r;
}

/* --- the other actions --- */

static void exec_environment(const json_t *exec, struct strv *env)
{
	const char *key;
	json_t *value;
	json_object_foreach(json_object_get(exec, "environment"), key, value)
		if (json_is_string(value))
			env_set(env, key, json_string_value(value));
}

static int exec_in(struct cli *cli, const struct container *c, const json_t *exec, struct err *err)
{
	cleanup(runtime_child_done) struct runtime_child child = RUNTIME_CHILD_NONE;
	cleanup_strv struct strv args = { 0 }, env = { 0 };
	int status;
	json_strv(exec, "command", &args);
	exec_environment(exec, &env);
	const struct exec_options options = {
		.args = args,
		.env = env,
		.user = json_str(exec, "user", NULL),
		.workdir = json_str(exec, "working_dir", NULL),
		.privileged = json_flag(exec, "privileged", false),
		.stdio = { FD_NONE, STDOUT_FILENO, STDERR_FILENO },
	};
	int r = engine_exec(&cli->paths, c, &options, &child, err);
	if (r == 0)
		r = runtime_start_result(child.status_fd, err);
	if (r < 0)
		return r;
	if (waitpid(child.pid, &status, 0) < 0)
		return err_sys(err, errno, "wait for the command");
	if (status)
		return err_new(err, ERR_CONTAINER, ECANCELED, "the command in '%s' failed: %d",
			       c->name,
			       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}

static int exec_service(struct watching *w, const struct develop_rule *rule, struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	int r = find_running(w->cli, rule->service->name, &found, err);
	vec_each(c, &found.items)
		if (r == 0)
			r = exec_in(w->cli, *c, rule->exec, err);
	return r;
}

static int restart_service(struct watching *w, const char *service, struct err *err)
{
	cleanup_strv struct strv services = strv_split(service, '\0');
	const struct goal goal = { .kind = GOAL_RESTART, .services = services, .no_deps = true };
	int r = apply_goal(w->cli, &goal, err);
	if (r == 0)
		say("service(s) [\"%s\"] restarted", service);
	return r;
}

/* An image that nobody has a name for any more, and no container. */
static void drop_image(struct watching *w, struct image_store *store, const char *id)
{
	cleanup(image_use_done) struct image_use use = { 0 };
	cleanup_image struct image image = { 0 };
	cleanup_strv struct strv untagged = { 0 }, deleted = { 0 };
	cleanup_err struct err none = ERR_INIT; /* it stays until it is pruned */
	if (image_find(store, id, &image, &none) < 0 || image.names.n ||
	    image_use_load(w->cli, &use, &none) < 0)
		return;
	for (size_t i = 0; i < use.containers.n; i++)
		if (str_starts(use.containers.v[i], id))
			return;
	(void)image_remove(store, id, false, &use.layers, &untagged, &deleted, &none);
}

static int rebuild_service(struct watching *w, const struct service *s, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_strv struct strv services = strv_split(s->name, '\0');
	cleanup_free char *name = service_image_name(w->cli->project, s), *before = NULL;
	cleanup_err struct err none = ERR_INIT;
	const struct service *list[] = { s, NULL };
	const struct build_wish wish = { .quiet = w->options->quiet };
	const struct goal goal = {
		.kind = GOAL_UP, .services = services, .no_deps = true, .force_recreate = true
	};
	say("Rebuilding service(s) [\"%s\"] after changes were detected...", s->name);
	int r = cli_image_store(w->cli, &store, err);
	if (r < 0)
		return r;
	(void)image_id(store, name, &before, NULL, &none);
	r = build_services(w->cli, store, list, &wish, NULL, err);
	if (r == 0)
		say("service(s) [\"%s\"] successfully built", s->name);
	if (r == 0)
		r = apply_goal(w->cli, &goal, err);
	if (r == 0 && w->options->prune && before)
		drop_image(w, store, before);
	return r;
}

/* --- a batch of changes --- */

/* What one rule has to do with the changed paths. */
static int apply_rule(struct watching *w, const struct develop_rule *rule,
		      const struct strv *changed, bool *ret_restart, struct err *err)
{
	cleanup_strv struct strv files = { 0 }, gone = { 0 };
	struct stat st;
	int r = 0;
	for (size_t i = 0; i < changed->n; i++) {
		const char *name = develop_match(&w->develop, rule, changed->v[i]);
		if (!name)
			continue;
		bool there = lstat(changed->v[i], &st) == 0;
		if (!there || !S_ISDIR(st.st_mode))
			strv_add(there ? &files : &gone, name);
	}
	if (!files.n && !gone.n)
		return 0;
	if (rule->actions & DEVELOP_SYNC) {
		say("Syncing service \"%s\" after %zu changes were detected", rule->service->name,
		    files.n + gone.n);
		r = renames(rule) && files.n ? sync_renamed(w, rule, err)
					     : sync_service(w, rule, &files, &gone, err);
	}
	if (r == 0 && (rule->actions & DEVELOP_EXEC))
		r = exec_service(w, rule, err);
	*ret_restart = *ret_restart || (r == 0 && (rule->actions & DEVELOP_RESTART));
	return r;
}

static bool needs_rebuild(const struct watching *w, const struct service *s,
			  const struct strv *changed)
{
	vec_each(rule, &w->develop.rules)
		for (size_t i = 0; rule->service == s && i < changed->n; i++)
			if ((rule->actions & DEVELOP_REBUILD) &&
			    develop_match(&w->develop, rule, changed->v[i]))
				return true;
	return false;
}

/* A rebuild brings everything along; else its rules one after the other, and one restart. */
static int apply_service(struct watching *w, const struct service *s, const struct strv *changed,
			 struct err *err)
{
	bool restart = false;
	int r = 0;
	if (needs_rebuild(w, s, changed))
		return rebuild_service(w, s, err);
	vec_each(rule, &w->develop.rules)
		if (r == 0 && rule->service == s)
			r = apply_rule(w, rule, changed, &restart, err);
	return r == 0 && restart ? restart_service(w, s->name, err) : r;
}

/* What fails is told; Ctrl-C in between is -ECANCELED. */
static int apply_batch(struct watching *w, const struct strv *changed, struct err *err)
{
	const struct service *last = NULL;
	vec_each(rule, &w->develop.rules) {
		cleanup_err struct err why = ERR_INIT;
		if (rule->service == last) /* the rules lie service by service */
			continue;
		last = rule->service;
		if (apply_service(w, last, changed, &why) == 0)
			continue;
		if (why.kind == ERR_CANCELLED)
			return err_move(err, &why);
		if (why.msg)
			cli_warn(w->cli, "service '%s': %s", last->name, why.msg);
	}
	return 0;
}

/* --- the start --- */

static void list_files(const struct watching *w, const char *path, unsigned depth, struct strv *ret)
{
	enum { DEPTH_MAX = 100 };
	DIR *dir = depth < DEPTH_MAX && develop_wants_dir(&w->develop, path) ? opendir(path) : NULL;
	const struct dirent *e;
	if (!dir)
		return;
	while ((e = readdir(dir))) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		cleanup_free char *below = path_join(path, e->d_name);
		if (lstat(below, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			list_files(w, below, depth + 1, ret);
		else
			strv_add(ret, below);
	}
	closedir(dir);
}

/* Rules that ask for it bring what is there already; their restarts and commands wait for changes.
 */
static int initial_sync(struct watching *w, struct err *err)
{
	vec_each(rule, &w->develop.rules) {
		cleanup_strv struct strv files = { 0 };
		bool restart = false;
		if (!rule->initial_sync || !(rule->actions & DEVELOP_SYNC))
			continue;
		if (rule->file)
			strv_add(&files, rule->path);
		else
			list_files(w, rule->path, 0, &files);
		struct develop_rule only = *rule;
		only.actions = DEVELOP_SYNC;
		int r = apply_rule(w, &only, &files, &restart, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool wants_dir(void *data, const char *path)
{
	const struct watching *w = data;
	return develop_wants_dir(&w->develop, path);
}

static int watch(struct watching *w, struct err *err)
{
	cleanup(filewatch_free_cleanup) struct filewatch *files = NULL;
	int r = filewatch_new(wants_dir, w, &files, err);
	vec_each(rule, &w->develop.rules)
		if (r == 0)
			r = filewatch_add(files, rule->path, err);
	if (r == 0)
		r = initial_sync(w, err);
	if (r < 0)
		return r;
	say("Watch enabled");
	for (;;) {
		cleanup_strv struct strv changed = { 0 };
		r = filewatch_wait(files, w->interrupt_fd, &changed, err);
		if (r < 0 || !changed.n)
			return r;
		r = apply_batch(w, &changed, err);
		if (r < 0)
			return r;
	}
}

int watching_check(struct cli *cli, const struct strv *services, struct err *err)
{
	cleanup_develop struct develop develop = { 0 };
	return develop_load(cli->project, services, &develop, err);
}

int watching_run(struct cli *cli, const struct strv *services,
		 const struct watching_options *options, struct err *err)
{
	struct watching w = { .cli = cli, .options = options, .interrupt_fd = FD_NONE };
	int r = develop_load(cli->project, services, &w.develop, err);
	for (size_t i = 0; i < w.develop.warnings.n; i++)
		cli_warn(cli, "%s", w.develop.warnings.v[i]);
	if (r == 0)
		r = interrupt_open(&w.interrupt_fd, err);
	if (r == 0)
		r = watch(&w, err);
	fd_close(w.interrupt_fd);
	develop_done(&w.develop);
	if (r < 0 && err->kind == ERR_CANCELLED) {
		err_done(err);
		return 0;
	}
	return r;
}
