#include "api/metrics.h"

enum metric_type { COUNTER, GAUGE };

/* What a value is read from, where that is not the container's record. */
enum metric_source {
	FROM_RECORD,	/* value() says */
	FROM_RESOURCES, /* the number at `offset` of struct resources, while it runs */
	FROM_TRAFFIC,	/* the same, where it has a network of its own */
	FROM_NONZERO,	/* the same, where there is one: 0 is "no limit", or "not known" */
};

struct container_family {
	const char *name; /* behind stave_container_ */
	enum metric_type type;
	const char *help;
	enum metric_source source;
	size_t offset;
	bool (*value)(const struct sample_container *s, double *ret); /* false: it has none */
};

/* --- what the record says --- */

static double seconds(nsec_t t)
{
	return (double)t / (double)NSEC_PER_SEC;
}

static bool is_up(const struct sample_container *s, double *ret)
{
	*ret = container_is_up(s->c->state);
	return true;
}

static bool created(const struct sample_container *s, double *ret)
{
	*ret = seconds(s->c->created);
	return true;
}

static bool started(const struct sample_container *s, double *ret)
{
	*ret = seconds(s->c->started);
	return s->c->started > 0;
}

static bool finished(const struct sample_container *s, double *ret)
{
	*ret = seconds(s->c->finished);
	return s->c->finished > 0;
}

static bool restarts(const struct sample_container *s, double *ret)
{
	*ret = s->c->restarts;
	return true;
}

static bool exit_code(const struct sample_container *s, double *ret)
{
	*ret = s->c->exit_code;
	return s->c->started > 0 && !container_is_up(s->c->state);
}

static bool oom_killed(const struct sample_container *s, double *ret)
{
	*ret = s->c->oom_killed;
	return true;
}

/* What has ended has none, whatever its last check said. */
static bool has_health(const struct sample_container *s)
{
	return s->c->health_state != HEALTH_NONE && container_is_up(s->c->state);
}

static bool failing(const struct sample_container *s, double *ret)
{
	*ret = s->c->health_failing;
	return has_health(s);
}

static bool cpu_seconds(const struct sample_container *s, double *ret)
{
	*ret = (double)s->resources.stats.cpu_ns / (double)NSEC_PER_SEC;
	return s->running;
}

static bool cpu_limit(const struct sample_container *s, double *ret)
{
	*ret = s->resources.cpu_limit;
	return s->running && *ret > 0;
}

/* --- the table --- */

