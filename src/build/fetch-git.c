/* git repositories, by the program git. What it reads is a stranger's: no hooks, no configuration
 * but ours, only protocols that go over a network, no questions. */
#include "base/fs.h"
#include "base/parse.h"
#include "base/time.h"
#include "build/fetch.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SAID_MAX = 16 << 10 };

void git_ref_done(struct git_ref *ref)
{
	free(ref->remote);
	free(ref->ref);
	free(ref->subdir);
	free(ref->commit);
	*ref = (struct git_ref){ 0 };
}

/* user@host:path */
static bool is_scp(const char *text)
{
	static const char word[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t user = strspn(text, word);
	size_t host = text[user] == '@' ? strspn(text + user + 1, word) : 0;

	return user && *text != '-' && host && text[user + 1 + host] == ':';
}

static bool is_git(const char *remote, bool context)
{
	if (str_starts(remote, "git://") || str_starts(remote, "ssh://") || is_scp(remote))
		return true;
	if (context && str_starts(remote, "github.com/"))
		return true;
	return (str_starts(remote, "http://") || str_starts(remote, "https://")) &&
	       str_ends(remote, ".git");
}

static int check_ref(const char *ref, struct err *err)
{
	if (!*ref || *ref == '-' || strpbrk(ref, " \t\r\n~^:?*[\\"))
		return err_input(err, "'%s' is no branch, tag or commit", ref);
	return 0;
}

static int split_fragment(const char *fragment, struct git_ref *ref, struct err *err)
{
	const char *colon = strchr(fragment, ':');
	size_t len = colon ? (size_t)(colon - fragment) : strlen(fragment);

	if (len) {
		ref->ref = xstrndup(fragment, len);
		int r = check_ref(ref->ref, err);
		if (r < 0)
			return r;
	}
	if (!colon || !colon[1])
		return 0;
	cleanup_free char *rooted = xasprintf("/%s", colon + 1);
	cleanup_free char *clean = path_clean(rooted);
	if (clean[1])
		ref->subdir = xstrdup(clean + 1);
	return 0;
}

static int set_part(char **part, const char *value, const char *text, struct err *err)
{
	if (*part && !str_eq(*part, value))
		return err_input(err, "'%s' says two things", text);
	if (!*part)
		*part = xstrdup(value);
	return 0;
}

/* "?branch=main&subdir=docs", which says the same as "#main:docs". */
static int split_query(const char *query, const char *text, struct git_ref *ref, struct err *err)
{
	cleanup_strv struct strv parts = strv_split(query, '&');
	int r = 0;

	for (size_t i = 0; r == 0 && i < parts.n; i++) {
		const char *part = parts.v[i], *value;

		if ((value = str_after(part, "ref=")) || (value = str_after(part, "branch=")) ||
		    (value = str_after(part, "tag=")) || (value = str_after(part, "commit=")) ||
		    (value = str_after(part, "checksum="))) {
			r = check_ref(value, err);
			/* A branch is fetched; its commit is what it has to be at. */
			if (r == 0 && (str_starts(part, "ch") || str_starts(part, "co")) &&
			    (ref->ref || strstr(query, "branch=") || strstr(query, "tag=") ||
			     strstr(query, "ref=")))
				r = set_part(&ref->commit, value, text, err);
			else if (r == 0)
				r = set_part(&ref->ref, value, text, err);
		} else if ((value = str_after(part, "subdir="))) {
			cleanup_free char *rooted = xasprintf("/%s", value);
			cleanup_free char *clean = path_clean(rooted);

			if (clean[1])
				r = set_part(&ref->subdir, clean + 1, text, err);
		} else {
			return err_input(err,
					 "'%s': '%s' is not ref=, branch=, tag=, commit=, "
					 "checksum= or subdir=",
					 text, part);
		}
	}
	return r;
}

int git_ref_parse(const char *text, bool context, struct git_ref *ret, struct err *err)
{
	cleanup_git_ref struct git_ref ref = { 0 };
	size_t len = strcspn(text, "#"), query = strcspn(text, "?#");
	/* Only of an http address: elsewhere '?' is a letter like others. */
	bool asks = text[query] == '?' && str_starts(text, "http");
	cleanup_free char *remote = xstrndup(text, asks ? query : len);
	cleanup_free char *asked = asks ? xstrndup(text + query + 1, len - query - 1) : NULL;

	if (!is_git(remote, context))
		return 0;
	for (const char *c = remote; *c; c++)
		if (iscntrl((unsigned char)*c) || *c == ' ')
			return err_input(err, "'%s' is not an address of a git repository", remote);
	if (str_starts(remote, "github.com/"))
		ref.remote = xasprintf("https://%s", remote);
	else
		ref.remote = ptr_take(remote);
	int r = text[len] ? split_fragment(text + len + 1, &ref, err) : 0;
	if (r == 0 && asked)
		r = split_query(asked, text, &ref, err);
	if (r < 0)
		return r;
	*ret = ref;
	ref = (struct git_ref){ 0 };
	return 1;
}

/* --- running git --- */

struct git {
	int dir;
	struct strv env;
	struct strv config; /* "-c", "name=value" ... */
	int64_t deadline;   /* monotonic seconds */
};

static void in_child(const struct git *g, char *const *argv, int out)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
	    fchdir(g->dir) < 0)
		_exit(126);
	execvpe("git", argv, g->env.v);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Collects what it says until it ends. False: time is up. */
