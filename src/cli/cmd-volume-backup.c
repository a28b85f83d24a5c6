/* volume backup: the volumes of a project, or some, into files; all at one moment. */
#include "cli/hold.h"
#include "cli/interrupt.h"
#include "cli/relay.h"
#include "cli/session.h"
#include "cli/volume-files.h"

#include "base/fs.h"
#include "base/parse.h"
#include "base/proc.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct backup_args {
	const char *output, *key_file;
	bool live, quiet;
	struct strv pre, post;
	struct option_int keep;
};
#define O(field) offsetof(struct backup_args, field)
static const struct option backup_cmd_options[] = {
	{ 0, "keep", OPTION_INT, O(keep), "N", NULL,
	  "Afterwards remove all but the newest N backups of each volume in DIR", 0 },
	{ 0, "key-file", OPTION_TEXT, O(key_file), "FILE", NULL,
	  "Encrypt with this key: 32 random bytes, or 64 hexadecimal digits", 0 },
	{ 0, "live", OPTION_FLAG, O(live), NULL, NULL,
	  "Do not pause the containers that use the volumes", 0 },
	{ 'o', "output", OPTION_TEXT, O(output), "DIR|FILE", ".",
	  "Where to; one volume without --keep goes into a file where there is no such directory",
	  0 },
	{ 0, "post", OPTION_LIST, O(post), "'SERVICE: COMMAND'", NULL,
	  "Run in the service afterwards, whether the backup succeeded or not", 0 },
	{ 0, "pre", OPTION_LIST, O(pre), "'SERVICE: COMMAND'", NULL,
	  "Run in the service first, as 'db: pg_dump -U x -f /var/lib/dump.sql'", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Only print the files' names", 0 },
	{ .name = NULL },
};

/* --- pre and post --- */

static void forward(int signo, void *data)
{
	const struct runtime_child *child = data;

	(void)proc_pidfd_signal(child->pidfd, signo); /* gone already: its end is noticed anyhow */
}

static int run_in(struct cli *cli, struct container *c, const char *command, int *ret_status,
		  struct err *err)
{
	cleanup(runtime_child_done) struct runtime_child child = RUNTIME_CHILD_NONE;
	cleanup_relay struct relay relay = RELAY_NONE;
	cleanup_strv struct strv args = strv_split("/bin/sh\n-c", '\n');
	struct exec_options exec = { .stdio = { FD_NONE, STDERR_FILENO, STDERR_FILENO } };
	struct session session = { .peer = FD_NONE,
				   .no_stdin = true,
				   .relay = &relay,
				   .forward = forward,
				   .data = &child };
	int status, r = relay_open(&relay, exec.stdio, err);

	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++)
		exec.stdio[i] = relay.child[i];
	strv_add(&args, command);
	exec.args = args;
	r = engine_exec(&cli->paths, c, &exec, &child, err);
	relay_started(&relay);
	if (r == 0)
		r = runtime_start_result(child.status_fd, err);
	session.pidfd = child.pidfd;
	if (r == 0)
		r = session_run(&session, err);
	if (r < 0)
		return r;
	if (waitpid(child.pid, &status, 0) < 0)
		return err_sys(err, errno, "wait for the command");
	*ret_status = session_exit_status(status);
	return 0;
}

/* "SERVICE: COMMAND" */
static int run_command(struct cli *cli, const char *word, struct err *err)
{
	const char *colon = strchr(word, ':');
	cleanup_free char *service = colon ? xstrndup(word, (size_t)(colon - word)) : NULL;
	cleanup(container_free_cleanup) struct container *c = NULL;
	int status = 0, r;

	if (!colon || colon == word)
		return err_usage(err, "'%s': expected 'SERVICE: COMMAND'", word);
	r = cli_container(cli, service, 0, &c, err);
	if (r == 0)
		r = run_in(cli, c, colon + 1 + strspn(colon + 1, " "), &status, err);
	if (r == 0 && status)
		r = err_new(err, ERR_CONTAINER, ECHILD, "exit status %d", status);
	return r < 0 ? err_wrap(err, "'%s'", word) : 0;
}

static int run_commands(struct cli *cli, const struct strv *words, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < words->n; i++)
		r = run_command(cli, words->v[i], err);
	return r;
}

/* --- copying --- */

struct copying {
	struct cli *cli;
	const struct backup_args *o;
	struct strv volumes;
	struct backup_options options;
	char *folder, *file; /* file NULL: named after volume and time */
	int interrupt_fd;
	struct strv written;
};

static bool interrupted(void *data)
{
	struct copying *c = data;

	return interrupt_wait(c->interrupt_fd, 0);
}

static int copy_one(struct copying *c, const char *name, nsec_t moment, struct err *err)
{
	cleanup_volume struct volume v = { 0 };
	cleanup_backup_info struct backup_info info = { 0 };
	cleanup_json json_t *manifest = NULL;
	cleanup_free char *file = NULL, *path = NULL, *size = NULL;
	int r = volume_load(c->cli->paths.root, name, &v, err);

	if (r < 0)
		return r;
	file = c->file ? xstrdup(c->file) : backup_file_name(name, moment, c->options.key != NULL);
	path = xasprintf("%s/%s", c->folder, file);
	manifest = backup_manifest_of(&v);
	r = backup_write(path, v.path, manifest, &c->options, &info, err);
	if (r < 0)
		return r;
	strv_add(&c->written, path);
	size = format_size(info.bytes);
	if (!c->o->quiet)
		fprintf(stderr, " Volume %s  Copied, %llu entries, %s\n", name,
			(unsigned long long)info.entries, size);
	if (info.skipped && !c->o->quiet)
		cli_warn(c->cli, "volume '%s': %llu sockets were left out", name,
			 (unsigned long long)info.skipped);
	return 0;
}

