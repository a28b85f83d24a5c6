/* pull, push: the images of the project's services. image pull, image push: any image. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/provide.h"

#include "engine/service-name.h"

#include <stdio.h>

/* Every image of the list once. Failures are told by the steps; with `ignore` they are not the
 * verb's. */
struct transfer {
	struct cli *cli;
	struct image_store *store;
	struct progress *progress;
	bool push, ignore;
	int failed;
	struct strv seen, must_build;
};

static int transfer_one(struct transfer *t, const struct service *s, struct err *err)
{
	cleanup_free char *name = service_image_name(t->cli->project, s);
	cleanup_err struct err one = ERR_INIT;
	int r;
	if (strv_has(&t->seen, name))
		return 0;
	strv_add(&t->seen, name);
	r = t->push ? provide_push(t->store, t->progress, name, NULL, &one)
		    : provide_pull(t->store, t->progress, name, s->platform, &one);
	if (r < 0 && !t->push && s->build.set)
		strv_add(&t->must_build, s->name);
	if (r == 0 || t->ignore)
		return 0;
	t->failed++;
	/* The first failure is the verb's; the others are in the steps. */
	return t->failed == 1 ? err_move(err, &one) : 0;
}

static int transfer_all(struct transfer *t, const struct strv *services, bool deps,
			bool (*wanted)(struct transfer *t, const struct service *s, void *data),
			void *data, bool quiet, struct err *err)
{
	cleanup_free const struct service **list = NULL;
	int r = cli_image_store(t->cli, &t->store, err), first = 0;
	if (r < 0)
		return r;
	list = cli_services(t->cli->project, services, deps);
	t->progress = quiet ? NULL : progress_new(t->cli, 0);
	for (size_t i = 0; list[i]; i++) {
		if (!wanted(t, list[i], data))
			continue;
		r = transfer_one(t, list[i], err);
		first = first ? first : r;
	}
	progress_done(t->progress);
	if (t->must_build.n) {
		cleanup_free char *names = strv_join(&t->must_build, " ");
		cli_warn(t->cli,
			 "Some service image(s) must be built from source by running:\n"
			 "    stave build %s",
			 names);
	}
	strv_done(&t->must_build);
	image_store_free(t->store);
	strv_done(&t->seen);
	return first;
}

/* --- pull --- */

struct pull_args {
	bool ignore_buildable, ignore_failures, include_deps, quiet, parallel, no_parallel;
	const char *policy;
};
#define O(field) offsetof(struct pull_args, field)

static const struct option pull_options[] = {
	{ 0, "ignore-buildable", OPTION_FLAG, O(ignore_buildable), NULL, NULL,
	  "Ignore images that can be built", 0 },
	{ 0, "ignore-pull-failures", OPTION_FLAG, O(ignore_failures), NULL, NULL,
	  "Pull what it can and ignores images with pull failures", 0 },
	{ 0, "include-deps", OPTION_FLAG, O(include_deps), NULL, NULL,
	  "Also pull services declared as dependencies", 0 },
	{ 0, "no-parallel", OPTION_FLAG, O(no_parallel), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "parallel", OPTION_FLAG, O(parallel), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "policy", OPTION_TEXT, O(policy), "WHEN", NULL,
	  "Apply pull policy (missing or always)", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL,
	  "Pull without printing progress information", 0 },
	{ .name = NULL },
};
#undef O

/* Why a service is passed over, as Compose says it; NULL: it is not. */
static const char *pull_skips(struct transfer *t, const struct service *s, const char *policy)
{
	cleanup_err struct err err = ERR_INIT;
	bool pull = true;
	if (str_eq(policy, "never") || str_eq(policy, "build"))
		return "Skipped";
	if (!str_eq(policy, "missing") && !str_eq(policy, "if_not_present"))
		return NULL;
	if (provide_needs_pull(t->store, s->image, "missing", &pull, &err) < 0 || pull)
		return NULL;
	return "Skipped - Image is already present locally";
}

static bool pull_wanted(struct transfer *t, const struct service *s, void *data)
{
	const struct pull_args *o = data;
	const char *why;
	if (str_empty(s->image))
		why = "Skipped - No image to be pulled";
	else
		why = pull_skips(t, s, o->policy ? o->policy : s->pull_policy);
	if (!why && o->ignore_buildable && s->build.set)
		why = "Skipped - Image can be built";
	if (!why)
		return true;
	cleanup_free char *subject = str_empty(s->image) ? xasprintf("Service %s", s->name)
							 : xasprintf("Image %s", s->image);
	if (t->progress)
		progress_step(t->progress, subject, "done", why);
	return false;
}

