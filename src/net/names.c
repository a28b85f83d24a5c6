#include "net/names.h"

#include "base/fs.h"
#include "base/map.h"
#include "net/handle.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>

enum { FILE_MAX = 4 << 20, NAMES_MAX = 20000, LABELS_MAX = 253 };

/* One name for one slot. */
struct line {
	char *name, *key; /* name in lower case */
	struct name_hit hit;
	char text4[INET_ADDRSTRLEN], text6[INET6_ADDRSTRLEN];
};
/* What one project says about one network. */
struct part {
	VEC(struct line) lines;
};
/* All slots of one name, over all parts. */
struct entry {
	VEC(const struct line *) lines;
	unsigned turn;
	bool shared; /* several slots have it */
};
struct zone {
	struct names *names;
	char *network;
	struct map parts;   /* project -> struct part */
	struct map index;   /* name -> struct entry; empty when stale */
	struct map reverse; /* address -> const char *name, borrowed from a line */
	bool stale, dirty;  /* index to be made; own file to be written */
	int watch;	    /* inotify number, or -1 */
};
struct names {
	struct loop *loop;
	int dir; /* STAVE_RUN/names */
	char *project;
	struct map zones; /* network -> struct zone */
	int inotify;
	struct watch *watch;
	bool flushing; /* a write is due at the end of this round */
};

/* --- memory --- */

static void part_free(void *data)
{
	struct part *p = data;
	if (!p)
		return;
	vec_each(l, &p->lines) {
		free(l->name);
		free(l->key);
	}
	vec_done(&p->lines);
	free(p);
}

static void entry_free(void *data)
{
	struct entry *e = data;
	if (e)
		vec_done(&e->lines);
	free(e);
}

static void zone_free(void *data)
{
	struct zone *z = data;
	if (!z)
		return;
	map_done(&z->index);
	map_done(&z->reverse);
	map_done(&z->parts);
	free(z->network);
	free(z);
}

static struct zone *zone_of(struct names *n, const char *network)
{
	struct zone *z = map_get(&n->zones, network);
	if (z)
		return z;
	z = new0(struct zone);
	z->names = n;
	z->network = xstrdup(network);
	z->parts = MAP_INIT_FREE(part_free);
	z->index = MAP_INIT_FREE(entry_free);
	z->reverse = MAP_INIT;
	z->watch = -1;
	map_set(&n->zones, network, z);
	return z;
}

/* --- lines --- */

/* What may be asked for with dns__parse_query: others can never match. */
static bool name_fits(const char *name)
{
	size_t len = strlen(name);
	if (len == 0 || len > LABELS_MAX)
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			return false;
	return true;
}

static void add_line(struct part *p, const char *name, const char *key, const char *ipv4,
		     const char *ipv6)
{
	if (p->lines.n >= NAMES_MAX || !name_fits(name))
		return;
	struct line *l = vec_add(&p->lines);
	l->name = xstrdup(name);
	for (char *c = l->name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	l->key = xstrdup(key);
	if (ipv4 && inet_pton(AF_INET, ipv4, l->hit.ipv4) == 1) {
		l->hit.has4 = true;
		inet_ntop(AF_INET, l->hit.ipv4, l->text4, sizeof(l->text4));
	}
	if (ipv6 && inet_pton(AF_INET6, ipv6, l->hit.ipv6) == 1) {
		l->hit.has6 = true;
		inet_ntop(AF_INET6, l->hit.ipv6, l->text6, sizeof(l->text6));
	}
}

static struct part *parse_part(const char *text)
{
	struct part *p = new0(struct part);
	cleanup_strv struct strv lines = strv_split(text, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		char name[256], key[256], ipv4[INET6_ADDRSTRLEN], ipv6[INET6_ADDRSTRLEN];
		if (sscanf(lines.v[i], "%255s %255s %45s %45s", name, key, ipv4, ipv6) == 4)
			add_line(p, name, key, ipv4, ipv6);
	}
	return p;
}

static void format_part(const struct part *p, struct str *out)
{
	vec_each(l, &p->lines)
		str_addf(out, "%s %s %s %s\n", l->name, l->key, l->hit.has4 ? l->text4 : "-",
			 l->hit.has6 ? l->text6 : "-");
}

/* --- files --- */

static void read_part(struct zone *z, const char *project)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	if (!net__name_ok(project) || str_eq(project, z->names->project))
		return;
	cleanup_free char *path = xasprintf("%s/%s", z->network, project);
	int r = fs_read(z->names->dir, path, FILE_MAX, &text, &err);
	z->stale = true;
	if (r < 0)
		part_free(map_take(&z->parts, project));
	else
		map_set(&z->parts, project, parse_part(str_text(&text)));
}

