/* COPY and ADD. Whatever a source is, it becomes a path in a tree: of the context or a stage, or of
 * the scratch directory, where heredocs, downloads and checkouts are put first. */
#include "build/copy.h"

#include "base/fs.h"
#include "base/parse.h"
#include "base/passwd.h"
#include "base/vec.h"
#include "build/extract.h"
#include "build/fetch.h"
#include "build/glob.h"
#include "build/mode.h"
#include "build/writer.h"

#include <fcntl.h>
#include <sys/stat.h>

struct source {
	const struct tree *tree;
	char *path;    /* in the tree */
	char *written; /* in the Dockerfile */
	char *base;    /* the name that a file gets in a directory */
	char *include; /* --parents: what of the path, else NULL */
	bool unpack;   /* when it is an archive */
	bool required; /* --parents without a pattern: something must be found */
};

/* A directory in the scratch directory, as a tree. */
struct place {
	struct tree tree;
	char *name;
};

struct copy {
	struct copy_options o;
	char *dest; /* absolute; as written, so a slash at the end is kept */
	struct ignore *exclude;
	struct mode_change *mode;
	VEC(struct source) sources;
	VEC(struct place *) places;
};

enum { SOURCES_MAX = 100000 };

/* --- scratch --- */

static int new_place(struct copy *c, const char *what, struct place **ret, struct err *err)
{
	struct place *p = new0(struct place);
	char unique[17];

	hex_random(unique, 16);
	p->name = xasprintf("copy-%s", unique);
	p->tree.fd = FD_NONE;
	p->tree.name = what;
	vec_push(&c->places, p);
	if (mkdirat(c->o.scratch, p->name, 0700) < 0)
		return err_sys(err, errno, "make a scratch directory");
	p->tree.fd = fs_open_beneath(c->o.scratch, p->name, O_RDONLY | O_DIRECTORY, 0, err);
	if (p->tree.fd < 0)
		return p->tree.fd;
	*ret = p;
	return 0;
}

static void free_place(struct copy *c, struct place *p)
{
	cleanup_err struct err ignored = ERR_INIT; /* the scratch directory goes as a whole, too */

	(void)fs_remove_tree(c->o.scratch, p->name, &ignored);
	fd_close(p->tree.fd);
	free(p->name);
	free(p);
}

/* --- sources --- */

static struct source *add_source(struct copy *c, const struct tree *tree, const char *path,
				 const char *written)
{
	struct source *s = vec_add(&c->sources);

	s->tree = tree;
	s->path = xstrdup(path);
	s->written = xstrdup(written);
	s->base = xstrdup(path_base(path));
	return s;
}

static bool is_add(const struct copy *c)
{
	return c->o.in->kind == INSTRUCTION_ADD;
}

static const char *keyword(const struct copy *c)
{
	return instruction_name(c->o.in->kind);
}

static bool unpacks(const struct copy *c, bool by_default)
{
	return c->o.in->copy.has_unpack ? c->o.in->copy.unpack : by_default;
}

/* --parents: what stands before "/./" is where the walk begins, the rest a pattern of what is taken
 * from there. */
static int add_with_parents(struct copy *c, const char *written, struct err *err)
{
	const char *pivot = strstr(written, "/./");
	cleanup_free char *start =
		pivot ? xstrndup(written, (size_t)(pivot - written)) : xstrdup("");
	cleanup_free char *rooted = xasprintf("/%s", pivot ? pivot + 3 : written);
	cleanup_free char *pattern = path_clean(rooted);
	cleanup_strv struct strv found = { 0 };
	int r;

	if ((r = tree_resolve(c->o.from, start, &found, err)) < 0)
		return r;
	for (size_t i = 0; i < found.n; i++) {
		struct source *s = add_source(c, c->o.from, found.v[i], written);
		if (pattern[1])
			s->include = xstrdup(pattern + 1);
		s->required = !glob_magic(start) && !glob_magic(pattern);
	}
	return 0;
}

static int add_local(struct copy *c, const char *written, struct err *err)
{
	cleanup_strv struct strv found = { 0 };
	int r;

	if (c->o.in->copy.parents)
		return add_with_parents(c, written, err);
	if ((r = tree_resolve(c->o.from, written, &found, err)) < 0)
		return r;
	if (c->sources.n + found.n > SOURCES_MAX)
		return err_input(err, "'%s' is more than %d files", written, SOURCES_MAX);
	for (size_t i = 0; i < found.n; i++)
		add_source(c, c->o.from, found.v[i], written)->unpack = unpacks(c, is_add(c));
	return 0;
}

