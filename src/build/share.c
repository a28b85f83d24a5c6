#include "build/share.h"

#include "base/fs.h"
#include "image/artifact.h"

#define CACHE_TYPE "application/vnd.stave.buildcache.v1+json"

enum {
	STEPS_MAX = 20000,
	/* As many as a manifest may have elsewhere; the target's come first. */
	LAYERS_MAX = 4000,
};

struct shared_step {
	char key[SHA256_HEX];
	struct build_cache_place place; /* borrowed */
	json_t *entry;
	struct image_layer layer; /* blob "": it has none */
};

static struct image_place place_of(const struct build_cache_place *p)
{
	return (struct image_place){
		.name = p->kind == BUILD_CACHE_LOCAL ? NULL : p->where,
		.dir = p->kind == BUILD_CACHE_LOCAL ? p->where : NULL,
		.tag = p->tag,
	};
}

void shared_done(struct shared *shared)
{
	vec_each(s, &shared->steps)
		json_decref(s->entry);
	vec_done(&shared->steps);
}

/* --- reading --- */

static bool is_hex(const char *text, size_t len)
{
	return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

/* The layer of a step: a blob among those of the manifest. */
static bool set_layer(struct shared_step *s, const char *blob, const char *diff_id,
		      const json_t *layers)
{
	const json_t *item;
	size_t i;

	if (!str_starts(diff_id, "sha256:") || !is_hex(diff_id + 7, SHA256_HEX - 1))
		return false;
	json_array_foreach(layers, i, item) {
		if (!str_eq(json_str(item, "digest", ""), blob))
			continue;
		snprintf(s->layer.blob, sizeof(s->layer.blob), "%s", blob);
		snprintf(s->layer.diff_id, sizeof(s->layer.diff_id), "%s", diff_id);
		snprintf(s->layer.media_type, sizeof(s->layer.media_type), "%s",
			 json_str(item, "mediaType", ""));
		s->layer.blob_size = (uint64_t)json_int(item, "size", 0);
		return true;
	}
	return false;
}

/* In an image's config a step has only its layer's diff id: the blob is the one at its place. */
static const char *inline_blob(const json_t *config, const json_t *layers, const char *diff_id)
{
	const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids"), *item;
	size_t i;

	json_array_foreach(ids, i, item)
		if (str_eq(json_string_value(item), diff_id))
			return json_str(json_array_get(layers, i), "digest", "");
	return "";
}

static void add_step(struct shared *shared, const struct build_cache_place *place, json_t *entry,
		     const struct image_artifact *a)
{
	struct shared_step s = { .place = *place };
	const char *key = json_str(entry, "key", ""), *diff_id = json_str(entry, "diff_id", "");
	const char *blob = json_str(entry, "blob", NULL);

	if (!is_hex(key, SHA256_HEX - 1))
		return;
	memcpy(s.key, key, sizeof(s.key));
	if (!json_flag(entry, "empty", false)) {
		if (!blob)
			blob = inline_blob(a->config, a->layers, diff_id);
		if (!set_layer(&s, blob, diff_id, a->layers))
			return;
	}
	s.entry = json_incref(entry);
	vec_push(&shared->steps, s);
}

int shared_read(struct shared *shared, const struct build_cache_place *place, struct err *err)
{
	cleanup_image_artifact struct image_artifact a = { 0 };
	struct image_place where = place_of(place);
	const json_t *steps;
	json_t *entry;
	size_t i;
	int r = image_artifact_get(&where, &a, err);

	if (r < 0)
		return r;
	steps = json_object_get(a.config, str_eq(a.type, CACHE_TYPE) ? "steps" : SHARE_INLINE_KEY);
	if (!json_is_array(steps) || json_array_size(steps) > STEPS_MAX)
		return err_input(err, "no build cache of stave is there");
	json_array_foreach(steps, i, entry)
		add_step(shared, place, entry, &a);
	return 0;
}

void shared_open(struct shared *shared, const struct build_options *o, int *numbers)
{
	vec_each(place, &o->cache_from) {
		struct build_event event = { .kind = BUILD_STARTED, .number = ++*numbers };
		cleanup_free char *what =
			xasprintf("importing cache manifest from %s", place->where);
		cleanup_err struct err err = ERR_INIT;
		cleanup_free char *why = NULL;
		nsec_t since = now_mono();
		int r;

		event.text = what;
		if (o->event)
			o->event(o->data, &event);
		r = shared_read(shared, place, &err);
		event.kind = BUILD_STATUS;
		why = xasprintf("not imported: %s", r < 0 ? err.msg : "");
		event.text = why;
		if (r < 0 && o->event)
			o->event(o->data, &event);
		event = (struct build_event){ .kind = BUILD_DONE,
					      .number = event.number,
					      .duration = now_mono() - since };
		if (o->event)
			o->event(o->data, &event);
	}
}

static void take_inputs(const json_t *list, struct cache_entry *e)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(list, i, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (name && value && is_hex(value, SHA256_HEX - 1))
			cache_input_digest(e, name, value);
	}
}

