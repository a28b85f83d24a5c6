/* The build's own process: reads the Dockerfile, starts a process for each stage that is needed,
 * passes on what they report, and starts one that makes the image. Several builds share the loop,
 * and the steps that they have in common: whoever comes second finds them in the cache. */
#include "build/build.h"

#include "base/fs.h"
#include "base/loop.h"
#include "build/check.h"
#include "build/commit.h"
#include "build/export.h"
#include "build/inputs.h"
#include "build/outline.h"
#include "build/share-out.h"
#include "build/stage.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum child_state { CHILD_WAITING, CHILD_RUNNING, CHILD_BLOCKED, CHILD_DONE };

struct child {
	struct build *build;
	size_t index; /* of the stage; behind the last one: makes the image */
	enum child_state state;
	pid_t pid;
	int status; /* wait's, when it has ended */
	int link;
	struct watch *watch;
	struct str in;
	size_t wants;	  /* CHILD_BLOCKED: the stage whose result it waits for */
	char *result;	  /* JSON of a struct stage_result */
	VEC(int) numbers; /* by step: the number that people see */
};

/* A job for one platform. */
struct build {
	struct build_options
		own; /* the inputs' with the platform; without names for one of several */
	const struct build_options *options;
	struct inputs *inputs; /* the job's, as the next */
	struct shared *shared;
	struct dockerfile file;
	struct graph graph;
	struct depot depot;
	struct loop *loop; /* shared, as the next */
	int *numbers;	   /* given so far */
	struct child *children;
	size_t count;	     /* of them: the stages, and one */
	struct err *err;     /* of the job's first stage that failed */
	char *id, *manifest; /* of the image */
	bool first;	     /* of the job's platforms: says what is wrong with the Dockerfile */
	bool made;	     /* a step was not cached: the cache grew */
	bool stopping;
};

/* A job, and its builds: one for each platform. */
struct work_list {
	VEC(struct build *) builds;
	struct inputs *inputs; /* one a job */
	struct shared *shared;
};

void build_options_done(struct build_options *o)
{
	strv_done(&o->args);
	strv_done(&o->labels);
	strv_done(&o->tags);
	strv_done(&o->extra_hosts);
	strv_done(&o->no_cache_filter);
	vec_each(s, &o->secrets) {
		free(s->id);
		free(s->data);
	}
	vec_done(&o->secrets);
	vec_each(s, &o->ssh) {
		free(s->id);
		free(s->socket);
		strv_done(&s->keys);
	}
	vec_done(&o->ssh);
	vec_each(c, &o->contexts) {
		free(c->name);
		free(c->dir);
		free(c->image);
		free(c->address);
	}
	vec_done(&o->contexts);
	vec_done(&o->rlimits);
	strv_done(&o->platforms);
	strv_done(&o->annotations);
	vec_each(out, &o->outputs)
		free(out->dest);
	vec_done(&o->outputs);
	vec_each(p, &o->cache_from) {
		free(p->where);
		free(p->tag);
	}
	vec_done(&o->cache_from);
	vec_each(p, &o->cache_to) {
		free(p->where);
		free(p->tag);
	}
	vec_done(&o->cache_to);
}

/* --- reading --- */

static int read_dockerfile(struct build *b, struct err *err)
{
	const struct build_options *o = b->options;
	cleanup_diagnostics struct diagnostics found = { 0 };
	struct check_options check = { .ignore = b->inputs->ignore, .build_args = &o->args };
	const struct str *text = &b->inputs->text;
	const char *name = o->dockerfile_name ? o->dockerfile_name
			   : o->dockerfile    ? path_base(o->dockerfile)
					      : "Dockerfile";
	int r = dockerfile_parse(str_text(text), text->len, name, &b->file, &found);

	if (r == 0)
		r = dockerfile_check(&b->file, &check, &found);
	if (o->diagnose && found.items.n && b->first)
		o->diagnose(o->data, &found, text);
	return r < 0 ? err_new(err, ERR_INPUT, EBADMSG, "the Dockerfile has mistakes") : 0;
}

/* --- stages --- */

static void start_stages(struct build *b);

static void finish_child(struct child *c)
{
	watch_close(c->watch);
	c->watch = NULL;
	c->link = fd_close(c->link);
	c->state = CHILD_DONE;
	if (waitpid(c->pid, &c->status, 0) < 0)
		c->status = 0;
}

