/* Images for what is about to run. */
#include "cli/provide.h"

#include "base/parse.h"
#include "cli/build-service.h"
#include "cli/provider.h"
#include "engine/service-name.h"

#include <stdio.h>
#include <unistd.h>

/* --- one image --- */

/* A layer of the image on the display: one line below it. */
struct layer_line {
	char *subject;
	int percent; /* as last shown, so that not every message is a change */
	bool over;
};
struct view {
	struct progress *progress;
	VEC(struct layer_line) layers;
};

static struct layer_line *line_of(struct view *v, const char *digest)
{
	const char *hex = str_after(digest, "sha256:");
	cleanup_free char *subject = xasprintf(" Layer %.12s", hex ? hex : digest);
	vec_each(line, &v->layers)
		if (str_eq(line->subject, subject))
			return line;
	struct layer_line *added = vec_add(&v->layers);
	*added = (struct layer_line){ .subject = ptr_take(subject), .percent = -1 };
	return added;
}

static void show(void *data, const char *what, const char *phase, uint64_t done, uint64_t total)
{
	struct view *v = data;
	struct layer_line *line = line_of(v, what);
	bool moves = str_eq(phase, "Downloading") || str_eq(phase, "Pushing") ||
		     str_eq(phase, "unpacking");
	int percent = total ? (int)(done * 100 / total) : 0;
	if (line->over || (moves && percent == line->percent))
		return;
	line->percent = percent;
	line->over = !moves;
	cleanup_free char *have = format_size(done), *all = format_size(total);
	cleanup_free char *text = moves ? xasprintf("%s %s/%s", phase, have, all) : xstrdup(phase);
	progress_step(v->progress, line->subject, moves ? "start" : "done", text);
}

/* Lines that did not come to their end: what stopped them is said of the image. */
static void view_end(struct view *v, int r)
{
	vec_each(line, &v->layers) {
		if (!line->over)
			progress_step(v->progress, line->subject, r < 0 ? "error" : "done",
				      r < 0 ? "Stopped" : "Complete");
		free(line->subject);
	}
	vec_done(&v->layers);
}

/* Bytes are for a display that is redrawn; elsewhere each change would be a line. */
static struct image_progress watch(struct view *v)
{
	if (v->progress && isatty(STDERR_FILENO))
		return (struct image_progress){ show, v };
	return (struct image_progress){ 0 };
}

int provide_pull(struct image_store *store, struct progress *p, const char *name,
		 const char *platform, struct err *err)
{
	cleanup_free char *subject = xasprintf("Image %s", name);
	struct view view = { .progress = p };
	struct image_pull options = { .platform = platform, .progress = watch(&view) };
	if (p)
		progress_step(p, subject, "start", "Pulling");
	int r = image_pull(store, name, &options, NULL, err);
	view_end(&view, r);
	if (p)
		progress_step(p, subject, r < 0 ? "error" : "done", r < 0 ? "Error" : "Pulled");
	return r;
}

int provide_push(struct image_store *store, struct progress *p, const char *name, char **ret_digest,
		 struct err *err)
{
	cleanup_free char *subject = xasprintf("Image %s", name);
	struct view view = { .progress = p };
	struct image_pull options = { .progress = watch(&view) };
	if (p)
		progress_step(p, subject, "start", "Pushing");
	int r = image_push(store, name, &options, ret_digest, err);
	view_end(&view, r);
	if (p)
		progress_step(p, subject, r < 0 ? "error" : "done", r < 0 ? "Error" : "Pushed");
	return r;
}

/* --- when --- */

static const nsec_t day = 24 * 3600 * NSEC_PER_SEC;

