/* --cache-to, when the image is there: packs what is not packed yet and writes it. In a process of
 * its own, which Ctrl-C can end. */
#include "build/share-out.h"
#include "build/commit.h"
#include "build/stage.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

int share_gather(struct sharing *s, const struct depot *depot, struct image_store *store,
		 const struct stage_result *result, struct err *err)
{
	VEC(struct sharing_layer) pairs = { 0 };
	struct image_layers layers = { 0 };
	int r = commit_layers(depot, store, &result->stack, &layers, NULL, NULL, err);

	for (size_t i = 0; r == 0 && i < result->stack.layers.n; i++)
		if (result->stack.layers.v[i].key[0])
			vec_push(&pairs,
				 (struct sharing_layer){ .key = result->stack.layers.v[i].key,
							 .layer = &layers.items.v[i] });
	if (r == 0)
		sharing_add(s, depot, &result->keys, pairs.v, pairs.n);
	vec_done(&pairs);
	vec_done(&layers.items);
	return r;
}

static void say(int link, enum build_event_kind kind, const char *text, nsec_t since)
{
	struct report_head head = { .kind = REPORT_EVENT,
				    .event = kind,
				    .duration = now_mono() - since };

	(void)report_send(link, &head, text); /* the build that is gone needs no telling */
}

static int write_one(const struct share_out *o, const struct build_cache_place *place,
		     struct err *err)
{
	cleanup(sharing_done) struct sharing s = { 0 };
	const struct strv *results = place->max ? o->all : o->targets;
	int r = 0;

	for (size_t i = 0; r == 0 && i < results->n; i++) {
		struct stage_result result = { 0 };

		r = stage_result_from_json(results->v[i], &result, err);
		if (r == 0)
			r = share_gather(&s, o->depot, o->options->store, &result, err);
		stage_result_done(&result);
	}
	return r < 0 ? r : sharing_write(&s, o->options->store, place, err);
}

static _Noreturn void work(const struct share_out *o, int link)
{
	struct report_head head = { .kind = REPORT_RESULT };
	cleanup_err struct err err = ERR_INIT;
	cleanup_json json_t *j = NULL;
	cleanup_free char *text = NULL;
	nsec_t since = now_mono();
	sigset_t none;
	int r = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	vec_each(place, &o->options->cache_to) {
		cleanup_free char *what = xasprintf("to %s", place->where ? place->where : "");

		if (r < 0 || place->kind == BUILD_CACHE_INLINE)
			continue;
		say(link, BUILD_STATUS, what, since);
		r = write_one(o, place, &err);
		if (r < 0 && place->ignore_error) {
			say(link, BUILD_STATUS, err.msg, since);
			err_done(&err);
			r = 0;
		}
	}
	if (r < 0) {
		(void)err_wrap(&err, "export the build cache");
		head.kind = REPORT_ERROR;
		j = report_err_to_json(&err);
		text = json_text(j);
	} else {
		say(link, BUILD_DONE, NULL, since);
	}
	_exit(report_send(link, &head, text ? text : "{}") < 0 ? 1 : 0);
}

static void pass(const struct share_out *o, int number, const struct report_head *head,
		 const char *text)
{
	struct build_event event = { .kind = (enum build_event_kind)head->event,
				     .number = number,
				     .text = text,
				     .duration = head->duration };

	if (o->options->event)
		o->options->event(o->options->data, &event);
}

/* Until it has said how it ended. */
static int listen_to(const struct share_out *o, int link, int number, struct err *err)
{
	const int *interrupt = o->options->interrupt;

	for (;;) {
		struct pollfd polls[] = { { .fd = link, .events = POLLIN },
					  { .fd = interrupt ? *interrupt : FD_NONE,
					    .events = POLLIN } };
		struct report_head head;
		cleanup_free char *text = NULL;
		int r;

		if (poll(polls, ARRAY_SIZE(polls), -1) < 0 && errno != EINTR)
			return err_sys(err, errno, "wait for the build cache");
		if (polls[1].revents)
			return err_new(err, ERR_CANCELLED, EINTR, "the build was given up");
		if (!polls[0].revents)
			continue;
		r = report_receive(link, &head, &text, err);
		if (r < 0 || head.kind == REPORT_RESULT)
			return r;
		if (head.kind == REPORT_ERROR)
			return report_err_from_json(text ? text : "{}", err);
		pass(o, number, &head, text);
	}
}

static bool any(const struct build_options *o)
{
	vec_each(place, &o->cache_to)
		if (place->kind != BUILD_CACHE_INLINE)
			return true;
	return false;
}

int share_out(const struct share_out *o, int *numbers, struct err *err)
{
	struct report_head start = { .event = BUILD_STARTED }, end = { .event = BUILD_FAILED };
	int link[2], number, r;

	if (!any(o->options))
		return 0;
	number = ++*numbers;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) < 0)
		return err_sys(err, errno, "make a socket pair");
	pass(o, number, &start, "exporting cache");
	pid_t pid = fork();
	if (pid == 0) {
		fd_close(link[0]);
		work(o, link[1]);
	}
	fd_close(link[1]);
	if (pid < 0) {
		fd_close(link[0]);
		return err_sys(err, errno, "start the export of the build cache");
	}
	r = listen_to(o, link[0], number, err);
	fd_close(link[0]);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		pass(o, number, &end, err->msg);
	return r;
}