/* What was written without being whole is no backup. */
static void discard(struct copying *c)
{
	for (size_t i = 0; i < c->written.n; i++)
		(void)unlink(c->written.v[i]);
	strv_done(&c->written);
}

static int copy_all(struct copying *c, struct err *err)
{
	cleanup_hold struct hold hold = { 0 };
	nsec_t moment = now_wall();
	int r = interrupt_open(&c->interrupt_fd, err);

	if (r == 0 && !c->o->live)
		r = hold_volumes(c->cli, &c->volumes, &hold, err);
	for (size_t i = 0; r == 0 && !c->o->quiet && i < hold.names.n; i++)
		fprintf(stderr, " Container %s  Paused\n", hold.names.v[i]);
	for (size_t i = 0; r == 0 && i < c->volumes.n; i++)
		r = copy_one(c, c->volumes.v[i], moment, err);
	if (r == 0 && !c->o->live)
		r = hold_check(c->cli, &c->volumes, &hold, err);
	if (r < 0)
		discard(c);
	return r;
}

static int retain(struct copying *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && c->o->keep.set && i < c->volumes.n; i++) {
		cleanup_strv struct strv removed = { 0 };

		r = backup_retain(c->folder, c->volumes.v[i], (int)c->o->keep.value, &removed, err);
		for (size_t k = 0; !c->o->quiet && k < removed.n; k++)
			fprintf(stderr, " Backup %s  Removed\n", removed.v[k]);
	}
	return r;
}

static int copying_run(struct copying *c, struct err *err)
{
	cleanup_err struct err after = ERR_INIT;
	int r = run_commands(c->cli, &c->o->pre, err);

	if (r == 0)
		r = copy_all(c, err);
	c->interrupt_fd = fd_close(c->interrupt_fd);
	if (run_commands(c->cli, &c->o->post, &after) < 0) {
		if (r == 0)
			r = err_move(err, &after);
		else
			cli_print_err(c->cli, &after);
	}
	for (size_t i = 0; i < c->written.n; i++)
		puts(c->written.v[i]);
	return r < 0 ? r : retain(c, err);
}

/* --- what is asked for --- */

static int find_output(struct copying *c, struct err *err)
{
	const char *output = c->o->output;
	struct stat st;
	bool is_dir = stat(output, &st) == 0 && S_ISDIR(st.st_mode);

	if (is_dir || c->o->keep.set || c->volumes.n > 1 || str_ends(output, "/")) {
		c->folder = xstrdup(output);
		return is_dir ? 0 : fs_mkdirs(AT_FDCWD, output, 0700, err);
	}
	c->folder = path_dir(output);
	c->file = xstrdup(path_base(output));
	return 0;
}

static int backup_cmd_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct backup_args *o = options;
	struct copying c = { .cli = cli, .o = o, .interrupt_fd = FD_NONE };
	cleanup(backup_key_done) struct backup_key key = { 0 };
	int r = cli_need_root(err);

	if (r == 0 && o->keep.set && o->keep.value < 1)
		r = err_usage(err, "--keep: at least 1");
	/* Started again from a sealed copy, before anything was done: containers are entered. */
	if (r == 0 && (o->pre.n || o->post.n))
		r = runtime_protect(NULL, err);
	if (r == 0 && (o->pre.n || o->post.n))
		r = cli_find_project(cli, CMD_NAME, NULL, err);
	if (r == 0)
		r = volume_files_choose(cli, args, &c.volumes, err);
	if (r == 0 && o->key_file)
		r = backup_key_load(o->key_file, &key, err);
	if (r == 0)
		r = find_output(&c, err);
	c.options = (struct backup_options){ .key = o->key_file ? &key : NULL,
					     .stop = interrupted,
					     .data = &c };
	if (r == 0 && cli->global.dry_run) {
		for (size_t i = 0; i < c.volumes.n; i++)
			puts(c.volumes.v[i]);
	} else if (r == 0) {
		r = copying_run(&c, err);
	}
	strv_done(&c.volumes);
	strv_done(&c.written);
	free(c.folder);
	free(c.file);
	return r;
}

const struct cmd cmd_volume_backup = {
	.name = "volume backup",
	.summary = "Copy volumes into files",
	.args = "[VOLUME...]",
	.details = "Without VOLUME: those of the project. The containers that use them are paused "
		   "while they are copied, and go on whatever happens. A backup is a tar, "
		   "compressed with zstd, with a checksum over every byte; its name is "
		   "VOLUME-TIME.tar.zst.",
	.options = backup_cmd_options,
	.options_size = sizeof(struct backup_args),
	.max_args = ARGS_ANY,
	.run = backup_cmd_run,
};
