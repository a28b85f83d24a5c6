#include "test.h"

#include "api/listen.h"
#include "api/metrics.h"

/* One project with one container, as the machine would give it. */
struct world {
	struct container c;
	struct sample sample;
};

static struct sample_container *world(struct world *w)
{
	*w = (struct world){ .c = { .project = (char *)"demo",
				    .service = (char *)"web",
				    .slot = (char *)"web-2",
				    .name = (char *)"demo-web-2",
				    .image = (char *)"nginx:1",
				    .id = "0123456789ab" } };
	struct sample_project *p = vec_add(&w->sample.projects);
	p->name = xstrdup("demo");
	p->readable = true;
	struct sample_container *s = vec_add(&p->containers);
	s->c = &w->c;
	return s;
}

static char *text_of(struct world *w)
{
	struct str out = STR_INIT;
	metrics_format(&w->sample, &out);
	return str_take(&out);
}

/* The line that begins so, without its end; "" when there is none. Owned. */
static char *line_of(const char *text, const char *beginning)
{
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		if (str_starts(line, beginning))
			return xstrndup(line, strcspn(line, "\n"));
	return xstrdup("");
}

static void labels_are_escaped(void **state)
{
	static const struct {
		const char *name, *image, *want;
	} cases[] = {
		{ "plain", "nginx:1", "nginx:1" },
		{ "empty", "", "" },
		{ "none", NULL, "" },
		{ "quote", "a\"b", "a\\\"b" },
		{ "backslash", "a\\n", "a\\\\n" },
		{ "newline", "a\nstave_container_up 0", "a\\nstave_container_up 0" },
		{ "all three", "\\\"\n", "\\\\\\\"\\n" },
		{ "braces", "a\"} 1\n", "a\\\"} 1\\n" },
		{ "two bytes", "\xc3\xa4", "\xc3\xa4" },
		{ "four bytes", "\xf0\x9f\x90\xb3!", "\xf0\x9f\x90\xb3!" },
		{ "a byte that is none",
		  "a\xff"
		  "b",
		  "a\xef\xbf\xbd"
		  "b" },
		{ "cut short", "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd" },
		{ "too long a form", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "half a pair", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "quote behind a lead byte", "\xc3\"", "\xef\xbf\xbd\\\"" },
		{ "newline behind a lead byte", "\xf0\n", "\xef\xbf\xbd\\n" },
		{ "carriage return", "a\rb", "a\rb" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		world(&w);
		w.c.image = (char *)cases[i].image;
		cleanup_free char *text = text_of(&w);
		cleanup_free char *got = line_of(text, "stave_container_up{");
		cleanup_free char *want = xasprintf(
			"stave_container_up{project=\"demo\",service=\"web\",replica=\"2\","
			"container=\"demo-web-2\",image=\"%s\"} 0",
			cases[i].want);
		check_text(cases[i].name, got, want);
		check(cases[i].name, str_utf8(text, strlen(text), false), "not UTF-8");
		sample_done(&w.sample);
	}
}

static void values_have_their_units(void **state)
{
	struct world w;
	struct sample_container *s = world(&w);
	s->running = true;
	s->resources.stats.cpu_ns = 1500000000;
	s->resources.stats.memory = 9007199254740991;
	s->resources.stats.memory_limit = 1 << 20;
	s->resources.has_traffic = true;
	s->resources.traffic.received_bytes = 17;
	w.c.state = CONTAINER_RUNNING;
	w.c.started = 1700000000 * NSEC_PER_SEC + 250 * NSEC_PER_MSEC;
	static const struct {
		const char *metric, *want; /* "": absent */
	} cases[] = {
		{ "cpu_seconds_total", "1.500000" },
		{ "memory_usage_bytes", "9007199254740991" },
		{ "memory_limit_bytes", "1048576" },
		{ "pids_limit", "" },
		{ "cpu_limit_cores", "" },
		{ "start_time_seconds", "1700000000.250000" },
		{ "finish_time_seconds", "" },
		{ "exit_code", "" },
		{ "network_receive_bytes_total", "17" },
		{ "network_transmit_bytes_total", "0" },
		{ "health_status", "" },
	};
	cleanup_free char *text = text_of(&w);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *beginning = xasprintf("stave_container_%s{", cases[i].metric);
		cleanup_free char *line = line_of(text, beginning);
		const char *value = strrchr(line, ' ');
		check_text(cases[i].metric, value ? value + 1 : "", cases[i].want);
	}
	sample_done(&w.sample);
}

static void without_its_own_network_there_is_none(void **state)
{
	struct world w;
	struct sample_container *s = world(&w);
	s->running = true;
	cleanup_free char *text = text_of(&w);
	assert_null(strstr(text, "stave_container_network_receive_bytes_total{"));
	assert_non_null(strstr(text, "stave_container_pids{"));
	sample_done(&w.sample);
}

