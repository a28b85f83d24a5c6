#include "build/mounts.h"
#include "build/relay.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/parse.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
	PRIVATE_MAX = 1000,
	SECRET_MODE = 0400,
	SSH_MODE = 0600,
	CACHE_MODE = 0755,
	RECORD_MAX = 1 << 20
};

static void material_free(struct material *m)
{
	if (!m)
		return;
	stack_dirs_done(&m->dirs);
	stack_done(&m->stack);
	free(m->subpath);
	free(m);
}

void mounts_done(struct mounts *m)
{
	vec_each(r, &m->read)
		run_mount_done(r);
	vec_done(&m->read);
	vec_each(s, &m->made)
		spec_mount_done(s);
	vec_done(&m->made);
	vec_each(fd, &m->locks)
		fd_close(*fd);
	vec_done(&m->locks);
	vec_each(f, &m->scripts) {
		free(f->target);
		free(f->data);
	}
	vec_done(&m->scripts);
	vec_done(&m->helpers);
	vec_each(material, &m->materials)
		material_free(*material);
	vec_done(&m->materials);
	strv_done(&m->temp);
	strv_done(&m->caches);
	strv_done(&m->env);
}

static char *absolute(const struct stage_run *stage, const char *path)
{
	cleanup_free char *cwd = path_join("/", product_text(&stage->product, "WorkingDir", "/"));

	return path_join(cwd, path);
}

/* --- reading --- */

/* The id that a mount goes by where it names none: its target, or a secret's last part of it. */
static const char *id_of(const struct run_mount *m)
{
	if (m->id)
		return m->id;
	if (m->kind == MOUNT_SSH)
		return "default";
	if (m->kind == MOUNT_SECRET)
		return m->target ? path_base(m->target) : "";
	return m->target ? m->target : "";
}

static int bind_from_stack(struct stage_run *stage, const struct run_mount *mount, const char *name,
			   const char *key, struct cache_entry *entry, struct material *ret,
			   struct err *err)
{
	cleanup_free char *text = xasprintf("%s %s", key, mount->source ? mount->source : "");
	cleanup_free char *input = xasprintf("the files of %s", name);

	cache_input(entry, input, text);
	if (!str_empty(mount->source))
		ret->subpath = path_join("/", mount->source);
	return stack_open(stage->depot, stage->options->store, &ret->stack, &ret->dirs, err);
}

/* The context, or a directory, is not mounted itself: what .dockerignore leaves out is not to be
 * seen, and owners are root's. Its files are copied once and kept like any step's. */
static int bind_from_dir(struct stage_run *stage, const struct run_mount *mount, const char *name,
			 const struct tree *tree, struct cache_entry *entry, struct material *ret,
			 struct err *err)
{
	cleanup_free char *input = xasprintf("the files of %s", name);
	char hex[SHA256_HEX];
	bool file;
	int r = stage_gather(stage, tree, mount->source, &ret->stack, hex, &file, err);

	if (r < 0)
		return r;
	cache_input_digest(entry, input, hex);
	if (file)
		ret->subpath = xstrdup(path_base(mount->source));
	return stack_open(stage->depot, stage->options->store, &ret->stack, &ret->dirs, err);
}

static int material_find(struct stage_run *stage, const struct run_mount *mount, const char *name,
			 struct cache_entry *entry, struct material **ret, struct err *err)
{
	struct material *m = new0(struct material);
	struct tree tree = { .fd = FD_NONE, .name = "the build context" };
	cleanup_fd int fd = FD_NONE;
	char key[SHA256_HEX];
	const char *dir = NULL;
	int r = 0;

	*ret = m;
	if (!mount->target)
		return err_input(err, "a bind mount needs a target");
	if (mount->from)
		r = stage_source(stage, mount->from, &m->stack, key, &dir, err);
	if (r < 0)
		return r;
	if (mount->from && !dir)
		return bind_from_stack(stage, mount, name, key, entry, m, err);
	if (dir) {
		fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
		if (fd < 0)
			return fd;
		tree = (struct tree){ .fd = fd, .name = mount->from };
	} else if (stage->context) {
		tree = *stage->context;
	}
	return bind_from_dir(stage, mount, name, &tree, entry, m, err);
}

