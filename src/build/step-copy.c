/* COPY, ADD and WORKDIR: steps that write files without running anything. */
#include "build/copy.h"
#include "build/inputs.h"
#include "build/owner.h"
#include "build/stage.h"

#include "base/difference.h"
#include "base/fs.h"
#include "base/log.h"

#include <fcntl.h>
#include <sys/stat.h>

struct copying {
	struct copy *copy;
	struct stack from;
	struct stack_view view; /* of `from`, while it is looked at */
	struct tree tree;
	const struct instruction *in;
	char *scratch, *workdir;
	int scratch_fd, dir_fd;
	bool staged;		      /* `tree` is `from`, to be mounted when it is needed */
	bool names;		      /* --chown has names: the image's files are needed for them */
	struct digest_cache *digests; /* of `tree`, where it has none that is kept */
	struct cache_entry *entry;
	const char *lineage; /* NULL: nothing is known of a last run */
};

static void copying_done(struct copying *c)
{
	copy_free(c->copy);
	stack_view_done(&c->view);
	stack_done(&c->from);
	fd_close(c->scratch_fd);
	fd_close(c->dir_fd);
	digest_cache_free(c->digests);
	depot_temp_remove(c->scratch);
	free(c->scratch);
	free(c->workdir);
}

/* Where the files come from: the context, a named directory, or a stack that is yet to be
 * mounted. */
static int find_source(struct stage_run *run, const struct instruction *in, struct copying *c,
		       struct err *err)
{
	char key[SHA256_HEX];
	const char *dir;
	int r;

	if (!in->copy.from) {
		if (run->context)
			c->tree = *run->context;
		else
			c->tree = (struct tree){ .fd = FD_NONE, .name = "the build context" };
		return 0;
	}
	r = stage_source(run, in->copy.from, &c->from, key, &dir, err);
	if (r == 0 && dir) {
		c->dir_fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
		if (c->dir_fd < 0)
			return c->dir_fd;
		c->tree = (struct tree){ .fd = c->dir_fd, .name = in->copy.from };
		c->tree.cache = run->context ? run->context->cache : NULL;
		return 0;
	}
	c->staged = r == 0;
	return r;
}

static int open_stack(struct stage_run *run, struct copying *c, struct err *err)
{
	int r = stack_view(run->depot, run->options->store, &c->from, &c->view, err);

	c->digests = digest_cache_open(FD_NONE, NULL);
	c->tree = (struct tree){
		.fd = c->view.fd,
		.name = c->in->copy.from,
		.cache = c->digests,
		.keep_owner = true,
	};
	return r;
}

static int open_copy(struct stage_run *run, struct copying *c, struct err *err)
{
	const struct build_options *o = run->options;
	cleanup_strv struct strv secrets = { 0 };
	struct copy_options options = {
		.in = c->in,
		.secrets = &secrets,
		.from = &c->tree,
		.workdir = c->workdir,
		.has_epoch = o->has_epoch,
		.epoch = o->epoch,
		.ssh_socket = o->ssh.n ? o->ssh.v[0].socket : NULL,
	};
	int r = c->staged ? open_stack(run, c, err) : 0;

	if (r == 0)
		r = depot_temp(run->depot, &c->scratch, err);
	if (r < 0)
		return r;
	c->scratch_fd = fs_open(AT_FDCWD, c->scratch, O_RDONLY | O_DIRECTORY, 0, err);
	if (c->scratch_fd < 0)
		return c->scratch_fd;
	options.scratch = c->scratch_fd;
	inputs_secrets(o, &secrets);
	return copy_open(&options, &c->copy, err);
}

/* What the last run of the instruction made. */
struct before {
	struct image_layer layer; /* its layer; chain "": no image has it yet */
	struct written *list;	  /* what it wrote into the whole layer; NULL: nothing is known */
	char *whole;		  /* that layer's name: the one of the run, or its base */
};

static void before_done(struct before *b)
{
	written_close(b->list);
	free(b->whole);
}

