#include "compose/yaml.h"

#include "base/fs.h"
#include "base/parse.h"
#include "compose/yaml-scalar.h"

#include <fcntl.h>
#include <libfyaml.h>

enum { OPEN_ENTRIES = 24, KEYS_KEPT = 1000 };

struct level {
	struct node *node;
	const char *key; /* of a map, when its value is awaited */
	struct where key_where;
	const char *anchor; /* set when the value is complete */
	/* What the node holds until it is complete and its size known. */
	union {
		struct entry entries[OPEN_ENTRIES];
		struct node *items[OPEN_ENTRIES];
	};
};

struct reader {
	struct compose_model *m;
	uint16_t file;
	struct level *levels; /* YAML_DEPTH_MAX of them */
	size_t depth;
	struct node *root;
	struct map keys;    /* texts of keys, once each */
	struct map anchors; /* name -> struct node *; NULL value: still open */
	size_t aliased;
	bool stop;
};

static struct where fy_where(const struct reader *r, const struct fy_mark *mark)
{
	if (!mark)
		return NOWHERE;
	uint32_t column = (uint32_t)mark->column + 1;
	return (struct where){ r->file, column > UINT16_MAX ? UINT16_MAX : column,
			       (uint32_t)mark->line + 1 };
}

/* The place of a value: libfyaml's marks stand behind an opening quote and behind the '*'. */
static struct where value_where(const struct reader *r, struct fy_event *event, unsigned behind)
{
	struct where where = fy_where(r, fy_event_start_mark(event));
	if (where.column > behind)
		where.column -= behind;
	return where;
}

static int refuse(struct reader *r, struct where where, const char *message)
{
	complain(r->m, where, NULL, "%s", message);
	r->stop = true;
	return -1;
}

static int count_node(struct reader *r, struct where where)
{
	if (++r->m->nodes > YAML_NODES_MAX)
		return refuse(r, where, "the files hold too many values");
	return 0;
}

/* Puts a complete value where it belongs: into the open list or map, or as the document. A scalar
 * in key position becomes the key. */
static int place_value(struct reader *r, struct node *value)
{
	if (!r->depth) {
		r->root = value;
		return 0;
	}
	struct level *top = &r->levels[r->depth - 1];
	struct node *in = top->node;
	if (in->n >= YAML_ENTRIES_MAX)
		return refuse(r, value->where,
			      in->kind == NODE_LIST ? "a list with more than 50000 items"
						    : "a mapping with more than 50000 keys");
	if (in->kind == NODE_LIST) {
		list_add(r->m->arena, in, value);
		return 0;
	}
	if (!top->key) {
		if (value->kind != NODE_STRING) {
			cleanup_str struct str text = STR_INIT;
			node_print(value, &text);
			complain(r->m, value->where, NULL,
				 "a key must be a string; quote it: \"%s\"", str_text(&text));
		}
		top->key = value->kind >= NODE_LIST ? "" : value->text;
		top->key_where = value->where;
		return 0;
	}
	struct entry *e = map_entry_at(in, top->key);
	if (e)
		complain(r->m, top->key_where, NULL, "key '%s' is defined twice (first at line %u)",
			 top->key, e->where.line);
	else
		map_put(r->m->arena, in, top->key, value, top->key_where);
	top->key = NULL;
	return 0;
}

static void keep_anchor(struct reader *r, const char *anchor, struct node *value)
{
	if (anchor)
		map_set(&r->anchors, anchor, value);
}

static const char *token_text(struct reader *r, struct fy_token *token)
{
	size_t len;
	const char *text = token ? fy_token_get_text(token, &len) : NULL;
	return text ? arena_strndup(r->m->arena, text, len) : NULL;
}

static const char *tag_suffix(struct reader *r, struct fy_token *token)
{
	const char *tag = token_text(r, token);
	return tag ? tag : "";
}

static enum node_tag merge_tag(const char *tag)
{
	return str_ends(tag, "!reset")	    ? TAG_RESET
	       : str_ends(tag, "!override") ? TAG_OVERRIDE
					    : TAG_NONE;
}