#define STATS(field)   offsetof(struct resources, stats.field)
#define TRAFFIC(field) offsetof(struct resources, traffic.field)
static const struct container_family container_families[] = {
	{ "up", GAUGE, "Whether the container's processes exist (1) or not (0).", .value = is_up },
	{ "created_time_seconds", GAUGE, "When the container was created, in seconds since 1970.",
	  .value = created },
	{ "start_time_seconds", GAUGE, "When it was last started, in seconds since 1970.",
	  .value = started },
	{ "finish_time_seconds", GAUGE, "When it last ended, in seconds since 1970.",
	  .value = finished },
	{ "restarts_total", COUNTER, "How often its restart policy has started it again.",
	  .value = restarts },
	{ "exit_code", GAUGE,
	  "The exit status of one that has ended; 128 plus the signal when one ended it.",
	  .value = exit_code },
	{ "health_failing_streak", GAUGE, "Health checks that have failed since one passed.",
	  .value = failing },
	{ "oom_killed", GAUGE, "Whether its last end was for want of memory.",
	  .value = oom_killed },
	{ "oom_kills_total", COUNTER,
	  "Processes of it that the kernel has killed for want of memory.", FROM_RESOURCES,
	  STATS(oom_kills) },
	{ "cpu_seconds_total", COUNTER, "CPU time used since its start, of all cores.",
	  .value = cpu_seconds },
	{ "cpu_limit_cores", GAUGE, "The most cores it may use at a time; absent without a limit.",
	  .value = cpu_limit },
	{ "memory_usage_bytes", GAUGE, "Memory in use, without page cache that is not.",
	  FROM_RESOURCES, STATS(memory) },
	{ "memory_limit_bytes", GAUGE, "The most memory it may use; absent without a limit.",
	  FROM_NONZERO, STATS(memory_limit) },
	{ "memory_peak_bytes", GAUGE,
	  "The most memory it has used, page cache included; absent where the kernel does not say.",
	  FROM_NONZERO, STATS(memory_peak) },
	{ "pids", GAUGE, "Processes and threads.", FROM_RESOURCES, STATS(pids) },
	{ "pids_limit", GAUGE, "The most processes and threads; absent without a limit.",
	  FROM_NONZERO, STATS(pids_limit) },
	{ "block_read_bytes_total", COUNTER, "Bytes read from block devices.", FROM_RESOURCES,
	  STATS(blk_read) },
	{ "block_written_bytes_total", COUNTER, "Bytes written to block devices.", FROM_RESOURCES,
	  STATS(blk_write) },
	{ "network_receive_bytes_total", COUNTER, "Bytes received.", FROM_TRAFFIC,
	  TRAFFIC(received_bytes) },
	{ "network_receive_packets_total", COUNTER, "Packets received.", FROM_TRAFFIC,
	  TRAFFIC(received_packets) },
	{ "network_receive_errors_total", COUNTER, "Packets received with an error.", FROM_TRAFFIC,
	  TRAFFIC(received_errors) },
	{ "network_receive_dropped_total", COUNTER, "Packets received and dropped.", FROM_TRAFFIC,
	  TRAFFIC(received_dropped) },
	{ "network_transmit_bytes_total", COUNTER, "Bytes sent.", FROM_TRAFFIC,
	  TRAFFIC(sent_bytes) },
	{ "network_transmit_packets_total", COUNTER, "Packets sent.", FROM_TRAFFIC,
	  TRAFFIC(sent_packets) },
	{ "network_transmit_errors_total", COUNTER, "Packets that could not be sent.", FROM_TRAFFIC,
	  TRAFFIC(sent_errors) },
	{ "network_transmit_dropped_total", COUNTER, "Packets dropped before they were sent.",
	  FROM_TRAFFIC, TRAFFIC(sent_dropped) },
};

/* --- text --- */

/* A quote, a backslash and a newline are escaped; what is no UTF-8 becomes U+FFFD, as a parser
 * would refuse all of the text for it. */
static void add_label(struct str *out, const char *name, const char *value)
{
	str_addf(out, "%s=\"", name);
	for (const char *p = value ? value : ""; *p;) {
		size_t n = 1;
		while (n < 4 && p[n - 1] && !str_utf8(p, n, false))
			n++;
		if (*p == '"' || *p == '\\') {
			str_addc(out, '\\');
			str_addc(out, *p);
		} else if (*p == '\n') {
			str_add(out, "\\n");
		} else if (p[n - 1] && str_utf8(p, n, false)) {
			str_addn(out, p, n);
		} else {
			str_add(out, "\xef\xbf\xbd");
			n = 1;
		}
		p += n;
	}
	str_addc(out, '"');
}

static void add_value(struct str *out, double value)
{
	bool whole = value > -1e18 && value < 1e18 && value == (double)(int64_t)value;
	str_addf(out, " %.*f\n", whole ? 0 : 6, value);
}

static void add_head(struct str *out, const char *prefix, const char *name, enum metric_type type,
		     const char *help)
{
	str_addf(out, "# HELP stave_%s%s %s\n# TYPE stave_%s%s %s\n", prefix, name, help, prefix,
		 name, type == COUNTER ? "counter" : "gauge");
}

/* Behind the labels that each container has, one more; with `extra` NULL none. */
static void add_container(struct str *out, const char *name, const struct container *c,
			  const char *extra, const char *extra_value, double value)
{
	/* "web-2" is the service's "2", "web-run-0a1b2c3d" is "run-0a1b2c3d". */
	size_t len = strlen(c->service);
	const char *replica =
		str_starts(c->slot, c->service) && c->slot[len] == '-' ? c->slot + len + 1 : "";
	str_addf(out, "stave_container_%s{", name);
	add_label(out, "project", c->project);
	add_label(out, ",service", c->service);
	add_label(out, ",replica", replica);
	add_label(out, ",container", c->name);
	add_label(out, ",image", c->image);
	if (extra)
		add_label(out, extra, extra_value);
	str_addc(out, '}');
	add_value(out, value);
}

