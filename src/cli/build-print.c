/* build --print: the bake file that says the same, member by member as Docker Compose writes it. */
#include "cli/build-service.h"

#include "base/fs.h"
#include "engine/service-name.h"

#include <string.h>

static void put_list(json_t *j, const char *name, json_t *list)
{
	if (json_array_size(list))
		json_put(j, name, list);
	else
		json_decref(list);
}

static json_t *args_of(const struct service *s, const struct build_wish *wish)
{
	json_t *args = json_object(), *value;
	const char *key;

	json_object_foreach(json_object_get(s->build.raw, "args"), key, value)
		if (json_is_string(value))
			json_object_set(args, key, value);
	for (size_t i = 0; i < wish->args.n; i++) {
		size_t len = strcspn(wish->args.v[i], "=");
		cleanup_free char *name = xstrndup(wish->args.v[i], len);
		const char *given = wish->args.v[i][len] ? wish->args.v[i] + len + 1 : getenv(name);

		json_put_str(args, name, given);
	}
	return args;
}

static json_t *labels_of(const struct cli *cli, const struct service *s)
{
	json_t *given = json_object_get(s->build.raw, "labels"), *labels = json_object();

	json_put_str(labels, "com.docker.compose.project", cli->project->name);
	json_put_str(labels, "com.docker.compose.service", s->name);
	if (json_is_object(given))
		json_object_update(labels, given);
	return labels;
}

static json_t *contexts_of(const struct service *s)
{
	json_t *contexts = json_object(), *value;
	const char *key;

	json_object_foreach(json_object_get(s->build.raw, "additional_contexts"), key, value) {
		const char *text = json_string_value(value) ? json_string_value(value) : "";
		const char *service = str_after(text, "service:");
		cleanup_free char *target = service ? xasprintf("target:%s", service) : NULL;

		json_put_str(contexts, key, target ? target : text);
	}
	return contexts;
}

static json_t *tags_of(const struct cli *cli, const struct service *s)
{
	cleanup_free char *image = service_image_name(cli->project, s);
	json_t *tags = json_array(), *more = json_object_get(s->build.raw, "tags");

	if (json_is_array(more))
		json_array_extend(tags, more);
	json_array_append_new(tags, json_string(image));
	return tags;
}

static const struct project_file *find_secret(const struct project *project, const char *key)
{
	vec_each(f, &project->secrets)
		if (str_eq(f->key, key))
			return f;
	return NULL;
}

