/* The process of a container: what runs, as whom, with which rights. */
#include "base/fs.h"
#include "base/parse.h"
#include "engine/service-impl.h"
#include "runtime/caps.h"

#include <fcntl.h>
#include <sys/resource.h>

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { SECCOMP_PROFILE_MAX = 4 << 20 };

/* The image's command belongs to the image's entrypoint: one given here drops it. An empty
 * entrypoint only takes the image's away. */
static int set_args(struct making *m, struct err *err)
{
	const struct image_config *image = &m->x->image->config;
	const struct oneoff *o = m->oneoff;
	const struct command *entrypoint = &m->service->entrypoint, *command = &m->service->command;
	struct strv *args = &m->spec->process.args;
	bool dropped = false;
	if (o && o->entrypoint.set) {
		entrypoint = &o->entrypoint;
		dropped = true; /* the service's command was meant for its own entrypoint */
	}
	if (o && o->command.set) {
		command = &o->command;
		dropped = false;
	}
	strv_copy(args, entrypoint->set ? &entrypoint->args : &image->entrypoint);
	if (command->set && !dropped)
		strv_copy(args, &command->args);
	else if (!dropped && (!entrypoint->set || entrypoint->args.n == 0))
		strv_copy(args, &image->cmd);
	if (args->n == 0)
		return service__bad(
			m, NULL, err,
			"nothing to run: neither the image nor the service says a command");
	strv_copy(&m->c->command, args);
	return 0;
}

static int set_env(struct making *m, struct err *err)
{
	struct strv *env = &m->spec->process.env;
	env_set(env, "PATH", PATH_DEFAULT);
	if (m->c->hostname)
		env_set(env, "HOSTNAME", m->c->hostname);
	if (m->c->tty)
		env_set(env, "TERM", "xterm");
	const struct strv *const sources[] = {
		&m->x->image->config.env,
		&m->service->environment,
		m->oneoff ? &m->oneoff->env : NULL,
	};
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		for (size_t k = 0; sources[i] && k < sources[i]->n; k++) {
			if (strchr(sources[i]->v[k], '='))
				env_put(env, sources[i]->v[k]);
		}
	}
	return 0;
}

static const char *first_text(const char *a, const char *b, const char *c)
{
	return !str_empty(a) ? a : !str_empty(b) ? b : c;
}

static int set_user(struct making *m, struct err *err)
{
	struct spec_process *p = &m->spec->process;
	const struct oneoff *o = m->oneoff;
	const struct image_config *image = &m->x->image->config;
	const char *cwd =
		first_text(o ? o->workdir : NULL, m->service->working_dir, image->working_dir);
	p->user = xstrdup(first_text(o ? o->user : NULL, m->service->user, image->user));
	if (!str_empty(cwd) && *cwd != '/')
		return service__bad(m, NULL, err, "working directory '%s' is not an absolute path",
				    cwd);
	p->cwd = str_empty(cwd) ? NULL : path_clean(cwd);
	strv_copy(&p->groups, &m->service->group_add);
	p->tty = m->c->tty;
	p->has_oom_score_adj = m->service->has_oom_score_adj;
	p->oom_score_adj = m->service->oom_score_adj;
	return service__check_line(m, "user", p->user, err);
}

/* --- capabilities --- */

static bool is_all(const char *name)
{
	return strcasecmp(name, "ALL") == 0 || strcasecmp(name, "CAP_ALL") == 0;
}

/* ORs the named ones into *ret; *ret_all tells of ALL among them. */
static int parse_caps(const struct making *m, const struct strv *names, uint64_t *ret,
		      bool *ret_all, struct err *err)
{
	for (size_t i = 0; i < names->n; i++) {
		if (is_all(names->v[i])) {
			*ret_all = true;
			continue;
		}
		int cap = caps_parse(names->v[i]);
		if (cap < 0)
			return service__bad(m, NULL, err, "'%s' is not a capability", names->v[i]);
		*ret |= (uint64_t)1 << cap;
	}
	return 0;
}

/* Docker's order: ALL added wins over everything but single drops; ALL dropped leaves what is
 * added; else what is added wins over what is dropped. */
