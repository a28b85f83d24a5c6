#include "cli/build-arguments.h"

#include "base/fs.h"
#include "base/parse.h"
#include "build/fetch.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { SECRET_MAX = 500 << 10 }; /* as BuildKit */

int build_argument_arg(struct build_options *b, const char *text, struct err *err)
{
	if (*text == '=' || !*text)
		return err_usage(err, "invalid build argument '%s'", text);
	if (strchr(text, '=')) {
		env_put(&b->args, text);
	} else if (getenv(text)) {
		env_set(&b->args, text, getenv(text));
	}
	return 0;
}

int build_secret_add(struct build_options *b, const char *id, const char *file, const char *env,
		     struct err *err)
{
	struct build_secret secret = { 0 };
	cleanup_str struct str text = STR_INIT;

	if (str_empty(id))
		return err_usage(err, "a secret needs an id");
	if (env) {
		if (!getenv(env))
			return err_not_found(err, "secret '%s': the variable %s is not set", id,
					     env);
		str_add(&text, getenv(env));
	} else {
		int r = fs_read(AT_FDCWD, file ? file : id, SECRET_MAX, &text, err);

		if (r < 0)
			return err_wrap(err, "secret '%s'", id);
	}
	secret.id = xstrdup(id);
	secret.len = text.len;
	secret.data = str_take(&text);
	vec_push(&b->secrets, secret);
	return 0;
}

/* "id=ID[,src=FILE|,env=NAME][,type=file|env]"; as with Docker an id alone is the variable of that
 * name, or else the file. */
int build_argument_secret(struct build_options *b, const char *text, struct err *err)
{
	cleanup_strv struct strv parts = strv_split(text, ',');
	const char *id = NULL, *file = NULL, *env = NULL, *type = NULL;

	for (size_t i = 0; i < parts.n; i++) {
		const char *value;

		if ((value = str_after(parts.v[i], "id=")))
			id = value;
		else if ((value = str_after(parts.v[i], "src=")) ||
			 (value = str_after(parts.v[i], "source=")))
			file = value;
		else if ((value = str_after(parts.v[i], "env=")))
			env = value;
		else if ((value = str_after(parts.v[i], "type=")))
			type = value;
		else
			return err_usage(err, "invalid secret '%s': '%s' is not known", text,
					 parts.v[i]);
	}
	if (type && !str_eq(type, "file") && !str_eq(type, "env"))
		return err_usage(err, "invalid secret '%s': type is file or env", text);
	if (str_eq(type, "env") && !env) {
		env = file ? file : id;
		file = NULL;
	}
	if (!file && !env && id && getenv(id))
		env = id;
	return build_secret_add(b, id, file, env, err);
}

/* "default", "ID=SOCKET", "ID=KEY[,KEY]" */
int build_argument_ssh(struct build_options *b, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=");
	const char *value = text[len] ? text + len + 1 : getenv("SSH_AUTH_SOCK");
	cleanup_strv struct strv paths = strv_split(value ? value : "", ',');
	struct build_ssh ssh = { 0 };

	if (!len)
		return err_usage(err, "invalid ssh '%s'", text);
	if (str_empty(value))
		return err_usage(err, "ssh '%s': there is no agent (SSH_AUTH_SOCK is not set)",
				 text);
	for (size_t i = 0; i < paths.n; i++) {
		struct stat st;

		if (stat(paths.v[i], &st) < 0) {
			strv_done(&ssh.keys);
			return err_sys(err, errno, "ssh '%s': '%s'", text, paths.v[i]);
		}
		if (!S_ISSOCK(st.st_mode))
			strv_add(&ssh.keys, paths.v[i]);
		else if (paths.n == 1)
			ssh.socket = xstrdup(paths.v[i]);
	}
	if (ssh.keys.n != paths.n && !ssh.socket) {
		strv_done(&ssh.keys);
		return err_usage(err, "invalid ssh '%s': one agent's socket, or files of keys",
				 text);
	}
	ssh.id = xstrndup(text, len);
	vec_push(&b->ssh, ssh);
	return 0;
}

static bool is_fetched(const char *value)
{
	struct stat st;

	return build_context_is_remote(value) || (stat(value, &st) == 0 && S_ISREG(st.st_mode));
}

