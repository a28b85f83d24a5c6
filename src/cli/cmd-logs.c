/* logs: what the containers wrote, straight from the log files. */
#include "cli/cli.h"
#include "cli/logview.h"

#include "base/parse.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct logs_args {
	bool follow, no_color, no_prefix, timestamps;
	struct option_int index;
	const char *since, *until, *tail;
};

#define O(field) offsetof(struct logs_args, field)
static const struct option logs_options[] = {
	{ 'f', "follow", OPTION_FLAG, O(follow), NULL, NULL, "Follow log output", 0 },
	{ 0, "index", OPTION_INT, O(index), "N", NULL, "Which replica of the service", 0 },
	{ 0, "no-color", OPTION_FLAG, O(no_color), NULL, NULL, "Monochrome output", 0 },
	{ 0, "no-log-prefix", OPTION_FLAG, O(no_prefix), NULL, NULL,
	  "Do not print the container's name before each line", 0 },
	{ 0, "since", OPTION_TEXT, O(since), "TIME", NULL,
	  "Lines since a time (2013-01-02T13:23:37Z) or an age (42m)", 0 },
	{ 'n', "tail", OPTION_TEXT, O(tail), "N", "all",
	  "Lines from the end of each container's log", 0 },
	{ 't', "timestamps", OPTION_FLAG, O(timestamps), NULL, NULL, "Show the time of each line",
	  0 },
	{ 0, "until", OPTION_TEXT, O(until), "TIME", NULL, "Lines before a time or an age", 0 },
	{ .name = NULL },
};

static int parse_query(const struct logs_args *o, struct log_query *query, struct err *err)
{
	query->tail = -1;
	if (strcmp(o->tail, "all") != 0 && parse_i64(o->tail, -1, INT64_MAX, &query->tail) < 0)
		return err_usage(err, "invalid value '%s' for '--tail': expected a number or all",
				 o->tail);
	int r = cli_when(o->since, "since", &query->since, err);
	return r < 0 ? r : cli_when(o->until, "until", &query->until, err);
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo)
{
	interrupted = signo;
}

/* What `logs -f` shows, and whether there is anything left to wait for. */
struct following {
	struct logview view; /* first: it is the lines' data */
	struct cli *cli;
	const struct strv *services;
	bool ran;	     /* something did, since we follow */
	nsec_t looked, idle; /* monotonic; idle 0: something runs */
};

static bool anything_runs(const struct following *f)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_err struct err none = ERR_INIT;
	if (state_containers(&f->cli->paths, f->cli->project_name, &found, &none) < 0)
		return false;
	vec_each(c, &found.items)
		if (((*c)->state == CONTAINER_BACKOFF || container_is_up((*c)->state)) &&
		    (f->services->n == 0 || strv_has(f->services, (*c)->service)) &&
		    (f->cli->chosen.n == 0 || strv_has(&f->cli->chosen, (*c)->id)))
			return true;
	return false;
}

/* Following ends with what is followed: once everything of it has ended, and nothing has come in
 * its place for a second (a recreated container's successor). */
static bool all_ended(struct following *f)
{
	nsec_t now = now_mono();
	if (now - f->looked < NSEC_PER_SEC / 2)
		return false;
	f->looked = now;
	if (anything_runs(f)) {
		f->ran = true;
		f->idle = 0;
		return false;
	}
	if (!f->idle)
		f->idle = now;
	return f->ran && now - f->idle >= NSEC_PER_SEC;
}

static bool stop(void *data)
{
	fflush(stdout);
	return interrupted != 0 || all_ended(data);
}

static int logs_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct logs_args *o = options;
	cleanup_containers struct containers found = { 0 };
	struct log_query query = { 0 };
	struct following f = {
		.view = { .colour = cli->colour && cli->stdout_tty && !o->no_color,
			  .prefix = !o->no_prefix && !cli->by_container,
			  .apart = cli->by_container,
			  .timestamps = o->timestamps },
		.cli = cli,
		.services = args,
	};
	int r = parse_query(o, &query, err);
	if (r == 0 && o->index.value && args->n != 1)
		return err_usage(err, "--index requires one service to be selected");
	if (r == 0)
		r = cli_containers(cli, args, &found, err);
	if (r < 0)
		return r;
	vec_each(c, &found.items)
		if (!o->index.value || (*c)->number == o->index.value)
			logview_add(&f.view, &query, cli, *c);
	if (o->index.value && !query.sources.n) {
		logview_done(&f.view, &query);
		return err_not_found(err, "service \"%s\" has no container number %d", args->v[0],
				     (int)o->index.value);
	}
	struct sigaction action = { .sa_handler = on_interrupt };
	if (o->follow) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		f.ran = anything_runs(&f);
		r = log_follow(&query, logview_line, stop, &f, err);
	} else {
		r = log_read(&query, logview_line, &f, err);
	}
	logview_done(&f.view, &query);
	if (interrupted) {
		err_done(err);
		return 130;
	}
	return r < 0 ? r : 0;
}

const struct cmd cmd_logs = {
	.name = "logs",
	.summary = "View output from containers",
	.args = "[SERVICE...]",
	.options = logs_options,
	.options_size = sizeof(struct logs_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME | CMD_ALL_SERVICES,
	.run = logs_run,
};
