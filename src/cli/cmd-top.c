/* top: the processes of the containers, as `ps -ef` shows them, with host pids and the users as the
 * container knows them. */
#include "cli/cli.h"
#include "cli/listing.h"

#include "base/fs.h"
#include "base/parse.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct listing_column columns[] = {
	{ "SERVICE", "Service" }, { "#", "Number" }, { "UID", "UID" },	   { "PID", "PID" },
	{ "PPID", "PPID" },	  { "C", "C" },	     { "STIME", "STIME" }, { "TTY", "TTY" },
	{ "TIME", "TIME" },	  { "CMD", "CMD" },  { NULL, NULL },
};

struct process {
	pid_t pid;
	uid_t uid; /* on the host */
	int64_t parent, tty, cpu_ticks, start_ticks;
	char *command;
};

/* Fields of /proc/PID/stat behind the name, which may hold anything: stat[0] is field 3. */
static int read_stat(const char *text, struct process *p)
{
	enum { PPID = 4, TTY = 7, UTIME = 14, STIME = 15, START = 22 };
	const char *end = strrchr(text, ')');
	int64_t utime = 0, stime = 0;
	if (!end || !end[1])
		return -EINVAL;
	cleanup_strv struct strv fields = strv_split(end + 2, ' ');
	if (fields.n < START - 2)
		return -EINVAL;
#define FIELD(number, place) parse_i64(fields.v[(number)-3], INT64_MIN, INT64_MAX, (place))
	if (FIELD(PPID, &p->parent) < 0 || FIELD(TTY, &p->tty) < 0 || FIELD(UTIME, &utime) < 0 ||
	    FIELD(STIME, &stime) < 0 || FIELD(START, &p->start_ticks) < 0)
		return -EINVAL;
#undef FIELD
	p->cpu_ticks = utime + stime;
	return 0;
}

/* Arguments with blanks between; the name in brackets for one without. */
static char *command_of(int dir, const char *stat)
{
	enum { COMMAND_MAX = 4096 };
	cleanup_str struct str text = STR_INIT;
	cleanup_fd int fd = openat(dir, "cmdline", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		char *room = str_room(&text, COMMAND_MAX);
		ssize_t n = read(fd, room, COMMAND_MAX);
		if (n > 0)
			str_grew(&text, (size_t)n);
	}
	while (text.len && !text.data[text.len - 1])
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (c < 0x20 || c == 0x7f)
			text.data[i] = ' ';
	}
	if (text.len)
		return str_take(&text);
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
	if (!open || !close || close < open)
		return xstrdup("?");
	return xasprintf("[%.*s]", (int)(close - open - 1), open + 1);
}

static int read_process(pid_t pid, struct process *ret)
{
	cleanup_free char *path = xasprintf("/proc/%d", (int)pid);
	cleanup_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err none = ERR_INIT;
	struct stat st;
	if (dir < 0 || fstat(dir, &st) < 0 || fs_read(dir, "stat", 4096, &text, &none) < 0)
		return -ESRCH;
	*ret = (struct process){ .pid = pid, .uid = st.st_uid };
	int r = read_stat(str_text(&text), ret);
	if (r == 0)
		ret->command = command_of(dir, str_text(&text));
	return r;
}

/* The user inside. Names are the container's own files' matter; 0 is root everywhere. */
static char *user_text(const struct spec_idmap *map, uid_t uid)
{
	if (map->count && uid >= map->base && uid - map->base < map->count)
		uid -= map->base;
	return uid == 0 ? xstrdup("root") : xasprintf("%u", uid);
}

static char *tty_text(int64_t tty)
{
	enum { PTY_FIRST = 136, PTY_LAST = 143 };
	unsigned major_number = major((dev_t)tty);
	if (major_number < PTY_FIRST || major_number > PTY_LAST)
		return xstrdup(tty ? "tty" : "?");
	return xasprintf("pts/%u", minor((dev_t)tty) + 256 * (major_number - PTY_FIRST));
}

static json_t *row_for(const struct container *c, const struct spec_idmap *map,
		       const struct process *p)
{
	int64_t hertz = sysconf(_SC_CLK_TCK), cpu = p->cpu_ticks / hertz;
	struct timespec boot;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	int64_t age = boot.tv_sec - p->start_ticks / hertz;
	time_t started = time(NULL) - (time_t)age;
	struct tm tm;
	char clock[8];
	localtime_r(&started, &tm);
	strftime(clock, sizeof(clock), age < 86400 ? "%H:%M" : "%b%d", &tm);
	cleanup_free char *user = user_text(map, p->uid), *tty = tty_text(p->tty);
	cleanup_free char *time_text = xasprintf("%02lld:%02lld:%02lld", (long long)(cpu / 3600),
						 (long long)(cpu / 60 % 60), (long long)(cpu % 60));
	return json_pack("{s:s, s:i, s:s, s:i, s:I, s:I, s:s, s:s, s:s, s:s}", "Service",
			 c->service, "Number", (int)c->number, "UID", user, "PID", (int)p->pid,
			 "PPID", (json_int_t)p->parent, "C",
			 (json_int_t)(age > 0 ? cpu * 100 / age : 0), "STIME", clock, "TTY", tty,
			 "TIME", time_text, "CMD", p->command);
}

static int add_container(struct cli *cli, const struct container *c, json_t *rows, struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	struct runtime_pids pids = { 0 };
	int r = state_spec_load(&cli->paths, c, &spec, err);
	if (r == 0)
		r = runtime_pids(&spec, &pids, err);
	if (r < 0)
		return err_wrap(err, "container '%s'", c->name);
	vec_each(pid, &pids.pids) {
		struct process p;
		if (read_process(*pid, &p) < 0) /* it ended meanwhile */
			continue;
		json_array_append_new(rows, row_for(c, &spec.idmap, &p));
		free(p.command);
	}
	vec_done(&pids.pids);
	return 0;
}

static int top_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_json json_t *rows = json_array();
	(void)options;
	int r = cli_containers(cli, args, &found, err);
	vec_each(c, &found.items)
		if (r == 0 &&
		    ((*c)->state == CONTAINER_RUNNING || (*c)->state == CONTAINER_PAUSED ||
		     (*c)->state == CONTAINER_STOPPING))
			r = add_container(cli, *c, rows, err);
	if (r < 0 || !json_array_size(rows))
		return r;
	struct listing listing = { .columns = columns, .rows = rows, .min_width = 4, .gap = 2 };
	return listing_print(&listing, NULL, err);
}

const struct cmd cmd_top = {
	.name = "top",
	.summary = "Display the running processes",
	.args = "[SERVICES...]",
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = top_run,
};
