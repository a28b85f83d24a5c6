/* Who we are at a registry: challenges, and the credentials that `docker login` leaves behind. */
#include "base/fs.h"
#include "base/json.h"
#include "base/parse.h"
#include "image/http.h"
#include "image/image.h"

#include <ctype.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <spawn.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { AUTH_CONFIG_MAX = 4 << 20, CHALLENGE_MAX = 8192 };

void image__challenge_done(struct challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	*c = (struct challenge){ 0 };
}

/* One `name=value` or `name="value"`; returns where it ends, or NULL. */
static const char *parse_parameter(const char *s, struct str *name, struct str *value)
{
	while (isalnum((unsigned char)*s) || *s == '_' || *s == '-')
		str_addc(name, *s++);
	while (*s == ' ')
		s++;
	if (!name->len || *s++ != '=')
		return NULL;
	while (*s == ' ')
		s++;
	if (*s != '"') {
		while (*s && *s != ',' && *s != ' ')
			str_addc(value, *s++);
		return s;
	}
	for (s++; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		str_addc(value, *s);
	}
	return *s == '"' ? s + 1 : NULL;
}

int image__challenge_parse(const char *header, struct challenge *ret, struct err *err)
{
	cleanup(image__challenge_done) struct challenge c = { 0 };
	const char *s = header + strspn(header, " ");
	size_t scheme = strcspn(s, " ");

	if (strlen(header) > CHALLENGE_MAX)
		return err_input(err, "the registry's challenge is too long");
	if (scheme == 6 && strncasecmp(s, "Bearer", 6) == 0)
		c.bearer = true;
	else if (scheme != 5 || strncasecmp(s, "Basic", 5) != 0)
		return err_unsupported(err, "the registry asks for the authentication '%.*s'",
				       (int)(scheme < 32 ? scheme : 32), s);
	for (s += scheme; *s;) {
		cleanup_str struct str name = STR_INIT, value = STR_INIT;
		char **slot = NULL;

		s += strspn(s, " ,");
		if (!*s)
			break;
		s = parse_parameter(s, &name, &value);
		if (!s)
			return err_input(err, "the registry's challenge cannot be understood");
		if (strcasecmp(str_text(&name), "realm") == 0)
			slot = &c.realm;
		else if (strcasecmp(str_text(&name), "service") == 0)
			slot = &c.service;
		else if (strcasecmp(str_text(&name), "scope") == 0)
			slot = &c.scope;
		if (slot) {
			free(*slot);
			*slot = xstrdup(str_text(&value));
		}
	}
	if (c.bearer && !c.realm)
		return err_input(err, "the registry's challenge has no realm");
	*ret = c;
	c = (struct challenge){ 0 };
	return 0;
}

/* "user:secret" in base64. */
static int decode_auth(const char *text, char **user, char **secret)
{
	size_t len = strlen(text);
	cleanup_free char *out = NULL;
	char *colon;
	int n;

	if (!len || len > AUTH_TEXT_MAX || len % 4)
		return -EINVAL;
	out = xcalloc(1, len);
	n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len);
	colon = n > 0 ? strchr(out, ':') : NULL;
	if (!colon)
		return -EINVAL;
	*user = xstrndup(out, (size_t)(colon - out));
	*secret = xstrdup(colon + 1);
	return 0;
}

char *image__auth_dir(void)
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	const struct passwd *pw;

	if (!str_empty(dir))
		return xstrdup(dir);
	if (str_empty(home)) {
		pw = getpwuid(getuid());
		home = pw ? pw->pw_dir : "/";
	}
	return xasprintf("%s/.docker", home);
}

int image__auth_config(json_t **ret, struct err *err)
{
	cleanup_free char *dir = image__auth_dir();
	cleanup_free char *path = path_join(dir, "config.json");
	int r = json_read(AT_FDCWD, path, AUTH_CONFIG_MAX, ret, err);

	if (r == -ENOENT || r == -ENOTDIR) {
		err_done(err);
		*ret = json_object();
		return 0;
	}
	if (r == 0 && !json_is_object(*ret))
		return err_input(err, "'%s' is not a JSON object", path);
	return r;
}

