/* post_start and pre_stop: commands that run in a container when a command has started it, and
 * before a command stops it; one after the other, until one fails. What the supervisor does by
 * itself (a restart policy, a crash) runs none, as with Docker Compose. The hooks are those of the
 * record's configuration, so that they are the container's own, whatever was edited since. */
#include "base/log.h"
#include "engine/errand.h"

enum {
	OUTPUT_KEPT = 400, /* the end of what a hook wrote, for its error */
	/* A stop that never comes would be a trap; Ctrl-C ends a hook earlier. */
	PRE_STOP_LIMIT_S = 300,
};

static const struct {
	const char *key;
	nsec_t limit; /* of one hook; 0: none */
} kinds[] = {
	[HOOK_POST_START] = { "post_start", 0 },
	[HOOK_PRE_STOP] = { "pre_stop", PRE_STOP_LIMIT_S *NSEC_PER_SEC },
};

struct hooks {
	struct life *life;
	enum hook_kind kind;
	json_t *list; /* own reference */
	size_t next;
	struct errand one; /* that runs */
	struct timer *timer;
	bool timed_out, aborted;
};

static json_t *hooks_of(const struct container *c, enum hook_kind kind)
{
	return json_object_get(json_object_get(c->config, "service"), kinds[kind].key);
}

bool hooks_has(const struct container *c, enum hook_kind kind)
{
	return !c->oneoff && json_array_size(hooks_of(c, kind)) > 0;
}

/* --- the end of one --- */

static void hooks_free(struct hooks *h)
{
	timer_close(h->timer);
	errand_end(&h->one);
	json_decref(h->list);
	free(h);
}

/* All are through, or one has failed (life->hook_error). */
static void hooks_over(struct hooks *h)
{
	struct life *life = h->life;
	cleanup_err struct err err = ERR_INIT;
	life->hooks = NULL;
	if (h->kind == HOOK_POST_START) {
		life->c->hooks_due = false;
		if (state_container_save_state(&life->s->paths, life->c, &err) < 0)
			event_warning(life->s, "container '%s': %s", life->c->name, err.msg);
	}
	hooks_free(h);
	life->s->tell->changed(life);
}

/* The last line that it wrote, without what a terminal would act on. */
static char *last_words(struct hooks *h)
{
	cleanup_free char *text = errand_words(&h->one);
	const char *line = strrchr(text, '\n');
	char *words = xstrdup(line ? line + 1 : text);
	for (char *p = words; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = '?';
	return words;
}

static void fail(struct hooks *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct hooks *h, const char *format, ...)
{
	struct life *life = h->life;
	va_list ap;
	va_start(ap, format);
	cleanup_free char *what = xvasprintf(format, ap);
	va_end(ap);
	cleanup_free char *words = last_words(h);
	err_done(&life->hook_error);
	(void)err_new(&life->hook_error, ERR_CONTAINER, ECANCELED,
		      "%s hook %s%s%s (%s, number %zu)", life->c->service, what, *words ? ": " : "",
		      words, kinds[h->kind].key, h->next);
}

static void begin_next(struct hooks *h);

static void one_ended(struct errand *errand, int code, const struct err *failed, void *data)
{
	struct hooks *h = data;
	(void)errand;
	if (failed)
		fail(h, "could not be run: %s", failed->msg);
	else if (h->aborted)
		fail(h, "was interrupted");
	else if (h->timed_out)
		fail(h, "took longer than %d s", PRE_STOP_LIMIT_S);
	else if (code != 0)
		fail(h, "exited with status %d", code);
	timer_close(h->timer);
	h->timer = NULL;
	if (h->life->hook_error.no)
		hooks_over(h);
	else
		begin_next(h);
}

/* --- running --- */

static void out_of_time(struct timer *t, void *data)
{
	struct hooks *h = data;
	(void)t;
	h->timed_out = true;
	errand_kill(&h->one);
}

static void set_text(char **field, const char *value)
{
	if (str_empty(value))
		return;
	free(*field);
	*field = xstrdup(value);
}

static void set_process(struct spec_process *process, const json_t *hook)
{
	const char *key;
	json_t *value;
	size_t i;
	strv_done(&process->args);
	json_array_foreach(json_object_get(hook, "command"), i, value) {
		if (json_is_string(value))
			strv_add(&process->args, json_string_value(value));
	}
	json_object_foreach(json_object_get(hook, "environment"), key, value) {
		if (json_is_string(value))
			env_set(&process->env, key, json_string_value(value));
	}
	set_text(&process->user, json_str(hook, "user", NULL));
	set_text(&process->cwd, json_str(hook, "working_dir", NULL));
	process->tty = false;
}

static int run_one(struct hooks *h, const json_t *hook, struct err *err)
{
	struct life *life = h->life;
	cleanup_spec struct spec spec = { 0 };
	int r = state_spec_load(&life->s->paths, life->c, &spec, err);
	if (r < 0)
		return r;
	set_process(&spec.process, hook);
	if (spec.process.args.n == 0)
		return err_input(err, "it has no command");
	r = errand_begin(&h->one, life, &spec, json_flag(hook, "privileged", false), err);
	if (r == 0 && kinds[h->kind].limit)
		h->timer = loop_timer(life->s->loop, kinds[h->kind].limit, 0, out_of_time, h);
	return r;
}

static void begin_next(struct hooks *h)
{
	struct life *life = h->life;
	cleanup_err struct err err = ERR_INIT;
	h->one.len = 0; /* one that does not begin has no words */
	h->one.text[0] = '\0';
	const json_t *hook = json_array_get(h->list, h->next);
	if (!hook) {
		hooks_over(h);
		return;
	}
	h->next++;
	if (!life_runs(life))
		fail(h, "could not be run: the container has exited (%d)", life->c->exit_code);
	else if (run_one(h, hook, &err) < 0)
		fail(h, "could not be run: %s", err.msg);
	if (life->hook_error.no)
		hooks_over(h);
}

static void begin_deferred(void *data)
{
	struct life *life = data;
	if (life->hooks && !errand_runs(&life->hooks->one))
		begin_next(life->hooks);
}

int hooks_begin(struct life *life, enum hook_kind kind)
{
	json_t *list = hooks_of(life->c, kind);
	hooks_end(life);
	err_done(&life->hook_error);
	if (!hooks_has(life->c, kind)) {
		life->c->hooks_due = false;
		return 0;
	}
	struct hooks *h = new0(struct hooks);
	h->life = life;
	h->kind = kind;
	h->list = json_incref(list);
	h->one = ERRAND_NONE;
	h->one.over = one_ended;
	h->one.data = h;
	h->one.keep = OUTPUT_KEPT;
	h->one.keep_end = true;
	life->hooks = h;
	if (kind == HOOK_PRE_STOP)
		life->c->wanted = false; /* a hook may end the program itself */
	/* The step that asks is not to be told before it has its answer. */
	loop_defer(life->s->loop, begin_deferred, life);
	return 1;
}

void hooks_abort(struct life *life)
{
	struct hooks *h = life->hooks;
	h->aborted = true;
	errand_kill(&h->one);
}

void hooks_end(struct life *life)
{
	struct hooks *h = life->hooks;
	if (!h)
		return;
	life->hooks = NULL;
	hooks_free(h);
}
