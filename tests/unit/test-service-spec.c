/* What becomes of a service: each case changes a plain service or image, and one member of the
 * record or the spec is compared as JSON. */
#include "test.h"

#include "base/fs.h"
#include "engine/container-file.h"
#include "engine/record.h"
#include "engine/service-spec.h"
#include "runtime/caps.h"
#include "volume/volume.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>

static char *scratch;
static struct engine_paths paths;

static int set_up(void **state)
{
	char name[] = "/tmp/stave-test-service-XXXXXX";
	scratch = xstrdup(mkdtemp(name));
	paths.root = xasprintf("%s/root", scratch);
	paths.run = xasprintf("%s/run", scratch);
	return 0;
}

static int tear_down(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	assert_int_equal(fs_remove_tree(AT_FDCWD, scratch, &err), 0);
	free(paths.root);
	free(paths.run);
	free(scratch);
	return 0;
}

struct fixture {
	struct project *project;
	struct service *service;
	struct image image;
	struct oneoff oneoff;
	struct service_context context;
	struct slot slot;
	struct strv warnings;
};

static void add_strings(struct strv *to, const char *text)
{
	cleanup_strv struct strv words = strv_split(text, ' ');
	strv_copy(to, &words);
}

static void make(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	f->project = new0(struct project);
	f->project->name = xstrdup("p");
	f->project->working_dir = xstrdup(scratch);
	strv_add(&f->project->files, "/x/compose.yaml");
	vec_push(&f->project->networks, (struct project_network){ .key = xstrdup("default"),
								  .name = xstrdup("p_default") });
	struct service *s = f->service = vec_add(&f->project->services);
	s->name = xstrdup("web");
	s->image = xstrdup("img");
	s->place.file = xstrdup("compose.yaml");
	s->place.line = 5;
	s->stop_grace_period = -1;
	s->mem_swappiness = -1;
	s->scale = 1;
	vec_push(&s->networks, (struct service_network){ .network = xstrdup("default") });
	f->image.id = xstrdup("sha256:1");
	add_strings(&f->image.config.cmd, "sh");
	f->slot.name = xstrdup("web-1");
	f->slot.service = xstrdup("web");
	f->slot.number = 1;
	f->context = (struct service_context){
		.paths = &paths,
		.project = f->project,
		.service = s,
		.image = &f->image,
		.slot = &f->slot,
		.warnings = &f->warnings,
		.can_idmap = true,
	};
}

static void unmake(struct fixture *f)
{
	project_free(f->project);
	image_done(&f->image);
	slot_done(&f->slot);
	strv_done(&f->warnings);
	struct goal goal = { .oneoff = new0(struct oneoff) };
	*goal.oneoff = f->oneoff;
	goal_done(&goal);
}

/* --- what the cases change --- */

