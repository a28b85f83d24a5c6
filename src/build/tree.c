/* Finding and walking the files of a tree. */
#include "build/tree.h"

#include "base/fs.h"
#include "base/vec.h"
#include "build/glob.h"
#include "build/tree-private.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

enum { LINKS_MAX = 40 };

/* --- finding --- */

static int not_there(const struct tree *tree, const char *path, struct err *err)
{
	return err_not_found(err, "'%s' is not in %s", *path ? path : "/", tree->name);
}

static int left_out(const struct tree *tree, const char *path, struct err *err)
{
	return err_not_found(err, "'%s' is not in %s: .dockerignore leaves it out", path,
			     tree->name);
}

/* Takes the first component off; NULL at the end. Owned. */
static char *next_component(const char **path)
{
	while (**path == '/')
		++*path;
	size_t len = strcspn(*path, "/");
	if (!len)
		return NULL;
	const char *from = *path;
	*path += len;
	return xstrndup(from, len);
}

static void append_component(struct str *path, const char *name)
{
	if (str_eq(name, ".."))
		path->len = strrchr(str_text(path), '/')
				    ? (size_t)(strrchr(path->data, '/') - path->data)
				    : 0;
	else if (!str_eq(name, "."))
		str_addf(path, "%s%s", path->len ? "/" : "", name);
	if (path->data)
		path->data[path->len] = 0;
}

int tree__follow(const struct tree *tree, const char *path, char **ret, struct err *err)
{
	cleanup_str struct str done = STR_INIT_MAX(PATH_MAX - 1);
	cleanup_free char *owned = xstrdup(path);
	const char *rest = owned;
	int links = 0;

	for (char *name; (name = next_component(&rest));) {
		char target[PATH_MAX];
		size_t before = done.len;

		append_component(&done, name);
		free(name);
		if (str_overflowed(&done))
			return err_input(err, "the path '%.64s...' is too long", path);
		/* What was done so far has no links in it. */
		ssize_t n = done.len > before ? readlinkat(tree->fd, str_text(&done), target,
							   sizeof(target) - 1)
					      : -1;
		if (n < 0)
			continue;
		target[n] = 0;
		if (++links > LINKS_MAX)
			return err_sys(err, ELOOP, "'%s' in %s", path, tree->name);
		done.len = *target == '/' ? 0 : before;
		done.data[done.len] = 0;
		char *joined = xasprintf("%s/%s", target, rest);
		free(owned);
		owned = joined;
		rest = owned;
	}
	*ret = str_take(&done);
	return 0;
}

/* Opens what has no links in it. The directory that holds it for a non-directory. */
static int open_holder(const struct tree *tree, const char *full, const char **ret_name,
		       struct stat *st, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	cleanup_free char *dir = path_dir(full);
	const char *base = path_base(full);
	int fd;

	if (!*full) {
		*ret_name = "";
		fd = fs_open_beneath(tree->fd, ".", O_RDONLY | O_DIRECTORY, 0, err);
		if (fd >= 0 && fstat(fd, st) < 0)
			return err_sys(err, errno, "look at %s", tree->name);
		return fd;
	}
	fd = fs_open_beneath(tree->fd, dir, O_RDONLY | O_DIRECTORY, 0, &why);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return not_there(tree, full, err);
	if (fd < 0)
		return err_move(err, &why);
	if (fstatat(fd, base, st, AT_SYMLINK_NOFOLLOW) < 0) {
		int no = errno;
		fd_close(fd);
		return no == ENOENT || no == ENOTDIR
			       ? not_there(tree, full, err)
			       : err_sys(err, no, "look at '%s' in %s", full, tree->name);
	}
	*ret_name = base;
	return fd;
}

static bool ignored(const struct tree *tree, const char *full)
{
	return tree->ignore && *full && ignore_path(tree->ignore, full);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted by bytes. Takes the descriptor. */
static int list_names(int fd, const char *what, struct strv *ret, struct err *err)
{
	cleanup_dir DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		fd_close(fd);
		return err_sys(err, errno, "read the directory '%s'", what);
	}
	for (errno = 0; (entry = readdir(dir)); errno = 0)
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			strv_add(ret, entry->d_name);
	if (errno)
		return err_sys(err, errno, "read the directory '%s'", what);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(char *), compare_names);
	return 0;
}

/* Adds what the rest of the pattern matches below `full`. */
static int match_below(const struct tree *tree, const char *full, const char *rest,
		       struct strv *ret, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	cleanup_strv struct strv names = { 0 };
	cleanup_free char *pattern = next_component(&rest);
	bool last = !*rest;

	int fd = fs_open_beneath(tree->fd, *full ? full : ".", O_RDONLY | O_DIRECTORY, 0, &why);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return err_move(err, &why);
	int r = list_names(fd, full, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_free char *path = NULL;

		if (!glob_match(pattern, names.v[i]))
			continue;
		path = xasprintf("%s%s%s", full, *full ? "/" : "", names.v[i]);
		if (strlen(path) >= PATH_MAX)
			continue;
		if (!last)
			r = match_below(tree, path, rest, ret, err);
		else if (!ignored(tree, path) || ignore_has_exceptions(tree->ignore, path))
			strv_take(ret, ptr_take(path));
	}
	return r;
}