int build_argument_context(struct build_options *b, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=");
	const char *value = text + len + 1, *image;
	struct build_context c = { 0 };

	if (!len || !text[len] || !*value)
		return err_usage(err, "'%s' is not NAME=CONTEXT", text);
	image = str_after(value, "docker-image://");
	if (strstr(value, "://") && !image && !str_starts(value, "oci-layout://") &&
	    !fetch_is_url(value)) {
		cleanup_git_ref struct git_ref ref = { 0 };
		int r = git_ref_parse(value, true, &ref, err);

		if (r <= 0)
			return r < 0 ? r
				     : err_unsupported(err,
						       "context '%s': only directories, archives, "
						       "git repositories, http addresses, "
						       "docker-image:// and oci-layout:// are "
						       "supported",
						       text);
	}
	if (image)
		c.image = xstrdup(image);
	else if (is_fetched(value))
		c.address = xstrdup(value);
	else if (!(c.dir = realpath(value, NULL)))
		return err_sys(err, errno, "context '%s'", text);
	c.name = xstrndup(text, len);
	vec_push(&b->contexts, c);
	return 0;
}

struct cache_words {
	const char *type, *ref, *dir, *tag;
	bool max, ignore_error;
};

static int read_cache(const char *text, const struct strv *parts, bool to, struct cache_words *w,
		      struct err *err)
{
	for (size_t i = 0; i < parts->n; i++) {
		const char *part = parts->v[i], *value;

		if ((value = str_after(part, "type=")))
			w->type = value;
		else if ((value = str_after(part, "ref=")))
			w->ref = value;
		else if ((value = str_after(part, to ? "dest=" : "src=")))
			w->dir = value;
		else if ((value = str_after(part, "tag=")) || (value = str_after(part, "digest=")))
			w->tag = value;
		else if ((value = str_after(part, "mode="))) {
			w->max = str_eq(value, "max");
			if (!w->max && !str_eq(value, "min"))
				return err_usage(err, "'%s': mode is min or max", text);
		} else if ((value = str_after(part, "ignore-error="))) {
			if (parse_bool(value, &w->ignore_error) < 0)
				return err_usage(err, "'%s': ignore-error is true or false", text);
		} else if (!strchr(part, '=')) {
			return err_usage(err, "'%s' is not NAME or type=TYPE[,KEY=VALUE]", text);
		} /* how layers are compressed, which media types, ... : as they are */
	}
	return 0;
}

int build_argument_cache(struct build_options *b, const char *text, bool to, const char *base,
			 bool *ret_ignored, struct err *err)
{
	cleanup_strv struct strv parts = strv_split(text, ',');
	cleanup_free char *cwd = base ? NULL : fs_cwd();
	struct cache_words w = { 0 };
	struct build_cache_place place = { 0 };
	int r = 0;

	*ret_ignored = false;
	if (strchr(text, '='))
		r = read_cache(text, &parts, to, &w, err);
	else
		w = (struct cache_words){ .type = "registry", .ref = text };
	if (r < 0)
		return r;
	if (str_eq(w.type, "registry")) {
		cleanup_image_ref struct image_ref ref = { 0 };

		if (!w.ref)
			return err_usage(err, "'%s': ref=NAME is missing", text);
		r = image_ref_parse(w.ref, &ref, err);
		if (r < 0)
			return r;
		place.where = xstrdup(w.ref);
	} else if (str_eq(w.type, "local")) {
		if (!w.dir)
			return err_usage(err, "'%s': %s=DIR is missing", text, to ? "dest" : "src");
		place.kind = BUILD_CACHE_LOCAL;
		place.where = path_join(base ? base : cwd ? cwd : "/", w.dir);
	} else if (str_eq(w.type, "inline") && to) {
		place.kind = BUILD_CACHE_INLINE;
	} else {
		*ret_ignored = true;
		return 0;
	}
	place.tag = w.tag ? xstrdup(w.tag) : NULL;
	place.max = w.max;
	place.ignore_error = w.ignore_error;
	if (to)
		vec_push(&b->cache_to, place);
	else
		vec_push(&b->cache_from, place);
	return 0;
}

int build_argument_platform(struct build_options *b, const char *text, struct err *err)
{
	cleanup_strv struct strv parts = strv_split(text, ',');
	int r = 0;

	for (size_t i = 0; r == 0 && i < parts.n; i++) {
		cleanup_free char *platform = NULL;

		r = image_platform(parts.v[i], &platform, err);
		if (r == 0 && !strv_has(&b->platforms, platform))
			strv_add(&b->platforms, platform);
	}
	return r;
}

int build_argument_annotation(struct build_options *b, const char *text, struct err *err)
{
	if (*text == '=' || !strchr(text, '='))
		return err_usage(err, "invalid annotation '%s', expected NAME=VALUE", text);
	strv_add(&b->annotations, text);
	return 0;
}

