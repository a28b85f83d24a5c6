/* References: what people type, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/image.h"

#define D "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_good(void **state)
{
	static const struct {
		const char *text, *full, *familiar;
	} cases[] = {
		{ "postgres", "docker.io/library/postgres:latest", "postgres:latest" },
		{ "postgres:16-alpine", "docker.io/library/postgres:16-alpine",
		  "postgres:16-alpine" },
		{ "docker.io/postgres", "docker.io/library/postgres:latest", "postgres:latest" },
		{ "index.docker.io/a/b:1", "docker.io/a/b:1", "a/b:1" },
		{ "library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest" },
		{ "localhost/app", "localhost/app:latest", "localhost/app:latest" },
		{ "localhost:5000/a/b_c__d--e:V1.0", "localhost:5000/a/b_c__d--e:V1.0",
		  "localhost:5000/a/b_c__d--e:V1.0" },
		{ "[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest" },
		{ "ghcr.io/x/y@" D, "ghcr.io/x/y@" D, "ghcr.io/x/y@" D },
		{ "a:b@" D, "docker.io/library/a:b@" D, "a:b@" D },
		{ "UPPER/x", "UPPER/x:latest", "UPPER/x:latest" },
		/* without docker.io it would be another registry's */
		{ "docker.io/example.com/a", "docker.io/example.com/a:latest",
		  "docker.io/example.com/a:latest" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_image_ref struct image_ref ref = { 0 };
		cleanup_free char *full = NULL, *familiar = NULL;
		struct err err = ERR_INIT;

		if (image_ref_parse(cases[i].text, &ref, &err) < 0)
			fail_msg("'%s': %s", cases[i].text, err.msg);
		full = image_ref_full(&ref);
		familiar = image_ref_familiar(&ref);
		assert_string_equal(full, cases[i].full);
		assert_string_equal(familiar, cases[i].familiar);
	}
}

static void test_bad(void **state)
{
	static const char *const cases[] = {
		"",	  "A",	     "a:",    "a:.x",	  "a/../b",	  "../a",	 "./a",
		"/a",	  "a/",	     "a//b",  "a b",	  "a\nb",	  "a@sha256:12", "a@md5:x",
		"a___b",  "a..b",    "-a",    "a-",	  "host:99999/a", "host:/a",	 ".host/a",
		"a.-b/c", "[::g]/a", "a:b:c", "a/b/:tag", "x/@y",	  "a@" D "0",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_image_ref struct image_ref ref = { 0 };
		cleanup_err struct err err = ERR_INIT;

		if (image_ref_parse(cases[i], &ref, &err) == 0)
			fail_msg("'%s' was taken", cases[i]);
		assert_int_equal(err.kind, ERR_INPUT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
