#include "compose/decode.h"

#include "base/hash.h"
#include "base/parse.h"
#include "compose/keys.h"
#include "compose/resolve.h"

#include <sys/utsname.h>

/* More than any machine has; what is above is a slip or an attack. */
enum { REPLICAS_MAX = 10000 };
#define MEMORY_MAX ((int64_t)1 << 46) /* 64 TiB */

static void set_place(struct place *place, const struct compose_model *m, struct where where)
{
	if (!where.line)
		return;
	struct mark mark = model_mark(m, where);
	*place = (struct place){ xstrdup(mark.file), mark.line, mark.column };
}

/* "compose.yaml:14" -> a place. */
static void parse_place(struct place *place, const char *text)
{
	const char *colon = text ? strrchr(text, ':') : NULL;
	if (!colon || parse_int(colon + 1, 0, INT32_MAX, &place->line) < 0)
		return;
	place->file = xstrndup(text, colon - text);
}

static const char *place_of(const json_t *places, const char *section, const char *name)
{
	char key[400];
	snprintf(key, sizeof(key), "%s.%s", section, name);
	return json_str(places, key, NULL);
}

#define index_places(vec, section)                                                                 \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < (vec)->n; i_++) {                                         \
			char index_[24];                                                           \
			snprintf(index_, sizeof(index_), "%zu", i_);                               \
			parse_place(&(vec)->v[i_].place, place_of(places, section, index_));       \
		}                                                                                  \
	} while (0)

static void fill_places(struct service *s, const json_t *places)
{
	index_places(&s->ports, "ports");
	index_places(&s->mounts, "volumes");
	index_places(&s->secrets, "secrets");
	index_places(&s->configs, "configs");
	vec_each(n, &s->networks)
		parse_place(&n->place, place_of(places, "networks", n->network));
	vec_each(d, &s->depends_on)
		parse_place(&d->place, place_of(places, "depends_on", d->service));
}

/* "/run:size=64m,mode=1777,uid=1000,exec" */
static void add_tmpfs(struct service *s, const char *spec, const char *place)
{
	struct service_mount *mount = vec_add(&s->mounts);
	size_t len = strcspn(spec, ":");
	mount->kind = MOUNT_KIND_TMPFS;
	mount->target = xstrndup(spec, len);
	parse_place(&mount->place, place);
	struct strv options cleanup(strv_done) = strv_split(spec[len] ? spec + len + 1 : "", ',');
	for (size_t i = 0; i < options.n; i++) {
		const char *size = str_after(options.v[i], "size="),
			   *mode = str_after(options.v[i], "mode=");
		uint64_t bytes;
		if (size && parse_size(size, &bytes) == 0)
			mount->tmpfs_size = bytes;
		else if (mode && parse_octal(mode, 07777, &mount->tmpfs_mode) == 0)
			mount->has_tmpfs_mode = true;
		else if (strcmp(options.v[i], "ro") == 0)
			mount->read_only = true;
		else if (*options.v[i] && strcmp(options.v[i], "rw") != 0)
			strv_add(&mount->tmpfs_options, options.v[i]);
	}
}

/* What decides whether a container must be made anew; how many there are and in which order they
 * start does not. */
static void hash_service(struct service *s)
{
	static const char *const without[] = { "scale",	      "depends_on", "build",
					       "pull_policy", "profiles",   "develop" };
	cleanup_json json_t *copy = json_copy(s->canonical);
	for (size_t i = 0; i < ARRAY_SIZE(without); i++)
		json_object_del(copy, without[i]);
	json_t *deploy = json_object_get(copy, "deploy");
	if (deploy) {
		cleanup_json json_t *rest = json_copy(deploy);
		json_object_del(rest, "replicas");
		json_object_set(copy, "deploy", rest);
	}
	cleanup_free char *text = json_text(copy);
	hash_hex(text, strlen(text), s->config_hash);
}

static void range(struct compose_model *m, const char *service, const char *key, int64_t value,
		  int64_t low, int64_t high)
{
	if (value < low || value > high)
		complain(m, service_where(m, service, key),
			 arena_printf(m->arena, "services.%s.%s", service, key),
			 "services.%s.%s is out of range: %lld (allowed: %lld to %lld)", service,
			 key, (long long)value, (long long)low, (long long)high);
}

static int64_t member(const json_t *obj, const char *key)
{
	const json_t *value = json_object_get(obj, key);
	int64_t n = 0;
	if (json_is_string(value))
		(void)parse_i64(json_string_value(value), INT64_MIN, INT64_MAX, &n);
	else
		n = json_integer_value(value);
	return n;
}

