#include "base/parse.h"
#include "compose/pass.h"
#include "compose/template.h"
#include "compose/yaml-scalar.h"

enum { UNSET_MAX = 100 };

struct site {
	struct compose_model *m;
	const struct node *node;
	const struct trail *trail;
};

static const char *lookup(void *data, const char *name)
{
	struct site *site = data;
	return model_env(site->m, name);
}

/* Looks for the text at `at` in the source, from the line where the value begins: the indentation
 * of a block is not part of the value. */
static struct where inside_block(const struct compose_model *m, const struct node *n, size_t at)
{
	const struct source *s = &m->sources.v[n->where.file];
	struct where where = n->where;
	const char *p = s->text, *end = s->text ? s->text + s->len : NULL;
	size_t len = strcspn(n->text + at, "\n");
	for (const char *c = n->text; c < n->text + at; c++)
		where.line += *c == '\n';
	for (uint32_t line = 1; p && line < where.line; line++) {
		p = memchr(p, '\n', end - p);
		p = p ? p + 1 : NULL;
	}
	const char *stop = p ? memchr(p, '\n', end - p) : NULL;
	const char *found = p ? memmem(p, (stop ? stop : end) - p, n->text + at, len) : NULL;
	if (!found)
		return n->where;
	where.column = found - p < UINT16_MAX ? (uint16_t)(found - p + 1) : UINT16_MAX;
	return where;
}

static struct where inside(const struct compose_model *m, const struct node *n, size_t at)
{
	struct where where = n->where;
	if (memchr(n->text, '\n', n->n))
		return inside_block(m, n, at);
	if (where.column + at + n->quoted < UINT16_MAX)
		where.column += at + n->quoted;
	return where;
}

static void missing(void *data, const char *name, const struct template_use *use)
{
	struct site *site = data;
	/* Finding the place of each of very many would take its time; the first ones are shown. */
	if (map_has(&site->m->unset, name) || site->m->unset.live >= UNSET_MAX)
		return;
	struct where *at = arena_alloc(site->m->arena, sizeof(*at));
	*at = inside(site->m, site->node, use->at);
	map_set(&site->m->unset, name, at);
	cleanup_free char *hint = NULL;
	if (use->at > 0 && !use->braced)
		hint = xstrdup("for a dollar sign that stands for itself, write '$$'");
	diagnose(site->m, SEVERITY_WARNING, inside(site->m, site->node, use->at),
		 trail_text(site->m->arena, site->trail), hint,
		 "the variable '%s' is not set; it stands for an empty string", name);
}

/* The value with its variables replaced, or NULL after a diagnostic. */
static struct node *expand(struct compose_model *m, struct node *n, const struct trail *trail)
{
	cleanup_str struct str out = STR_INIT_MAX(TEMPLATE_RESULT_MAX), error = STR_INIT_MAX(4096);
	size_t at = 0;
	struct site site = { m, n, trail };
	struct template_hooks hooks = { lookup, missing, &site };
	if (template_expand(n->text, n->n, &hooks, &out, &error, &at) < 0) {
		complain(m, inside(m, n, at), trail_text(m->arena, trail), "%s", str_text(&error));
		return NULL;
	}
	m->expanded += out.len;
	if (m->expanded > (size_t)24 << 20) {
		complain(m, n->where, trail_text(m->arena, trail),
			 "the values become too long together");
		return NULL;
	}
	struct node *fresh = node_string_n(m->arena, str_text(&out), out.len, n->where);
	fresh->quoted = n->quoted;
	fresh->was = n;
	return fresh;
}

static struct node *cast_failed(struct compose_model *m, const struct node *n,
				const struct trail *trail, const char *wanted)
{
	char *path = trail_text(m->arena, trail);
	complain(m, n->where, path, "%s must be %s, not '%s'", path, wanted, n->text);
	return NULL;
}

static struct node *cast_bool(struct compose_model *m, struct node *n, const struct trail *trail)
{
	bool value;
	if (!scalar_bool(n->text, &value))
		return cast_failed(m, n, trail, "true or false");
	return node_bool(m->arena, value, n->where);
}

static struct node *cast(struct compose_model *m, struct node *n, enum cast to,
			 const struct trail *trail)
{
	int64_t i;
	double f;
	struct node *fresh = NULL;
	switch (to) {
	case CAST_NONE: return n;
	case CAST_BOOL: fresh = cast_bool(m, n, trail); break;
	case CAST_INT:
		if (parse_i64(n->text + (*n->text == '+'), INT64_MIN, INT64_MAX, &i) < 0)
			return cast_failed(m, n, trail, "a whole number");
		fresh = node_int(m->arena, i, n->where);
		break;
	case CAST_FLOAT:
		if (parse_double(n->text, -1e300, 1e300, &f) < 0)
			return cast_failed(m, n, trail, "a number");
		fresh = node_float(m->arena, f, n->where);
		break;
	}
	if (fresh)
		fresh->was = n->was;
	return fresh;
}

static struct node *interpolate(struct compose_model *m, struct node *n, const struct shape *shape,
				enum cast to, enum cast item_cast, const struct trail *trail)
{
	if (n->kind == NODE_STRING) {
		if (memchr(n->text, '$', n->n)) {
			struct node *fresh = expand(m, n, trail);
			if (!fresh)
				return n;
			n = fresh;
		}
		struct node *typed = cast(m, n, to, trail);
		return typed ? typed : n;
	}
	if (n->kind == NODE_LIST) {
		for (size_t i = 0; i < n->n; i++) {
			struct trail at = { trail, NULL, i };
			n->items[i] = interpolate(m, n->items[i], shape ? shape->items : NULL,
						  item_cast, CAST_NONE, &at);
		}
	} else if (n->kind == NODE_MAP) {
		map_each_entry(e, n) {
			const struct key *k = shape_key(shape, e->key);
			struct trail at = { trail, e->key, 0 };
			e->value = interpolate(m, e->value,
					       k       ? k->shape
					       : shape ? shape->each
						       : NULL,
					       k ? k->cast : item_cast,
					       k ? k->item_cast : CAST_NONE, &at);
		}
	}
	return n;
}

int pass_interpolate(struct compose_model *m, struct node *node, const struct shape *shape,
		     const struct trail *trail)
{
	size_t errors = m->diagnostics->errors;
	interpolate(m, node, shape, CAST_NONE, CAST_NONE, trail);
	return m->diagnostics->errors == errors ? 0 : -1;
}
