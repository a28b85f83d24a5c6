#include "compose/config.h"

#include "base/hash.h"
#include "compose/json-write.h"
#include "compose/model.h"
#include "compose/output.h"
#include "compose/template.h"
#include "compose/yaml-write.h"

void config_names(const struct compose_result *result, const char *section, struct strv *out)
{
	const struct compose_model *m = result->model;
	const struct node *map = map_at(m->tree, section);
	const char *name;
	json_t *value;
	if (m->canonical)
		json_object_foreach(json_object_get(m->canonical, section), name, value)
			strv_add(out, name);
	else if (node_is(map, NODE_MAP))
		map_each_entry(e, map)
			strv_add(out, e->key);
	strv_sort(out);
}

void config_images(const struct compose_result *result, struct strv *out)
{
	const struct compose_model *m = result->model;
	const char *name;
	json_t *service;
	json_object_foreach(json_object_get(m->canonical, "services"), name, service) {
		const char *image = json_str(service, "image", NULL);
		if (image)
			strv_add(out, image);
		else
			strv_addf(out, "%s-%s", m->name, name);
	}
	strv_sort(out);
}

static void add_profiles(const json_t *services, struct strv *out)
{
	const char *name;
	json_t *service, *profile;
	size_t i;
	json_object_foreach((json_t *)services, name, service)
		json_array_foreach(json_object_get(service, "profiles"), i, profile)
			if (!strv_has(out, json_string_value(profile)))
				strv_add(out, json_string_value(profile));
}

void config_profiles(const struct compose_result *result, struct strv *out)
{
	add_profiles(json_object_get(result->model->canonical, "services"), out);
	add_profiles(result->model->disabled, out);
	strv_sort(out);
}

void config_environment(const struct compose_result *result, struct strv *out)
{
	map_each(e, &result->model->env)
		strv_addf(out, "%s=%s", e->key, (const char *)e->value);
	strv_sort(out);
}

static void add_use(void *data, const struct template_use *use)
{
	json_t *all = data;
	cleanup_free char *name = xstrndup(use->name, use->len);
	json_t *v = json_object();
	json_object_set_new(v, "required", json_boolean(use->kind == '?'));
	json_object_set_new_nocheck(v, "default",
				    json_stringn_nocheck(use->kind == '-' ? use->word : "",
							 use->kind == '-' ? use->word_len : 0));
	json_object_set_new_nocheck(v, "alternate",
				    json_stringn_nocheck(use->kind == '+' ? use->word : "",
							 use->kind == '+' ? use->word_len : 0));
	json_object_set_new_nocheck(all, name, v);
}

static void find_uses(const struct node *n, json_t *all)
{
	if (n->kind == NODE_STRING)
		template_uses(n->text, n->n, add_use, all);
	else if (n->kind == NODE_LIST)
		list_each(item, n)
			find_uses(*item, all);
	else if (n->kind == NODE_MAP)
		map_each_entry(e, n)
			find_uses(e->value, all);
}

json_t *config_variables(const struct compose_result *result)
{
	json_t *all = json_object();
	if (result->model->tree)
		find_uses(result->model->tree, all);
	return all;
}

/* An env_file of which nothing but its path is said is written as its path. */
static json_t *brief_env_files(const json_t *files)
{
	json_t *list = json_array(), *file;
	size_t i;
	json_array_foreach((json_t *)files, i, file)
		json_array_append(list, json_flag(file, "required", true) &&
							!json_object_get(file, "format")
						? json_object_get(file, "path")
						: file);
	return list;
}

/* What Docker Compose hashes: the service as it prints it, without what does not change its
 * containers, as Go's encoder writes it. */
static void hash_service(const json_t *service, char out[SHA256_HEX])
{
	static const char *const without[] = { "build", "pull_policy", "scale", "depends_on",
					       "profiles" };
	cleanup_json json_t *copy = json_copy((json_t *)service), *deploy = NULL, *files = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(without); i++)
		json_object_del(copy, without[i]);
	if (json_object_get(copy, "deploy")) {
		deploy = json_copy(json_object_get(copy, "deploy"));
		json_object_del(deploy, "replicas");
		json_object_set(copy, "deploy", deploy);
	}
	if (json_object_get(copy, "env_file")) {
		files = brief_env_files(json_object_get(copy, "env_file"));
		json_object_set(copy, "env_file", files);
	}
	cleanup_str struct str text = STR_INIT;
	json_write_text(copy, JSON_WRITE_COMPACT | JSON_WRITE_HTML, &text, NULL, NULL);
	hash_hex(str_text(&text), text.len, out);
}

