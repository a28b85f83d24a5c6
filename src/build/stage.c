#include "build/stage.h"

#include "base/fs.h"

enum { TAIL_LINES = 12, LINE_MAX_BYTES = 16384 };

/* --- results --- */

void stage_result_done(struct stage_result *r)
{
	stack_done(&r->stack);
	json_decref(r->doc);
	r->doc = NULL;
	strv_done(&r->keys);
}

json_t *stage_result_to_json(const struct stage_result *r)
{
	json_t *j = json_object();

	json_put(j, "layers", stack_to_json(&r->stack));
	json_put(j, "doc", json_incref(r->doc));
	json_put_str(j, "key", r->key);
	json_put(j, "keys", json_from_strv(&r->keys));
	return j;
}

int stage_result_from_json(const char *text, struct stage_result *ret, struct err *err)
{
	cleanup_json json_t *j = NULL;
	int r = json_parse(text, strlen(text), "the result of a stage", &j, err);

	if (r < 0)
		return r;
	stack_from_json(json_object_get(j, "layers"), &ret->stack);
	ret->doc = json_incref(json_object_get(j, "doc"));
	snprintf(ret->key, sizeof(ret->key), "%s", json_str(j, "key", ""));
	json_strv(j, "keys", &ret->keys);
	return 0;
}

/* --- reporting --- */

static void send_or_die(struct stage_run *run, const struct report_head *head, const char *text)
{
	if (report_send(run->link, head, text) < 0)
		run->cancelled = true; /* nobody is interested any more */
}

void stage_event(struct stage_run *run, enum build_event_kind kind, const char *text)
{
	struct report_head head = {
		.kind = REPORT_EVENT,
		.event = kind,
		.step = (uint32_t)run->step,
		.duration = now_mono() - run->since,
	};

	send_or_die(run, &head, text);
}

void stage_output_end(struct stage_run *run)
{
	if (run->line.len && run->line.data[run->line.len - 1] == '\r')
		run->line.data[--run->line.len] = '\0';
	for (size_t i = 0; i < run->line.len; i++)
		if (!run->line.data[i])
			run->line.data[i] = ' ';
	stage_event(run, BUILD_OUTPUT, str_text(&run->line));
	if (run->tail.n == TAIL_LINES)
		strv_remove(&run->tail, 0);
	strv_add(&run->tail, str_text(&run->line));
	str_clear(&run->line);
}

void stage_output(struct stage_run *run, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len, room = LINE_MAX_BYTES - run->line.len;

		if (n > room) {
			n = room;
			end = NULL;
		}
		str_addn(&run->line, text, n);
		text += n;
		len -= n;
		if (end) {
			stage_output_end(run);
			text++;
			len--;
		} else if (run->line.len == LINE_MAX_BYTES) {
			stage_output_end(run);
		}
	}
}

void stage_begin(struct stage_run *run, const char *what)
{
	const struct build_options *o = run->options;
	cleanup_free char *text = NULL;
	cleanup_free char *stage = NULL;
	cleanup_free char *platform = o->platforms.n > 1 ? xasprintf("%s ", o->platform) : NULL;

	run->step++;
	run->since = now_mono();
	run->running = true;
	strv_done(&run->tail);
	if (run->file->stages.n > 1)
		stage = run->stage->name ? xasprintf("%s ", run->stage->name)
					 : xasprintf("stage-%zu ", run->stage->index);
	text = xasprintf("[%s%s%zu/%zu] %s", platform ? platform : "", stage ? stage : "",
			 run->step, run->steps, what);
	stage_event(run, BUILD_STARTED, text);
}

void stage_end(struct stage_run *run)
{
	if (run->line.len)
		stage_output_end(run);
	stage_event(run, BUILD_DONE, NULL);
	run->running = false;
}

/* --- the cache --- */

static char *where_of(const struct stage_run *run)
{
	const struct build_options *o = run->options;

	return xasprintf("%s%s%s\n%s\n%zu\n%zu", o->platform ? o->platform : "",
			 o->platform ? "\n" : "", o->context ? o->context : "",
			 o->dockerfile ? o->dockerfile : run->file->name, run->stage->index,
			 run->step);
}

char *stage_lineage(const struct stage_run *run, const char *instruction, const char *workdir)
{
	const struct build_options *o = run->options;

	return xasprintf("%s\n%s\n%s\n%s", o->context ? o->context : "",
			 o->dockerfile ? o->dockerfile : run->file->name, instruction, workdir);
}