static int set_caps(struct making *m, struct err *err)
{
	uint64_t add = 0, drop = 0;
	bool add_all = m->service->privileged, drop_all = false;
	int r = parse_caps(m, &m->service->cap_add, &add, &add_all, err);
	if (r == 0)
		r = parse_caps(m, &m->service->cap_drop, &drop, &drop_all, err);
	if (r == 0 && m->oneoff)
		r = parse_caps(m, &m->oneoff->cap_add, &add, &add_all, err);
	if (r == 0 && m->oneoff)
		r = parse_caps(m, &m->oneoff->cap_drop, &drop, &drop_all, err);
	if (r < 0)
		return r;
	uint64_t *caps = &m->spec->process.caps;
	if (m->service->privileged)
		*caps = caps_all();
	else if (add_all)
		*caps = caps_all() & ~drop;
	else if (drop_all)
		*caps = add;
	else
		*caps = (caps_default() & ~drop) | add;
	return 0;
}

/* --- security options --- */

static int set_seccomp(struct making *m, const char *value, struct err *err)
{
	if (str_eq(value, "unconfined")) {
		m->spec->seccomp = SPEC_SECCOMP_UNCONFINED;
		return 0;
	}
	if (str_eq(value, "builtin"))
		return 0;
	cleanup_free char *path = path_join(m->x->project->working_dir, value);
	cleanup_str struct str text = STR_INIT_MAX(SECCOMP_PROFILE_MAX);
	int r = fs_read(AT_FDCWD, path, SECCOMP_PROFILE_MAX, &text, err);
	if (r < 0)
		return err_wrap(err, "service '%s': seccomp profile", m->service->name);
	m->spec->seccomp = SPEC_SECCOMP_PROFILE;
	free(m->spec->seccomp_profile);
	m->spec->seccomp_profile = str_take(&text);
	return 0;
}

static int set_security(struct making *m, struct err *err)
{
	int r = 0;
	if (m->service->privileged)
		m->spec->seccomp = SPEC_SECCOMP_UNCONFINED;
	for (size_t i = 0; i < m->service->security_opt.n && r == 0; i++) {
		const char *option = m->service->security_opt.v[i];
		size_t len = strcspn(option, "=:");
		cleanup_free char *name = xstrndup(option, len);
		const char *value = option[len] ? option + len + 1 : NULL;
		bool on = true;
		if (str_eq(name, "no-new-privileges")) {
			if (value && parse_bool(value, &on) < 0)
				return service__bad(m, NULL, err, "security_opt '%s'", option);
			m->spec->process.no_new_privs = on;
		} else if (str_eq(name, "seccomp") && value) {
			r = set_seccomp(m, value, err);
		} else if (str_eq(name, "systempaths") && str_eq(value, "unconfined")) {
			m->spec->unmask_paths = true;
		} else if ((str_eq(name, "apparmor") && str_eq(value, "unconfined")) ||
			   (str_eq(name, "label") && str_eq(value, "disable"))) {
			continue; /* nothing confines it that way */
		} else if (str_eq(name, "apparmor") || str_eq(name, "label")) {
			service__warn(m, "security_opt '%s' is not acted on", option);
		} else {
			return service__bad(m, NULL, err, "security_opt '%s' is not known", option);
		}
	}
	return r;
}

/* --- rlimits --- */

static int set_rlimits(struct making *m, struct err *err)
{
	vec_each(u, &m->service->ulimits) {
		int resource = spec_rlimit_resource(u->name);
		if (resource < 0)
			return service__bad(m, NULL, err, "ulimit '%s' is not known", u->name);
		if (u->soft < -1 || u->hard < -1 ||
		    (u->hard >= 0 && (u->soft < 0 || u->soft > u->hard)))
			return service__bad(m, NULL, err,
					    "ulimit '%s': the soft limit is over the hard one",
					    u->name);
		vec_push(&m->spec->process.rlimits,
			 (struct spec_rlimit){
				 .resource = resource,
				 .soft = u->soft < 0 ? RLIM_INFINITY : (uint64_t)u->soft,
				 .hard = u->hard < 0 ? RLIM_INFINITY : (uint64_t)u->hard,
			 });
	}
	return 0;
}

int service__process(struct making *m, struct err *err)
{
	static int (*const parts[])(struct making * m, struct err * err) = {
		set_args, set_env, set_user, set_caps, set_security, set_rlimits,
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r = parts[i](m, err);
		if (r < 0)
			return r;
	}
	return 0;
}
