/* events: what happens to the project's containers, as it happens, and what happened before, from
 * the log that the supervisor keeps. */
#include "cli/apply.h"
#include "cli/interrupt.h"
#include "engine/event-log.h"

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
	  "Also those since a time (2013-01-02T13:23:37Z) or an age (42m)", 0 },
	{ 0, "until", OPTION_TEXT, O(until), "TIME", NULL, "Those before a time or an age alone",
	  0 },
	{ .name = NULL },
};

struct shown {
	struct cli *cli;
	const struct events_args *args;
	const struct strv *services;
	nsec_t next, until; /* wall: what is older has been looked at; 0: no end */
};

/* "2026-11-21 04:25:44.123456" in UTC. */
static void time_text(nsec_t time, bool json, char text[RFC3339_TEXT])
{
	format_rfc3339(time, text);
	text[10] = json ? 'T' : ' ';
	text[26] = '\0';
}

/* The container's image, name and labels (ours left out), and what the event adds. */
static json_t *attributes_of(const json_t *event)
{
	json_t *attributes = json_object(), *value;
	const char *name = str_after(json_str(event, "subject", ""), "Container "), *key;
	json_object_foreach(json_object_get(event, "labels"), key, value)
		if (!str_starts(key, "com.docker.compose."))
			json_put(attributes, key, json_incref(value));
	json_put_str(attributes, "image", json_str(event, "image", NULL));
	json_put_str(attributes, "name", name ? name : "");
	json_put_str(attributes, "signal", json_str(event, "signal", NULL));
	if (json_object_get(event, "exit_code")) {
		cleanup_free char *code = xasprintf("%d", (int)json_int(event, "exit_code", 0));
		json_put_str(attributes, "exitCode", code);
	}
	return attributes;
}

static void print_text(const json_t *event, const char *when, const json_t *attributes)
{
	cleanup_strv struct strv pairs = { 0 };
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)attributes, key, value)
		strv_addf(&pairs, "%s=%s", key, json_string_value(value));
	strv_sort(&pairs);
	cleanup_free char *text = strv_join(&pairs, ", ");
	printf("%s container %s %s (%s)\n", when, json_str(event, "action", ""),
	       json_str(event, "container", ""), text);
}

static void print_json(const json_t *event, const char *when, json_t *attributes)
{
	cleanup_json json_t *j = json_object();
	json_put_str(j, "time", when);
	json_put_str(j, "type", "container");
	json_put_str(j, "action", json_str(event, "action", ""));
	json_put_str(j, "id", json_str(event, "container", ""));
	json_put_str(j, "service", json_str(event, "service", ""));
	json_put(j, "attributes", json_incref(attributes));
	cleanup_free char *line = json_text(j);
	printf("%s\n", line);
}

static int show(const json_t *event, void *data)
{
	struct shown *s = data;
	char when[RFC3339_TEXT];
	const char *service = json_str(event, "service", "");
	nsec_t time = json_int(event, "time", 0);
	if (time < s->next || (s->until && time >= s->until) ||
	    !str_eq(json_str(event, "kind", ""), "container") ||
	    !json_object_get(event, "container"))
		return 0;
	s->next = time + 1;
	if (s->services->n && !strv_has(s->services, service))
		return 0;
	cleanup_json json_t *attributes = attributes_of(event);
	time_text(time, s->args->json, when);
	if (s->args->json)
		print_json(event, when, attributes);
	else
		print_text(event, when, attributes);
	return fflush(stdout) ? -EPIPE : 0;
}

/* What the log has before `until` and was not shown. */
static int catch_up(struct shown *s, nsec_t until, struct err *err)
{
	return event_log_read(&s->cli->paths, s->cli->project_name, s->next, until, show, s, err);
}

/* Between the reading of the log and the first live event there may have been others. */
static void live(const struct engine_event *event, void *data)
{
	struct shown *s = data;
	cleanup_err struct err ignored = ERR_INIT; /* what is live is shown all the same */
	if (s->args->since)
		(void)catch_up(s, event->time, &ignored);
	(void)show(event->raw, s);
}

/* One descriptor that becomes readable at Ctrl-C or at the time of --until: an epoll descriptor
 * over both. */
static int stop_descriptor(const struct shown *s, int interrupt_fd, int *ret_timer, int *ret_epoll,
			   struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN };
	cleanup_fd int timer = FD_NONE, epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, interrupt_fd, &event) < 0)
		return err_sys(err, errno, "wait for Ctrl-C");
	if (s->until) {
		struct itimerspec at = { .it_value = { .tv_sec = (time_t)(s->until / NSEC_PER_SEC),
						       .tv_nsec =
							       (long)(s->until % NSEC_PER_SEC) } };
		timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
		if (timer < 0 || timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) < 0 ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) < 0)
			return err_sys(err, errno, "set a timer");
	}
	*ret_timer = fd_take(timer);
	*ret_epoll = fd_take(epoll);
	return 0;
}

static int follow(struct cli *cli, struct shown *s, struct err *err)
{
	cleanup(client_free_cleanup) struct client *client = NULL;
	cleanup_fd int interrupt_fd = FD_NONE, timer = FD_NONE, stop = FD_NONE;
	int r = interrupt_open(&interrupt_fd, err);
	if (r == 0)
		r = stop_descriptor(s, interrupt_fd, &timer, &stop, err);
	if (r == 0)
		r = client_open(&cli->paths, cli->project_name, 0, interrupt_fd, &client, err);
	if (r < 0 && s->args->since && err->kind == ERR_NOT_FOUND) {
		err_done(err); /* nothing runs: the past is all there is */
		return 0;
	}
	if (r == 0)
		r = client_events(client, stop, live, s, err);
	if (r == 0 && s->args->since) /* what came with the project's end */
		r = catch_up(s, s->until, err);
	return r;
}

static int events_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct events_args *o = options;
	struct shown shown = { .cli = cli, .args = o, .services = args };
	nsec_t now = now_wall();
	int r = cli_when(o->until, "until", &shown.until, err);
	if (r == 0)
		r = cli_when(o->since, "since", &shown.next, err);
	if (r == 0 && o->since)
		r = catch_up(&shown, shown.until, err);
	if (r == 0 && (!shown.until || shown.until > now))
		r = follow(cli, &shown, err);
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
	.details = "The past is kept as long as the project is there, some thousand events of it.",
	.options = events_options,
	.options_size = sizeof(struct events_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = events_run,
};
