/* events: what happens to the project's containers, as it happens. */
#include "cli/apply.h"
#include "cli/interrupt.h"

#include "base/parse.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

struct events_args {
	bool json;
	const char *since, *until;
};

#define O(field) offsetof(struct events_args, field)
static const struct option events_options[] = {
	{ 0, "json", OPTION_FLAG, O(json), NULL, NULL, "One JSON object a line", 0 },
	{ 0, "since", OPTION_TEXT, O(since), "TIME", NULL,
	  "Accepted; events of the past are not kept", 0 },
	{ 0, "until", OPTION_TEXT, O(until), "TIME", NULL,
	  "Stop at a time (2013-01-02T13:23:37Z) or after a while (30s)", 0 },
	{ .name = NULL },
};

struct shown {
	const struct events_args *args;
	const struct strv *services;
};

/* "2026-11-21 04:25:44.123456" in UTC. */
static void time_text(nsec_t time, bool json, char text[RFC3339_TEXT])
{
	format_rfc3339(time, text);
	text[10] = json ? 'T' : ' ';
	text[26] = '\0';
}

static void print_event(const struct engine_event *event, void *data)
{
	const struct shown *s = data;
	char when[RFC3339_TEXT];
	if (!str_eq(event->kind, "container") || !event->container)
		return;
	if (s->services->n && (!event->service || !strv_has(s->services, event->service)))
		return;
	const char *name = str_after(event->subject ? event->subject : "", "Container ");
	const char *image = json_str(event->raw, "image", NULL);
	const char *action = event->action ? event->action : "";
	time_text(event->time, s->args->json, when);
	if (!s->args->json) {
		printf("%s container %s %s (%s%s%sname=%s)\n", when, action, event->container,
		       image ? "image=" : "", image ? image : "", image ? ", " : "",
		       name ? name : "");
		fflush(stdout);
		return;
	}
	cleanup_json json_t *attributes = json_object(), *j = json_object();
	json_put_str(attributes, "name", name ? name : "");
	json_put_str(attributes, "image", image);
	if (str_eq(action, "die")) {
		cleanup_free char *code = xasprintf("%d", event->exit_code);
		json_put_str(attributes, "exitCode", code);
	}
	json_put_str(j, "time", when);
	json_put_str(j, "type", "container");
	json_put_str(j, "action", action);
	json_put_str(j, "id", event->container);
	json_put_str(j, "service", event->service ? event->service : "");
	json_put(j, "attributes", json_incref(attributes));
	cleanup_free char *line = json_text(j);
	printf("%s\n", line);
	fflush(stdout);
}

/* One descriptor that becomes readable at Ctrl-C or at the time of --until: an epoll descriptor
 * over both. */
static int stop_descriptor(const struct events_args *o, int interrupt_fd, int *ret_timer,
			   int *ret_epoll, struct err *err)
{
	nsec_t until = 0;
	struct epoll_event event = { .events = EPOLLIN };
	cleanup_fd int timer = FD_NONE, epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, interrupt_fd, &event) < 0)
		return err_sys(err, errno, "wait for Ctrl-C");
	if (o->until) {
		if (parse_duration(o->until, &until) == 0)
			until += now_wall();
		else if (parse_rfc3339(o->until, &until) < 0)
			return err_usage(err, "invalid value '%s' for '--until'", o->until);
		struct itimerspec at = { .it_value = { .tv_sec = (time_t)(until / NSEC_PER_SEC),
						       .tv_nsec = (long)(until % NSEC_PER_SEC) } };
		timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
		if (timer < 0 || timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) < 0 ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) < 0)
			return err_sys(err, errno, "set a timer");
	}
	*ret_timer = fd_take(timer);
	*ret_epoll = fd_take(epoll);
	return 0;
}

static int events_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct events_args *o = options;
	cleanup(client_free_cleanup) struct client *client = NULL;
	cleanup_fd int interrupt_fd = FD_NONE, timer = FD_NONE, stop = FD_NONE;
	struct shown shown = { .args = o, .services = args };
	int r = interrupt_open(&interrupt_fd, err);
	if (r == 0)
		r = stop_descriptor(o, interrupt_fd, &timer, &stop, err);
	if (r == 0)
		r = client_open(&cli->paths, cli->project_name, 0, interrupt_fd, &client, err);
	if (r < 0)
		return r;
	r = client_events(client, stop, print_event, &shown, err);
	if (r < 0 && err->kind == ERR_CANCELLED) {
		err_done(err);
		return 0;
	}
	return r;
}

const struct cmd cmd_events = {
	.name = "events",
	.summary = "Receive real time events from containers",
	.args = "[SERVICE...]",
	.options = events_options,
	.options_size = sizeof(struct events_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = events_run,
};
