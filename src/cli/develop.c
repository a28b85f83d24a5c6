#include "cli/develop.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Names that editors use while they save, and the repository's own. */
static const char *const ephemeral[] = {
	"**/.git",	    "**/4913",		"**/*~",	"**/.*.swp", "**/.*.swo",
	"**/.*.swx",	    "**/.*.swn",	"**/.#*",	"**/#*#",    "**/*.kate-swp",
	"**/*___jb_tmp___", "**/*___jb_old___", "**/.DS_Store",
};

static const struct {
	const char *name;
	unsigned actions;
} actions[] = {
	{ "rebuild", DEVELOP_REBUILD },
	{ "restart", DEVELOP_RESTART },
	{ "sync", DEVELOP_SYNC },
	{ "sync+exec", DEVELOP_SYNC | DEVELOP_EXEC },
	{ "sync+restart", DEVELOP_SYNC | DEVELOP_RESTART },
};

static void rule_done(struct develop_rule *rule)
{
	free(rule->path);
	free(rule->context);
	ignore_free(rule->ignore);
	ignore_free(rule->include);
	ignore_free(rule->dockerignore);
}

void develop_done(struct develop *develop)
{
	vec_each(rule, &develop->rules)
		rule_done(rule);
	vec_done(&develop->rules);
	ignore_free(develop->ephemeral);
	strv_done(&develop->warnings);
}

/* --- loading --- */

static int load_patterns(const json_t *j, const char *key, struct ignore **ret, struct err *err)
{
	cleanup_strv struct strv patterns = { 0 };
	json_strv(j, key, &patterns);
	return patterns.n ? ignore_new(&patterns, ret, err) : 0;
}

/* A context that is a directory here may have its own list. */
static int load_dockerignore(struct develop_rule *rule, struct err *err)
{
	const char *context = rule->service->build.context;
	cleanup_free char *name = NULL;
	cleanup_err struct err none = ERR_INIT;
	if (!rule->service->build.set || !context || *context != '/')
		return 0;
	cleanup_fd int fd = fs_open(AT_FDCWD, context, O_PATH | O_DIRECTORY, 0, &none);
	if (fd < 0)
		return 0;
	rule->context = path_clean(context);
	return ignore_load(fd, rule->service->build.dockerfile, &rule->dockerignore, &name, err);
}

static bool bound_already(const struct service *s, const char *path)
{
	vec_each(m, &s->mounts)
		if (m->kind == MOUNT_KIND_BIND && m->source && str_starts(path, m->source) &&
		    (path[strlen(m->source)] == '/' || !path[strlen(m->source)]))
			return true;
	return false;
}

static int load_rule(const struct service *s, const json_t *j, struct develop_rule *rule,
		     struct err *err)
{
	struct stat st;
	const char *action = json_str(j, "action", "");
	*rule = (struct develop_rule){
		.service = s,
		.path = path_clean(json_str(j, "path", "")),
		.initial_sync = json_flag(j, "initial_sync", false),
		.exec = json_object_get(j, "exec"),
	};
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(actions[i].name, action) == 0)
			rule->actions = actions[i].actions;
	if (rule->actions & DEVELOP_SYNC)
		rule->target = json_str(j, "target", NULL);
	if ((rule->actions & DEVELOP_REBUILD) && !s->build.set)
		return err_input(err,
				 "service '%s' has no build section: it cannot be rebuilt when "
				 "'%s' changes",
				 s->name, rule->path);
	if ((rule->actions & DEVELOP_EXEC) && !json_object_get(rule->exec, "command"))
		return err_input(err, "service '%s': sync+exec of '%s' needs exec.command", s->name,
				 rule->path);
	if (rule->target && *rule->target != '/')
		return err_input(err, "service '%s': the target '%s' is not an absolute path",
				 s->name, rule->target);
	if (stat(rule->path, &st) < 0)
		return err_sys(err, errno, "service '%s': watch '%s'", s->name, rule->path);
	rule->file = !S_ISDIR(st.st_mode);
	int r = load_patterns(j, "ignore", &rule->ignore, err);
	if (r == 0)
		r = load_patterns(j, "include", &rule->include, err);
	return r == 0 ? load_dockerignore(rule, err) : r;
}

static int load_service(struct develop *develop, const struct service *s, struct err *err)
{
	size_t i;
	json_t *j;
	json_array_foreach(json_object_get(s->develop, "watch"), i, j) {
		struct develop_rule rule = { 0 };
		int r = load_rule(s, j, &rule, err);
		if (r == 0 && rule.target && bound_already(s, rule.path)) {
			strv_addf(&develop->warnings,
				  "service '%s': '%s' is mounted in it already and is not watched",
				  s->name, rule.path);
			rule_done(&rule);
			continue;
		}
		if (r < 0) {
			rule_done(&rule);
			return r;
		}
		vec_push(&develop->rules, rule);
	}
	return 0;
}

int develop_load(const struct project *project, const struct strv *services, struct develop *ret,
		 struct err *err)
{
	cleanup_strv struct strv patterns = { 0 };
	for (size_t i = 0; i < ARRAY_SIZE(ephemeral); i++)
		strv_add(&patterns, ephemeral[i]);
	int r = ignore_new(&patterns, &ret->ephemeral, err);
	vec_each(s, &project->services)
		if (r == 0 && (!services->n || strv_has(services, s->name)))
			r = load_service(ret, s, err);
	if (r == 0 && !ret->rules.n && !ret->warnings.n)
		return err_input(err, "none of the selected services is configured for watch: see "
				      "'develop' in the Compose specification");
	return r;
}

/* --- matching --- */

/* What of path lies beneath base: "" for itself, NULL for what is elsewhere. */
static const char *beneath(const char *path, const char *base)
{
	const char *rest = strcmp(base, "/") == 0 ? path : str_after(path, base);
	if (!rest || (*rest && *rest != '/'))
		return NULL;
	return *rest ? rest + 1 : rest;
}

static bool ignored(const struct ignore *ignore, const char *base, const char *path)
{
	const char *name = ignore && base ? beneath(path, base) : NULL;
	return name && *name && ignore_path(ignore, name);
}

const char *develop_match(const struct develop *develop, const struct develop_rule *rule,
			  const char *path)
{
	const char *name = beneath(path, rule->path), *slash = strrchr(path, '/');
	if (!name || (!*name && !rule->file))
		return NULL;
	if (!*name)
		name = slash + 1;
	if (ignore_path(develop->ephemeral, path + 1) ||
	    ignored(rule->dockerignore, rule->context, path))
		return NULL;
	if (rule->ignore && ignore_path(rule->ignore, name))
		return NULL;
	return !rule->include || ignore_path(rule->include, name) ? name : NULL;
}

bool develop_wants_dir(const struct develop *develop, const char *path)
{
	if (path[1] && ignore_path(develop->ephemeral, path + 1))
		return false;
	vec_each(rule, &develop->rules) {
		const char *name = beneath(path, rule->path);
		if (!name)
			continue;
		bool out = *name && rule->ignore && ignore_path(rule->ignore, name) &&
			   !ignore_has_exceptions(rule->ignore, name);
		if (!out)
			return true;
	}
	return false;
}