/* A short plain scalar in the place of a key that can only be text needs no node. */
static bool read_key(struct reader *r, struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	struct level *top = r->depth ? &r->levels[r->depth - 1] : NULL;
	if (!top || top->node->kind != NODE_MAP || top->key || !token || event->scalar.tag ||
	    event->scalar.anchor || fy_token_scalar_style(token) != FYSS_PLAIN ||
	    top->node->n >= YAML_ENTRIES_MAX)
		return false;
	char text[64];
	size_t len;
	const char *written = fy_token_get_text(token, &len);
	if (!written || !len || len >= sizeof(text) || memchr(written, '\0', len))
		return false;
	memcpy(text, written, len);
	text[len] = '\0';
	const char *known = map_get(&r->keys, text);
	if (!known) {
		struct where where = value_where(r, event, 0);
		if (yaml_scalar(r->m->arena, text, len, true, "", where)->kind != NODE_STRING ||
		    !str_utf8(text, len, false))
			return false;
		known = arena_strndup(r->m->arena, text, len);
		if (r->keys.live < KEYS_KEPT)
			map_set(&r->keys, text, (void *)known);
	}
	top->key = known;
	top->key_where = value_where(r, event, 0);
	return true;
}

static int read_scalar(struct reader *r, struct fy_event *event)
{
	if (read_key(r, event))
		return 0;
	struct fy_token *token = event->scalar.value;
	enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
	bool quotes = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
	struct where where = value_where(r, event, quotes);
	size_t len = 0;
	const char *text = token ? fy_token_get_text(token, &len) : "";
	if (!text)
		text = "";
	if (len > YAML_SCALAR_MAX)
		return refuse(r, where, "a value longer than 1 MiB");
	/* libfyaml 0.7 makes up bytes for a block that is indented less than its key. */
	bool block = style == FYSS_LITERAL || style == FYSS_FOLDED;
	if (!str_utf8(text, len, false) && (block || !memchr(text, '\0', len)))
		return refuse(r, where, "not valid YAML: a block that is not indented");
	if (memchr(text, '\0', len))
		return refuse(r, where, "a NUL character is not allowed in a Compose file");
	if (count_node(r, where) < 0)
		return -1;
	const char *tag = tag_suffix(r, event->scalar.tag);
	struct node *n = yaml_scalar(r->m->arena, text, len, style == FYSS_PLAIN, tag, where);
	n->tag = merge_tag(tag);
	keep_anchor(r, token_text(r, event->scalar.anchor), n);
	return place_value(r, n);
}

static int open_level(struct reader *r, struct node *n, struct fy_token *anchor,
		      struct fy_token *tag)
{
	if (r->depth >= YAML_DEPTH_MAX)
		return refuse(r, n->where, "nested more than 100 levels deep");
	if (count_node(r, n->where) < 0)
		return -1;
	n->tag = merge_tag(tag_suffix(r, tag));
	const char *name = token_text(r, anchor);
	if (name)
		map_set(&r->anchors, name, NULL);
	struct level *level = &r->levels[r->depth++];
	level->node = n;
	level->anchor = name;
	level->key = NULL;
	n->cap = OPEN_ENTRIES;
	if (n->kind == NODE_MAP)
		n->entries = level->entries;
	else
		n->items = level->items;
	return 0;
}

/* Moves what a node holds out of its level, into a piece of memory of the right size. */
static void settle(struct reader *r, struct level *level)
{
	struct node *n = level->node;
	size_t size = n->kind == NODE_MAP ? n->n * sizeof(*n->entries) : n->n * sizeof(*n->items);
	if (n->kind == NODE_MAP ? n->entries != level->entries : n->items != level->items)
		return;
	void *own = NULL;
	if (size) {
		own = arena_alloc(r->m->arena, size);
		memcpy(own, level->entries, size);
	}
	n->cap = n->n;
	if (n->kind == NODE_MAP)
		n->entries = own;
	else
		n->items = own;
}