int config_hashes(const struct compose_result *result, const struct strv *services,
		  struct strv *out, struct err *err)
{
	json_t *all = json_object_get(result->model->canonical, "services"), *service;
	const char *name;
	for (size_t i = 0; i < services->n; i++)
		if (!json_object_get(all, services->v[i]))
			return err_not_found(err, "no such service: %s", services->v[i]);
	json_object_foreach(all, name, service) {
		char hash[SHA256_HEX];
		if (services->n && !strv_has(services, name))
			continue;
		hash_service(service, hash);
		strv_addf(out, "%s %s", name, hash);
	}
	strv_sort(out);
	return 0;
}

static json_t *mark_json(const struct mark *mark)
{
	json_t *j = json_object();
	json_put_str(j, "file", mark->file);
	if (mark->line)
		json_put(j, "line", json_integer(mark->line));
	if (mark->line)
		json_put(j, "column", json_integer(mark->column));
	return j;
}

json_t *config_diagnostics(const struct diagnostics *diagnostics)
{
	static const char *const severities[] = {
		[SEVERITY_ERROR] = "error", [SEVERITY_WARNING] = "warning", [SEVERITY_NOTE] = "note"
	};
	json_t *list = json_array();
	vec_each(d, &diagnostics->items) {
		json_t *j = mark_json(&d->mark), *chain = json_array();
		json_put_str(j, "severity", severities[d->severity]);
		json_put_str(j, "message", d->message);
		json_put_str(j, "hint", d->hint);
		json_put_str(j, "path", d->path);
		json_put_str(j, "source", d->source);
		vec_each(step, &d->chain)
			json_array_append_new(chain, mark_json(step));
		json_put(j, "chain", chain);
		json_array_append_new(list, j);
	}
	return list;
}

static void drop_empty(json_t *obj, const char *key)
{
	json_t *value = json_object_get(obj, key);
	if (json_is_null(value) || (json_is_object(value) && !json_object_size(value)))
		json_object_del(obj, key);
}

json_t *config_for_yaml(const json_t *document)
{
	json_t *copy = json_deep_copy(document), *one;
	const char *name;
	json_object_foreach(json_object_get(copy, "services"), name, one) {
		json_t *deploy = json_object_get(one, "deploy");
		drop_empty(one, "command");
		drop_empty(one, "entrypoint");
		drop_empty(deploy, "resources");
		drop_empty(deploy, "placement");
	}
	json_object_foreach(json_object_get(copy, "networks"), name, one)
		drop_empty(one, "ipam");
	return copy;
}

static void add_doubled(struct str *out, const char *text)
{
	for (const char *dollar; (dollar = strchr(text, '$')); text = dollar + 1) {
		str_addn(out, text, dollar - text);
		str_add(out, "$$");
	}
	str_add(out, text);
}

static void write_document(const json_t *document, bool yaml, bool escape, struct str *out,
			   void (*flush)(struct str *out, void *data), void *data)
{
	if (!yaml) {
		cleanup_json json_t *sorted = json_is_object(document)
						      ? output_sorted((json_t *)document)
						      : json_incref((json_t *)document);
		json_write_text(sorted, escape ? JSON_WRITE_DOLLARS : 0, out, flush, data);
		return;
	}
	cleanup_free char *text = yaml_write(document);
	if (escape)
		add_doubled(out, text);
	else
		str_add(out, text);
	if (flush)
		flush(out, data);
}

char *config_text(const json_t *document, bool yaml, bool escape)
{
	struct str out = { .max = SIZE_MAX / 4 };
	write_document(document, yaml, escape, &out, NULL, NULL);
	return str_take(&out);
}

static void flush(struct str *out, void *data)
{
	fwrite(str_text(out), 1, out->len, data);
	str_clear(out);
}

void config_print(const json_t *document, bool yaml, bool escape, FILE *file)
{
	cleanup_str struct str out = { .max = SIZE_MAX / 4 };
	write_document(document, yaml, escape, &out, flush, file);
}