static void read_all(struct zone *z)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_strv struct strv projects = { 0 };
	(void)fs_list(z->names->dir, z->network, &projects, &err); /* nobody published yet */
	for (size_t i = 0; i < projects.n; i++)
		read_part(z, projects.v[i]);
}

static void flush(struct names *n)
{
	map_each(entry, &n->zones) {
		struct zone *z = entry->value;
		cleanup_err struct err err = ERR_INIT;
		cleanup_str struct str text = STR_INIT;
		if (!z->dirty)
			continue;
		z->dirty = false;
		cleanup_free char *path = xasprintf("%s/%s", z->network, n->project);
		const struct part *own = map_get(&z->parts, n->project);
		format_part(own, &text);
		if (text.len == 0) { /* the last container is gone: nothing is to stay behind */
			(void)unlinkat(n->dir, path, 0);
			if (unlinkat(n->dir, z->network, AT_REMOVEDIR) == 0)
				z->watch = -1; /* the kernel has dropped it */
			continue;
		}
		/* Only other projects read it; the next change tries again. */
		if (fs_mkdirs(n->dir, z->network, 0755, &err) == 0)
			(void)fs_write_atomic(n->dir, path, str_text(&text), text.len, 0644, 0,
					      &err);
	}
	n->flushing = false;
}

static void flush_later(void *data)
{
	flush(data);
}

static void on_change(struct watch *w, int fd, uint32_t events, void *data)
{
	struct names *n = data;
	char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len;
	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + len;) {
			const struct inotify_event *e = (const struct inotify_event *)at;
			at += sizeof(*e) + e->len;
			map_each(entry, &n->zones) {
				struct zone *z = entry->value;
				if (e->mask & IN_Q_OVERFLOW)
					read_all(z);
				else if (z->watch == e->wd && e->len)
					read_part(z, e->name);
			}
		}
	}
}

int names__new(struct loop *loop, const char *run, const char *project, struct names **ret,
	       struct err *err)
{
	cleanup_free char *path = path_join(run, "names");
	cleanup_fd int dir = fs_opendirs(AT_FDCWD, path, 0755, err);
	if (dir < 0)
		return dir;
	if (!net__name_ok(project))
		return err_input(err, "'%s' is not a project's name", project);
	struct names *n = new0(struct names);
	n->loop = loop;
	n->dir = fd_take(dir);
	n->project = xstrdup(project);
	n->zones = MAP_INIT_FREE(zone_free);
	/* Without inotify (its limits are per user) other projects' names are those of the start.
	 */
	n->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (n->inotify >= 0)
		n->watch = loop_watch(loop, n->inotify, EPOLLIN, on_change, n);
	*ret = n;
	return 0;
}

void names__free(struct names *n)
{
	if (!n)
		return;
	flush(n);
	watch_close(n->watch);
	fd_close(n->inotify);
	fd_close(n->dir);
	map_done(&n->zones);
	free(n->project);
	free(n);
}

