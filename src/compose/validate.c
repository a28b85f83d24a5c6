#include "compose/pass.h"

#include <ctype.h>
#include <math.h>

struct check {
	struct compose_model *m;
};

static void fail(struct check *c, const struct node *n, const struct trail *trail,
		 const char *message)
{
	char *path = trail_text(c->m->arena, trail);
	complain(c->m, n->where, path, "%s %s", *path ? path : "the file", message);
}

static const char *kinds_text(struct arena *a, unsigned kinds)
{
	static const struct {
		unsigned bits;
		const char *text;
	} names[] = {
		{ K_MAP, "a mapping" }, { K_LIST, "a list" },	 { K_STR, "a string" },
		{ K_NUM, "a number" },	{ K_BOOL, "a boolean" }, { K_NULL, "empty" },
	};
	const char *text = "";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (kinds & names[i].bits)
			text = *text ? arena_printf(a, "%s or %s", text, names[i].text)
				     : names[i].text;
	return text;
}

static bool number_fits(const struct node *n, const struct shape *s)
{
	double value = n->kind == NODE_INT ? (double)n->i : n->f;
	if (n->kind == NODE_FLOAT && !(s->kinds & K_FLOAT) && value != floor(value))
		return false;
	if (s->flags & SHAPE_NOT_NEG && value < 0)
		return false;
	return s->low == s->high || (value >= (double)s->low && value <= (double)s->high);
}

static bool kind_fits(const struct node *n, const struct shape *s)
{
	if (n->kind == NODE_FLOAT && s->kinds & K_INT)
		return true; /* 2.0 is whole; number_fits looks */
	return s->kinds & 1u << n->kind;
}

static void check_words(struct check *c, const struct node *n, const struct shape *s,
			const struct trail *trail)
{
	cleanup_str struct str list = STR_INIT;
	for (const char *const *w = s->words; *w; w++) {
		if (strcmp(*w, n->text) == 0)
			return;
		str_addf(&list, "%s'%s'", list.len ? ", " : "", *w);
	}
	char *path = trail_text(c->m->arena, trail);
	diagnose(c->m, SEVERITY_ERROR, n->where, path, nearest_hint(c->m, n->text, s->words),
		 "%s must be one of %s, not '%s'", path, str_text(&list), n->text);
}

static void check_doubles(struct check *c, const struct node *n, const struct trail *trail)
{
	struct map seen = MAP_INIT;
	list_each(item, n) {
		cleanup_free char *text = NULL;
		if ((*item)->kind >= NODE_LIST) {
			cleanup_json json_t *j = node_json(*item);
			text = json_text(j);
		} else {
			cleanup_str struct str out = STR_INIT;
			str_addf(&out, "%d",
				 (*item)->kind == NODE_FLOAT ? NODE_INT : (*item)->kind);
			node_print(*item, &out);
			text = str_take(&out);
		}
		if (map_has(&seen, text))
			fail(c, *item, trail, "has the same item twice");
		else
			map_set(&seen, text, c);
	}
	map_done(&seen);
}

static void unknown_key(struct check *c, const struct entry *e, const struct shape *s,
			const struct trail *trail)
{
	const char *names[256];
	size_t n = 0;
	for (const struct key *k = s->keys; k && k->name && n < ARRAY_SIZE(names) - 1; k++)
		names[n++] = k->name;
	names[n] = NULL;
	char *in = trail_text(c->m->arena, trail);
	struct trail at = { trail, e->key, 0 };
	diagnose(c->m, SEVERITY_ERROR, e->where, trail_text(c->m->arena, &at),
		 nearest_hint(c->m, e->key, names), "unknown key '%s' %s%s", e->key,
		 *in ? "in " : "at the top level", in);
}

static bool name_fits(const char *name)
{
	while (isalnum((unsigned char)*name) || (*name && strchr("._-", *name)))
		name++;
	return !*name;
}

static void check_name(struct check *c, const struct entry *e, const struct shape *s,
		       const struct trail *trail)
{
	struct trail at = { trail, e->key, 0 };
	const char *wrong = NULL;
	if (!*e->key)
		wrong = "it is empty";
	else if (s->flags & SHAPE_NAMES && !name_fits(e->key))
		wrong = "letters, digits, '.', '_' and '-' only";
	else if (s->flags & SHAPE_NAMES && strspn(e->key, ".") == strlen(e->key))
		wrong = "it has only dots";
	if (wrong)
		complain(c->m, e->where, trail_text(c->m->arena, &at), "'%s' is not a name: %s",
			 e->key, wrong);
}

static void check_node(struct check *c, const struct node *n, const struct shape *s,
		       const struct trail *trail);

static void check_map(struct check *c, const struct node *n, const struct shape *s,
		      const struct trail *trail)
{
	for (const char *const *r = s->required; r && *r; r++)
		if (!map_at(n, *r))
			fail(c, n, trail, arena_printf(c->m->arena, "needs the key '%s'", *r));
	map_each_entry(e, n) {
		const struct key *k = shape_key(s, e->key);
		struct trail at = { trail, e->key, 0 };
		if (k)
			check_node(c, e->value, k->shape, &at);
		else if (s->each) {
			check_name(c, e, s, trail);
			check_node(c, e->value, s->each, &at);
		} else if (!(s->flags & SHAPE_OPEN) &&
			   !(s->flags & SHAPE_X && str_starts(e->key, "x-")))
			unknown_key(c, e, s, trail);
	}
}

static void check_node(struct check *c, const struct node *n, const struct shape *s,
		       const struct trail *trail)
{
	/* A long form that we made of a short one was looked at when it was short. */
	if (n->made)
		return;
	if (!kind_fits(n, s)) {
		struct arena *a = c->m->arena;
		fail(c, n, trail,
		     arena_printf(a, "must be %s, not %s", kinds_text(a, s->kinds),
				  n->kind == NODE_NULL ? "empty" : node_kind_name(n->kind)));
		return;
	}
	switch ((enum node_kind)n->kind) {
	case NODE_INT:
	case NODE_FLOAT:
		if (!number_fits(n, s))
			fail(c, n, trail, "is out of range");
		break;
	case NODE_STRING:
		if (s->words)
			check_words(c, n, s, trail);
		break;
	case NODE_LIST:
		if (s->flags & SHAPE_UNIQUE && n->n > 1)
			check_doubles(c, n, trail);
		for (size_t i = 0; i < n->n && s->items; i++) {
			struct trail at = { trail, NULL, i };
			check_node(c, n->items[i], s->items, &at);
		}
		break;
	case NODE_MAP: check_map(c, n, s, trail); break;
	default: break;
	}
}

int pass_validate(struct compose_model *m, const struct node *root)
{
	struct check c = { m };
	size_t errors = m->diagnostics->errors;
	check_node(&c, root, &root_shape, NULL);
	return m->diagnostics->errors == errors ? 0 : -1;
}