static void stop_all(struct build *b)
{
	b->stopping = true;
	for (size_t i = 0; i < b->count; i++) {
		if (b->children[i].state != CHILD_RUNNING && b->children[i].state != CHILD_BLOCKED)
			continue;
		(void)kill(b->children[i].pid, SIGTERM);
		/* One that waits for another stage's result, or comes to do so, reads an end. */
		(void)shutdown(b->children[i].link, SHUT_WR);
	}
}

static void answer(struct child *c, const char *result)
{
	struct report_head head = { .kind = REPORT_RESULT };

	c->state = CHILD_RUNNING;
	(void)report_send(c->link, &head, result); /* one that is gone does not need it */
}

static void take_image(struct build *b, const char *result)
{
	struct err ignored = ERR_INIT; /* it is our own text */
	cleanup_json json_t *j = NULL;

	if (json_parse(result, strlen(result), "the result", &j, &ignored) < 0)
		err_done(&ignored);
	b->id = xstrdup(json_str(j, "id", NULL));
	b->manifest = xstrdup(json_str(j, "manifest", NULL));
}

static void stage_finished(struct child *c, char *result)
{
	struct build *b = c->build;

	c->result = result;
	if (c->index == b->graph.stages.n) {
		take_image(b, result);
		return;
	}
	for (size_t i = 0; i < b->count; i++)
		if (b->children[i].state == CHILD_BLOCKED && b->children[i].wants == c->index)
			answer(&b->children[i], result);
	start_stages(b);
}

static void stage_wants(struct child *c, size_t index)
{
	struct build *b = c->build;

	if (index >= b->graph.stages.n || index == c->index)
		return;
	if (b->children[index].result) {
		answer(c, b->children[index].result);
		return;
	}
	c->state = CHILD_BLOCKED;
	c->wants = index;
	b->graph.stages.v[index].needed = true;
	start_stages(b);
}

/* Steps are numbered for people in the order in which they begin, over all stages. */
static void pass_event(struct child *c, const struct report_head *head, const char *text)
{
	struct build *b = c->build;

	while (c->numbers.n <= head->step)
		vec_push(&c->numbers, 0);
	if (!c->numbers.v[head->step])
		c->numbers.v[head->step] = ++*b->numbers;
	if (head->event == BUILD_DONE && c->index < b->graph.stages.n)
		b->made = true;
	if (b->stopping && head->event == BUILD_FAILED)
		return; /* one failure is enough to read */
	struct build_event event = {
		.kind = (enum build_event_kind)head->event,
		.number = c->numbers.v[head->step],
		.text = text,
		.duration = head->duration,
	};
	if (b->options->event)
		b->options->event(b->options->data, &event);
}

static void take_message(struct child *c, const struct report_head *head, char *text)
{
	struct build *b = c->build;
	struct err err = ERR_INIT;

	switch (head->kind) {
	case REPORT_EVENT: pass_event(c, head, text); break;
	case REPORT_NEED: stage_wants(c, head->step); break;
	case REPORT_RESULT: stage_finished(c, ptr_take(text)); break;
	default:
		report_err_from_json(text ? text : "{}", &err);
		if (!b->err->no)
			err_move(b->err, &err);
		err_done(&err);
		stop_all(b);
	}
	free(text);
}

static void read_link(struct watch *w, int fd, uint32_t events, void *data)
{
	enum { CHUNK = 65536 };
	struct child *c = data;
	struct report_head head;
	char *room = str_room(&c->in, CHUNK), *text;
	ssize_t n = room ? read(fd, room, CHUNK) : -1;

	(void)w;
	(void)events;
	if (n > 0) {
		str_grew(&c->in, (size_t)n);
		while (report_next(&c->in, &head, &text))
			take_message(c, &head, text);
		return;
	}
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	finish_child(c);
	if (!c->result && !c->build->err->no)
		err_new(c->build->err, ERR_SYSTEM, ECHILD, "the process of a stage was killed (%s)",
			WIFSIGNALED(c->status) ? strsignal(WTERMSIG(c->status)) : "it ended");
	if (!c->result)
		stop_all(c->build);
}