int mounts_parse(struct mounts *m, struct stage_run *stage, const struct instruction *in,
		 struct cache_entry *entry, struct err *err)
{
	struct expand x = scope_expand(&stage->scope);

	for (size_t i = 0; i < in->mounts.n; i++) {
		struct run_mount mount = { 0 };
		cleanup_free char *name = NULL;
		int r = run_mount_parse(in->mounts.v[i], &x, &mount, err);

		if (r < 0)
			return err_wrap(err, "--mount=%s", in->mounts.v[i]);
		vec_push(&m->read, mount);
		name = xasprintf("the mount %s", in->mounts.v[i]);
		cache_input(entry, name, in->mounts.v[i]);
		struct material *material = NULL;

		if (mount.kind == MOUNT_BIND)
			r = material_find(stage, &m->read.v[m->read.n - 1], name, entry, &material,
					  err);
		vec_push(&m->materials, material);
		if (r < 0)
			return err_wrap(err, "--mount=%s", in->mounts.v[i]);
	}
	return 0;
}

void mounts_add_script(struct mounts *m, const char *name, const char *text)
{
	vec_push(&m->scripts, (struct spec_file){
				      .target = xasprintf("/dev/pipes/%s", name),
				      .data = xstrdup(text),
				      .len = strlen(text),
				      .mode = 0755,
			      });
}

/* --- making --- */

static int make_tmpfs(struct mounts *m, struct stage_run *stage, const struct run_mount *mount,
		      struct err *err)
{
	if (!mount->target)
		return err_input(err, "a tmpfs mount needs a target");
	vec_push(&m->made, (struct spec_mount){
				   .type = SPEC_MOUNT_TMPFS,
				   .target = absolute(stage, mount->target),
				   .size = mount->size_bytes,
				   .nosuid = true,
				   .nodev = true,
				   .noexec = true,
			   });
	return 0;
}

static const struct build_secret *find_secret(const struct stage_run *stage, const char *id)
{
	vec_each(s, &stage->options->secrets)
		if (str_eq(s->id, id))
			return s;
	return NULL;
}

static int make_secret(struct mounts *m, struct stage_run *stage, const struct run_mount *mount,
		       struct err *err)
{
	const char *id = id_of(mount);
	const struct build_secret *secret = find_secret(stage, id);
	struct spec_mount *files;

	if (!secret && mount->required)
		return err_not_found(
			err, "secret %s: not found; give it with --secret id=%s,src=FILE", id, id);
	if (!secret)
		return 0;
	if (mount->env)
		strv_addf(&m->env, "%s=%.*s", mount->env, (int)secret->len, secret->data);
	if (mount->env && !mount->target)
		return 0;
	files = vec_add(&m->made);
	files->type = SPEC_MOUNT_FILES;
	vec_push(&files->files, (struct spec_file){
					.target = mount->target ? absolute(stage, mount->target)
								: xasprintf("/run/secrets/%s", id),
					.data = xmemdup(secret->data, secret->len),
					.len = secret->len,
					.uid = mount->uid,
					.gid = mount->gid,
					.mode = mount->has_mode ? mount->mode : SECRET_MODE,
				});
	return 0;
}

/* --- bind mounts --- */

/* Read-write ones, too, write only into a directory that is thrown away. */
static int make_bind(struct mounts *m, struct stage_run *stage, const struct run_mount *mount,
		     const struct material *material, struct err *err)
{
	struct spec_mount made = {
		.type = SPEC_MOUNT_OVERLAY,
		.target = absolute(stage, mount->target),
		.subpath = xstrdup(material->subpath),
		.readonly = mount->read_only,
		.nosuid = true,
		.nodev = true,
	};
	int r = depot_temp(stage->depot, &made.source, err);

	strv_copy(&made.layers, &material->dirs.paths);
	if (r == 0)
		strv_add(&m->temp, made.source);
	if (r == 0 && !made.layers.n) {
		cleanup_free char *none = path_join(made.source, "none");

		if (mkdir(none, 0755) < 0)
			r = err_sys(err, errno, "make '%s'", none);
		strv_add(&made.layers, none);
	}
	vec_push(&m->made, made);
	return r;
}

/* --- an SSH agent --- */

