/* The build's own process: reads the Dockerfile, starts a process for each stage that is needed,
 * passes on what they report, and starts one that makes the image. Several builds share the loop,
 * and the steps that they have in common: whoever comes second finds them in the cache. */
#include "build/build.h"

#include "base/fs.h"
#include "base/loop.h"
#include "build/check.h"
#include "build/commit.h"
#include "build/fetch.h"
#include "build/stage.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define DIGESTS	      "files"
#define CACHE_DEFAULT ((uint64_t)20 << 30)

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

struct build {
	const struct build_options *options;
	struct dockerfile file;
	struct graph graph;
	struct depot depot;
	struct str text; /* of the Dockerfile */
	struct tree context;
	struct ignore *ignore;
	struct digest_cache *digests;
	struct loop *loop; /* shared, as the next */
	int *numbers;	   /* given so far */
	struct child *children;
	size_t count;	 /* of them: the stages, and one */
	struct err *err; /* of the first stage that failed */
	char *id;	 /* of the image */
	char *fetched;	 /* directory of a repository, to be removed */
	bool made;	 /* a step was not cached: the cache grew */
	bool stopping;
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
	}
	vec_done(&o->ssh);
	vec_each(c, &o->contexts) {
		free(c->name);
		free(c->dir);
		free(c->image);
	}
	vec_done(&o->contexts);
	vec_done(&o->rlimits);
}

/* --- reading --- */

static int read_dockerfile(struct build *b, struct err *err)
{
	const struct build_options *o = b->options;
	cleanup_diagnostics struct diagnostics found = { 0 };
	struct check_options check = { .ignore = b->ignore, .build_args = &o->args };
	const char *name = o->dockerfile_name ? o->dockerfile_name
			   : o->dockerfile    ? path_base(o->dockerfile)
					      : "Dockerfile";
	int r = 0;

	if (!o->dockerfile)
		str_add(&b->text, o->dockerfile_text);
	else if (!b->fetched)
		r = fs_read(AT_FDCWD, o->dockerfile, DOCKERFILE_BYTES_MAX, &b->text, err);
	if (r < 0)
		return err_wrap(err, "failed to read dockerfile");
	r = dockerfile_parse(str_text(&b->text), b->text.len, name, &b->file, &found);
	if (r == 0)
		r = dockerfile_check(&b->file, &check, &found);
	if (o->diagnose && found.items.n)
		o->diagnose(o->data, &found);
	return r < 0 ? err_new(err, ERR_INPUT, EBADMSG, "the Dockerfile has mistakes") : 0;
}

/* A repository is fetched each time: what its branch says now. */
static int fetch_context(struct build *b, const struct git_ref *ref, struct err *err)
{
	const struct build_options *o = b->options;
	struct fetch_options options = { .ssh_socket = o->ssh.n ? o->ssh.v[0].socket : NULL };
	cleanup_free char *commit = NULL;
	cleanup_fd int fd = FD_NONE;
	int r = depot_temp(&b->depot, &b->fetched, err);

	if (r < 0)
		return r;
	fd = fs_open(AT_FDCWD, b->fetched, O_RDONLY | O_DIRECTORY, 0, err);
	return fd < 0 ? fd : git_fetch(ref, fd, false, NULL, &options, &commit, err);
}

/* The Dockerfile of a repository is opened beneath it: it is not a path of this machine. */
static int find_dockerfile(struct build *b, bool remote, struct err *err)
{
	const char *path = b->options->dockerfile;

	if (!remote || !path)
		return 0;
	cleanup_fd int fd = fs_open_in_root(b->context.fd, path, O_RDONLY, 0, err);
	if (fd < 0)
		return err_wrap(err, "failed to read dockerfile");
	return fs_read_fd(fd, path, DOCKERFILE_BYTES_MAX, &b->text, err);
}