static _Noreturn void be_child(struct build *b, struct child *c, int link)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->children[i].state == CHILD_RUNNING || b->children[i].state == CHILD_BLOCKED)
			fd_close(b->children[i].link);
	struct export export = {
		.options = b->options,
		.depot = &b->depot,
		.result = b->children[b->graph.target].result,
		.link = link,
	};

	if (c->index == b->graph.stages.n)
		export_main(&export);

	struct stage_run run = {
		.options = b->options,
		.file = &b->file,
		.graph = &b->graph,
		.stage = &b->file.stages.v[c->index],
		.depot = &b->depot,
		.shared = b->shared,
		.context = b->inputs->context.fd >= 0 ? &b->inputs->context : NULL,
		.link = link,
		.line = STR_INIT,
		.others = xcalloc(b->graph.stages.n, sizeof(*run.others)),
	};

	stage_main(&run);
}

static int start_child(struct build *b, struct child *c, struct err *err)
{
	int link[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) < 0)
		return err_sys(err, errno, "make a socket pair");
	c->pid = fork();
	if (c->pid == 0) {
		fd_close(link[0]);
		be_child(b, c, link[1]);
	}
	fd_close(link[1]);
	if (c->pid < 0) {
		fd_close(link[0]);
		return err_sys(err, errno, "start the process of a stage");
	}
	c->link = link[0];
	c->in = STR_INIT_MAX(REPORT_TEXT_MAX + 2 * sizeof(struct report_head) + 65536);
	c->state = CHILD_RUNNING;
	c->watch = loop_watch(b->loop, c->link, EPOLLIN, read_link, c);
	return 0;
}

/* As many as there are processors, and some that wait for a network; those that wait for another
 * stage do not count, so that there is always one that can go on. */
enum { STAGES_AT_ONCE = 6 };

static bool may_start(const struct build *b, size_t index)
{
	struct source source;

	if (index == b->graph.stages.n)
		return b->children[b->graph.target].result;
	if (!b->graph.stages.v[index].needed)
		return false;
	graph_source(&b->graph, b->graph.stages.v[index].base, index, &source);
	return source.kind != SOURCE_STAGE || b->children[source.stage].result;
}

static void start_stages(struct build *b)
{
	size_t running = 0;

	if (b->stopping)
		return;
	for (size_t i = 0; i < b->count; i++)
		running += b->children[i].state == CHILD_RUNNING;
	for (size_t i = 0; i < b->count && running < STAGES_AT_ONCE; i++) {
		struct child *c = &b->children[i];

		if (c->state != CHILD_WAITING || !may_start(b, i))
			continue;
		if (start_child(b, c, b->err) < 0) {
			stop_all(b);
			return;
		}
		running++;
	}
}

static bool any_alive(const struct build *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->children[i].state == CHILD_RUNNING || b->children[i].state == CHILD_BLOCKED)
			return true;
	return false;
}

/* --- the whole --- */

/* A name that was given and that no ARG declares is probably a mistake. */
static void warn_unused(const struct build *b)
{
	cleanup_strv struct strv declared = { 0 }, unused = { 0 };
	cleanup_free char *names = NULL, *text = NULL;
	struct build_event event = { .kind = BUILD_WARNING };

	vec_each(in, &b->file.globals)
		vec_each(pair, &(*in)->pairs)
			strv_add(&declared, pair->key);
	vec_each(stage, &b->file.stages)
		vec_each(in, &stage->body)
			if ((*in)->kind == INSTRUCTION_ARG)
				vec_each(pair, &(*in)->pairs)
					strv_add(&declared, pair->key);
	scope_unused(&b->options->args, &declared, &unused);
	if (!unused.n || !b->options->event)
		return;
	names = strv_join(&unused, " ");
	text = xasprintf("one or more build-args [%s] were not consumed", names);
	event.text = text;
	b->options->event(b->options->data, &event);
}

static int describe(const struct build *b)
{
	const struct build_options *o = b->options;
	cleanup_json json_t *doc = o->outline == BUILD_OUTLINE ? outline_target(&b->file, &b->graph)
							       : outline_targets(&b->file);

	if (o->describe)
		o->describe(o->data, doc);
	return 0;
}