static void nothing(struct fixture *f)
{
}
static void image_entrypoint(struct fixture *f)
{
	add_strings(&f->image.config.entrypoint, "/entry -x");
}
static void own_command(struct fixture *f)
{
	image_entrypoint(f);
	f->service->command.set = true;
	add_strings(&f->service->command.args, "a b");
}
static void own_entrypoint(struct fixture *f)
{
	image_entrypoint(f);
	f->service->entrypoint.set = true;
	add_strings(&f->service->entrypoint.args, "/mine");
}
static void empty_entrypoint(struct fixture *f)
{
	image_entrypoint(f);
	f->service->entrypoint.set = true;
}
static void empty_command(struct fixture *f)
{
	image_entrypoint(f);
	f->service->command.set = true;
}
static void no_command(struct fixture *f)
{
	f->service->command.set = true;
}
static void as_oneoff(struct fixture *f)
{
	own_command(f);
	f->context.oneoff = &f->oneoff;
	free(f->slot.name);
	f->slot.name = xstrdup("web-run-01234567");
	f->oneoff.slot = xstrdup(f->slot.name);
}
static void oneoff_command(struct fixture *f)
{
	as_oneoff(f);
	f->oneoff.command.set = true;
	add_strings(&f->oneoff.command.args, "c");
}
static void oneoff_entrypoint(struct fixture *f)
{
	as_oneoff(f);
	f->oneoff.entrypoint.set = true;
	add_strings(&f->oneoff.entrypoint.args, "/other");
}
static void environment(struct fixture *f)
{
	add_strings(&f->image.config.env, "PATH=/bin A=image B=image");
	add_strings(&f->service->environment, "B=own C=own");
	f->service->hostname = xstrdup("h");
	f->service->tty = true;
}
static void caps(struct fixture *f)
{
	add_strings(&f->service->cap_add, "NET_ADMIN cap_chown");
	add_strings(&f->service->cap_drop, "CHOWN KILL");
}
static void caps_only(struct fixture *f)
{
	add_strings(&f->service->cap_add, "chown");
	add_strings(&f->service->cap_drop, "ALL");
}
static void bad_cap(struct fixture *f)
{
	add_strings(&f->service->cap_add, "FLY");
}
static void privileged(struct fixture *f)
{
	f->service->privileged = true;
}
static void no_networks(struct fixture *f)
{
	free(f->service->networks.v[0].network);
	f->service->networks.n = 0;
}
static void host_network(struct fixture *f)
{
	f->service->network_mode = xstrdup("host");
	no_networks(f);
}
static void bridge_network(struct fixture *f)
{
	f->service->network_mode = xstrdup("bridge");
	no_networks(f);
}
static void limits(struct fixture *f)
{
	f->service->cpus = 1.5;
	f->service->mem_limit = 64 << 20;
	f->service->deploy.limit_pids = 20;
}
static void tiny_memory(struct fixture *f)
{
	f->service->mem_limit = 4096;
}
static void ulimits(struct fixture *f)
{
	vec_push(&f->service->ulimits,
		 (struct service_ulimit){ .name = xstrdup("nofile"), .soft = 10, .hard = -1 });
}
static void bad_ulimit(struct fixture *f)
{
	vec_push(&f->service->ulimits,
		 (struct service_ulimit){ .name = xstrdup("nofile"), .soft = 10, .hard = 5 });
}
static void host_sysctl(struct fixture *f)
{
	add_strings(&f->service->sysctls, "kernel.panic=1");
}
static void own_sysctl(struct fixture *f)
{
	add_strings(&f->service->sysctls, "net.core.somaxconn=1024");
}
static void ports(struct fixture *f)
{
	vec_push(&f->service->ports, (struct service_port){ .published = xstrdup("8000-8010"),
							    .target = 80,
							    .host_ip = xstrdup("127.0.0.1"),
							    .protocol = xstrdup("udp") });
	f->slot.number = 3;
}
static void oneoff_ports(struct fixture *f)
{
	ports(f);
	as_oneoff(f);
	add_strings(&f->oneoff.publish, "[::1]:8080:80/udp 81");
}
static void second_replica(struct fixture *f)
{
	f->service->container_name = xstrdup("the-web");
	f->slot.number = 2;
}
static void bad_hostname(struct fixture *f)
{
	f->service->hostname = xstrdup("a\n127.0.0.1 example.com");
}
static void image_health(struct fixture *f)
{
	f->image.config.health.set = true;
	add_strings(&f->image.config.health.test, "CMD true");
	f->image.config.health.interval = 7 * NSEC_PER_SEC;
}
static void own_health(struct fixture *f)
{
	image_health(f);
	f->service->healthcheck = (struct service_healthcheck){
		.set = true,
		.interval = -1,
		.timeout = NSEC_PER_SEC,
		.start_period = -1,
		.start_interval = -1,
		.retries = 9,
	};
}
static void no_health(struct fixture *f)
{
	own_health(f);
	f->service->healthcheck.disable = true;
}
static void restart_policy(struct fixture *f)
{
	f->service->deploy.restart_condition = xstrdup("on-failure");
	f->service->deploy.has_restart_max_attempts = true;
	f->service->deploy.restart_max_attempts = 4;
}
static void stop_signal(struct fixture *f)
{
	f->image.config.stop_signal = xstrdup("SIGQUIT");
}
static void aliases(struct fixture *f)
{
	f->service->container_name = xstrdup("c");
	add_strings(&f->service->networks.v[0].aliases, "x y");
}
static void volume_on(struct fixture *f, const char *target)
{
	vec_push(&f->service->mounts,
		 (struct service_mount){ .kind = MOUNT_KIND_VOLUME, .target = xstrdup(target) });
}
static void volume_on_proc(struct fixture *f)
{
	volume_on(f, "/x/../proc/sys");
}
static void image_volume_on_dev(struct fixture *f)
{
	add_strings(&f->image.config.volumes, "/dev/shm");
}
static void relative_target(struct fixture *f)
{
	volume_on(f, "data");
}
static void missing_bind(struct fixture *f)
{
	vec_push(&f->service->mounts,
		 (struct service_mount){ .kind = MOUNT_KIND_BIND,
					 .source = xstrdup("/nowhere/at/all"),
					 .target = xstrdup("/x"),
					 .place = { .file = xstrdup("c.yaml"), .line = 9 } });
}
static void tmpfs(struct fixture *f)
{
	vec_push(&f->service->mounts, (struct service_mount){ .kind = MOUNT_KIND_TMPFS,
							      .target = xstrdup("/run/"),
							      .tmpfs_size = 4096 });
	f->service->read_only = true;
}
static void secrets(struct fixture *f)
{
	vec_push(&f->project->secrets,
		 (struct project_file){ .key = xstrdup("s"), .content = xstrdup("hush") });
	vec_push(&f->project->configs,
		 (struct project_file){ .key = xstrdup("c"), .content = xstrdup("conf") });
	vec_push(&f->service->secrets, (struct service_file){ .source = xstrdup("s") });
	vec_push(&f->service->configs, (struct service_file){ .source = xstrdup("c"),
							      .target = xstrdup("/etc/c.conf"),
							      .uid = xstrdup("33"),
							      .has_mode = true,
							      .mode = 0400 });
}
static void missing_secret(struct fixture *f)
{
	secrets(f);
	f->service->secrets.v[0].source[0] = 'z';
}
static void security(struct fixture *f)
{
	add_strings(
		&f->service->security_opt,
		"no-new-privileges:true seccomp=unconfined systempaths=unconfined label=disable");
}