static bool listen_to(int fd, int64_t deadline, struct str *said)
{
	char buf[4096];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - now_mono() / NSEC_PER_SEC;
		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)(left > 1000 ? 1000 : left) * 1000) <= 0)
			continue;
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n == 0)
			return true;
		/* The end of a long story says what went wrong. */
		if (n > 0 && said->len + (size_t)n > SAID_MAX)
			str_clear(said);
		if (n > 0)
			str_addn(said, buf, (size_t)n);
	}
}

static const char *last_lines(struct str *said)
{
	while (said->len && isspace((unsigned char)said->data[said->len - 1]))
		said->data[--said->len] = 0;
	for (char *c = said->data; c && *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = ' ';
	return str_text(said);
}

/* Runs git with the arguments; said: what it writes. ERR_INPUT when it fails. */
static int run(struct git *g, const char *const *args, struct str *said, struct err *err)
{
	cleanup_strv struct strv argv = { 0 };
	int pipes[2], status;

	strv_add(&argv, "git");
	strv_copy(&argv, &g->config);
	for (; *args; args++)
		strv_add(&argv, *args);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_sys(err, errno, "run git");
	pid_t pid = fork();
	if (pid == 0)
		in_child(g, argv.v, pipes[1]);
	fd_close(pipes[1]);
	if (pid < 0) {
		fd_close(pipes[0]);
		return err_sys(err, errno, "run git");
	}
	setpgid(pid, pid);
	bool ended = listen_to(pipes[0], g->deadline, said);
	fd_close(pipes[0]);
	if (!ended)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!ended)
		return err_new(err, ERR_TIMEOUT, ETIMEDOUT, "git takes longer than %d seconds",
			       FETCH_SECONDS_MAX);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_unsupported(err, "a git repository needs the program 'git', and it is "
					    "not installed");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_new(err, ERR_NETWORK, EIO, "git: %s", last_lines(said));
	return 0;
}

#define GIT(g, said, err, ...) run((g), (const char *const[]){ __VA_ARGS__, NULL }, (said), (err))

/* "host[:port]" of an http address, without a user. Owned. */
static char *host_of(const char *remote)
{
	const char *start = strstr(remote, "://");
	const char *at;
	size_t len;

	start = start ? start + 3 : remote;
	len = strcspn(start, "/");
	at = memchr(start, '@', len);
	if (at) {
		len -= (size_t)(at + 1 - start);
		start = at + 1;
	}
	return xstrndup(start, len);
}

