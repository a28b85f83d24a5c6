#include "cli/progress.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/proc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum progress_mode { MODE_PLAIN, MODE_TTY, MODE_JSON, MODE_QUIET };

struct progress {
	enum progress_mode mode;
	struct cli *cli;
	FILE *out;  /* of plain lines and JSON */
	int socket; /* to the child that draws */
	pid_t painter;
	struct map seen; /* subjects */
	bool restarts;
};

/* The child that draws. It is told one line per change, "ACTION<TAB>SUBJECT<TAB>TEXT", and draws
 * when something came and ten times a second. */

enum { LINE_MAX_BYTES = 4096, LINES_MAX = 10000 };

struct painter {
	struct loop *loop;
	struct str input;
	VEC(struct progress_line) lines;
	size_t total, drawn; /* lines on the screen */
	bool colour;
};

static const struct {
	const char *action;
	enum progress_state state;
} actions[] = {
	{ "start", PROGRESS_WORKING },
	{ "wait", PROGRESS_WORKING },
	{ "done", PROGRESS_DONE },
	{ "error", PROGRESS_ERROR },
};

static enum progress_state state_of(const char *action)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (str_eq(actions[i].action, action))
			return actions[i].state;
	return PROGRESS_WORKING;
}

static void draw(struct painter *p, const char *above)
{
	struct winsize ws = { 0 };
	cleanup_str struct str out = STR_INIT;
	(void)ioctl(STDERR_FILENO, TIOCGWINSZ, &ws); /* zeros: the usual size is taken */
	struct progress_view view = {
		.lines = p->lines.v,
		.count = p->lines.n,
		.total = p->total,
		.now = now_mono(),
		.columns = ws.ws_col ? ws.ws_col : 80,
		.rows = ws.ws_row ? ws.ws_row : 24,
		.colour = p->colour,
	};
	/* The cursor is hidden while the block is drawn over, so that it does not dance. */
	str_add(&out, "\033[?25l");
	if (p->drawn)
		str_addf(&out, "\033[%zuA\r", p->drawn);
	if (above)
		str_addf(&out, "%s\033[K\n", above);
	if (p->lines.n)
		p->drawn = progress__render(&view, &out);
	str_add(&out, "\033[J\033[?25h");
	(void)fs_write_all(STDERR_FILENO, out.data, out.len); /* the terminal is gone: so are we */
}

static struct progress_line *line_for(struct painter *p, const char *subject)
{
	vec_each(line, &p->lines)
		if (strcmp(line->subject, subject) == 0)
			return line;
	struct progress_line *line = vec_add(&p->lines);
	*line = (struct progress_line){ .subject = xstrdup(subject), .start = now_mono() };
	return line;
}

static void take_line(struct painter *p, const char *text)
{
	cleanup_strv struct strv parts = strv_split(text, '\t');
	if (parts.n != 3)
		return;
	if (strcmp(parts.v[0], "warning") == 0) {
		draw(p, parts.v[2]);
		return;
	}
	if (p->lines.n == LINES_MAX)
		return;
	struct progress_line *line = line_for(p, parts.v[1]);
	free(line->text);
	line->text = ptr_take(parts.v[2]);
	line->state = state_of(parts.v[0]);
	line->end = line->state == PROGRESS_WORKING ? 0 : now_mono();
}

static void on_socket(struct watch *w, int fd, uint32_t events, void *data)
{
	struct painter *p = data;
	char *room = str_room(&p->input, LINE_MAX_BYTES);
	ssize_t n = room ? read(fd, room, LINE_MAX_BYTES) : 0;
	(void)events;
	if (n <= 0) {
		watch_close(w);
		loop_stop(p->loop, 0);
		return;
	}
	str_grew(&p->input, (size_t)n);
	char *start = p->input.data, *end;
	while ((end = strchr(start, '\n'))) {
		*end = '\0';
		take_line(p, start);
		start = end + 1;
	}
	cleanup_free char *rest = xstrdup(start);
	str_clear(&p->input);
	str_add(&p->input, rest);
}

static void on_tick(struct timer *t, void *data)
{
	(void)t;
	draw(data, NULL);
}

static void painter_main(int fd, size_t total, bool colour)
{
	struct painter p = { .total = total, .colour = colour, .input = STR_INIT_MAX(1u << 20) };
	struct err err = ERR_INIT;
	/* Ctrl-C is for the parent: what it decides is drawn here. */
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	proc_title("progress");
	if (loop_new(&p.loop, &err) < 0)
		_exit(1);
	loop_watch(p.loop, fd, EPOLLIN, on_socket, &p);
	loop_timer(p.loop, 100 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC, on_tick, &p);
	loop_run(p.loop);
	draw(&p, NULL);
	_exit(0);
}

/* In the parent. */

static const struct {
	const char *name;
	enum progress_mode mode;
} modes[] = {
	{ "tty", MODE_TTY },	  { "plain", MODE_PLAIN }, { "json", MODE_JSON },
	{ "rawjson", MODE_JSON }, { "quiet", MODE_QUIET },
};