int tree_resolve(const struct tree *tree, const char *source, struct strv *ret, struct err *err)
{
	cleanup_free char *rooted = xasprintf("/%s", source);
	cleanup_free char *clean = path_clean(rooted);
	cleanup_free char *base = NULL, *followed = NULL;
	const char *s = clean + 1, *plain = s;
	struct stat st;
	int r;

	if (glob_magic(s)) {
		if (!glob_valid(s))
			return err_input(err, "the pattern '%s' is not valid", s);
		/* The components before the first with a pattern are a path. */
		for (const char *at = s; at; at = strchr(at, '/')) {
			at += *at == '/';
			cleanup_free char *part = xstrndup(at, strcspn(at, "/"));
			plain = at;
			if (glob_magic(part))
				break;
		}
		base = xstrndup(s, plain > s ? (size_t)(plain - s - 1) : 0);
		if ((r = tree__follow(tree, base, &followed, err)) < 0)
			return r;
		return match_below(tree, followed, plain, ret, err);
	}
	if ((r = tree__follow(tree, s, &followed, err)) < 0)
		return r;
	if (ignored(tree, followed) && !ignore_has_exceptions(tree->ignore, followed))
		return left_out(tree, s, err);
	const char *name;
	cleanup_fd int fd = open_holder(tree, followed, &name, &st, err);
	if (fd < 0)
		return fd;
	strv_add(ret, s);
	return 0;
}

/* --- walking --- */

/* A directory that the walk is in, or its start. */
struct place {
	const struct place *up;
	struct tree_entry entry;
	size_t path_len, full_len;
	bool *told; /* the callback knows of it */
};

struct walker {
	const struct tree *tree;
	const struct tree_walk *walk;
	struct ignore *include, *leads; /* the include pattern, to match and to look ahead */
	struct str path, full;
	size_t count, depth;
	bool any;
};

/* What holds for a path, and what its children need to know. */
struct state {
	struct ignore_state ignore, exclude, include;
};

static void state_done(struct state *s)
{
	ignore_state_done(&s->ignore);
	ignore_state_done(&s->exclude);
	ignore_state_done(&s->include);
}

static int tell(struct walker *w, const struct tree_entry *entry, struct err *err)
{
	w->any = true;
	if (++w->count > TREE_ENTRIES_MAX)
		return err_input(err, "there are more than %d files in '%s' of %s",
				 TREE_ENTRIES_MAX, str_text(&w->full), w->tree->name);
	return w->walk->entry(w->walk->data, entry, err);
}

/* Tells of the directories above that were kept back. */
static int tell_late(struct walker *w, const struct place *place, struct err *err)
{
	int r;

	if (!place || *place->told)
		return 0;
	if ((r = tell_late(w, place->up, err)) < 0)
		return r;
	*place->told = true;
	struct tree_entry entry = place->entry;
	cleanup_free char *path = xstrndup(str_text(&w->path), place->path_len);
	cleanup_free char *full = xstrndup(str_text(&w->full), place->full_len);
	entry.path = path;
	entry.full = full;
	entry.late = true;
	return tell(w, &entry, err);
}

/* Is what stands in w->path and w->full seen? *ret_below: may something below it be? */
static bool visible(struct walker *w, const struct state *parent, struct state *ret,
		    bool *ret_below)
{
	const char *path = str_text(&w->path), *full = str_text(&w->full);
	const struct ignore *ignore = w->tree->ignore, *exclude = w->walk->exclude;
	bool out = ignore && ignore_step(ignore, &parent->ignore, full, &ret->ignore);
	bool excluded = exclude && ignore_step(exclude, &parent->exclude, path, &ret->exclude);
	bool included =
		!w->include || ignore_step(w->include, &parent->include, path, &ret->include);

	*ret_below = (!out || ignore_has_exceptions(ignore, full)) &&
		     (!excluded || ignore_has_exceptions(exclude, path)) &&
		     (included || ignore_has_exceptions(w->leads, path));
	return !out && !excluded && included;
}

static int walk_into(struct walker *w, int dir, const struct place *place,
		     const struct state *parent, struct err *err);

