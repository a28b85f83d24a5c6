/* Which stages a build needs, what names stand for, and which variables they see. */
#include "test.h"

#include "build/graph.h"

static const char text[] = "ARG BASE=debian\n"
			   "ARG SECOND=${BASE}:12\n"
			   "FROM $SECOND AS one\n"
			   "FROM scratch AS unused\n"
			   "FROM --platform=$BUILDPLATFORM one AS two\n"
			   "COPY --from=extra / /\n"
			   "FROM alpine\n"
			   "RUN --mount=type=bind,from=two,target=/x true\n"
			   "COPY --from=1 /a /b\n"
			   "FROM alpine AS last\n"
			   "COPY --from=3 /a /b\n";

static void make(struct graph *g, struct dockerfile *file, struct build_options *o)
{
	cleanup_diagnostics struct diagnostics d = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(dockerfile_parse(text, strlen(text), "Dockerfile", file, &d), 0);
	if (graph_make(g, file, o, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_needed(void **state)
{
	static const struct {
		const char *target;
		const char *needed; /* by stage */
	} cases[] = {
		{ NULL, "nnnnn" }, { "one", "n----" }, { "two", "n-n--" },
		{ "3", "nnnn-" },  { "ONE", "n----" }, { "unused", "-n---" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_dockerfile struct dockerfile file = DOCKERFILE_INIT;
		cleanup_graph struct graph g = { 0 };
		struct build_options o = { .target = cases[i].target };
		char needed[6] = "";

		make(&g, &file, &o);
		for (size_t k = 0; k < g.stages.n; k++)
			needed[k] = g.stages.v[k].needed ? 'n' : '-';
		assert_string_equal(needed, cases[i].needed);
	}
}

static void test_sources(void **state)
{
	static struct build_context contexts[] = {
		{ .name = (char *)"extra", .dir = (char *)"/dir" },
		{ .name = (char *)"alpine", .image = (char *)"other:1" },
	};
	static const struct {
		const char *name;
		size_t before;
		enum source_kind kind;
		size_t stage;
		const char *source;
	} cases[] = {
		{ "one", 5, SOURCE_STAGE, 0, NULL },
		{ "One", 5, SOURCE_STAGE, 0, NULL },
		{ "0", 2, SOURCE_STAGE, 0, NULL },
		{ "two", 2, SOURCE_IMAGE, 0, "two" }, /* not yet */
		{ "scratch", 5, SOURCE_SCRATCH, 0, NULL },
		{ "extra", 5, SOURCE_DIR, 0, "/dir" },
		{ "alpine", 5, SOURCE_IMAGE, 0, "other:1" },
		{ "alpine:latest", 5, SOURCE_IMAGE, 0, "other:1" },
		{ "alpine:3", 5, SOURCE_IMAGE, 0, "alpine:3" },
	};
	cleanup_dockerfile struct dockerfile file = DOCKERFILE_INIT;
	cleanup_graph struct graph g = { 0 };
	struct build_options o = { 0 };

	(void)state;
	o.contexts.v = contexts;
	o.contexts.n = ARRAY_SIZE(contexts);
	make(&g, &file, &o);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct source s;

		graph_source(&g, cases[i].name, cases[i].before, &s);
		if (s.kind != cases[i].kind || s.stage != cases[i].stage)
			fail_msg("'%s': kind %d, stage %zu", cases[i].name, s.kind, s.stage);
		if (cases[i].source)
			assert_string_equal(s.name, cases[i].source);
	}
}

static void test_globals(void **state)
{
	cleanup_dockerfile struct dockerfile file = DOCKERFILE_INIT;
	cleanup_graph struct graph g = { 0 };
	struct build_options o = { .platform = "linux/arm64" };

	(void)state;
	strv_add(&o.args, "BASE=ubuntu");
	make(&g, &file, &o);
	assert_string_equal(g.stages.v[0].base, "ubuntu:12");
	assert_true(str_starts(g.stages.v[2].platform, "linux/"));
	assert_string_equal(scope_value(&g.global, "TARGETARCH"), "arm64");
	build_options_done(&o);
}

static void test_no_target(void **state)
{
	cleanup_diagnostics struct diagnostics d = { 0 };
	cleanup_dockerfile struct dockerfile file = DOCKERFILE_INIT;
	cleanup_graph struct graph g = { 0 };
	struct build_options o = { .target = "nowhere" };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(dockerfile_parse(text, strlen(text), "Dockerfile", &file, &d), 0);
	assert_true(graph_make(&g, &file, &o, &err) < 0);
	assert_non_null(strstr(err.msg, "nowhere"));
	err_done(&err);
}

/* ENV hides ARG, a stage sees of the global scope what it declares, proxies need no declaration. */
static void test_scopes(void **state)
{
	cleanup_strv struct strv given = { 0 }, predefined = { 0 }, run = { 0 }, proxies = { 0 };
	cleanup_scope struct scope global = { .given = &given, .predefined = &predefined };
	cleanup_scope struct scope stage = {
		.given = &given,
		.predefined = &predefined,
		.global = &global,
	};
	char value[] = "default", key_a[] = "A", key_g[] = "G", key_none[] = "NONE",
	     key_arch[] = "TARGETARCH";

	(void)state;
	strv_add(&given, "A=given");
	strv_add(&given, "http_proxy=http://p");
	scope_predefine("linux/amd64", "linux/amd64", &predefined);
	scope_declare(&global, &(struct pair){ .key = key_g, .value = value });
	assert_null(scope_value(&stage, "G"));
	assert_null(scope_value(&stage, "TARGETARCH"));
	scope_declare(&stage, &(struct pair){ .key = key_g });
	scope_declare(&stage, &(struct pair){ .key = key_a, .value = value });
	scope_declare(&stage, &(struct pair){ .key = key_none });
	scope_declare(&stage, &(struct pair){ .key = key_arch });
	assert_string_equal(scope_value(&stage, "G"), "default");
	assert_string_equal(scope_value(&stage, "A"), "given");
	assert_string_equal(scope_value(&stage, "TARGETARCH"), "amd64");
	assert_null(scope_value(&stage, "NONE"));
	env_set(&stage.env, "A", "from-env");
	assert_string_equal(scope_value(&stage, "A"), "from-env");
	scope_run_args(&stage, &run);
	assert_false(strv_has(&run, "A=given"));
	assert_true(strv_has(&run, "G=default"));
	scope_proxies(&stage, &proxies);
	assert_int_equal(proxies.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needed),	cmocka_unit_test(test_sources),
		cmocka_unit_test(test_globals), cmocka_unit_test(test_no_target),
		cmocka_unit_test(test_scopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
