/* ADD from elsewhere: a server of the test's own on the loopback interface, with files and a git
 * repository. */
#include "build/fetch.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct world {
	char path[64];
	int fd, port;
	pid_t server;
};

static void answer(int client, const char *status, const char *headers, const char *body,
		   size_t len)
{
	cleanup_free char *head = xasprintf("HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: "
					    "%zu\r\n%s\r\n",
					    status, len, headers);
	(void)fs_write_all(client, head, strlen(head));
	(void)fs_write_all(client, body, len);
}

/* Files below the world's directory, and a few paths that behave badly. */
static void serve_one(struct world *w, int client)
{
	char request[8192] = "", *path = request + 4;
	cleanup_str struct str body = STR_INIT;
	cleanup_err struct err err = ERR_INIT;
	size_t n = 0;

	while (n < sizeof(request) - 1 && !strstr(request, "\r\n\r\n")) {
		ssize_t got = read(client, request + n, sizeof(request) - 1 - n);
		if (got <= 0)
			return;
		n += (size_t)got;
	}
	bool with_token = strstr(request, "Authorization: Bearer sesame\r\n");
	path[strcspn(path, " ?")] = 0;
	if (str_eq(path, "/moved"))
		answer(client, "302 Found", "Location: /files/a.txt\r\n", "", 0);
	else if (str_eq(path, "/to-a-file"))
		answer(client, "302 Found", "Location: file:///etc/passwd\r\n", "", 0);
	else if (str_eq(path, "/round"))
		answer(client, "302 Found", "Location: /round\r\n", "", 0);
	else if (str_eq(path, "/cut"))
		answer(client, "200 OK", "Content-Length: 100\r\n", "short", 5);
	else if (str_eq(path, "/secret") && !with_token)
		answer(client, "401 Unauthorized", "", "", 0);
	else if (str_eq(path, "/secret"))
		answer(client, "200 OK", "", "opened", 6);
	else if (fs_read(w->fd, path + 1, 1 << 20, &body, &err) < 0)
		answer(client, "404 Not Found", "", "", 0);
	else
		answer(client, "200 OK", "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n",
		       str_text(&body), body.len);
}

static void serve(struct world *w, int listener)
{
	for (;;) {
		int client = accept(listener, NULL, NULL);
		if (client < 0)
			_exit(0);
		serve_one(w, client);
		shutdown(client, SHUT_WR);
		close(client);
	}
}

