#include "compose/document.h"

#include "compose/yaml.h"

struct node *load_documents(struct compose_model *m, const char *path, struct where where)
{
	const char *text;
	size_t len;
	struct node *waiting = map_take(&m->parsed, path);
	if (waiting)
		return waiting;
	if (yaml_read(m, path, where, &text, &len) < 0)
		return NULL;
	uint16_t file = model_source(m, path, text, len);
	struct node *docs = node_list(m->arena, (struct where){ file, 0, 0 });
	return yaml_load(m, file, docs) < 0 ? NULL : docs;
}

struct node *load_apply(struct compose_model *m, struct node *base, struct node *doc,
			const struct resets *resets, const char *path)
{
	if (base) {
		resets_apply(resets, base);
		return pass_merge(m, base, doc);
	}
	return doc;
}

bool load_refuses_remote(struct compose_model *m, const struct node *file)
{
	static const char *const prefixes[] = { "oci://", "https://", "http://",    "git://",
						"ssh://", "git@",     "github.com/" };
	for (size_t i = 0; node_str(file) && i < ARRAY_SIZE(prefixes); i++)
		if (str_starts(file->text, prefixes[i])) {
			diagnose(m, SEVERITY_ERROR, file->where, NULL,
				 "fetch it first (git clone, oras pull) and name the file there",
				 "'%s' is not on this machine: remote Compose files are not read",
				 file->text);
			return true;
		}
	return false;
}

int compose_read_yaml(const char *path, json_t **ret, struct err *err)
{
	static const struct compose_options none = { 0 };
	cleanup_diagnostics struct diagnostics diagnostics = { 0 };
	cleanup(model_free_cleanup) struct compose_model *m = model_new(&none, &diagnostics);
	const struct node *docs = load_documents(m, path, NOWHERE);
	if (docs && docs->n == 1) {
		*ret = node_json(docs->items[0]);
		return 0;
	}
	if (diagnostics.items.n == 0)
		return err_input(err, "'%s' is not one YAML document", path);
	const struct diagnostic *d = &diagnostics.items.v[0];
	if (!d->mark.file || !d->mark.line)
		return err_input(err, "%s", d->message);
	return err_input(err, "%s:%d: %s", d->mark.file, d->mark.line, d->message);
}
