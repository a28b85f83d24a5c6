/* What files mean: text in, the value at a path out. The wanted values are Docker Compose's. */
#include "test.h"

#include "compose-case.h"

#define WEB "services:\n  web:\n    image: i\n"

struct value_case {
	const char *name, *text, *path, *want;
};

static void run_values(const struct value_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct loading l;
		loading_text(&l, cases[i].text);
		const struct diagnostic *d = loading_error(&l);
		check(cases[i].name, l.r == 0, "%s", d ? d->message : l.err.msg);
		cleanup_free char *got = loading_value(&l, cases[i].path);
		check_text(cases[i].name, got, cases[i].want);
		loading_end(&l);
	}
}

static void short_forms_become_long(void **state)
{
	static const struct value_case cases[] = {
		{ "port", WEB "    ports: ['80']", "services/web/ports",
		  "[{\"mode\":\"ingress\",\"protocol\":\"tcp\",\"target\":80}]" },
		{ "port with everything", WEB "    ports: ['127.0.0.1:53:5353/udp']",
		  "services/web/ports",
		  "[{\"host_ip\":\"127.0.0.1\",\"mode\":\"ingress\",\"protocol\":\"udp\","
		  "\"published\":\"53\",\"target\":5353}]" },
		{ "a range is as many ports, sorted as text", WEB "    ports: ['9:9', '9-10:9-10']",
		  "services/web/ports/0/target", "9" },
		{ "a free port of a range", WEB "    ports: ['8000-8010:80']",
		  "services/web/ports/0/published", "\"8000-8010\"" },
		{ "bind", WEB "    volumes: ['./a:/b:ro,z']", "services/web/volumes/0",
		  "{\"bind\":{\"create_host_path\":true,\"selinux\":\"z\"},\"read_only\":true,"
		  "\"source\":\"@/a\",\"target\":\"/b\",\"type\":\"bind\"}" },
		{ "home", WEB "    volumes: ['~/a:/b']", "services/web/volumes/0/source",
		  "\"/home/me/a\"" },
		{ "anonymous volume", WEB "    volumes: ['/data/']", "services/web/volumes/0",
		  "{\"target\":\"/data\",\"type\":\"volume\",\"volume\":{}}" },
		{ "build", "services: {web: {build: ./x}}", "services/web/build",
		  "{\"context\":\"@/x\",\"dockerfile\":\"Dockerfile\"}" },
		{ "depends_on", WEB "    depends_on: [db]\n  db: {image: i}",
		  "services/web/depends_on",
		  "{\"db\":{\"condition\":\"service_started\",\"required\":true}}" },
		{ "networks", WEB "    networks: [a]\nnetworks: {a: {}}", "services/web/networks",
		  "{\"a\":null}" },
		{ "secret", WEB "    secrets: [s]\nsecrets: {s: {file: ./f}}",
		  "services/web/secrets", "[{\"source\":\"s\",\"target\":\"/run/secrets/s\"}]" },
		{ "ulimit", WEB "    ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}",
		  "services/web/ulimits", "{\"nofile\":5,\"nproc\":{\"hard\":2,\"soft\":1}}" },
		{ "device", WEB "    devices: ['/dev/a:/dev/b']", "services/web/devices/0",
		  "{\"permissions\":\"rwm\",\"source\":\"/dev/a\",\"target\":\"/dev/b\"}" },
		{ "command line", WEB "    command: a 'b c' \"d\" e\\ f && g",
		  "services/web/command", "[\"a\",\"b c\",\"d\",\"e f\"]" },
		{ "healthcheck", WEB "    healthcheck: {test: curl x, interval: 90s, retries: 0}",
		  "services/web/healthcheck",
		  "{\"interval\":\"1m30s\",\"retries\":0,\"test\":[\"CMD-SHELL\",\"curl x\"]}" },
		{ "sizes", WEB "    mem_limit: 1.5g", "services/web/mem_limit", "\"1610612736\"" },
		{ "mode",
		  WEB "    configs: [{source: c, target: /c, mode: 0440}]\n"
		      "configs: {c: {content: x}}",
		  "services/web/configs/0/mode", "\"0440\"" },
		{ "extra_hosts", WEB "    extra_hosts: ['b:1.1.1.1', 'a=[::1]']",
		  "services/web/extra_hosts", "[\"a=::1\",\"b=1.1.1.1\"]" },
		{ "labels of a list", WEB "    labels: [a=b=c, d]", "services/web/labels",
		  "{\"a\":\"b=c\",\"d\":\"\"}" },
		{ "labels of a map", WEB "    labels: {a: 1, b: true, c: 1.50, d: }",
		  "services/web/labels", "{\"a\":\"1\",\"b\":\"true\",\"c\":\"1.5\",\"d\":\"\"}" },
		{ "all gpus", WEB "    gpus: all", "services/web/gpus", "[{\"count\":-1}]" },
	};
	run_values(cases, ARRAY_SIZE(cases));
}

