/* image load, import, save, tag: bytes in and out of the store, and names. The verbs that list and
 * remove are in cmd-image-store.c. */
#include "cli/cli.h"

#include "base/fs.h"

#include <fcntl.h>
#include <stdio.h>

/* --- load --- */

struct load_args {
	const char *input, *platform;
	bool quiet;
};

#define LOAD(field) offsetof(struct load_args, field)
static const struct option load_options[] = {
	{ 'i', "input", OPTION_TEXT, LOAD(input), "FILE", NULL,
	  "Archive or OCI layout directory (default: standard input)", 0 },
	{ 'q', "quiet", OPTION_FLAG, LOAD(quiet), NULL, NULL, "Print nothing", 0 },
	{ .name = NULL },
};

static int open_input(const char *path, int *ret_fd, struct err *err)
{
	if (!path || strcmp(path, "-") == 0) {
		if (isatty(STDIN_FILENO))
			return err_usage(
				err,
				"an archive cannot be read from a terminal: use -i FILE or a pipe");
		*ret_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return *ret_fd < 0 ? err_sys(err, errno, "standard input") : 0;
	}
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0, err);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int load_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct load_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_strv struct strv names = { 0 };
	cleanup_fd int fd = FD_NONE;
	struct image_progress progress = { 0 };
	(void)args;
	int r = open_input(o->input, &fd, err);
	if (r == 0)
		r = cli_image_store(cli, &store, err);
	if (r == 0)
		r = image_load(store, fd, &progress, &names, err);
	for (size_t i = 0; r == 0 && !o->quiet && i < names.n; i++)
		printf("Loaded image%s: %s\n", str_starts(names.v[i], "sha256:") ? " ID" : "",
		       names.v[i]);
	return r < 0 ? r : 0;
}

const struct cmd cmd_image_load = {
	.name = "image load",
	.summary = "Load images from an archive (docker save or OCI, compressed or not) or an OCI "
		   "layout",
	.options = load_options,
	.options_size = sizeof(struct load_args),
	.run = load_run,
};

/* --- import --- */

struct import_args {
	struct strv changes;
	const char *message, *platform;
};

static const struct option import_options[] = {
	{ 'c', "change", OPTION_LIST, offsetof(struct import_args, changes), "INSTRUCTION", NULL,
	  "A Dockerfile instruction to apply (CMD, ENV, EXPOSE, USER, VOLUME and so on)", 0 },
	{ 'm', "message", OPTION_TEXT, offsetof(struct import_args, message), "TEXT", NULL,
	  "Comment in the image's history", 0 },
	{ 0, "platform", OPTION_TEXT, offsetof(struct import_args, platform), "OS/ARCH", NULL,
	  "What the image is for; default: this machine", 0 },
	{ .name = NULL },
};

static int import_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct import_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_free char *id = NULL;
	cleanup_fd int fd = FD_NONE;
	struct image_import how = { .changes = &o->changes,
				    .message = o->message,
				    .platform = o->platform };
	int r = open_input(args->v[0], &fd, err);
	if (r == 0)
		r = cli_image_store(cli, &store, err);
	if (r == 0)
		r = image_import(store, fd, args->n > 1 ? args->v[1] : NULL, &how, &id, err);
	if (r == 0)
		printf("%s\n", id);
	return r;
}

const struct cmd cmd_image_import = {
	.name = "image import",
	.summary = "Make an image of a root file system's tar",
	.args = "FILE|- NAME",
	.options = import_options,
	.options_size = sizeof(struct import_args),
	.min_args = 2,
	.max_args = 2,
	.run = import_run,
};

/* --- save --- */

struct save_args {
	const char *output;
};

static const struct option save_options[] = {
	{ 'o', "output", OPTION_TEXT, offsetof(struct save_args, output), "FILE", NULL,
	  "Archive to write (default: standard output)", 0 },
	{ .name = NULL },
};

/* To a temporary name beside it, so that an archive is whole or not there. */
static int save_to_file(struct image_store *store, const struct strv *names, const char *path,
			struct err *err)
{
	cleanup_free char *temporary = xasprintf("%s.tmp-%d", path, getpid());
	cleanup_fd int fd = fs_open(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600, err);
	if (fd < 0)
		return fd;
	int r = image_save(store, names, fd, err);
	if (r == 0 && rename(temporary, path) < 0)
		r = err_sys(err, errno, "rename '%s' to '%s'", temporary, path);
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

static int save_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct save_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	if (!o->output && cli->stdout_tty)
		return err_usage(err,
				 "an archive is not written to a terminal: use -o FILE or a pipe");
	int r = cli_image_store(cli, &store, err);
	if (r < 0)
		return r;
	return o->output ? save_to_file(store, args, o->output, err)
			 : image_save(store, args, STDOUT_FILENO, err);
}

const struct cmd cmd_image_save = {
	.name = "image save",
	.summary = "Write images to an archive that `docker load` and `stave image load` read",
	.args = "IMAGE...",
	.options = save_options,
	.options_size = sizeof(struct save_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = save_run,
};

/* --- tag --- */

static int tag_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	(void)options;
	int r = cli_image_store(cli, &store, err);
	return r < 0 ? r : image_tag(store, args->v[0], args->v[1], err);
}

const struct cmd cmd_image_tag = {
	.name = "image tag",
	.summary = "Give an image another name",
	.args = "SOURCE TARGET",
	.min_args = 2,
	.max_args = 2,
	.run = tag_run,
};