struct case_ {
	const char *name;
	void (*change)(struct fixture *f);
	const char *path; /* "container.name", "spec.process.args" */
	const char *want; /* JSON; NULL: not there */
	const char *error;
};

static const struct case_ cases[] = {
	{ "the image's command", nothing, "spec.process.args", "['sh']" },
	{ "both of the image", image_entrypoint, "spec.process.args", "['/entry','-x','sh']" },
	{ "own command", own_command, "spec.process.args", "['/entry','-x','a','b']" },
	{ "own entrypoint drops the command", own_entrypoint, "spec.process.args", "['/mine']" },
	{ "no entrypoint", empty_entrypoint, "spec.process.args", "['sh']" },
	{ "no command", empty_command, "spec.process.args", "['/entry','-x']" },
	{ "nothing at all", no_command,
	  .error = "compose.yaml:5: service 'web': nothing to run: neither "
		   "the image nor the service says a command" },
	{ "run", as_oneoff, "spec.process.args", "['/entry','-x','a','b']" },
	{ "run with a command", oneoff_command, "spec.process.args", "['/entry','-x','c']" },
	{ "run with an entrypoint", oneoff_entrypoint, "spec.process.args", "['/other']" },
	{ "run's name", as_oneoff, "container.name", "'p-web-run-01234567'" },
	{ "environment", environment, "spec.process.env",
	  "['PATH=/bin','HOSTNAME=h','TERM=xterm','A=image','B=own','C=own']" },
	{ "unknown capability", bad_cap,
	  .error = "compose.yaml:5: service 'web': 'FLY' is not a capability" },
	{ "user namespace", nothing, "spec.idmap.count", "65536" },
	{ "none when privileged", privileged, "spec.idmap.count", NULL },
	{ "none on the host's network", host_network, "spec.idmap.count", NULL },
	{ "host's network", host_network, "container.network_mode", "'host'" },
	{ "bridge", bridge_network, "container.networks.0.network", "'p_bridge'" },
	{ "cpus", limits, "spec.resources.cpu_quota_us", "150000" },
	{ "as much swap as memory", limits, "spec.resources.memory_swap", "134217728" },
	{ "pids of deploy", limits, "spec.resources.pids", "20" },
	{ "too little memory", tiny_memory,
	  .error = "compose.yaml:5: service 'web': a memory limit of 4096 bytes is too small: 6 "
		   "MiB is "
		   "the least" },
	{ "ulimit", ulimits, "spec.process.rlimits.0.soft", "10" },
	{ "upside down ulimit", bad_ulimit,
	  .error = "compose.yaml:5: service 'web': ulimit 'nofile': the soft limit is over the "
		   "hard one" },
	{ "a sysctl of the host", host_sysctl,
	  .error = "compose.yaml:5: service 'web': sysctl 'kernel.panic' cannot be set for one "
		   "container" },
	{ "a sysctl", own_sysctl, "spec.sysctls.0.value", "'1024'" },
	{ "a range of ports, third replica", ports, "container.ports.0.published", "8002" },
	{ "on an address", ports, "container.ports.0.host", "'127.0.0.1'" },
	{ "run publishes what it is told", oneoff_ports, "container.ports.0.host", "'::1'" },
	{ "and any free port", oneoff_ports, "container.ports.1.target", "81" },
	{ "and no more", oneoff_ports, "container.ports.2", NULL },
	{ "container_name", second_replica, "container.name", "'the-web-2'" },
	{ "a hostname of two lines", bad_hostname,
	  .error = "compose.yaml:5: service 'web': hostname has control characters in it" },
	{ "the image's health check", image_health, "container.health.interval", "7000000000" },
	{ "merged with the service's", own_health, "container.health",
	  "{'enabled':true,'interval':7000000000,'retries':9,'start_interval':5000000000,"
	  "'test':['CMD','true'],'timeout':1000000000}" },
	{ "disabled", no_health, "container.health.enabled", NULL },
	{ "deploy.restart_policy", restart_policy, "container.restart", "'on-failure'" },
	{ "and its attempts", restart_policy, "container.restart_retries", "4" },
	{ "the image's stop signal", stop_signal, "container.stop_signal", "3" },
	{ "ten seconds of grace", nothing, "container.stop_grace", "10000000000" },
	{ "aliases", aliases, "container.networks.0.aliases", "['web','x','y','c','ID']" },
	{ "a mount on /proc", volume_on_proc,
	  .error = "compose.yaml:5: service 'web': '/proc/sys' cannot be mounted over" },
	{ "an image's volume on /dev", image_volume_on_dev,
	  .error = "compose.yaml:5: service 'web': the image's VOLUME '/dev/shm' cannot be mounted "
		   "over" },
	{ "a relative target", relative_target,
	  .error = "compose.yaml:5: service 'web': mount target 'data' is not an absolute path" },
	{ "a missing bind source", missing_bind,
	  .error = "c.yaml:9: service 'web': bind source '/nowhere/at/all' does not exist" },
	{ "tmpfs", tmpfs, "spec.mounts.0.target", "'/run'" },
	{ "secret", secrets, "spec.mounts.1.files.0.target", "'/run/secrets/s'" },
	{ "config", secrets, "spec.mounts.1.files.1.target", "'/etc/c.conf'" },
	{ "its owner", secrets, "spec.mounts.1.files.1.uid", "33" },
	{ "a missing secret", missing_secret,
	  .error = "compose.yaml:5: service 'web': secret 'z' is not defined" },
	{ "no new privileges", security, "spec.process.no_new_privs", "true" },
	{ "no masks", security, "spec.unmask_paths", "true" },
	{ "labels as Compose", nothing, "container.labels.com!docker!compose!service", "'web'" },
};