static void defaults_are_made_explicit(void **state)
{
	static const struct value_case cases[] = {
		{ "network", WEB, "networks",
		  "{\"default\":{\"ipam\":{},\"name\":\"p_default\"}}" },
		{ "attached", WEB, "services/web/networks", "{\"default\":null}" },
		{ "not with network_mode", WEB "    network_mode: host", "networks", "" },
		{ "command", WEB, "services/web/command", "null" },
		{ "volume name", WEB "    volumes: ['dd:/d']\nvolumes: {dd: }", "volumes/dd/name",
		  "\"p_dd\"" },
		{ "external name", WEB "    volumes: ['dd:/d']\nvolumes: {dd: {external: true}}",
		  "volumes/dd", "{\"external\":true,\"name\":\"dd\"}" },
		{ "unused resources go", WEB "volumes: {d: {}}\nnetworks: {n: {}}", "volumes", "" },
		{ "a link is a dependency", WEB "    links: ['db:x']\n  db: {image: i}",
		  "services/web/depends_on/db",
		  "{\"condition\":\"service_started\",\"required\":true,\"restart\":true}" },
		{ "a shared namespace too", WEB "    ipc: 'service:db'\n  db: {image: i}",
		  "services/web/depends_on/db/restart", "true" },
		{ "pull_policy", WEB "    pull_policy: if_not_present", "services/web/pull_policy",
		  "\"missing\"" },
		{ "deploy", WEB "    deploy: {replicas: 2}", "services/web/deploy",
		  "{\"placement\":{},\"replicas\":2,\"resources\":{}}" },
		{ "extensions stay at the top", WEB "x-a: {b: [], c: 0x10}", "x-a",
		  "{\"b\":null,\"c\":16}" },
	};
	run_values(cases, ARRAY_SIZE(cases));
}

static void variables_are_replaced(void **state)
{
	static const struct value_case cases[] = {
		{ "plain", WEB "    hostname: $SET", "services/web/hostname", "\"value\"" },
		{ "braces", WEB "    hostname: a${SET}b", "services/web/hostname", "\"avalueb\"" },
		{ "dollar", WEB "    hostname: a$$SET", "services/web/hostname", "\"a$SET\"" },
		{ "default when empty", WEB "    hostname: ${EMPTY:-d}", "services/web/hostname",
		  "\"d\"" },
		{ "not when only unset counts", WEB "    hostname: x${EMPTY-d}",
		  "services/web/hostname", "\"x\"" },
		{ "replacement", WEB "    hostname: ${SET:+r}", "services/web/hostname", "\"r\"" },
		{ "no replacement", WEB "    hostname: x${NONE+r}", "services/web/hostname",
		  "\"x\"" },
		{ "nested", WEB "    hostname: ${NONE:-${EMPTY:-${SET}}}", "services/web/hostname",
		  "\"value\"" },
		{ "typed", WEB "    init: ${NONE:-yes}\n    scale: ${NONE:-3}",
		  "services/web/scale", "3" },
		{ "bare name", WEB "    environment: [SET, NONE]", "services/web/environment",
		  "{\"NONE\":null,\"SET\":\"value\"}" },
		{ "project name", WEB "    hostname: ${COMPOSE_PROJECT_NAME}",
		  "services/web/hostname", "\"p\"" },
		{ "not in keys", WEB "    labels: {$SET: a}", "services/web/labels",
		  "{\"$SET\":\"a\"}" },
	};
	run_values(cases, ARRAY_SIZE(cases));
}

