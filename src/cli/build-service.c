/* Compose's `build:` as struct build_options. */
#include "cli/build-service.h"

#include "base/fs.h"
#include "base/parse.h"
#include "cli/build-arguments.h"
#include "cli/build-view.h"
#include "cli/interrupt.h"
#include "cli/prune.h"
#include "engine/service-name.h"
#include "runtime/runtime.h"

#include <fcntl.h>

#include <stdio.h>

/* One service's build. */
struct part {
	const struct service *service;
	struct build_options options;
	struct build_job job;
	struct build_view_part view;
	char *image, *dockerfile;
	struct strv after; /* services whose images are contexts of this one */
	bool done;
};

struct parts {
	VEC(struct part *) items;
};

static void part_free(struct part *p)
{
	build_options_done(&p->options);
	build_job_done(&p->job);
	free(p->image);
	free(p->dockerfile);
	strv_done(&p->after);
	free(p);
}

static void parts_done(struct parts *parts)
{
	vec_each(p, &parts->items)
		part_free(*p);
	vec_done(&parts->items);
}

/* "compose.yaml:14: service 'web': build.platforms: " in front of what is wrong. */
static int bad(const struct service *s, const char *key, struct err *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int bad(const struct service *s, const char *key, struct err *err, const char *format, ...)
{
	cleanup_free char *path = xasprintf("build.%s", key), *text = NULL;
	const char *place = json_str(s->places, path, NULL);
	va_list ap;

	if (!place)
		place = json_str(s->places, "build", NULL);
	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	return err_new(err, ERR_UNSUPPORTED, EOPNOTSUPP, "%s%sservice '%s': build.%s: %s",
		       place ? place : "", place ? ": " : "", s->name, key, text);
}

/* --- what cannot be done --- */

static int check_unsupported(const struct service *s, struct err *err)
{
	static const char *const attestations[] = { "provenance", "sbom" };
	const json_t *raw = s->build.raw;
	const char *isolation = json_str(raw, "isolation", "default");

	for (size_t i = 0; i < ARRAY_SIZE(attestations); i++) {
		const json_t *value = json_object_get(raw, attestations[i]);
		const char *text = json_is_true(value) ? "true" : json_string_value(value);
		struct err why = ERR_INIT;

		if (text && build_argument_attest(attestations[i], text, &why) < 0) {
			cleanup_free char *msg = xstrdup(why.msg);

			err_done(&why);
			return bad(s, attestations[i], err, "%s", msg);
		}
	}
	if (!str_eq(isolation, "default") && !str_empty(isolation))
		return bad(s, "isolation", err, "'%s' is for Windows", isolation);
	return 0;
}

/* --- the keys --- */

static void set_pairs(const json_t *map, struct strv *out)
{
	json_t *value;
	const char *key;

	json_object_foreach((json_t *)map, key, value)
		if (json_is_string(value))
			env_set(out, key, json_string_value(value));
}

static int set_texts(const struct service *s, struct build_options *b, const char *key,
		     int (*add)(struct build_options *, const char *, struct err *),
		     struct err *err)
{
	cleanup_strv struct strv list = { 0 };
	int r = 0;

	json_strv(s->build.raw, key, &list);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = add(b, list.v[i], err);
	if (r < 0) {
		cleanup_free char *msg = xstrdup(err->msg);

		err_done(err);
		return bad(s, key, err, "%s", msg);
	}
	return 0;
}

/* What is of no supported type is no reason not to build. */
static int set_caches(struct cli *cli, const struct service *s, struct build_options *b,
		      struct err *err)
{
	static const char *const keys[] = { "cache_from", "cache_to" };

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		cleanup_strv struct strv list = { 0 };

		json_strv(s->build.raw, keys[k], &list);
		for (size_t i = 0; i < list.n; i++) {
			struct err why = ERR_INIT;
			bool ignored = false;

			if (build_argument_cache(b, list.v[i], k, cli->project->working_dir,
						 &ignored, &why) < 0) {
				cleanup_free char *msg = xstrdup(why.msg);

				err_done(&why);
				return bad(s, keys[k], err, "%s", msg);
			}
			if (ignored)
				cli_warn(cli,
					 "service '%s': build.%s: '%s' is not of a supported type",
					 s->name, keys[k], list.v[i]);
		}
	}
	return 0;
}

