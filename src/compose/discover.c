#include "compose/discover.h"

#include "base/fs.h"
#include "base/parse.h"
#include "compose/environment.h"

#include <ctype.h>
#include <sys/stat.h>

static const char *const main_names[] = { "compose.yaml", "compose.yml", "docker-compose.yml",
					  "docker-compose.yaml", NULL };
static const char *const override_names[] = { "compose.override.yaml", "compose.override.yml",
					      "docker-compose.override.yml",
					      "docker-compose.override.yaml", NULL };

static int working_directory(struct compose_model *m, struct err *err)
{
	if (m->options->working_dir) {
		m->cwd = arena_strdup(m->arena, m->options->working_dir);
		return 0;
	}
	cleanup_free char *cwd = fs_cwd();
	if (!cwd)
		return err_sys(err, errno, "find the working directory");
	m->cwd = arena_strdup(m->arena, cwd);
	return 0;
}

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* The first of `names` in dir; NULL when there is none. Several are worth a word. */
static char *find_in(struct compose_model *m, const char *dir, const char *const *names)
{
	char *found = NULL;
	for (; *names; names++) {
		char *path = path_join(dir, *names);
		if (!is_file(path)) {
			free(path);
			continue;
		}
		if (!found) {
			found = path;
			continue;
		}
		warn(m, NOWHERE, NULL, "both '%s' and '%s' are here; '%s' is used",
		     path_base(found), path_base(path), path_base(found));
		free(path);
	}
	return found;
}

/* In the directory, or the nearest one above it. */
static int find_default(struct compose_model *m, const char *from, struct err *err)
{
	cleanup_free char *dir = xstrdup(from);
	for (;;) {
		char *path = find_in(m, dir, main_names);
		if (path) {
			strv_take(&m->files, path);
			char *over = find_in(m, dir, override_names);
			if (over)
				strv_take(&m->files, over);
			return 0;
		}
		if (strcmp(dir, "/") == 0)
			return err_new(
				err, ERR_NOT_FOUND, ENOENT,
				"no Compose file here or above: looked for compose.yaml, "
				"compose.yml, docker-compose.yml, docker-compose.yaml; name one "
				"with -f");
		char *up = path_dir(dir);
		free(dir);
		dir = up;
	}
}

static void add_file(struct compose_model *m, const char *file)
{
	if (strcmp(file, "-") == 0)
		strv_add(&m->files, file);
	else
		strv_take(&m->files, path_join(m->cwd, file));
}

static void add_separated(struct compose_model *m, const char *list)
{
	const char *separator = model_env(m, "COMPOSE_PATH_SEPARATOR");
	struct strv parts cleanup(strv_done) =
		strv_split(list, separator && separator[0] ? separator[0] : ':');
	for (size_t i = 0; i < parts.n; i++)
		if (*parts.v[i])
			add_file(m, parts.v[i]);
}

static const char *project_directory(struct compose_model *m)
{
	if (m->options->project_directory) {
		cleanup_free char *dir = path_join(m->cwd, m->options->project_directory);
		return arena_strdup(m->arena, dir);
	}
	if (m->files.n && strcmp(m->files.v[0], "-") != 0) {
		cleanup_free char *dir = path_dir(m->files.v[0]);
		return arena_strdup(m->arena, dir);
	}
	return m->cwd;
}

