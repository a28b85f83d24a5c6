/* One Dockerfile line applied to an image config document, for `import --change` and `commit
 * --change`. There is no variable expansion here: that needs a build stage. */
#include "base/fs.h"
#include "base/parse.h"
#include "image/store.h"

#include <ctype.h>
#include <strings.h>

#define DEFAULT_SHELL "/bin/sh"
enum { CHANGE_MAX = 65536 };

static json_t *sub_object(json_t *obj, const char *key)
{
	json_t *sub = json_object_get(obj, key);

	if (!json_is_object(sub)) {
		sub = json_object();
		json_put(obj, key, sub);
	}
	return sub;
}

/* Splits at blanks, with the quoting of Dockerfiles: '...' as it is, "..." and bare text with
 * backslash escapes. -EINVAL: a quote is not closed. */
static int split_words(const char *s, struct strv *ret, struct err *err)
{
	for (;;) {
		cleanup_str struct str word = STR_INIT_MAX(CHANGE_MAX);
		char quote = '\0';

		while (isspace((unsigned char)*s))
			s++;
		if (!*s)
			return 0;
		for (; *s && (quote || !isspace((unsigned char)*s)); s++) {
			if (*s == '\\' && s[1] && quote != '\'')
				str_addc(&word, *++s);
			else if (quote ? *s == quote : (*s == '"' || *s == '\''))
				quote = quote ? '\0' : *s;
			else
				str_addc(&word, *s);
		}
		if (quote)
			return err_input(err, "a quote (%c) is not closed", quote);
		strv_add(ret, str_text(&word));
	}
}

/* The JSON ("exec") form: an array of strings. NULL: it is not one. New reference. */
static json_t *exec_form(const char *args)
{
	cleanup_json json_t *j = NULL;
	const json_t *item;
	size_t i;

	if (*args != '[' || !(j = json_loads(args, 0, NULL)) || !json_is_array(j))
		return NULL;
	json_array_foreach(j, i, item)
		if (!json_is_string(item))
			return NULL;
	return ptr_take(j);
}

/* The exec form, or the text for the image's shell. New reference. */
static json_t *command(const json_t *config, const char *args)
{
	json_t *list = exec_form(args);
	const json_t *shell = json_object_get(config, "Shell");

	if (list)
		return list;
	list = json_array();
	if (json_array_size(shell)) {
		json_array_extend(list, (json_t *)shell);
	} else {
		json_array_append_new(list, json_string(DEFAULT_SHELL));
		json_array_append_new(list, json_string("-c"));
	}
	json_array_append_new(list, json_string(args));
	return list;
}

static int change_cmd(json_t *config, const char *args, struct err *err)
{
	(void)err;
	json_put(config, "Cmd", command(config, args));
	return 0;
}

static int change_entrypoint(json_t *config, const char *args, struct err *err)
{
	(void)err;
	json_put(config, "Entrypoint", command(config, args));
	return 0;
}

static int change_shell(json_t *config, const char *args, struct err *err)
{
	json_t *list = exec_form(args);

	if (!list)
		return err_input(err, "SHELL wants a JSON array of strings");
	json_put(config, "Shell", list);
	return 0;
}

typedef void (*pair_fn)(void *data, const char *key, const char *value);

/* `A=b C="d e"`, or the old `KEY the rest`. */
static int each_pair(const char *args, pair_fn fn, void *data, struct err *err)
{
	cleanup_strv struct strv words = { 0 };
	int r = split_words(args, &words, err);

	if (r < 0)
		return r;
	if (!words.n)
		return err_input(err, "a name and a value are missing");
	if (!strchr(words.v[0], '=')) {
		const char *rest = args + strcspn(args, " \t");

		rest += strspn(rest, " \t");
		if (!*rest)
			return err_input(err, "'%s' has no value", words.v[0]);
		fn(data, words.v[0], rest);
		return 0;
	}
	for (size_t i = 0; i < words.n; i++) {
		char *eq = strchr(words.v[i], '=');

		if (!eq || eq == words.v[i])
			return err_input(err, "'%s' is not NAME=VALUE", words.v[i]);
		*eq = '\0';
		fn(data, words.v[i], eq + 1);
	}
	return 0;
}

static void set_env(void *data, const char *key, const char *value)
{
	env_set(data, key, value);
}

static void set_label(void *data, const char *key, const char *value)
{
	json_put_str(data, key, value);
}

static int change_env(json_t *config, const char *args, struct err *err)
{
	cleanup_strv struct strv env = { 0 };
	int r;

	json_strv(config, "Env", &env);
	r = each_pair(args, set_env, &env, err);
	if (r == 0)
		json_put(config, "Env", json_from_strv(&env));
	return r;
}

static int change_label(json_t *config, const char *args, struct err *err)
{
	return each_pair(args, set_label, sub_object(config, "Labels"), err);
}

static int check_port(const char *word, struct err *err)
{
	cleanup_free char *text = xstrdup(word);
	char *slash = strchr(text, '/');
	int port;

	if (slash)
		*slash++ = '\0';
	if (parse_int(text, 1, 65535, &port) < 0 ||
	    (slash && !str_eq(slash, "tcp") && !str_eq(slash, "udp") && !str_eq(slash, "sctp")))
		return err_input(err, "'%s' is not PORT[/tcp|udp|sctp]", word);
	return 0;
}

static int change_expose(json_t *config, const char *args, struct err *err)
{
	cleanup_strv struct strv words = { 0 };
	int r = split_words(args, &words, err);

	for (size_t i = 0; i < words.n && r == 0; i++) {
		cleanup_free char *key = strchr(words.v[i], '/') ? xstrdup(words.v[i])
								 : xasprintf("%s/tcp", words.v[i]);

		r = check_port(words.v[i], err);
		if (r == 0)
			json_put(sub_object(config, "ExposedPorts"), key, json_object());
	}
	return r;
}

