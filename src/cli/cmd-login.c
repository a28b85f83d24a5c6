/* login, logout: credentials for registries, kept where Docker keeps them. */
#include "base/fs.h"
#include "cli/cli.h"

#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { SECRET_MAX = 4096 };
#define DEFAULT_REGISTRY "docker.io"

struct login_args {
	const char *user, *password;
	bool password_stdin;
};
#define O(field) offsetof(struct login_args, field)

static const struct option login_options[] = {
	{ 'p', "password", OPTION_TEXT, O(password), "TEXT", NULL,
	  "Password or token; others on this machine can see it", 0 },
	{ 0, "password-stdin", OPTION_FLAG, O(password_stdin), NULL, NULL,
	  "Take the password from standard input", 0 },
	{ 'u', "username", OPTION_TEXT, O(user), "NAME", NULL, "User name", 0 },
	{ .name = NULL },
};
#undef O

/* One line from the terminal, without showing it when `hidden`. Owned; NULL at the end of input. */
static char *ask(const char *prompt, bool hidden)
{
	struct termios was, quiet;
	char line[SECRET_MAX];
	char *answer;
	bool changed = hidden && tcgetattr(STDIN_FILENO, &was) == 0;
	fprintf(stderr, "%s: ", prompt);
	if (changed) {
		quiet = was;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	answer = fgets(line, sizeof(line), stdin);
	if (changed) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
		fputc('\n', stderr);
	}
	if (!answer)
		return NULL;
	line[strcspn(line, "\r\n")] = '\0';
	return xstrdup(line);
}

static int read_secret(const struct login_args *o, char **ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	if (o->password_stdin) {
		int r = fs_read_fd(STDIN_FILENO, "standard input", SECRET_MAX, &text, err);
		if (r < 0)
			return r;
		*ret = str_take(&text);
		(*ret)[strcspn(*ret, "\r\n")] = '\0';
		return 0;
	}
	if (o->password)
		*ret = xstrdup(o->password);
	else if (isatty(STDIN_FILENO))
		*ret = ask("Password", true);
	if (!*ret)
		return err_usage(err, "there is no terminal to ask on; use --password-stdin");
	return 0;
}

static int login(const char *registry, const char *user, const char *secret, struct err *err)
{
	int r = image_login(registry, user, secret, err);
	if (r == 0)
		puts("Login Succeeded");
	return r;
}

static int login_again(const char *registry, struct err *err)
{
	cleanup_free char *user = NULL, *secret = NULL;
	int r = image_login_stored(registry, &user, &secret, err);
	if (r < 0)
		return err_usage(err, "a user name is wanted: --username");
	fprintf(stderr, "Authenticating with existing credentials...\n");
	return login(registry, user, secret, err);
}

static int login_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct login_args *o = options;
	const char *registry = args->n ? args->v[0] : DEFAULT_REGISTRY;
	cleanup_free char *user = NULL, *secret = NULL;
	(void)cli;
	if (o->password && o->password_stdin)
		return err_usage(err, "--password and --password-stdin are mutually exclusive");
	if (o->password)
		fputs("WARNING! Using --password via the CLI is insecure. Use "
		      "--password-stdin.\n",
		      stderr);
	/* Who is logged in already need not say who they are again. */
	if (!o->user && !o->password && !o->password_stdin) {
		int again = login_again(registry, err);
		if (again == 0 || !isatty(STDIN_FILENO))
			return again;
		fprintf(stderr, "%s\n", err->msg);
		err_done(err);
	}
	if (o->user)
		user = xstrdup(o->user);
	else if (isatty(STDIN_FILENO) && !o->password_stdin)
		user = ask("Username", false);
	if (str_empty(user))
		return err_usage(err, "a user name is wanted: --username");
	int r = read_secret(o, &secret, err);
	return r < 0 ? r : login(registry, user, secret, err);
}

const struct cmd cmd_login = {
	.name = "login",
	.summary = "Log in to a registry",
	.args = "[REGISTRY]",
	.options = login_options,
	.options_size = sizeof(struct login_args),
	.max_args = 1,
	.run = login_run,
};

static int logout_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const char *registry = args->n ? args->v[0] : DEFAULT_REGISTRY;
	bool was = false;
	(void)cli;
	(void)options;
	int r = image_logout(registry, &was, err);
	if (r == 0)
		printf(was ? "Removing login credentials for %s\n" : "Not logged in to %s\n",
		       registry);
	return r;
}

const struct cmd cmd_logout = {
	.name = "logout",
	.summary = "Forget the login for a registry",
	.args = "[REGISTRY]",
	.max_args = 1,
	.run = logout_run,
};
