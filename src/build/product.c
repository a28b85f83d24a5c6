#include "build/product.h"

#include "base/fs.h"
#include "base/parse.h"

#include <strings.h>

/* What Docker's builder gives to images from scratch, too. */
#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void product_done(struct product *p)
{
	json_decref(p->doc);
	p->doc = NULL;
}

void product_new(struct product *p, const char *platform)
{
	cleanup_strv struct strv parts = strv_split(platform, '/');

	p->doc = json_object();
	json_put_str(p->doc, "architecture", parts.n > 1 ? parts.v[1] : "amd64");
	json_put_str(p->doc, "os", parts.v[0]);
	if (parts.n > 2)
		json_put_str(p->doc, "variant", parts.v[2]);
	json_put(p->doc, "config", json_pack("{s[s]ss}", "Env", PATH_DEFAULT, "WorkingDir", "/"));
	json_put(p->doc, "history", json_array());
}

void product_copy(struct product *p, const json_t *doc)
{
	static const char *const objects[] = { "config" };

	p->doc = json_deep_copy(doc);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (!json_is_object(json_object_get(p->doc, objects[i])))
			json_put(p->doc, objects[i], json_object());
	if (!json_is_array(json_object_get(p->doc, "history")))
		json_put(p->doc, "history", json_array());
	/* What the builder of the base noted about itself. */
	json_object_del(p->doc, "container");
	json_object_del(p->doc, "container_config");
	json_object_del(p->doc, "docker_version");
	json_object_del(p->doc, "id");
	json_object_del(p->doc, "parent");
}

static json_t *config_of(const struct product *p)
{
	return json_object_get(p->doc, "config");
}

static json_t *object_in(json_t *config, const char *key)
{
	json_t *sub = json_object_get(config, key);

	if (!json_is_object(sub)) {
		sub = json_object();
		json_put(config, key, sub);
	}
	return sub;
}

const char *product_text(const struct product *p, const char *key, const char *fallback)
{
	const char *text = json_str(config_of(p), key, NULL);

	return str_empty(text) ? fallback : text;
}

void product_env(const struct product *p, struct strv *ret)
{
	json_strv(config_of(p), "Env", ret);
}

void product_shell(const struct product *p, struct strv *ret)
{
	size_t before = ret->n;

	json_strv(config_of(p), "Shell", ret);
	if (ret->n == before) {
		strv_add(ret, "/bin/sh");
		strv_add(ret, "-c");
	}
}

void product_take_triggers(struct product *p, struct strv *ret)
{
	json_strv(config_of(p), "OnBuild", ret);
	json_object_del(config_of(p), "OnBuild");
}

void product_history(struct product *p, const char *created, const char *created_by, bool empty)
{
	json_t *entry = json_object();

	json_put_str(entry, "created", created);
	json_put_str(entry, "created_by", created_by);
	json_put_str(entry, "comment", "buildkit.dockerfile.v0");
	if (empty)
		json_put(entry, "empty_layer", json_true());
	json_array_append_new(json_object_get(p->doc, "history"), entry);
}

/* --- instructions --- */

/* The exec form as it is, the shell form behind the shell. */
static json_t *command(const struct product *p, const struct instruction *in)
{
	cleanup_strv struct strv words = { 0 };

	if (!in->json)
		product_shell(p, &words);
	strv_copy(&words, &in->args);
	return json_from_strv(&words);
}

static int apply_cmd(struct product *p, const struct instruction *in, struct err *err)
{
	json_put(config_of(p), "Cmd", command(p, in));
	p->cmd_given = true;
	(void)err;
	return 0;
}

/* A command that was meant for the base's entrypoint is not this one's. */
static int apply_entrypoint(struct product *p, const struct instruction *in, struct err *err)
{
	json_put(config_of(p), "Entrypoint", command(p, in));
	if (!p->cmd_given)
		json_object_del(config_of(p), "Cmd");
	(void)err;
	return 0;
}

static int apply_env(struct product *p, const struct instruction *in, struct err *err)
{
	cleanup_strv struct strv env = { 0 };

	product_env(p, &env);
	vec_each(pair, &in->pairs)
		env_set(&env, pair->key, pair->value);
	json_put(config_of(p), "Env", json_from_strv(&env));
	(void)err;
	return 0;
}

static int apply_label(struct product *p, const struct instruction *in, struct err *err)
{
	vec_each(pair, &in->pairs)
		json_put_str(object_in(config_of(p), "Labels"), pair->key, pair->value);
	(void)err;
	return 0;
}

/* "80", "80/udp", "8000-8010/tcp", and as BuildKit "[address:]published:80", of which only the
 * container's side counts. */
