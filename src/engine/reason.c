/* What changed between two configurations of a service, in words, with its place in the files; and
 * whether it can be applied to a running container. */
#include "base/hash.h"
#include "engine/plan-impl.h"

enum effect {
	EFFECT_FIXED, /* fixed at exec time */
	EFFECT_LIVE,
	EFFECT_NONE, /* says nothing about a container */
};

/* By path in the canonical service; the longest prefix in whole words decides. What is not here is
 * fixed at exec time. */
static const struct {
	const char *path;
	enum effect effect;
} effects[] = {
	{ "annotations", EFFECT_LIVE },
	{ "attach", EFFECT_NONE },
	{ "blkio_config", EFFECT_LIVE },
	{ "build", EFFECT_NONE },
	{ "cpu_count", EFFECT_LIVE },
	{ "cpu_percent", EFFECT_LIVE },
	{ "cpu_period", EFFECT_LIVE },
	{ "cpu_quota", EFFECT_LIVE },
	{ "cpu_rt_period", EFFECT_LIVE },
	{ "cpu_rt_runtime", EFFECT_LIVE },
	{ "cpu_shares", EFFECT_LIVE },
	{ "cpus", EFFECT_LIVE },
	{ "cpuset", EFFECT_LIVE },
	{ "depends_on", EFFECT_LIVE },
	{ "deploy", EFFECT_NONE },
	{ "deploy.resources", EFFECT_LIVE },
	{ "deploy.resources.reservations.devices", EFFECT_FIXED },
	{ "deploy.restart_policy", EFFECT_LIVE },
	{ "develop", EFFECT_NONE },
	{ "env_file", EFFECT_NONE }, /* its values stand in environment */
	{ "expose", EFFECT_NONE },
	{ "healthcheck", EFFECT_LIVE },
	{ "label_file", EFFECT_NONE },
	{ "labels", EFFECT_LIVE },
	{ "logging", EFFECT_LIVE },
	{ "mem_limit", EFFECT_LIVE },
	{ "mem_reservation", EFFECT_LIVE },
	{ "mem_swappiness", EFFECT_LIVE },
	{ "memswap_limit", EFFECT_LIVE },
	{ "pids_limit", EFFECT_LIVE },
	{ "ports", EFFECT_LIVE },
	{ "post_start", EFFECT_LIVE },
	{ "pre_stop", EFFECT_LIVE },
	{ "profiles", EFFECT_NONE },
	{ "provider", EFFECT_NONE },
	{ "pull_policy", EFFECT_NONE },
	{ "restart", EFFECT_LIVE },
	{ "scale", EFFECT_NONE },
	{ "stop_grace_period", EFFECT_LIVE },
	{ "stop_signal", EFFECT_LIVE },
};

enum {
	NAMED_MAX = 3, /* differences told by name; then "and N more" */
	DEPTH_MAX = 6,
};

static enum effect effect_of(const char *path)
{
	enum effect effect = str_starts(path, "x-") ? EFFECT_NONE : EFFECT_FIXED;
	size_t longest = 0;
	for (size_t i = 0; i < ARRAY_SIZE(effects); i++) {
		size_t len = strlen(effects[i].path);
		if (len <= longest || strncmp(path, effects[i].path, len) != 0)
			continue;
		if (path[len] && path[len] != '.')
			continue;
		longest = len;
		effect = effects[i].effect;
	}
	return effect;
}

struct comparison {
	const struct service *service;
	struct {
		struct str text;
		size_t n;
	} by_effect[2]; /* EFFECT_FIXED, EFFECT_LIVE */
};

/* Where the path, or the nearest thing around it, is written. Borrowed; NULL when not known. */
static const char *place_of(const struct service *service, const char *path)
{
	cleanup_free char *at = xstrdup(path);
	while (service && service->places) {
		const char *place = json_str(service->places, at, NULL);
		char *dot = strrchr(at, '.');
		if (place || !dot)
			return place;
		*dot = '\0';
	}
	return NULL;
}

static void tell(struct comparison *c, const char *path, const char *how)
{
	enum effect effect = effect_of(path);
	if (effect == EFFECT_NONE)
		return;
	struct str *text = &c->by_effect[effect].text;
	size_t n = c->by_effect[effect].n++;
	if (n >= NAMED_MAX)
		return;
	const char *place = place_of(c->service, path);
	str_addf(text, "%s%s %s%s%s", n ? "; " : "", path, how, place ? ", " : "",
		 place ? place : "");
}

static void compare(struct comparison *c, const char *path, const json_t *old, const json_t *new,
		    int depth);

/* Members of both objects: those of `new` in its order, then what only `old` has. */
static void compare_members(struct comparison *c, const char *path, const json_t *old,
			    const json_t *new, int depth)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)new, key, value) {
		cleanup_free char *below = xasprintf("%s%s%s", path, *path ? "." : "", key);
		compare(c, below, json_object_get(old, key), value, depth + 1);
	}
	json_object_foreach((json_t *)old, key, value) {
		cleanup_free char *below = xasprintf("%s%s%s", path, *path ? "." : "", key);
		if (!json_object_get(new, key))
			compare(c, below, value, NULL, depth + 1);
	}
}