/* On a layer that has not become one of the store yet nothing can be put. */
static int put_layer(const struct shared_step *s, struct image_store *store,
		     const struct stack *below, struct cache_entry *e, struct err *err)
{
	const struct image_layer *top =
		below->layers.n ? &below->layers.v[below->layers.n - 1].image : NULL;
	struct image_place place = place_of(&s->place);
	struct image_layer layer = s->layer;
	int r;

	if (top && !top->chain[0])
		return -ENOENT;
	r = image_artifact_fetch(store, &place, layer.blob, layer.blob_size, err);
	if (r == 0)
		r = image_layer_place(store, top, &layer, err);
	if (r == 0)
		e->layer = layer;
	return r;
}

int shared_find(const struct shared *shared, struct image_store *store, const struct stack *below,
		const char *key, struct cache_entry *ret, struct err *err)
{
	vec_each(s, &shared->steps) {
		struct cache_entry e = { 0 };
		int r;

		if (!str_eq(s->key, key))
			continue;
		r = s->layer.blob[0] ? put_layer(s, store, below, &e, err) : 0;
		if (r < 0)
			return r;
		memcpy(e.key, s->key, sizeof(e.key));
		e.step = xstrdup(json_str(s->entry, "step", ""));
		e.result = xstrdup(json_str(s->entry, "result", NULL));
		e.empty = json_flag(s->entry, "empty", false);
		e.bytes = (uint64_t)json_int(s->entry, "bytes", 0);
		e.created = json_int(s->entry, "created", 0);
		take_inputs(json_object_get(s->entry, "inputs"), &e);
		*ret = e;
		return 0;
	}
	return -ENOENT;
}

/* --- writing --- */

void sharing_done(struct sharing *s)
{
	strv_done(&s->keys);
	json_decref(s->steps);
	vec_done(&s->layers.items);
	*s = (struct sharing){ 0 };
}

static bool has_blob(const struct image_layers *layers, const char *blob)
{
	vec_each(l, &layers->items)
		if (str_eq(l->blob, blob))
			return true;
	return false;
}

static json_t *step_to_json(const struct cache_entry *e, const struct image_layer *layer)
{
	json_t *j = json_object(), *inputs = json_array();

	json_put_str(j, "key", e->key);
	json_put_str(j, "step", e->step);
	vec_each(in, &e->inputs)
		json_array_append_new(inputs, json_pack("[ss]", in->name, in->value));
	json_put(j, "inputs", inputs);
	json_put_str(j, "result", e->result);
	json_put(j, "bytes", json_integer((json_int_t)e->bytes));
	json_put(j, "created", json_integer(e->created));
	if (!layer) {
		json_put(j, "empty", json_true());
		return j;
	}
	json_put_str(j, "diff_id", layer->diff_id);
	json_put_str(j, "blob", layer->blob);
	return j;
}

void sharing_add(struct sharing *s, const struct depot *depot, const struct strv *keys,
		 const struct sharing_layer *layers, size_t count)
{
	if (!s->steps)
		s->steps = json_array();
	for (size_t i = 0; i < keys->n; i++) {
		cleanup_cache_entry struct cache_entry e = { 0 };
		const struct image_layer *layer = NULL;

		if (strv_has(&s->keys, keys->v[i]) || cache_load_any(depot, keys->v[i], &e) < 0)
			continue;
		for (size_t k = 0; k < count && !e.empty; k++)
			if (str_eq(layers[k].key, keys->v[i]))
				layer = layers[k].layer;
		if ((!layer && !e.empty) || s->layers.items.n >= LAYERS_MAX)
			continue;
		strv_add(&s->keys, keys->v[i]);
		json_array_append_new(s->steps, step_to_json(&e, layer));
		if (layer && !has_blob(&s->layers, layer->blob))
			vec_push(&s->layers.items, *layer);
	}
}

int sharing_write(struct sharing *s, struct image_store *store,
		  const struct build_cache_place *place, struct err *err)
{
	struct image_place where = place_of(place);
	cleanup_json json_t *config = json_pack("{s:i,s:O}", "version", 1, "steps", s->steps);

	return image_artifact_put(store, &where, CACHE_TYPE, config, &s->layers, err);
}

json_t *sharing_inline(const struct sharing *s)
{
	json_t *list = json_deep_copy(s->steps), *step;
	size_t i;

	json_array_foreach(list, i, step) {
		(void)json_object_del(step, "blob");
		(void)json_object_del(step, "inputs"); /* only for --explain-cache */
	}
	return list;
}