static int expose(json_t *ports, const char *word, struct err *err)
{
	const char *colon = strrchr(word, ':');
	cleanup_free char *text = xstrdup(colon ? colon + 1 : word);
	char *slash = strchr(text, '/'), *dash;
	const char *protocol = "tcp";
	int first, last;

	if (slash) {
		*slash++ = '\0';
		protocol = slash;
		for (char *c = slash; *c; c++)
			*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	}
	dash = strchr(text, '-');
	if (dash)
		*dash++ = '\0';
	if (parse_int(text, 1, 65535, &first) < 0 ||
	    parse_int(dash ? dash : text, first, 65535, &last) < 0 ||
	    (!str_eq(protocol, "tcp") && !str_eq(protocol, "udp") && !str_eq(protocol, "sctp")))
		return err_input(err, "invalid containerPort: %s", word);
	for (int port = first; port <= last; port++) {
		cleanup_free char *key = xasprintf("%d/%s", port, protocol);

		json_put(ports, key, json_object());
	}
	return 0;
}

static int apply_expose(struct product *p, const struct instruction *in, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->args.n; i++)
		r = expose(object_in(config_of(p), "ExposedPorts"), in->args.v[i], err);
	return r;
}

static int apply_volume(struct product *p, const struct instruction *in, struct err *err)
{
	for (size_t i = 0; i < in->args.n; i++) {
		if (str_empty(in->args.v[i]))
			return err_input(err, "VOLUME specified can not be an empty string");
		json_put(object_in(config_of(p), "Volumes"), in->args.v[i], json_object());
	}
	return 0;
}

static int apply_user(struct product *p, const struct instruction *in, struct err *err)
{
	json_put_str(config_of(p), "User", in->args.n ? in->args.v[0] : "");
	(void)err;
	return 0;
}

static int apply_workdir(struct product *p, const struct instruction *in, struct err *err)
{
	cleanup_free char *now = path_join("/", product_text(p, "WorkingDir", "/"));
	cleanup_free char *path = path_join(now, in->args.n ? in->args.v[0] : "");

	json_put_str(config_of(p), "WorkingDir", path);
	(void)err;
	return 0;
}

static int apply_stopsignal(struct product *p, const struct instruction *in, struct err *err)
{
	json_put_str(config_of(p), "StopSignal", in->args.n ? in->args.v[0] : "");
	(void)err;
	return 0;
}

static int apply_shell(struct product *p, const struct instruction *in, struct err *err)
{
	json_put(config_of(p), "Shell", json_from_strv(&in->args));
	(void)err;
	return 0;
}

static int apply_maintainer(struct product *p, const struct instruction *in, struct err *err)
{
	json_put_str(p->doc, "author", in->args.n ? in->args.v[0] : "");
	(void)err;
	return 0;
}

static int apply_onbuild(struct product *p, const struct instruction *in, struct err *err)
{
	json_t *list = json_object_get(config_of(p), "OnBuild");

	if (!json_is_array(list)) {
		list = json_array();
		json_put(config_of(p), "OnBuild", list);
	}
	json_array_append_new(list, json_string(in->args.n ? in->args.v[0] : ""));
	(void)err;
	return 0;
}

static int apply_healthcheck(struct product *p, const struct instruction *in, struct err *err)
{
	const struct health_flags *h = &in->health;
	const struct {
		const char *key;
		nsec_t value;
	} times[] = {
		{ "Interval", h->interval },
		{ "Timeout", h->timeout },
		{ "StartPeriod", h->start_period },
		{ "StartInterval", h->start_interval },
	};
	json_t *health = json_object(), *test = json_from_strv(&in->args);

	if (h->none)
		test = (json_decref(test), json_pack("[s]", "NONE"));
	else
		json_array_insert_new(test, 0, json_string(in->json ? "CMD" : "CMD-SHELL"));
	json_put(health, "Test", test);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i].value)
			json_put(health, times[i].key, json_integer(times[i].value));
	if (h->retries)
		json_put(health, "Retries", json_integer(h->retries));
	json_put(config_of(p), "Healthcheck", health);
	(void)err;
	return 0;
}

int product_apply(struct product *p, const struct instruction *in, struct err *err)
{
	static int (*const table[INSTRUCTION_KIND_MAX_])(
		struct product *, const struct instruction *, struct err *) = {
		[INSTRUCTION_CMD] = apply_cmd,
		[INSTRUCTION_ENTRYPOINT] = apply_entrypoint,
		[INSTRUCTION_ENV] = apply_env,
		[INSTRUCTION_EXPOSE] = apply_expose,
		[INSTRUCTION_HEALTHCHECK] = apply_healthcheck,
		[INSTRUCTION_LABEL] = apply_label,
		[INSTRUCTION_MAINTAINER] = apply_maintainer,
		[INSTRUCTION_ONBUILD] = apply_onbuild,
		[INSTRUCTION_SHELL] = apply_shell,
		[INSTRUCTION_STOPSIGNAL] = apply_stopsignal,
		[INSTRUCTION_USER] = apply_user,
		[INSTRUCTION_VOLUME] = apply_volume,
		[INSTRUCTION_WORKDIR] = apply_workdir,
	};

	if (!table[in->kind])
		return 0; /* ARG, and what changes files */
	return table[in->kind](p, in, err);
}