static int set_ulimits(const struct service *s, struct build_options *b, struct err *err)
{
	const json_t *map = json_object_get(s->build.raw, "ulimits");
	const char *name;
	json_t *value;
	int r = 0;

	json_object_foreach((json_t *)map, name, value) {
		cleanup_free char *text =
			json_is_integer(value)
				? xasprintf("%s=%lld", name, (long long)json_integer_value(value))
				: xasprintf("%s=%lld:%lld", name,
					    (long long)json_int(value, "soft", -1),
					    (long long)json_int(value, "hard", -1));

		r = build_argument_ulimit(b, text, err);
		if (r < 0)
			return err_wrap(err, "service '%s': build.ulimits", s->name);
	}
	return r;
}

static const struct project_file *find_secret(const struct project *project, const char *key)
{
	vec_each(f, &project->secrets)
		if (str_eq(f->key, key))
			return f;
	return NULL;
}

static int set_secrets(const struct project *project, const struct service *s,
		       struct build_options *b, struct err *err)
{
	const json_t *list = json_object_get(s->build.raw, "secrets"), *use;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, use) {
		const char *source = json_str(use, "source", "");
		const char *id = json_str(use, "target", source);
		const struct project_file *file = find_secret(project, source);

		if (!file)
			return bad(s, "secrets", err, "secret '%s' is not defined", source);
		if (!file->content && !file->file)
			return bad(s, "secrets", err,
				   "secret '%s' is external, and stave keeps none of its own",
				   source);
		if (file->content)
			vec_push(&b->secrets, (struct build_secret){
						      .id = xstrdup(str_empty(id) ? source : id),
						      .data = xstrdup(file->content),
						      .len = strlen(file->content),
					      });
		else
			r = build_secret_add(b, str_empty(id) ? source : id, file->file, NULL, err);
		if (r < 0)
			return err_wrap(err, "service '%s'", s->name);
	}
	return 0;
}

/* A directory, an image, or the image of another service, which is built first. */
static int set_contexts(const struct service *s, struct part *p, struct err *err)
{
	const json_t *map = json_object_get(s->build.raw, "additional_contexts");
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)map, name, value) {
		const char *text = json_string_value(value) ? json_string_value(value) : "";
		const char *service = str_after(text, "service:");
		cleanup_free char *argument = xasprintf("%s=%s", name, text);

		if (service) {
			strv_add(&p->after, service);
			vec_push(&p->options.contexts,
				 (struct build_context){ .name = xstrdup(name),
							 .image = xstrdup(text) });
		} else if (build_argument_context(&p->options, argument, err) < 0) {
			cleanup_free char *msg = xstrdup(err->msg);

			err_done(err);
			return bad(s, "additional_contexts", err, "%s", msg);
		}
	}
	return 0;
}

/* One that is going to run here is built for this machine only; `build` makes all. */
static int set_platforms(const struct service *s, const struct build_wish *wish,
			 struct build_options *b, struct err *err)
{
	cleanup_free char *own = NULL, *one = NULL;
	const char *standard = getenv("DOCKER_DEFAULT_PLATFORM");
	struct strv list = { 0 };
	int r = set_texts(s, b, "platforms", build_argument_platform, err);

	if (r == 0)
		r = image_platform("local", &own, err);
	if (r == 0 && s->platform && (r = image_platform(s->platform, &one, err)) < 0)
		return err_wrap(err, "service '%s'", s->name);
	if (r < 0)
		return r;
	if (one && b->platforms.n && !strv_has(&b->platforms, one))
		return bad(s, "platforms", err, "the service's platform '%s' is not among them",
			   s->platform);
	if (!one && !b->platforms.n && !str_empty(standard))
		return build_argument_platform(b, standard, err);
	if (!one && b->platforms.n > 1 && !wish->all_platforms)
		one = xstrdup(strv_has(&b->platforms, own) ? own : b->platforms.v[0]);
	if (one) {
		strv_add(&list, one);
		strv_done(&b->platforms);
		b->platforms = list;
	}
	return 0;
}