static bool may_use_cache(const struct stage_run *run)
{
	const struct build_options *o = run->options;

	return !o->no_cache &&
	       !(run->stage->name && strv_has(&o->no_cache_filter, run->stage->name));
}

static int make_layer(struct stage_run *run, const struct stage_step *step, struct err *err)
{
	cleanup_stack_dirs struct stack_dirs dirs = { 0 };
	cleanup_work struct work work = { 0 };
	struct stack nothing = { 0 };
	const struct build_options *o = run->options;
	int r = stack_open(run->depot, o->store, step->alone ? &nothing : &run->stack, &dirs, err);

	if (r == 0)
		r = work_begin(run->depot, &dirs, &work, err);
	if (r == 0)
		r = step->make(run, &work, step->data, err);
	if (r == 0)
		r = work_finish(run->depot, &work, o->has_epoch ? o->epoch * NSEC_PER_SEC : 0,
				step->entry, err);
	if (r < 0)
		return r;
	step->entry->created = now_wall();
	return cache_save(run->depot, step->entry, err);
}

/* One that another machine made becomes one of ours. What cannot be fetched is made here. */
static bool find_shared(struct stage_run *run, const struct stage_step *step,
			struct cache_entry *ret)
{
	cleanup_err struct err why = ERR_INIT;
	int r = shared_find(run->shared, run->options->store, &run->stack, step->entry->key, ret,
			    &why);

	if (r == 0)
		r = cache_save(run->depot, ret, &why);
	if (r < 0 && why.no)
		stage_event(run, BUILD_STATUS, why.msg);
	return r == 0;
}

/* One that is found brings its tree; the inputs are ours. */
static bool find_layer(struct stage_run *run, const struct stage_step *step, struct err *err)
{
	struct cache_entry found = { 0 };

	if (cache_load(run->depot, run->options->store, step->entry->key, &found, err) < 0 &&
	    !find_shared(run, step, &found)) {
		cache_entry_done(&found);
		return false;
	}
	memcpy(step->entry->snapshot, found.snapshot, sizeof(found.snapshot));
	step->entry->layer = found.layer;
	step->entry->empty = found.empty;
	step->entry->created = found.created;
	cache_entry_done(&found);
	return true;
}

int stage_step(struct stage_run *run, const struct stage_step *step, struct err *err)
{
	cleanup_free char *where = NULL;
	struct cache_entry *e = step->entry;
	int lock = FD_NONE, r = 0;
	bool cached;

	cache_input_digest(e, "the step before", step->alone ? "" : run->key);
	cache_key(e);
	free(e->step);
	e->step = xstrdup(step->what);
	stage_begin(run, step->what);
	where = where_of(run);
	cached = may_use_cache(run) && find_layer(run, step, err);
	if (!cached) {
		if (run->options->explain) {
			cleanup_free char *why = may_use_cache(run)
							 ? cache_explain(run->depot, where, e)
							 : xstrdup("the cache is not to be used");

			stage_event(run, BUILD_EXPLAINED, why);
		}
		r = depot_step_lock(run->depot, e->key, &lock, err);
		/* Another build may have made it while we waited. */
		cached = r == 0 && may_use_cache(run) && find_layer(run, step, err);
		if (r == 0 && !cached)
			r = make_layer(run, step, err);
		depot_step_done(run->depot, e->key, lock);
	}
	if (r == 0)
		r = cache_remember(run->depot, where, e, err);
	if (r == 0 && step->lineage)
		r = cache_remember(run->depot, step->lineage, e, err);
	if (r < 0)
		return r;
	stack_add_entry(&run->stack, e);
	/* Not the time of this build: an image of cached steps is the same image. */
	run->when = e->created;
	memcpy(run->key, e->key, sizeof(run->key));
	strv_add(&run->keys, e->key);
	if (cached) {
		stage_event(run, BUILD_CACHED, NULL);
		run->running = false;
	} else {
		stage_end(run);
	}
	return 0;
}

/* --- other stages --- */

int stage_other(struct stage_run *run, size_t index, const struct stage_result **ret,
		struct err *err)
{
	struct report_head head = { .kind = REPORT_NEED, .step = (uint32_t)index };
	cleanup_free char *text = NULL;
	int r = 0;

	if (!run->others[index]) {
		struct stage_result *other = new0(struct stage_result);

		send_or_die(run, &head, NULL);
		r = report_receive(run->link, &head, &text, err);
		if (r == 0)
			r = stage_result_from_json(text, other, err);
		if (r < 0) {
			free(other);
			return r;
		}
		run->others[index] = other;
	}
	*ret = run->others[index];
	return 0;
}