/* The .env of `dir`, unless files were named. */
static int read_env_files(struct compose_model *m, const char *dir, bool named)
{
	const struct strv *given = &m->options->env_files;
	const char *list = model_env(m, "COMPOSE_ENV_FILES"), *off;
	bool disabled = false;
	struct strv split cleanup(strv_done) = { 0 };
	if (!given->n && list && *list) {
		split = strv_split(list, ',');
		given = &split;
	}
	if (given->n) {
		for (size_t i = 0; i < given->n && named; i++) {
			char *path = path_join(m->cwd, given->v[i]);
			strv_take(&m->env_files, path);
			/* Later files win over earlier ones, and the shell over all: read
			 * backwards. */
		}
		for (size_t i = m->env_files.n; i-- > 0 && named;)
			if (environment_file(m, m->env_files.v[i], true, NOWHERE) < 0)
				return -1;
		return 0;
	}
	off = model_env(m, "COMPOSE_DISABLE_ENV_FILE");
	if (off && parse_bool(off, &disabled) == 0 && disabled)
		return 0;
	cleanup_free char *path = path_join(dir, ".env");
	if (!is_file(path) || strv_has(&m->env_files, path))
		return 0;
	strv_add(&m->env_files, path);
	return environment_file(m, path, false, NOWHERE);
}

static void find_profiles(struct compose_model *m)
{
	const char *list = model_env(m, "COMPOSE_PROFILES");
	strv_copy(&m->profiles, &m->options->profiles);
	if (m->profiles.n || !list)
		return;
	struct strv parts cleanup(strv_done) = strv_split(list, ',');
	for (size_t i = 0; i < parts.n; i++) {
		const char *name = parts.v[i] + strspn(parts.v[i], " \t");
		size_t len = strlen(name);
		while (len && isspace((unsigned char)name[len - 1]))
			len--;
		if (len)
			strv_take(&m->profiles, xstrndup(name, len));
	}
}

int discover(struct compose_model *m, struct err *err)
{
	int r = working_directory(m, err);
	if (r < 0)
		return r;
	environment_shell(m);
	for (size_t i = 0; i < m->options->files.n; i++)
		add_file(m, m->options->files.v[i]);
	/* .env may name the files, and where the files are decides which .env it is: once before
	 * and once after they are known. */
	if (read_env_files(m, project_directory(m), true) < 0)
		return -EINVAL;
	const char *list = model_env(m, "COMPOSE_FILE");
	if (!m->files.n && list && *list)
		add_separated(m, list);
	if (!m->files.n) {
		r = find_default(m, project_directory(m), err);
		if (r < 0)
			return r;
	}
	m->working_dir = project_directory(m);
	if (read_env_files(m, m->working_dir, false) < 0)
		return -EINVAL;
	find_profiles(m);
	return 0;
}

/* Lower case, only [a-z0-9_-], not beginning with - or _. */
static char *normal_name(struct compose_model *m, const char *name)
{
	char *out = arena_strdup(m->arena, name), *w = out;
	for (const char *p = name; *p; p++) {
		char c = tolower((unsigned char)*p);
		if (islower((unsigned char)c) || isdigit((unsigned char)c) ||
		    (w > out && (c == '_' || c == '-')))
			*w++ = c;
	}
	*w = '\0';
	return out;
}

static int set_name(struct compose_model *m, const char *name, struct err *err)
{
	if (strcmp(normal_name(m, name), name) != 0 || !*name)
		return err_input(
			err,
			"'%s' is not a project name: lower case letters, digits, '-' and '_', "
			"beginning with a letter or digit",
			name);
	m->name = name;
	map_set(&m->env, "COMPOSE_PROJECT_NAME", (void *)name);
	return 0;
}

int discover_name(struct compose_model *m, const struct node *from_file, struct err *err)
{
	const char *from_env = model_env(m, "COMPOSE_PROJECT_NAME");
	if (m->options->project_name && *m->options->project_name)
		return set_name(m, arena_strdup(m->arena, m->options->project_name), err);
	if (from_env && *from_env)
		return set_name(m, from_env, err);
	const char *name = node_str(from_file) ? normal_name(m, from_file->text) : "";
	if (!*name)
		name = normal_name(m, path_base(m->working_dir));
	if (!*name)
		return err_input(err,
				 "the directory '%s' gives no project name; set one with -p or "
				 "'name:'",
				 m->working_dir);
	return set_name(m, name, err);
}
