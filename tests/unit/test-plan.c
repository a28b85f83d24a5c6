/* The planner as data: a project and what exists, in short JSON, against the steps as text:
 *	NUMBER STEP NAME (REASON) <DEPENDENCY[h|c|o]...
 * h: healthy, c: completed, o: over. */
#include "test.h"

#include "engine/plan.h"

#include <time.h>

static const struct project_network default_network = { .key = "default", .name = "p_default" };

static void load_depends(struct service *s, const json_t *j)
{
	const char *name;
	json_t *d;
	json_object_foreach((json_t *)j, name, d) {
		const char *condition = json_str(d, "condition", "service_started");
		vec_push(&s->depends_on,
			 (struct service_depends){
				 .service = xstrdup(name),
				 .condition = str_ends(condition, "healthy") ? DEPENDS_HEALTHY
					      : str_ends(condition, "fully") ? DEPENDS_COMPLETED
									     : DEPENDS_STARTED,
				 .required = json_flag(d, "required", true),
				 .restart = json_flag(d, "restart", false),
				 .place = { .file = xstrdup("c.yaml"), .line = 7 },
			 });
	}
}

static void load_service(struct service *s, const char *name, json_t *j)
{
	s->name = xstrdup(name);
	s->image = xstrdup(json_str(j, "image", "img"));
	s->scale = (uint32_t)json_int(j, "scale", 1);
	s->container_name = xstrdup(json_str(j, "container_name", NULL));
	s->network_mode = xstrdup(json_str(j, "network_mode", NULL));
	s->pid = xstrdup(json_str(j, "pid", NULL));
	json_strv(j, "volumes_from", &s->volumes_from);
	load_depends(s, json_object_get(j, "depends_on"));
	s->canonical = json_incref(j);
	s->places = json_pack("{s:s, s:s, s:s}", "environment.A", "c.yaml:3", "environment",
			      "c.yaml:2", "image", "c.yaml:1");
	if (!s->network_mode)
		vec_push(&s->networks, (struct service_network){ .network = xstrdup("default") });
	const char *volume = json_str(j, "volume", NULL);
	if (volume)
		vec_push(&s->mounts, (struct service_mount){ .kind = MOUNT_KIND_VOLUME,
							     .source = xstrdup(volume),
							     .target = xstrdup("/data") });
}

/* A service whose "off" is true is of an inactive profile. */
static struct project *load_project(json_t *services)
{
	struct project *p = new0(struct project);
	const char *name;
	json_t *j;
	p->name = xstrdup("p");
	struct project_network n = default_network;
	n.key = xstrdup(n.key);
	n.name = xstrdup(n.name);
	vec_push(&p->networks, n);
	vec_push(&p->volumes,
		 (struct project_volume){ .key = xstrdup("data"), .name = xstrdup("p_data") });
	vec_push(&p->volumes, (struct project_volume){ .key = xstrdup("ext"),
						       .name = xstrdup("ext"),
						       .external = true });
	json_object_foreach(services, name, j) {
		if (json_flag(j, "off", false))
			load_service(vec_add(&p->disabled), name, j);
		else
			load_service(vec_add(&p->services), name, j);
	}
	return p;
}

static enum container_state state_of(const char *name)
{
	for (int i = 0; i < CONTAINER_STATE_MAX_; i++) {
		if (str_eq(container_state_name(i), name))
			return i;
	}
	fail_msg("no state '%s'", name);
	return CONTAINER_STATE_MAX_;
}

static enum container_health health_of(const char *name)
{
	for (int i = 0; i < HEALTH_MAX_; i++) {
		if (str_eq(container_health_name(i), name))
			return i;
	}
	fail_msg("no health '%s'", name);
	return HEALTH_MAX_;
}

/* {"web-1": {"state": "running", "config": {...as a service...}, ...}}; without "config" it is as
 * the project says now. */
