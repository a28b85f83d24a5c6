#include "cli/provider.h"

#include "cli/progress.h"

#include <ctype.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { LINE_BYTES = 1 << 20, OPTIONS_MAX = 1000 };

/* --- the program --- */

/* A plugin of Docker's, or a program in PATH. Owned; NULL: neither. */
static char *find_program(const char *type)
{
	static const char *const places[] = { "/usr/local/lib/docker/cli-plugins",
					      "/usr/local/libexec/docker/cli-plugins",
					      "/usr/lib/docker/cli-plugins",
					      "/usr/libexec/docker/cli-plugins" };
	const char *home = getenv("HOME"), *config = getenv("DOCKER_CONFIG"),
		   *path = getenv("PATH");
	cleanup_strv struct strv tries = { 0 };
	if (config || home)
		strv_addf(&tries, "%s%s/cli-plugins/docker-%s", config ? config : home,
			  config ? "" : "/.docker", type);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		strv_addf(&tries, "%s/docker-%s", places[i], type);
	cleanup_strv struct strv dirs = strv_split(path ? path : "/usr/bin:/bin", ':');
	for (size_t i = 0; i < dirs.n; i++)
		if (*dirs.v[i] == '/')
			strv_addf(&tries, "%s/%s", dirs.v[i], type);
	for (size_t i = 0; i < tries.n; i++)
		if (access(tries.v[i], X_OK) == 0)
			return xstrdup(tries.v[i]);
	return NULL;
}

static void add_option(struct strv *args, const char *key, const json_t *value)
{
	if (json_is_string(value))
		strv_addf(args, "--%s=%s", key, json_string_value(value));
	else if (json_is_boolean(value))
		strv_addf(args, "--%s=%s", key, json_is_true(value) ? "true" : "false");
	else if (json_is_integer(value))
		strv_addf(args, "--%s=%lld", key, (long long)json_integer_value(value));
	else if (json_is_real(value))
		strv_addf(args, "--%s=%g", key, json_real_value(value));
}

static void make_arguments(struct cli *cli, const struct service *s, const char *program,
			   const char *verb, struct strv *args)
{
	const json_t *options = json_object_get(s->provider, "options"), *item;
	const char *key;
	json_t *value;
	size_t i;
	strv_add(args, program);
	strv_add(args, "compose");
	strv_addf(args, "--project-name=%s", cli->project_name);
	strv_add(args, verb);
	json_object_foreach((json_t *)options, key, value) {
		if (args->n > OPTIONS_MAX)
			break;
		if (!json_is_array(value))
			add_option(args, key, value);
		json_array_foreach(value, i, item)
			add_option(args, key, item);
	}
	strv_add(args, s->name);
}

static int start(struct cli *cli, const struct strv *args, pid_t *ret_pid, int *ret_fd,
		 struct err *err)
{
	cleanup_strv struct strv env = { 0 };
	posix_spawn_file_actions_t actions;
	int pipes[2];
	for (char **e = environ; *e; e++)
		if (!str_starts(*e, "COMPOSE_PROJECT_NAME="))
			strv_add(&env, *e);
	strv_addf(&env, "COMPOSE_PROJECT_NAME=%s", cli->project_name);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
	int r = posix_spawn(ret_pid, args->v[0], &actions, NULL, args->v, env.v);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (r != 0) {
		close(pipes[0]);
		return err_sys(err, r, "run '%s'", args->v[0]);
	}
	*ret_fd = pipes[0];
	return 0;
}

/* --- what it says --- */

struct talk {
	const struct service *service;
	struct progress *progress;
	struct strv variables; /* "URL=..." */
	char *error;
};

static int hear(struct talk *t, const char *line, size_t len, struct err *err)
{
	cleanup_json json_t *j = NULL;
	int r = json_parse(line, len, "its message", &j, err);
	if (r < 0)
		return err_wrap(err, "the provider of '%s'", t->service->name);
	const char *type = json_str(j, "type", ""), *message = json_str(j, "message", "");
	if (str_eq(type, "info")) {
		progress_step(t->progress, t->service->name, "start", message);
	} else if (str_eq(type, "error")) {
		free(t->error);
		t->error = xstrdup(message);
	} else if (str_eq(type, "setenv")) {
		if (*message == '=' || !strchr(message, '='))
			return err_input(err, "the provider of '%s': '%.200s' is no variable",
					 t->service->name, message);
		strv_add(&t->variables, message);
	} else if (!str_eq(type, "debug")) {
		return err_input(err, "the provider of '%s': its message is of the kind '%.64s'",
				 t->service->name, type);
	}
	return 0;
}

