/* Every complaint: what it says, and the line and column it points at. */
#include "test.h"

#include "compose-case.h"

#define WEB "services:\n  web:\n    image: i\n"

static const struct {
	const char *name, *text, *message, *hint; /* message: a part of it */
	int line, column;
} errors[] = {
	{ "unknown key", "services:\n  web:\n    imgae: i\n", "unknown key 'imgae' in services.web",
	  "did you mean 'image'?", 3, 5 },
	{ "unknown top-level key", WEB "servces: {}", "unknown key 'servces' at the top level",
	  "did you mean 'services'?", 4, 1 },
	{ "a list is wanted", WEB "    ports: 80", "services.web.ports must be a list", NULL, 4,
	  12 },
	{ "a string is wanted", WEB "    user: 1000", "services.web.user must be a string", NULL, 4,
	  11 },
	{ "one of some words", WEB "    cgroup: prviate", "must be one of 'host', 'private'",
	  "did you mean 'private'?", 4, 13 },
	{ "a key is missing", WEB "    depends_on:\n      db: {restart: true}\n  db: {image: i}",
	  "needs the key 'condition'", NULL, 5, 11 },
	{ "twice in a list", WEB "    security_opt: [a, b, a]", "has the same item twice", NULL, 4,
	  26 },
	{ "no YAML", "services:\n  web: [\n", "not valid YAML", NULL, 0, 0 },
	{ "a key twice", WEB "    image: j", "key 'image' is defined twice (first at line 3)", NULL,
	  4, 5 },
	{ "a key that is a number", WEB "    labels: {1: a}", "a key must be a string", NULL, 4,
	  14 },
	{ "unknown anchor", WEB "    labels: *none", "unknown anchor 'none'", NULL, 4, 13 },
	{ "no mapping", "- a\n", "a Compose file must be a mapping", NULL, 1, 1 },
	{ "empty", "# nothing\n", "an empty Compose file", NULL, 0, 0 },
	{ "services of nothing", "services:\n", "services must be a mapping", NULL, 1, 1 },
	{ "variable", WEB "    hostname: a${X", "invalid interpolation format", NULL, 4, 16 },
	{ "required variable", WEB "    hostname: \"${X:?say it}\"",
	  "required variable 'X' is missing a value: say it", NULL, 4, 18 },
	{ "not a boolean", WEB "    tty: ${NONE:-maybe}", "services.web.tty must be true or false",
	  NULL, 4, 10 },
	{ "port", WEB "    ports: ['99999']", "'99999' is not a port", NULL, 4, 13 },
	{ "port ranges", WEB "    ports: ['1-3:1-2']", "not of the same length", NULL, 4, 13 },
	{ "port protocol", WEB "    ports: ['1/tpc']", "'tpc' is not a protocol", NULL, 4, 13 },
	{ "port address", WEB "    ports: ['1.2.3:1:1']", "'1.2.3' is not an IP address", NULL, 4,
	  13 },
	{ "volume", WEB "    volumes: ['aa:/b:cc:d']", "too many colons", NULL, 4, 15 },
	{ "duration", WEB "    healthcheck: {interval: 30}", "must be a string", NULL, 4, 29 },
	{ "duration text", WEB "    healthcheck: {interval: soon}", "must be a duration", NULL, 4,
	  29 },
	{ "size", WEB "    mem_limit: lots", "must be a size", NULL, 4, 16 },
	{ "open quote", WEB "    command: echo \"x", "a quote or parenthesis is left open", NULL, 4,
	  14 },
	{ "no image", "services:\n  web:\n    tty: true\n", "neither an image nor a build", NULL, 2,
	  3 },
	{ "undefined network", WEB "    networks: [bck]\nnetworks: {back: {}}",
	  "refers to an undefined network 'bck'", "did you mean 'back'?", 4, 16 },
	{ "undefined volume", WEB "    volumes: ['data:/d']",
	  "refers to an undefined volume 'data'", NULL, 4, 15 },
	{ "undefined secret", WEB "    secrets: [s]", "refers to an undefined secret 's'", NULL, 4,
	  15 },
	{ "undefined dependency", WEB "    depends_on: [dp]\n  db: {image: i}",
	  "depends on an undefined service 'dp'", "did you mean 'db'?", 4, 18 },
	{ "inactive dependency", WEB "    depends_on: [db]\n  db: {image: i, profiles: [x]}",
	  "whose profile is not active", "enable its profile, or say 'required: false'", 4, 18 },
	{ "dependency cycle", WEB "    depends_on: [b]\n  b: {image: i, depends_on: [web]}",
	  "a dependency cycle", NULL, 4, 18 },
	{ "network_mode and networks", WEB "    network_mode: host\n    networks: [default]",
	  "network_mode and networks exclude each other", NULL, 4, 5 },
	{ "two mounts on one place", WEB "    tmpfs: /a\n    volumes: ['/a']", "is mounted already",
	  NULL, 5, 5 },
	{ "healthcheck", WEB "    healthcheck: {test: [curl, x]}", "must begin with CMD", NULL, 4,
	  5 },
	{ "scale and replicas", WEB "    scale: 2\n    deploy: {replicas: 3}",
	  "have distinct values", NULL, 4, 5 },
	{ "limit twice", WEB "    pids_limit: 5\n    deploy: {resources: {limits: {cpus: '1'}}}",
	  "have distinct values", NULL, 4, 5 },
	{ "secret without a source", WEB "secrets:\n  s: {}",
	  "one of file, environment must be set", NULL, 5, 3 },
	{ "external with more", WEB "volumes:\n  v: {external: true, driver: d}", "is external",
	  NULL, 5, 23 },
	{ "extends nothing", WEB "    extends: {service: wbe}\n", "there is no service 'wbe'",
	  "did you mean 'web'?", 4, 24 },
	{ "extends itself", WEB "    extends: b\n  b: {image: i, extends: web}", "extends itself",
	  NULL, 5, 26 },
	{ "missing file", WEB "    extends: {file: none.yml, service: s}", "cannot read 'none.yml'",
	  NULL, 4, 21 },
	{ "include of nothing", "include: [none.yml]\n" WEB, "cannot read 'none.yml'", NULL, 1,
	  11 },
	{ "include of itself", "include: [compose.yaml]\n" WEB, "includes itself", NULL, 1, 11 },
	{ "env_file", WEB "    env_file: none.env", "cannot read 'none.env'", NULL, 4, 5 },
	{ "env_file of a device", WEB "    env_file: /dev/zero", "is not a regular file", NULL, 4,
	  5 },
	{ "hostname", WEB "    hostname: \"a\\nb\"", "holds a control character", NULL, 4, 15 },
	{ "hosts", WEB "    extra_hosts: [\"a\\tb:1.1.1.1\"]", "holds a control character", NULL, 4,
	  19 },
	{ "container name", WEB "    container_name: '...'", "is not a name", NULL, 4, 21 },
	{ "service name", "services:\n  ..:\n    image: i\n", "it has only dots", NULL, 2, 3 },
	{ "service name with blanks", "services:\n  a b:\n    image: i\n", "is not a name", NULL, 2,
	  3 },
	{ "replicas", WEB "    deploy: {replicas: 1000000000000}", "is out of range", NULL, 4, 5 },
	{ "scale", WEB "    scale: -1", "is out of range", NULL, 4, 5 },
	{ "memory", WEB "    mem_limit: 100000t", "is out of range", NULL, 4, 5 },
	{ "ulimit", WEB "    ulimits: {nofile: -5}", "is out of range", NULL, 4, 5 },
	{ "NUL", WEB "    hostname: \"a\\0b\"", "a NUL character", NULL, 4, 15 },
};