static int make_ssh(struct mounts *m, struct stage_run *stage, const struct run_mount *mount,
		    struct err *err)
{
	const char *id = id_of(mount), *agent = NULL;
	cleanup_free char *dir = NULL;
	char *target;
	pid_t pid;
	int r;

	vec_each(ssh, &stage->options->ssh)
		if (str_eq(ssh->id, id))
			agent = ssh->socket;
	if (!agent && mount->required)
		return err_not_found(err, "ssh agent '%s': not given; use --ssh %s", id, id);
	if (!agent)
		return 0;
	r = depot_temp(stage->depot, &dir, err);
	if (r < 0)
		return r;
	strv_add(&m->temp, dir);
	r = relay_start(dir, agent, mount->uid, mount->gid,
			mount->has_mode ? mount->mode : SSH_MODE, &pid, err);
	if (r < 0)
		return r;
	vec_push(&m->helpers, pid);
	target = mount->target ? absolute(stage, mount->target)
			       : xasprintf("/run/buildkit/ssh_agent.%zu", m->helpers.n - 1);
	env_set(&m->env, "SSH_AUTH_SOCK", target);
	vec_push(&m->made, (struct spec_mount){
				   .type = SPEC_MOUNT_BIND,
				   .source = xasprintf("%s/" RELAY_SOCKET, dir),
				   .target = target,
				   .nosuid = true,
				   .nodev = true,
			   });
	return 0;
}

/* --- cache mounts --- */

/* Opens mounts/<name>/lock; -EWOULDBLOCK without waiting when somebody has it. */
static int lock_cache(struct stage_run *stage, const char *name, bool wait, int *ret_fd,
		      struct err *err)
{
	cleanup_free char *path = xasprintf("%s/lock", name);
	cleanup_fd int fd = fs_open(stage->depot->mounts, path, O_RDWR | O_CREAT, 0600, err);

	if (fd < 0)
		return fd;
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
		if (errno == EWOULDBLOCK)
			return -EWOULDBLOCK;
		if (errno != EINTR)
			return err_sys(err, errno, "lock the cache mount");
	}
	*ret_fd = fd_take(fd);
	return 0;
}

/* What was there before anything was cached. */
static int fill_cache(struct stage_run *stage, const char *data, const struct run_mount *mount,
		      struct err *err)
{
	cleanup_fd int to = fs_open(stage->depot->mounts, data, O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_stack struct stack stack = { 0 };
	struct stack_view view = STACK_VIEW_NONE;
	struct tree tree = { .name = mount->from, .keep_owner = true };
	cleanup_fd int fd = FD_NONE;
	char key[SHA256_HEX];
	const char *dir = NULL;
	int r = to < 0 ? to : stage_source(stage, mount->from, &stack, key, &dir, err);

	if (r == 0 && dir) {
		fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
		r = fd < 0 ? fd : 0;
	} else if (r == 0) {
		r = stack_view(stage->depot, stage->options->store, &stack, &view, err);
	}
	tree.fd = dir ? fd : view.fd;
	if (r == 0)
		r = stage_copy_tree(stage, &tree, mount->source, to, err);
	stack_view_done(&view);
	return r;
}

static int make_cache_dir(struct stage_run *stage, const char *name, const struct run_mount *mount,
			  struct err *err)
{
	int mounts = stage->depot->mounts;
	cleanup_free char *data = xasprintf("%s/data", name), *record = NULL;
	cleanup_json json_t *j = json_object();
	struct stat st;