void names__follow(struct names *n, const char *network)
{
	cleanup_err struct err err = ERR_INIT;
	struct zone *z = zone_of(n, network);
	if (z->watch >= 0 || fs_mkdirs(n->dir, network, 0755, &err) < 0)
		return;
	if (n->inotify >= 0) {
		cleanup_free char *path = xasprintf("/proc/self/fd/%d/%s", n->dir, network);
		z->watch = inotify_add_watch(n->inotify, path,
					     IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
	}
	read_all(z);
}

int names__set(struct names *n, const char *network, const struct dns_names *list, struct err *err)
{
	if (!net__name_ok(network))
		return err_input(err, "'%s' is not a network's name", network);
	struct zone *z = zone_of(n, network);
	struct part *p = new0(struct part);
	vec_each(name, &list->names)
		add_line(p, name->name, name->key, name->ipv4, name->ipv6);
	map_set(&z->parts, n->project, p);
	z->stale = z->dirty = true;
	if (!n->flushing) {
		n->flushing = true;
		loop_defer(n->loop, flush_later, n);
	}
	return 0;
}

int names__forget(int run, const char *project, struct err *err)
{
	cleanup_strv struct strv networks = { 0 };
	int r = fs_list(run, "names", &networks, err);
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	for (size_t i = 0; i < networks.n; i++) {
		cleanup_free char *file = xasprintf("names/%s/%s", networks.v[i], project);
		cleanup_free char *dir = xasprintf("names/%s", networks.v[i]);
		if (unlinkat(run, file, 0) < 0 && errno != ENOENT)
			r = err_sys(err, errno, "remove '%s'", file);
		(void)unlinkat(run, dir, AT_REMOVEDIR); /* stays while others have names in it */
		if (r < 0)
			return r;
	}
	return r;
}

/* --- looking up --- */

static void index_line(struct zone *z, const struct line *l)
{
	struct entry *e = map_get(&z->index, l->name);
	if (!e) {
		e = new0(struct entry);
		map_set(&z->index, l->name, e);
	}
	vec_each(other, &e->lines) {
		if (!str_eq((*other)->key, l->key))
			e->shared = true;
		else if (memcmp(&(*other)->hit, &l->hit, sizeof(l->hit)) == 0)
			return; /* said twice */
	}
	vec_push(&e->lines, l);
}

/* An address is called by the first name that is its slot's alone (the container's), else by the
 * first. */
static void index_reverse(struct zone *z, const struct line *l)
{
	const struct entry *e = map_get(&z->index, l->name);
	const char *const texts[] = { l->text4, l->text6 };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!texts[i][0])
			continue;
		const char *known = map_get(&z->reverse, texts[i]);
		const struct entry *other = known ? map_get(&z->index, known) : NULL;
		if (!known || (other && other->shared && !e->shared))
			map_set(&z->reverse, texts[i], l->name);
	}
}

static struct zone *fresh_zone(struct names *n, const char *network)
{
	struct zone *z = map_get(&n->zones, network);
	if (!z || !z->stale)
		return z;
	map_done(&z->index);
	map_done(&z->reverse);
	z->index = MAP_INIT_FREE(entry_free);
	z->reverse = MAP_INIT;
	map_each(entry, &z->parts) {
		const struct part *p = entry->value;
		vec_each(l, &p->lines)
			index_line(z, l);
	}
	map_each(entry, &z->parts) {
		const struct part *p = entry->value;
		vec_each(l, &p->lines)
			index_reverse(z, l);
	}
	z->stale = false;
	return z;
}

bool names__find(struct names *n, const char *network, const char *name, struct name_hits *ret)
{
	struct zone *z = fresh_zone(n, network);
	struct entry *e = z ? map_get(&z->index, name) : NULL;
	if (!e)
		return false;
	size_t count = e->lines.n;
	for (size_t i = 0; i < count; i++) {
		const struct line *l = e->lines.v[(e->turn + i) % count];
		if (l->hit.has4 || l->hit.has6)
			vec_push(&ret->list, l->hit);
	}
	e->turn++;
	return true;
}

const char *names__reverse(struct names *n, const char *network, const char *address)
{
	struct zone *z = fresh_zone(n, network);
	return z ? map_get(&z->reverse, address) : NULL;
}