static void load_containers(const struct project *p, json_t *containers, struct observed *o)
{
	const char *slot;
	json_t *j;
	json_object_foreach(containers, slot, j) {
		struct container *c = new0(struct container);
		cleanup_free char *service = xstrdup(slot);
		char *dash = strrchr(service, '-');
		c->number = (uint32_t)(dash[1] - '0');
		*dash = '\0';
		c->oneoff = json_flag(j, "oneoff", false);
		c->service = xstrdup(service);
		c->slot = xstrdup(slot);
		c->project = xstrdup("p");
		c->name = xasprintf("p-%s", slot);
		snprintf(c->id, sizeof(c->id), "%064zu", o->containers.items.n + 1);
		c->state = state_of(json_str(j, "state", "running"));
		c->health_state = health_of(json_str(j, "health", ""));
		c->exit_code = (int)json_int(j, "exit", 0);
		c->created = json_int(j, "created", 1);
		c->image = xstrdup("img");
		c->image_id = xstrdup(json_str(j, "image_id", "sha256:1"));
		json_strv(j, "depends_on", &c->depends_on);
		const struct service *s = p ? project_service(p, service) : NULL;
		json_t *was = json_object_get(j, "config");
		if (s)
			c->config = service_config(p, s);
		if (was)
			json_object_set(c->config, "service", was);
		vec_push(&c->networks, (struct container_network){ .network = xstrdup("p_default"),
								   .key = xstrdup("default") });
		vec_push(&o->containers.items, c);
	}
}

struct plan_case {
	const char *name;
	const char *services;	/* NULL: no project */
	const char *containers; /* NULL: nothing exists, no network either */
	struct goal goal;
	const char *ask;    /* one service's name */
	const char *differ; /* the network's difference */
	bool no_image;
	const char *want;     /* steps, or "error: ..." */
	const char *warnings; /* NULL: none */
};

static char when_letter(enum step_when when)
{
	static const char letters[] = {
		[WHEN_DONE] = ' ', [WHEN_HEALTHY] = 'h', [WHEN_COMPLETED] = 'c', [WHEN_OVER] = 'o'
	};
	return letters[when];
}

static char *plan_text(const struct plan *plan)
{
	struct str text = STR_INIT;
	for (size_t i = 0; i < plan->steps.n; i++) {
		const struct step *s = &plan->steps.v[i];
		str_addf(&text, "%zu %s %s (%s)", i, step_name(s->kind),
			 s->slot ? s->slot : s->name, s->reason);
		vec_each(dep, &s->deps) {
			assert_true(dep->step < i); /* could be run as they stand */
			str_addf(&text, " <%u", dep->step);
			if (dep->when != WHEN_DONE)
				str_addc(&text, when_letter(dep->when));
		}
		str_add(&text, "\n");
	}
	return str_take(&text);
}

static json_t *parse(const char *name, const char *text)
{
	cleanup_str struct str quoted = STR_INIT;
	json_t *j = NULL;
	for (const char *c = text; *c; c++)
		str_addc(&quoted, *c == '\'' ? '"' : *c);
	cleanup_err struct err err = ERR_INIT;
	int r = json_parse(str_text(&quoted), quoted.len, name, &j, &err);
	check(name, r == 0, "%s", err.msg);
	return j;
}

static void observe_case(const struct plan_case *c, const struct project *project,
			 struct observed *o)
{
	cleanup_json json_t *containers = c->containers ? parse(c->name, c->containers) : NULL;
	if (containers) {
		load_containers(project, containers, o);
		strv_add(&o->networks, "p_default");
		strv_add(&o->own_networks, "p_default");
	}
	if (c->differ)
		strv_addf(&o->networks_differ, "p_default: %s", c->differ);
	if (!project)
		return;
	for (int off = 0; off < 2; off++) {
		const struct service *s = off ? project->disabled.v : project->services.v;
		for (size_t i = 0; i < (off ? project->disabled.n : project->services.n); i++)
			vec_push(&o->images,
				 (struct observed_image){
					 .service = xstrdup(s[i].name),
					 .image_id = c->no_image ? NULL : xstrdup("sha256:1"),
				 });
	}
}

static void run_case(const struct plan_case *c)
{
	cleanup(project_free_cleanup) struct project *project = NULL;
	cleanup_json json_t *services = c->services ? parse(c->name, c->services) : NULL;
	struct observed observed = { 0 };
	cleanup_plan struct plan plan = { 0 };
	cleanup_err struct err err = ERR_INIT;
	struct goal goal = c->goal;
	if (services)
		project = load_project(services);
	observe_case(c, project, &observed);
	if (c->ask)
		strv_add(&goal.services, c->ask);
	int r = plan_make(project, &observed, &goal, &plan, &err);
	cleanup_free char *got = r < 0 ? xasprintf("error: %s", err.msg) : plan_text(&plan);
	check_text(c->name, got, c->want);
	cleanup_free char *warnings = strv_join(&plan.warnings, "; ");
	check_text(c->name, warnings, c->warnings ? c->warnings : "");
	strv_done(&goal.services);
	observed_done(&observed);
}

