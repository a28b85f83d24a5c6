/* post_start and pre_stop: commands that run in a container when a command has started it, and
 * before a command stops it; one after the other, until one fails. What the supervisor does by
 * itself (a restart policy, a crash) runs none, as with Docker Compose. The hooks are those of the
 * record's configuration, so that they are the container's own, whatever was edited since. */
#include "base/log.h"
#include "base/proc.h"
#include "engine/supervisor.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

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
	struct runtime_child child; /* pid -1: none runs */
	struct watch *pidfd_watch, *output_watch;
	struct timer *timer;
	int output; /* read end */
	bool timed_out, aborted;
	char text[OUTPUT_KEPT + 1];
	size_t len;
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

static void read_output(struct hooks *h)
{
	char chunk[OUTPUT_KEPT];
	ssize_t n;
	while (h->output >= 0 && (n = read(h->output, chunk, sizeof(chunk))) > 0) {
		size_t keep = OUTPUT_KEPT - (size_t)n; /* of what is there already */
		if (h->len > keep) {
			memmove(h->text, h->text + h->len - keep, keep);
			h->len = keep;
		}
		memcpy(h->text + h->len, chunk, (size_t)n);
		h->len += (size_t)n;
	}
	h->text[h->len] = '\0';
}

static void output_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	(void)fd;
	read_output(data);
	if (events & (EPOLLHUP | EPOLLERR))
		watch_events(w, 0);
}

static void clear_child(struct hooks *h)
{
	watch_close(h->pidfd_watch);
	watch_close(h->output_watch);
	timer_close(h->timer);
	h->pidfd_watch = h->output_watch = NULL;
	h->timer = NULL;
	h->output = fd_close(h->output);
	runtime_child_done(&h->child);
	h->child = RUNTIME_CHILD_NONE;
}

static void hooks_free(struct hooks *h)
{
	clear_child(h);
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
	while (h->len > 0 && (h->text[h->len - 1] == '\n' || h->text[h->len - 1] == '\r'))
		h->text[--h->len] = '\0';
	const char *line = strrchr(h->text, '\n');
	char *words = xstrdup(line ? line + 1 : h->text);
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

static void child_exited(struct watch *w, int fd, uint32_t events, void *data)
{
	struct hooks *h = data;
	(void)w;
	(void)events;
	siginfo_t info = { 0 };
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	read_output(h);
	cleanup_err struct err failed = ERR_INIT;
	int code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	if (runtime_start_result(h->child.status_fd, &failed) < 0)
		fail(h, "could not be run: %s", failed.msg);
	else if (h->aborted)
		fail(h, "was interrupted");
	else if (h->timed_out)
		fail(h, "took longer than %d s", PRE_STOP_LIMIT_S);
	else if (code != 0)
		fail(h, "exited with status %d", code);
	clear_child(h);
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
	proc_kill_family(h->child.pid); /* its end is noticed as any other */
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
	int pipe_fds[2];
	int r = state_spec_load(&life->s->paths, life->c, &spec, err);
	if (r < 0)
		return r;
	set_process(&spec.process, hook);
	if (spec.process.args.n == 0)
		return err_input(err, "it has no command");
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	const struct runtime_exec exec = {
		.pid = life->c->pid,
		.start_time = life->c->start_time,
		.process = &spec.process,
		.privileged = json_flag(hook, "privileged", false),
		.stdio = { FD_NONE, pipe_fds[1], pipe_fds[1] },
	};
	r = runtime_exec(&spec, &exec, &h->child, err);
	fd_close(pipe_fds[1]);
	if (r < 0) {
		fd_close(pipe_fds[0]);
		return r;
	}
	h->output = pipe_fds[0];
	(void)fcntl(h->output, F_SETFL, O_NONBLOCK);
	h->output_watch = loop_watch(life->s->loop, h->output, EPOLLIN, output_ready, h);
	h->pidfd_watch = loop_watch(life->s->loop, h->child.pidfd, EPOLLIN, child_exited, h);
	if (kinds[h->kind].limit)
		h->timer = loop_timer(life->s->loop, kinds[h->kind].limit, 0, out_of_time, h);
	return 0;
}

static void begin_next(struct hooks *h)
{
	struct life *life = h->life;
	cleanup_err struct err err = ERR_INIT;
	h->len = 0;
	h->text[0] = '\0';
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
	if (life->hooks && life->hooks->child.pid < 0)
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
	h->child = RUNTIME_CHILD_NONE;
	h->output = FD_NONE;
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
	if (h->child.pid > 0)
		proc_kill_family(h->child.pid); /* its end is noticed as any other */
}

void hooks_end(struct life *life)
{
	struct hooks *h = life->hooks;
	if (!h)
		return;
	life->hooks = NULL;
	if (h->child.pid > 0) {
		proc_kill_family(h->child.pid);
		(void)waitpid(h->child.pid, NULL, 0); /* killed: a matter of microseconds */
	}
	hooks_free(h);
}