static json_t *secrets_of(const struct cli *cli, const struct service *s)
{
	json_t *list = json_array(), *use;
	size_t i;

	json_array_foreach(json_object_get(s->build.raw, "secrets"), i, use) {
		const char *source = json_str(use, "source", "");
		const char *id = json_str(use, "target", source);
		const struct project_file *file = find_secret(cli->project, source);
		cleanup_free char *text = NULL;

		if (!file)
			continue;
		text = file->environment ? xasprintf("id=%s,type=env,env=%s", id, file->environment)
					 : xasprintf("id=%s,type=file,src=%s", id,
						     file->file ? file->file : "");
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *ssh_of(const struct service *s, const struct build_wish *wish)
{
	json_t *list = json_array();
	cleanup_strv struct strv given = { 0 };

	if (wish->ssh.n)
		strv_copy(&given, &wish->ssh);
	else
		json_strv(s->build.raw, "ssh", &given);
	for (size_t i = 0; i < given.n; i++) {
		cleanup_free char *text =
			xasprintf("%s%s", given.v[i], strchr(given.v[i], '=') ? "" : "=");

		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *ulimits_of(const struct service *s)
{
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach(json_object_get(s->build.raw, "ulimits"), name, value) {
		cleanup_free char *text =
			json_is_integer(value)
				? xasprintf("%s=%lld", name, (long long)json_integer_value(value))
				: xasprintf("%s=%lld:%lld", name,
					    (long long)json_int(value, "soft", -1),
					    (long long)json_int(value, "hard", -1));

		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *hosts_of(const struct service *s)
{
	cleanup_strv struct strv list = { 0 };
	json_t *hosts = json_object();

	json_strv(s->build.raw, "extra_hosts", &list);
	for (size_t i = 0; i < list.n; i++) {
		size_t len = strcspn(list.v[i], "=:");
		cleanup_free char *name = xstrndup(list.v[i], len);

		json_put_str(hosts, name, list.v[i][len] ? list.v[i] + len + 1 : "");
	}
	return hosts;
}

static void put_attestation(json_t *list, const char *type, const json_t *value)
{
	const char *text = json_string_value(value);
	bool on = json_is_true(value) || str_eq(text, "true");
	cleanup_free char *line = NULL;

	if (!on && (!text || str_eq(text, "false")))
		return;
	line = xasprintf("type=%s%s%s", type, on ? "" : ",", on ? "" : text);
	json_array_append_new(list, json_string(line));
}

static void put_same(json_t *j, const struct service *s, const char *key, const char *shown)
{
	json_t *value = json_object_get(s->build.raw, key);

	if (value && !json_is_false(value) && !(json_is_array(value) && !json_array_size(value)))
		json_put(j, shown, json_incref(value));
}

static void put_object(json_t *j, const char *name, json_t *object)
{
	if (json_object_size(object))
		json_put(j, name, object);
	else
		json_decref(object);
}

static void put_flag(json_t *j, const char *name, bool on)
{
	if (on)
		json_put(j, name, json_true());
}

static json_t *print_one(const struct cli *cli, const struct service *s,
			 const struct build_wish *wish)
{
	const json_t *raw = s->build.raw;
	bool several = json_array_size(json_object_get(raw, "platforms")) > 1;
	bool push = wish->push && !str_empty(s->image);
	json_t *j = json_object(), *attest = json_array();
	cleanup_free char *file = NULL;

	json_put_str(j, "context", s->build.context);
	put_object(j, "contexts", contexts_of(s));
	if (str_empty(s->build.dockerfile_inline)) {
		file = path_join(str_empty(s->build.context) ? "/" : s->build.context,
				 str_empty(s->build.dockerfile) ? "Dockerfile"
								: s->build.dockerfile);
		json_put_str(j, "dockerfile",
			     strstr(s->build.context ? s->build.context : "", "://")
				     ? s->build.dockerfile
				     : file);
	} else {
		json_put_str(j, "dockerfile-inline", s->build.dockerfile_inline);
	}
	put_object(j, "args", args_of(s, wish));
	put_object(j, "labels", labels_of(cli, s));
	put_list(j, "tags", tags_of(cli, s));
	put_same(j, s, "cache_from", "cache-from");
	put_same(j, s, "cache_to", "cache-to");
	put_same(j, s, "target", "target");
	put_list(j, "secret", secrets_of(cli, s));
	put_list(j, "ssh", ssh_of(s, wish));
	put_same(j, s, "platforms", "platforms");
	put_flag(j, "pull", wish->pull || json_flag(raw, "pull", false));
	put_flag(j, "no-cache", wish->no_cache || json_flag(raw, "no_cache", false));
	put_same(j, s, "network", "network");
	put_same(j, s, "shm_size", "shm-size");
	put_list(j, "ulimits", ulimits_of(s));
	put_same(j, s, "entitlements", "entitlements");
	put_object(j, "extra-hosts", hosts_of(s));
	json_put(
		j, "output",
		json_pack("[s]", several ? (push ? "type=image,push=true" : "type=image,push=false")
				 : push	 ? "type=registry"
					 : "type=docker"));
	put_attestation(attest, "provenance", json_object_get(raw, "provenance"));
	put_attestation(attest, "sbom", json_object_get(raw, "sbom"));
	put_list(j, "attest", attest);
	return j;
}

static int by_name(const void *a, const void *b)
{
	const struct service *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

struct list {
	VEC(const struct service *) items;
};

/* And the services whose images are its contexts. */
static void add_with_contexts(const struct cli *cli, const struct service *s, struct list *list)
{
	json_t *value;
	const char *key;

	vec_each(other, &list->items)
		if (*other == s)
			return;
	vec_push(&list->items, s);
	json_object_foreach(json_object_get(s->build.raw, "additional_contexts"), key, value) {
		const char *text = json_string_value(value);
		const char *name = text ? str_after(text, "service:") : NULL;

		const struct service *other = name ? build_service_find(cli->project, name) : NULL;

		if (other && other->build.set)
			add_with_contexts(cli, other, list);
	}
}

json_t *build_services_print(const struct cli *cli, const struct service **services,
			     const struct build_wish *wish)
{
	json_t *targets = json_object(), *names = json_array();
	struct list list = { 0 };
	size_t count = 0;

	while (services[count])
		count++;
	if (count)
		qsort(services, count, sizeof(struct service *), by_name);
	for (size_t i = 0; i < count; i++)
		if (services[i]->build.set)
			add_with_contexts(cli, services[i], &list);
	vec_each(s, &list.items) {
		json_put(targets, (*s)->name, print_one(cli, *s, wish));
		json_array_append_new(names, json_string((*s)->name));
	}
	vec_done(&list.items);
	return json_pack("{s:{s:{s:o}},s:o}", "group", "default", "targets", names, "target",
			 targets);
}
