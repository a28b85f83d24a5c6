#include "compose/compose.h"

#include "compose/decode.h"
#include "compose/discover.h"
#include "compose/document.h"
#include "compose/load.h"
#include "compose/resolve.h"
#include "compose/schema.h"

/* The last `name:` of the files, with its variables replaced. The files are read again for the
 * tree: the name must be known before the first of them is interpolated. */
static struct node *name_in_files(struct compose_model *m)
{
	struct node *found = NULL;
	for (size_t i = 0; i < m->files.n; i++) {
		struct node *docs = load_documents(m, m->files.v[i], NOWHERE);
		if (!docs)
			return NULL;
		map_set(&m->parsed, m->files.v[i], docs);
		list_each(doc, docs)
			if (node_str(map_at(*doc, "name")))
				found = map_at(*doc, "name");
	}
	if (found && !m->options->no_interpolate && strchr(found->text, '$')) {
		struct node *box = node_map(m->arena, found->where);
		map_put(m->arena, box, "name", found, found->where);
		if (pass_interpolate(m, box, &root_shape, NULL) < 0)
			return NULL;
		found = map_at(box, "name");
	}
	return found;
}

static int load_model(struct compose_model *m, struct err *err)
{
	int r = discover(m, err);
	if (r < 0)
		return r;
	if (m->options->check_variables)
		schema_check(m);
	struct node *name = model_failed(m) ? NULL : name_in_files(m);
	if (model_failed(m))
		return -EINVAL;
	r = discover_name(m, name, err);
	if (r < 0)
		return r;
	struct file_set set = { .paths = &m->files,
				.dir = m->working_dir,
				.resolve_paths = !m->options->no_path_resolution };
	m->tree = load_set(m, &set);
	if (!m->tree)
		return -EINVAL;
	if (!m->options->no_normalize) {
		map_put(m->arena, m->tree, "name", node_string(m->arena, m->name, NOWHERE),
			NOWHERE);
		pass_normalize(m, m->tree);
	}
	return model_failed(m) ? -EINVAL : 0;
}

static int load_project(struct compose_model *m, struct compose_result *ret)
{
	cleanup_json json_t *places = m->options->document_only ? NULL : json_object();
	if (resolve_project(m, places) < 0 || check_numbers(m) < 0)
		return -EINVAL;
	if (!m->options->document_only)
		ret->project = decode_project(m, places);
	return 0;
}

static int summary(const struct diagnostics *d, struct err *err)
{
	vec_each(item, &d->items)
		if (item->severity == SEVERITY_ERROR && d->errors == 1)
			return err_input(err, "%s", item->message);
	return err_input(err, "%zu errors in the Compose files", d->errors);
}

int compose_load(const struct compose_options *options, struct compose_result *ret, struct err *err)
{
	*ret = (struct compose_result){ 0 };
	ret->model = model_new(options, &ret->diagnostics);
	int r = load_model(ret->model, err);
	if (r >= 0 && !options->no_interpolate)
		r = load_project(ret->model, ret);
	if (r < 0) {
		project_free(ret->project);
		ret->project = NULL;
		if (!err->no)
			r = summary(&ret->diagnostics, err);
	}
	ret->model->options = NULL; /* the caller's; it may be gone from here on */
	return r < 0 ? r : 0;
}

void compose_result_done(struct compose_result *result)
{
	project_free(result->project);
	diagnostics_done(&result->diagnostics);
	model_free(result->model);
	*result = (struct compose_result){ 0 };
}

json_t *compose_to_json(const struct compose_result *result)
{
	const struct compose_model *m = result->model;
	return m->canonical ? json_incref(m->canonical) : node_json(m->tree);
}