static void run_cases(const struct plan_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_case(&cases[i]);
}

/* clang-format off */
static void up(void **state)
{
	static const struct plan_case cases[] = {
		{ "from nothing", "{'web': {}}", NULL, { .kind = GOAL_UP }, .want =
		  "0 network-create p_default (not there yet)\n"
		  "1 create web-1 (not there yet) <0\n"
		  "2 start web-1 (not there yet) <1\n" },
		{ "create does not start", "{'web': {}}", "{}", { .kind = GOAL_CREATE }, .want =
		  "0 create web-1 (not there yet)\n" },
		{ "nothing to do", "{'web': {'scale': 2}, 'db': {}}", "{'web-1': {}, 'web-2': {}, 'db-1': {}}",
		  { .kind = GOAL_UP }, .want = "" },
		{ "conditions", "{'web': {'depends_on': {'db': {'condition': 'service_healthy'}, 'init': {'condition':"
		  "'service_completed_successfully'}, 'log': {}, 'opt': {'required': false}}},"
		  "'db': {}, 'init': {}, 'log': {}, 'opt': {}}", "{}", { .kind = GOAL_UP }, .want =
		  "0 create db-1 (not there yet)\n"
		  "1 create init-1 (not there yet)\n"
		  "2 create log-1 (not there yet)\n"
		  "3 create opt-1 (not there yet)\n"
		  "4 create web-1 (not there yet)\n"
		  "5 start db-1 (not there yet) <0\n"
		  "6 start init-1 (not there yet) <1\n"
		  "7 start log-1 (not there yet) <2\n"
		  "8 start opt-1 (not there yet) <3\n"
		  "9 start web-1 (not there yet) <4 <5h <6c <7 <8o\n" },
		{ "only what is asked, and its dependencies", "{'web': {'depends_on': {'db': {}}}, 'db': {}, 'other': {}}",
		  "{}", { .kind = GOAL_UP }, .ask = "web", .want =
		  "0 create db-1 (not there yet)\n"
		  "1 create web-1 (not there yet)\n"
		  "2 start db-1 (not there yet) <0\n"
		  "3 start web-1 (not there yet) <1 <2\n" },
		{ "without dependencies", "{'web': {'depends_on': {'db': {}}}, 'db': {}}", "{}",
		  { .kind = GOAL_UP, .no_deps = true }, .ask = "web", .want =
		  "0 create web-1 (not there yet)\n"
		  "1 start web-1 (not there yet) <0\n" },
		{ "a stopped one is started", "{'web': {}}", "{'web-1': {'state': 'exited', 'exit': 3}}",
		  { .kind = GOAL_UP }, .want = "0 start web-1 (exited (3))\n" },
		{ "one that backs off is left alone", "{'web': {}}", "{'web-1': {'state': 'restarting'}}",
		  { .kind = GOAL_UP }, .want = "" },
		{ "an environment variable is added", "{'web': {'environment': {'A': '1', 'B': '2'}}}",
		  "{'web-1': {'config': {'environment': {'B': '2'}}}}", { .kind = GOAL_UP }, .want =
		  "0 create web-1 (environment.A added, c.yaml:3)\n"
		  "1 stop web-1 (environment.A added, c.yaml:3) <0\n"
		  "2 remove web-1 (environment.A added, c.yaml:3) <1 <0\n"
		  "3 start web-1 (environment.A added, c.yaml:3) <0 <2\n" },
		{ "several differences", "{'web': {'environment': {'A': '1'}, 'image': 'b', 'user': 'x', 'tty': true}}",
		  "{'web-1': {'state': 'exited', 'config': {'environment': {'C': '1'}, 'image': 'a'}}}",
		  { .kind = GOAL_UP, .no_start = true }, .want =
		  "0 create web-1 (environment.A added, c.yaml:3; environment.C removed, c.yaml:2; "
		  "image changed, c.yaml:1; and 2 more)\n"
		  "1 remove web-1 (environment.A added, c.yaml:3; environment.C removed, c.yaml:2; "
		  "image changed, c.yaml:1; and 2 more) <0\n" },
		{ "what is live is updated", "{'web': {'restart': 'always', 'labels': {'a': 'b'}, 'scale': 1}}",
		  "{'web-1': {'config': {'labels': {'a': 'c'}, 'scale': 4}}}", { .kind = GOAL_UP }, .want =
		  "0 update web-1 (restart added; labels.a changed)\n" },
		{ "a limit is live, a reserved device is not",
		  "{'web': {'deploy': {'resources': {'limits': {'memory': '1'}, 'reservations': {'devices': [1]}}}}}",
		  "{'web-1': {'config': {'deploy': {'resources': {'limits': {'memory': '2'}, 'reservations': {}}}}}}",
		  { .kind = GOAL_CREATE }, .want =
		  "0 create web-1 (deploy.resources.reservations.devices added)\n"
		  "1 stop web-1 (deploy.resources.reservations.devices added) <0\n"
		  "2 remove web-1 (deploy.resources.reservations.devices added) <1 <0\n" },
		{ "what says nothing about a container", "{'web': {'pull_policy': 'always', 'x-a': 1, 'deploy': {'mode': 'x'}}}",
		  "{'web-1': {'config': {'build': '.'}}}", { .kind = GOAL_UP }, .want = "" },
		{ "the image is another one", "{'web': {}}", "{'web-1': {'state': 'exited', 'image_id': 'sha256:0'}}",
		  { .kind = GOAL_CREATE }, .want =
		  "0 create web-1 (image 'img' is now sha256:1)\n"
		  "1 remove web-1 (image 'img' is now sha256:1) <0\n" },
		{ "no recreation", "{'web': {'tty': true}}", "{'web-1': {'config': {}, 'image_id': 'sha256:0'}}",
		  { .kind = GOAL_UP, .no_recreate = true }, .want = "" },
		{ "forced, dependencies left alone", "{'web': {'depends_on': {'db': {}}}, 'db': {}}", "{'web-1': {}, 'db-1': {}}",
		  { .kind = GOAL_UP, .force_recreate = true }, .ask = "web", .want =
		  "0 create web-1 (asked to recreate)\n"
		  "1 stop web-1 (asked to recreate) <0\n"
		  "2 remove web-1 (asked to recreate) <1 <0\n"
		  "3 start web-1 (asked to recreate) <0 <2\n" },
		{ "dependents stop first, dependencies start first", "{'web': {'depends_on': {'db': {'restart': true}}}, 'db': {'tty': true}}",
		  "{'web-1': {}, 'db-1': {'config': {}}}", { .kind = GOAL_UP }, .want =
		  "0 create db-1 (tty added)\n"
		  "1 stop web-1 (depends on 'db' with restart: true)\n"
		  "2 stop db-1 (tty added) <1o <0\n"
		  "3 remove db-1 (tty added) <2 <0\n"
		  "4 start db-1 (tty added) <0 <3\n"
		  "5 start web-1 (depends on 'db' with restart: true) <1 <4\n" },
		{ "also when nobody named them", "{'web': {'depends_on': {'db': {'restart': true}}}, 'db': {}, 'x': {'depends_on': {'db': {}}}}",
		  "{'web-1': {}, 'db-1': {}, 'x-1': {}}", { .kind = GOAL_CREATE, .force_recreate = true }, .ask = "db", .want =
		  "0 create db-1 (asked to recreate)\n"
		  "1 stop db-1 (asked to recreate) <0\n"
		  "2 remove db-1 (asked to recreate) <1 <0\n" },
		{ "and started again", "{'web': {'depends_on': {'db': {'restart': true}}}, 'db': {}, 'x': {'depends_on': {'db': {}}}}",
		  "{'web-1': {}, 'db-1': {}, 'x-1': {}}", { .kind = GOAL_UP, .force_recreate = true }, .ask = "db", .want =
		  "0 create db-1 (asked to recreate)\n"
		  "1 stop web-1 (depends on 'db' with restart: true)\n"
		  "2 stop db-1 (asked to recreate) <1o <0\n"
		  "3 remove db-1 (asked to recreate) <2 <0\n"
		  "4 start db-1 (asked to recreate) <0 <3\n"
		  "5 start web-1 (depends on 'db' with restart: true) <1 <4\n" },
		{ "a shared pid namespace dies with its owner", "{'a': {'state': 'x'}, 'b': {'pid': 'service:a'}}",
		  "{'a-1': {'state': 'exited', 'exit': 1}, 'b-1': {}}", { .kind = GOAL_UP }, .want =
		  "0 stop b-1 (shares a namespace of 'a', which starts anew)\n"
		  "1 start a-1 (exited (1))\n"
		  "2 start b-1 (shares a namespace of 'a', which starts anew) <0 <1\n" },
		{ "a shared network namespace does not", "{'a': {}, 'b': {'network_mode': 'service:a'}}",
		  "{'a-1': {'state': 'exited', 'exit': 1}, 'b-1': {}}", { .kind = GOAL_UP }, .want =
		  "0 start a-1 (exited (1))\n" },
		{ "volumes of a recreated one", "{'a': {'tty': true}, 'b': {'volumes_from': ['a:ro']}}",
		  "{'a-1': {'state': 'exited', 'config': {}}, 'b-1': {'state': 'exited'}}", { .kind = GOAL_CREATE }, .want =
		  "0 create a-1 (tty added)\n"
		  "1 create b-1 (takes volumes from 'a', which is recreated) <0\n"
		  "2 remove b-1 (takes volumes from 'a', which is recreated) <1\n"
		  "3 remove a-1 (tty added) <0\n" },
		{ "who shares is made after what it shares", "{'a': {}, 'b': {'network_mode': 'service:a'}}", NULL,
		  { .kind = GOAL_CREATE }, .want =
		  "0 network-create p_default (not there yet)\n"
		  "1 create a-1 (not there yet) <0\n"
		  "2 create b-1 (not there yet) <1\n" },
		{ "a healthy dependency is not waited for", "{'web': {'depends_on': {'db': {'condition': 'service_healthy'}}}, 'db': {}}",
		  "{'db-1': {'health': 'healthy'}}", { .kind = GOAL_UP }, .want =
		  "0 create web-1 (not there yet)\n"
		  "1 start web-1 (not there yet) <0\n" },
		{ "one that is becoming healthy is", "{'web': {'depends_on': {'db': {'condition': 'service_healthy'}}}, 'db': {}}",
		  "{'db-1': {'health': 'starting'}}", { .kind = GOAL_UP }, .want =
		  "0 create web-1 (not there yet)\n"
		  "1 start db-1 (others wait for it)\n"
		  "2 start web-1 (not there yet) <0 <1h\n" },
		{ "a running job is waited for", "{'web': {'depends_on': {'job': {'condition': 'service_completed_successfully'}}}, 'job': {}}",
		  "{'job-1': {}}", { .kind = GOAL_UP }, .want =
		  "0 create web-1 (not there yet)\n"
		  "1 start job-1 (others wait for it)\n"
		  "2 start web-1 (not there yet) <0 <1c\n" },
	};
	run_cases(cases, ARRAY_SIZE(cases));
}