static void yaml_is_read_as_compose_does(void **state)
{
	static const struct value_case cases[] = {
		{ "yes is text", WEB "    environment: {A: yes, B: on, C: true}",
		  "services/web/environment", "{\"A\":\"yes\",\"B\":\"on\",\"C\":\"true\"}" },
		{ "numbers", WEB "    environment: {A: 0644, B: 1_000, C: 1e3, D: 0x1F}",
		  "services/web/environment",
		  "{\"A\":\"420\",\"B\":\"1000\",\"C\":\"1000\",\"D\":\"31\"}" },
		{ "quoted numbers", WEB "    environment: {A: '0644'}",
		  "services/web/environment/A", "\"0644\"" },
		{ "merge key",
		  "x-a: &a {image: i, tty: true}\nservices: {web: {<<: *a, tty: false}}",
		  "services/web/tty", "" },
		{ "several merge keys",
		  "x-a: &a {A: 1}\nx-b: &b {A: 2, B: 2}\n" WEB
		  "    environment: {<<: [*a, *b], C: 3}",
		  "services/web/environment", "{\"A\":\"1\",\"B\":\"2\",\"C\":\"3\"}" },
		{ "several documents", WEB "---\n" WEB "    tty: true", "services/web/tty",
		  "true" },
		{ "block", WEB "    command:\n      - |\n        a\n        b",
		  "services/web/command", "[\"a\\nb\\n\"]" },
	};
	run_values(cases, ARRAY_SIZE(cases));
}