static int begin(struct build *b, struct err *err)
{
	const struct build_options *o = b->options;
	int r = depot_open(o->root, &b->depot, err);

	if (r == 0)
		r = read_dockerfile(b, err);
	if (r < 0 || (o->check && !o->outline))
		return r;
	r = graph_make(&b->graph, &b->file, o, err);
	if (r < 0 || o->check)
		return r < 0 ? r : describe(b);
	if (b->first)
		warn_unused(b);
	b->count = b->graph.stages.n + 1;
	b->children = xcalloc(b->count, sizeof(*b->children));
	for (size_t i = 0; i < b->count; i++) {
		b->children[i].build = b;
		b->children[i].index = i;
		b->children[i].link = FD_NONE;
	}
	start_stages(b);
	return -err->no;
}

static void build_done(struct build *b)
{
	for (size_t i = 0; i < b->count; i++) {
		str_done(&b->children[i].in);
		free(b->children[i].result);
		vec_done(&b->children[i].numbers);
	}
	free(b->children);
	graph_done(&b->graph);
	dockerfile_done(&b->file);
	depot_close(&b->depot);
	free(b->id);
	free(b->manifest);
	vec_each(out, &b->own.outputs)
		free(out->dest);
	vec_done(&b->own.outputs);
	free(b);
}

/* One that fails ends the others: their steps stay in the cache. */
static void run_all(const struct work_list *list, struct loop *loop, const bool *given_up)
{
	enum { POLL = 200 };
	bool alive = true, failed = false;

	while (alive) {
		alive = false;
		vec_each(b, &list->builds)
			failed = failed || (*b)->err->no;
		vec_each(it, &list->builds) {
			struct build *b = *it;

			if ((failed || *given_up) && !b->stopping) {
				if (!b->err->no)
					err_new(b->err, ERR_CANCELLED, EINTR,
						"the build was given up");
				stop_all(b);
			}
			alive = alive || any_alive(b);
		}
		if (alive)
			loop_once(loop, POLL * NSEC_PER_MSEC);
	}
}

static void interrupted(struct watch *w, int fd, uint32_t events, void *data)
{
	struct signalfd_siginfo info;

	(void)w;
	(void)events;
	if (read(fd, &info, sizeof(info)) == sizeof(info))
		*(bool *)data = true;
}

/* --- jobs and platforms --- */

/* "dest" for one platform is "dest/linux_amd64" for several. */
static void split_outputs(struct build *b, const struct build_options *asked)
{
	cleanup_free char *name = xstrdup(b->own.platform);

	for (char *c = name; *c; c++)
		if (*c == '/')
			*c = '_';
	vec_each(out, &asked->outputs) {
		bool dir = out->kind == BUILD_TO_DIR;

		vec_push(&b->own.outputs,
			 (struct build_output){
				 .kind = out->kind,
				 .dest = dir ? path_join(out->dest, name) : xstrdup(out->dest),
			 });
	}
}

static void add_build(struct work_list *list, struct build_job *job, size_t index, size_t number)
{
	struct inputs *inputs = &list->inputs[index];
	const struct build_options *asked = job->options;
	struct build *b = new0(struct build);

	*b = (struct build){
		.own = inputs->options,
		.inputs = inputs,
		.shared = &list->shared[index],
		.file = DOCKERFILE_INIT,
		.depot = DEPOT_NONE,
		.err = &job->err,
		.first = number == 0,
	};
	b->options = &b->own;
	if (asked->platforms.n)
		b->own.platform = asked->platforms.v[number];
	memset(&b->own.outputs, 0, sizeof(b->own.outputs));
	if (asked->platforms.n > 1) {
		memset(&b->own.tags, 0, sizeof(b->own.tags)); /* they are the index's */
		split_outputs(b, asked);
	} else {
		vec_each(out, &asked->outputs)
			vec_push(&b->own.outputs,
				 (struct build_output){ .kind = out->kind,
							.dest = xstrdup(out->dest) });
	}
	vec_push(&list->builds, b);
}

/* One image out of those of all platforms. */
static int join(struct build_job *job, struct build **builds, struct err *err)
{
	const struct build_options *o = job->options;
	cleanup_json json_t *annotations = commit_annotations(o, true);
	cleanup_strv struct strv ids = { 0 };

	for (size_t i = 0; i < o->platforms.n; i++)
		strv_add(&ids, builds[i]->id);
	return image_index_assemble(o->store, &ids, &o->tags, annotations, &job->digest, &job->id,
				    err);
}