static void scaling(void **state)
{
	static const struct plan_case cases[] = {
		{ "up", "{'web': {'scale': 3}}", "{'web-2': {}}", { .kind = GOAL_CREATE }, .want =
		  "0 create web-1 (not there yet)\n"
		  "1 create web-3 (not there yet)\n" },
		{ "down, highest first", "{'web': {'scale': 1}}", "{'web-1': {}, 'web-2': {'state': 'exited'}, 'web-3': {}}",
		  { .kind = GOAL_UP }, .want =
		  "0 remove web-2 (scale is 1)\n"
		  "1 stop web-3 (scale is 1)\n"
		  "2 remove web-3 (scale is 1) <1\n" },
		{ "to none", "{'web': {'scale': 0}}", "{'web-1': {'state': 'exited'}}", { .kind = GOAL_UP }, .want =
		  "0 remove web-1 (scale is 0)\n" },
		{ "two in one slot: the newer stays", "{'web': {}}", "{'web-1': {}, 'web-1 ': {'created': 2, 'state': 'exited'}}",
		  { .kind = GOAL_CREATE }, .want =
		  "0 stop web-1 (left over from a replacement)\n"
		  "1 remove web-1 (left over from a replacement) <0\n" },
	};
	run_cases(cases, ARRAY_SIZE(cases));
}

