/* Every complaint: what it says, and the line and column it points at. */
#include "test.h"

#include "compose-case.h"

#define WEB	      "services:\n  web:\n    image: i\n"
#define REPEAT_10(x)  x x x x x x x x x x
#define REPEAT_300(x) REPEAT_10(REPEAT_10(x)) REPEAT_10(REPEAT_10(x)) REPEAT_10(REPEAT_10(x))

static const struct {
	const char *name, *text, *message, *hint; /* message: a part of it */
	int line, column;
	const char *other; /* what other.yml beside it holds */
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
	{ "raw env_file name", WEB "    env_file: [{path: other.yml, format: raw}]",
	  "the name of a variable cannot contain a space", NULL, 1, 1, "A B=1\n" },
	{ "raw env_file without a name", WEB "    env_file: [{path: other.yml, format: raw}]",
	  "a value without the name of a variable", NULL, 1, 1, "=1\n" },
	{ "remote include", "include: ['https://example.com/a.git']\n" WEB,
	  "is not on this machine: remote Compose files are not read",
	  "fetch it first (git clone, oras pull) and name the file there", 1, 11 },
	{ "remote include among others", "include: [{path: [other.yml, 'oci://r/x']}]\n" WEB,
	  "'oci://r/x' is not on this machine", NULL, 1, 30 },
	{ "remote extends", WEB "    extends: {file: git@example.com:a, service: s}",
	  "'git@example.com:a' is not on this machine", NULL, 4, 21 },
	{ "no UTF-8", WEB "    hostname: \"a\xff\"\n", "not valid UTF-8", NULL, 4, 17 },
	{ "NUL", WEB "    hostname: \"a\\0b\"", "a NUL character", NULL, 4, 15 },
	{ "build ssh", WEB "    build: {context: ., ssh: [a]}", "expected name=value", NULL, 4,
	  31 },
	{ "device", WEB "    devices: ['a:b:c:d']", "more than two colons; use the long form", NULL,
	  4, 15 },
	{ "two names", WEB "networks:\n  n: {name: a, external: {name: b}}",
	  "'name' and 'external.name' differ; keep 'name'", NULL, 5, 33 },
	{ "two sources", WEB "secrets:\n  s: {file: a, environment: B}",
	  "only one of file, environment can be set", NULL, 5, 3 },
	{ "count and ids", WEB "    gpus: [{count: 1, device_ids: ['0']}]",
	  "'count' and 'device_ids' exclude each other", NULL, 4, 12 },
	{ "pull policy", WEB "    pull_policy: alwys",
	  "services.web.pull_policy: 'alwys' is not a policy", NULL, 4, 18 },
	{ "context of nobody",
	  WEB "    build: {context: ., additional_contexts: {a: 'service:db'}}",
	  "takes the unknown service 'db' as a build context", NULL, 4, 5 },
	{ "context of an image",
	  WEB "    build: {context: ., additional_contexts: {a: 'service:db'}}\n  db: {image: i}",
	  "takes 'db' as a build context, which has no build", NULL, 4, 5 },
	{ "two Dockerfiles",
	  WEB "    build: {context: ., dockerfile: a, dockerfile_inline: FROM x}",
	  "dockerfile and dockerfile_inline exclude each other", NULL, 4, 5 },
	{ "platform", WEB "    platform: a/b\n    build: {context: ., platforms: [c/d]}",
	  "build.platforms must have the platform 'a/b'", NULL, 4, 5 },
	{ "build secret", WEB "    build: {context: ., secrets: [s]}",
	  "refers to an undefined build secret 's'", NULL, 4, 5 },
	{ "network of nobody", WEB "    network_mode: service:db",
	  "there is no service 'db' for the network_mode of 'web'", NULL, 4, 5 },
	{ "watch", WEB "    build: .\n    develop: {watch: [{path: a, action: sync}]}",
	  "a watch that is no rebuild needs a target", NULL, 5, 5 },
	{ "container names", WEB "    container_name: aa\n  db: {image: i, container_name: aa}",
	  "both have the container_name 'aa'", NULL, 4, 5 },
	{ "extends without a name", WEB "    extends: {file: a}",
	  "services.web.extends needs the key 'service'", NULL, 4, 14 },
	{ "extends from nothing", WEB "    extends: {file: other.yml, service: s}",
	  "has no services", NULL, 4, 21, "volumes: {}\n" },
	{ "extends text", WEB "    extends: db\n  db: text",
	  "the service that 'web' extends must be a mapping", NULL, 5, 7 },
	{ "a service of text", "services:\n  web: text\n",
	  "services.web must be a mapping, not a string", NULL, 2, 3 },
	{ "included differently", "include: [other.yml]\n" WEB,
	  "is defined here and, differently, in 'other.yml', which is included", NULL, 3, 3,
	  "services: {web: {image: j}}" },
	{ "include without a path", "include: [{env_file: a}]\n" WEB,
	  "an include needs the key 'path'", NULL, 1, 11 },
	{ "include of a word", "include: other.yml\n" WEB, "include must be a list, not a string",
	  NULL, 1, 1 },
	{ "not whole", WEB "    cpu_shares: '1.5'",
	  "services.web.cpu_shares must be a whole number", NULL, 4, 17 },
	{ "two colons", WEB "    volumes: [':/b']", "nothing between two colons", NULL, 4, 15 },
	{ "empty volume", WEB "    volumes: ['']", "an empty volume", NULL, 4, 15 },
	{ "file mode", WEB "    configs: [{source: c, mode: rw}]\nconfigs: {c: {content: x}}",
	  "must be a file mode like 0440", NULL, 4, 33 },
	{ "bind without a source", WEB "    volumes: [{type: bind, target: /a}]",
	  "a bind mount needs a source", NULL, 4, 15 },
	{ "long port", WEB "    ports: ['" REPEAT_300("1") "']", "longer than any port", NULL, 4,
	  13 },
	{ "port without a target", WEB "    ports: ['80:']", "has no port of the container", NULL,
	  4, 13 },
	{ "size words", WEB "    shm_size: many", "must be a size like 512m", NULL, 4, 15 },
	{ "duration words", WEB "    stop_grace_period: soon", "must be a duration like 1m30s",
	  NULL, 4, 24 },
	{ "port number", WEB "    ports: ['a']", "is not a port (0 to 65535) or a range of ports",
	  NULL, 4, 13 },
	{ "port words", WEB "    ports: ['1/x']", "is not a protocol: tcp, udp or sctp", NULL, 4,
	  13 },
	{ "long variable", WEB "    hostname: ${" REPEAT_300("A") "}",
	  "the name of a variable is longer than 255 characters", NULL, 4, 17 },
	{ "env_file name", WEB "    env_file: other.yml",
	  "the name of a variable cannot contain a space", NULL, 1, 1, "A B=1\n" },
	{ "env_file character", WEB "    env_file: other.yml",
	  "unexpected character '%' in the name of a variable", NULL, 1, 1, "A%=1\n" },
	{ "env_file quote", WEB "    env_file: other.yml", "a value in quotes that does not end",
	  NULL, 2, 1, "A=1\nB='x\n" },
	{ "env_file of an include", "include: [{path: other.yml, env_file: none.env}]\n" WEB,
	  "cannot read the env file 'none.env'", NULL, 1, 39, "services:\n  db:\n    image: i\n" },
	{ "extends file without the service", WEB "    extends: {file: other.yml, service: s}",
	  "cannot extend service 'web': there is no service 's' in 'other.yml'", NULL, 4, 41,
	  "services: {t: {image: i}}\n" },
	{ "extended list",
	  WEB "    extends: db\n    ports: ['80']\n  db: {image: i, ports: {a: b}}",
	  "they cannot be merged", NULL, 5, 12 },
	{ "merge key", WEB "    <<: text", "'<<' merges a mapping or a list of mappings", NULL, 4,
	  5 },
	{ "alias of itself", WEB "    labels: &a [*a]", "an alias inside of what it stands for",
	  NULL, 4, 17 },
};