/* Notes it in the entry, too. */
static void open_before(struct stage_run *run, struct copying *c, struct before *ret)
{
	cleanup_stack struct stack stack = { 0 };
	cleanup_stack_dirs struct stack_dirs dirs = { 0 };
	cleanup_cache_entry struct cache_entry entry = { 0 };
	cleanup_err struct err ignored = ERR_INIT; /* then all is copied */
	cleanup_fd int base = FD_NONE;
	char key[SHA256_HEX];

	if (!c->lineage || cache_last(run->depot, c->lineage, key) < 0 ||
	    cache_load_any(run->depot, key, &entry) < 0)
		return;
	stack_add_entry(&stack, &entry);
	if (!stack.layers.n ||
	    stack_open(run->depot, run->options->store, &stack, &dirs, &ignored) < 0 ||
	    difference_base(dirs.fds.v[0], &base, &ignored) < 0)
		return;
	memcpy(c->entry->before, key, sizeof(key));
	ret->layer = entry.layer;
	ret->list = written_open(base >= 0 ? base : dirs.fds.v[0]);
	if (entry.layer.chain[0]) {
		cleanup_free char *tree = image_layer_dir(run->options->store, &entry.layer);
		cleanup_free char *dir = path_dir(tree);

		ret->whole =
			base >= 0 ? difference_base_name(AT_FDCWD, dir) : xstrdup(path_base(dir));
	}
}

/* Whether the last run's layer stood on the same ones as this one will. */
static bool stood_here(const struct stage_run *run, const struct image_layer *layer)
{
	struct image_layer below = { 0 };
	bool any = false;
	char chain[IMAGE_DIGEST];

	vec_each(l, &run->stack.layers) {
		if (!l->image.chain[0])
			return false; /* who knows; no image has it yet */
		image_chain(any ? &below : NULL, l->image.diff_id, chain);
		memcpy(below.chain, chain, sizeof(chain));
		any = true;
	}
	image_chain(any ? &below : NULL, layer->diff_id, chain);
	return layer->chain[0] && str_eq(chain, layer->chain);
}

/* Whether the new layer can be a difference on that of the last run. */
static bool can_differ(const struct stage_run *run, const struct copying *c,
		       const struct before *before)
{
	const struct build_options *o = run->options;

	return before->list && before->whole && !c->in->copy.link && !c->in->copy.parents &&
	       written_complete(before->list, o->has_epoch, o->epoch) &&
	       stood_here(run, &before->layer);
}

/* The layers below, and the last run's on top; the descriptors stay their owners'. */
static void put_on_top(const struct stack_dirs *below, int tree, struct stack_dirs *ret)
{
	vec_each(fd, &below->fds)
		vec_push(&ret->fds, *fd);
	strv_copy(&ret->paths, &below->paths);
	vec_push(&ret->fds, tree);
	strv_addf(&ret->paths, "/proc/self/fd/%d", tree);
}

