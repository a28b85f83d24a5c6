/* Many logs merged by time, and followed. */
#include "engine/log.h"

#include "engine/log-file.h"

#include <poll.h>
#include <sys/inotify.h>

enum { POLL_MS = 200, SWEEP_ROUNDS = 5 };

struct source {
	struct log_file *file;
	struct log_line line; /* the next one, when it is in the heap */
	bool done;	      /* past `until` */
	int watch;	      /* inotify's number; -1: none yet */
	bool changed;	      /* something may stand in its files that was not read */
};

struct merge {
	const struct log_query *query;
	struct source *sources;
	size_t *heap; /* indexes of sources with a line, the earliest first */
	size_t heap_len;
	int (*fn)(const struct log_line *line, void *data);
	void *data;
};

static bool earlier(const struct merge *m, size_t a, size_t b)
{
	nsec_t x = m->sources[a].line.time, y = m->sources[b].line.time;
	return x < y || (x == y && a < b);
}

static void swap(size_t *a, size_t *b)
{
	size_t t = *a;
	*a = *b;
	*b = t;
}

static void heap_down(struct merge *m, size_t i)
{
	for (;;) {
		size_t least = i, left = 2 * i + 1;
		for (size_t child = left; child < left + 2 && child < m->heap_len; child++) {
			if (earlier(m, m->heap[child], m->heap[least]))
				least = child;
		}
		if (least == i)
			return;
		swap(&m->heap[i], &m->heap[least]);
		i = least;
	}
}

static void heap_add(struct merge *m, size_t source)
{
	size_t i = m->heap_len++;
	m->heap[i] = source;
	for (; i > 0 && earlier(m, m->heap[i], m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&m->heap[i], &m->heap[(i - 1) / 2]);
}

/* The source's next line within the query's time. 1, 0 or negative errno. */
static int advance(struct merge *m, size_t i)
{
	struct source *s = &m->sources[i];
	while (!s->done) {
		int r = log_file__next(s->file, &s->line);
		if (r <= 0)
			return r;
		if (m->query->until && s->line.time > m->query->until) {
			s->done = true;
		} else if (s->line.time >= m->query->since) {
			s->line.source = i;
			return 1;
		}
	}
	return 0;
}

static int read_failed(const struct merge *m, size_t i, int r, struct err *err)
{
	return err_sys(err, -r, "read the log in '%s'", m->query->sources.v[i].slot_dir);
}

/* Puts a source into the heap when it has a line. */
static int offer(struct merge *m, size_t i, struct err *err)
{
	int r = advance(m, i);
	if (r < 0)
		return read_failed(m, i, r, err);
	if (r > 0)
		heap_add(m, i);
	return 0;
}

/* Hands out lines until every source in the heap is dry. 1: fn wants no more. */
static int drain(struct merge *m, struct err *err)
{
	while (m->heap_len) {
		size_t first = m->heap[0];
		if (m->fn(&m->sources[first].line, m->data) != 0)
			return 1;
		int r = advance(m, first);
		if (r < 0)
			return read_failed(m, first, r, err);
		if (r == 0)
			m->heap[0] = m->heap[--m->heap_len];
		heap_down(m, 0);
	}
	return 0;
}

static void merge_done(struct merge *m)
{
	for (size_t i = 0; m->sources && i < m->query->sources.n; i++)
		log_file__free(m->sources[i].file);
	free(m->sources);
	free(m->heap);
}

static int merge_open(struct merge *m, struct err *err)
{
	size_t n = m->query->sources.n;
	m->sources = xcalloc(n, sizeof(*m->sources));
	m->heap = xcalloc(n, sizeof(*m->heap));
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		struct source *s = &m->sources[i];
		s->watch = -1;
		r = log_file__open(m->query->sources.v[i].slot_dir, m->query->tail, &s->file, err);
	}
	return r;
}

static int read_all(struct merge *m, struct err *err)
{
	int r = 0;
	for (size_t i = 0; i < m->query->sources.n && r == 0; i++)
		r = offer(m, i, err);
	return r < 0 ? r : drain(m, err);
}

int log_read(const struct log_query *query, int (*fn)(const struct log_line *line, void *data),
	     void *data, struct err *err)
{
	struct merge m = { .query = query, .fn = fn, .data = data };
	int r = merge_open(&m, err);
	if (r == 0)
		r = read_all(&m, err);
	merge_done(&m);
	return r < 0 ? r : 0;
}

/* --- following --- */

/* Directories that are not there yet are tried again each round. What was written before the watch
 * stood is not told of by it. */
static void add_watches(struct merge *m, int fd)
{
	for (size_t i = 0; i < m->query->sources.n; i++) {
		struct source *s = &m->sources[i];
		if (s->watch >= 0)
			continue;
		s->watch = inotify_add_watch(fd, m->query->sources.v[i].slot_dir,
					     IN_MODIFY | IN_CREATE | IN_MOVED_TO);
		s->changed = true;
	}
}

static void note_event(struct merge *m, const struct inotify_event *e)
{
	for (size_t i = 0; i < m->query->sources.n; i++) {
		struct source *s = &m->sources[i];
		bool hit = s->watch == e->wd || (e->mask & IN_Q_OVERFLOW);
		s->changed |= hit;
		if (hit && (e->mask & IN_IGNORED))
			s->watch = -1; /* the directory went away */
	}
}

/* Offers the sources whose directory changed; now and then all of them: a file that was renamed
 * faster than it could be opened is found then. */
static int read_changed(struct merge *m, int fd, bool sweep, struct err *err)
{
	char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len;
	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *e;
		for (char *at = buf; at < buf + len; at += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)at;
			note_event(m, e);
		}
	}
	int r = 0;
	for (size_t i = 0; i < m->query->sources.n && r == 0; i++) {
		struct source *s = &m->sources[i];
		bool look = s->changed || sweep;
		s->changed = false;
		if (look)
			r = offer(m, i, err);
	}
	return r < 0 ? r : drain(m, err);
}

static bool all_done(const struct merge *m)
{
	for (size_t i = 0; i < m->query->sources.n; i++) {
		if (!m->sources[i].done)
			return false;
	}
	return m->query->until != 0;
}

static int follow(struct merge *m, int fd, bool (*stop)(void *data), struct err *err)
{
	add_watches(m, fd); /* before reading: what comes in between wakes us */
	int r = read_all(m, err);
	int quiet = 0; /* rounds in which nothing happened */
	while (r == 0 && !all_done(m)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		/* What was written before it was over is told, too. */
		if ((stop && stop(m->data)) || (m->query->until && now_wall() > m->query->until))
			return read_changed(m, fd, true, err);
		int n = poll(&p, 1, POLL_MS);
		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		quiet = n > 0 ? 0 : quiet + 1;
		add_watches(m, fd);
		r = read_changed(m, fd, quiet % SWEEP_ROUNDS == 1, err);
	}
	return r;
}

int log_follow(const struct log_query *query, int (*fn)(const struct log_line *line, void *data),
	       bool (*stop)(void *data), void *data, struct err *err)
{
	struct merge m = { .query = query, .fn = fn, .data = data };
	cleanup_fd int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "inotify");
	int r = merge_open(&m, err);
	if (r == 0)
		r = follow(&m, fd, stop, err);
	merge_done(&m);
	return r < 0 ? r : 0;
}
