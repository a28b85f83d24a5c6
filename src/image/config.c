/* The image config document: decoding what running needs. Everything in it was written by others,
 * so a field of the wrong type counts as missing, and what is used as a path or a digest is
 * checked. */
#include "image/store.h"

void image__config_done(struct image_config *c)
{
	free(c->architecture);
	free(c->os);
	free(c->variant);
	free(c->author);
	free(c->user);
	free(c->working_dir);
	free(c->stop_signal);
	strv_done(&c->env);
	strv_done(&c->entrypoint);
	strv_done(&c->cmd);
	strv_done(&c->shell);
	strv_done(&c->exposed);
	strv_done(&c->volumes);
	strv_done(&c->onbuild);
	strv_done(&c->health.test);
	strv_done(&c->diff_ids);
	json_decref(c->labels);
	json_decref(c->raw);
	*c = (struct image_config){ 0 };
}

/* The keys of an object that is used as a set ("ExposedPorts", "Volumes"), sorted. */
static void add_keys(const json_t *config, const char *key, struct strv *out)
{
	json_t *set = json_object_get(config, key), *value;
	const char *name;

	json_object_foreach(set, name, value)
		strv_add(out, name);
	strv_sort(out);
}

static void decode_health(const json_t *config, struct image_health *health)
{
	const json_t *j = json_object_get(config, "Healthcheck");
	struct {
		const char *key;
		nsec_t *value;
	} times[] = {
		{ "Interval", &health->interval },
		{ "Timeout", &health->timeout },
		{ "StartPeriod", &health->start_period },
		{ "StartInterval", &health->start_interval },
	};
	int64_t retries = json_int(j, "Retries", 0);

	if (!json_is_object(j))
		return;
	json_strv(j, "Test", &health->test);
	health->set = health->test.n > 0;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		int64_t value = json_int(j, times[i].key, 0);

		*times[i].value = value > 0 ? value : 0;
	}
	health->retries = retries > 0 && retries < 1000000 ? (int)retries : 0;
}

static int decode_diff_ids(const json_t *doc, struct image_config *c, struct err *err)
{
	const json_t *rootfs = json_object_get(doc, "rootfs");

	json_strv(rootfs, "diff_ids", &c->diff_ids);
	if (c->diff_ids.n > IMAGE_LAYERS_MAX)
		return err_input(err, "the image has %zu layers, at most %d are supported",
				 c->diff_ids.n, IMAGE_LAYERS_MAX);
	for (size_t i = 0; i < c->diff_ids.n; i++)
		if (!image__digest_ok(c->diff_ids.v[i]))
			return err_input(err, "the image config has a bad layer id '%.80s'",
					 c->diff_ids.v[i]);
	return 0;
}

/* Names that are handed to others as they are must not carry line ends or escape sequences. */
static char *clean_text(const json_t *obj, const char *key)
{
	const char *text = json_str(obj, key, NULL);

	return text && str_utf8(text, strlen(text), true) ? xstrdup(text) : NULL;
}

static void decode_process(const json_t *config, struct image_config *c)
{
	json_t *labels = json_object_get(config, "Labels");

	c->user = clean_text(config, "User");
	c->working_dir = xstrdup(json_str(config, "WorkingDir", NULL));
	c->stop_signal = clean_text(config, "StopSignal");
	json_strv(config, "Env", &c->env);
	json_strv(config, "Entrypoint", &c->entrypoint);
	json_strv(config, "Cmd", &c->cmd);
	json_strv(config, "Shell", &c->shell);
	json_strv(config, "OnBuild", &c->onbuild);
	add_keys(config, "ExposedPorts", &c->exposed);
	add_keys(config, "Volumes", &c->volumes);
	if (json_object_size(labels))
		c->labels = json_incref(labels);
	decode_health(config, &c->health);
}

int image__config_decode(json_t *doc, struct image_config *ret, struct err *err)
{
	struct image_config c = { 0 };
	int r;

	if (!json_is_object(doc))
		return err_input(err, "the image config is not an object");
	c.raw = json_incref(doc);
	c.architecture = clean_text(doc, "architecture");
	c.os = clean_text(doc, "os");
	c.variant = clean_text(doc, "variant");
	c.author = clean_text(doc, "author");
	if (parse_rfc3339(json_str(doc, "created", ""), &c.created) < 0)
		c.created = 0;
	decode_process(json_object_get(doc, "config"), &c);
	r = decode_diff_ids(doc, &c, err);
	if (r < 0) {
		image__config_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}