/* A dotted path; "!" stands for a dot in a name. */
static const json_t *at_path(const json_t *j, const char *path)
{
	cleanup_strv struct strv parts = strv_split(path, '.');
	for (size_t i = 0; i < parts.n; i++) {
		for (char *c = parts.v[i]; *c; c++)
			*c = *c == '!' ? '.' : *c;
		if (json_is_array(j))
			j = json_array_get(j, (size_t)(parts.v[i][0] - '0'));
		else
			j = json_object_get(j, parts.v[i]);
	}
	return j;
}

static char *json_value(const json_t *j, const char *id)
{
	if (!j)
		return NULL;
	cleanup_free char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	struct str out = STR_INIT;
	for (const char *c = text; *c; c++) {
		if (strncmp(c, id, 12) == 0) {
			str_add(&out, "ID");
			c += 11;
		} else {
			str_addc(&out, *c == '"' ? '\'' : *c);
		}
	}
	return str_take(&out);
}

static void run_case(const struct case_ *c)
{
	struct fixture f;
	struct container *container = NULL;
	cleanup_spec struct spec spec;
	cleanup_err struct err err = ERR_INIT;
	spec_init(&spec);
	make(&f);
	c->change(&f);
	int r = service_container(&f.context, &container, &spec, &err);
	check_text(c->name, err.msg, c->error);
	check(c->name, (r < 0) == (c->error != NULL), "got %d", r);
	if (r == 0 && c->path) {
		cleanup_json json_t *both = json_object();
		json_put(both, "container", record_save(&state__container_record, container));
		json_put(both, "spec", spec_to_json(&spec));
		cleanup_free char *got = json_value(at_path(both, c->path), container->id);
		check_text(c->name, got, c->want);
	}
	container_free(container);
	unmake(&f);
}

static void what_becomes_of_a_service(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i]);
}

static uint64_t caps_of(void (*change)(struct fixture *f))
{
	struct fixture f;
	struct container *container = NULL;
	cleanup_spec struct spec spec;
	cleanup_err struct err err = ERR_INIT;
	spec_init(&spec);
	make(&f);
	change(&f);
	assert_int_equal(service_container(&f.context, &container, &spec, &err), 0);
	uint64_t got = spec.process.caps;
	container_free(container);
	unmake(&f);
	return got;
}