static int write_difference(struct stage_run *run, struct copying *c, const struct work *work,
			    const struct before *before, int users, struct err *err)
{
	struct stay stay = stay_begin(before->list);
	struct copy_target target = { .stay = &stay, .users = users };
	cleanup_free char *upper = path_join(work->dir, "upper");
	cleanup_fd int own = fs_open(AT_FDCWD, upper, O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_fd int root = FD_NONE;
	struct stat st;
	int r = own < 0 ? own : work_mount(work, &root, err);

	/* As the last run left it. */
	if (r == 0 &&
	    (fstat(written_tree(before->list), &st) < 0 || fchown(own, st.st_uid, st.st_gid) < 0 ||
	     fchmod(own, st.st_mode & 07777) < 0))
		r = err_sys(err, errno, "set the owner of '%s'", upper);
	target.root = root;
	target.own = own;
	if (users < 0)
		target.users = root;
	if (r == 0)
		r = copy_apply(c->copy, &target, err);
	return r < 0 ? r : stay_end(&stay, root, work->below->fds.v, work->below->fds.n - 1, err);
}

/* 1: the layer is made, as what differs from the last run's. 0: it is to be made whole. */
static int try_difference(struct stage_run *run, struct copying *c, const struct work *work,
			  const struct before *before, int users, struct err *err)
{
	struct stack_dirs below = { 0 };
	struct work on = { .dir = work->dir, .below = &below };
	cleanup_err struct err why = ERR_INIT;
	cleanup_free char *layers = NULL,
			  *tree = image_layer_dir(run->options->store, &before->layer);
	int r;

	if (!can_differ(run, c, before))
		return 0;
	put_on_top(work->below, written_tree(before->list), &below);
	r = write_difference(run, c, &on, before, users, &why);
	vec_done(&below.fds);
	strv_done(&below.paths);
	if (r == 0) {
		cleanup_fd int dir = fs_open(AT_FDCWD, work->dir, O_RDONLY | O_DIRECTORY, 0, &why);
		cleanup_free char *layer = path_dir(tree);

		layers = path_dir(layer);
		r = dir < 0 ? dir : difference_note(dir, layers, before->whole, &why);
	}
	if (r == 0)
		return 1;
	debug("%s: the layer is made whole: %s", c->in->original, why.msg);
	return work_clear(work, err);
}

static int copy_onto(const struct stage_run *run, struct copying *c, const struct work *work,
		     struct copy_target *target, struct err *err)
{
	cleanup(written_free_cleanup) struct written_list *list = NULL;
	cleanup_fd int dir = fs_open(AT_FDCWD, work->dir, O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_fd int upper =
		dir < 0 ? dir : fs_open(dir, "upper", O_RDONLY | O_DIRECTORY, 0, err);
	int r = upper < 0 ? upper : 0;

	target->own = upper;
	if (r == 0 && c->lineage)
		r = written_begin(dir, run->options->has_epoch, run->options->epoch, &list, err);
	target->list = list;
	if (r == 0)
		r = copy_apply(c->copy, target, err);
	if (r == 0 && list) {
		c->entry->counted = written_bytes(list, &c->entry->bytes);
		r = written_end(list, err);
	}
	return r;
}

static int copy_make(struct stage_run *run, const struct work *work, void *data, struct err *err)
{
	struct copying *c = data;
	struct stack_view users = STACK_VIEW_NONE;
	cleanup(before_done) struct before before = { 0 };
	cleanup_fd int root = FD_NONE;
	int r = c->copy ? 0 : open_copy(run, c, err);

	open_before(run, c, &before);
	/* Names are those of the image as it is below: --link writes onto nothing, and a difference
	 * onto what may hold others already. */
	if (r == 0 && c->names && (c->in->copy.link || can_differ(run, c, &before)))
		r = stack_view(run->depot, run->options->store, &run->stack, &users, err);
	if (r == 0)
		r = try_difference(run, c, work, &before, users.fd, err);
	if (r == 0)
		r = work_mount(work, &root, err);
	if (r == 0 && root >= 0) {
		struct copy_target target = {
			.root = root,
			.users = users.fd >= 0 ? users.fd : root,
			.before = before.list,
		};

		r = copy_onto(run, c, work, &target, err);
	}
	stack_view_done(&users);
	return r < 0 ? r : 0;
}

/* What is not in the files: where they go and what becomes of them. */
static void add_flags(struct cache_entry *e, const struct instruction *in, const char *workdir)
{
	cleanup_json json_t *args = json_from_strv(&in->args);
	cleanup_json json_t *exclude = json_from_strv(&in->copy.exclude);
	cleanup_free char *text = json_text(args), *excluded = json_text(exclude);
	cleanup_free char *flags =
		xasprintf("%s chown=%s chmod=%s link=%d parents=%d unpack=%d%d git=%d exclude=%s",
			  instruction_name(in->kind), in->copy.chown ? in->copy.chown : "",
			  in->copy.chmod ? in->copy.chmod : "", in->copy.link, in->copy.parents,
			  in->copy.has_unpack, in->copy.unpack, in->copy.keep_git_dir, excluded);

	cache_input(e, "the sources and the destination", text);
	cache_input(e, "the flags", flags);
	cache_input(e, "the working directory", workdir);
}

/* --- the digest --- */

/* What the digest of another stage's files follows from: its layers as they are (a key says only
 * how they were made) and which of the files. */
static bool memo_key(const struct copying *c, struct cache_entry *memo)
{
	const struct instruction *in = c->in;
	cleanup_json json_t *layers = stack_to_json(&c->from), *args = json_from_strv(&in->args);
	cleanup_json json_t *exclude = json_from_strv(&in->copy.exclude);
	cleanup_free char *below = json_text(layers), *sources = json_text(args);
	cleanup_free char *excluded = json_text(exclude);

	if (!c->staged)
		return false;
	for (size_t i = 0; i < in->args.n; i++)
		if (instruction_heredoc(in, in->args.v[i]))
			return false;
	cache_input(memo, "the kind", "digest");
	cache_input(memo, "the layers", below);
	cache_input(memo, "the sources", sources);
	cache_input(memo, "what is left out", excluded);
	cache_input(memo, "parents", in->copy.parents ? "yes" : "no");
	cache_key(memo);
	return true;
}

/* The files of a stage are hashed once, not at each build: there may be a whole system in it. */
static int files_digest(struct stage_run *run, struct copying *c, char hex[SHA256_HEX],
			struct err *err)
{
	cleanup_cache_entry struct cache_entry memo = { .empty = true }, found = { 0 };
	cleanup_err struct err ignored = ERR_INIT; /* they are hashed again, then */
	bool may = memo_key(c, &memo);
	int r;

	if (may && cache_load(run->depot, run->options->store, memo.key, &found, &ignored) == 0 &&
	    found.result && strlen(found.result) == SHA256_HEX - 1) {
		memcpy(hex, found.result, SHA256_HEX);
		return 0;
	}
	r = open_copy(run, c, err);
	if (r == 0)
		r = copy_digest(c->copy, hex, err);
	if (r < 0 || !may)
		return r;
	memo.step = xasprintf("the digest of the files for %s", c->in->original);
	memo.result = xstrdup(hex);
	memo.created = now_wall();
	(void)cache_save(run->depot, &memo, &ignored);
	return 0;
}

int stage_copy_step(struct stage_run *run, const struct instruction *in, struct err *err)
{
	cleanup_cache_entry struct cache_entry entry = { 0 };
	cleanup(copying_done) struct copying c = {
		.view = STACK_VIEW_NONE,
		.scratch_fd = FD_NONE,
		.dir_fd = FD_NONE,
	};
	struct stage_step step = {
		.what = in->original,
		.entry = &entry,
		.alone = in->copy.link,
		.make = copy_make,
		.data = &c,
	};
	char hex[SHA256_HEX];
	int r;

	c.in = in;
	c.workdir = path_join("/", product_text(&run->product, "WorkingDir", "/"));
	cleanup_free char *lineage = stage_lineage(run, in->original, c.workdir);
	c.entry = &entry;
	c.lineage = step.lineage = lineage;
	c.names = !str_empty(in->copy.chown);
	r = find_source(run, in, &c, err);
	if (r == 0)
		r = files_digest(run, &c, hex, err);
	if (r < 0)
		return r;
	cache_input_digest(&entry, "the files", hex);
	add_flags(&entry, in, c.workdir);
	return stage_step(run, &step, err);
}

/* --- files of a mount --- */

/* `COPY <source> /`, which nobody wrote. */
static int open_plain(struct stage_run *run, const struct tree *tree, const char *source,
		      struct instruction *in, struct copying *c, struct err *err)
{
	*in = (struct instruction){ .kind = INSTRUCTION_COPY };
	strv_add(&in->args, str_empty(source) ? "." : source);
	strv_add(&in->args, "/");
	c->tree = *tree;
	c->workdir = xstrdup("/");
	c->in = in;
	return open_copy(run, c, err);
}

int stage_copy_tree(struct stage_run *run, const struct tree *tree, const char *source, int to,
		    struct err *err)
{
	cleanup(copying_done) struct copying c = {
		.view = STACK_VIEW_NONE,
		.scratch_fd = FD_NONE,
		.dir_fd = FD_NONE,
	};
	struct instruction in;
	int r = open_plain(run, tree, source, &in, &c, err);

	if (r == 0) {
		struct copy_target target = { .root = to, .own = to, .users = to };

		r = copy_apply(c.copy, &target, err);
	}
	strv_done(&in.args);
	return r;
}

static int gather(struct stage_run *run, struct copying *c, struct cache_entry *e, struct err *err)
{
	cleanup_stack_dirs struct stack_dirs nothing = { 0 };
	cleanup_work struct work work = { 0 };
	cleanup_fd int root = FD_NONE;
	int lock = FD_NONE;
	int r = depot_step_lock(run->depot, e->key, &lock, err);

	if (r == 0)
		r = work_begin(run->depot, &nothing, &work, err);
	if (r == 0)
		r = work_mount(&work, &root, err);
	if (r == 0) {
		struct copy_target target = { .root = root, .users = root };

		r = copy_onto(run, c, &work, &target, err);
	}
	root = fd_close(root);
	if (r == 0)
		r = work_finish(run->depot, &work, 0, e, err);
	e->created = now_wall();
	if (r == 0)
		r = cache_save(run->depot, e, err);
	depot_step_done(run->depot, e->key, lock);
	return r;
}

int stage_gather(struct stage_run *run, const struct tree *tree, const char *source,
		 struct stack *ret, char hex[SHA256_HEX], bool *ret_file, struct err *err)
{
	cleanup_cache_entry struct cache_entry e = { 0 }, found = { 0 };
	cleanup(copying_done) struct copying c = {
		.view = STACK_VIEW_NONE,
		.scratch_fd = FD_NONE,
		.dir_fd = FD_NONE,
	};
	struct instruction in;
	struct stat st;
	int r = open_plain(run, tree, source, &in, &c, err);

	*ret_file = false;
	if (r == 0 && !str_empty(source)) {
		cleanup_fd int fd = fs_open_in_root(tree->fd, source, O_PATH, 0, err);

		r = fd < 0 ? fd : 0;
		*ret_file = fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode);
	}
	if (r == 0)
		r = copy_digest(c.copy, hex, err);
	if (r == 0) {
		e.step = xstrdup("files for RUN --mount=type=bind");
		cache_input_digest(&e, "the files", hex);
		cache_input(&e, "the kind", "mount");
		cache_key(&e);
		if (cache_load(run->depot, run->options->store, e.key, &found, err) == 0)
			stack_add_entry(ret, &found);
		else if ((r = gather(run, &c, &e, err)) == 0)
			stack_add_entry(ret, &e);
	}
	strv_done(&in.args);
	return r;
}

/* --- WORKDIR --- */

static int workdir_make(struct stage_run *run, const struct work *work, void *data, struct err *err)
{
	const char *path = data;
	struct owner owner = { 0 };
	cleanup_fd int root = FD_NONE;
	int r = work_mount(work, &root, err);

	if (r == 0)
		r = owner_find(root, product_text(&run->product, "User", "0"), &owner, err);
	return r < 0 ? r : owner_make_dirs(root, path, &owner, err);
}

int stage_workdir_step(struct stage_run *run, const struct instruction *in, struct err *err)
{
	cleanup_cache_entry struct cache_entry entry = { 0 };
	cleanup_free char *path = xstrdup(product_text(&run->product, "WorkingDir", "/"));
	struct stage_step step = {
		.what = in->original,
		.entry = &entry,
		.make = workdir_make,
		.data = path,
	};

	cache_input(&entry, "the working directory", path);
	cache_input(&entry, "the user", product_text(&run->product, "User", "0"));
	return stage_step(run, &step, err);
}
