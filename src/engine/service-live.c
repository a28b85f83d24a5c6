/* What stave itself owns of a container, and can change while it runs: labels, stop signal and
 * grace, restart policy, health check, logging. Every field is set anew, whatever it held. */
#include "base/proc.h"
#include "engine/service-impl.h"

#include <signal.h>

#define STOP_GRACE_DEFAULT (10 * NSEC_PER_SEC)

static void put_labels(json_t *to, const json_t *from)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)from, key, value) {
		if (json_is_string(value))
			json_object_set(to, key, value);
		else
			json_object_set_new(to, key, json_string(""));
	}
}

static const char *condition_name(enum depends_condition condition)
{
	static const char *const names[] = {
		[DEPENDS_STARTED] = "service_started",
		[DEPENDS_HEALTHY] = "service_healthy",
		[DEPENDS_COMPLETED] = "service_completed_successfully",
	};
	return names[condition];
}

/* As Docker Compose sets them, so that tools that look for its containers find ours. */
static void put_compose_labels(const struct making *m, json_t *labels)
{
	const struct project *project = m->x->project;
	cleanup_free char *number = xasprintf("%u", m->oneoff ? 1 : m->x->slot->number);
	cleanup_free char *files = strv_join(&project->files, ",");
	cleanup_free char *env_files = strv_join(&project->environment_files, ",");
	cleanup_str struct str depends = STR_INIT;
	vec_each(d, &m->service->depends_on)
		str_addf(&depends, "%s%s:%s:%s", depends.len ? "," : "", d->service,
			 condition_name(d->condition), d->restart ? "true" : "false");
	const struct {
		const char *name, *value;
	} rows[] = {
		{ "project", project->name },
		{ "service", m->service->name },
		{ "container-number", number },
		{ "oneoff", m->oneoff ? "True" : "False" },
		{ "config-hash", m->service->config_hash },
		{ "image", m->x->image->id },
		{ "project.working_dir", project->working_dir },
		{ "project.config_files", files },
		{ "project.environment_file", *env_files ? env_files : NULL },
		{ "depends_on", str_text(&depends) },
		{ "version", STAVE_VERSION },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *name = xasprintf("com.docker.compose.%s", rows[i].name);
		json_put_str(labels, name, rows[i].value);
	}
}

static int set_labels(struct making *m, struct err *err)
{
	json_t *labels = json_object();
	put_labels(labels, m->x->image->config.labels);
	put_labels(labels, m->service->labels);
	for (size_t i = 0; m->oneoff && i < m->oneoff->labels.n; i++) {
		cleanup_free char *key = xstrdup(m->oneoff->labels.v[i]);
		char *equals = strchr(key, '=');
		if (equals)
			*equals = '\0';
		json_put_str(labels, key, equals ? equals + 1 : "");
	}
	put_compose_labels(m, labels);
	json_decref(m->c->labels);
	m->c->labels = labels;
	return 0;
}

static int set_stop(struct making *m, struct err *err)
{
	const char *name = m->service->stop_signal;
	if (str_empty(name))
		name = m->x->image->config.stop_signal;
	m->c->stop_signal = SIGTERM;
	if (!str_empty(name)) {
		int signo = signal_parse(name);
		if (signo < 0)
			return service__bad(m, NULL, err, "stop signal '%s' is not a signal", name);
		m->c->stop_signal = signo;
	}
	m->c->stop_grace = m->service->stop_grace_period < 0 ? STOP_GRACE_DEFAULT
							     : m->service->stop_grace_period;
	return 0;
}

/* restart: wins over deploy.restart_policy, as with Docker Compose. */
static int set_restart(struct making *m, struct err *err)
{
	const struct service *s = m->service;
	struct container *c = m->c;
	c->restart = RESTART_NO;
	c->restart_retries = 0;
	c->restart_delay = c->restart_window = 0;
	if (m->oneoff)
		return 0;
	if (s->has_restart) {
		c->restart = s->restart;
		c->restart_retries = s->restart_retries;
	} else if (str_eq(s->deploy.restart_condition, "any")) {
		c->restart = RESTART_ALWAYS;
	} else if (str_eq(s->deploy.restart_condition, "on-failure")) {
		c->restart = RESTART_ON_FAILURE;
		if (s->deploy.has_restart_max_attempts)
			c->restart_retries = (int)s->deploy.restart_max_attempts;
	}
	if (!s->has_restart && s->deploy.restart_condition) {
		c->restart_delay = s->deploy.restart_delay > 0 ? s->deploy.restart_delay : 0;
		c->restart_window = s->deploy.restart_window > 0 ? s->deploy.restart_window : 0;
	}
	return 0;
}