static void capabilities(void **state)
{
	const uint64_t chown = 1ull << CAP_CHOWN, kill = 1ull << CAP_KILL;
	assert_int_equal(caps_of(nothing), caps_default());
	assert_int_equal(caps_of(caps), (caps_default() & ~kill) | chown | 1ull << CAP_NET_ADMIN);
	assert_int_equal(caps_of(caps_only), chown);
	assert_int_equal(caps_of(privileged), caps_all());
}

/* An unnamed volume stays with the slot when the container is replaced, unless it is renewed. */
static void unnamed_volumes_stay_with_the_slot(void **state)
{
	struct fixture f;
	make(&f);
	add_strings(&f.image.config.volumes, "/data");
	char *names[3];
	for (int i = 0; i < 3; i++) {
		struct container *container = NULL;
		cleanup_spec struct spec spec;
		cleanup_err struct err err = ERR_INIT;
		spec_init(&spec);
		f.context.renew_volumes = i == 2;
		int r = service_container(&f.context, &container, &spec, &err);
		check("unnamed volume", r == 0, "%s", err.msg);
		assert_int_equal(container->volumes.n, 1);
		assert_true(container->volumes.v[0].anonymous);
		names[i] = xstrdup(container->volumes.v[0].name);
		container_free(container);
	}
	assert_string_equal(names[0], names[1]);
	assert_string_not_equal(names[1], names[2]);
	for (int i = 0; i < 3; i++)
		free(names[i]);
	unmake(&f);
}

static void an_update_changes_what_is_live(void **state)
{
	struct fixture f;
	struct container *container = NULL;
	cleanup_spec struct spec spec;
	cleanup_err struct err err = ERR_INIT;
	spec_init(&spec);
	make(&f);
	assert_int_equal(service_container(&f.context, &container, &spec, &err), 0);
	limits(&f);
	restart_policy(&f);
	ports(&f);
	add_strings(&f.service->environment, "A=1"); /* not live */
	assert_int_equal(service_update(&f.context, container, &spec, &err), 0);
	assert_int_equal(spec.resources.cpu_quota_us, 150000);
	assert_int_equal(container->restart, RESTART_ON_FAILURE);
	assert_int_equal(container->ports.n, 1);
	assert_null(env_get(&spec.process.env, "A"));
	container_free(container);
	unmake(&f);
}

static void files_in_etc(void **state)
{
	struct fixture f;
	struct container *container = NULL;
	cleanup_spec struct spec spec;
	cleanup_err struct err err = ERR_INIT;
	spec_init(&spec);
	make(&f);
	f.service->hostname = xstrdup("h");
	f.service->domainname = xstrdup("example.com");
	add_strings(&f.service->extra_hosts, "a=10.0.0.1 gw=host-gateway");
	add_strings(&f.service->dns_search, ".");
	assert_int_equal(service_container(&f.context, &container, &spec, &err), 0);
	struct net_address *address = &container->networks.v[0].address;
	snprintf(address->ipv4, sizeof(address->ipv4), "10.190.3.7");
	address->prefix4 = 24;
	int r = service_fill_etc(&paths, f.project, container, &spec, &err);
	check("etc", r == 0, "%s", err.msg);
	static const struct {
		const char *file, *end;
	} wants[] = {
		{ SERVICE_HOSTS, "10.0.0.1\ta\n10.190.3.1\tgw\n10.190.3.7\th.example.com h\n" },
		{ SERVICE_HOSTNAME, "h\n" },
		{ SERVICE_RESOLV_CONF, "nameserver 127.0.0.11\noptions ndots:0\n" },
	};
	const struct spec_mount *own = &spec.mounts.v[spec.mounts.n - 1];
	assert_int_equal(own->type, SPEC_MOUNT_OWN);
	assert_int_equal(own->files.n, ARRAY_SIZE(wants));
	for (size_t i = 0; i < ARRAY_SIZE(wants); i++) {
		const struct spec_file *file = &own->files.v[i];
		assert_string_equal(file->target, wants[i].file);
		check(wants[i].file, str_ends(file->data, wants[i].end), "got %s", file->data);
	}
	container_free(container);
	unmake(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_becomes_of_a_service),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(unnamed_volumes_stay_with_the_slot),
		cmocka_unit_test(an_update_changes_what_is_live),
		cmocka_unit_test(files_in_etc),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