/* --- families --- */

static bool value_of(const struct container_family *f, const struct sample_container *s,
		     double *ret)
{
	uint64_t number;
	if (f->source == FROM_RECORD)
		return f->value(s, ret);
	memcpy(&number, (const char *)&s->resources + f->offset, sizeof(number));
	*ret = (double)number;
	return s->running && (f->source != FROM_TRAFFIC || s->resources.has_traffic) &&
	       (f->source != FROM_NONZERO || number);
}

static void add_family(struct str *out, const struct sample *sample,
		       const struct container_family *f)
{
	double value;
	add_head(out, "container_", f->name, f->type, f->help);
	vec_each(p, &sample->projects)
		vec_each(s, &p->containers)
			if (value_of(f, s, &value))
				add_container(out, f->name, s->c, NULL, NULL, value);
}

static void add_info(struct str *out, const struct sample *sample)
{
	add_head(out, "container_", "info", GAUGE, "Always 1: the container's id.");
	vec_each(p, &sample->projects)
		vec_each(s, &p->containers)
			add_container(out, "info", s->c, ",id", s->c->id, 1);
}

static void add_states(struct str *out, const struct sample *sample)
{
	add_head(out, "container_", "state", GAUGE,
		 "1 for the state the container is in, 0 for the others.");
	vec_each(p, &sample->projects)
		vec_each(s, &p->containers)
			for (const char *const *state = container_states_shown; *state; state++)
				add_container(out, "state", s->c, ",state", *state,
					      str_eq(*state, container_state_shown(s->c->state)));
}

static void add_health(struct str *out, const struct sample *sample)
{
	add_head(out, "container_", "health_status", GAUGE,
		 "1 for the health the container has, 0 for the others; absent without a health "
		 "check, and when it does not run.");
	vec_each(p, &sample->projects)
		vec_each(s, &p->containers)
			for (int h = HEALTH_NONE + 1; has_health(s) && h < HEALTH_MAX_; h++)
				add_container(out, "health_status", s->c, ",status",
					      container_health_name((enum container_health)h),
					      s->c->health_state == (enum container_health)h);
}

static void add_project(struct str *out, const char *name, const struct sample_project *p,
			double value)
{
	str_addf(out, "stave_%s{", name);
	add_label(out, "project", p->name);
	str_addc(out, '}');
	add_value(out, value);
}

static void add_projects(struct str *out, const struct sample *sample)
{
	add_head(out, "", "project_readable", GAUGE,
		 "Whether the project's state files could be read.");
	vec_each(p, &sample->projects)
		add_project(out, "project_readable", p, p->readable);
	add_head(out, "", "supervisor_up", GAUGE,
		 "Whether a supervisor looks after the project; one of which nothing runs has "
		 "none.");
	vec_each(p, &sample->projects)
		add_project(out, "supervisor_up", p, p->supervisor > 0);
	add_head(out, "", "supervisor_resident_memory_bytes", GAUGE,
		 "The supervisor's resident memory.");
	vec_each(p, &sample->projects)
		if (p->supervisor)
			add_project(out, "supervisor_resident_memory_bytes", p,
				    (double)p->supervisor_memory);
}

void metrics_format(const struct sample *sample, struct str *out)
{
	add_head(out, "", "build_info", GAUGE, "Always 1: the version of stave.");
	str_add(out, "stave_build_info{");
	add_label(out, "version", STAVE_VERSION);
	str_add(out, "} 1\n");
	add_projects(out, sample);
	add_info(out, sample);
	add_states(out, sample);
	add_health(out, sample);
	for (size_t i = 0; i < ARRAY_SIZE(container_families); i++)
		add_family(out, sample, &container_families[i]);
}

int metrics_text(const struct engine_paths *paths, const char *project, struct str *out,
		 struct err *err)
{
	cleanup_sample struct sample sample = { 0 };
	int r = sample_take(paths, project, &sample, err);
	if (r < 0)
		return r;
	metrics_format(&sample, out);
	if (str_overflowed(out))
		return err_input(err, "the metrics have more than %zu bytes",
				 out->max ? out->max : STR_MAX_DEFAULT);
	return 0;
}
