#include "compose/output.h"

#include "base/parse.h"
#include "compose/pass.h"
#include "compose/words.h"
#include "compose/yaml-scalar.h"

#include <math.h>

struct printer {
	struct compose_model *m;
	const char *prefix; /* path of the object that was asked for */
	struct str path;    /* of the value below it */
	json_t *places;
};

/* Returns a new reference, or NULL to leave the key out. */
typedef json_t *(*out_fn)(struct printer *p, const struct node *n, const struct key *key);

static json_t *print_map(struct printer *p, const struct node *map, const struct shape *shape);

static json_t *bad(struct printer *p, const struct node *n, const char *wanted)
{
	cleanup_str struct str text = STR_INIT_MAX(256);
	if (n->kind < NODE_LIST)
		node_print(n, &text);
	char *path = arena_printf(p->m->arena, "%s.%s", p->prefix, str_text(&p->path));
	complain(p->m, n->where, path, "%s must be %s, not '%s'", path, wanted, str_text(&text));
	return NULL;
}

static void remember(struct printer *p, struct where where)
{
	if (!p->places || !where.line || !p->path.len)
		return;
	const struct source *s = &p->m->sources.v[where.file];
	char place[512];
	snprintf(place, sizeof(place), "%s:%u", s->name, where.line);
	json_object_set_new_nocheck(p->places, str_text(&p->path), json_string_nocheck(place));
}

static size_t enter(struct printer *p, const char *name)
{
	size_t before = p->path.len;
	if (before)
		str_addc(&p->path, '.');
	str_add(&p->path, name);
	return before;
}

static void leave(struct printer *p, size_t before)
{
	p->path.len = before;
	if (p->path.data)
		p->path.data[before] = '\0';
}