int build_argument_attest(const char *option, const char *value, struct err *err)
{
	bool on = true;
	const char *disabled = strstr(value, "disabled=");

	/* "mode=min" is what BuildKit adds to a build that does not ask: it does not fail one here.
	 * What is asked for on purpose does. */
	if (!*value || strstr(value, "mode=min") || (parse_bool(value, &on) == 0 && !on) ||
	    (disabled && parse_bool(disabled + strlen("disabled="), &on) == 0 && on))
		return 0;
	return err_unsupported(err,
			       "%s: attestations are not supported; leave it out, or say %s=false",
			       option, option);
}

int build_argument_host(struct build_options *b, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=:");

	if (!len || !text[len] || !text[len + 1])
		return err_usage(err, "'%s' is not HOST:IP", text);
	strv_addf(&b->extra_hosts, "%.*s=%s", (int)len, text, text + len + 1);
	return 0;
}

int build_argument_allow(struct build_options *b, const char *text, struct err *err)
{
	if (str_eq(text, "network.host"))
		b->allow_host_network = true;
	else if (str_eq(text, "security.insecure"))
		b->allow_insecure = true;
	else
		return err_unsupported(err, "entitlement '%s' is not supported", text);
	return 0;
}

static int parse_limit(const char *text, uint64_t *ret)
{
	if (str_eq(text, "-1")) {
		*ret = RLIM_INFINITY;
		return 0;
	}
	return parse_u64(text, 0, INT64_MAX, ret);
}

/* "nofile=1024:2048" */
int build_argument_ulimit(struct build_options *b, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=");
	cleanup_free char *name = xstrndup(text, len), *soft = NULL;
	const char *value = text[len] ? text + len + 1 : "";
	struct spec_rlimit limit = { .resource = spec_rlimit_resource(name) };

	if (limit.resource < 0)
		return err_usage(err, "ulimit '%s' is not known", name);
	soft = xstrndup(value, strcspn(value, ":"));
	if (parse_limit(soft, &limit.soft) < 0 ||
	    parse_limit(strchr(value, ':') ? strchr(value, ':') + 1 : soft, &limit.hard) < 0 ||
	    limit.soft > limit.hard)
		return err_usage(err, "ulimit '%s' is not NAME=SOFT[:HARD]", text);
	vec_push(&b->rlimits, limit);
	return 0;
}

int build_argument_size(const char *text, const char *what, int64_t *ret, struct err *err)
{
	uint64_t bytes;

	if (str_empty(text))
		return 0;
	if (parse_size(text, &bytes) < 0 || bytes > INT64_MAX)
		return err_usage(err, "%s: '%s' is not a size", what, text);
	*ret = (int64_t)bytes;
	return 0;
}

int build_argument_epoch(struct build_options *b, struct err *err)
{
	const char *text = env_get(&b->args, "SOURCE_DATE_EPOCH");

	if (!text)
		text = getenv("SOURCE_DATE_EPOCH");
	if (str_empty(text))
		return 0;
	if (parse_i64(text, 0, INT64_MAX / NSEC_PER_SEC, &b->epoch) < 0)
		return err_usage(err, "SOURCE_DATE_EPOCH '%s' is not seconds since 1970", text);
	b->has_epoch = true;
	return 0;
}

bool build_context_is_remote(const char *context)
{
	return strstr(context, "://") || str_starts(context, "git@") ||
	       str_starts(context, "github.com/");
}

int build_arguments_check(const struct build_options *b, struct err *err)
{
	if (!str_empty(b->network) && !str_eq(b->network, "default") &&
	    !str_eq(b->network, "none") && !str_eq(b->network, "host"))
		return err_unsupported(err,
				       "network mode \"%s\" not supported by the builder; use "
				       "default, none or host",
				       b->network);
	if (b->context && build_context_is_remote(b->context)) {
		cleanup_git_ref struct git_ref ref = { 0 };
		int r = git_ref_parse(b->context, true, &ref, err);

		if (r < 0)
			return r;
		if (r == 0 && !fetch_is_url(b->context))
			return err_unsupported(err,
					       "the context '%s' is neither a directory nor an "
					       "archive, a git repository or an http address",
					       b->context);
	}
	return 0;
}

int build_failed(struct cli *cli, const char *service, struct err *err)
{
	if (err->no == EBADMSG && cli->told)
		return -err->no;
	if (err->kind == ERR_CANCELLED)
		return -err->no;
	return service ? err_wrap(err, "target %s: failed to solve", service)
		       : err_wrap(err, "failed to solve");
}
