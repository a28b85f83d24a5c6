#include "image/registries.h"

#include "base/fs.h"
#include "base/parse.h"
#include "base/settings.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

enum { SETTINGS_MAX = 1 << 20, CERT_MAX = 1 << 20, TIMEOUT_MAX_S = 3600 };

void image__registry_settings_done(struct registry_settings *s)
{
	strv_done(&s->mirrors);
	*s = (struct registry_settings){ 0 };
}

/* --- the settings of one line --- */

static int set_mirror(struct registry_settings *s, const char *value, struct err *err)
{
	const char *host = str_after(value, "https://");
	size_t len = strlen(value);

	if (!host)
		host = str_after(value, "http://");
	if (!host || !*host || *host == '/' || strpbrk(value, "?#@") || !str_utf8(value, len, true))
		return err_input(err, "a mirror is http[s]://HOST[:PORT][/PREFIX], not '%.128s'",
				 value);
	while (len && value[len - 1] == '/')
		len--;
	strv_take(&s->mirrors, xstrndup(value, len));
	return 0;
}

static int set_insecure(struct registry_settings *s, const char *value, struct err *err)
{
	if (str_empty(value))
		s->insecure = true;
	else if (parse_bool(value, &s->insecure) < 0)
		return err_input(err, "insecure is true or false, not '%.64s'", value);
	return 0;
}

static int set_timeout(struct registry_settings *s, const char *value, struct err *err)
{
	nsec_t ns;

	if (parse_duration(value, &ns) < 0 || ns < NSEC_PER_SEC ||
	    ns > TIMEOUT_MAX_S * NSEC_PER_SEC)
		return err_input(err, "timeout is a time from 1s to 1h, not '%.64s'", value);
	s->timeout_s = (int)(ns / NSEC_PER_SEC);
	return 0;
}

static const struct setting {
	const char *name;
	bool needs_value;
	int (*set)(struct registry_settings *s, const char *value, struct err *err);
} known_settings[] = {
	{ "insecure", false, set_insecure },
	{ "mirror", true, set_mirror },
	{ "timeout", true, set_timeout },
};

static int read_line(char *line, const char *registry, struct registry_settings *ret,
		     struct err *err)
{
	cleanup_registry_settings struct registry_settings other = { 0 };
	const char *whose = settings_word(&line), *name, *value;

	if (!whose)
		return 0;
	name = settings_word(&line);
	value = name ? settings_word(&line) : NULL;
	if (!name || (value && settings_word(&line)))
		return err_input(err, "a line is REGISTRY SETTING [VALUE]");
	for (size_t i = 0; i < ARRAY_SIZE(known_settings); i++) {
		const struct setting *s = &known_settings[i];
		bool ours = str_eq(whose, "*") || str_eq(whose, registry);

		if (!str_eq(s->name, name))
			continue;
		if (s->needs_value && !value)
			return err_input(err, "%s needs a value", name);
		/* Lines of other registries are read, too: a mistake is found at once. */
		return s->set(ours ? ret : &other, value, err);
	}
	return err_input(err, "the setting '%.64s' is not known: insecure, mirror, timeout", name);
}

static int read_settings(char *text, const char *path, const char *registry,
			 struct registry_settings *ret, struct err *err)
{
	int number = 1;

	for (char *line = text, *next; line; line = next, number++) {
		int r;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		r = read_line(line, registry, ret, err);
		if (r < 0)
			return err_wrap(err, "%s:%d", path, number);
	}
	return 0;
}

int image__registry_settings(const char *registry, struct registry_settings *ret, struct err *err)
{
	cleanup_registry_settings struct registry_settings s = { 0 };
	cleanup_strv struct strv dirs = settings_dirs();

	for (size_t i = 0; i < dirs.n; i++) {
		cleanup_free char *path = path_join(dirs.v[i], "registries.conf");
		cleanup_str struct str text = STR_INIT;
		cleanup_free char *lines = NULL;
		int r = fs_read(AT_FDCWD, path, SETTINGS_MAX, &text, err);

		if (r == -ENOENT || r == -ENOTDIR) {
			err_done(err);
			continue;
		}
		if (r < 0)
			return r;
		lines = str_take(&text);
		r = read_settings(lines, path, registry, &s, err);
		if (r < 0)
			return r;
		break; /* the user's own replaces the machine's */
	}
	*ret = s;
	s = (struct registry_settings){ 0 };
	return 0;
}

bool image__registry_loopback(const char *host)
{
	cleanup_free char *name = xstrndup(host, strcspn(host, ":"));
	struct in_addr in;

	if (str_eq(name, "localhost") || str_eq(host, "[::1]") || str_starts(host, "[::1]:"))
		return true;
	return inet_pton(AF_INET, name, &in) == 1 && ntohl(in.s_addr) >> 24 == 127;
}

/* --- certificates --- */

void image__registry_certs_done(struct registry_certs *c)
{
	str_done(&c->authorities);
	free(c->cert);
	free(c->key);
	*c = (struct registry_certs){ 0 };
}

/* One file of a certs.d directory. */
static int add_cert(struct registry_certs *c, const char *dir, const char *name, struct err *err)
{
	cleanup_free char *path = path_join(dir, name);
	size_t stem = strlen(path) - (str_ends(name, ".cert") ? strlen(".cert") : 0);

	if (str_ends(name, ".crt")) {
		int r = fs_read(AT_FDCWD, path, CERT_MAX, &c->authorities, err);

		str_addc(&c->authorities, '\n');
		return r;
	}
	if (!str_ends(name, ".cert") || c->cert)
		return 0;
	c->key = xasprintf("%.*s.key", (int)stem, path);
	if (!fs_exists(AT_FDCWD, c->key))
		return err_not_found(err, "'%s' has no key '%s'", path, c->key);
	c->cert = ptr_take(path);
	return 0;
}

int image__registry_certs(const char *host, struct registry_certs *ret, struct err *err)
{
	cleanup_registry_certs struct registry_certs c = { 0 };
	cleanup_strv struct strv dirs = settings_dirs();

	if (strchr(host, '/'))
		return err_input(err, "'%.128s' is not a registry", host);
	strv_add(&dirs, "/etc/docker");
	for (size_t i = 0; i < dirs.n; i++) {
		cleanup_free char *dir = xasprintf("%s/certs.d/%s", dirs.v[i], host);
		cleanup_strv struct strv names = { 0 };
		int r = fs_list(AT_FDCWD, dir, &names, err);

		if (r == -ENOENT || r == -ENOTDIR) {
			err_done(err);
			continue;
		}
		for (size_t k = 0; r >= 0 && k < names.n; k++)
			r = add_cert(&c, dir, names.v[k], err);
		if (r < 0)
			return r;
		break; /* the first that knows the registry */
	}
	*ret = c;
	c = (struct registry_certs){ 0 };
	return 0;
}
