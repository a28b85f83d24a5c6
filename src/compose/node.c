#include "compose/node.h"

#include "base/parse.h"

#include <inttypes.h>
#include <math.h>

enum { CHUNK = 64 << 10, INDEX_FROM = 12 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) char data[];
};

struct arena {
	struct chunk *chunks;
};

struct arena *arena_new(void)
{
	return new0(struct arena);
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

static void *arena_take(struct arena *a, size_t size)
{
	size = (size + 7) & ~(size_t)7;
	struct chunk *c = a->chunks;
	if (!c || c->size - c->used < size) {
		size_t want = size > CHUNK / 4 ? size : CHUNK;
		struct chunk *fresh = xmalloc(sizeof(*fresh) + want);
		fresh->used = 0;
		fresh->size = want;
		if (c &&
		    want != CHUNK) { /* a large piece has a chunk of its own, behind the open one */
			fresh->next = c->next;
			c->next = fresh;
		} else {
			fresh->next = c;
			a->chunks = fresh;
		}
		c = fresh;
	}
	void *p = c->data + c->used;
	c->used += size;
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	void *p = arena_take(a, size);
	memset(p, 0, size);
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = arena_take(a, len + 1);
	if (len)
		memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *text = xvasprintf(format, ap);
	va_end(ap);
	return arena_strdup(a, text);
}

const char *node_kind_name(enum node_kind kind)
{
	static const char *const names[NODE_KIND_MAX_] = {
		[NODE_NULL] = "nothing",   [NODE_BOOL] = "a boolean",  [NODE_INT] = "a number",
		[NODE_FLOAT] = "a number", [NODE_STRING] = "a string", [NODE_TIME] = "a timestamp",
		[NODE_LIST] = "a list",	   [NODE_MAP] = "a mapping",
	};
	return names[kind];
}

static struct node *node_new(struct arena *a, enum node_kind kind, struct where where)
{
	struct node *n = arena_alloc(a, sizeof(*n));
	n->kind = kind;
	n->where = where;
	return n;
}

struct node *node_null(struct arena *a, struct where where)
{
	struct node *n = node_new(a, NODE_NULL, where);
	n->text = "";
	return n;
}

struct node *node_bool(struct arena *a, bool value, struct where where)
{
	struct node *n = node_new(a, NODE_BOOL, where);
	n->flag = value;
	n->text = value ? "true" : "false";
	n->n = strlen(n->text);
	return n;
}

struct node *node_int(struct arena *a, int64_t value, struct where where)
{
	struct node *n = node_new(a, NODE_INT, where);
	n->i = value;
	n->text = arena_printf(a, "%" PRId64, value);
	n->n = strlen(n->text);
	return n;
}

struct node *node_float(struct arena *a, double value, struct where where)
{
	char buf[FLOAT_TEXT];
	struct node *n = node_new(a, NODE_FLOAT, where);
	n->f = value;
	n->text = arena_strdup(a, format_float(value, buf));
	n->n = strlen(n->text);
	return n;
}

struct node *node_string_n(struct arena *a, const char *text, size_t len, struct where where)
{
	struct node *n = node_new(a, NODE_STRING, where);
	n->text = arena_strndup(a, text, len);
	n->n = len;
	return n;
}

struct node *node_string(struct arena *a, const char *text, struct where where)
{
	return node_string_n(a, text, strlen(text), where);
}

struct node *node_list(struct arena *a, struct where where)
{
	return node_new(a, NODE_LIST, where);
}

struct node *node_map(struct arena *a, struct where where)
{
	return node_new(a, NODE_MAP, where);
}

struct node *node_shallow(struct arena *a, const struct node *map)
{
	struct node *c = arena_take(a, sizeof(*c));
	*c = *map;
	c->cap = map->n;
	c->index = NULL;
	c->index_size = 0;
	c->entries = arena_take(a, map->n * sizeof(*c->entries));
	memcpy(c->entries, map->entries, map->n * sizeof(*c->entries));
	return c;
}

struct node *node_clone_within(struct arena *a, const struct node *n, size_t *budget)
{
	if (*budget == 0)
		return NULL;
	--*budget;
	struct node *c = arena_take(a, sizeof(*c));
	*c = *n;
	if (n->kind == NODE_LIST) {
		c->cap = n->n;
		c->items = arena_take(a, n->n * sizeof(*c->items));
		for (uint32_t i = 0; i < n->n; i++) {
			c->items[i] = node_clone_within(a, n->items[i], budget);
			if (!c->items[i])
				return NULL;
		}
	} else if (n->kind == NODE_MAP) {
		c->cap = n->n;
		c->index = NULL;
		c->index_size = 0;
		c->entries = arena_take(a, n->n * sizeof(*c->entries));
		for (uint32_t i = 0; i < n->n; i++) {
			c->entries[i] = n->entries[i];
			c->entries[i].value = node_clone_within(a, n->entries[i].value, budget);
			if (!c->entries[i].value)
				return NULL;
		}
	}
	return c;
}

struct node *node_clone(struct arena *a, const struct node *n)
{
	size_t budget = SIZE_MAX;
	return node_clone_within(a, n, &budget);
}

bool node_equal(const struct node *a, const struct node *b)
{
	if (a == b)
		return true;
	if (!a || !b || a->kind != b->kind)
		return false;
	switch ((enum node_kind)a->kind) {
	case NODE_NULL: return true;
	case NODE_BOOL: return a->flag == b->flag;
	case NODE_INT: return a->i == b->i;
	case NODE_FLOAT: return a->f == b->f;
	case NODE_STRING:
	case NODE_TIME: return a->n == b->n && memcmp(a->text, b->text, a->n) == 0;
	case NODE_LIST:
		if (a->n != b->n)
			return false;
		for (uint32_t i = 0; i < a->n; i++)
			if (!node_equal(a->items[i], b->items[i]))
				return false;
		return true;
	case NODE_MAP:
		if (a->n != b->n)
			return false;
		map_each_entry(e, a)
			if (!node_equal(e->value, map_at(b, e->key)))
				return false;
		return true;
	case NODE_KIND_MAX_: break;
	}
	return false;
}

/* FNV-1a with a per-process start value, so that keys cannot be chosen to collide. */
static uint32_t key_hash(const char *key)
{
	static uint32_t seed;
	if (!seed)
		seed = 2166136261u ^ (uint32_t)((uintptr_t)&seed >> 4) ^
		       (uint32_t)getpid() * 2654435761u;
	uint32_t h = seed;
	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 16777619u;
	return h ^ h >> 15;
}

/* The slot of `key`, or the free one where it would go. */
static uint32_t *index_slot(const struct node *map, const char *key)
{
	uint32_t mask = map->index_size - 1;
	for (uint32_t at = key_hash(key) & mask;; at = (at + 1) & mask) {
		uint32_t *slot = &map->index[at];
		if (*slot == 0 || strcmp(map->entries[*slot - 1].key, key) == 0)
			return slot;
	}
}

static void index_build(struct arena *a, struct node *map, uint32_t size)
{
	map->index = arena_alloc(a, size * sizeof(*map->index));
	map->index_size = size;
	for (uint32_t i = 0; i < map->n; i++)
		*index_slot(map, map->entries[i].key) = i + 1;
}

struct entry *map_entry_at(const struct node *map, const char *key)
{
	if (!node_is(map, NODE_MAP))
		return NULL;
	if (map->index_size) {
		uint32_t slot = *index_slot(map, key);
		return slot ? &map->entries[slot - 1] : NULL;
	}
	map_each_entry(e, map)
		if (e->key[0] == key[0] && strcmp(e->key, key) == 0)
			return e;
	return NULL;
}

struct node *map_at(const struct node *map, const char *key)
{
	struct entry *e = map_entry_at(map, key);
	return e ? e->value : NULL;
}

/* Room for one more in an array that doubles; the old one stays behind in the arena. */
static void *grown(struct arena *a, const void *array, uint32_t n, uint32_t *cap, size_t size)
{
	*cap = n < 4 ? 4 : n < 8 ? n * 2 : n + n / 2;
	void *fresh = arena_take(a, *cap * size);
	if (n)
		memcpy(fresh, array, n * size);
	return fresh;
}

void map_put(struct arena *a, struct node *map, const char *key, struct node *value,
	     struct where key_where)
{
	struct entry *e = map_entry_at(map, key);
	if (e) {
		e->value = value;
		e->where = key_where;
		return;
	}
	if (map->n == map->cap)
		map->entries = grown(a, map->entries, map->n, &map->cap, sizeof(*map->entries));
	map->entries[map->n++] = (struct entry){ key, value, key_where };
	if (map->index_size && map->n * 2 <= map->index_size)
		*index_slot(map, key) = map->n;
	else if (map->n > INDEX_FROM)
		index_build(a, map, map->index_size ? map->index_size * 2 : 64);
}

void map_reindex(struct node *map)
{
	if (!map->index_size)
		return;
	memset(map->index, 0, map->index_size * sizeof(*map->index));
	for (uint32_t i = 0; i < map->n; i++)
		*index_slot(map, map->entries[i].key) = i + 1;
}

void map_drop(struct node *map, const char *key)
{
	struct entry *e = map_entry_at(map, key);
	if (!e)
		return;
	size_t at = e - map->entries;
	memmove(e, e + 1, (map->n - at - 1) * sizeof(*e));
	map->n--;
	map_reindex(map);
}

void list_add(struct arena *a, struct node *list, struct node *item)
{
	if (list->n == list->cap)
		list->items = grown(a, list->items, list->n, &list->cap, sizeof(struct node *));
	list->items[list->n++] = item;
}

bool node_empty(const struct node *n)
{
	if (!n || n->kind == NODE_NULL)
		return true;
	return (n->kind == NODE_STRING || n->kind >= NODE_LIST) && n->n == 0;
}

char *format_float(double f, char buf[FLOAT_TEXT])
{
	if (isinf(f)) {
		snprintf(buf, FLOAT_TEXT, f > 0 ? "+Inf" : "-Inf");
		return buf;
	}
	if (isnan(f)) {
		snprintf(buf, FLOAT_TEXT, "NaN");
		return buf;
	}
	int digits = 1;
	double back = 0;
	for (; digits <= 17; digits++) {
		snprintf(buf, FLOAT_TEXT, "%.*e", digits - 1, f);
		if (parse_double(buf, -INFINITY, INFINITY, &back) == 0 && back == f)
			break;
	}
	int exponent = 0;
	const char *e = strchr(buf, 'e');
	if (e)
		(void)parse_int(e[1] == '+' ? e + 2 : e + 1, -400, 400, &exponent);
	if (exponent < -4 || exponent >= 21)
		return buf;
	int decimals = digits - 1 - exponent;
	snprintf(buf, FLOAT_TEXT, "%.*f", decimals > 0 ? decimals : 0, f);
	return buf;
}

/* "2001-12-14" as Go prints the time it stands for. Good enough for what can come of it: an
 * environment value that nobody meant as a time. */
static void print_time(const char *text, struct str *out)
{
	str_add(out, text);
	if (strlen(text) == 10)
		str_add(out, " 00:00:00 +0000 UTC");
}

void node_print(const struct node *n, struct str *out)
{
	char buf[FLOAT_TEXT];
	switch ((enum node_kind)n->kind) {
	case NODE_NULL: str_add(out, "<nil>"); break;
	case NODE_BOOL: str_add(out, n->flag ? "true" : "false"); break;
	case NODE_INT: str_addf(out, "%" PRId64, n->i); break;
	case NODE_FLOAT: str_add(out, format_float(n->f, buf)); break;
	case NODE_STRING: str_addn(out, n->text, n->n); break;
	case NODE_TIME: print_time(n->text, out); break;
	case NODE_LIST:
	case NODE_MAP:
	case NODE_KIND_MAX_: break;
	}
}

char *node_text(struct arena *a, const struct node *n)
{
	if (n->kind == NODE_STRING)
		return (char *)n->text;
	cleanup_str struct str out = STR_INIT;
	node_print(n, &out);
	return arena_strdup(a, str_text(&out));
}

static json_t *float_json(double f)
{
	if (f == floor(f) && fabs(f) < 9007199254740992.0)
		return json_integer((json_int_t)f);
	return json_real(f);
}

json_t *node_json(const struct node *n)
{
	json_t *j;
	switch ((enum node_kind)n->kind) {
	case NODE_BOOL: return json_boolean(n->flag);
	case NODE_INT: return json_integer(n->i);
	case NODE_FLOAT: return float_json(n->f);
	case NODE_STRING: return json_stringn_nocheck(n->text, n->n);
	case NODE_TIME:
		j = json_sprintf(strlen(n->text) == 10 ? "%sT00:00:00Z" : "%s", n->text);
		return j;
	case NODE_LIST:
		if (!n->n) /* as Compose prints it */
			return json_null();
		j = json_array();
		list_each(item, n)
			json_array_append_new(j, node_json(*item));
		return j;
	case NODE_MAP:
		j = json_object();
		map_each_entry(e, n)
			json_object_set_new_nocheck(j, e->key, node_json(e->value));
		return j;
	case NODE_NULL:
	case NODE_KIND_MAX_: break;
	}
	return json_null();
}