/* From the secrets GIT_AUTH_HEADER and GIT_AUTH_TOKEN, for any host or (".HOST" behind it) for one.
 * Owned, or NULL. */
static char *auth_header(const char *remote, const struct fetch_options *options)
{
	cleanup_free char *host = NULL, *header_key = NULL, *token_key = NULL, *pair = NULL,
			  *text = NULL;
	const char *header, *token;

	if (!options->secrets || !str_starts(remote, "http"))
		return NULL;
	host = host_of(remote);
	header_key = xasprintf("GIT_AUTH_HEADER.%s", host);
	token_key = xasprintf("GIT_AUTH_TOKEN.%s", host);
	header = env_get(options->secrets, header_key);
	token = env_get(options->secrets, token_key);
	if (!header && !token) {
		header = env_get(options->secrets, "GIT_AUTH_HEADER");
		token = env_get(options->secrets, "GIT_AUTH_TOKEN");
	}
	/* A line's end in a secret would begin another header. */
	if (header)
		return strpbrk(header, "\r\n") ? NULL : xstrdup(header);
	if (!token)
		return NULL;
	pair = xasprintf("x-access-token:%s", token);
	text = format_base64(pair, strlen(pair));
	return xasprintf("basic %s", text);
}

static void set_up(struct git *g, const struct git_ref *ref, const struct fetch_options *options)
{
	static const char *const config[] = {
		"core.hooksPath=/dev/null",
		"core.fsmonitor=false",
		"core.symlinks=true",
		"core.autocrlf=false",
		"advice.detachedHead=false",
		"gc.auto=0",
		"init.defaultBranch=main",
		"protocol.allow=never",
		"protocol.https.allow=always",
		"protocol.http.allow=always",
		"protocol.ssh.allow=always",
		"protocol.git.allow=always",
		"fetch.recurseSubmodules=false",
	};
	static const char *const kept[] = { "PATH",	   "http_proxy", "https_proxy",
					    "no_proxy",	   "all_proxy",	 "HTTPS_PROXY",
					    "NO_PROXY",	   "ALL_PROXY",	 "SSL_CERT_FILE",
					    "SSL_CERT_DIR" };
	cleanup_free char *header = auth_header(ref->remote, options);

	for (size_t i = 0; i < ARRAY_SIZE(config); i++) {
		strv_add(&g->config, "-c");
		strv_add(&g->config, config[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (getenv(kept[i]))
			env_set(&g->env, kept[i], getenv(kept[i]));
	env_set(&g->env, "HOME", "/nonexistent");
	env_set(&g->env, "LC_ALL", "C");
	env_set(&g->env, "GIT_TERMINAL_PROMPT", "0");
	env_set(&g->env, "GIT_ASKPASS", "true");
	env_set(&g->env, "GIT_CONFIG_NOSYSTEM", "1");
	env_set(&g->env, "GIT_CONFIG_GLOBAL", "/dev/null");
	env_set(&g->env, "GIT_SSH_COMMAND",
		"ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new");
	if (options->ssh_socket)
		env_set(&g->env, "SSH_AUTH_SOCK", options->ssh_socket);
	/* By the environment: arguments can be seen by every user of the machine. */
	if (header) {
		cleanup_free char *line = xasprintf("Authorization: %s", header);
		cleanup_free char *host = host_of(ref->remote);
		size_t scheme = strcspn(ref->remote, ":");
		/* For this host alone: a submodule may be anybody's. */
		cleanup_free char *key =
			xasprintf("http.%.*s://%s/.extraHeader", (int)scheme, ref->remote, host);
		env_set(&g->env, "GIT_CONFIG_COUNT", "1");
		env_set(&g->env, "GIT_CONFIG_KEY_0", key);
		env_set(&g->env, "GIT_CONFIG_VALUE_0", line);
	}
}

/* One commit where the server can, everything where it cannot. */
static int fetch_commit(struct git *g, const struct git_ref *ref, struct str *said, struct err *err)
{
	const char *what = ref->ref ? ref->ref : "HEAD";
	cleanup_err struct err why = ERR_INIT;
	int r;

	if ((r = GIT(g, said, err, "init", "-q", ".")) < 0)
		return r;
	str_clear(said);
	if (GIT(g, said, &why, "fetch", "-q", "--depth=1", "--no-tags", "--", ref->remote, what) ==
	    0)
		return GIT(g, said, err, "checkout", "-q", "--detach", "FETCH_HEAD");
	if (why.kind == ERR_UNSUPPORTED || why.kind == ERR_TIMEOUT)
		return err_move(err, &why);
	str_clear(said);
	if ((r = GIT(g, said, err, "fetch", "-q", "--tags", "--", ref->remote,
		     "+refs/heads/*:refs/remotes/origin/*", "HEAD")) < 0)
		return r;
	str_clear(said);
	if (!ref->ref)
		return GIT(g, said, err, "checkout", "-q", "--detach", "FETCH_HEAD");
	cleanup_free char *branch = xasprintf("origin/%s", ref->ref);
	err_done(&why);
	if (GIT(g, said, &why, "checkout", "-q", "--detach", branch) == 0)
		return 0;
	str_clear(said);
	return GIT(g, said, err, "checkout", "-q", "--detach", ref->ref);
}

static int check_out(struct git *g, const struct git_ref *ref, const char *checksum,
		     char **ret_commit, struct err *err)
{
	cleanup_str struct str said = STR_INIT;
	int r;

	if ((r = fetch_commit(g, ref, &said, err)) < 0)
		return r;
	str_clear(&said);
	if ((r = GIT(g, &said, err, "rev-parse", "HEAD")) < 0)
		return r;
	cleanup_free char *commit = xstrdup(last_lines(&said));
	if (checksum && (!*checksum || !str_starts(commit, checksum)))
		return err_new(err, ERR_INPUT, EBADMSG,
			       "'%s' is at the commit %s, and --checksum=%s is asked for",
			       ref->remote, commit, checksum);
	str_clear(&said);
	if (fs_exists(g->dir, ".gitmodules") && (r = GIT(g, &said, err, "submodule", "update", "-q",
							 "--init", "--recursive", "--depth=1")) < 0)
		return r;
	*ret_commit = ptr_take(commit);
	return 0;
}

/* Those of submodules are files. A submodule can be anywhere: all of the checkout is looked
 * through. */
static int remove_git_dirs(int dirfd, bool deep, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r;

	if ((r = fs_remove_tree(dirfd, ".git", err)) < 0 || !deep)
		return r;
	if ((r = fs_list(dirfd, ".", &names, err)) < 0)
		return r;
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		struct stat st;
		if (fstatat(dirfd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		cleanup_fd int fd =
			fs_open_beneath(dirfd, names.v[i], O_RDONLY | O_DIRECTORY, 0, err);
		r = fd < 0 ? fd : remove_git_dirs(fd, true, err);
	}
	return r;
}

int git_fetch(const struct git_ref *ref, int dirfd, bool keep_git_dir, const char *checksum,
	      const struct fetch_options *options, char **ret_commit, struct err *err)
{
	struct git g = { .dir = dirfd, .deadline = now_mono() / NSEC_PER_SEC + FETCH_SECONDS_MAX };
	cleanup_free char *commit = NULL;

	set_up(&g, ref, options);
	int r = check_out(&g, ref, checksum ? checksum : ref->commit, &commit, err);
	if (r == 0 && !keep_git_dir)
		r = remove_git_dirs(dirfd, fs_exists(dirfd, ".gitmodules"), err);
	strv_done(&g.env);
	strv_done(&g.config);
	if (r < 0)
		return err_wrap(err, "fetch '%s'", ref->remote);
	*ret_commit = ptr_take(commit);
	return 0;
}
