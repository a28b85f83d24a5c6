/* volume restore, volume verify: backups back into volumes, or only read. */
#include "cli/apply.h"
#include "cli/interrupt.h"
#include "cli/volume-files.h"

#include "base/fs.h"
#include "base/parse.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct restore_args {
	bool force, devices;
	const char *key_file, *from;
};
#define O(field) offsetof(struct restore_args, field)
static const struct option restore_options[] = {
	{ 0, "devices", OPTION_FLAG, O(devices), NULL, NULL,
	  "Restore device nodes, too: only from a backup that you trust", 0 },
	{ 'f', "force", OPTION_FLAG, O(force), NULL, NULL,
	  "Replace what is in the volume; stop the containers that use it, and start them again",
	  0 },
	{ 0, "from", OPTION_TEXT, O(from), "PROJECT", NULL,
	  "Which project's backups, where a directory holds several", 0 },
	{ 0, "key-file", OPTION_TEXT, O(key_file), "FILE", NULL, "The key it was encrypted with",
	  0 },
	{ .name = NULL },
};

struct restoring {
	struct cli *cli;
	const struct restore_args *o;
	struct backup_options options;
	struct volume_files files;
	int interrupt_fd;
};

static bool interrupted(void *data)
{
	struct restoring *r = data;

	return interrupt_wait(r->interrupt_fd, 0);
}

/* --- containers in the way --- */

struct stopped {
	char *project;
	struct strv services;
};
struct stops {
	VEC(struct stopped) items;
};

static void stops_done(struct stops *s)
{
	vec_each(p, &s->items) {
		free(p->project);
		strv_done(&p->services);
	}
	vec_done(&s->items);
}

static struct stopped *stops_of(struct stops *s, const char *project)
{
	vec_each(p, &s->items)
		if (str_eq(p->project, project))
			return p;
	vec_push(&s->items, (struct stopped){ .project = xstrdup(project) });
	return &s->items.v[s->items.n - 1];
}

static int apply_each(struct cli *cli, const struct stops *s, enum goal_kind kind, struct err *err)
{
	cleanup_free char *ours = ptr_take(cli->project_name);
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->items.n; i++) {
		struct goal goal = { .kind = kind, .no_deps = true };

		goal.services = s->items.v[i].services; /* borrowed */
		cli->project_name = s->items.v[i].project;
		r = apply_goal(cli, &goal, err);
	}
	cli->project_name = ptr_take(ours);
	return r;
}

/* Who has one of the volumes mounted and runs. */
static int find_running(struct restoring *x, struct stops *ret, struct err *err)
{
	cleanup_volume_use struct volume_use use = { 0 };
	int r = volume_use_load(x->cli, &use, err);

	if (r < 0)
		return r;
	vec_each(f, &x->files.items) {
		const struct volume_user *u = NULL;

		while ((u = volume_use_next(&use, f->volume, u))) {
			struct stopped *s;

			if (!container_is_up(u->state))
				continue;
			if (!x->o->force)
				return err_conflict(err,
						    "volume '%s' is in use by container '%s' of "
						    "project '%s', which is running: stop it "
						    "first, or let --force stop and start it",
						    f->volume, u->name, u->project);
			s = stops_of(ret, u->project);
			if (!strv_has(&s->services, u->service))
				strv_add(&s->services, u->service);
		}
	}
	return 0;
}

/* --- one volume --- */

/* The volume, made when it is missing: as the project declares it, else with the labels of the
 * backup. Never with its options: they could make any directory of the host a volume. */