/* "2w3d12h30m": Compose counts days and weeks, too, which other durations do not have. */
static int parse_period(const char *s, nsec_t *ret)
{
	static const struct {
		char unit;
		nsec_t ns;
	} units[] = {
		{ 'w', 7 * day },	    { 'd', day },	   { 'h', 3600 * NSEC_PER_SEC },
		{ 'm', 60 * NSEC_PER_SEC }, { 's', NSEC_PER_SEC },
	};
	nsec_t sum = 0;
	if (!*s)
		return -EINVAL;
	while (*s) {
		size_t digits = strspn(s, "0123456789"), u = 0;
		cleanup_free char *text = xstrndup(s, digits);
		int64_t n;
		while (u < ARRAY_SIZE(units) && units[u].unit != s[digits])
			u++;
		if (u == ARRAY_SIZE(units) || parse_i64(text, 0, 36500, &n) < 0)
			return -EINVAL;
		sum += n * units[u].ns;
		s += digits + 1;
	}
	*ret = sum;
	return 0;
}

/* How old a pulled image may get; NSEC_NEVER: the policy is not about age. */
static int policy_age(const char *policy, nsec_t *ret, struct err *err)
{
	const char *every = str_after(policy, "every_");
	*ret = NSEC_NEVER;
	if (str_eq(policy, "daily"))
		*ret = day;
	else if (str_eq(policy, "weekly"))
		*ret = 7 * day;
	if (!every)
		return 0;
	if (parse_period(every, ret) < 0 && parse_duration(every, ret) < 0)
		return err_input(err, "pull_policy '%.64s': '%.64s' is not a duration", policy,
				 every);
	return 0;
}

int provide_needs_pull(struct image_store *store, const char *name, const char *policy, bool *ret,
		       struct err *err)
{
	static const char *const known[] = { "always", "missing", "if_not_present", "never",
					     "build",  "daily",	  "weekly",	    "refresh" };
	cleanup_free char *id = NULL;
	cleanup_err struct err missing = ERR_INIT;
	nsec_t age, when = 0;
	bool ok = str_starts(policy, "every_");
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		ok = ok || str_eq(policy, known[i]);
	if (!ok)
		return err_input(err, "pull policy '%.64s' is not known", policy);
	int r = policy_age(policy, &age, err);
	if (r < 0)
		return r;
	bool here = image_id(store, name, &id, &when, &missing) == 0;
	if (str_eq(policy, "never") || str_eq(policy, "build"))
		*ret = false;
	else
		*ret = !here || str_eq(policy, "always") ||
		       (age != NSEC_NEVER && now_wall() - when > age);
	return 0;
}

/* --- before up, create, run --- */

/* What a service's image needs. */
enum need { NEED_NOTHING, NEED_PULL, NEED_BUILD, NEED_PULL_OR_BUILD };

/* `refresh` says when beside it; without that it is `missing`. Owned. */
static char *policy_of(const struct service *s, const char *option)
{
	if (!str_empty(option) && !str_eq(option, "policy"))
		return xstrdup(option);
	if (str_eq(s->pull_policy, "refresh") && s->pull_refresh_after)
		return xasprintf("every_%s", s->pull_refresh_after);
	return xstrdup(s->pull_policy ? s->pull_policy : "missing");
}

/* As Compose: what can be built and is not here is looked for in its registry first, when it has a
 * name of its own there. */
static int find_need(struct cli *cli, struct image_store *store, const struct service *s,
		     const struct provide *options, enum need *ret, struct err *err)
{
	cleanup_free char *name = service_image_name(cli->project, s), *id = NULL;
	cleanup_err struct err missing = ERR_INIT;
	cleanup_free char *policy = policy_of(s, options->pull);
	bool pull = false, builds = s->build.set && !options->no_build;

	*ret = NEED_NOTHING;
	if (s->provider)
		return 0;
	int r = provide_needs_pull(store, name, policy, &pull, err);
	if (r < 0)
		return r;
	if (builds && (options->build || str_eq(s->pull_policy, "build")))
		*ret = NEED_BUILD;
	else if (pull && !str_empty(s->image))
		*ret = builds ? NEED_PULL_OR_BUILD : NEED_PULL;
	else if (builds && image_id(store, name, &id, NULL, &missing) < 0)
		*ret = NEED_BUILD;
	return 0;
}

static int provide_one(struct image_store *store, struct progress **p, struct cli *cli,
		       const struct service *s, enum need *need, const struct provide *options,
		       struct err *err)
{
	cleanup_free char *id = NULL;
	cleanup_err struct err missing = ERR_INIT;