static void check_ports(struct compose_model *m, const char *name, const json_t *canonical)
{
	size_t i;
	json_t *port;
	json_array_foreach(json_object_get(canonical, "ports"), i, port)
		range(m, name, "ports", member(port, "target"), 1, 65535);
}

/* Numbers that no container can have. */
static void check_service_numbers(struct compose_model *m, const char *name, const json_t *s)
{
	const json_t *deploy = json_object_get(s, "deploy"),
		     *resources = json_object_get(deploy, "resources"),
		     *limits = json_object_get(resources, "limits"), *ulimit;
	const char *key;
	range(m, name, "deploy", member(deploy, "replicas"), 0, REPLICAS_MAX);
	range(m, name, "deploy", member(limits, "memory"), 0, MEMORY_MAX);
	range(m, name, "deploy", member(limits, "pids"), -1, INT32_MAX);
	range(m, name, "scale", member(s, "scale"), 0, REPLICAS_MAX);
	range(m, name, "mem_limit", member(s, "mem_limit"), 0, MEMORY_MAX);
	range(m, name, "mem_reservation", member(s, "mem_reservation"), 0, MEMORY_MAX);
	range(m, name, "memswap_limit", member(s, "memswap_limit"), -1, MEMORY_MAX);
	range(m, name, "mem_swappiness", member(s, "mem_swappiness"), -1, 100);
	range(m, name, "shm_size", member(s, "shm_size"), 0, MEMORY_MAX);
	range(m, name, "pids_limit", member(s, "pids_limit"), -1, INT32_MAX);
	double cpus = json_num(s, "cpus", 0);
	range(m, name, "cpus", cpus < 0 ? -1 : cpus > 100000 ? 100001 : 0, 0, 100000);
	range(m, name, "oom_score_adj", member(s, "oom_score_adj"), -1000, 1000);
	range(m, name, "healthcheck", member(json_object_get(s, "healthcheck"), "retries"), 0,
	      INT32_MAX);
	json_object_foreach(json_object_get(s, "ulimits"), key, ulimit) {
		range(m, name, "ulimits", json_integer_value(ulimit), -1, INT64_MAX);
		range(m, name, "ulimits", member(ulimit, "soft"), -1, INT64_MAX);
		range(m, name, "ulimits", member(ulimit, "hard"), -1, INT64_MAX);
	}
	check_ports(m, name, s);
}

int check_numbers(struct compose_model *m)
{
	const char *name;
	json_t *service;
	json_object_foreach(json_object_get(m->canonical, "services"), name, service)
		check_service_numbers(m, name, service);
	return model_failed(m) ? -1 : 0;
}

static void fill_service(struct compose_model *m, struct service *s, json_t *canonical,
			 json_t *places)
{
	size_t i;
	json_t *item;
	fields_read(service_fields, canonical, s);
	const struct node *source = map_at(map_at(m->tree, "services"), s->name);
	s->pull_refresh_after = xstrdup(node_str(map_at(source, "pull_refresh_after")));
	s->canonical = json_incref(canonical);
	s->places = json_incref(places);
	s->build.raw = json_incref(json_object_get(canonical, "build"));
	s->deploy.raw = json_incref(json_object_get(canonical, "deploy"));
	strv_sort(&s->environment);
	fill_places(s, places);
	json_array_foreach(json_object_get(canonical, "tmpfs"), i, item) {
		char index[24];
		snprintf(index, sizeof(index), "%zu", i);
		const char *place = place_of(places, "tmpfs", index);
		add_tmpfs(s, json_string_value(item),
			  place ? place : json_str(places, "tmpfs", NULL));
	}
	s->has_oom_score_adj = json_object_get(canonical, "oom_score_adj") != NULL;
	if (s->healthcheck.test.args.n && strcmp(s->healthcheck.test.args.v[0], "NONE") == 0)
		s->healthcheck.disable = true;
	if (!s->has_scale) {
		s->scale = s->deploy.has_replicas ? s->deploy.replicas : 1;
		s->has_scale = s->deploy.has_replicas;
	}
	set_place(&s->place, m, service_where(m, s->name, NULL));
	hash_service(s);
}