static int set_up(void **state)
{
	struct world *w = new0(struct world);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	signal(SIGPIPE, SIG_IGN);
	snprintf(w->path, sizeof(w->path), "/tmp/stave-fetch-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 64), 0);
	getsockname(listener, (struct sockaddr *)&address, &len);
	w->port = ntohs(address.sin_port);
	w->server = fork();
	if (w->server == 0)
		serve(w, listener);
	close(listener);
	assert_int_equal(mkdirat(w->fd, "files", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "to", 0755), 0);
	/* Proxies of the environment are not for this. */
	setenv("no_proxy", "127.0.0.1", 1);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;

	kill(w->server, SIGKILL);
	waitpid(w->server, NULL, 0);
	assert_int_equal(fs_remove_tree(AT_FDCWD, w->path, &err), 0);
	close(w->fd);
	free(w);
	return 0;
}

static int get(struct world *w, const char *path, const char *checksum, const struct strv *secrets,
	       struct err *err)
{
	cleanup_free char *url = xasprintf("http://127.0.0.1:%d%s", w->port, path);
	struct fetch_options options = { .secrets = secrets };
	cleanup_fd int to = openat(w->fd, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	unlinkat(to, "f", 0);
	return fetch_url(url, to, "f", checksum, &options, err);
}

static void expect_content(struct world *w, const char *want)
{
	cleanup_str struct str text = STR_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(fs_read(w->fd, "to/f", 1 << 20, &text, &err), 0);
	assert_string_equal(str_text(&text), want);
}

#define SUM_OF_HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static void test_files(void **state)
{
	struct world *w = *state;
	cleanup_err struct err err = ERR_INIT;
	cleanup_strv struct strv secrets = { 0 };
	struct stat st;

	assert_int_equal(fs_write_atomic(w->fd, "files/a.txt", "hello", 5, 0644, 0, &err), 0);
	assert_int_equal(get(w, "/files/a.txt", NULL, NULL, &err), 0);
	expect_content(w, "hello");
	assert_int_equal(fstatat(w->fd, "to/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_mtim.tv_sec, 1420070400);
	assert_int_equal(get(w, "/moved", SUM_OF_HELLO, NULL, &err), 0);
	expect_content(w, "hello");
	assert_int_equal(get(w, "/files/a.txt", SUM_OF_HELLO, NULL, &err), 0);
	strv_add(&secrets, "HTTP_AUTH_TOKEN_127.0.0.1=sesame");
	assert_int_equal(get(w, "/secret", NULL, &secrets, &err), 0);
	expect_content(w, "opened");
}

static void test_refused(void **state)
{
	static const struct {
		const char *path, *checksum;
		enum err_kind kind;
		const char *says;
	} cases[] = {
		{ "/nix", NULL, ERR_NOT_FOUND, "the server answers 404" },
		{ "/secret", NULL, ERR_NETWORK, "the server answers 401" },
		{ "/to-a-file", NULL, ERR_NETWORK, "rotocol" },
		{ "/round", NULL, ERR_NETWORK, "redirects" },
		{ "/cut", NULL, ERR_NETWORK, "fetch '" },
		{ "/files/a.txt",
		  "sha256:"
		  "0000000000000000000000000000000000000000000000000000000000000000",
		  ERR_INPUT, "has the checksum " SUM_OF_HELLO },
		{ "/files/a.txt", "md5:0", ERR_INPUT, "is not of the form sha256:" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		assert_int_equal(fs_write_atomic(w->fd, "files/a.txt", "hello", 5, 0644, 0, &err),
				 0);
		check(cases[i].path, get(w, cases[i].path, cases[i].checksum, NULL, &err) < 0,
		      "fetched");
		check(cases[i].path, err.kind == cases[i].kind, "%s: %s", err_kind_name(err.kind),
		      err.msg);
		check(cases[i].path, strstr(err.msg, cases[i].says), "%s", err.msg);
		err_done(&err);
	}
	struct err err = ERR_INIT;
	int port = w->port;
	w->port = 1; /* nobody listens there */
	assert_true(get(w, "/x", NULL, NULL, &err) < 0);
	assert_int_equal(err.kind, ERR_NETWORK);
	err_done(&err);
	w->port = port;
}

static void test_names(void **state)
{
	static const struct {
		const char *url, *want;
	} cases[] = {
		{ "http://x/a/b.tar.gz?c=d/e#f", "b.tar.gz" },
		{ "https://x/a%20b", "a b" },
		{ "http://x/", NULL },
		{ "http://x", NULL },
		{ "http://x/a/..%2f", NULL },
		{ "http://x/%2e%2e", NULL },
		{ "http://x/a%2fb", "b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_free char *name = NULL;
		int r = fetch_url_name(cases[i].url, &name, &err);
		check_text(cases[i].url, name, cases[i].want);
		check(cases[i].url, (r == 0) == (cases[i].want != NULL), "%d", r);
	}
	assert_true(fetch_is_url("https://x/y"));
	assert_true(fetch_is_url("http://x/y.git/z"));
	assert_false(fetch_is_url("https://x/y.git"));
	assert_false(fetch_is_url("https://x/y.git#v1"));
	assert_false(fetch_is_url("ftp://x/y"));
	assert_false(fetch_is_url("x/y"));
}

static void test_addresses(void **state)
{
	static const struct {
		const char *text;
		bool context;
		const char *want; /* remote|ref|subdir; NULL: none, "": a bad one */
	} cases[] = {
		{ "https://h/r.git", false, "https://h/r.git||" },
		{ "https://h/r.git#main", false, "https://h/r.git|main|" },
		{ "https://h/r.git#v1.0:docs/x/", false, "https://h/r.git|v1.0|docs/x" },
		{ "https://h/r.git#:docs", false, "https://h/r.git||docs" },
		{ "https://h/r.git#:../../etc", false, "https://h/r.git||etc" },
		{ "git@github.com:moby/buildkit.git#v0.14.1:docs", false,
		  "git@github.com:moby/buildkit.git|v0.14.1|docs" },
		{ "ssh://git@h:22/r#a", false, "ssh://git@h:22/r|a|" },
		{ "git://h/r", false, "git://h/r||" },
		{ "github.com/a/b", false, NULL },
		{ "github.com/a/b#c", true, "https://github.com/a/b|c|" },
		{ "https://h/r", false, NULL },
		{ "a/b.git", false, NULL },
		{ "user@dir/x", false, NULL },
		{ "-oProxyCommand=x@h:r", false, NULL },
		{ "https://h/r.git#--upload-pack=x", false, "" },
		{ "https://h/r.git#a b", false, "" },
		{ "git://h/r\nx", false, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_git_ref struct git_ref ref = { 0 };
		cleanup_err struct err err = ERR_INIT;
		int r = git_ref_parse(cases[i].text, cases[i].context, &ref, &err);
		int want = !cases[i].want ? 0 : *cases[i].want ? 1 : -EINVAL;
		check(cases[i].text, r == want, "%d", r);
		if (r <= 0)
			continue;
		cleanup_free char *got = xasprintf("%s|%s|%s", ref.remote, ref.ref ? ref.ref : "",
						   ref.subdir ? ref.subdir : "");
		check_text(cases[i].text, got, cases[i].want);
	}
}

static void shell(struct world *w, const char *command)
{
	cleanup_free char *line =
		xasprintf("cd %s && export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a "
			  "GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b && %s",
			  w->path, command);
	int status = system(line);

	check(command, WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
}

static int clone_to(struct world *w, const char *fragment, bool keep, const char *checksum,
		    char **ret_commit, struct err *err)
{
	cleanup_free char *url = xasprintf("http://127.0.0.1:%d/r.git%s", w->port, fragment);
	cleanup_git_ref struct git_ref ref = { 0 };
	struct fetch_options options = { 0 };

	assert_int_equal(fs_remove_tree(w->fd, "to", err), 0);
	assert_int_equal(mkdirat(w->fd, "to", 0755), 0);
	cleanup_fd int to = openat(w->fd, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(git_ref_parse(url, false, &ref, err), 1);
	return git_fetch(&ref, to, keep, checksum, &options, ret_commit, err);
}

static void test_git(void **state)
{
	struct world *w = *state;
	cleanup_err struct err err = ERR_INIT;
	char *commit = NULL;
	struct stat st;

	if (system("git --version >/dev/null 2>&1") != 0)
		skip();
	shell(w,
	      "git init -q -b main work && cd work && echo one >a && mkdir d && echo x >d/run && "
	      "chmod 700 d/run && git add . && git commit -qm 1 && git tag v1 && echo two >a && "
	      "git "
	      "commit -qam 2 && git branch other v1 && cd .. && git clone -q --bare work r.git && "
	      "git -C r.git update-server-info");
	check("HEAD", clone_to(w, "", false, NULL, &commit, &err) == 0, "%s", err.msg);
	assert_int_equal(strlen(commit), 40);
	cleanup_str struct str text = STR_INIT;
	assert_int_equal(fs_read(w->fd, "to/a", 100, &text, &err), 0);
	assert_string_equal(str_text(&text), "two\n");
	assert_false(fs_exists(w->fd, "to/.git"));
	assert_int_equal(fstatat(w->fd, "to/a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(fstatat(w->fd, "to/d/run", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	free(ptr_take(commit));
	static const char *const older[] = { "#v1", "#other" };
	for (size_t i = 0; i < ARRAY_SIZE(older); i++) {
		check(older[i], clone_to(w, older[i], true, NULL, &commit, &err) == 0, "%s",
		      err.msg);
		str_clear(&text);
		assert_int_equal(fs_read(w->fd, "to/a", 100, &text, &err), 0);
		assert_string_equal(str_text(&text), "one\n");
		assert_true(fs_exists(w->fd, "to/.git"));
		if (i + 1 < ARRAY_SIZE(older))
			free(ptr_take(commit));
	}
	/* By its id, and checked against it. */
	cleanup_free char *fragment = xasprintf("#%s", commit), *same = NULL;
	cleanup_free char *prefix = xstrndup(commit, 7);
	check("id", clone_to(w, fragment, false, prefix, &same, &err) == 0, "%s", err.msg);
	assert_string_equal(same, commit);
	free(commit);
	commit = NULL;
	assert_true(clone_to(w, "#v1", false, "0000", &commit, &err) < 0);
	assert_non_null(strstr(err.msg, "--checksum=0000 is asked for"));
	err_done(&err);
	assert_true(clone_to(w, "#nix", false, NULL, &commit, &err) < 0);
	assert_int_equal(err.kind, ERR_NETWORK);
	assert_null(commit);
}

/* Without git there is a word about it. */
static void test_no_git(void **state)
{
	struct world *w = *state;
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *path = xstrdup(getenv("PATH"));
	char *commit = NULL;

	setenv("PATH", "/nonexistent", 1);
	int r = clone_to(w, "", false, NULL, &commit, &err);
	setenv("PATH", path, 1);
	assert_true(r < 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test_setup_teardown(test_git, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_git, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
