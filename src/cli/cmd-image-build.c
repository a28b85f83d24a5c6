/* image build: a Dockerfile and a directory become an image, as with `docker build`. */
#include "cli/build-arguments.h"
#include "cli/build-output.h"
#include "cli/build-view.h"
#include "cli/interrupt.h"
#include "cli/prune.h"

#include "base/fs.h"
#include "base/parse.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct build_args {
	struct strv args, tags, labels, secrets, ssh, hosts, contexts, allow, no_cache_filter,
		cache_from, cache_to, ulimits, platforms, annotations, outputs, attest,
		security_opt;
	const char *file, *target, *iidfile, *metadata, *progress, *network, *memory, *shm_size,
		*cgroup_parent, *call, *builder, *provenance, *sbom, *isolation;
	bool no_cache, pull, push, quiet, explain, check, load, rm, force_rm, compress, debug;
};
#define O(field) offsetof(struct build_args, field)

static const struct option build_options[] = {
	{ 0, "add-host", OPTION_LIST, O(hosts), "HOST:IP", NULL,
	  "Add a line to /etc/hosts while RUN steps run", 0 },
	{ 0, "allow", OPTION_LIST, O(allow), "ENTITLEMENT", NULL,
	  "Allow network.host or security.insecure", 0 },
	{ 0, "annotation", OPTION_LIST, O(annotations), "[TYPE:]NAME=VALUE", NULL,
	  "Set an annotation of the image's manifest, or of its index", 0 },
	{ 0, "attest", OPTION_LIST, O(attest), "TEXT", NULL,
	  "Accepted where it disables: attestations are not supported", OPTION_HIDDEN },
	{ 0, "build-arg", OPTION_LIST, O(args), "NAME[=VALUE]", NULL,
	  "Set an ARG of the Dockerfile; without a value, from the environment", 0 },
	{ 0, "build-context", OPTION_LIST, O(contexts), "NAME=CONTEXT", NULL,
	  "A further context for FROM, COPY --from and RUN --mount: a directory, an archive, a "
	  "repository, docker-image://REF, oci-layout://DIR",
	  0 },
	{ 0, "builder", OPTION_TEXT, O(builder), "NAME", NULL, "Accepted: there is one builder",
	  OPTION_HIDDEN },
	{ 0, "cache-from", OPTION_LIST, O(cache_from), "NAME|type=...", NULL,
	  "The build cache of others: NAME in a registry; type=local,src=DIR", 0 },
	{ 0, "cache-to", OPTION_LIST, O(cache_to), "NAME|type=...", NULL,
	  "Write the build cache there, too: NAME[,mode=max]; type=local,dest=DIR; type=inline",
	  0 },
	{ 0, "call", OPTION_TEXT, O(call), "METHOD", "build",
	  "build, check, outline (what the target takes) or targets; with ,format=json", 0 },
	{ 0, "cgroup-parent", OPTION_TEXT, O(cgroup_parent), "NAME", NULL,
	  "The control group above those of RUN steps", 0 },
	{ 0, "check", OPTION_FLAG, O(check), NULL, NULL,
	  "Look for mistakes in the Dockerfile, build nothing", 0 },
	{ 0, "compress", OPTION_FLAG, O(compress), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 'D', "debug", OPTION_FLAG, O(debug), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "explain-cache", OPTION_FLAG, O(explain), NULL, NULL,
	  "Say of each step that runs why it was not in the cache", 0 },
	{ 'f', "file", OPTION_TEXT, O(file), "FILE", NULL,
	  "The Dockerfile (default: CONTEXT/Dockerfile); -: standard input", 0 },
	{ 0, "force-rm", OPTION_FLAG, O(force_rm), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "iidfile", OPTION_TEXT, O(iidfile), "FILE", NULL, "Write the image's id to a file",
	  0 },
	{ 0, "isolation", OPTION_TEXT, O(isolation), "NAME", NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "label", OPTION_LIST, O(labels), "NAME=VALUE", NULL, "Set a label of the image", 0 },
	{ 0, "load", OPTION_FLAG, O(load), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 'm', "memory", OPTION_TEXT, O(memory), "BYTES", NULL, "Memory limit of RUN steps", 0 },
	{ 0, "metadata-file", OPTION_TEXT, O(metadata), "FILE", NULL,
	  "Write what came out as JSON: digests and names", 0 },
	{ 0, "network", OPTION_TEXT, O(network), "MODE", NULL,
	  "Network of RUN steps: default, none, host", 0 },
	{ 0, "no-cache", OPTION_FLAG, O(no_cache), NULL, NULL, "Run every step", 0 },
	{ 0, "no-cache-filter", OPTION_CSV, O(no_cache_filter), "STAGE", NULL,
	  "Run every step of a stage", 0 },
	{ 'o', "output", OPTION_LIST, O(outputs), "OUTPUT", NULL,
	  "type=local,dest=DIR; type=tar|oci|docker,dest=FILE; type=image,push=true; DIR; -", 0 },
	{ 0, "platform", OPTION_LIST, O(platforms), "OS/ARCH[,...]", NULL,
	  "Platforms of the image (default: this machine's)", 0 },
	{ 0, "progress", OPTION_TEXT, O(progress), "MODE", NULL,
	  "auto, plain, tty, quiet or rawjson", 0 },
	{ 0, "provenance", OPTION_TEXT, O(provenance), "MODE", NULL,
	  "Accepted as false: attestations are not supported", OPTION_HIDDEN },
	{ 0, "pull", OPTION_FLAG, O(pull), NULL, NULL, "Ask the registries for newer base images",
	  0 },
	{ 0, "push", OPTION_FLAG, O(push), NULL, NULL, "Push the image under its names", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "Print the image's id only", 0 },
	{ 0, "rm", OPTION_FLAG, O(rm), NULL, NULL, "Accepted", OPTION_HIDDEN },
	{ 0, "sbom", OPTION_TEXT, O(sbom), "MODE", NULL,
	  "Accepted as false: attestations are not supported", OPTION_HIDDEN },
	{ 0, "secret", OPTION_LIST, O(secrets), "id=ID[,src=FILE|,env=NAME]", NULL,
	  "A secret for RUN --mount=type=secret", 0 },
	{ 0, "security-opt", OPTION_LIST, O(security_opt), "OPTION", NULL, "Accepted",
	  OPTION_HIDDEN },
	{ 0, "shm-size", OPTION_TEXT, O(shm_size), "BYTES", NULL, "Size of /dev/shm of RUN steps",
	  0 },
	{ 0, "ssh", OPTION_LIST, O(ssh), "default|ID[=SOCKET|=KEY,...]", NULL,
	  "An SSH agent, or keys, for RUN --mount=type=ssh", 0 },
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
		{ &o->args, build_argument_arg },
		{ &o->secrets, build_argument_secret },
		{ &o->ssh, build_argument_ssh },
		{ &o->contexts, build_argument_context },
		{ &o->hosts, build_argument_host },
		{ &o->allow, build_argument_allow },
		{ &o->ulimits, build_argument_ulimit },
		{ &o->platforms, build_argument_platform },
		{ &o->annotations, build_argument_annotation },
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

/* CONTEXT and --file. "-" for one of them is standard input: an archive or a Dockerfile. */
static int find_paths(const struct build_args *o, const char *context, struct paths *p,
		      struct err *err)
{
	enum { TEXT_MAX = 1 << 20 };
	bool elsewhere = str_eq(context, "-") || build_context_is_remote(context);
	struct stat st;

	if (!elsewhere && !(p->context = realpath(context, NULL)))
		return err_sys(err, errno, "context '%s'", context);
	if (elsewhere)
		p->context = xstrdup(context);
	else if (stat(p->context, &st) == 0 && S_ISREG(st.st_mode))
		elsewhere = true;
	if (str_eq(o->file, "-")) {
		if (str_eq(context, "-"))
			return err_usage(err, "standard input cannot be both the context and the "
					      "Dockerfile");
		return fs_read_fd(STDIN_FILENO, "standard input", TEXT_MAX, &p->text, err);
	}
	if (elsewhere || (o->file && build_context_is_remote(o->file))) {
		p->dockerfile = xstrdup(o->file ? o->file : "Dockerfile");
		return 0;
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

static int read_caches(struct cli *cli, const struct build_args *o, struct build_options *b,
		       struct err *err)
{
	const struct strv *lists[] = { &o->cache_from, &o->cache_to };
	int r = 0;

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
		for (size_t i = 0; r == 0 && i < lists[k]->n; i++) {
			bool ignored = false;

			r = build_argument_cache(b, lists[k]->v[i], k, NULL, &ignored, err);
			if (ignored)
				cli_warn(cli, "the build cache '%s' is not of a supported type",
					 lists[k]->v[i]);
		}
	return r;
}

static int read_attestations(const struct build_args *o, struct err *err)
{
	int r = build_argument_attest("--provenance", o->provenance ? o->provenance : "", err);

	if (r == 0)
		r = build_argument_attest("--sbom", o->sbom ? o->sbom : "", err);
	for (size_t i = 0; r == 0 && i < o->attest.n; i++)
		r = build_argument_attest("--attest", o->attest.v[i], err);
	return r;
}

static int read_options(struct cli *cli, const struct build_args *o, struct build_options *b,
			struct build_outputs *out, struct err *err)
{
	const char *standard = getenv("DOCKER_DEFAULT_PLATFORM");
	int r = read_lists(o, b, err);

	if (r == 0 && !b->platforms.n && !str_empty(standard))
		r = build_argument_platform(b, standard, err);
	for (size_t i = 0; r == 0 && i < o->outputs.n; i++)
		r = build_output_add(out, b, o->outputs.v[i], err);
	out->push = out->push || o->push;
	out->keep = out->keep || o->load;
	if (r == 0)
		r = build_outputs_check(out, b, err);
	if (r == 0)
		r = read_caches(cli, o, b, err);
	if (r == 0)
		r = read_attestations(o, err);
	if (r == 0)
		r = build_argument_size(o->memory, "--memory", &b->memory, err);
	if (r == 0)
		r = build_argument_size(o->shm_size, "--shm-size", (int64_t *)&b->shm_size, err);
	return r < 0 ? r : build_argument_epoch(b, err);
}

/* --check and --call. */
static int read_call(const struct build_args *o, struct build_options *b, struct build_view *view,
		     struct err *err)
{
	const char *call = o->check ? "check" : o->call;
	size_t len = strcspn(call, ",");
	cleanup_free char *method = xstrndup(call, len);

	view->json = strstr(call + len, "format=json") != NULL;
	if (str_eq(method, "build"))
		return 0;
	b->check = true;
	view->checking = str_eq(method, "check") || str_eq(method, "lint");
	if (str_eq(method, "outline") || str_eq(method, "targets")) {
		b->outline = *method == 'o' ? BUILD_OUTLINE : BUILD_TARGETS;
		b->describe = build_view_outline;
	} else if (!view->checking) {
		return err_usage(err, "--call: '%s' is not build, check, outline or targets",
				 method);
	}
	return 0;
}

static int build_run_verb(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct build_args *o = options;
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup(build_options_done) struct build_options b = { 0 };
	cleanup(build_outputs_done) struct build_outputs out = { 0 };
	cleanup(paths_done) struct paths paths = { 0 };
	cleanup(build_view_free) struct build_view view = { 0 };
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
		r = read_options(cli, o, &b, &out, err);
	if (r == 0)
		r = read_call(o, &b, &view, err);
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
	b.network = o->network;
	b.cgroup_parent = o->cgroup_parent;
	b.pull = o->pull;
	b.no_cache = o->no_cache;
	b.explain = o->explain;
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
	if (r == 0 && job.cache_grew)
		r = prune_build_cache(cli, store, err);
	if (r == 0 && job.id)
		r = write_id(o->iidfile, job.id, err);
	if (r == 0 && job.id)
		r = build_outputs_write(cli, &out, &b, &job, o->quiet, err);
	if (r == 0 && !b.check)
		r = build_metadata_write(o->metadata, &b, &job, err);
	if (r < 0)
		return build_failed(cli, NULL, err);
	if (view.checking)
		return build_view_checked(&view);
	if (o->quiet && job.id)
		puts(job.id);
	return 0;
}

const struct cmd cmd_image_build = {
	.name = "image build",
	.summary = "Build an image from a Dockerfile",
	.args = "CONTEXT|URL|-",
	.options = build_options,
	.options_size = sizeof(struct build_args),
	.min_args = 1,
	.max_args = 1,
	.run = build_run_verb,
};