static void networks_and_volumes(void **state)
{
	static const struct plan_case cases[] = {
		{ "a volume is made first", "{'web': {'volume': 'data'}}", "{}", { .kind = GOAL_CREATE }, .want =
		  "0 volume-create p_data (not there yet)\n"
		  "1 create web-1 (not there yet) <0\n" },
		{ "an external one has to be there", "{'web': {'volume': 'ext'}}", "{}", { .kind = GOAL_CREATE }, .want =
		  "error: volume 'ext' is declared as external, but there is none of that name (compose file:0)" },
		{ "no network for the host's", "{'web': {'network_mode': 'host'}}", NULL, { .kind = GOAL_CREATE }, .want =
		  "0 create web-1 (not there yet)\n" },
		{ "a network is made anew", "{'web': {}}", "{'web-1': {}}", { .kind = GOAL_UP },
		  .differ = "internal changed", .want =
		  "0 stop web-1 (network 'p_default' is made anew)\n"
		  "1 remove web-1 (network 'p_default' is made anew) <0\n"
		  "2 network-remove p_default (settings differ: internal changed) <1\n"
		  "3 network-create p_default (settings differ: internal changed) <2\n"
		  "4 create web-1 (network 'p_default' is made anew) <3 <1\n"
		  "5 start web-1 (network 'p_default' is made anew) <4 <1\n" },
		{ "not under others' feet", "{'web': {}, 'db': {}}", "{'web-1': {}, 'db-1': {}}", { .kind = GOAL_UP },
		  .ask = "web", .differ = "internal changed", .want = "", .warnings =
		  "network 'p_default' differs from the Compose file (internal changed) and is left as it is: 'p-db-1' uses it" },
	};
	run_cases(cases, ARRAY_SIZE(cases));
}