static int merge_into(struct reader *r, struct node *map, const struct node *from,
		      struct where where)
{
	if (from->kind != NODE_MAP)
		return refuse(r, where, "'<<' merges a mapping or a list of mappings");
	map_each_entry(e, from)
		if (!map_entry_at(map, e->key))
			map_put(r->m->arena, map, e->key, e->value, e->where);
	return 0;
}

/* Replaces `<<` by what it names: keys of the map itself win, then earlier maps of the list. */
static int apply_merge_key(struct reader *r, struct node *map)
{
	struct entry *e = map_entry_at(map, "<<");
	if (!e)
		return 0;
	struct node *from = e->value;
	struct where where = e->where;
	map_drop(map, "<<");
	if (from->kind != NODE_LIST)
		return merge_into(r, map, from, where);
	list_each(item, from)
		if (merge_into(r, map, *item, where) < 0)
			return -1;
	return 0;
}

static int close_level(struct reader *r)
{
	struct level *top = &r->levels[--r->depth];
	if (top->node->kind == NODE_MAP && apply_merge_key(r, top->node) < 0)
		return -1;
	settle(r, top);
	keep_anchor(r, top->anchor, top->node);
	return place_value(r, top->node);
}

static int read_alias(struct reader *r, struct fy_event *event)
{
	struct where where = value_where(r, event, 1);
	const char *name = token_text(r, event->alias.anchor);
	if (!name || !map_has(&r->anchors, name)) {
		complain(r->m, where, NULL, "unknown anchor '%s'", name ? name : "");
		return place_value(r, node_null(r->m->arena, where));
	}
	const struct node *target = map_get(&r->anchors, name);
	if (!target)
		return refuse(r, where, "an alias inside of what it stands for");
	size_t room = YAML_ALIASED_MAX - r->aliased, left = room;
	struct node *copy = node_clone_within(r->m->arena, target, &left);
	r->aliased += room - left;
	r->m->nodes += room - left;
	if (!copy || r->m->nodes > YAML_NODES_MAX)
		return refuse(r, where, "the aliases of this file expand to too many values");
	return place_value(r, copy);
}

static int read_event(struct reader *r, struct fy_event *event, struct node *docs)
{
	struct arena *a = r->m->arena;
	struct where where;
	switch (event->type) {
	case FYET_DOCUMENT_START:
		r->root = NULL;
		r->depth = 0;
		r->aliased = 0;
		map_done(&r->anchors);
		r->anchors = MAP_INIT;
		return 0;
	case FYET_DOCUMENT_END:
		if (docs->n >= YAML_DOCUMENTS_MAX)
			return refuse(r, NOWHERE, "too many documents in one file");
		if (r->root && !(r->root->kind == NODE_NULL))
			list_add(a, docs, r->root);
		return 0;
	case FYET_SCALAR: return read_scalar(r, event);
	case FYET_ALIAS: return read_alias(r, event);
	case FYET_SEQUENCE_START:
		where = fy_where(r, fy_event_start_mark(event));
		return open_level(r, node_list(a, where), event->sequence_start.anchor,
				  event->sequence_start.tag);
	case FYET_MAPPING_START:
		where = fy_where(r, fy_event_start_mark(event));
		return open_level(r, node_map(a, where), event->mapping_start.anchor,
				  event->mapping_start.tag);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END: return close_level(r);
	default: return 0;
	}
}

/* What libfyaml had to say, as diagnostics of ours: the first error only, what follows it is noise.
 */
static void report_syntax(struct reader *r, struct fy_diag *diag)
{
	void *prev = NULL;
	struct fy_diag_error *error;
	while ((error = fy_diag_errors_iterate(diag, &prev))) {
		if (error->type != FYET_ERROR)
			continue;
		struct where where = { r->file, (uint16_t)(error->column < 0 ? 0 : error->column),
				       (uint32_t)(error->line < 0 ? 0 : error->line) };
		complain(r->m, where, NULL, "not valid YAML: %s", error->msg);
		return;
	}
	complain(r->m, WHERE(r->file, 0, 0), NULL, "not valid YAML");
}