/* The cache of a job, for others: of all its platforms at once. */
static void write_shared(struct build_job *job, struct build **builds, size_t count, int *numbers)
{
	cleanup_strv struct strv targets = { 0 }, all = { 0 };
	struct share_out out = { .options = job->options,
				 .depot = &builds[0]->depot,
				 .targets = &targets,
				 .all = &all };

	if (!job->options->cache_to.n || !builds[0]->children)
		return;
	for (size_t i = 0; i < count; i++)
		strv_add(&targets, builds[i]->children[builds[i]->graph.target].result);
	strv_copy(&all, &targets);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < builds[i]->graph.stages.n; k++)
			if (builds[i]->children[k].result && k != builds[i]->graph.target)
				strv_add(&all, builds[i]->children[k].result);
	(void)share_out(&out, numbers, &job->err);
}

static void finish_jobs(struct build_job *jobs, size_t count, struct work_list *list, int *numbers)
{
	struct build **builds = list->builds.v;

	for (size_t i = 0; i < count; i++) {
		size_t n = jobs[i].options->platforms.n > 1 ? jobs[i].options->platforms.n : 1;

		if (!jobs[i].err.no)
			write_shared(&jobs[i], builds, n, numbers);
		if (!jobs[i].err.no && builds[0]->id && n > 1) {
			(void)join(&jobs[i], builds, &jobs[i].err);
		} else if (!jobs[i].err.no) {
			jobs[i].id = ptr_take(builds[0]->id);
			jobs[i].digest = ptr_take(builds[0]->manifest);
		}
		builds += n;
	}
}

static int run_jobs(struct build_job *jobs, size_t count, const struct depot *depot,
		    struct work_list *list, struct err *err)
{
	cleanup(loop_free_cleanup) struct loop *loop = NULL;
	const int *interrupt = count ? jobs[0].options->interrupt : NULL;
	int numbers = 0, r = loop_new(&loop, err);
	bool given_up = false;

	if (r == 0 && interrupt)
		loop_watch(loop, *interrupt, EPOLLIN, interrupted, &given_up);
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct build_options *o = jobs[i].options;
		struct inputs *in = &list->inputs[i];
		size_t first = list->builds.n;

		int failed = inputs_open(in, depot, o, &jobs[i].err);

		if (failed == 0 && !o->check)
			shared_open(&list->shared[i], o, &numbers);
		for (size_t k = 0; k < (o->platforms.n > 1 ? o->platforms.n : 1); k++)
			add_build(list, &jobs[i], i, k);
		for (size_t k = first; failed == 0 && k < list->builds.n; k++) {
			list->builds.v[k]->loop = loop;
			list->builds.v[k]->numbers = &numbers;
			failed = begin(list->builds.v[k], &jobs[i].err);
		}
	}
	if (r == 0)
		run_all(list, loop, &given_up);
	if (r == 0)
		finish_jobs(jobs, count, list, &numbers);
	return r;
}

int build_run(struct build_job *jobs, size_t count, struct err *err)
{
	const struct build_options *first = count ? jobs[0].options : NULL;
	struct work_list list = { .inputs = xcalloc(count + 1, sizeof(*list.inputs)),
				  .shared = xcalloc(count + 1, sizeof(*list.shared)) };
	cleanup_depot struct depot depot = DEPOT_NONE;
	cleanup_fd int lock = FD_NONE, hold = FD_NONE;
	bool made = false;
	int r = 0;

	for (size_t i = 0; i < count; i++)
		list.inputs[i] = INPUTS_NONE;
	if (first)
		r = depot_open(first->root, &depot, err);
	if (first && r == 0)
		r = depot_lock(&depot, false, &lock, err);
	if (first && r == 0)
		r = image_hold(first->store, &hold, err);
	if (r == 0)
		r = run_jobs(jobs, count, &depot, &list, err);
	vec_each(b, &list.builds) {
		made = made || (*b)->made;
		build_done(*b);
	}
	vec_done(&list.builds);
	for (size_t i = 0; i < count; i++) {
		inputs_done(&list.inputs[i]);
		shared_done(&list.shared[i]);
	}
	free(list.inputs);
	free(list.shared);
	lock = fd_close(lock);
	if (made && count)
		jobs[0].cache_grew = true;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = -jobs[i].err.no;
	return r;
}

void build_job_done(struct build_job *job)
{
	free(job->id);
	free(job->digest);
	err_done(&job->err);
	*job = (struct build_job){ 0 };
}