static int set_context(const struct service *s, struct part *p, struct err *err)
{
	const char *context = s->build.context, *file = s->build.dockerfile;

	if (str_empty(context))
		context = ".";
	if (build_context_is_remote(context)) {
		p->options.context = context;
		p->options.dockerfile_text = s->build.dockerfile_inline;
		if (str_empty(s->build.dockerfile_inline))
			p->options.dockerfile = str_empty(file) ? "Dockerfile" : file;
		if (build_arguments_check(&p->options, err) == 0)
			return 0;
		cleanup_free char *msg = xstrdup(err->msg);
		err_done(err);
		return bad(s, "context", err, "%s", msg);
	}
	if (!fs_exists(AT_FDCWD, context))
		return err_not_found(err,
				     "service '%s': unable to prepare context: path \"%s\" "
				     "not found",
				     s->name, context);
	p->options.context = context;
	p->options.dockerfile_text = s->build.dockerfile_inline;
	if (str_empty(s->build.dockerfile_inline)) {
		p->dockerfile = path_join(context, str_empty(file) ? "Dockerfile" : file);
		p->options.dockerfile = p->dockerfile;
		if (!fs_exists(AT_FDCWD, p->dockerfile))
			return err_not_found(err,
					     "target %s: failed to solve: failed to read "
					     "dockerfile: open %s: no such file or directory",
					     s->name, str_empty(file) ? "Dockerfile" : file);
	}
	return 0;
}

static int set_network(const struct service *s, struct build_options *b, struct err *err)
{
	b->network = json_str(s->build.raw, "network", NULL);
	if (build_arguments_check(b, err) < 0) {
		cleanup_free char *msg = xstrdup(err->msg);

		err_done(err);
		return bad(s, "network", err, "%s", msg);
	}
	return 0;
}

static void set_labels(const struct project *project, const struct service *s,
		       struct build_options *b)
{
	set_pairs(json_object_get(s->build.raw, "labels"), &b->labels);
	env_set(&b->labels, "com.docker.compose.project", project->name);
	env_set(&b->labels, "com.docker.compose.service", s->name);
}

static int set_wish(const struct build_wish *wish, struct build_options *b, struct err *err)
{
	int r = build_argument_size(wish->memory, "--memory", &b->memory, err);

	for (size_t i = 0; r == 0 && i < wish->args.n; i++)
		r = build_argument_arg(b, wish->args.v[i], err);
	for (size_t i = 0; r == 0 && i < wish->ssh.n; i++)
		r = build_argument_ssh(b, wish->ssh.v[i], err);
	b->no_cache = b->no_cache || wish->no_cache;
	b->pull = b->pull || wish->pull;
	b->check = wish->check;
	b->explain = wish->explain;
	return r;
}

static int fill(struct cli *cli, struct image_store *store, const struct build_wish *wish,
		struct part *p, struct err *err)
{
	const struct service *s = p->service;
	const json_t *raw = s->build.raw;
	struct build_options *b = &p->options;
	int r = check_unsupported(s, err);

	*b = (struct build_options){
		.root = cli->paths.root,
		.run = cli->paths.run,
		.store = store,
		.target = s->build.target,
		.no_cache = json_flag(raw, "no_cache", false),
		.pull = json_flag(raw, "pull", false),
		.allow_insecure = json_flag(raw, "privileged", false),
		.event = build_view_event,
		.diagnose = build_view_diagnose,
		.data = &p->view,
	};
	set_pairs(json_object_get(raw, "args"), &b->args);
	set_labels(cli->project, s, b);
	strv_add(&b->tags, p->image);
	json_strv(raw, "tags", &b->tags);
	json_strv(raw, "extra_hosts", &b->extra_hosts);
	if (r == 0)
		r = build_argument_size(json_str(raw, "shm_size", NULL), "shm_size",
					(int64_t *)&b->shm_size, err);
	if (r == 0)
		r = set_context(s, p, err);
	if (r == 0)
		r = set_platforms(s, wish, b, err);
	if (r == 0)
		r = set_network(s, b, err);
	if (r == 0)
		r = set_texts(s, b, "entitlements", build_argument_allow, err);
	if (r == 0)
		r = set_texts(s, b, "ssh", build_argument_ssh, err);
	if (r == 0)
		r = set_caches(cli, s, b, err);
	if (r == 0)
		r = set_ulimits(s, b, err);
	if (r == 0)
		r = set_secrets(cli->project, s, b, err);
	if (r == 0)
		r = set_contexts(s, p, err);
	if (r == 0)
		r = set_wish(wish, b, err);
	return r < 0 ? r : build_argument_epoch(b, err);
}

/* --- all of them --- */

static struct part *find_part(const struct parts *parts, const char *service)
{
	vec_each(p, &parts->items)
		if (str_eq((*p)->service->name, service))
			return *p;
	return NULL;
}

/* Also one that was not asked for, or whose profile is not active: it is only built. */
const struct service *build_service_find(const struct project *project, const char *name)
{
	vec_each(s, &project->services)
		if (str_eq(s->name, name))
			return s;
	vec_each(s, &project->disabled)
		if (str_eq(s->name, name))
			return s;
	return NULL;
}