static int pull_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	struct pull_args *o = options;
	struct transfer t = { .cli = cli, .ignore = o->ignore_failures };
	if (o->policy && !str_eq(o->policy, "missing") && !str_eq(o->policy, "always"))
		return err_usage(err, "--policy is missing or always, not '%s'", o->policy);
	if (cli->global.dry_run)
		return 0;
	return transfer_all(&t, args, o->include_deps, pull_wanted, o, o->quiet, err);
}

const struct cmd cmd_pull = {
	.name = "pull",
	.summary = "Pull service images",
	.args = "[SERVICE...]",
	.options = pull_options,
	.options_size = sizeof(struct pull_args),
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS,
	.run = pull_run,
};

/* --- push --- */

struct push_args {
	bool ignore_failures, include_deps, quiet;
};
#define O(field) offsetof(struct push_args, field)

static const struct option push_options[] = {
	{ 0, "ignore-push-failures", OPTION_FLAG, O(ignore_failures), NULL, NULL,
	  "Push what it can and ignores images with push failures", 0 },
	{ 0, "include-deps", OPTION_FLAG, O(include_deps), NULL, NULL,
	  "Also push images of services declared as dependencies", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL,
	  "Push without printing progress information", 0 },
	{ .name = NULL },
};
#undef O

/* As Compose: only what is built here, under the name it was given. */
static bool push_wanted(struct transfer *t, const struct service *s, void *data)
{
	(void)t;
	(void)data;
	return s->build.set && !str_empty(s->image);
}

static int push_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	struct push_args *o = options;
	struct transfer t = { .cli = cli, .push = true, .ignore = o->ignore_failures };
	if (cli->global.dry_run)
		return 0;
	return transfer_all(&t, args, o->include_deps, push_wanted, NULL, o->quiet, err);
}

const struct cmd cmd_push = {
	.name = "push",
	.summary = "Push service images",
	.args = "[SERVICE...]",
	.options = push_options,
	.options_size = sizeof(struct push_args),
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS,
	.run = push_run,
};

/* --- image pull, image push --- */

struct image_pull_args {
	bool quiet;
	const char *platform;
};

static const struct option image_pull_options[] = {
	{ 0, "platform", OPTION_TEXT, offsetof(struct image_pull_args, platform), "OS/ARCH", NULL,
	  "Choose from an image for several platforms; default: this machine's", 0 },
	{ 'q', "quiet", OPTION_FLAG, offsetof(struct image_pull_args, quiet), NULL, NULL,
	  "Do not show progress", 0 },
	{ .name = NULL },
};

static int image_pull_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct image_pull_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	int r = cli_image_store(cli, &store, err);
	if (r < 0)
		return r;
	struct progress *p = o->quiet ? NULL : progress_new(cli, 0);
	r = provide_pull(store, p, args->v[0], o->platform, err);
	progress_done(p);
	if (r == 0)
		puts(args->v[0]);
	return r;
}

const struct cmd cmd_image_pull = {
	.name = "image pull",
	.summary = "Fetch an image from its registry",
	.args = "NAME[:TAG|@DIGEST]",
	.options = image_pull_options,
	.options_size = sizeof(struct image_pull_args),
	.min_args = 1,
	.max_args = 1,
	.run = image_pull_run,
};

static const struct option image_push_options[] = {
	{ 'q', "quiet", OPTION_FLAG, offsetof(struct image_pull_args, quiet), NULL, NULL,
	  "Do not show progress", 0 },
	{ .name = NULL },
};

static int image_push_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct image_pull_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_free char *digest = NULL;
	int r = cli_image_store(cli, &store, err);
	if (r < 0)
		return r;
	struct progress *p = o->quiet ? NULL : progress_new(cli, 0);
	r = provide_push(store, p, args->v[0], &digest, err);
	progress_done(p);
	if (r == 0)
		puts(digest);
	return r;
}

const struct cmd cmd_image_push = {
	.name = "image push",
	.summary = "Send an image to its registry",
	.args = "NAME[:TAG]",
	.options = image_push_options,
	.options_size = sizeof(struct image_pull_args),
	.min_args = 1,
	.max_args = 1,
	.run = image_push_run,
};