static int add_heredoc(struct copy *c, const struct heredoc *h, struct err *err)
{
	struct place *p;
	int r;

	if ((r = new_place(c, "a heredoc", &p, err)) < 0)
		return r;
	cleanup_fd int fd =
		fs_open(p->tree.fd, h->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	if (fd < 0)
		return fd;
	if ((r = fs_write_all(fd, h->content, strlen(h->content))) < 0 ||
	    (r = fchmod(fd, 0644) < 0 ? -errno : 0) < 0)
		return err_sys(err, -r, "write the heredoc '%s'", h->name);
	add_source(c, &p->tree, h->name, h->name);
	return 0;
}

static struct fetch_options fetch_options(const struct copy *c)
{
	return (struct fetch_options){ .secrets = c->o.secrets, .ssh_socket = c->o.ssh_socket };
}

static int add_url(struct copy *c, const char *url, struct err *err)
{
	struct fetch_options options = fetch_options(c);
	cleanup_free char *name = NULL;
	struct place *p;
	int r;

	if (!is_add(c))
		return err_input(err, "COPY cannot fetch '%s': use ADD", url);
	/* A name is only needed where the destination does not give one. */
	if (str_ends(c->dest, "/")) {
		if ((r = fetch_url_name(url, &name, err)) < 0)
			return r;
	} else {
		cleanup_err struct err ignored = ERR_INIT;
		if (fetch_url_name(url, &name, &ignored) < 0)
			name = xstrdup("download");
	}
	if ((r = new_place(c, "a download", &p, err)) < 0 ||
	    (r = fetch_url(url, p->tree.fd, name, c->o.in->copy.checksum, &options, err)) < 0)
		return r;
	add_source(c, &p->tree, name, url)->unpack = unpacks(c, false);
	return 0;
}

static int add_git(struct copy *c, const char *written, const struct git_ref *ref, struct err *err)
{
	struct fetch_options options = fetch_options(c);
	cleanup_free char *commit = NULL;
	struct place *p;
	int r;

	if (!is_add(c))
		return err_input(err, "COPY cannot fetch '%s': use ADD", written);
	if ((r = new_place(c, "a git repository", &p, err)) < 0)
		return r;
	/* What is checked out has the modes 644 and 755, whatever the umask was. */
	if ((r = git_fetch(ref, p->tree.fd, c->o.in->copy.keep_git_dir, c->o.in->copy.checksum,
			   &options, &commit, err)) < 0)
		return r;
	add_source(c, &p->tree, ref->subdir ? ref->subdir : "", written);
	return 0;
}

static int add_one(struct copy *c, const char *written, struct err *err)
{
	cleanup_git_ref struct git_ref ref = { 0 };
	bool local_only = c->o.in->copy.from != NULL;
	int r = local_only ? 0 : git_ref_parse(written, false, &ref, err);

	if (r < 0)
		return r;
	if (r > 0)
		return add_git(c, written, &ref, err);
	if (!local_only && fetch_is_url(written))
		return add_url(c, written, err);
	if (c->o.in->copy.checksum)
		return err_input(err,
				 "--checksum is for URLs and git repositories; '%s' is neither",
				 written);
	return add_local(c, written, err);
}

static int add_sources(struct copy *c, struct err *err)
{
	const struct strv *args = &c->o.in->args;
	int r = 0;

	if (c->o.in->copy.checksum && args->n != 2)
		return err_input(err, "--checksum takes one source, not %zu", args->n - 1);
	for (size_t i = 0; r == 0 && i + 1 < args->n; i++)
		if (!instruction_heredoc(c->o.in, args->v[i]))
			r = add_one(c, args->v[i], err);
	for (size_t i = 0; r == 0 && i + 1 < args->n; i++) {
		const struct heredoc *h = instruction_heredoc(c->o.in, args->v[i]);
		if (h)
			r = add_heredoc(c, h, err);
	}
	return r;
}

/* Does the destination name a directory, whatever is there? */
static bool names_directory(const char *dest)
{
	return !*dest || str_ends(dest, "/") || str_eq(dest, ".") || str_eq(dest, "..") ||
	       str_ends(dest, "/.") || str_ends(dest, "/..");
}

static char *absolute_dest(const char *workdir, const char *dest)
{
	cleanup_free char *joined = path_join(workdir ? workdir : "/", dest);
	cleanup_free char *rooted = xasprintf("/%s", joined);
	cleanup_free char *clean = path_clean(rooted);

	return xasprintf("%s%s", clean, names_directory(dest) && clean[1] ? "/" : "");
}

int copy_open(const struct copy_options *options, struct copy **ret, struct err *err)
{
	cleanup(copy_free_cleanup) struct copy *c = new0(struct copy);
	const struct instruction *in = options->in;
	int r;

	c->o = *options;
	c->dest = absolute_dest(options->workdir, in->args.v[in->args.n - 1]);
	if (in->copy.chmod && (r = mode_parse(in->copy.chmod, &c->mode, err)) < 0)
		return r;
	if (in->copy.exclude.n && (r = ignore_new(&in->copy.exclude, &c->exclude, err)) < 0)
		return err_wrap(err, "--exclude");
	if ((r = add_sources(c, err)) < 0)
		return r;
	*ret = ptr_take(c);
	return 0;
}

void copy_free(struct copy *c)
{
	if (!c)
		return;
	vec_each(s, &c->sources) {
		free(s->path);
		free(s->written);
		free(s->base);
		free(s->include);
	}
	vec_done(&c->sources);
	vec_each(p, &c->places)
		free_place(c, *p);
	vec_done(&c->places);
	ignore_free(c->exclude);
	mode_free(c->mode);
	free(c->dest);
	free(c);
}

/* --- digest --- */

int copy_digest(struct copy *c, char hex[SHA256_HEX], struct err *err)
{
	cleanup(hash_free_cleanup) struct hash *h = hash_new();
	int r = 0;

	vec_each(s, &c->sources) {
		hash_add_str(h, s->base);
		hash_add_str(h, s->include ? s->include : "");
		if (r == 0)
			r = tree_digest(s->tree, s->path, c->exclude, s->include, h, err);
	}
	if (r == 0)
		hash_end(h, hex);
	return r;
}

/* --- writing --- */

/* "user[:group]" of --chown. */
static int find_owner(const struct copy *c, int users, struct writer *w, struct err *err)
{
	const char *chown = c->o.in->copy.chown, *colon;
	cleanup_passwd struct passwd passwd = PASSWD_INIT;
	cleanup_passwd_user struct passwd_user user = { 0 };
	int r;

	if (str_empty(chown))
		return 0;
	colon = strchr(chown, ':');
	cleanup_free char *name = xstrndup(chown, colon ? (size_t)(colon - chown) : SIZE_MAX);
	const char *group = colon && colon[1] ? colon + 1 : NULL;
	uint32_t number;

	w->has_owner = true;
	if (passwd_id_parse(*name ? name : "0", &number)) {
		w->uid = w->gid = number;
		if (!group || passwd_id_parse(group, &w->gid))
			return 0; /* numbers need no files */
	}
	if ((r = passwd_load(users, &passwd, err)) < 0)
		return r;
	if (!passwd_id_parse(*name ? name : "0", &number)) {
		if (!passwd_user_find(&passwd, name, &user))
			return err_not_found(
				err, "--chown=%s: the image has no user '%s' in /etc/passwd", chown,
				name);
		w->uid = user.uid;
		w->gid = user.gid;
	}
	if (group && !passwd_group_find(&passwd, group, &w->gid))
		return err_not_found(err, "--chown=%s: the image has no group '%s' in /etc/group",
				     chown, group);
	return 0;
}

struct first_entry {
	bool patterned, any, is_dir;
	mode_t mode;
};

static int note_first(void *data, const struct tree_entry *e, struct err *err)
{
	struct first_entry *f = data;

	/* Where a pattern begins to be looked for is there in any case. */
	if (f->patterned && !*e->path && S_ISDIR(e->st.st_mode))
		return 0;
	f->any = true;
	f->is_dir = S_ISDIR(e->st.st_mode) || *e->path; /* below a directory that is not told of */
	f->mode = e->st.st_mode;
	return -ECANCELED;
}

/* What the source is; nothing when all of it is excluded. */
static int look_at(const struct copy *c, const struct source *s, struct first_entry *ret,
		   struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	struct tree_walk walk = { note_first, ret, c->exclude, s->include };
	int r;

	*ret = (struct first_entry){ .patterned = s->include != NULL };
	r = tree_walk(s->tree, s->path, &walk, &why);
	return r == 0 || r == -ECANCELED ? 0 : err_move(err, &why);
}

/* Opens the file, following links within its tree; FD_NONE when it is no regular file. */
static int open_archive_file(const struct source *s, struct err *err)
{
	struct stat st;
	cleanup_fd int fd = fs_open_in_root(s->tree->fd, s->path, O_RDONLY | O_NOCTTY, 0, err);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return FD_NONE;
	return fd_take(fd);
}

/* 1: it was an archive and is unpacked. */
static int unpack_source(const struct copy *c, const struct source *s, const struct writer *w,
			 struct err *err)
{
	cleanup_fd int fd = open_archive_file(s, err);
	cleanup_free char *target = NULL;
	int r;

	if (fd < 0)
		return fd == FD_NONE ? 0 : fd;
	if (!extract_wanted(fd))
		return 0;
	if (w->list)
		written_spoil(w->list); /* the archive may hold what was copied before */
	if ((r = writer_follow(w, c->dest, &target, err)) < 0 ||
	    (r = writer_mkdirs(w, target, err)) < 0 ||
	    (r = extract(w, fd, s->written, target, err)) < 0)
		return r;
	return 1;
}

/* The directory that the destination needs to be there. */
static int make_parents(const struct copy *c, const struct writer *w, struct err *err)
{
	cleanup_free char *parent = str_ends(c->dest, "/") ? xstrdup(c->dest) : path_dir(c->dest);
	cleanup_free char *followed = NULL;
	int r = writer_follow(w, parent, &followed, err);

	return r < 0 ? r : writer_mkdirs(w, followed, err);
}

static int several_to_one(const struct copy *c, struct err *err)
{
	return err_input(err,
			 "%s has more than one source, so its destination must be a directory and "
			 "end with '/': '%s/'",
			 keyword(c), c->dest);
}

static int write_source(const struct copy *c, const struct source *s, const struct writer *w,
			struct err *err)
{
	cleanup_free char *target = NULL;
	struct first_entry first;
	struct stat st;
	int r;

	if ((r = look_at(c, s, &first, err)) < 0)
		return r;
	if (!first.any && s->required)
		return err_not_found(err, "'%s' is not in %s", s->written, s->tree->name);
	if (!first.any)
		return 0;
	if (s->unpack && S_ISREG(first.mode) && !first.is_dir &&
	    (r = unpack_source(c, s, w, err)) != 0)
		return r < 0 ? r : 0;
	if ((r = make_parents(c, w, err)) < 0 || (r = writer_follow(w, c->dest, &target, err)) < 0)
		return r;
	bool there = writer_stat(w, target, &st);
	if (first.is_dir) {
		if (there && !S_ISDIR(st.st_mode))
			return err_new(err, ERR_INPUT, ENOTDIR,
				       "cannot copy the directory '%s' to '/%s': something that is "
				       "not a directory is there",
				       s->written, target);
		if ((r = writer_mkdirs(w, target, err)) < 0)
			return r;
	} else if (there && S_ISDIR(st.st_mode)) {
		char *inside = xasprintf("%s%s%s", target, *target ? "/" : "", s->base);
		free(target);
		target = inside;
	} else if (c->sources.n > 1) {
		return several_to_one(c, err);
	} else if (!there) {
		/* A link may lead to where nothing is yet. */
		cleanup_free char *parent = path_dir(target);
		if ((r = writer_mkdirs(w, parent, err)) < 0)
			return r;
	}
	if (w->stay && (r = stay_target(w->stay, first.is_dir, target, err)) < 0)
		return r;
	if (w->list)
		stay_note_target(w->list, first.is_dir, target);
	return writer_copy(w, s->tree, s->path, c->exclude, s->include, target, err);
}

int copy_apply(struct copy *c, const struct copy_target *target, struct err *err)
{
	struct writer w = {
		.root = target->root,
		.own = target->own,
		.before = target->before,
		.list = target->list,
		.stay = target->stay,
		.mode = c->mode,
		.has_epoch = c->o.has_epoch,
		.epoch = c->o.epoch,
	};
	int r;

	if ((r = find_owner(c, target->users, &w, err)) < 0)
		return r;
	vec_each(s, &c->sources)
		if ((r = write_source(c, s, &w, err)) < 0)
			return r;
	return 0;
}