static int listen_to(struct talk *t, int fd, struct err *err)
{
	cleanup_str struct str text = STR_INIT_MAX(LINE_BYTES);
	char buf[4096];
	ssize_t n;
	int r = 0;
	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "listen to the provider of '%s'",
				       t->service->name);
		for (ssize_t i = 0; i < n && r == 0; i++) {
			if (buf[i] != '\n') {
				str_addc(&text, buf[i]);
				continue;
			}
			if (text.len)
				r = hear(t, str_text(&text), text.len, err);
			str_clear(&text);
		}
		if (r == 0 && str_overflowed(&text))
			r = err_input(err, "the provider of '%s' says too much at once",
				      t->service->name);
		if (r < 0)
			return r;
	}
	return text.len ? hear(t, str_text(&text), text.len, err) : 0;
}

static int run(struct cli *cli, const struct service *s, const char *verb, struct talk *t,
	       struct err *err)
{
	const char *type = json_str(s->provider, "type", "");
	cleanup_free char *program = *type && !strchr(type, '/') ? find_program(type) : NULL;
	cleanup_strv struct strv args = { 0 };
	pid_t pid;
	int fd, status = 0;
	if (!program)
		return err_not_found(err,
				     "service '%s': there is no provider '%s': neither a plugin "
				     "'docker-%s' nor in PATH",
				     s->name, type, type);
	make_arguments(cli, s, program, verb, &args);
	int r = start(cli, &args, &pid, &fd, err);
	if (r < 0)
		return r;
	r = listen_to(t, fd, err);
	close(fd); /* one that is not listened to any more ends by it */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (t->error)
		return err_new(err, ERR_CONTAINER, EIO, "service '%s': %s", s->name, t->error);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_new(err, ERR_CONTAINER, EIO,
			       "service '%s': its provider '%s' ended with %d", s->name, type,
			       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}

/* --- its dependents --- */

static void set_variable(struct service *s, const char *prefix, const char *variable)
{
	cleanup_free char *text = xasprintf("%s_%s", prefix, variable);
	size_t name = (size_t)(strchr(text, '=') - text);
	for (size_t i = s->environment.n; i-- > 0;)
		if (strncmp(s->environment.v[i], text, name + 1) == 0)
			strv_remove(&s->environment, i);
	strv_add(&s->environment, text);
	json_t *shown = json_object_get(s->canonical, "environment");
	if (!json_is_object(shown)) {
		shown = json_object();
		json_put(s->canonical, "environment", shown);
	}
	cleanup_free char *key = xstrndup(text, name);
	json_put_str(shown, key, text + name + 1);
}

static void tell_dependents(struct project *project, const struct talk *t)
{
	cleanup_free char *prefix = xstrdup(t->service->name);
	for (char *c = prefix; *c; c++)
		*c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
	vec_each(s, &project->services) {
		bool depends = false;
		vec_each(d, &s->depends_on)
			depends |= str_eq(d->service, t->service->name);
		for (size_t i = 0; depends && i < t->variables.n; i++)
			set_variable(s, prefix, t->variables.v[i]);
	}
}

/* There is no container to be waited for. */
static void drop_edges(struct project *project)
{
	vec_each(s, &project->services) {
		for (size_t i = s->depends_on.n; i-- > 0;) {
			const struct service *to =
				project_service(project, s->depends_on.v[i].service);
			if (!to || !to->provider)
				continue;
			free(s->depends_on.v[i].service);
			vec_remove(&s->depends_on, i);
		}
	}
}

/* --- all of them --- */

static int run_all(struct cli *cli, const struct strv *services, bool deps, const char *verb,
		   const char *begins, const char *ends, struct err *err)
{
	cleanup_free const struct service **list = cli_services(cli->project, services, deps);
	struct progress *progress = NULL;
	int r = 0;
	for (size_t i = 0; list[i] && r == 0; i++) {
		const struct service *s = list[i];
		struct talk t = { .service = s };
		if (!s->provider)
			continue;
		if (!progress)
			progress = progress_new(cli, 0);
		t.progress = progress;
		progress_step(progress, s->name, "start", begins);
		if (!cli->global.dry_run)
			r = run(cli, s, verb, &t, err);
		progress_step(progress, s->name, r < 0 ? "error" : "done", r < 0 ? "Error" : ends);
		if (r == 0)
			tell_dependents(cli->project, &t);
		strv_done(&t.variables);
		free(t.error);
	}
	progress_done(progress);
	return r;
}

int provider_up(struct cli *cli, const struct strv *services, bool no_deps, struct err *err)
{
	int r = run_all(cli, services, !no_deps, "up", "Creating", "Created", err);
	if (r == 0)
		drop_edges(cli->project);
	return r;
}

int provider_down(struct cli *cli, const struct strv *services, struct err *err)
{
	return cli->project ? run_all(cli, services, false, "down", "Removing", "Removed", err) : 0;
}
