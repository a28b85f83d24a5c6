/* The tree that every pass of the loader works on: maps, lists and scalars, each with the place it
 * was written at. All memory of one load comes from one arena and goes away at once, so nothing
 * here is freed one by one, and subtrees may be shared as long as nobody changes them in place. */
#ifndef STAVE_COMPOSE_NODE_H
#define STAVE_COMPOSE_NODE_H

#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that is freed together. alloc aborts when memory runs out; what decides how much is asked
 * for is bounded by the reader (yaml.h). */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a);
void *arena_alloc(struct arena *a, size_t size); /* zeroed */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* file is an index into the model's files; line and column count from 1; line 0: nowhere. */
struct where {
	uint16_t file, column;
	uint32_t line;
};
#define NOWHERE ((struct where){ 0 })
#define WHERE(file_, line_, column_)                                                               \
	((struct where){ .file = (file_), .column = (column_), .line = (line_) })

enum node_kind {
	NODE_NULL,
	NODE_BOOL,
	NODE_INT,
	NODE_FLOAT,
	NODE_STRING,
	NODE_TIME, /* a YAML timestamp: text as written */
	NODE_LIST,
	NODE_MAP,
	NODE_KIND_MAX_
};
enum node_tag { TAG_NONE, TAG_RESET, TAG_OVERRIDE };

struct entry {
	const char *key;
	struct node *value;
	struct where where; /* of the key */
};

struct node {
	uint8_t kind, tag;
	bool quoted; /* a string written in quotes or as a block */
	bool made;   /* not written by anybody: a default, or derived from something else */
	uint32_t n;  /* items, entries, or length of the text */
	struct where where;
	union {
		const char *text; /* scalars: as written (strings: their value) */
		uint32_t *index;  /* maps: open addressing over entries, made when they grow */
	};
	union {
		bool flag;
		int64_t i;
		double f;
		struct node **items;
		struct entry *entries;
	};
	const struct node *was; /* what this value replaced, for --explain */
	uint32_t cap, index_size;
};

const char *node_kind_name(enum node_kind kind); /* "a mapping", "a string" ... */

struct node *node_null(struct arena *a, struct where where);
struct node *node_bool(struct arena *a, bool value, struct where where);
struct node *node_int(struct arena *a, int64_t value, struct where where);
struct node *node_float(struct arena *a, double value, struct where where);
struct node *node_string(struct arena *a, const char *text, struct where where); /* copies */
struct node *node_string_n(struct arena *a, const char *text, size_t len, struct where where);
struct node *node_list(struct arena *a, struct where where);
struct node *node_map(struct arena *a, struct where where);
/* A copy of a map whose values are the same nodes. */
struct node *node_shallow(struct arena *a, const struct node *map);
/* A copy whose maps and lists are its own; texts are shared. */
struct node *node_clone(struct arena *a, const struct node *n);
/* The same for at most *budget nodes, which it counts down; NULL when that does not do. */
struct node *node_clone_within(struct arena *a, const struct node *n, size_t *budget);
bool node_equal(const struct node *a, const struct node *b); /* maps in any order; marks ignored */

/* Maps. Lookups hash from a dozen entries on. The entry stays valid until the next set or remove.
 */
struct node *map_at(const struct node *map, const char *key); /* NULL: not there, or not a map */
struct entry *map_entry_at(const struct node *map, const char *key);
void map_put(struct arena *a, struct node *map, const char *key, struct node *value,
	     struct where key_where); /* replaces; key must live in the arena or be static */
void map_drop(struct node *map, const char *key);
/* Call after changing entries or n by hand. */
void map_reindex(struct node *map);
void list_add(struct arena *a, struct node *list, struct node *item);

#define node_is(node, node_kind_) ((node) && (node)->kind == (node_kind_))
/* The text of a string node; NULL for anything else. */
static inline const char *node_str(const struct node *n)
{
	return node_is(n, NODE_STRING) ? n->text : NULL;
}
/* True for null, "", [] and {} and a missing node. */
bool node_empty(const struct node *n);

/* A scalar as Go's %v prints it, into out ("<nil>" for null; lists and maps give ""). */
void node_print(const struct node *n, struct str *out);
char *node_text(struct arena *a, const struct node *n); /* the same, in the arena */
/* A double as Go prints it with %v: the shortest text that reads back the same. */
enum { FLOAT_TEXT = 40 };
char *format_float(double f, char buf[FLOAT_TEXT]);

json_t *node_json(const struct node *n); /* as it is, types kept; new reference */

#define map_each_entry(entry_, map_)                                                               \
	for (struct entry *entry_ = (map_)->entries;                                               \
	     (size_t)(entry_ - (map_)->entries) < (map_)->n; entry_++)
#define list_each(item_, list_)                                                                    \
	for (struct node **item_ = (list_)->items; (size_t)(item_ - (list_)->items) < (list_)->n;  \
	     item_++)

#endif