static int add_part(struct cli *cli, struct image_store *store, const struct service *s,
		    const struct build_wish *wish, struct parts *parts, struct err *err)
{
	struct part *p;
	int r;

	if (!s->build.set || find_part(parts, s->name))
		return 0;
	p = new0(struct part);
	p->service = s;
	p->image = service_image_name(cli->project, s);
	vec_push(&parts->items, p);
	r = fill(cli, store, wish, p, err);
	for (size_t i = 0; r == 0 && i < p->after.n; i++) {
		const struct service *other = build_service_find(cli->project, p->after.v[i]);

		if (!other || !other->build.set)
			return bad(s, "additional_contexts", err,
				   "service '%s' has no build section", p->after.v[i]);
		r = add_part(cli, store, other, wish, parts, err);
	}
	return r;
}

/* The images of the services before it, by their ids now. */
static bool is_ready(const struct parts *parts, const struct part *p)
{
	for (size_t i = 0; i < p->after.n; i++)
		if (!find_part(parts, p->after.v[i])->done)
			return false;
	return true;
}

static void use_images(const struct parts *parts, struct part *p)
{
	vec_each(c, &p->options.contexts) {
		const char *service = c->image ? str_after(c->image, "service:") : NULL;
		const struct part *other = service ? find_part(parts, service) : NULL;

		if (other && other->job.id) {
			free(c->image);
			c->image = xstrdup(other->job.id);
		}
	}
}

/* What can be built now, at once. -ELOOP: nothing can. */
static int build_wave(const struct parts *parts, struct build_view *view, const int *interrupt,
		      struct err *err)
{
	cleanup_free struct part **wave = xcalloc(parts->items.n, sizeof(*wave));
	cleanup_free struct build_job *jobs = xcalloc(parts->items.n, sizeof(*jobs));
	size_t n = 0;

	vec_each(p, &parts->items) {
		if ((*p)->done || !is_ready(parts, *p))
			continue;
		use_images(parts, *p);
		(*p)->view = (struct build_view_part){
			.view = view,
			.service = parts->items.n > 1 ? (*p)->service->name : NULL,
			.base = view->numbers,
		};
		(*p)->options.interrupt = interrupt;
		jobs[n].options = &(*p)->options;
		wave[n++] = *p;
	}
	if (!n)
		return err_input(err, "the services to build are contexts of each other");
	int r = build_run(jobs, n, err), first = r;
	for (size_t i = 0; i < n; i++) {
		wave[i]->job = jobs[i];
		wave[i]->done = true;
		/* Those that were only given up are not the reason. */
		if (!err->no && jobs[i].err.no && jobs[i].err.kind != ERR_CANCELLED) {
			err_move(err, &wave[i]->job.err);
			first = build_failed(view->cli, wave[i]->service->name, err);
		}
	}
	if (first < 0 && !err->no)
		err_new(err, ERR_CANCELLED, EINTR, "the build was given up");
	return first;
}

static bool all_done(const struct parts *parts)
{
	vec_each(p, &parts->items)
		if (!(*p)->done)
			return false;
	return true;
}

int build_services_protect(struct err *err)
{
	return runtime_protect(NULL, err);
}

int build_services(struct cli *cli, struct image_store *store, const struct service **services,
		   const struct build_wish *wish, struct strv *ret_built, struct err *err)
{
	cleanup(parts_done) struct parts parts = { 0 };
	cleanup(build_view_free) struct build_view view = { 0 };
	cleanup_fd int interrupt = FD_NONE;
	const char *mode = wish->progress ? wish->progress : cli->global.progress;
	bool grew = false;
	int r = 0;

	for (size_t i = 0; r == 0 && services[i]; i++)
		r = add_part(cli, store, services[i], wish, &parts, err);
	if (r < 0 || !parts.items.n)
		return r;
	r = interrupt_open(&interrupt, err);
	if (r == 0)
		r = build_view_init(&view, cli, mode, wish->quiet, err);
	view.checking = wish->check;
	while (r == 0 && !all_done(&parts))
		r = build_wave(&parts, &view, &interrupt, err);
	build_view_done(&view);
	vec_each(p, &parts.items)
		grew = grew || (*p)->job.cache_grew;
	if (r == 0 && grew)
		r = prune_build_cache(cli, store, err);
	if (r == 0 && wish->check)
		return build_view_checked(&view);
	vec_each(p, &parts.items)
		if (r == 0 && ret_built)
			strv_add(ret_built, (*p)->image);
	return r;
}
