/* A stage's process: works through its instructions and says what came of them. */
#include "build/stage.h"

#include "runtime/runtime.h"

#include <signal.h>
#include <sys/prctl.h>

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
		stage_output_end(run);
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