static int open_volume(struct restoring *x, const struct volume_file *f, struct volume *ret,
		       bool *ret_created, struct err *err)
{
	const struct project *p = x->cli->project;
	const char *project = json_str(f->manifest, "project", NULL);
	bool same = str_eq(json_str(f->manifest, "volume", NULL), f->volume);
	struct volume want = { .name = f->volume,
			       .labels = json_object_get(f->manifest, "labels"),
			       .project = same ? (char *)project : NULL,
			       .key = same ? (char *)json_str(f->manifest, "key", NULL) : NULL };
	int r = volume_load(x->cli->paths.root, f->volume, ret, err);

	if (r != -ENOENT)
		return r;
	err_done(err);
	if (p)
		vec_each(v, &p->volumes)
			if (str_eq(v->name, f->volume) && !v->external)
				want = (struct volume){ .name = v->name,
							.project = p->name,
							.key = v->key,
							.driver = v->driver,
							.options = v->driver_opts,
							.labels = v->labels };
	return volume_create(x->cli->paths.root, &want, ret, ret_created, err);
}

static int restore_one(struct restoring *x, const struct volume_file *f, struct err *err)
{
	cleanup_volume struct volume v = { 0 };
	cleanup_backup_info struct backup_info info = { 0 };
	cleanup_free char *size = NULL;
	bool created = false;
	int r = open_volume(x, f, &v, &created, err);

	if (r < 0)
		return r;
	r = backup_restore(x->cli->paths.root, &v, f->path, x->o->force, &x->options, &info, err);
	if (r < 0) {
		cleanup_err struct err ignored = ERR_INIT;

		if (created)
			(void)volume_remove(x->cli->paths.root, v.name, &ignored);
		return r;
	}
	size = format_size(info.bytes);
	fprintf(stderr, " Volume %s  Restored, %llu entries, %s, of %s\n", v.name,
		(unsigned long long)info.entries, size, json_str(info.manifest, "created", "?"));
	return 0;
}

static int restore_all(struct restoring *x, struct err *err)
{
	cleanup(stops_done) struct stops running = { 0 };
	cleanup_err struct err again = ERR_INIT;
	int r = find_running(x, &running, err);

	if (r == 0)
		r = apply_each(x->cli, &running, GOAL_STOP, err);
	if (r == 0)
		r = interrupt_open(&x->interrupt_fd, err);
	for (size_t i = 0; r == 0 && i < x->files.items.n; i++)
		r = restore_one(x, &x->files.items.v[i], err);
	x->interrupt_fd = fd_close(x->interrupt_fd);
	if (apply_each(x->cli, &running, GOAL_START, &again) < 0) {
		if (r == 0)
			r = err_move(err, &again);
		else
			cli_print_err(x->cli, &again);
	}
	return r;
}

/* --- what is asked for --- */

static int find_files(struct restoring *x, const struct strv *args, struct err *err)
{
	struct stat st;
	struct volume_file f = { 0 };
	int r;

	if (stat(args->v[0], &st) < 0)
		return err_sys(err, errno, "backup '%s'", args->v[0]);
	if (S_ISDIR(st.st_mode)) {
		if (args->n > 1)
			return err_usage(err, "a volume is restored from a file, not a directory");
		return volume_files_newest(x->cli, args->v[0], x->o->from, &x->options, &x->files,
					   err);
	}
	r = backup_manifest(args->v[0], &x->options, &f.manifest, err);
	if (r < 0)
		return r;
	f.path = xstrdup(args->v[0]);
	const char *word = args->n > 1 ? args->v[1] : json_str(f.manifest, "volume", "");
	cleanup_err struct err none = ERR_INIT;
	if (volume_files_name(x->cli, word, &f.volume, &none) < 0) {
		r = volume_name_check(word, err);
		f.volume = xstrdup(word);
	}
	vec_push(&x->files.items, f);
	return r;
}

