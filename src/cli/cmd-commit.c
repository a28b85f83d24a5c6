/* commit: an image of what a service's container has become. */
#include "cli/apply.h"
#include "cli/progress.h"
#include "engine/commit.h"

struct commit_args {
	bool pause;
	const char *author, *message;
	struct strv changes;
	struct option_int index;
};

#define O(field) offsetof(struct commit_args, field)
static const struct option commit_options[] = {
	{ 'a', "author", OPTION_TEXT, O(author), "NAME", NULL,
	  "Author (\"John Hannibal Smith <hannibal@a-team.com>\")", 0 },
	{ 'c', "change", OPTION_LIST, O(changes), "LINE", NULL,
	  "Apply a Dockerfile instruction to the image (CMD, ENV, ...)", 0 },
	{ 0, "index", OPTION_INT, O(index), "N", NULL, "Which replica of the service", 0 },
	{ 'm', "message", OPTION_TEXT, O(message), "TEXT", NULL, "Commit message", 0 },
	{ 'p', "pause", OPTION_FLAG, O(pause), NULL, "true", "Pause the container meanwhile", 0 },
	{ .name = NULL },
};

/* Pauses what runs, until the client is freed. */
static int hold(struct cli *cli, const struct container *c, struct client **ret, struct err *err)
{
	cleanup_strv struct strv ids = { 0 };
	if (c->state != CONTAINER_RUNNING)
		return 0;
	strv_add(&ids, c->id);
	int r = apply_client(cli, ret, err);
	return r < 0 || !*ret ? r : client_hold(*ret, &ids, err);
}

static int commit(struct cli *cli, const struct commit_args *o, const struct container *c,
		  const char *name, char **ret_id, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(client_free_cleanup) struct client *client = NULL;
	const struct commit_options options = {
		.name = name,
		.author = o->author,
		.message = o->message,
		.changes = &o->changes,
	};
	int r = cli_image_store(cli, &store, err);
	if (r == 0 && o->pause)
		r = hold(cli, c, &client, err);
	return r < 0 ? r : engine_commit(&cli->paths, store, c, &options, ret_id, err);
}

static int commit_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct commit_args *o = options;
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup_free char *id = NULL;
	int r = cli_need_root(err);
	if (r == 0)
		r = cli_any_container(cli, args->v[0], (int)o->index.value, &c, err);
	if (r < 0 || cli->global.dry_run)
		return r;
	cleanup_free char *subject = xasprintf("Container %s", c->name);
	struct progress *progress = progress_new(cli, 0);
	progress_step(progress, subject, "start", "Committing");
	r = commit(cli, o, c, args->n > 1 ? args->v[1] : NULL, &id, err);
	cleanup_free char *done = xasprintf("Committed as %s", id ? id : "");
	progress_step(progress, subject, r < 0 ? "error" : "done", r < 0 ? "Error" : done);
	progress_done(progress);
	return r;
}

const struct cmd cmd_commit = {
	.name = "commit",
	.summary = "Create a new image from a service container's changes",
	.args = "SERVICE [REPOSITORY[:TAG]]",
	.details = "What is mounted in it, volumes for example, is not part of the image.",
	.options = commit_options,
	.options_size = sizeof(struct commit_args),
	.min_args = 1,
	.max_args = 2,
	.flags = CMD_NAME | CMD_ALL_SERVICES,
	.run = commit_run,
};