/* Canonical form leaves unset members out, or gives them as null. */
static const json_t *set_or_null(const json_t *j)
{
	return json_is_null(j) ? NULL : j;
}

static void compare(struct comparison *c, const char *path, const json_t *old, const json_t *new,
		    int depth)
{
	old = set_or_null(old);
	new = set_or_null(new);
	if ((!old && !new) || (old && new &&json_equal(old, new)))
		return;
	bool objects = (!old || json_is_object(old)) && (!new || json_is_object(new));
	bool both = old && new;
	/* "environment.TZ added" says more than "environment changed", and "deploy added" has to be
	 * looked into for what of it can be live. */
	if (objects && depth < DEPTH_MAX &&
	    (both || depth == 0 || effect_of(path) == EFFECT_NONE || str_eq(path, "environment")))
		compare_members(c, path, old, new, depth);
	else
		tell(c, path, both ? "changed" : new ? "added" : "removed");
}

static char *finish(struct comparison *c, enum effect effect)
{
	size_t n = c->by_effect[effect].n;
	struct str *text = &c->by_effect[effect].text;
	if (n > NAMED_MAX)
		str_addf(text, "; and %zu more", n - NAMED_MAX);
	return n ? str_take(text) : NULL;
}

/* Real names and contents: { "service": ..., "networks": {...}, ... } beside the service itself. */
static void compare_surroundings(struct comparison *c, const json_t *old, const json_t *new)
{
	static const char *const groups[] = { "networks", "volumes", "secrets", "configs" };
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		const json_t *before = json_object_get(old, groups[i]);
		const json_t *after = json_object_get(new, groups[i]);
		const char *key;
		json_t *value;
		json_object_foreach((json_t *)after, key, value) {
			const json_t *was = json_object_get(before, key);
			cleanup_free char *path = xasprintf("%s.%s", groups[i], key);
			/* One that is new to the service shows in the service's own list. */
			if (was && !json_equal(was, value))
				tell(c, path, i < 2 ? "has another name" : "changed");
		}
	}
}

void reason__compare(const json_t *old, const json_t *new, const struct service *service,
		     struct plan_difference *ret)
{
	struct comparison c = { .service = service };
	*ret = (struct plan_difference){ 0 };
	if (!old || !new || json_equal(old, new))
		return;
	compare(&c, "", json_object_get(old, "service"), json_object_get(new, "service"), 0);
	compare_surroundings(&c, old, new);
	ret->fixed = finish(&c, EFFECT_FIXED);
	ret->live = finish(&c, EFFECT_LIVE);
	str_done(&c.by_effect[EFFECT_FIXED].text);
	str_done(&c.by_effect[EFFECT_LIVE].text);
}

/* Contents are kept as digests: records of containers are read by more programs than the secrets.
 */
static void add_file(json_t *to, const struct project_file *file)
{
	char hex[SHA256_HEX];
	if (file->content) {
		hash_hex(file->content, strlen(file->content), hex);
		json_put_str(to, file->key, hex);
	} else {
		json_put_str(to, file->key, file->file ? file->file : file->name);
	}
}

static const struct project_file *find_file(const struct project_file *files, size_t n,
					    const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(files[i].key, key))
			return &files[i];
	}
	return NULL;
}

static void put_used(json_t *config, const char *name, json_t *group)
{
	if (json_object_size(group))
		json_put(config, name, group);
	else
		json_decref(group);
}

json_t *service_config(const struct project *project, const struct service *service)
{
	json_t *config = json_object();
	json_t *networks = json_object(), *volumes = json_object();
	json_t *secrets = json_object(), *configs = json_object();
	if (service->canonical)
		json_object_set(config, "service", service->canonical);
	vec_each(n, &service->networks) {
		const struct project_network *network = project_network(project, n->network);
		json_put_str(networks, n->network, network ? network->name : NULL);
	}
	vec_each(m, &service->mounts) {
		if (m->kind != MOUNT_KIND_VOLUME || !m->source)
			continue;
		const struct project_volume *volume = project_volume(project, m->source);
		json_put_str(volumes, m->source, volume ? volume->name : NULL);
	}
	vec_each(s, &service->secrets) {
		const struct project_file *file =
			find_file(project->secrets.v, project->secrets.n, s->source);
		if (file)
			add_file(secrets, file);
	}
	vec_each(s, &service->configs) {
		const struct project_file *file =
			find_file(project->configs.v, project->configs.n, s->source);
		if (file)
			add_file(configs, file);
	}
	put_used(config, "networks", networks);
	put_used(config, "volumes", volumes);
	put_used(config, "secrets", secrets);
	put_used(config, "configs", configs);
	return config;
}