static int restore_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct restore_args *o = options;
	struct restoring x = { .cli = cli, .o = o, .interrupt_fd = FD_NONE };
	cleanup(backup_key_done) struct backup_key key = { 0 };
	int r = cli_need_root(err);

	if (r == 0 && o->key_file)
		r = backup_key_load(o->key_file, &key, err);
	x.options = (struct backup_options){ .key = o->key_file ? &key : NULL,
					     .stop = interrupted,
					     .data = &x,
					     .devices = o->devices };
	if (r == 0)
		r = find_files(&x, args, err);
	for (size_t i = 0; r == 0 && cli->global.dry_run && i < x.files.items.n; i++)
		printf("%s: %s\n", x.files.items.v[i].volume, x.files.items.v[i].path);
	if (r == 0 && !cli->global.dry_run)
		r = restore_all(&x, err);
	volume_files_done(&x.files);
	return r;
}

const struct cmd cmd_volume_restore = {
	.name = "volume restore",
	.summary = "Put a backup back into its volume",
	.args = "FILE|DIR [VOLUME]",
	.details = "FILE goes into VOLUME, or the volume it was made of. DIR: the newest backup of "
		   "each of the project's volumes, also of a project with another name. The volume "
		   "is made when it is missing; one that is not empty or in use needs --force. "
		   "Every byte is checked before anything is replaced.",
	.options = restore_options,
	.options_size = sizeof(struct restore_args),
	.min_args = 1,
	.max_args = 2,
	.run = restore_run,
};

/* --- verify --- */

struct verify_args {
	const char *key_file;
};
static const struct option verify_options[] = {
	{ 0, "key-file", OPTION_TEXT, offsetof(struct verify_args, key_file), "FILE", NULL,
	  "The key it was encrypted with", 0 },
	{ .name = NULL },
};

static bool never(void *data)
{
	(void)data;
	return false;
}

static int verify_one(const char *file, const struct backup_options *options, struct err *err)
{
	cleanup_backup_info struct backup_info info = { 0 };
	cleanup_free char *size = NULL;
	int r = backup_verify(file, options, &info, err);

	if (r < 0)
		return r;
	size = format_size(info.bytes);
	printf("%s: OK: volume %s, %llu entries, %s, of %s%s\n", file,
	       json_str(info.manifest, "volume", "?"), (unsigned long long)info.entries, size,
	       json_str(info.manifest, "created", "?"), info.encrypted ? ", encrypted" : "");
	return 0;
}

static int verify_files(const struct strv *args, struct strv *files, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < args->n; i++) {
		cleanup_strv struct strv names = { 0 };
		struct stat st;

		if (stat(args->v[i], &st) < 0 || !S_ISDIR(st.st_mode)) {
			strv_add(files, args->v[i]);
			continue;
		}
		r = fs_list(AT_FDCWD, args->v[i], &names, err);
		for (size_t k = 0; r >= 0 && k < names.n; k++)
			if (str_ends(names.v[k], ".tar.zst") ||
			    str_ends(names.v[k], ".tar.zst.enc"))
				strv_addf(files, "%s/%s", args->v[i], names.v[k]);
	}
	return r < 0 ? r : 0;
}

/* All are looked at; the first failure is told last. */
static int verify_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct verify_args *o = options;
	cleanup(backup_key_done) struct backup_key key = { 0 };
	struct backup_options how = { .stop = never };
	cleanup_strv struct strv files = { 0 };
	int r = o->key_file ? backup_key_load(o->key_file, &key, err) : 0;

	how.key = o->key_file ? &key : NULL;
	if (r == 0)
		r = verify_files(args, &files, err);
	if (r == 0 && !files.n)
		r = err_not_found(err, "no backups in '%s'", args->v[0]);
	for (size_t i = 0; i < files.n; i++) {
		cleanup_err struct err one = ERR_INIT;
		if (verify_one(files.v[i], &how, &one) < 0)
			r = cli_also_failed(cli, r, &one, err);
	}
	return r;
}

const struct cmd cmd_volume_verify = {
	.name = "volume verify",
	.summary = "Check backups, every bit of them, without unpacking",
	.args = "FILE|DIR...",
	.options = verify_options,
	.options_size = sizeof(struct verify_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = verify_run,
};
