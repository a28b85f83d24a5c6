/* build: the images of the project's services. */
#include "cli/build-arguments.h"
#include "cli/build-service.h"
#include "cli/cli.h"
#include "cli/provide.h"

#include <stdio.h>

struct build_args {
	struct strv args, ssh;
	const char *memory, *progress, *builder, *provenance, *sbom;
	bool print, no_cache, pull, push, quiet, deps, check, explain, compress, force_rm, no_rm,
		parallel;
};
#define O(field) offsetof(struct build_args, field)

static const struct option build_options[] = {
	{ 0, "build-arg", OPTION_LIST, O(args), "NAME[=VALUE]", NULL,
	  "Set build-time variables for services", 0 },
	{ 0, "builder", OPTION_TEXT, O(builder), "NAME", NULL, "Accepted: there is one builder",
	  OPTION_HIDDEN },
	{ 0, "check", OPTION_FLAG, O(check), NULL, NULL,
	  "Look for mistakes in the Dockerfiles, build nothing", 0 },
	{ 0, "compress", OPTION_FLAG, O(compress), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "explain-cache", OPTION_FLAG, O(explain), NULL, NULL,
	  "Say of each step that runs why it was not in the cache", 0 },
	{ 0, "force-rm", OPTION_FLAG, O(force_rm), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 'm', "memory", OPTION_TEXT, O(memory), "BYTES", NULL, "Memory limit of RUN steps", 0 },
	{ 0, "no-cache", OPTION_FLAG, O(no_cache), NULL, NULL,
	  "Do not use cache when building the image", 0 },
	{ 0, "no-rm", OPTION_FLAG, O(no_rm), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "parallel", OPTION_FLAG, O(parallel), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "print", OPTION_FLAG, O(print), NULL, NULL, "Print equivalent bake file", 0 },
	{ 0, "progress", OPTION_TEXT, O(progress), "MODE", NULL, "auto, plain, tty or quiet", 0 },
	{ 0, "provenance", OPTION_TEXT, O(provenance), "MODE", NULL,
	  "Accepted as false: attestations are not supported", OPTION_HIDDEN },
	{ 0, "pull", OPTION_FLAG, O(pull), NULL, NULL,
	  "Always attempt to pull a newer version of the image", 0 },
	{ 0, "push", OPTION_FLAG, O(push), NULL, NULL, "Push service images", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Suppress the build output", 0 },
	{ 0, "sbom", OPTION_TEXT, O(sbom), "MODE", NULL,
	  "Accepted as false: attestations are not supported", OPTION_HIDDEN },
	{ 0, "ssh", OPTION_LIST, O(ssh), "default|ID[=SOCKET]", NULL,
	  "SSH agents for RUN --mount=type=ssh", 0 },
	{ 0, "with-dependencies", OPTION_FLAG, O(deps), NULL, NULL,
	  "Also build dependencies (transitively)", 0 },
	{ .name = NULL },
};
#undef O

static int push_built(struct cli *cli, struct image_store *store, const struct service **list,
		      bool quiet, struct err *err)
{
	struct progress *p = quiet ? NULL : progress_new(cli, 0);
	int r = 0;

	for (size_t i = 0; r == 0 && list[i]; i++)
		if (list[i]->build.set && !str_empty(list[i]->image))
			r = provide_push(store, p, list[i]->image, NULL, err);
	progress_done(p);
	return r;
}

static int print_bake(struct cli *cli, const struct strv *args, bool deps,
		      const struct build_wish *wish)
{
	cleanup_free const struct service **list = cli_services(cli->project, args, deps);
	cleanup_json json_t *j = build_services_print(cli, list, wish);
	cleanup_free char *text = json_dumps(j, JSON_INDENT(2));

	puts(text ? text : "{}");
	return 0;
}

static int build_verb(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct build_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_free const struct service **list = NULL;
	cleanup_strv struct strv built = { 0 };
	struct build_wish wish = {
		.args = o->args,
		.ssh = o->ssh,
		.no_cache = o->no_cache,
		.pull = o->pull,
		.push = o->push,
		.quiet = o->quiet,
		.check = o->check,
		.explain = o->explain,
		.all_platforms = true,
		.memory = o->memory,
		.progress = o->progress,
	};
	int r = build_argument_attest("--provenance", o->provenance ? o->provenance : "", err);

	if (r == 0)
		r = build_argument_attest("--sbom", o->sbom ? o->sbom : "", err);
	if (r == 0 && o->print)
		return print_bake(cli, args, o->deps, &wish);
	if (r < 0 || cli->global.dry_run)
		return r;
	r = cli_need_root(err);
	if (r == 0)
		r = build_services_protect(err);
	if (r == 0)
		r = cli_image_store(cli, &store, err);
	if (r < 0)
		return r;
	list = cli_services(cli->project, args, o->deps);
	r = build_services(cli, store, list, &wish, &built, err);
	if (r == 0 && !o->quiet && !o->check)
		for (size_t i = 0; i < built.n; i++)
			fprintf(stderr, " Image %s  Built\n", built.v[i]);
	if (r == 0 && o->push && !o->check)
		r = push_built(cli, store, list, o->quiet, err);
	return r;
}

const struct cmd cmd_build = {
	.name = "build",
	.summary = "Build or rebuild services",
	.args = "[SERVICE...]",
	.options = build_options,
	.options_size = sizeof(struct build_args),
	.max_args = ARGS_ANY,
	.flags = CMD_PROJECT | CMD_SERVICE_ARGS,
	.run = build_verb,
};