static int open_context(struct build *b, struct err *err)
{
	const struct build_options *o = b->options;
	cleanup_free char *ignored_name = NULL;

	b->context = (struct tree){ .fd = FD_NONE, .name = "the build context" };
	if (!o->context)
		return 0;
	cleanup_git_ref struct git_ref ref = { 0 };
	const char *dir = o->context;
	int r = git_ref_parse(o->context, true, &ref, err);
	if (r > 0) {
		r = fetch_context(b, &ref, err);
		dir = b->fetched;
	}
	if (r < 0)
		return r;
	b->context.fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	if (b->context.fd >= 0 && ref.subdir) {
		int sub =
			fs_open_in_root(b->context.fd, ref.subdir, O_RDONLY | O_DIRECTORY, 0, err);

		fd_close(b->context.fd);
		b->context.fd = sub;
	}
	if (b->context.fd < 0)
		return b->context.fd;
	r = find_dockerfile(b, ref.remote != NULL, err);
	if (r < 0)
		return r;
	b->digests = digest_cache_open(b->depot.cache, "../" DIGESTS);
	b->context.cache = b->digests;
	/* The path within the context, for `<Dockerfile>.dockerignore`. */
	const char *inside = ref.remote	     ? o->dockerfile
			     : o->dockerfile ? str_after(o->dockerfile, dir)
					     : NULL;
	if (inside && *inside == '/')
		inside++;
	else if (!ref.remote)
		inside = NULL;
	r = ignore_load(b->context.fd, inside, &b->ignore, &ignored_name, err);
	b->context.ignore = b->ignore;
	return r;
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

static void stage_finished(struct child *c, char *result)
{
	struct build *b = c->build;

	c->result = result;
	if (c->index == b->graph.stages.n) {
		b->id = xstrdup(result);
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

static _Noreturn void export_main(struct build *b, int link);

static _Noreturn void be_child(struct build *b, struct child *c, int link)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->children[i].state == CHILD_RUNNING || b->children[i].state == CHILD_BLOCKED)
			fd_close(b->children[i].link);
	if (c->index == b->graph.stages.n)
		export_main(b, link);

	struct stage_run run = {
		.options = b->options,
		.file = &b->file,
		.graph = &b->graph,
		.stage = &b->file.stages.v[c->index],
		.depot = &b->depot,
		.context = b->context.fd >= 0 ? &b->context : NULL,
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

/* --- the image --- */

/* In a process of its own: packing takes a while, and the loop serves other builds. */
struct exporting {
	int link;
	nsec_t since;
};

static void say(const struct exporting *e, enum build_event_kind kind, const char *text)
{
	struct report_head head = {
		.kind = REPORT_EVENT,
		.event = kind,
		.duration = now_mono() - e->since,
	};

	(void)report_send(e->link, &head, text); /* the build that is gone needs no telling */
}

static void said_layer(void *data, const char *text)
{
	cleanup_free char *line = xasprintf("exporting layer %s", text);

	say(data, BUILD_STATUS, line);
}

static int make_image(struct build *b, const struct exporting *e, char **ret_id, struct err *err)
{
	struct image_layers layers = { 0 };
	struct stage_result result = { 0 };
	const struct build_options *o = b->options;
	int r = stage_result_from_json(b->children[b->graph.target].result, &result, err);

	say(e, BUILD_STARTED, "exporting to image");
	if (r == 0)
		r = commit_layers(&b->depot, o->store, &result.stack, &layers, said_layer,
				  (void *)e, err);
	if (r == 0)
		r = commit_image(o, result.doc, &layers, ret_id, err);
	vec_done(&layers.items);
	stage_result_done(&result);
	if (r < 0)
		return r;
	cleanup_free char *line = xasprintf("writing image %s done", *ret_id);

	say(e, BUILD_STATUS, line);
	for (size_t i = 0; i < o->tags.n; i++) {
		cleanup_free char *name = xasprintf("naming to %s done", o->tags.v[i]);

		say(e, BUILD_STATUS, name);
	}
	say(e, BUILD_DONE, NULL);
	return 0;
}

static _Noreturn void export_main(struct build *b, int link)
{
	struct exporting e = { link, now_mono() };
	struct report_head head = { .kind = REPORT_RESULT };
	struct err err = ERR_INIT;
	char *text = NULL;

	if (make_image(b, &e, &text, &err) < 0) {
		cleanup_json json_t *j = report_err_to_json(&err);

		head.kind = REPORT_ERROR;
		text = json_text(j);
	}
	_exit(report_send(link, &head, text) < 0 ? 1 : 0);
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

static int begin(struct build *b, struct err *err)
{
	const struct build_options *o = b->options;
	int r = depot_open(o->root, &b->depot, err);

	if (r == 0)
		r = open_context(b, err);
	if (r == 0)
		r = read_dockerfile(b, err);
	if (r < 0 || o->check)
		return r;
	r = graph_make(&b->graph, &b->file, o, err);
	if (r < 0)
		return r;
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
	fd_close(b->context.fd);
	depot_temp_remove(b->fetched);
	free(b->fetched);
	str_done(&b->text);
	ignore_free(b->ignore);
	digest_cache_free(b->digests);
	graph_done(&b->graph);
	dockerfile_done(&b->file);
	depot_close(&b->depot);
}

/* One that fails ends the others: their steps stay in the cache. */
static void run_all(struct build *builds, size_t count, struct loop *loop, const bool *given_up)
{
	enum { POLL = 200 };
	bool alive = true, failed = false;

	while (alive) {
		alive = false;
		for (size_t i = 0; i < count; i++)
			failed = failed || builds[i].err->no;
		for (size_t i = 0; i < count; i++) {
			struct build *b = &builds[i];

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

static void collect(const struct build_options *o)
{
	cleanup_err struct err ignored = ERR_INIT; /* the next build collects */
	uint64_t freed;

	(void)cache_collect(o->root, o->cache_bytes ? o->cache_bytes : CACHE_DEFAULT, &freed,
			    &ignored);
}

static void interrupted(struct watch *w, int fd, uint32_t events, void *data)
{
	struct signalfd_siginfo info;

	(void)w;
	(void)events;
	if (read(fd, &info, sizeof(info)) == sizeof(info))
		*(bool *)data = true;
}

static int run_jobs(struct build_job *jobs, struct build *builds, size_t count, struct err *err)
{
	cleanup(loop_free_cleanup) struct loop *loop = NULL;
	const int *interrupt = count ? jobs[0].options->interrupt : NULL;
	int numbers = 0, r = loop_new(&loop, err);
	bool given_up = false;

	if (r == 0 && interrupt)
		loop_watch(loop, *interrupt, EPOLLIN, interrupted, &given_up);
	for (size_t i = 0; r == 0 && i < count; i++) {
		builds[i].loop = loop;
		builds[i].numbers = &numbers;
		(void)begin(&builds[i], &jobs[i].err);
	}
	if (r == 0)
		run_all(builds, count, loop, &given_up);
	for (size_t i = 0; i < count; i++) {
		jobs[i].id = ptr_take(builds[i].id);
		build_done(&builds[i]);
	}
	return r;
}

int build_run(struct build_job *jobs, size_t count, struct err *err)
{
	const struct build_options *first = count ? jobs[0].options : NULL;
	cleanup_free struct build *builds = xcalloc(count + 1, sizeof(*builds));
	cleanup_depot struct depot depot = DEPOT_NONE;
	cleanup_fd int lock = FD_NONE, hold = FD_NONE;
	bool made = false;
	int r = 0;

	for (size_t i = 0; i < count; i++)
		builds[i] = (struct build){
			.options = jobs[i].options,
			.file = DOCKERFILE_INIT,
			.depot = DEPOT_NONE,
			.context = { .fd = FD_NONE },
			.text = STR_INIT_MAX(DOCKERFILE_BYTES_MAX + 1),
			.err = &jobs[i].err,
		};
	if (first)
		r = depot_open(first->root, &depot, err);
	if (first && r == 0)
		r = depot_lock(&depot, false, &lock, err);
	if (first && r == 0)
		r = image_hold(first->store, &hold, err);
	if (r == 0)
		r = run_jobs(jobs, builds, count, err);
	for (size_t i = 0; i < count; i++)
		made = made || builds[i].made;
	lock = fd_close(lock);
	if (made)
		collect(first);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = -jobs[i].err.no;
	return r;
}

void build_job_done(struct build_job *job)
{
	free(job->id);
	err_done(&job->err);
	*job = (struct build_job){ 0 };
}
