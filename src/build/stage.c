#include "build/stage.h"

#include "base/fs.h"
#include "runtime/runtime.h"

#include <signal.h>
#include <sys/prctl.h>

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

static void pass_line(struct stage_run *run)
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
			pass_line(run);
			text++;
			len--;
		} else if (run->line.len == LINE_MAX_BYTES) {
			pass_line(run);
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
		pass_line(run);
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

/* --- the instructions --- */

/* The history of Docker's tools: what was written, with the arguments that RUN saw. */
static char *created_by(const struct stage_run *run, const struct instruction *in)
{
	cleanup_strv struct strv args = { 0 }, words = { 0 };
	cleanup_free char *list = NULL, *shell = NULL;

	if (in->kind != INSTRUCTION_RUN)
		return xasprintf("%s %s%s", instruction_name(in->kind), in->rest ? in->rest : "",
				 in->kind == INSTRUCTION_COPY || in->kind == INSTRUCTION_ADD
					 ? " # buildkit"
					 : "");
	scope_run_args(&run->scope, &args);
	if (args.n) {
		cleanup_free char *joined = strv_join(&args, " ");

		list = xasprintf("|%zu %s ", args.n, joined);
	}
	if (!in->json)
		product_shell(&run->product, &words);
	strv_copy(&words, &in->args);
	shell = strv_join(&words, " ");
	return xasprintf("RUN %s%s # buildkit", list ? list : "", shell);
}

/* Of the image so far (wall). */
static nsec_t stage_time(const struct stage_run *run)
{
	return run->options->has_epoch ? run->options->epoch * NSEC_PER_SEC : run->when;
}

static void note_history(struct stage_run *run, const struct instruction *in, bool empty)
{
	cleanup_free char *by = created_by(run, in);
	char buf[RFC3339_TEXT];

	product_history(&run->product, format_rfc3339(stage_time(run), buf), by, empty);
}

static int do_files(struct stage_run *run, const struct instruction *in, struct err *err)
{
	switch (in->kind) {
	case INSTRUCTION_RUN: return stage_run_step(run, in, err);
	case INSTRUCTION_ADD:
	case INSTRUCTION_COPY: return stage_copy_step(run, in, err);
	case INSTRUCTION_WORKDIR: return stage_workdir_step(run, in, err);
	default: return 0;
	}
}

static int do_instruction(struct stage_run *run, struct instruction *in, struct err *err)
{
	struct expand x = scope_expand(&run->scope);
	size_t layers = run->stack.layers.n;
	int r = instruction_expand(in, &x, err);

	if (r == 0)
		r = product_apply(&run->product, in, err);
	if (r < 0)
		return r;
	if (in->kind == INSTRUCTION_ARG)
		vec_each(pair, &in->pairs)
			scope_declare(&run->scope, pair);
	if (in->kind == INSTRUCTION_ENV) {
		strv_done(&run->scope.env);
		product_env(&run->product, &run->scope.env);
	}
	r = do_files(run, in, err);
	if (r == 0)
		note_history(run, in, run->stack.layers.n == layers);
	return r;
}

static bool is_counted(const struct instruction *in)
{
	return in->kind == INSTRUCTION_RUN || in->kind == INSTRUCTION_COPY ||
	       in->kind == INSTRUCTION_ADD || in->kind == INSTRUCTION_WORKDIR;
}

/* The triggers that the base image left for whoever builds on it. */
static int do_triggers(struct stage_run *run, struct err *err)
{
	cleanup_strv struct strv texts = { 0 };
	int r = 0;

	product_take_triggers(&run->product, &texts);
	for (size_t i = 0; r == 0 && i < texts.n; i++) {
		struct instruction *in = NULL;

		r = instruction_parse(texts.v[i], "ONBUILD of the base image", &in, err);
		if (r == 0 && is_counted(in))
			run->steps++;
		if (r == 0)
			r = do_instruction(run, in, err);
		if (r < 0)
			err_wrap(err, "ONBUILD %s", texts.v[i]);
		instruction_free(in);
	}
	return r;
}

/* What people need to find the mistake: the last lines of output, and the line of the file. */
static void tell_failure(struct stage_run *run, const struct instruction *in, const struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	uint32_t first = in->first, last = in->last ? in->last : in->first;

	if (!run->running) /* it had not come as far as to be announced */
		stage_begin(run, in->original ? in->original : "");
	if (run->line.len)
		pass_line(run);
	if (run->tail.n) {
		str_addf(&text, "------\n > %s:\n", in->original ? in->original : "");
		for (size_t i = 0; i < run->tail.n; i++)
			str_addf(&text, "%s\n", run->tail.v[i]);
		str_add(&text, "------\n");
	}
	str_addf(&text, "%s:%u\n--------------------\n", run->file->name, first);
	for (uint32_t line = first > 3 ? first - 2 : 1; line <= last + 2; line++) {
		cleanup_free char *source = source_line(run->file->text, run->file->len, line);

		if (source)
			str_addf(&text, "%4u | %s %s\n", line,
				 line >= first && line <= last ? ">>>" : "   ", source);
	}
	str_add(&text, "--------------------");
	(void)err;
	stage_event(run, BUILD_FAILED, str_text(&text));
}

static int work_through(struct stage_run *run, struct err *err)
{
	struct instruction *in = run->stage->from;
	int r = stage_from(run, err);

	if (r == 0)
		r = do_triggers(run, err);
	for (size_t i = 0; r == 0 && i < run->stage->body.n; i++) {
		in = run->stage->body.v[i];
		r = do_instruction(run, in, err);
		if (r == 0 && run->cancelled)
			r = err_new(err, ERR_CANCELLED, EINTR, "the build was given up");
	}
	if (r < 0 && err->kind != ERR_CANCELLED)
		tell_failure(run, in, err);
	return r;
}

/* --- the process --- */

static struct stage_run *current; /* for the signal handler: one stage is one process */

static void give_up(int signo)
{
	(void)signo;
	current->cancelled = true;
}

static void set_signals(struct stage_run *run)
{
	struct sigaction act = { .sa_handler = give_up };
	sigset_t none;

	current = run;
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
}

_Noreturn void stage_main(struct stage_run *run)
{
	struct err err = ERR_INIT;
	cleanup_free char *text = NULL;
	struct report_head head = { .kind = REPORT_RESULT };
	cleanup_json json_t *j = NULL;
	int r;

	set_signals(run);
	run->steps = 1;
	vec_each(in, &run->stage->body)
		run->steps += is_counted(*in);
	r = work_through(run, &err);
	if (run->has_sandbox)
		sandbox_close(&run->sandbox);
	if (run->context && run->context->cache) {
		cleanup_err struct err ignored = ERR_INIT; /* files are read again then */

		(void)digest_cache_save(run->context->cache, &ignored);
	}
	if (r == 0) {
		struct stage_result result = { .stack = run->stack,
					       .doc = run->product.doc,
					       .keys = run->keys };

		char buf[RFC3339_TEXT];

		json_put_str(result.doc, "created", format_rfc3339(stage_time(run), buf));
		memcpy(result.key, run->key, sizeof(result.key));
		j = stage_result_to_json(&result);
	} else {
		head.kind = REPORT_ERROR;
		j = report_err_to_json(&err);
	}
	text = json_dumps(j, JSON_COMPACT);
	r = report_send(run->link, &head, text ? text : "{}");
	_exit(r < 0 ? 1 : 0);
}