	if (*need == NEED_NOTHING || *need == NEED_BUILD)
		return 0;
	if (!*p && !options->quiet_pull)
		*p = progress_new(cli, 0);
	int r = provide_pull(store, *p, s->image, s->platform, err);
	if (r == 0 || *need == NEED_PULL)
		return r;
	/* It can be built: that it cannot be pulled is no failure. */
	err_done(err);
	*need = image_id(store, s->image, &id, NULL, &missing) == 0 ? NEED_NOTHING : NEED_BUILD;
	return 0;
}

/* Whose image a `type: image` volume names: a service that builds it, so that it comes to be. */
static bool is_built_here(const struct project *project, const char *source)
{
	vec_each(s, &project->services) {
		cleanup_free char *name = service_image_name(project, s);
		if (s->build.set && (str_eq(name, source) || str_eq(s->name, source)))
			return true;
	}
	return false;
}

/* Images that are mounted: only what is missing, as Compose does it. */
static int provide_mounted(struct cli *cli, struct image_store *store, struct progress **p,
			   const struct service *s, const struct provide *options, struct err *err)
{
	int r = 0;
	vec_each(mount, &s->mounts) {
		cleanup_free char *id = NULL;
		cleanup_err struct err missing = ERR_INIT;
		cleanup_free char *name = NULL;
		if (r < 0 || mount->kind != MOUNT_KIND_IMAGE || str_empty(mount->source) ||
		    str_eq(options->pull, "never") || is_built_here(cli->project, mount->source))
			continue;
		if (image_id(store, mount->source, &id, NULL, &missing) == 0)
			continue;
		name = service_mounted_image_name(cli->project, mount->source);
		if (name) /* that service's own need */
			continue;
		if (!*p && !options->quiet_pull)
			*p = progress_new(cli, 0);
		r = provide_pull(store, *p, mount->source, NULL, err);
	}
	return r;
}

/* Those that are to be built, at once. */
static int build_needed(struct cli *cli, struct image_store *store, const struct service **list,
			const enum need *needs, const struct provide *options, struct err *err)
{
	struct build_wish wish = { .quiet = options->quiet_build };
	cleanup_free const struct service **some = NULL;
	size_t n = 0;

	for (size_t i = 0; list[i]; i++)
		n += needs[i] == NEED_BUILD;
	some = xcalloc(n + 1, sizeof(*some));
	n = 0;
	for (size_t i = 0; list[i]; i++)
		if (needs[i] == NEED_BUILD)
			some[n++] = list[i];
	return n ? build_services(cli, store, some, &wish, NULL, err) : 0;
}

int provide_images(struct cli *cli, const struct strv *services, bool no_deps,
		   const struct provide *options, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_free const struct service **list = NULL;
	cleanup_free enum need *needs = NULL;
	cleanup_strv struct strv seen = { 0 };
	struct progress *p = NULL;
	bool builds = false;
	size_t n = 0;
	int r = provider_up(cli, services, no_deps, err);
	if (r == 0)
		r = cli_image_store(cli, &store, err);
	if (r < 0)
		return r;
	list = cli_services(cli->project, services, !no_deps);
	while (list[n])
		n++;
	needs = xcalloc(n + 1, sizeof(*needs));
	for (size_t i = 0; i < n && r == 0; i++) {
		if (list[i]->image && !list[i]->build.set && strv_has(&seen, list[i]->image))
			continue;
		if (list[i]->image)
			strv_add(&seen, list[i]->image);
		r = find_need(cli, store, list[i], options, &needs[i], err);
		builds = builds || needs[i] >= NEED_BUILD;
	}
	/* Before anything is done: it starts the program again. */
	if (r == 0 && builds)
		r = build_services_protect(err);
	if (r == 0)
		cli_warn_inert(cli);
	for (size_t i = 0; i < n && r == 0; i++)
		r = provide_one(store, &p, cli, list[i], &needs[i], options, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = provide_mounted(cli, store, &p, list[i], options, err);
	progress_done(p);
	return r < 0 ? r : build_needed(cli, store, list, needs, options, err);
}