static int change_volume(json_t *config, const char *args, struct err *err)
{
	cleanup_strv struct strv words = { 0 };
	cleanup_json json_t *holder = json_object();
	json_t *list = exec_form(args);
	int r = 0;

	if (list) {
		json_put(holder, "list", list);
		json_strv(holder, "list", &words);
	} else {
		r = split_words(args, &words, err);
	}
	for (size_t i = 0; i < words.n; i++)
		json_put(sub_object(config, "Volumes"), words.v[i], json_object());
	return r;
}

static int change_text(json_t *config, const char *key, const char *args, struct err *err)
{
	cleanup_strv struct strv words = { 0 };
	int r = split_words(args, &words, err);

	if (r < 0)
		return r;
	if (words.n != 1)
		return err_input(err, "one value is wanted, there are %zu", words.n);
	json_put_str(config, key, words.v[0]);
	return 0;
}

static int change_user(json_t *config, const char *args, struct err *err)
{
	return change_text(config, "User", args, err);
}

static int change_stopsignal(json_t *config, const char *args, struct err *err)
{
	return change_text(config, "StopSignal", args, err);
}

static int change_workdir(json_t *config, const char *args, struct err *err)
{
	cleanup_free char *path = path_join(json_str(config, "WorkingDir", "/"), args);

	if (*path != '/')
		return err_input(err, "'%s' is not a path", args);
	(void)err;
	json_put_str(config, "WorkingDir", path);
	return 0;
}

static int change_onbuild(json_t *config, const char *args, struct err *err)
{
	json_t *list = json_object_get(config, "OnBuild");

	(void)err;
	if (!json_is_array(list)) {
		list = json_array();
		json_put(config, "OnBuild", list);
	}
	json_array_append_new(list, json_string(args));
	return 0;
}

static int health_flag(json_t *health, const char *word, struct err *err)
{
	static const struct {
		const char *flag, *key;
	} durations[] = {
		{ "--interval=", "Interval" },
		{ "--timeout=", "Timeout" },
		{ "--start-period=", "StartPeriod" },
		{ "--start-interval=", "StartInterval" },
	};
	const char *value;
	nsec_t d;
	int n;

	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		value = str_after(word, durations[i].flag);
		if (!value)
			continue;
		if (parse_duration(value, &d) < 0)
			return err_input(err, "'%s' is not a duration", value);
		json_put(health, durations[i].key, json_integer(d));
		return 0;
	}
	value = str_after(word, "--retries=");
	if (!value)
		return err_input(err, "HEALTHCHECK has no option '%s'", word);
	if (parse_int(value, 0, 1000000, &n) < 0)
		return err_input(err, "'%s' is not a number", value);
	json_put(health, "Retries", json_integer(n));
	return 0;
}

static int change_healthcheck(json_t *config, const char *args, struct err *err)
{
	cleanup_json json_t *health = json_object();
	json_t *test = NULL;
	const char *s = args;

	while (str_starts(s, "--")) {
		cleanup_free char *word = xstrndup(s, strcspn(s, " \t"));
		int r = health_flag(health, word, err);

		if (r < 0)
			return r;
		s += strlen(word);
		s += strspn(s, " \t");
	}
	if (strcasecmp(s, "NONE") == 0) {
		test = json_pack("[s]", "NONE");
	} else if (strncasecmp(s, "CMD", 3) == 0 && isspace((unsigned char)s[3])) {
		s += 4;
		s += strspn(s, " \t");
		test = exec_form(s);
		if (test)
			json_array_insert_new(test, 0, json_string("CMD"));
		else
			test = json_pack("[ss]", "CMD-SHELL", s);
	}
	if (!test)
		return err_input(err, "HEALTHCHECK wants NONE, or options and CMD");
	json_put(health, "Test", test);
	json_put(config, "Healthcheck", json_incref(health));
	return 0;
}

static const struct {
	const char *name;
	int (*change)(json_t *config, const char *args, struct err *err);
} changes[] = {
	{ "CMD", change_cmd },
	{ "ENTRYPOINT", change_entrypoint },
	{ "ENV", change_env },
	{ "EXPOSE", change_expose },
	{ "HEALTHCHECK", change_healthcheck },
	{ "LABEL", change_label },
	{ "ONBUILD", change_onbuild },
	{ "SHELL", change_shell },
	{ "STOPSIGNAL", change_stopsignal },
	{ "USER", change_user },
	{ "VOLUME", change_volume },
	{ "WORKDIR", change_workdir },
};

int image__change(json_t *doc, const char *line, struct err *err)
{
	cleanup_free char *text = xstrdup(line + strspn(line, " \t"));
	size_t word = strcspn(text, " \t"), len = strlen(text);
	const char *args = text + word + strspn(text + word, " \t");

	if (len > CHANGE_MAX)
		return err_input(err, "a change of %zu bytes is too long", len);
	if (!str_utf8(text, len, false))
		return err_input(err, "a change is not UTF-8 text");
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		if (word != strlen(changes[i].name) ||
		    strncasecmp(text, changes[i].name, word) != 0)
			continue;
		if (!*args)
			return err_input(err, "change '%s': nothing follows the instruction", text);
		if (changes[i].change(sub_object(doc, "config"), args, err) < 0)
			return err_wrap(err, "change '%.80s'", text);
		return 0;
	}
	return err_input(err, "change '%.80s': not an instruction that changes an image's config",
			 text);
}