int yaml_load(struct compose_model *m, uint16_t file, struct node *docs)
{
	const struct source *s = &m->sources.v[file];
	if (s->len == 0)
		return 0;
	size_t errors = m->diagnostics->errors;
	struct fy_diag_cfg diag_cfg;
	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.colorize = false;
	struct fy_diag *diag = fy_diag_create(&diag_cfg);
	fy_diag_set_collect_errors(diag, true);
	struct fy_parse_cfg cfg = {
		.search_path = "",
		.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DISABLE_DEPTH_LIMIT |
			 FYPCF_SLOPPY_FLOW_INDENTATION | FYPCF_JSON_NONE,
		.diag = diag,
	};
	struct fy_parser *parser = fy_parser_create(&cfg);
	struct reader r = { .m = m, .file = file };
	r.levels = xmalloc(YAML_DEPTH_MAX * sizeof(*r.levels));
	if (!parser || fy_parser_set_string(parser, s->text, s->len) != 0)
		report_syntax(&r, diag);
	else {
		struct fy_event *event;
		while (!r.stop && (event = fy_parser_parse(parser))) {
			read_event(&r, event, docs);
			fy_parser_event_free(parser, event);
		}
		if (!r.stop && fy_parser_get_stream_error(parser))
			report_syntax(&r, diag);
	}
	map_done(&r.anchors);
	map_done(&r.keys);
	free(r.levels);
	if (parser)
		fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return m->diagnostics->errors == errors ? 0 : -1;
}

/* 1-based line of a position, for text that never reached the YAML reader. */
static struct where position(uint16_t file, const char *text, size_t at)
{
	uint32_t line = 1, column = 1;
	for (size_t i = 0; i < at; i++, column++)
		if (text[i] == '\n') {
			line++;
			column = 0;
		}
	return (struct where){ file, column > UINT16_MAX ? UINT16_MAX : column, line };
}

static size_t first_bad_byte(const char *text, size_t len)
{
	enum { CHARACTER_MAX = 4 };
	size_t at = 0;
	while (at < len) {
		size_t n = 1, most = len - at < CHARACTER_MAX ? len - at : CHARACTER_MAX;
		while (n <= most && !str_utf8(text + at, n, false))
			n++;
		if (n > most)
			break;
		at += n;
	}
	return at;
}

int yaml_read(struct compose_model *m, const char *path, struct where where, const char **ret_text,
	      size_t *ret_len)
{
	cleanup_str struct str text = STR_INIT_MAX(YAML_FILE_MAX);
	cleanup_err struct err err = ERR_INIT;
	int r = str_eq(path, "-")
			? fs_read_fd(STDIN_FILENO, "standard input", YAML_FILE_MAX, &text, &err)
			: fs_read(AT_FDCWD, path, YAML_FILE_MAX, &text, &err);
	if (r < 0) {
		complain(m, where, NULL, "cannot read '%s': %s", model_display(m, path),
			 err.msg ? err.msg : "unknown error");
		return -1;
	}
	m->bytes += text.len;
	if (m->bytes > 2 * (size_t)YAML_FILE_MAX) {
		complain(m, where, NULL, "the files are too large together");
		return -1;
	}
	size_t skip = text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	*ret_len = text.len - skip;
	*ret_text = arena_strndup(m->arena, text.len ? text.data + skip : "", *ret_len);
	size_t bad = first_bad_byte(*ret_text, *ret_len);
	if (bad < *ret_len) {
		uint16_t file = model_source(m, path, *ret_text, *ret_len);
		complain(m, position(file, *ret_text, bad), NULL, "%s",
			 (*ret_text)[bad] ? "not valid UTF-8"
					  : "a NUL character is not allowed in a Compose file");
		return -1;
	}
	return 0;
}