static void errors_point_at_the_line(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct case_file files[] = { { "compose.yaml", errors[i].text },
					     { "other.yml", errors[i].other } };
		struct loading l;
		loading_begin(&l, files, errors[i].other ? 2 : 1);
		loading_run(&l);
		const struct diagnostic *d = loading_error(&l);
		check(errors[i].name, l.r < 0 && d, "it was accepted");
		check(errors[i].name, strstr(d->message, errors[i].message), "it says: %s",
		      d->message);
		if (errors[i].hint)
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

static const struct diagnostic *diagnostic_with(const struct loading *l, const char *words)
{
	vec_each(d, &l->result.diagnostics.items)
		if (strstr(d->message, words))
			return d;
	return NULL;
}

/* What is too much of something: `begin`, then `piece` (which may name its number and the next) so
 * many times, then `end`. */
static void bounds_point_at_the_line(void **state)
{
	static const struct {
		const char *begin, *piece, *end;
		size_t times;
		const char *message;
		int line;
	} cases[] = {
		{ "x-a: ", "[", "", 10000, "nested more than 100 levels deep", 1 },
		{ "x-a: [", "a,", "]\n" WEB, 50001, "a list with more than 50000 items", 1 },
		{ "x-a:\n", "  k%zu: v\n", WEB, 50001, "a mapping with more than 50000 keys",
		  50002 },
		{ WEB "    hostname: ", "xxxxxxxx", "\n", 140000, "a value longer than 1 MiB", 4 },
		{ "x-a: &a [1,1,1,1,1,1,1,1,1,1]\nx-b: [", "*a,", "]\n" WEB, 40000,
		  "the aliases of this file expand to too many values", 2 },
		{ "", "---\na: b\n", "", 1001, "too many documents in one file", 0 },
		{ WEB "    labels:\n", "      k%zu: !reset a\n", "", 10001,
		  "more than 10000 !reset and !override tags", 10005 },
		{ "services:\n", "  s%zu: {image: i, extends: s%zu}\n", "  s250: {image: i}\n", 250,
		  "a chain of more than 200 extends", 202 },
		{ WEB "    hostname: \"", "${A:-", "\"\n", 20000, "invalid interpolation format",
		  4 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_str struct str text = STR_INIT;
		struct loading l;
		str_add(&text, cases[i].begin);
		for (size_t k = 0; k < cases[i].times; k++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			if (strchr(cases[i].piece, '%'))
				str_addf(&text, cases[i].piece, k, k + 1);
			else
				str_add(&text, cases[i].piece);
#pragma GCC diagnostic pop
		}
		str_add(&text, cases[i].end);
		loading_text(&l, str_text(&text));
		const struct diagnostic *d = diagnostic_with(&l, cases[i].message);
		check(cases[i].message, l.r < 0 && d, "it was accepted");
		check(cases[i].message, d->mark.line == cases[i].line, "line %d", d->mark.line);
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
		  "the variable 'NONE' is not set; it stands for an empty string", 4, 16 },
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
	assert_non_null(diagnostic_with(&l, "service 'web' publishes port 80/tcp a second time: an "
					    "override adds to the ports of compose.yaml:4"));
	assert_string_equal(l.result.diagnostics.items.v[0].hint,
			    "to replace the ports of the earlier file, write 'ports: !override'");
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
		cmocka_unit_test(bounds_point_at_the_line),
		cmocka_unit_test(warnings_point_at_the_line),
		cmocka_unit_test(a_second_port_is_warned_about),
		cmocka_unit_test(several_errors_are_reported),
		cmocka_unit_test(the_chain_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
