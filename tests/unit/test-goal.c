/* Goals travel as JSON: the same goal at the other end, and nothing half read from nonsense. */
#include "test.h"

#include "engine/plan.h"

static void a_goal_survives_whole(void **state)
{
	struct goal goal = {
		.kind = GOAL_RUN,
		.no_deps = true,
		.force_recreate = true,
		.no_recreate = true,
		.always_recreate_deps = true,
		.remove_orphans = true,
		.renew_volumes = true,
		.no_start = true,
		.volumes = true,
		.rmi = xstrdup("local"),
		.stop_first = true,
		.has_timeout = true,
		.timeout = 3 * NSEC_PER_SEC,
		.wait = true,
		.has_wait_timeout = true,
		.wait_timeout = 4,
		.oneoff = new0(struct oneoff),
	};
	strv_add(&goal.services, "web");
	vec_push(&goal.scale, (struct goal_scale){ .service = xstrdup("web"), .replicas = 3 });
	struct oneoff *o = goal.oneoff;
	o->service = xstrdup("web");
	o->slot = xstrdup("web-run-01234567");
	o->command.set = true; /* and empty: not the same as not set */
	o->entrypoint.set = true;
	strv_add(&o->entrypoint.args, "sh");
	strv_add(&o->env, "A=1");
	strv_add(&o->publish, "80:80");
	o->user = xstrdup("root");
	o->tty = o->auto_remove = true;

	cleanup_json json_t *j = goal_to_json(&goal);
	struct goal back = { 0 };
	cleanup_err struct err err = ERR_INIT;
	int r = goal_from_json(j, &back, &err);
	check("goal", r == 0, "%s", err.msg);
	cleanup_json json_t *again = goal_to_json(&back);
	assert_true(json_equal(j, again));
	assert_int_equal(back.kind, GOAL_RUN);
	assert_true(back.oneoff->command.set);
	assert_int_equal(back.oneoff->command.args.n, 0);
	assert_false(back.oneoff->detach);
	goal_done(&goal);
	goal_done(&back);
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		const char *json, *error;
	} cases[] = {
		{ "{}", "goal: 'kind' is missing" },
		{ "{\"kind\": \"fly\"}", "goal: 'kind' has a value that cannot be read" },
		{ "{\"kind\": \"up\", \"services\": \"web\"}",
		  "goal: 'services' has a value that cannot be read" },
		{ "{\"kind\": \"up\", \"services\": [\"a\", 1]}",
		  "goal: 'services' has a value that cannot be read" },
		{ "{\"kind\": \"up\", \"scale\": [{\"replicas\": -1}]}",
		  "goal: 'replicas' has a value that cannot be read" },
		{ "{\"kind\": \"run\", \"oneoff\": 3}", "goal: oneoff: not a record" },
		{ "{\"kind\": \"up\", \"later\": {}}", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_json json_t *j = json_loads(cases[i].json, 0, NULL);
		cleanup_err struct err err = ERR_INIT;
		struct goal goal = { 0 };
		int r = goal_from_json(j, &goal, &err);
		check(cases[i].json, (r < 0) == (cases[i].error != NULL), "got %d", r);
		check_text(cases[i].json, err.msg, cases[i].error);
		goal_done(&goal);
	}
}

static void goals_have_names(void **state)
{
	for (int kind = 0; kind < GOAL_MAX_; kind++)
		assert_non_null(goal_name((enum goal_kind)kind));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_goal_survives_whole),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(goals_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