static int by_service(const void *a, const void *b)
{
	return strcmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

#define take_services(m, map, vec, places)                                                         \
	do {                                                                                       \
		const char *name_;                                                                 \
		json_t *one_;                                                                      \
		json_object_foreach(map, name_, one_) {                                            \
			struct service *s_ = vec_add(vec);                                         \
			s_->name = xstrdup(name_);                                                 \
			fill_service(m, s_, one_, json_object_get(places, name_));                 \
		}                                                                                  \
		if ((vec)->n)                                                                      \
			qsort((vec)->v, (vec)->n, sizeof(*(vec)->v), by_service);                  \
	} while (0)

static struct where resource_where(const struct compose_model *m, const char *section,
				   const char *key)
{
	const struct entry *e = map_entry_at(map_at(m->tree, section), key);
	return e ? e->where : NOWHERE;
}

static void fill_networks(struct compose_model *m, struct project *p)
{
	vec_each(n, &p->networks) {
		const json_t *own =
			json_object_get(json_object_get(m->canonical, "networks"), n->key);
		const json_t *config = json_object_get(json_object_get(own, "ipam"), "config");
		set_place(&n->place, m, resource_where(m, "networks", n->key));
		n->enable_ipv4 = json_flag(own, "enable_ipv4", true);
		for (size_t i = 0; i < n->ipam_count; i++) {
			const char *key;
			json_t *address;
			json_object_foreach(
				json_object_get(json_array_get(config, i), "aux_addresses"), key,
				address)
				strv_add(&n->ipam[i].aux_addresses, json_string_value(address));
		}
	}
}

static void fill_file(struct compose_model *m, struct project_file *f, const char *section)
{
	cleanup_free char *key = xasprintf("%s.%s", section, f->key);
	const char *content = map_get(&m->secrets, key);
	set_place(&f->place, m, resource_where(m, section, f->key));
	if (content && !f->content)
		f->content = xstrdup(content);
}

/* linux/amd64 on such a machine. */
static bool host_platform(const char *platform)
{
	static const char *const names[][2] = { { "x86_64", "linux/amd64" },
						{ "aarch64", "linux/arm64" } };
	struct utsname host;
	if (uname(&host) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(host.machine, names[i][0]) == 0)
			return str_starts(platform, names[i][1]);
	return false;
}

/* Keys that are accepted and not acted on, each with one word for the user. */
static void find_inert(struct compose_model *m, struct project *p)
{
	vec_each(s, &p->services) {
		const char *key;
		json_t *value;
		json_object_foreach(s->canonical, key, value) {
			const struct key *k = service_key(key);
			if (k && k->flags & KEY_INERT)
				strv_addf(&p->warnings_keys, "services.%s.%s", s->name, key);
			for (const struct key *inner = k && k->shape->keys && json_is_object(value)
							       ? k->shape->keys
							       : NULL;
			     inner && inner->name; inner++) {
				json_t *set = json_object_get(value, inner->name);
				if (inner->flags & KEY_INERT && set &&
				    (!json_is_object(set) || json_object_size(set)))
					strv_addf(&p->warnings_keys, "services.%s.%s.%s", s->name,
						  key, inner->name);
			}
		}
		if (s->platform && !host_platform(s->platform))
			strv_addf(&p->warnings_keys, "services.%s.platform", s->name);
		if (s->userns_mode && strcmp(s->userns_mode, "host") != 0)
			strv_addf(&p->warnings_keys, "services.%s.userns_mode", s->name);
	}
}

struct project *decode_project(struct compose_model *m, json_t *places)
{
	struct project *p = new0(struct project);
	cleanup_json json_t *rest = json_copy(m->canonical);
	json_t *active = json_object_get(m->canonical, "services");
	json_object_del(rest, "services");
	fields_read(project_fields, rest, p);
	p->working_dir = xstrdup(m->working_dir);
	strv_copy(&p->files, &m->files);
	strv_copy(&p->environment_files, &m->env_files);
	/* fields_read made empty arrays of what it did not find */
	free(p->services.v);
	free(p->disabled.v);
	memset(&p->services, 0, sizeof(p->services));
	memset(&p->disabled, 0, sizeof(p->disabled));
	take_services(m, active, &p->services, places);
	take_services(m, m->disabled, &p->disabled, places);
	fill_networks(m, p);
	vec_each(v, &p->volumes)
		set_place(&v->place, m, resource_where(m, "volumes", v->key));
	vec_each(f, &p->secrets)
		fill_file(m, f, "secrets");
	vec_each(f, &p->configs)
		fill_file(m, f, "configs");
	find_inert(m, p);
	return p;
}