/* One value of each set is 1. */
static void sets_have_one(void **state)
{
	static const struct {
		enum container_state state;
		enum container_health health;
		const char *shown, *status; /* "": absent */
	} cases[] = {
		{ CONTAINER_CREATED, HEALTH_NONE, "created", "" },
		{ CONTAINER_STARTING, HEALTH_STARTING, "created", "starting" },
		{ CONTAINER_RUNNING, HEALTH_UNHEALTHY, "running", "unhealthy" },
		{ CONTAINER_STOPPING, HEALTH_HEALTHY, "running", "healthy" },
		{ CONTAINER_PAUSED, HEALTH_HEALTHY, "paused", "healthy" },
		{ CONTAINER_BACKOFF, HEALTH_UNHEALTHY, "restarting", "" },
		{ CONTAINER_EXITED, HEALTH_HEALTHY, "exited", "" },
		{ CONTAINER_DEAD, HEALTH_NONE, "dead", "" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		world(&w);
		w.c.state = cases[i].state;
		w.c.health_state = cases[i].health;
		cleanup_free char *text = text_of(&w);
		struct str states = STR_INIT, health = STR_INIT;
		for (char *save, *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			bool one = str_ends(line, "\"} 1");
			const char *of = strstr(line, ",state=\""),
				   *is = strstr(line, ",status=\"");
			if (one && of)
				str_addn(&states, of + 8, strcspn(of + 8, "\""));
			if (one && is)
				str_addn(&health, is + 9, strcspn(is + 9, "\""));
		}
		check_text(cases[i].shown, str_text(&states), cases[i].shown);
		check_text(cases[i].shown, str_text(&health), cases[i].status);
		str_done(&states);
		str_done(&health);
		sample_done(&w.sample);
	}
}

/* Each family once, all of its samples behind its head, counters named so, nothing without HELP. */
static void the_text_is_well_formed(void **state)
{
	struct world w;
	struct sample_container *s = world(&w);
	s->running = s->resources.has_traffic = true;
	w.c.state = CONTAINER_RUNNING;
	w.c.health_state = HEALTH_HEALTHY;
	memset(&s->resources.stats, 1, sizeof(s->resources.stats));
	cleanup_free char *text = text_of(&w);
	cleanup_strv struct strv seen = { 0 };
	char family[128] = "", type[16] = "";
	for (char *save, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char name[128], help[8];
		if (sscanf(line, "# HELP %127s %7s", name, help) == 2) {
			check(name, !strv_has(&seen, name), "twice");
			strv_add(&seen, name);
			check(name, str_ends(line, "."), "%s", line);
		} else if (sscanf(line, "# TYPE %127s %15s", family, type) == 2) {
			check_text(family, seen.v[seen.n - 1], family);
			check(family, str_ends(family, "_total") == str_eq(type, "counter"), "%s",
			      type);
		} else {
			size_t len = strcspn(line, "{");
			check(line, len == strlen(family) && memcmp(line, family, len) == 0, "%s",
			      family);
		}
	}
	assert_true(seen.n > 30);
	sample_done(&w.sample);
}

static void traffic_is_summed(void **state)
{
	static const char head[] =
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
		"packets "
		"errs drop fifo colls carrier compressed\n";
	static const struct {
		const char *name, *lines;
		struct traffic want;
	} cases[] = {
		{ "none", "", { 0 } },
		{ "lo counts not", "    lo: 5 5 5 5 0 0 0 0 5 5 5 5 0 0 0 0\n", { 0 } },
		{ "two",
		  "  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"
		  "  eth1:10 20 30 40 0 0 0 0 50 60 70 80 0 0 0 0\n",
		  { 11, 22, 33, 44, 55, 66, 77, 88 } },
		{ "cut short", "  eth0: 1 2", { .received_bytes = 1, .received_packets = 2 } },
		{ "nonsense", "  eth0: x y\nnothing\n:\n", { 0 } },
		{ "too large", "  eth0: 99999999999999999999999 2\n", { 0 } },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *text = xasprintf("%s%s", head, cases[i].lines);
		struct traffic got = traffic_parse(text);
		check(cases[i].name, memcmp(&got, &cases[i].want, sizeof(got)) == 0,
		      "received %llu sent %llu", (unsigned long long)got.received_bytes,
		      (unsigned long long)got.sent_bytes);
	}
	assert_int_equal(traffic_parse("").sent_bytes, 0);
}

static void addresses(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{ "127.0.0.1:9323", "http://127.0.0.1:9323" },
		{ "9323", "http://127.0.0.1:9323" },
		{ "localhost:80", "http://127.0.0.1:80" },
		{ "0.0.0.0:9323", "http://0.0.0.0:9323" },
		{ "[::1]:9323", "http://[::1]:9323" },
		{ "unix:/run/x", "unix:/run/x" },
		{ "", NULL },
		{ ":9323", NULL },
		{ "[]:9323", NULL },
		{ "[::1:9323", NULL },
		{ "::1:9323", NULL },
		{ "1.2.3:80", NULL },
		{ "host:80", NULL },
		{ "127.0.0.1:", NULL },
		{ "127.0.0.1:0", NULL },
		{ "127.0.0.1:65536", NULL },
		{ "127.0.0.1: 80", NULL },
		{ "unix:", NULL },
		{ "unix:x", NULL },
		{ "[", NULL },
		{ "]:1", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct listen where;
		cleanup_err struct err err = ERR_INIT;
		int r = listen_parse(cases[i].text, &where, &err);
		check(cases[i].text, (r == 0) == (cases[i].want != NULL), "%d", r);
		cleanup_free char *got = r == 0 ? listen_text(&where) : NULL;
		check_text(cases[i].text, got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(values_have_their_units),
		cmocka_unit_test(without_its_own_network_there_is_none),
		cmocka_unit_test(sets_have_one),
		cmocka_unit_test(the_text_is_well_formed),
		cmocka_unit_test(traffic_is_summed),
		cmocka_unit_test(addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
