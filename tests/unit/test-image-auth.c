/* Challenges of registries, and the Docker config that holds credentials. */
#include "image-fixture.h"
#include "image/http.h"

static void test_challenges(void **state)
{
	static const struct {
		const char *header;
		bool ok, bearer;
		const char *realm, *service, *scope;
	} cases[] = {
		{ "Bearer realm=\"https://a/token\",service=\"s\",scope=\"repository:a/b:pull\"",
		  true, true, "https://a/token", "s", "repository:a/b:pull" },
		{ "bearer realm=https://a/t , service=x", true, true, "https://a/t", "x", NULL },
		{ "Bearer realm=\"a\\\"b\"", true, true, "a\"b", NULL, NULL },
		{ "Basic realm=\"Registry\"", true, false, "Registry", NULL, NULL },
		{ "Basic", true, false, NULL, NULL, NULL },
		{ "Bearer", false, false, NULL, NULL, NULL },
		{ "Bearer service=\"x\"", false, false, NULL, NULL, NULL },
		{ "Bearer realm=\"open", false, false, NULL, NULL, NULL },
		{ "Bearer =x", false, false, NULL, NULL, NULL },
		{ "Negotiate", false, false, NULL, NULL, NULL },
		{ "", false, false, NULL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(image__challenge_done) struct challenge c = { 0 };
		cleanup_err struct err err = ERR_INIT;
		int r = image__challenge_parse(cases[i].header, &c, &err);

		if ((r == 0) != cases[i].ok)
			fail_msg("'%s': %s", cases[i].header, err.msg ? err.msg : "was taken");
		if (r < 0)
			continue;
		if (c.bearer != cases[i].bearer || !str_eq(c.realm, cases[i].realm) ||
		    !str_eq(c.service, cases[i].service) || !str_eq(c.scope, cases[i].scope))
			fail_msg("'%s': realm '%s'", cases[i].header, c.realm ? c.realm : "");
	}
}

static void test_credentials(void **state)
{
	struct fixture *f = *state;
	static const char config[] =
		"{\"auths\":{\"localhost:5000\":{\"auth\":\"dXNlcjpwYTpzcw==\"},"
		"\"https://index.docker.io/v1/\":{\"auth\":\"aHViOng=\"},"
		"\"bad\":{\"auth\":\"!!!\"},\"empty\":{}},"
		"\"credHelpers\":{\"helped\":\"test\",\"evil\":\"../x\"}}";
	static const char helper[] =
		"#!/bin/sh\nread host\n"
		"echo \"{\\\"Username\\\":\\\"$host\\\",\\\"Secret\\\":\\\"s\\\"}\"\n";
	static const struct {
		const char *registry, *user, *secret;
		bool fails;
	} cases[] = {
		{ "localhost:5000", "user", "pa:ss", false },
		{ "docker.io", "hub", "x", false },
		{ "empty", NULL, NULL, false },
		{ "unknown", NULL, NULL, false },
		{ "helped", "helped", "s", false },
		{ "bad", NULL, NULL, true },
		{ "evil", NULL, NULL, true },
	};
	cleanup_free char *path = xasprintf("%s/config.json", f->root);
	cleanup_free char *program = xasprintf("%s/docker-credential-test", f->root);
	cleanup_free char *search = xasprintf("%s:%s", f->root, getenv("PATH"));
	struct err err = ERR_INIT;

	setenv("DOCKER_CONFIG", f->root, 1);
	setenv("PATH", search, 1);
	assert_int_equal(fs_write_atomic(AT_FDCWD, path, config, sizeof(config) - 1, 0600, 0, &err),
			 0);
	assert_int_equal(
		fs_write_atomic(AT_FDCWD, program, helper, sizeof(helper) - 1, 0755, 0, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *user = NULL, *secret = NULL;
		int r = image__credentials(cases[i].registry, &user, &secret, &err);

		if ((r < 0) != cases[i].fails || !str_eq(user, cases[i].user) ||
		    !str_eq(secret, cases[i].secret))
			fail_msg("%s: %d %s '%s'", cases[i].registry, r, err.msg ? err.msg : "",
				 user ? user : "");
		err_done(&err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_challenges),
		cmocka_unit_test_setup_teardown(test_credentials, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