static void stopping(void **state)
{
	static const char services[] = "{'web': {'depends_on': {'db': {'restart': true}}}, 'db': {}, 'log': {}}";
	static const char all[] = "{'web-1': {}, 'db-1': {}, 'log-1': {'state': 'exited'}}";
	static const struct plan_case cases[] = {
		{ "stop in reverse order", services, all, { .kind = GOAL_STOP }, .want =
		  "0 stop web-1 (asked to stop)\n"
		  "1 stop db-1 (asked to stop) <0o\n" },
		{ "stop one", services, all, { .kind = GOAL_STOP }, .ask = "db", .want =
		  "0 stop db-1 (asked to stop)\n" },
		{ "stop one that backs off", services, "{'db-1': {'state': 'restarting'}}", { .kind = GOAL_STOP }, .want =
		  "0 stop db-1 (asked to stop)\n" },
		{ "restart takes dependents along", services, all, { .kind = GOAL_RESTART }, .ask = "db", .want =
		  "0 stop web-1 (asked to restart)\n"
		  "1 stop db-1 (asked to restart) <0o\n"
		  "2 start db-1 (asked to restart) <1\n"
		  "3 start web-1 (asked to restart) <0 <2\n" },
		{ "or not", services, all, { .kind = GOAL_RESTART, .no_deps = true }, .ask = "db", .want =
		  "0 stop db-1 (asked to restart)\n"
		  "1 start db-1 (asked to restart) <0\n" },
		{ "start", services, all, { .kind = GOAL_START }, .want = "0 start log-1 (exited (0))\n" },
		{ "start what never was", services, "{}", { .kind = GOAL_START }, .ask = "db", .want =
		  "error: service 'db' has no container to start" },
		{ "rm takes the stopped", services, all, { .kind = GOAL_RM }, .want =
		  "0 remove log-1 (asked to remove)\n" },
		{ "rm -s", services, all, { .kind = GOAL_RM, .stop_first = true }, .ask = "db", .want =
		  "0 stop db-1 (asked to remove)\n"
		  "1 remove db-1 (asked to remove) <0\n" },
		{ "down", services, all, { .kind = GOAL_DOWN }, .want =
		  "0 remove log-1 (asked to take it down)\n"
		  "1 stop web-1 (asked to take it down)\n"
		  "2 remove web-1 (asked to take it down) <1\n"
		  "3 stop db-1 (asked to take it down) <1o\n"
		  "4 remove db-1 (asked to take it down) <3\n"
		  "5 network-remove p_default (asked to take it down) <0 <2 <4\n"
		  "6 project-remove p (asked to take it down) <0 <1 <2 <3 <4 <5\n" },
		{ "down without files, by what the containers remember", NULL,
		  "{'web-1': {'depends_on': ['db']}, 'db-1': {}}", { .kind = GOAL_DOWN }, .want =
		  "0 stop web-1 (asked to take it down)\n"
		  "1 remove web-1 (asked to take it down) <0\n"
		  "2 stop db-1 (asked to take it down) <0o\n"
		  "3 remove db-1 (asked to take it down) <2\n"
		  "4 network-remove p_default (asked to take it down) <1 <3\n"
		  "5 project-remove p (asked to take it down) <0 <1 <2 <3 <4\n" },
		{ "down leaves orphans and what they use", "{'web': {}}", "{'old-1': {}}", { .kind = GOAL_DOWN }, .want = "",
		  .warnings = "network 'p_default' is still in use" },
		{ "down with orphans", "{'web': {}}", "{'old-1': {'state': 'exited'}}",
		  { .kind = GOAL_DOWN, .remove_orphans = true }, .want =
		  "0 remove old-1 (asked to take it down)\n"
		  "1 network-remove p_default (asked to take it down) <0\n"
		  "2 project-remove p (asked to take it down) <0 <1\n" },
	};
	run_cases(cases, ARRAY_SIZE(cases));
}