static enum progress_mode find_mode(const struct cli *cli)
{
	const char *name = cli->global.progress;
	if (str_empty(name))
		name = getenv("COMPOSE_PROGRESS");
	for (size_t i = 0; name && i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i].name, name) == 0)
			return modes[i].mode;
	return cli->stderr_tty && !cli->ansi_never ? MODE_TTY : MODE_PLAIN;
}

static void start_painter(struct progress *p, size_t total)
{
	int ends[2];
	p->mode = MODE_PLAIN;
	fflush(NULL);
	/* A socket and not a pipe: a write to it can be told not to raise SIGPIPE. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	p->painter = fork();
	if (p->painter == 0) {
		close(ends[1]);
		painter_main(ends[0], total, p->cli->colour);
	}
	close(ends[0]);
	if (p->painter < 0) {
		close(ends[1]);
		return;
	}
	p->socket = ends[1];
	p->mode = MODE_TTY;
}

struct progress *progress_new(struct cli *cli, size_t total)
{
	struct progress *p = new0(struct progress);
	const char *to_stdout = getenv("COMPOSE_STATUS_STDOUT");
	*p = (struct progress){ .cli = cli, .socket = FD_NONE, .mode = find_mode(cli) };
	bool moved = str_eq(to_stdout, "1") || str_eq(to_stdout, "true");
	p->out = moved ? stdout : stderr;
	if (p->mode == MODE_TTY)
		start_painter(p, total);
	return p;
}

/* A field of the painter's line: without the separators. */
static void add_field(struct str *out, const char *text)
{
	for (; *text; text++)
		str_addc(out, *text == '\t' || *text == '\n' ? ' ' : *text);
}

static void tell_painter(struct progress *p, const char *subject, const char *action,
			 const char *text)
{
	cleanup_str struct str line = STR_INIT;
	add_field(&line, action);
	str_addc(&line, '\t');
	add_field(&line, subject);
	str_addc(&line, '\t');
	add_field(&line, text);
	if (line.len >= LINE_MAX_BYTES)
		line.len = LINE_MAX_BYTES - 1;
	str_addc(&line, '\n');
	if (send(p->socket, line.data, line.len, MSG_NOSIGNAL) != (ssize_t)line.len) {
		/* The painter is gone (killed): plain lines go on from here. */
		p->socket = fd_close(p->socket);
		p->mode = MODE_PLAIN;
	}
}

static void print_json(const struct progress *p, const char *subject, const char *action,
		       const char *text)
{
	cleanup_json json_t *j = json_object();
	json_put_str(j, "id", subject);
	json_put_str(j, "status", text);
	if (state_of(action) == PROGRESS_ERROR)
		json_put(j, "error", json_true());
	cleanup_free char *line = json_text(j);
	fprintf(p->out, "%s\n", line);
}

void progress_step(struct progress *p, const char *subject, const char *action, const char *text)
{
	if (!p || !subject)
		return;
	if (!text)
		text = "";
	map_set(&p->seen, subject, p);
	cleanup_free char *marked = NULL;
	if (p->cli->global.dry_run)
		subject = marked = xasprintf("DRY-RUN MODE -  %s", subject);
	switch (p->mode) {
	case MODE_QUIET: break;
	case MODE_JSON: print_json(p, subject, action, text); break;
	case MODE_TTY: tell_painter(p, subject, action, text); break;
	case MODE_PLAIN: fprintf(p->out, " %s  %s\n", subject, text); break;
	}
}

static void print_warning(struct progress *p, const char *text)
{
	if (p->mode != MODE_TTY) {
		cli_warn(p->cli, "%s", text);
		return;
	}
	cleanup_free char *line =
		xasprintf(p->cli->colour ? "\033[33mwarning:\033[0m %s" : "warning: %s", text);
	tell_painter(p, "", "warning", line);
}

/* A restart is a stop and a start that are told as one. */
static void tell_step(struct progress *p, const struct engine_event *event)
{
	const char *text = event->text;
	if (p->restarts && (str_eq(text, "Stopped") || str_eq(text, "Starting")))
		return;
	if (p->restarts && str_eq(text, "Stopping"))
		text = "Restarting";
	progress_step(p, event->subject, event->action, text);
}

void progress_restarts(struct progress *p)
{
	p->restarts = true;
}

void progress_event(const struct engine_event *event, void *progress)
{
	struct progress *p = progress;
	if (!p)
		return;
	if (str_eq(event->kind, "warning"))
		print_warning(p, event->text ? event->text : "");
	else if (str_eq(event->kind, "step"))
		tell_step(p, event);
}

bool progress_seen(const struct progress *p, const char *subject)
{
	return map_has(&p->seen, subject);
}

void progress_done(struct progress *p)
{
	if (!p)
		return;
	fd_close(p->socket);
	if (p->painter > 0)
		while (waitpid(p->painter, NULL, 0) < 0 && errno == EINTR)
			;
	map_done(&p->seen);
	free(p);
}