struct pair {
	const char *key;
	json_t *value;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static bool is_sorted(json_t *map)
{
	const char *last = NULL;
	for (void *i = json_object_iter(map); i; i = json_object_iter_next(map, i)) {
		const char *key = json_object_iter_key(i);
		if (last && strcmp(last, key) > 0)
			return false;
		last = key;
	}
	return true;
}

json_t *output_sorted(json_t *map)
{
	if (is_sorted(map))
		return json_incref(map);
	VEC(struct pair) pairs = { 0 };
	const char *name;
	json_t *value, *out = json_object();
	json_object_foreach(map, name, value)
		vec_push(&pairs, (struct pair){ name, value });
	qsort(pairs.v, pairs.n, sizeof(*pairs.v), by_key);
	vec_each(p, &pairs)
		json_object_set_nocheck(out, p->key, p->value);
	vec_done(&pairs);
	return out;
}

/* The same, taking the old one. */
static json_t *in_order(json_t *map)
{
	json_t *out = output_sorted(map);
	json_decref(map);
	return out;
}

static json_t *text_json(const struct node *n)
{
	if (n->kind == NODE_STRING)
		return json_stringn_nocheck(n->text, n->n);
	cleanup_str struct str text = STR_INIT;
	if (n->kind != NODE_NULL)
		node_print(n, &text);
	return json_stringn_nocheck(str_text(&text), text.len);
}

static json_t *out_string(struct printer *p, const struct node *n, const struct key *key)
{
	return node_empty(n) || n->kind >= NODE_LIST ? NULL : text_json(n);
}

static bool int_of(const struct node *n, int64_t *ret)
{
	if (n->kind == NODE_INT) {
		*ret = n->i;
		return true;
	}
	if (n->kind == NODE_FLOAT && fabs(n->f) < 9e15) {
		*ret = (int64_t)n->f;
		return true;
	}
	return n->kind == NODE_STRING && parse_i64(n->text, INT64_MIN, INT64_MAX, ret) == 0;
}

static json_t *out_int_keep(struct printer *p, const struct node *n, const struct key *key)
{
	int64_t value;
	if (n->kind == NODE_NULL)
		return NULL;
	return int_of(n, &value) ? json_integer(value) : bad(p, n, "a whole number");
}

static json_t *out_int(struct printer *p, const struct node *n, const struct key *key)
{
	int64_t value;
	if (int_of(n, &value) && value == 0)
		return NULL;
	return out_int_keep(p, n, key);
}

static json_t *out_bool_keep(struct printer *p, const struct node *n, const struct key *key)
{
	bool value;
	if (n->kind == NODE_NULL)
		return NULL;
	if (n->kind == NODE_BOOL)
		return json_boolean(n->flag);
	if (n->kind == NODE_STRING && scalar_bool(n->text, &value))
		return json_boolean(value);
	return bad(p, n, "true or false");
}

static json_t *out_bool(struct printer *p, const struct node *n, const struct key *key)
{
	json_t *j = out_bool_keep(p, n, key);
	if (!json_is_true(j)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static json_t *out_float(struct printer *p, const struct node *n, const struct key *key)
{
	double f;
	if (n->kind == NODE_INT)
		f = (double)n->i;
	else if (n->kind == NODE_FLOAT)
		f = n->f;
	else if (n->kind != NODE_STRING || parse_double(n->text, -1e300, 1e300, &f) < 0)
		return bad(p, n, "a number");
	if (f == 0)
		return NULL;
	return f == floor(f) && fabs(f) < 9e15 ? json_integer((json_int_t)f) : json_real(f);
}

static json_t *out_bytes(struct printer *p, const struct node *n, const struct key *key)
{
	int64_t value = 0;
	uint64_t size;
	if (n->kind == NODE_INT)
		value = n->i;
	else if (n->kind != NODE_STRING) /* a fraction, too, which Compose drops silently */
		return NULL;
	else if (parse_size(n->text, &size) == 0 && size <= INT64_MAX)
		value = (int64_t)size;
	else
		return bad(p, n, "a size like 512m");
	return value ? json_sprintf("%" JSON_INTEGER_FORMAT, (json_int_t)value) : NULL;
}

/* Go's durations, and days and weeks. */
static bool duration_of(const struct node *n, nsec_t *ret)
{
	if (n->kind != NODE_STRING)
		return false;
	bool negative = *n->text == '-';
	const char *rest = n->text + negative;
	nsec_t total = 0;
	for (;;) {
		size_t digits = strspn(rest, "0123456789");
		nsec_t unit = rest[digits] == 'w'   ? 7 * 86400 * NSEC_PER_SEC
			      : rest[digits] == 'd' ? 86400 * NSEC_PER_SEC
						    : 0;
		int64_t count;
		char number[20];
		if (!digits || !unit || digits >= sizeof(number))
			break;
		memcpy(number, rest, digits);
		number[digits] = '\0';
		if (parse_i64(number, 0, 10000, &count) < 0)
			return false;
		total += count * unit;
		rest += digits + 1;
	}
	nsec_t part = 0;
	if (*rest && parse_duration(rest, &part) < 0)
		return false;
	if (__builtin_add_overflow(total, part, ret))
		return false;
	if (negative)
		*ret = -*ret;
	return *n->text != '\0';
}

static json_t *out_duration(struct printer *p, const struct node *n, const struct key *key)
{
	nsec_t d;
	char text[DURATION_TEXT];
	if (n->kind == NODE_NULL)
		return NULL;
	if (!duration_of(n, &d))
		return bad(p, n, "a duration like 1m30s");
	if (d < 0)
		return json_sprintf("-%s", format_duration(-d, text));
	return json_string(format_duration(d, text));
}

static json_t *out_duration_set(struct printer *p, const struct node *n, const struct key *key)
{
	nsec_t d;
	if (duration_of(n, &d) && d == 0)
		return NULL;
	return out_duration(p, n, key);
}

static json_t *out_mode(struct printer *p, const struct node *n, const struct key *key)
{
	int64_t value;
	uint32_t octal;
	if (n->kind == NODE_STRING && parse_octal(n->text, 0xffff, &octal) == 0)
		value = octal;
	else if (n->kind == NODE_STRING || !int_of(n, &value) || value < 0)
		return n->kind == NODE_NULL ? NULL : bad(p, n, "a file mode like 0440");
	return json_sprintf("0%o", (unsigned)value);
}

static json_t *out_strings(struct printer *p, const struct node *n, const struct key *key)
{
	if (node_empty(n) && n->kind != NODE_STRING)
		return NULL;
	json_t *list = json_array();
	if (n->kind != NODE_LIST) {
		json_array_append_new(list, text_json(n));
		return list;
	}
	list_each(item, n)
		json_array_append_new(list, text_json(*item));
	return list;
}

static json_t *command(struct printer *p, const struct node *n)
{
	if (n->kind == NODE_NULL)
		return json_null();
	json_t *list = json_array();
	if (n->kind == NODE_LIST) {
		list_each(item, n)
			json_array_append_new(list, text_json(*item));
		return list;
	}
	struct strv words cleanup(strv_done) = { 0 };
	if (words_split(n->text, &words) < 0) {
		json_decref(list);
		char *path = arena_printf(p->m->arena, "%s.%s", p->prefix, str_text(&p->path));
		complain(p->m, n->where, path, "%s: a quote or parenthesis is left open", path);
		return NULL;
	}
	for (size_t i = 0; i < words.n; i++)
		json_array_append_new(list, json_string_nocheck(words.v[i]));
	return list;
}

static json_t *out_command(struct printer *p, const struct node *n, const struct key *key)
{
	return n ? command(p, n) : json_null();
}

static json_t *out_hook_command(struct printer *p, const struct node *n, const struct key *key)
{
	return command(p, n);
}

static json_t *out_test(struct printer *p, const struct node *n, const struct key *key)
{
	if (n->kind != NODE_STRING)
		return out_strings(p, n, key);
	json_t *list = json_array();
	json_array_append_new(list, json_string("CMD-SHELL"));
	json_array_append_new(list, text_json(n));
	return list;
}

static void put_pair(struct printer *p, json_t *map, const char *key, struct where where,
		     json_t *value)
{
	size_t before = enter(p, key);
	remember(p, where);
	leave(p, before);
	json_object_set_new_nocheck(map, key, value);
}

static json_t *pairs(struct printer *p, const struct node *n, bool nulls)
{
	if (node_empty(n))
		return NULL;
	json_t *map = json_object();
	if (n->kind == NODE_MAP)
		map_each_entry(e, n)
			put_pair(p, map, e->key, e->where,
				 nulls && e->value->kind == NODE_NULL ? json_null()
								      : text_json(e->value));
	else if (n->kind == NODE_LIST)
		list_each(item, n) {
			const char *text = node_str(*item),
				   *equals = text ? strchr(text, '=') : NULL;
			if (!text)
				continue;
			char *key = arena_strndup(p->m->arena, text,
						  equals ? (size_t)(equals - text) : (*item)->n);
			put_pair(p, map, key, (*item)->where,
				 equals	 ? json_string_nocheck(equals + 1)
				 : nulls ? json_null()
					 : json_string(""));
		}
	return in_order(map);
}

static json_t *out_labels(struct printer *p, const struct node *n, const struct key *key)
{
	return pairs(p, n, false);
}

static json_t *out_environment(struct printer *p, const struct node *n, const struct key *key)
{
	return pairs(p, n, true);
}

static void add_host(struct strv *out, const char *name, size_t len, const char *addresses)
{
	struct strv parts cleanup(strv_done) = strv_split(addresses, ',');
	for (size_t i = 0; i < parts.n; i++) {
		char *address = parts.v[i];
		size_t n = strlen(address);
		if (n > 1 && address[0] == '[' && address[n - 1] == ']') {
			address[n - 1] = '\0';
			address++;
		}
		strv_addf(out, "%.*s=%s", (int)len, name, address);
	}
}

static json_t *out_hosts(struct printer *p, const struct node *n, const struct key *key)
{
	struct strv hosts cleanup(strv_done) = { 0 };
	if (node_empty(n))
		return NULL;
	if (n->kind == NODE_MAP)
		map_each_entry(e, n) {
			if (e->value->kind == NODE_LIST)
				list_each(item, e->value)
					add_host(&hosts, e->key, strlen(e->key),
						 node_text(p->m->arena, *item));
			else
				add_host(&hosts, e->key, strlen(e->key),
					 node_text(p->m->arena, e->value));
		}
	else
		list_each(item, n) {
			const char *text = node_text(p->m->arena, *item);
			const char *cut = strchr(text, '=') ? strchr(text, '=') : strchr(text, ':');
			if (!cut)
				return bad(p, *item, "name=address");
			add_host(&hosts, text, cut - text, cut + 1);
		}
	strv_sort(&hosts);
	return json_from_strv(&hosts);
}

static json_t *out_object(struct printer *p, const struct node *n, const struct key *key)
{
	return n->kind == NODE_MAP ? print_map(p, n, key->shape) : NULL;
}

static json_t *out_object_keep(struct printer *p, const struct node *n, const struct key *key)
{
	return node_is(n, NODE_MAP) ? print_map(p, n, key->shape) : json_object();
}

static json_t *out_objects(struct printer *p, const struct node *n, const struct key *key)
{
	if (node_empty(n) || n->kind != NODE_LIST)
		return NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < n->n; i++) {
		if (n->items[i]->kind != NODE_MAP)
			continue;
		char index[24];
		snprintf(index, sizeof(index), "%zu", i);
		size_t before = enter(p, index);
		remember(p, n->items[i]->where);
		json_array_append_new(list, print_map(p, n->items[i], key->shape->items));
		leave(p, before);
	}
	return list;
}

static json_t *out_object_map(struct printer *p, const struct node *n, const struct key *key)
{
	if (node_empty(n) || n->kind != NODE_MAP)
		return NULL;
	json_t *map = json_object();
	map_each_entry(e, n) {
		size_t before = enter(p, e->key);
		remember(p, e->where.line ? e->where : n->where);
		json_object_set_new_nocheck(map, e->key,
					    e->value->kind == NODE_MAP
						    ? print_map(p, e->value, key->shape->each)
						    : json_null());
		leave(p, before);
	}
	return in_order(map);
}

static json_t *out_count(struct printer *p, const struct node *n, const struct key *key)
{
	if (str_eq(node_str(n), "all"))
		return json_integer(-1);
	return out_int(p, n, key);
}

static json_t *ulimit(struct printer *p, const struct node *n)
{
	int64_t value;
	if (n->kind != NODE_MAP)
		return int_of(n, &value) ? json_integer(value) : bad(p, n, "a whole number");
	json_t *map = json_object();
	static const char *const names[] = { "soft", "hard" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct node *one = map_at(n, names[i]);
		if (!one)
			continue;
		if (!int_of(one, &value))
			(void)bad(p, one, "a whole number");
		else if (value)
			json_object_set_new(map, names[i], json_integer(value));
	}
	return map;
}

static json_t *out_ulimits(struct printer *p, const struct node *n, const struct key *key)
{
	if (node_empty(n) || n->kind != NODE_MAP)
		return NULL;
	json_t *map = json_object();
	map_each_entry(e, n) {
		json_t *value = ulimit(p, e->value);
		if (value)
			put_pair(p, map, e->key, e->where, value);
	}
	return in_order(map);
}

static json_t *out_ssh_keys(struct printer *p, const struct node *n, const struct key *key)
{
	if (node_empty(n) || n->kind != NODE_MAP)
		return NULL;
	json_t *list = json_array();
	map_each_entry(e, n) {
		const char *path = node_str(e->value);
		json_array_append_new(list, path && *path ? json_sprintf("%s=%s", e->key, path)
							  : json_string_nocheck(e->key));
	}
	return list;
}

static json_t *out_any(struct printer *p, const struct node *n, const struct key *key)
{
	return node_empty(n) ? NULL : node_json(n);
}

static json_t *out_strings_map(struct printer *p, const struct node *n, const struct key *key)
{
	if (node_empty(n) || n->kind != NODE_MAP)
		return NULL;
	json_t *map = json_object();
	map_each_entry(e, n) {
		json_t *list = out_strings(p, e->value, key);
		json_object_set_new_nocheck(map, e->key, list ? list : json_array());
	}
	return in_order(map);
}

static const out_fn outs[OUT_MAX_] = {
	[OUT_STRING] = out_string,
	[OUT_INT] = out_int,
	[OUT_INT_KEEP] = out_int_keep,
	[OUT_BOOL] = out_bool,
	[OUT_BOOL_KEEP] = out_bool_keep,
	[OUT_FLOAT] = out_float,
	[OUT_BYTES] = out_bytes,
	[OUT_DURATION] = out_duration,
	[OUT_DURATION_SET] = out_duration_set,
	[OUT_MODE] = out_mode,
	[OUT_STRINGS] = out_strings,
	[OUT_COMMAND] = out_command,
	[OUT_HOOK_COMMAND] = out_hook_command,
	[OUT_TEST] = out_test,
	[OUT_LABELS] = out_labels,
	[OUT_ENVIRONMENT] = out_environment,
	[OUT_HOSTS] = out_hosts,
	[OUT_OBJECT] = out_object,
	[OUT_OBJECT_KEEP] = out_object_keep,
	[OUT_OBJECTS] = out_objects,
	[OUT_OBJECT_MAP] = out_object_map,
	[OUT_COUNT] = out_count,
	[OUT_ULIMITS] = out_ulimits,
	[OUT_SSH_KEYS] = out_ssh_keys,
	[OUT_STRINGS_MAP] = out_strings_map,
	[OUT_ANY] = out_any,
};

static bool always(enum out out)
{
	return out == OUT_COMMAND || out == OUT_OBJECT_KEEP;
}

/* What Go's encoder writes for a field that nobody set and that is not left out then. */
static json_t *zero_value(struct printer *p, const struct key *k)
{
	static const struct node empty = { .kind = NODE_MAP };
	switch (k->out) {
	case OUT_STRING: return json_string("");
	case OUT_BYTES: return json_string("0");
	case OUT_INT: return json_integer(0);
	case OUT_OBJECT: return print_map(p, &empty, k->shape);
	default: return json_null();
	}
}

static json_t *print_map(struct printer *p, const struct node *map, const struct shape *shape)
{
	json_t *j = json_object();
	for (const struct key *k = shape->keys; k && k->name; k++) {
		const struct entry *e = map_entry_at(map, k->name);
		bool zero = k->flags & KEY_ALWAYS;
		if (!k->out || (!e && !zero && !always(k->out)))
			continue;
		size_t before = enter(p, k->name);
		json_t *value = e || !zero ? outs[k->out](p, e ? e->value : NULL, k) : NULL;
		if (!value && zero)
			value = zero_value(p, k);
		if (value) {
			if (e)
				remember(p, e->where.line ? e->where : map->where);
			json_object_set_new_nocheck(j, k->shown ? k->shown : k->name, value);
		}
		leave(p, before);
	}
	return j;
}

json_t *output_object(struct compose_model *m, const struct node *map, const struct shape *shape,
		      const char *path, json_t *places)
{
	struct printer p = { .m = m, .prefix = path, .path = STR_INIT, .places = places };
	json_t *j = print_map(&p, map, shape);
	str_done(&p.path);
	return j;
}
