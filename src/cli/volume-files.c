#include "cli/volume-files.h"

#include "base/fs.h"

#include <fcntl.h>

int volume_files_name(struct cli *cli, const char *word, char **ret, struct err *err)
{
	cleanup_volume struct volume v = { 0 };
	cleanup_err struct err none = ERR_INIT, no_project = ERR_INIT;
	const struct project_volume *declared;

	if (volume_load(cli->paths.root, word, &v, &none) == 0) {
		*ret = xstrdup(word);
		return 0;
	}
	if (none.kind != ERR_NOT_FOUND)
		return err_move(err, &none);
	if (!cli->project_name && cli_find_project(cli, CMD_NAME, NULL, &no_project) < 0)
		return err_move(err, &none);
	declared = cli->project ? project_volume(cli->project, word) : NULL;
	if (!declared)
		return err_move(err, &none);
	*ret = xstrdup(declared->name);
	return 0;
}

/* Those that the Compose files declare, and those that it has made. */
static int of_project(struct cli *cli, struct strv *ret, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = cli->project_name ? 0 : cli_find_project(cli, CMD_NAME, NULL, err);

	if (r == 0)
		r = volume_list(cli->paths.root, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_volume struct volume v = { 0 };
		cleanup_err struct err gone = ERR_INIT;
		bool declared = false;

		if (volume_load(cli->paths.root, names.v[i], &v, &gone) < 0)
			continue;
		if (cli->project)
			vec_each(p, &cli->project->volumes)
				declared = declared || str_eq(p->name, v.name);
		if (declared || (str_eq(v.project, cli->project_name) && !v.anonymous))
			strv_add(ret, v.name);
	}
	if (r == 0 && ret->n == 0)
		r = err_not_found(err, "project '%s' has no volumes", cli->project_name);
	return r;
}

int volume_files_choose(struct cli *cli, const struct strv *words, struct strv *ret,
			struct err *err)
{
	if (!words->n)
		return of_project(cli, ret, err);
	for (size_t i = 0; i < words->n; i++) {
		cleanup_volume struct volume v = { 0 };
		cleanup_free char *name = NULL;
		int r = volume_files_name(cli, words->v[i], &name, err);

		if (r == 0)
			r = volume_load(cli->paths.root, name, &v, err);
		if (r < 0)
			return r;
		if (!strv_has(ret, name))
			strv_add(ret, name);
	}
	return 0;
}

/* --- backups in a directory --- */

void volume_files_done(struct volume_files *files)
{
	vec_each(f, &files->items) {
		free(f->path);
		free(f->volume);
		json_decref(f->manifest);
	}
	vec_done(&files->items);
}

static void add_file(struct volume_files *files, char *path, const char *volume, json_t *manifest)
{
	vec_push(&files->items, (struct volume_file){ .path = path,
						      .volume = xstrdup(volume),
						      .manifest = manifest });
}

/* All in it that are of a project's volume. */
static int list_dir(const char *dir, const struct backup_options *options, struct volume_files *ret,
		    struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(AT_FDCWD, dir, &names, err);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, names.v[i]);
		cleanup_json json_t *manifest = NULL;

		if (!str_ends(path, ".tar.zst") && !str_ends(path, ".tar.zst.enc"))
			continue;
		r = backup_manifest(path, options, &manifest, err);
		if (r == 0 && json_str(manifest, "key", NULL))
			add_file(ret, ptr_take(path), json_str(manifest, "volume", ""),
				 ptr_take(manifest));
	}
	return r < 0 ? r : 0;
}

static const char *choose_source(struct cli *cli, const struct volume_files *all, const char *dir,
				 struct err *err)
{
	const char *only = NULL;
	bool several = false;

	vec_each(f, &all->items) {
		const char *project = json_str(f->manifest, "project", "");

		if (str_eq(project, cli->project_name))
			return cli->project_name;
		several = several || (only && !str_eq(only, project));
		only = project;
	}
	if (!only)
		err_not_found(err, "'%s' holds no backups of a project's volumes", dir);
	else if (several)
		err_usage(err, "'%s' holds backups of several projects: choose with --from", dir);
	return several ? NULL : only;
}

int volume_files_newest(struct cli *cli, const char *dir, const char *from,
			const struct backup_options *options, struct volume_files *ret,
			struct err *err)
{
	cleanup_volume_files struct volume_files all = { 0 };
	int r = cli->project ? 0 : cli_find_project(cli, CMD_NAME, NULL, err);

	if (r == 0 && !cli->project)
		r = err_usage(err, "restoring from a directory needs the project's Compose file");
	if (r == 0)
		r = list_dir(dir, options, &all, err);
	if (r < 0)
		return r;
	if (!from && !(from = choose_source(cli, &all, dir, err)))
		return -err->no;
	vec_each(v, &cli->project->volumes) {
		struct volume_file *best = NULL;

		vec_each(f, &all.items)
			if (str_eq(json_str(f->manifest, "project", NULL), from) &&
			    str_eq(json_str(f->manifest, "key", NULL), v->key) &&
			    (!best || strcmp(json_str(f->manifest, "created", ""),
					     json_str(best->manifest, "created", "")) > 0))
				best = f;
		if (best && !v->external)
			add_file(ret, xstrdup(best->path), v->name, json_incref(best->manifest));
	}
	if (!ret->items.n)
		return err_not_found(err, "'%s' holds no backup of a volume of project '%s'", dir,
				     from);
	return 0;
}