static void orphans(void **state)
{
	static const struct plan_case cases[] = {
		{ "are told of", "{'web': {}}", "{'web-1': {}, 'old-1': {}}", { .kind = GOAL_UP }, .want = "", .warnings =
		  "containers of services that are not in the project any more: p-old-1 (--remove-orphans removes them)" },
		{ "are removed when asked", "{'web': {}}", "{'web-1': {}, 'old-1': {}}",
		  { .kind = GOAL_UP, .remove_orphans = true }, .want =
		  "0 stop old-1 (its service is not in the project)\n"
		  "1 remove old-1 (its service is not in the project) <0\n" },
		{ "a service of an inactive profile is none", "{'web': {}, 'dbg': {'off': true}}", "{'web-1': {}, 'dbg-1': {}}",
		  { .kind = GOAL_UP }, .want = "" },
	};
	run_cases(cases, ARRAY_SIZE(cases));
}

static void refusals(void **state)
{
	static const struct plan_case cases[] = {
		{ "a cycle", "{'a': {'depends_on': {'b': {}}}, 'b': {'depends_on': {'c': {}}}, 'c': {'depends_on': {'b': {}}}}",
		  "{}", { .kind = GOAL_UP }, .want =
		  "error: services depend on each other in a circle: b -> (c.yaml:7) c -> (c.yaml:7) b" },
		{ "a cycle does not keep it up", "{'a': {'depends_on': {'b': {}}}, 'b': {'depends_on': {'a': {}}}}",
		  "{'a-1': {}}", { .kind = GOAL_STOP }, .want = "0 stop a-1 (asked to stop)\n" },
		{ "an unknown service", "{'web': {}}", "{}", { .kind = GOAL_UP }, .ask = "wed", .want =
		  "error: no such service: 'wed'; did you mean 'web'?" },
		{ "a missing dependency", "{'web': {'depends_on': {'db': {}}}}", "{}", { .kind = GOAL_UP }, .want =
		  "error: c.yaml:7: service 'web' depends on 'db', which is not there" },
		{ "a disabled dependency", "{'web': {'depends_on': {'db': {}}}, 'db': {'off': true}}", "{}", { .kind = GOAL_UP },
		  .want = "error: c.yaml:7: service 'web' depends on 'db', which no active profile has; activate one of its "
		  "profiles, or say required: false" },
		{ "unless it is not required", "{'web': {'depends_on': {'db': {'required': false}}}, 'db': {'off': true}}", "{}",
		  { .kind = GOAL_CREATE }, .want = "0 create web-1 (not there yet)\n" },
		{ "missing images, all of them", "{'a': {'image': 'x'}, 'b': {'image': 'y'}}", "{}", { .kind = GOAL_UP },
		  .no_image = true, .want = "error: images not in the store: 'x' of service 'a', 'y' of service 'b'" },
		{ "an image is needed for new containers only", "{'a': {}}", "{'a-1': {}}", { .kind = GOAL_UP },
		  .no_image = true, .want = "" },
		{ "no project", NULL, "{}", { .kind = GOAL_UP }, .want = "error: 'up' needs a Compose file" },
	};
	run_cases(cases, ARRAY_SIZE(cases));
}

