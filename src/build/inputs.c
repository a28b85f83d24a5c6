#include "build/inputs.h"

#include "base/fs.h"
#include "build/extract.h"
#include "build/fetch.h"
#include "build/relay.h"
#include "image/assemble.h"

#include <fcntl.h>
#include <sys/stat.h>

#define DIGESTS		  "files"
#define CONTEXT_BYTES_MAX ((uint64_t)64 << 30)

void inputs_done(struct inputs *in)
{
	fd_close(in->context.fd);
	ignore_free(in->ignore);
	digest_cache_free(in->digests);
	str_done(&in->text);
	vec_each(pid, &in->agents)
		relay_stop(*pid);
	vec_done(&in->agents);
	depot_temp_remove(in->fetched);
	free(in->fetched);
	vec_each(c, &in->options.contexts) {
		free(c->name);
		free(c->dir);
		free(c->image);
		free(c->address);
	}
	vec_done(&in->options.contexts);
	vec_each(s, &in->options.ssh) {
		free(s->id);
		free(s->socket);
	}
	vec_done(&in->options.ssh);
	*in = INPUTS_NONE;
}

void inputs_secrets(const struct build_options *options, struct strv *ret)
{
	vec_each(s, &options->secrets) {
		/* A file's last line has an end. */
		int len = (int)strcspn(s->data, "\r\n");

		strv_addf(ret, "%s=%.*s", s->id, len, s->data);
	}
}

/* --- fetching --- */

/* A directory of one's own below what is fetched. Owned path. */
static int place(struct inputs *in, const struct depot *depot, const char *name, char **ret,
		 struct err *err)
{
	cleanup_free char *path = NULL;
	int r = in->fetched ? 0 : depot_temp(depot, &in->fetched, err);

	if (r < 0)
		return r;
	path = path_join(in->fetched, name);
	if (mkdir(path, 0755) < 0)
		return err_sys(err, errno, "make '%s'", path);
	*ret = ptr_take(path);
	return 0;
}

static int fetch_git(struct inputs *in, const struct git_ref *ref, const char *dir, struct err *err)
{
	cleanup_strv struct strv secrets = { 0 };
	struct fetch_options options = {
		.ssh_socket = in->options.ssh.n ? in->options.ssh.v[0].socket : NULL,
		.secrets = &secrets,
	};
	const char *keep = env_get(&in->asked->args, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");
	cleanup_free char *commit = NULL;
	cleanup_fd int fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);

	inputs_secrets(in->asked, &secrets);
	return fd < 0 ? fd
		      : git_fetch(ref, fd, keep && (str_eq(keep, "1") || str_eq(keep, "true")),
				  NULL, &options, &commit, err);
}

static int unpack(int fd, const char *what, const char *dir, struct err *err)
{
	cleanup_fd int root = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	struct writer w = { .root = root };

	return root < 0 ? root : extract(&w, fd, what, "", err);
}