static nsec_t first_set(nsec_t service, nsec_t image, nsec_t fallback)
{
	return service >= 0 ? service : image > 0 ? image : fallback;
}

static int set_health(struct making *m, struct err *err)
{
	const struct service_healthcheck *own = &m->service->healthcheck;
	const struct image_health *image = &m->x->image->config.health;
	static const struct service_healthcheck unset = { .interval = -1,
							  .timeout = -1,
							  .start_period = -1,
							  .start_interval = -1,
							  .retries = -1 };
	if (!own->set)
		own = &unset;
	struct health_config *h = &m->c->health;
	strv_done(&h->test);
	*h = (struct health_config){
		.interval = first_set(own->interval, image->interval, 30 * NSEC_PER_SEC),
		.timeout = first_set(own->timeout, image->timeout, 30 * NSEC_PER_SEC),
		.start_period = first_set(own->start_period, image->start_period, 0),
		.start_interval =
			first_set(own->start_interval, image->start_interval, 5 * NSEC_PER_SEC),
		.retries = (int)first_set(own->retries, image->retries, 3),
	};
	/* A zero means the default, as in the image's own format. */
	h->interval = h->interval ? h->interval : 30 * NSEC_PER_SEC;
	h->timeout = h->timeout ? h->timeout : 30 * NSEC_PER_SEC;
	h->start_interval = h->start_interval ? h->start_interval : 5 * NSEC_PER_SEC;
	h->retries = h->retries ? h->retries : 3;
	const struct strv *test =
		own->test.set && own->test.args.n ? &own->test.args : &image->test;
	h->enabled = !own->disable && test->n > 0 && !str_eq(test->v[0], "NONE");
	if (h->enabled)
		strv_copy(&h->test, test);
	return 0;
}

static int set_logging(struct making *m, struct err *err)
{
	static const char *const known[] = { "json-file", "local", "none", "stave" };
	const struct service_logging *logging = &m->service->logging;
	json_decref(m->c->logging);
	m->c->logging = NULL;
	if (!logging->driver && !logging->options)
		return 0;
	bool is_known = !logging->driver;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		is_known |= str_eq(logging->driver, known[i]);
	if (!is_known)
		service__warn(m, "logging driver '%s' is not there; stave keeps the log itself",
			      logging->driver);
	json_t *j = json_object();
	json_put_str(j, "driver", logging->driver);
	json_put(j, "options", json_incref(logging->options));
	m->c->logging = j;
	return 0;
}

static void add_once(struct strv *list, const char *value, const char *prefix)
{
	const char *name = value ? str_after(value, prefix) : NULL;
	cleanup_free char *copy = name ? xstrdup(name) : NULL;
	if (!copy)
		return;
	copy[strcspn(copy, ":")] = '\0';
	if (!strv_has(list, copy))
		strv_add(list, copy);
}

/* The names that plan.c makes edges of, for the day when there is no project file. */
static int set_depends(struct making *m, struct err *err)
{
	const struct service *s = m->service;
	struct strv *list = &m->c->depends_on;
	strv_done(list);
	vec_each(d, &s->depends_on)
		add_once(list, d->service, "");
	for (size_t i = 0; i < s->links.n; i++)
		add_once(list, s->links.v[i], "");
	for (size_t i = 0; i < s->volumes_from.n; i++) {
		if (!str_starts(s->volumes_from.v[i], "container:"))
			add_once(list, s->volumes_from.v[i], "");
	}
	add_once(list, s->network_mode, "service:");
	add_once(list, s->pid, "service:");
	add_once(list, s->ipc, "service:");
	return 0;
}

static int set_config(struct making *m, struct err *err)
{
	free(m->c->config_hash);
	m->c->config_hash = xstrdup(m->service->config_hash);
	json_decref(m->c->config);
	m->c->config = service_config(m->x->project, m->service);
	return 0;
}

int service__live(struct making *m, struct err *err)
{
	static int (*const parts[])(struct making * m, struct err * err) = {
		set_labels, set_stop, set_restart, set_health, set_logging, set_depends, set_config,
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r = parts[i](m, err);
		if (r < 0)
			return r;
	}
	return 0;
}