/* Two files: base and override. */
static void files_are_merged(void **state)
{
	static const struct {
		const char *name, *base, *over, *path, *want;
	} cases[] = {
		{ "a scalar is replaced", WEB, "services: {web: {image: j}}", "services/web/image",
		  "\"j\"" },
		{ "command is replaced", WEB "    command: [a, b]",
		  "services: {web: {command: [c]}}", "services/web/command", "[\"c\"]" },
		{ "environment of both forms", WEB "    environment: {A: 1, B: 2}",
		  "services: {web: {environment: [B=3, C=4]}}", "services/web/environment",
		  "{\"A\":\"1\",\"B\":\"3\",\"C\":\"4\"}" },
		{ "ports are added", WEB "    ports: ['80:80']",
		  "services: {web: {ports: ['81:80']}}", "services/web/ports/1/published",
		  "\"81\"" },
		{ "the same port is once", WEB "    ports: ['80:80']",
		  "services: {web: {ports: ['80:80']}}", "services/web/ports/1", "" },
		{ "volumes by target", WEB "    volumes: ['./a:/t', './b:/u']",
		  "services: {web: {volumes: ['./c:/t']}}", "services/web/volumes/0/source",
		  "\"@/c\"" },
		{ "build of both forms", WEB "    build: ./a",
		  "services: {web: {build: {target: t}}}", "services/web/build",
		  "{\"context\":\"@/a\",\"dockerfile\":\"Dockerfile\",\"target\":\"t\"}" },
		{ "depends_on of both forms",
		  WEB "    depends_on: [a]\n  a: {image: i}\n  b: {image: i}",
		  "services: {web: {depends_on: {b: {condition: service_healthy}}}}",
		  "services/web/depends_on/b/condition", "\"service_healthy\"" },
		{ "logging of one driver", WEB "    logging: {driver: d, options: {a: 1}}",
		  "services: {web: {logging: {options: {b: 2}}}}", "services/web/logging/options",
		  "{\"a\":\"1\",\"b\":\"2\"}" },
		{ "logging of another driver", WEB "    logging: {driver: d, options: {a: 1}}",
		  "services: {web: {logging: {driver: e}}}", "services/web/logging",
		  "{\"driver\":\"e\"}" },
		{ "hosts without doubles", WEB "    extra_hosts: ['a:1.1.1.1']",
		  "services: {web: {extra_hosts: ['a:1.1.1.1', 'b:2.2.2.2']}}",
		  "services/web/extra_hosts", "[\"a=1.1.1.1\",\"b=2.2.2.2\"]" },
		{ "!reset", WEB "    ports: ['80:80']", "services: {web: {ports: !reset []}}",
		  "services/web/ports", "" },
		{ "!override", WEB "    ports: ['80:80']",
		  "services: {web: {ports: !override ['1:1']}}", "services/web/ports/0/published",
		  "\"1\"" },
		{ "!reset of one variable", WEB "    environment: {A: 1, B: 2}",
		  "services: {web: {environment: {A: !reset }}}", "services/web/environment",
		  "{\"B\":\"2\"}" },
		{ "null keeps a map", WEB "    labels: {a: b}", "services: {web: {tty: true}}",
		  "services/web/labels", "{\"a\":\"b\"}" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct case_file files[] = { { "compose.yaml", cases[i].base },
					     { "compose.override.yaml", cases[i].over } };
		struct loading l;
		loading_begin(&l, files, 2);
		loading_run(&l);
		const struct diagnostic *d = loading_error(&l);
		check(cases[i].name, l.r == 0, "%s", d ? d->message : l.err.msg);
		cleanup_free char *got = loading_value(&l, cases[i].path);
		check_text(cases[i].name, got, cases[i].want);
		loading_end(&l);
	}
}

static void other_files_take_part(void **state)
{
	static const struct {
		const char *name;
		struct case_file files[4];
		const char *path, *want;
	} cases[] = {
		{ "extends in one file",
		  { { "compose.yaml", "services:\n  base: {image: i, environment: {A: 1, B: 1}}\n"
				      "  web: {extends: base, environment: [B=2]}" } },
		  "services/web/environment",
		  "{\"A\":\"1\",\"B\":\"2\"}" },
		{ "extends from another file, with its paths",
		  { { "compose.yaml", "services: {web: {extends: {file: sub/b.yml, service: s}}}" },
		    { "sub/b.yml", "services: {s: {extends: t}, t: {build: ./x}}" } },
		  "services/web/build/context",
		  "\"@/sub/x\"" },
		{ "extends and !reset",
		  { { "compose.yaml",
		      "services:\n  base: {image: i, tty: true, ports: ['1:1']}\n"
		      "  web: {extends: base, ports: !reset [], tty: !reset false}" } },
		  "services/web/ports",
		  "" },
		{ "an empty base is no base",
		  { { "compose.yaml",
		      "services: {web: {image: i, extends: {file: b.yml, service: s}}}" },
		    { "b.yml", "services: {s: }" } },
		  "services/web/extends",
		  "{\"file\":\"@/b.yml\",\"service\":\"s\"}" },
		{ "include, with its own .env and paths",
		  { { "compose.yaml", "include: [sub/compose.yaml]\n" WEB },
		    { "sub/compose.yaml",
		      "services: {db: {image: 'x:${TAG}', volumes: ['./d:/d']}}" },
		    { "sub/.env", "TAG=7" } },
		  "services/db",
		  "{\"command\":null,\"entrypoint\":null,\"image\":\"x:7\",\"networks\":{"
		  "\"default\":null},"
		  "\"volumes\":[{\"bind\":{\"create_host_path\":true},\"source\":\"@/sub/d\","
		  "\"target\":\"/d\",\"type\":\"bind\"}]}" },
		{ "include with an override of its own",
		  { { "compose.yaml", "include: [{path: [a.yml, b.yml]}]\n" WEB },
		    { "a.yml", "services: {db: {image: a}}" },
		    { "b.yml", "services: {db: {image: b}}" } },
		  "services/db/image",
		  "\"b\"" },
		{ "env_file below environment",
		  { { "compose.yaml",
		      WEB "    env_file: [a.env, b.env]\n    environment: {C: own}" },
		    { "a.env", "A=1\nB=1\nC=1" },
		    { "b.env", "B=${A}2" } },
		  "services/web/environment",
		  "{\"A\":\"1\",\"B\":\"12\",\"C\":\"own\"}" },
		{ "an env_file that need not be there",
		  { { "compose.yaml", WEB "    env_file: [{path: none.env, required: false}]" } },
		  "services/web/environment",
		  "" },
		{ "a raw env_file",
		  { { "compose.yaml", WEB "    env_file: [{path: a.env, format: raw}]" },
		    { "a.env", "A='x' # $y" } },
		  "services/web/environment/A",
		  "\"'x' # $y\"" },
		{ "label_file below labels",
		  { { "compose.yaml", WEB "    label_file: a.labels\n    labels: {b: own}" },
		    { "a.labels", "a=1\nb=1" } },
		  "services/web/labels",
		  "{\"a\":\"1\",\"b\":\"own\"}" },
		{ ".env below the shell",
		  { { "compose.yaml", WEB "    hostname: ${SET}${OTHER}" },
		    { ".env", "SET=file\nOTHER=file" } },
		  "services/web/hostname",
		  "\"valuefile\"" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct loading l;
		loading_begin(&l, cases[i].files, 4);
		loading_run(&l);
		const struct diagnostic *d = loading_error(&l);
		check(cases[i].name, l.r == 0, "%s", d ? d->message : l.err.msg);
		cleanup_free char *got = loading_value(&l, cases[i].path);
		check_text(cases[i].name, got, cases[i].want);
		loading_end(&l);
	}
}

static void profiles_choose_services(void **state)
{
	static const char text[] =
		"services:\n  web: {image: i, depends_on: {dbg: {required: false, "
		"condition: service_started}}}\n"
		"  dbg: {image: i, profiles: [debug]}\n"
		"  job: {image: i, profiles: [batch], depends_on: [web]}\n";
	static const struct {
		const char *name, *profile, *service, *want;
	} cases[] = {
		{ "none", NULL, NULL, "web" },
		{ "one", "debug", NULL, "dbg web" },
		{ "all", "*", NULL, "dbg job web" },
		{ "named on the command line, with what it needs", NULL, "job", "job web" },
		{ "only what is named", "*", "dbg", "dbg" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct case_file file = { "compose.yaml", text };
		struct loading l;
		loading_begin(&l, &file, 1);
		if (cases[i].profile)
			strv_add(&l.options.profiles, cases[i].profile);
		if (cases[i].service)
			strv_add(&l.options.services, cases[i].service);
		loading_run(&l);
		check(cases[i].name, l.r == 0, "%s", l.err.msg);
		cleanup_str struct str got = STR_INIT;
		vec_each(s, &l.result.project->services)
			str_addf(&got, "%s%s", got.len ? " " : "", s->name);
		check_text(cases[i].name, str_text(&got), cases[i].want);
		loading_end(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_forms_become_long),
		cmocka_unit_test(defaults_are_made_explicit),
		cmocka_unit_test(variables_are_replaced),
		cmocka_unit_test(yaml_is_read_as_compose_does),
		cmocka_unit_test(files_are_merged),
		cmocka_unit_test(other_files_take_part),
		cmocka_unit_test(profiles_choose_services),
	};
	setenv("HOME", "/home/me", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