/* The key that Docker uses for its own registry. */
const char *image__auth_key(const char *registry)
{
	return str_eq(registry, "docker.io") ? "https://index.docker.io/v1/" : registry;
}

/* --- helpers --- */

static bool helper_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len && len < 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       len;
}

/* Runs `docker-credential-NAME ACTION` with input; what it printed. */
int image__auth_helper(const char *name, const char *action, const char *input, struct str *out,
		       struct err *err)
{
	extern char **environ;
	cleanup_free char *program = xasprintf("docker-credential-%s", name);
	char *argv[] = { program, (char *)action, NULL };
	cleanup_fd int in = FD_NONE;
	posix_spawn_file_actions_t actions;
	int pipes[2], status = 0, r;
	pid_t pid;

	if (!helper_name_ok(name))
		return err_input(err, "credential helper '%.64s' is not a name", name);
	in = memfd_create("stave-credential", MFD_CLOEXEC);
	if (in < 0 || fs_write_all(in, input, strlen(input)) < 0 || lseek(in, 0, SEEK_SET) < 0 ||
	    pipe2(pipes, O_CLOEXEC) < 0)
		return err_sys(err, errno, "start '%s'", program);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	r = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (r) {
		close(pipes[0]);
		return err_sys(err, r, "start '%s'", program);
	}
	r = fs_read_fd(pipes[0], program, AUTH_TEXT_MAX, out, err);
	close(pipes[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (status)
		return err_not_found(err, "'%s %s' failed: %.200s", program, action, str_text(out));
	return 0;
}

static int ask_helper(const char *name, const char *key, char **user, char **secret,
		      struct err *err)
{
	cleanup_str struct str out = STR_INIT;
	cleanup_json json_t *j = NULL;
	int r = image__auth_helper(name, "get", key, &out, err);

	if (r == -ENOENT) { /* it knows nothing, or is not installed: as if there were no login */
		err_done(err);
		return 0;
	}
	if (r == 0)
		r = json_parse(str_text(&out), out.len, "credential helper", &j, err);
	if (r < 0)
		return r;
	*user = xstrdup(json_str(j, "Username", ""));
	*secret = xstrdup(json_str(j, "Secret", ""));
	return 0;
}

/* Old configs have "https://registry.example.com/v1/" where newer ones have the host. */
static const json_t *find_auth(const json_t *config, const char *registry)
{
	json_t *auths = json_object_get(config, "auths"), *value;
	const json_t *entry = json_object_get(auths, image__auth_key(registry));
	const char *key;

	if (entry || str_eq(registry, "docker.io"))
		return entry;
	json_object_foreach(auths, key, value) {
		const char *host = strstr(key, "://");

		host = host ? host + strlen("://") : key;
		if (strcspn(host, "/") == strlen(registry) &&
		    strncmp(host, registry, strlen(registry)) == 0)
			return value;
	}
	return NULL;
}

int image__credentials(const char *registry, char **ret_user, char **ret_secret, struct err *err)
{
	const char *key = image__auth_key(registry), *helper;
	cleanup_json json_t *config = NULL;
	const json_t *entry;
	int r = image__auth_config(&config, err);

	*ret_user = *ret_secret = NULL;
	if (r < 0)
		return r;
	helper = json_str(json_object_get(config, "credHelpers"), registry,
			  json_str(config, "credsStore", NULL));
	if (helper) {
		r = ask_helper(helper, key, ret_user, ret_secret, err);
		if (r < 0 || *ret_user)
			return r;
	}
	entry = find_auth(config, registry);
	if (json_str(entry, "identitytoken", NULL)) {
		*ret_user = xstrdup(IMAGE_IDENTITY_TOKEN);
		*ret_secret = xstrdup(json_str(entry, "identitytoken", ""));
		return 0;
	}
	if (json_str(entry, "auth", NULL) &&
	    decode_auth(json_str(entry, "auth", ""), ret_user, ret_secret) < 0)
		return err_input(err, "the stored login for '%s' is damaged; log in again",
				 registry);
	return 0;
}
