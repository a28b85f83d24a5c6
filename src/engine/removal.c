#include "engine/removal.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/supervisor.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	AT_ONCE = 256,	/* names: some milliseconds */
	TRIES_MAX = 10, /* of a process that is killed */
	REPORT_MAX = 8 << 10,
	NICENESS = 10, /* it takes a processor only where nobody else wants it */
	REPORT_FD = 3,
};

struct removal {
	uint64_t ticket;
	char *path;
	bool awaited;
	bool over; /* failed, and not yet asked for */
	int tries;
	struct err err;
};

struct removals {
	VEC(struct removal *) list; /* those that have failed stay until they are asked for */
	uint64_t last;
	pid_t pid; /* of the process at work; 0: none */
	uint64_t at_work;
	int report; /* what it says of a failure */
	int pidfd;
	struct watch *watch;
};

static void begin_next(struct supervisor *s);

static void removal_free(struct removal *r)
{
	free(r->path);
	err_done(&r->err);
	free(r);
}

/* --- the process --- */

/* A failure is one message: kind, number, text. */
static _Noreturn void work(const char *project, const char *path, int report, pid_t supervisor)
{
	cleanup_err struct err err = ERR_INIT;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(1);
	/* Sockets of the supervisor's must not stay open here when it has gone. */
	if (dup2(report, REPORT_FD) < 0)
		_exit(1);
	(void)syscall(SYS_close_range, REPORT_FD + 1, ~0u, 0);
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	proc_title("%s [removal]", project);
	if (fs_remove_tree(AT_FDCWD, path, &err) == 0)
		_exit(0);
	cleanup_free char *text = xasprintf("%d %d %s", (int)err.kind, err.no, err.msg);
	(void)fs_write_all(REPORT_FD, text, strlen(text)); /* nobody listens: nobody to tell */
	_exit(0);
}

/* --- the supervisor --- */

static void read_report(int fd, const char *path, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err ignored = ERR_INIT;
	int kind = 0, no = 0, skip = 0;
	if (fs_read_fd(fd, path, REPORT_MAX, &text, &ignored) < 0 || text.len == 0)
		return;
	if (sscanf(str_text(&text), "%d %d %n", &kind, &no, &skip) < 2 || no <= 0 || kind < 0 ||
	    kind >= ERR_KIND_MAX_)
		kind = ERR_SYSTEM, no = EIO, skip = 0;
	(void)err_new(err, (enum err_kind)kind, no, "%s", str_text(&text) + skip);
}

static void ended(struct watch *w, int fd, uint32_t events, void *data)
{
	struct supervisor *s = data;
	struct removals *all = s->removals;
	int status = 0;
	(void)w;
	(void)fd;
	(void)events;
	while (waitpid(all->pid, &status, 0) < 0 && errno == EINTR)
		;
	watch_close(all->watch);
	all->watch = NULL;
	all->pidfd = fd_close(all->pidfd);
	all->pid = 0;
	size_t i = 0;
	while (i < all->list.n && all->list.v[i]->ticket != all->at_work)
		i++;
	struct removal *r = all->list.v[i];
	read_report(all->report, r->path, &r->err);
	all->report = fd_close(all->report);
	bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!done && r->err.no == 0 && ++r->tries >= TRIES_MAX)
		(void)err_new(&r->err, ERR_SYSTEM, EINTR,
			      "remove '%s': its process was killed again and again", r->path);
	if (r->err.no && r->awaited) {
		r->over = true;
	} else if (r->err.no || done) {
		if (r->err.no)
			event_warning(s, "%s", r->err.msg);
		vec_remove(&all->list, i);
		removal_free(r);
	}
	begin_next(s);
	s->tell->removal_over(s);
}

static int spawn(struct supervisor *s, const struct removal *r)
{
	struct removals *all = s->removals;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid_t self = getpid();
	pid_t pid = fork();
	if (pid == 0)
		work(s->name, r->path, ends[1], self);
	int no = errno;
	fd_close(ends[1]);
	int pidfd = pid > 0 ? proc_pidfd(pid) : -no;
	if (pidfd < 0) {
		fd_close(ends[0]);
		if (pid > 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
		}
		return pidfd;
	}
	all->pid = pid;
	all->at_work = r->ticket;
	all->report = ends[0];
	all->pidfd = pidfd;
	all->watch = loop_watch(s->loop, pidfd, EPOLLIN, ended, s);
	return 0;
}

/* Where no process can be had, the work is done here: late, but done. */
static void begin_next(struct supervisor *s)
{
	struct removals *all = s->removals;
	for (size_t i = 0; all->pid == 0 && i < all->list.n;) {
		struct removal *r = all->list.v[i];
		if (r->over) {
			i++;
			continue;
		}
		if (spawn(s, r) == 0)
			return;
		if (fs_remove_tree(AT_FDCWD, r->path, &r->err) < 0 && r->awaited) {
			r->over = true;
			continue;
		}
		if (r->err.no)
			event_warning(s, "%s", r->err.msg);
		vec_remove(&all->list, i);
		removal_free(r);
	}
}

/* Whether something that is being removed lies below the path. */
static bool has_below(const struct removals *all, const char *path)
{
	for (size_t i = 0; all && i < all->list.n; i++) {
		const char *rest = str_after(all->list.v[i]->path, path);
		if (rest && *rest == '/')
			return true;
	}
	return false;
}

int removal_begin(struct supervisor *s, const char *path, struct removal_span *span,
		  struct err *err)
{
	int r = has_below(s->removals, path) ? 1
					     : fs_remove_tree_some(AT_FDCWD, path, AT_ONCE, err);
	if (r <= 0)
		return r;
	if (!s->removals) {
		s->removals = new0(struct removals);
		s->removals->report = s->removals->pidfd = FD_NONE;
	}
	struct removals *all = s->removals;
	struct removal *new = new0(struct removal);
	new->ticket = ++all->last;
	new->path = xstrdup(path);
	new->awaited = span != NULL;
	vec_push(&all->list, new);
	if (span && !span->first)
		span->first = new->ticket;
	if (span)
		span->last = new->ticket;
	debug("'%s' is removed beside", path);
	begin_next(s);
	return 0;
}

int removal_poll(struct supervisor *s, struct removal_span *span, struct err *err)
{
	struct removals *all = s->removals;
	int r = 0;
	if (!span->last)
		return 0;
	for (size_t i = 0; i < all->list.n;) {
		struct removal *one = all->list.v[i];
		if (one->ticket < span->first || one->ticket > span->last) {
			i++;
			continue;
		}
		if (!one->over)
			return 1;
		if (r == 0)
			r = err_move(err, &one->err);
		vec_remove(&all->list, i);
		removal_free(one);
	}
	*span = (struct removal_span){ 0 };
	return r;
}

bool removal_pending(const struct supervisor *s)
{
	for (size_t i = 0; s->removals && i < s->removals->list.n; i++)
		if (!s->removals->list.v[i]->over)
			return true;
	return false;
}