	if (mkdirat(mounts, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make a cache mount");
	if (fstatat(mounts, data, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (mkdirat(mounts, data, 0700) < 0 && errno != EEXIST)
			return err_sys(err, errno, "make a cache mount");
		if (fchownat(mounts, data, mount->uid, mount->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		    fchmodat(mounts, data, mount->has_mode ? mount->mode : CACHE_MODE, 0) < 0)
			return err_sys(err, errno, "make a cache mount");
		int r = mount->from ? fill_cache(stage, data, mount, err) : 0;
		if (r < 0) {
			cleanup_err struct err ignored = ERR_INIT;

			(void)fs_remove_tree(mounts, data, &ignored);
			return r;
		}
	}
	record = xasprintf("%s/mount.json", name);
	if (utimensat(mounts, record, NULL, 0) == 0)
		return 0;
	json_put_str(j, "id", id_of(mount));
	json_put(j, "created", json_integer(now_wall()));
	return json_write(mounts, record, j, 0600, 0, err);
}

/* shared: anybody may write at once. locked: one after the other. private: one of one's own when
 * another is using it. */
static int make_cache(struct mounts *m, struct stage_run *stage, const struct run_mount *mount,
		      struct err *err)
{
	char hex[SHA256_HEX];
	const char *id = id_of(mount);
	cleanup_free char *name = NULL;
	int lock = FD_NONE, r = 0;

	if (!mount->target)
		return err_input(err, "a cache mount needs a target");
	hash_hex(id, strlen(id), hex);
	for (int i = 0; i < PRIVATE_MAX; i++) {
		free(name);
		name = i ? xasprintf("%.32s-%d", hex, i) : xasprintf("%.32s", hex);
		r = make_cache_dir(stage, name, mount, err);
		if (r == 0 && mount->sharing != SHARING_SHARED)
			r = lock_cache(stage, name, mount->sharing == SHARING_LOCKED, &lock, err);
		if (r != -EWOULDBLOCK || err->no)
			break;
	}
	if (r < 0)
		return err->no ? r : err_conflict(err, "too many private caches of '%s'", id);
	vec_push(&m->locks, lock);
	if (!strv_has(&m->caches, name))
		strv_add(&m->caches, name);
	vec_push(&m->made,
		 (struct spec_mount){
			 .type = SPEC_MOUNT_BIND,
			 .source = xasprintf("%s/mounts/%s/data", stage->depot->root, name),
			 .target = absolute(stage, mount->target),
			 .readonly = mount->read_only,
			 .nosuid = true,
			 .nodev = true,
		 });
	return 0;
}

/* For listings and the collector; counted after the use. */
static void note_size(struct stage_run *stage, const char *name)
{
	cleanup_free char *record = xasprintf("%s/mount.json", name);
	cleanup_free char *data = xasprintf("%s/data", name);
	cleanup_json json_t *j = NULL;
	cleanup_err struct err ignored = ERR_INIT; /* then the old size stands there */
	cleanup_fd int fd =
		fs_open(stage->depot->mounts, data, O_RDONLY | O_DIRECTORY, 0, &ignored);
	uint64_t bytes = 0;

	if (fd < 0 || stack_measure(fd, &bytes, &ignored) < 0 ||
	    json_read(stage->depot->mounts, record, RECORD_MAX, &j, &ignored) < 0)
		return;
	json_put(j, "bytes", json_integer((json_int_t)bytes));
	(void)json_write(stage->depot->mounts, record, j, 0600, 0, &ignored);
}

int mounts_make(struct mounts *m, struct stage_run *stage, const struct work *work, struct err *err)
{
	static int (*const makers[MOUNT_KIND_MAX_])(struct mounts *, struct stage_run *,
						    const struct run_mount *, struct err *) = {
		[MOUNT_TMPFS] = make_tmpfs,
		[MOUNT_SECRET] = make_secret,
		[MOUNT_CACHE] = make_cache,
		[MOUNT_SSH] = make_ssh,
	};
	int r = 0;

	(void)work;
	for (size_t i = 0; r == 0 && i < m->read.n; i++) {
		const struct run_mount *mount = &m->read.v[i];

		r = mount->kind == MOUNT_BIND ? make_bind(m, stage, mount, m->materials.v[i], err)
					      : makers[mount->kind](m, stage, mount, err);
	}
	if (r == 0 && m->scripts.n) {
		struct spec_mount *files = vec_add(&m->made);

		files->type = SPEC_MOUNT_FILES;
		vec_each(f, &m->scripts)
			vec_push(&files->files, *f);
		vec_done(&m->scripts);
	}
	return r;
}

void mounts_release(struct mounts *m, struct stage_run *stage)
{
	vec_each(fd, &m->locks)
		fd_close(*fd);
	vec_done(&m->locks);
	vec_each(pid, &m->helpers)
		relay_stop(*pid);
	vec_done(&m->helpers);
	for (size_t i = 0; i < m->temp.n; i++)
		depot_temp_remove(m->temp.v[i]);
	strv_done(&m->temp);
	for (size_t i = 0; i < m->caches.n; i++)
		note_size(stage, m->caches.v[i]);
	strv_done(&m->caches);
}
