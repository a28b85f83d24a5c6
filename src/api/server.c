#include "api/server.h"

#include "api/metrics.h"
#include "base/loop.h"

#include <microhttpd.h>
#include <signal.h>

enum {
	CONNECTIONS_MAX = 64, /* a handful of scrapers; more wait in the backlog */
	PER_ADDRESS_MAX = 16, /* so that one who holds on to them does not keep others out */
	PATIENCE_S = 10,      /* for a request to arrive, and for an answer to be taken */
	REQUEST_MAX = 32 << 10,
	METRICS_MAX = 64 << 20, /* some ten thousand containers */
};

struct server {
	const struct engine_paths *paths;
	const char *project; /* NULL: all */
	struct MHD_Daemon *daemon;
	struct loop *loop;
	struct watch *watch; /* libmicrohttpd's epoll descriptor */
	struct timer *timer; /* when libmicrohttpd wants to look for what took too long */
};

struct answer {
	unsigned status;
	const char *type;
	struct str body;
};

static void say_metrics(struct server *s, struct answer *a)
{
	cleanup_err struct err err = ERR_INIT;
	a->type = METRICS_CONTENT_TYPE;
	a->body.max = METRICS_MAX;
	if (metrics_text(s->paths, s->project, &a->body, &err) == 0)
		return;
	str_done(&a->body);
	a->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	a->type = "text/plain; charset=utf-8";
	str_addf(&a->body, "%s\n", err.msg);
}

static void say_healthy(struct server *s, struct answer *a)
{
	(void)s;
	str_add(&a->body, "ok\n");
}

static const struct {
	const char *path;
	void (*say)(struct server *s, struct answer *a);
} routes[] = {
	{ "/-/healthy", say_healthy },
	{ "/metrics", say_metrics },
};

static void find_answer(struct server *s, const char *path, const char *method, struct answer *a)
{
	bool reads = str_eq(method, MHD_HTTP_METHOD_GET) || str_eq(method, MHD_HTTP_METHOD_HEAD);
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		if (reads) {
			routes[i].say(s, a);
			return;
		}
		a->status = MHD_HTTP_METHOD_NOT_ALLOWED;
		str_add(&a->body, "only GET and HEAD are answered here\n");
		return;
	}
	a->status = MHD_HTTP_NOT_FOUND;
	str_add(&a->body, "the metrics are at /metrics\n");
}

/* A request's head is whole; what else comes with it is not read. */
static enum MHD_Result request(void *data, struct MHD_Connection *connection, const char *path,
			       const char *method, const char *version, const char *upload,
			       size_t *upload_size, void **state)
{
	struct answer a = { .status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8" };
	(void)version;
	(void)upload;
	(void)upload_size;
	(void)state;
	find_answer(data, path, method, &a);
	size_t len = a.body.len;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, str_take(&a.body), MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a.type);
	if (a.status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result r = MHD_queue_response(connection, a.status, response);
	MHD_destroy_response(response);
	return r;
}

/* Does what there is to do, and asks when it wants to be woken though nothing has come. */
static void run(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;
	(void)MHD_run(s->daemon);
	if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
		timer_again(s->timer, (nsec_t)ms * NSEC_PER_MSEC);
	else
		timer_stop(s->timer);
}

static void on_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	run(data);
}

static void on_time(struct timer *t, void *data)
{
	run(data);
}

static void on_signal(const struct signalfd_siginfo *info, void *data)
{
	struct server *s = data;
	loop_stop(s->loop, 0);
}

static int start(struct server *s, int listener, struct err *err)
{
	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, request, s, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX, MHD_OPTION_END);
	if (!s->daemon)
		return err_new(err, ERR_SYSTEM, EIO, "start the HTTP server");
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return err_new(err, ERR_INTERNAL, EIO, "the HTTP server has no epoll descriptor");
	s->timer = loop_timer(s->loop, NSEC_NEVER, 0, on_time, s);
	timer_stop(s->timer);
	s->watch = loop_watch(s->loop, info->epoll_fd, EPOLLIN, on_ready, s);
	return 0;
}

int metrics_serve(const struct engine_paths *paths, const char *project, const char *where,
		  void (*ready)(const char *url), struct err *err)
{
	struct server s = { .paths = paths, .project = project };
	cleanup(loop_free_cleanup) struct loop *loop = NULL;
	struct listen listen = { 0 };
	sigset_t stop;
	int listener = FD_NONE; /* libmicrohttpd's, once it has started */
	int r = listen_parse(where, &listen, err);
	if (r == 0)
		r = loop_new(&loop, err);
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGHUP);
	if (r == 0)
		r = loop_signals(loop, &stop, on_signal, &s, err);
	if (r == 0)
		r = listen_open(paths, &listen, &listener, err);
	if (r < 0)
		return r;
	s.loop = loop;
	cleanup_free char *url = listen_text(&listen);
	r = start(&s, listener, err);
	if (r == 0) {
		ready(url);
		loop_run(loop);
	}
	watch_close(s.watch);
	if (s.daemon)
		MHD_stop_daemon(s.daemon);
	else
		fd_close(listener);
	listen_forget(&listen);
	return r;
}