static void errors_point_at_the_line(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct case_file file = { "compose.yaml", errors[i].text };
		struct loading l;
		loading_begin(&l, &file, 1);
		loading_run(&l);
		const struct diagnostic *d = loading_error(&l);
		check(errors[i].name, l.r < 0 && d, "it was accepted");
		check(errors[i].name, strstr(d->message, errors[i].message), "it says: %s",
		      d->message);
		check_text(errors[i].name, d->hint, errors[i].hint);
		if (errors[i].line)
			check(errors[i].name, d->mark.line == errors[i].line, "line %d",
			      d->mark.line);
		if (errors[i].column)
			check(errors[i].name, d->mark.column == errors[i].column, "column %d",
			      d->mark.column);
		check(errors[i].name, !l.result.project, "there is a project");
		loading_end(&l);
	}
}

static void warnings_point_at_the_line(void **state)
{
	static const struct {
		const char *name, *text, *message;
		int line, column;
	} cases[] = {
		{ "version", "version: '3'\n" WEB, "'version' is obsolete", 1, 1 },
		{ "unset variable", WEB "    hostname: a$NONE\n    domainname: $NONE",
		  "the variable 'NONE' is not set", 4, 16 },
		{ "variable of an env_file", WEB "    env_file: a.env\n    hostname: $INFILE",
		  "env_file has no part in interpolation", 5, 15 },
		{ "health that never comes",
		  WEB "    depends_on:\n      db: {condition: service_healthy}\n"
		      "  db: {image: i, healthcheck: {disable: true}}",
		  "can never come true", 4, 5 },
		{ "an end that never comes",
		  WEB "    depends_on:\n      db: {condition: service_completed_successfully}\n"
		      "  db: {image: i, restart: always}",
		  "can never come true", 4, 5 },
		{ "unset variable in a block", WEB "    command: |\n      a\n      b ${NONE}\n",
		  "the variable 'NONE' is not set", 6, 9 },
		{ "external.name", WEB "networks:\n  default: {external: {name: n}}",
		  "'external.name' is deprecated", 5, 23 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct case_file files[] = { { "compose.yaml", cases[i].text },
					     { "a.env", "INFILE=1" } };
		struct loading l;
		const struct diagnostic *found = NULL;
		loading_begin(&l, files, 2);
		loading_run(&l);
		check(cases[i].name, l.r == 0, "%s", l.err.msg);
		vec_each(d, &l.result.diagnostics.items)
			if (strstr(d->message, cases[i].message))
				found = d;
		check(cases[i].name, found && found->severity == SEVERITY_WARNING, "no warning");
		check(cases[i].name,
		      found->mark.line == cases[i].line && found->mark.column == cases[i].column,
		      "at %d:%d", found->mark.line, found->mark.column);
		loading_end(&l);
	}
}

static void a_second_port_is_warned_about(void **state)
{
	struct case_file files[] = { { "compose.yaml", WEB "    ports: ['80:80']" },
				     { "compose.override.yaml",
				       "services: {web: {ports: ['81:80']}}" } };
	struct loading l;
	loading_begin(&l, files, 2);
	loading_run(&l);
	assert_int_equal(l.r, 0);
	assert_int_equal(l.result.diagnostics.items.n, 1);
	assert_string_equal(l.result.diagnostics.items.v[0].mark.file, "compose.override.yaml");
	assert_int_equal(l.result.diagnostics.items.v[0].mark.column, 26);
	loading_end(&l);
}

static void several_errors_are_reported(void **state)
{
	struct loading l;
	loading_text(&l,
		     "services:\n  a: {imgae: i}\n  b: {image: 1}\n  c: {image: i, ports: x}\n");
	assert_int_equal(l.result.diagnostics.errors, 3);
	assert_non_null(strstr(l.err.msg, "3 errors"));
	loading_end(&l);
}

/* An error in a file that another one leads to says which way it was reached. */
static void the_chain_is_told(void **state)
{
	struct case_file files[] = { { "compose.yaml", "include:\n  - a.yml\n" WEB },
				     { "a.yml", "include: [b.yml]\n" },
				     { "b.yml", "services: {x: {imgae: i}}" } };
	struct loading l;
	loading_begin(&l, files, 3);
	loading_run(&l);
	const struct diagnostic *d = loading_error(&l);
	assert_non_null(d);
	assert_string_equal(d->mark.file, "b.yml");
	assert_int_equal(d->chain.n, 2);
	assert_string_equal(d->chain.v[0].file, "compose.yaml");
	assert_int_equal(d->chain.v[0].line, 2);
	assert_string_equal(d->chain.v[1].file, "a.yml");
	assert_string_equal(d->source, "services: {x: {imgae: i}}");
	loading_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_point_at_the_line),
		cmocka_unit_test(warnings_point_at_the_line),
		cmocka_unit_test(a_second_port_is_warned_about),
		cmocka_unit_test(several_errors_are_reported),
		cmocka_unit_test(the_chain_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