static int walk_child(struct walker *w, int dir, const char *name, const struct place *up,
		      const struct state *parent, struct err *err)
{
	cleanup(state_done) struct state state = { 0 };
	struct tree_entry entry = {
		.path = str_text(&w->path), .full = str_text(&w->full), .dir = dir, .name = name
	};
	bool below, seen = visible(w, parent, &state, &below), told = false;
	int r;

	if (!seen && !below)
		return 0;
	if (fstatat(dir, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 /* it went while we looked */
				       : err_sys(err, errno, "look at '%s' in %s",
						 str_text(&w->full), w->tree->name);
	bool is_dir = S_ISDIR(entry.st.st_mode);
	if (!seen && !is_dir)
		return 0;
	if (seen) {
		if ((r = tell_late(w, up, err)) < 0 || (r = tell(w, &entry, err)) < 0)
			return r;
		told = true;
	}
	if (!is_dir)
		return 0;
	struct place place = { up, entry, w->path.len, w->full.len, &told };
	cleanup_fd int fd = fs_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	return walk_into(w, fd, &place, &state, err);
}

static void cut(struct str *s, size_t len)
{
	s->len = len;
	if (s->data)
		s->data[len] = 0;
}

static void add_name(struct str *path, const char *name)
{
	if (path->len)
		str_addc(path, '/');
	str_add(path, name);
}

static int walk_into(struct walker *w, int dir, const struct place *place,
		     const struct state *parent, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	size_t path_len = w->path.len, full_len = w->full.len;
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0), r;

	if (copy < 0)
		return err_sys(err, errno, "read the directory '%s'", str_text(&w->full));
	if (++w->depth > TREE_DEPTH_MAX) {
		fd_close(copy);
		return err_input(err, "more than %d directories within one another in %s",
				 TREE_DEPTH_MAX, w->tree->name);
	}
	r = list_names(copy, str_text(&w->full), &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		add_name(&w->path, names.v[i]);
		add_name(&w->full, names.v[i]);
		if (str_overflowed(&w->full))
			r = err_input(err, "a path in %s is too long", w->tree->name);
		else
			r = walk_child(w, dir, names.v[i], place, parent, err);
		cut(&w->path, path_len);
		cut(&w->full, full_len);
	}
	w->depth--;
	return r;
}

/* What held for the directories above the start of the walk. */
static bool state_above(struct walker *w, const char *full, struct state *ret)
{
	bool out = false;

	for (size_t i = 1; w->tree->ignore && *full && i <= strlen(full); i++) {
		struct ignore_state next = { 0 };
		if (full[i] && full[i] != '/')
			continue;
		cleanup_free char *part = xstrndup(full, i);
		out = ignore_step(w->tree->ignore, &ret->ignore, part, &next);
		ignore_state_done(&ret->ignore);
		ret->ignore = next;
	}
	return out;
}

static int start(struct walker *w, const char *path, struct err *err)
{
	cleanup(state_done) struct state state = { 0 };
	cleanup_free char *full = NULL;
	struct tree_entry entry = { .path = "" };
	bool told = false;
	int r;

	if ((r = tree__follow(w->tree, path, &full, err)) < 0)
		return r;
	bool out = state_above(w, full, &state);
	cleanup_fd int fd = open_holder(w->tree, full, &entry.name, &entry.st, err);
	if (fd < 0)
		return fd;
	bool is_dir = S_ISDIR(entry.st.st_mode);
	if (out && !(is_dir && ignore_has_exceptions(w->tree->ignore, full)))
		return left_out(w->tree, path, err);
	/* A file that is asked for by name has only its name to be excluded by. */
	if (!is_dir && w->walk->exclude && ignore_path(w->walk->exclude, path_base(path)))
		return 0;
	entry.dir = fd;
	entry.full = full;
	str_add(&w->full, full);
	cleanup_fd int inside = FD_NONE;
	if (is_dir && *entry.name) {
		inside = fs_open_beneath(fd, entry.name, O_RDONLY | O_DIRECTORY, 0, err);
		if (inside < 0)
			return inside;
	}
	/* The root of the tree is always there. */
	if ((!out && !w->include) || !*full || !is_dir) {
		if ((r = tell(w, &entry, err)) < 0)
			return r;
		told = true;
	}
	struct place place = { NULL, entry, 0, w->full.len, &told };
	if (is_dir && (r = walk_into(w, inside >= 0 ? inside : fd, &place, &state, err)) < 0)
		return r;
	return w->any ? 0 : w->include ? 0 : left_out(w->tree, path, err);
}

int tree_walk(const struct tree *tree, const char *path, const struct tree_walk *walk,
	      struct err *err)
{
	struct walker w = { .tree = tree,
			    .walk = walk,
			    .path = STR_INIT_MAX(PATH_MAX),
			    .full = STR_INIT_MAX(PATH_MAX) };
	int r = 0;

	if (walk->include) {
		cleanup_strv struct strv match = { 0 }, lead = { 0 };
		strv_add(&match, walk->include);
		strv_addf(&lead, "!%s", walk->include);
		if ((r = ignore_new(&match, &w.include, err)) == 0)
			r = ignore_new(&lead, &w.leads, err);
	}
	if (r == 0)
		r = start(&w, path, err);
	ignore_free(w.include);
	ignore_free(w.leads);
	str_done(&w.path);
	str_done(&w.full);
	return r;
}