static void running(void **state)
{
	static struct oneoff plain = { .service = "web", .slot = "web-run-01234567" };
	static struct oneoff alone = { .service = "web", .slot = "web-run-01234567", .no_deps = true };
	static const char services[] = "{'web': {'depends_on': {'db': {'condition': 'service_healthy'}}}, 'db': {}, 'x': {}}";
	static const struct plan_case cases[] = {
		{ "dependencies come up", services, "{}", { .kind = GOAL_RUN, .oneoff = &plain }, .want =
		  "0 create db-1 (not there yet)\n"
		  "1 start db-1 (not there yet) <0\n"
		  "2 create web-run-01234567 (asked to run)\n"
		  "3 start web-run-01234567 (asked to run) <2 <1h\n" },
		{ "or not", services, "{'web-1': {}}", { .kind = GOAL_RUN, .oneoff = &alone }, .want =
		  "0 create web-run-01234567 (asked to run)\n"
		  "1 start web-run-01234567 (asked to run) <0\n" },
		{ "they are waited for", services, "{'db-1': {'health': 'starting'}}", { .kind = GOAL_RUN, .oneoff = &plain }, .want =
		  "0 start db-1 (others wait for it)\n"
		  "1 create web-run-01234567 (asked to run)\n"
		  "2 start web-run-01234567 (asked to run) <1 <0h\n" },
	};
	run_cases(cases, ARRAY_SIZE(cases));
}
/* clang-format on */

/* A chain of many services, and many that need one: no loop may be quadratic. */
static void two_thousand_services(void **state)
{
	enum { COUNT = 2000 };
	cleanup(json_cleanup_) json_t *services = json_object();
	for (int i = 0; i < COUNT; i++) {
		cleanup_free char *name = xasprintf("s%04d", i);
		cleanup_free char *before = xasprintf("s%04d", i - 1);
		json_t *s = json_pack("{s:{s:s}, s:{s:{}, s:{}}}", "environment", "A", "1",
				      "depends_on", i ? before : "s0001", i > 1 ? "s0000" : "none");
		if (i == 0)
			json_object_del(s, "depends_on");
		else
			json_object_del(json_object_get(s, "depends_on"), "none");
		json_object_set_new(services, name, s);
	}
	cleanup(project_free_cleanup) struct project *project = load_project(services);
	struct observed observed = { 0 };
	for (int i = 0; i < COUNT; i++)
		vec_push(&observed.images,
			 (struct observed_image){ .service = xasprintf("s%04d", i),
						  .image_id = xstrdup("sha256:1") });
	struct goal goal = { .kind = GOAL_UP };
	cleanup_plan struct plan plan = { 0 };
	cleanup_err struct err err = ERR_INIT;
	clock_t before = clock(); /* what others do does not count */
	assert_int_equal(plan_make(project, &observed, &goal, &plan, &err), 0);
	double took = (double)(clock() - before) / CLOCKS_PER_SEC;
	assert_int_equal(plan.steps.n, 2 * COUNT + 1);
	print_message("%d services planned in %.1f ms\n", COUNT, took * 1e3);
	assert_true(took < 1); /* quadratic would be far above, whatever the machine */
	observed_done(&observed);
}

static void names(void **state)
{
	for (int kind = 0; kind < STEP_MAX_; kind++)
		assert_non_null(step_name(kind));
	for (int kind = 0; kind < GOAL_MAX_; kind++)
		assert_non_null(goal_name(kind));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up),
		cmocka_unit_test(scaling),
		cmocka_unit_test(networks_and_volumes),
		cmocka_unit_test(stopping),
		cmocka_unit_test(orphans),
		cmocka_unit_test(refusals),
		cmocka_unit_test(running),
		cmocka_unit_test(two_thousand_services),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