/* A pipe cannot be looked at first: it is written down. */
static int spool(int from, const char *dir, int *ret_fd, struct err *err)
{
	enum { CHUNK = 1 << 18 };
	cleanup_fd int to = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	cleanup_free char *buf = xmalloc(CHUNK);
	uint64_t size = 0;
	ssize_t n;

	if (to < 0)
		return err_sys(err, errno, "write down the build context");
	while ((n = read(from, buf, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the build context");
		size += (uint64_t)n;
		if (size > CONTEXT_BYTES_MAX)
			return err_input(err, "the build context is too large");
		int r = fs_write_all(to, buf, (size_t)n);
		if (r < 0)
			return err_sys(err, -r, "write down the build context");
	}
	if (lseek(to, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "read the build context");
	*ret_fd = fd_take(to);
	return 0;
}

static int download(struct inputs *in, const char *url, const char *dir, int *ret_fd,
		    struct err *err)
{
	cleanup_strv struct strv secrets = { 0 };
	struct fetch_options options = { .secrets = &secrets };
	cleanup_fd int at = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	int r;

	if (at < 0)
		return at;
	inputs_secrets(in->asked, &secrets);
	r = fetch_url(url, at, "download", NULL, &options, err);
	if (r < 0)
		return r;
	*ret_fd = fs_open(at, "download", O_RDONLY, 0, err);
	(void)unlinkat(at, "download", 0); /* it goes with its directory at the latest */
	return *ret_fd < 0 ? *ret_fd : 0;
}

/* What a context that is no directory is made to: the directory below `name` (owned; of a
 * repository `subdir`, owned, is the part that counts). A file that is no archive is a Dockerfile:
 * then its text is in in->text and there is no directory. 0: it is a directory already. */
static int fetch(struct inputs *in, const struct depot *depot, const char *context,
		 const char *name, char **ret_dir, char **ret_subdir, struct err *err)
{
	cleanup_git_ref struct git_ref ref = { 0 };
	cleanup_free char *dir = NULL;
	cleanup_fd int fd = FD_NONE;
	struct stat st;
	int r = git_ref_parse(context, true, &ref, err);
	bool url = r == 0 && fetch_is_url(context), git = r > 0;

	if (r < 0)
		return r;
	if (!git && !url && !str_eq(context, "-") &&
	    (stat(context, &st) < 0 || !S_ISREG(st.st_mode)))
		return 0;
	r = place(in, depot, name, &dir, err);
	if (r < 0)
		return r;
	if (git) {
		r = fetch_git(in, &ref, dir, err);
		*ret_subdir = ptr_take(ref.subdir);
		*ret_dir = ptr_take(dir);
		return r < 0 ? r : 1;
	}
	if (url)
		r = download(in, context, dir, &fd, err);
	else if (str_eq(context, "-"))
		r = spool(STDIN_FILENO, dir, &fd, err);
	else
		r = fd = fs_open(AT_FDCWD, context, O_RDONLY, 0, err);
	if (r < 0)
		return r;
	if (!extract_wanted(fd)) {
		r = fs_read_fd(fd, context, DOCKERFILE_BYTES_MAX, &in->text, err);
		return r < 0 ? r : 1;
	}
	r = unpack(fd, str_eq(context, "-") ? "standard input" : context, dir, err);
	*ret_dir = ptr_take(dir);
	return r < 0 ? r : 1;
}

/* --- named contexts --- */

/* "oci-layout://DIR[:TAG|@DIGEST]" */
static int load_layout(struct inputs *in, const char *address, char **ret_id, struct err *err)
{
	const char *at = strrchr(address, '@'), *slash = strrchr(address, '/');
	const char *colon = strrchr(slash ? slash : address, ':'), *which = at ? at : colon;
	cleanup_free char *dir =
		which ? xstrndup(address, (size_t)(which - address)) : xstrdup(address);
	cleanup_fd int fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	const struct strv *platforms = &in->asked->platforms;

	return fd < 0 ? fd
		      : image_load_layout(in->asked->store, fd, which ? which + 1 : NULL,
					  platforms->n ? platforms->v[0] : NULL, ret_id, err);
}

static int open_named(struct inputs *in, const struct depot *depot, const struct build_context *c,
		      size_t number, struct err *err)
{
	cleanup_free char *dir = NULL, *subdir = NULL, *image = NULL;
	cleanup_free char *name = xasprintf("named-%zu", number);
	const char *layout = c->address ? str_after(c->address, "oci-layout://") : NULL;
	int r = 0;

	if (layout)
		r = load_layout(in, layout, &image, err);
	else if (c->address)
		r = fetch(in, depot, c->address, name, &dir, &subdir, err);
	if (r == 0 && c->address && !layout)
		r = err_input(err, "'%s' is no directory, archive, repository or URL", c->address);
	if (r > 0 && !dir)
		r = err_input(err, "'%s' is no archive", c->address);
	if (r < 0)
		return err_wrap(err, "context '%s'", c->name);
	struct build_context *own = vec_add(&in->options.contexts);

	own->name = xstrdup(c->name);
	own->image = image ? ptr_take(image) : xstrdup(c->image);
	own->dir = !dir ? xstrdup(c->dir) : subdir ? path_join(dir, subdir) : ptr_take(dir);
	return 0;
}

/* --- keys --- */

static int open_ssh(struct inputs *in, const struct depot *depot, struct err *err)
{
	vec_each(s, &in->asked->ssh) {
		struct build_ssh *own = vec_add(&in->options.ssh);
		cleanup_free char *dir = NULL, *name = xasprintf("ssh-%zu", in->options.ssh.n);
		pid_t pid;
		int r;

		own->id = xstrdup(s->id);
		if (!s->keys.n) {
			own->socket = xstrdup(s->socket);
			continue;
		}
		r = place(in, depot, name, &dir, err);
		if (r < 0)
			return r;
		own->socket = path_join(dir, "agent");
		r = agent_start(own->socket, &s->keys, &pid, err);
		if (r < 0)
			return err_wrap(err, "ssh '%s'", s->id);
		vec_push(&in->agents, pid);
	}
	return 0;
}

/* --- the context --- */

/* The Dockerfile of what was fetched is opened beneath it: it is not a path of this machine. */
static int find_dockerfile(struct inputs *in, struct err *err)
{
	const char *path = in->options.dockerfile;

	if (!path || in->text.len)
		return 0;
	cleanup_fd int fd = fs_open_in_root(in->context.fd, path, O_RDONLY, 0, err);
	if (fd < 0)
		return err_wrap(err, "failed to read dockerfile");
	return fs_read_fd(fd, path, DOCKERFILE_BYTES_MAX, &in->text, err);
}

static int open_dir(struct inputs *in, const struct depot *depot, const char *dir,
		    const char *subdir, bool fetched, struct err *err)
{
	const struct build_options *o = &in->options;
	cleanup_free char *ignored_name = NULL;
	int r = 0;

	in->context.fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	if (in->context.fd >= 0 && subdir) {
		int sub = fs_open_in_root(in->context.fd, subdir, O_RDONLY | O_DIRECTORY, 0, err);

		fd_close(in->context.fd);
		in->context.fd = sub;
	}
	if (in->context.fd < 0)
		return in->context.fd;
	if (fetched)
		r = find_dockerfile(in, err);
	if (r < 0)
		return r;
	in->digests = digest_cache_open(depot->dir, DIGESTS);
	in->context.cache = in->digests;
	/* The path within the context, for `<Dockerfile>.dockerignore`. */
	const char *inside = fetched	     ? o->dockerfile
			     : o->dockerfile ? str_after(o->dockerfile, dir)
					     : NULL;
	if (inside && *inside == '/')
		inside++;
	else if (!fetched)
		inside = NULL;
	r = ignore_load(in->context.fd, inside, &in->ignore, &ignored_name, err);
	in->context.ignore = in->ignore;
	return r;
}

static int open_context(struct inputs *in, const struct depot *depot, struct err *err)
{
	const char *context = in->asked->context;
	cleanup_free char *dir = NULL, *subdir = NULL;
	int r;

	if (!context)
		return 0;
	r = fetch(in, depot, context, "context", &dir, &subdir, err);
	if (r < 0)
		return r;
	if (r > 0 && !dir) /* a Dockerfile, and nothing else */
		return 0;
	return open_dir(in, depot, dir ? dir : context, subdir, r > 0, err);
}

static int open_dockerfile(struct inputs *in, const struct depot *depot, struct err *err)
{
	const char *path = in->options.dockerfile;
	cleanup_free char *dir = NULL;
	cleanup_fd int fd = FD_NONE;
	int r;

	if (in->text.len)
		return 0;
	if (!path) {
		str_add(&in->text, in->options.dockerfile_text);
		return 0;
	}
	if (!fetch_is_url(path)) {
		r = fs_read(AT_FDCWD, path, DOCKERFILE_BYTES_MAX, &in->text, err);
		return r < 0 ? err_wrap(err, "failed to read dockerfile") : 0;
	}
	r = place(in, depot, "dockerfile", &dir, err);
	if (r == 0)
		r = download(in, path, dir, &fd, err);
	return r < 0 ? r : fs_read_fd(fd, path, DOCKERFILE_BYTES_MAX, &in->text, err);
}

int inputs_open(struct inputs *in, const struct depot *depot, const struct build_options *options,
		struct err *err)
{
	size_t number = 0;
	int r;

	in->asked = options;
	in->options = *options;
	in->context = (struct tree){ .fd = FD_NONE, .name = "the build context" };
	memset(&in->options.contexts, 0, sizeof(in->options.contexts));
	memset(&in->options.ssh, 0, sizeof(in->options.ssh));
	r = open_ssh(in, depot, err);
	if (r == 0)
		r = open_context(in, depot, err);
	if (r == 0)
		r = open_dockerfile(in, depot, err);
	vec_each(c, &options->contexts) {
		if (r < 0)
			break;
		r = open_named(in, depot, c, number++, err);
	}
	return r;
}
