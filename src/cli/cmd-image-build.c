/* image build: a Dockerfile and a directory become an image, as with `docker build`. */
#include "cli/build-arguments.h"
#include "cli/build-view.h"
#include "cli/interrupt.h"

#include "base/fs.h"
#include "base/parse.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <stdio.h>

struct build_args {
	struct strv args, tags, labels, secrets, ssh, hosts, contexts, allow, no_cache_filter,
		cache_from, cache_to, ulimits;
	const char *file, *target, *iidfile, *progress, *platform, *network, *memory, *shm_size;
	bool no_cache, pull, quiet, explain, check, load, rm, force_rm;
};
#define O(field) offsetof(struct build_args, field)

static const struct option build_options[] = {
	{ 0, "add-host", OPTION_LIST, O(hosts), "HOST:IP", NULL,
	  "Add a line to /etc/hosts while RUN steps run", 0 },
	{ 0, "allow", OPTION_LIST, O(allow), "ENTITLEMENT", NULL,
	  "Allow network.host or security.insecure", 0 },
	{ 0, "build-arg", OPTION_LIST, O(args), "NAME[=VALUE]", NULL,
	  "Set an ARG of the Dockerfile; without a value, from the environment", 0 },
	{ 0, "build-context", OPTION_LIST, O(contexts), "NAME=DIR|docker-image://REF", NULL,
	  "A further context for FROM, COPY --from and RUN --mount", 0 },
	{ 0, "cache-from", OPTION_LIST, O(cache_from), "SOURCE", NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "cache-to", OPTION_LIST, O(cache_to), "TARGET", NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "check", OPTION_FLAG, O(check), NULL, NULL,
	  "Look for mistakes in the Dockerfile, build nothing", 0 },
	{ 0, "explain-cache", OPTION_FLAG, O(explain), NULL, NULL,
	  "Say of each step that runs why it was not in the cache", 0 },
	{ 'f', "file", OPTION_TEXT, O(file), "FILE", NULL,
	  "The Dockerfile (default: CONTEXT/Dockerfile); -: standard input", 0 },
	{ 0, "force-rm", OPTION_FLAG, O(force_rm), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "iidfile", OPTION_TEXT, O(iidfile), "FILE", NULL, "Write the image's id to a file",
	  0 },
	{ 0, "label", OPTION_LIST, O(labels), "NAME=VALUE", NULL, "Set a label of the image", 0 },
	{ 0, "load", OPTION_FLAG, O(load), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 'm', "memory", OPTION_TEXT, O(memory), "BYTES", NULL, "Memory limit of RUN steps", 0 },
	{ 0, "network", OPTION_TEXT, O(network), "MODE", NULL,
	  "Network of RUN steps: default, none, host", 0 },
	{ 0, "no-cache", OPTION_FLAG, O(no_cache), NULL, NULL, "Run every step", 0 },
	{ 0, "no-cache-filter", OPTION_CSV, O(no_cache_filter), "STAGE", NULL,
	  "Run every step of a stage", 0 },
	{ 0, "platform", OPTION_TEXT, O(platform), "OS/ARCH", NULL,
	  "Platform of the image (default: this machine's)", 0 },
	{ 0, "progress", OPTION_TEXT, O(progress), "MODE", NULL, "auto, plain, tty or quiet", 0 },
	{ 0, "pull", OPTION_FLAG, O(pull), NULL, NULL, "Ask the registries for newer base images",
	  0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Print the image's id only", 0 },
	{ 0, "rm", OPTION_FLAG, O(rm), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "secret", OPTION_LIST, O(secrets), "id=ID[,src=FILE|,env=NAME]", NULL,
	  "A secret for RUN --mount=type=secret", 0 },
	{ 0, "shm-size", OPTION_TEXT, O(shm_size), "BYTES", NULL, "Size of /dev/shm of RUN steps",
	  0 },
	{ 0, "ssh", OPTION_LIST, O(ssh), "default|ID[=SOCKET]", NULL,
	  "An SSH agent for RUN --mount=type=ssh", 0 },
	{ 't', "tag", OPTION_LIST, O(tags), "NAME[:TAG]", NULL, "Name the image", 0 },
	{ 0, "target", OPTION_TEXT, O(target), "STAGE", NULL, "Build this stage", 0 },
	{ 0, "ulimit", OPTION_LIST, O(ulimits), "NAME=SOFT[:HARD]", NULL,
	  "A resource limit of RUN steps", 0 },
	{ .name = NULL },
};

/* Everything that is a list of texts on the command line. */
static int read_lists(const struct build_args *o, struct build_options *b, struct err *err)
{
	const struct {
		const struct strv *list;
		int (*add)(struct build_options *b, const char *text, struct err *err);
	} rows[] = {
		{ &o->args, build_argument_arg },	{ &o->secrets, build_argument_secret },
		{ &o->ssh, build_argument_ssh },	{ &o->contexts, build_argument_context },
		{ &o->hosts, build_argument_host },	{ &o->allow, build_argument_allow },
		{ &o->ulimits, build_argument_ulimit },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t k = 0; r == 0 && k < rows[i].list->n; k++)
			r = rows[i].add(b, rows[i].list->v[k], err);
	strv_copy(&b->labels, &o->labels);
	strv_copy(&b->tags, &o->tags);
	strv_copy(&b->no_cache_filter, &o->no_cache_filter);
	return r;
}

struct paths {
	char *context, *dockerfile;
	struct str text;
};

static void paths_done(struct paths *p)
{
	free(p->context);
	free(p->dockerfile);
	str_done(&p->text);
}

/* CONTEXT and --file. "-" as the context: the Dockerfile comes from standard input, and there are
 * no files. */
static int find_paths(const struct build_args *o, const char *context, struct paths *p,
		      struct err *err)
{
	bool no_context = str_eq(context, "-");
	enum { TEXT_MAX = 1 << 20 };

	if (!no_context && build_context_is_remote(context)) {
		p->context = xstrdup(context);
		p->dockerfile = xstrdup(o->file ? o->file : "Dockerfile");
		return 0;
	}
	if (!no_context && !(p->context = realpath(context, NULL)))
		return err_sys(err, errno, "context '%s'", context);
	if (no_context || str_eq(o->file, "-")) {
		if (no_context && o->file && !str_eq(o->file, "-"))
			return err_usage(err,
					 "with the context '-' the Dockerfile is standard input");
		return fs_read_fd(STDIN_FILENO, "standard input", TEXT_MAX, &p->text, err);
	}
	if (!o->file) {
		p->dockerfile = path_join(p->context, "Dockerfile");
		return 0;
	}
	p->dockerfile = realpath(o->file, NULL);
	return p->dockerfile ? 0
			     : err_sys(err, errno, "failed to read dockerfile: open %s", o->file);
}

static int write_id(const char *path, const char *id, struct err *err)
{
	return path ? fs_write_atomic(AT_FDCWD, path, id, strlen(id), 0644, 0, err) : 0;
}

static int build_run_verb(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct build_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(build_options_done) struct build_options b = { 0 };
	cleanup(paths_done) struct paths paths = { 0 };
	cleanup(build_view_done) struct build_view view = { 0 };
	cleanup(build_job_done) struct build_job job = { .options = &b };
	struct build_view_part part = { .view = &view };
	cleanup_fd int interrupt = FD_NONE;
	int r = cli_need_root(err);

	if (r == 0)
		r = runtime_protect(NULL, err);
	if (r == 0)
		r = build_view_init(&view, cli, o->progress, o->quiet, err);
	if (r == 0)
		r = find_paths(o, args->v[0], &paths, err);
	if (r == 0)
		r = read_lists(o, &b, err);
	if (r == 0)
		r = build_argument_size(o->memory, "--memory", &b.memory, err);
	if (r == 0)
		r = build_argument_size(o->shm_size, "--shm-size", (int64_t *)&b.shm_size, err);
	if (r == 0)
		r = build_argument_epoch(&b, err);
	if (r == 0)
		r = cli_image_store(cli, &store, err);
	if (r < 0)
		return r;
	b.root = cli->paths.root;
	b.run = cli->paths.run;
	b.store = store;
	b.context = paths.context;
	b.dockerfile = paths.dockerfile;
	b.dockerfile_text = str_text(&paths.text);
	b.target = o->target;
	b.platform = o->platform;
	b.network = o->network;
	b.pull = o->pull;
	b.no_cache = o->no_cache;
	b.explain = o->explain;
	b.check = o->check;
	b.event = build_view_event;
	b.diagnose = build_view_diagnose;
	b.data = &part;
	b.interrupt = &interrupt;
	r = build_arguments_check(&b, err);
	if (r == 0)
		r = interrupt_open(&interrupt, err);
	if (r == 0 && (r = build_run(&job, 1, err)) < 0 && !err->no)
		err_move(err, &job.err);
	build_view_done(&view);
	if (r == 0 && job.id)
		r = write_id(o->iidfile, job.id, err);
	if (r < 0)
		return build_failed(cli, NULL, err);
	if (o->check)
		return build_view_checked(&view);
	if (o->quiet && job.id)
		puts(job.id);
	return 0;
}

const struct cmd cmd_image_build = {
	.name = "image build",
	.summary = "Build an image from a Dockerfile",
	.args = "CONTEXT|-",
	.options = build_options,
	.options_size = sizeof(struct build_args),
	.min_args = 1,
	.max_args = 1,
	.run = build_run_verb,
};
