/* Patterns: Go's filepath.Match, .dockerignore as Docker reads it. */
#include "base/cleanup.h"
#include "build/glob.h"
#include "build/ignore.h"
#include "test.h"

/* Go's own cases among them. */
static const struct {
	const char *pattern, *name;
	bool want;
} globs[] = {
	{ "abc", "abc", true },
	{ "*", "abc", true },
	{ "*c", "abc", true },
	{ "a*", "a", true },
	{ "a*", "abc", true },
	{ "a*", "ab/c", false },
	{ "a*/b", "abc/b", true },
	{ "a*/b", "a/c/b", false },
	{ "a*b*c*d*e*/f", "axbxcxdxe/f", true },
	{ "a*b*c*d*e*/f", "axbxcxdxexxx/f", true },
	{ "a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false },
	{ "a*b*c*d*e*/f", "axbxcxdxexxx/fff", false },
	{ "a*b?c*x", "abxbbxdbxebxczzx", true },
	{ "a*b?c*x", "abxbbxdbxebxczzy", false },
	{ "ab[c]", "abc", true },
	{ "ab[b-d]", "abc", true },
	{ "ab[e-g]", "abc", false },
	{ "ab[^c]", "abc", false },
	{ "ab[^e-g]", "abc", true },
	{ "a\\*b", "a*b", true },
	{ "a\\*b", "ab", false },
	{ "a?b",
	  "a\xE2\x98\xBA"
	  "b",
	  true },
	{ "a[^a]b",
	  "a\xE2\x98\xBA"
	  "b",
	  true },
	{ "a???b",
	  "a\xE2\x98\xBA"
	  "b",
	  false },
	{ "[a-\xCE\xB6]*", "\xCE\xB1", true },
	{ "*[a-\xCE\xB6]", "A", false },
	{ "a?b", "a/b", false },
	{ "a*b", "a/b", false },
	{ "[\\]a]", "]", true },
	{ "[\\-]", "-", true },
	{ "[x\\-]", "x", true },
	{ "[x\\-]", "z", false },
	{ "[\\-x]", "-", true },
	{ "[]a]", "]", false },
	{ "[-]", "-", false },
	{ "[x-]", "x", false },
	{ "[-x]", "x", false },
	{ "[a-b-c]", "a", false },
	{ "[", "a", false },
	{ "[^", "a", false },
	{ "[^bc", "a", false },
	{ "a[", "ab", false },
	{ "a\\", "a\\", false },
	{ "arr[[]0].txt", "arr[0].txt", true },
	{ "*x", "xxx", true },
	{ "", "", true },
	{ "", "a", false },
	{ "*", "", true },
};

static void test_globs(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(globs); i++)
		check(globs[i].pattern,
		      glob_match(globs[i].pattern, globs[i].name) == globs[i].want, "%s",
		      globs[i].name);
	assert_true(glob_magic("a*"));
	assert_false(glob_magic("a\\*"));
	cleanup_free char *literal = glob_literal("a\\*\\\\b");
	assert_string_equal(literal, "a*\\b");
}

/* Lines joined by '|'. */
static const struct {
	const char *lines, *path;
	bool want;
} cases[] = {
	/* Docker's own table */
	{ "**", "file", true },
	{ "**", "file/", true },
	{ "**/", "file", true },
	{ "**", "/", true },
	{ "**", "dir/file", true },
	{ "**/", "dir/file", true },
	{ "**/**", "dir/file", true },
	{ "dir/**", "dir/file", true },
	{ "dir/**", "dir/dir2/file", true },
	{ "**/dir", "dir", true },
	{ "**/dir", "dir/file", true },
	{ "**/dir2/*", "dir/dir2/file", true },
	{ "**/dir2/*", "dir/dir2/dir2/file", true },
	{ "**file", "file", true },
	{ "**file", "dir/file", true },
	{ "**/file", "dir/file", true },
	{ "**file", "dir/dir/file", true },
	{ "**/file", "dir/dir/file", true },
	{ "**/file*", "dir/dir/file", true },
	{ "**/file*", "dir/dir/file.txt", true },
	{ "**/file*txt", "dir/dir/file.txt", true },
	{ "**/file*.txt*", "dir/dir/file.txt", true },
	{ "**/**/*.txt", "dir/dir/file.txt", true },
	{ "**/**/*.txt2", "dir/dir/file.txt", false },
	{ "**/*.txt", "file.txt", true },
	{ "**/**/*.txt", "file.txt", true },
	{ "a**/*.txt", "a/file.txt", true },
	{ "a**/*.txt", "a/dir/file.txt", true },
	{ "a**/*.txt", "a/dir/dir/file.txt", true },
	{ "a/*.txt", "a/dir/file.txt", false },
	{ "a/*.txt", "a/file.txt", true },
	{ "a/*.txt**", "a/file.txt", true },
	{ "a[b-d]e", "ae", false },
	{ "a[b-d]e", "ace", true },
	{ "a[b-d]e", "aae", false },
	{ "a[^b-d]e", "aze", true },
	{ ".*", ".foo", true },
	{ ".*", "foo", false },
	{ "abc.def", "abcdef", false },
	{ "abc.def", "abc.def", true },
	{ "abc.def", "abcZdef", false },
	{ "abc?def", "abcZdef", true },
	{ "abc?def", "abcdef", false },
	{ "a\\\\", "a\\", true },
	{ "**/foo/bar", "foo/bar", true },
	{ "**/foo/bar", "dir/foo/bar", true },
	{ "**/foo/bar", "dir/dir2/foo/bar", true },
	{ "abc/**", "abc", false },
	{ "abc/**", "abc/def", true },
	{ "abc/**", "abc/def/ghi", true },
	{ "**/.foo", ".foo", true },
	{ "**/.foo", "bar.foo", false },
	{ "a(b)c/def", "a(b)c/def", true },
	{ "a(b)c/def", "a(b)c/xyz", false },
	{ "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
	  "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true },
	{ "dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true },
	{ "a\\*b", "a*b", true },
	/* parents, order, exceptions */
	{ "dir", "dir/a/b", true },
	{ "dir", "dirx", false },
	{ "/dir/", "dir/a", true },
	{ "./dir/../x", "x", true },
	{ "*|!README.md", "README.md", false },
	{ "*|!README.md", "x", true },
	{ "!README.md|*", "README.md", true },
	{ "dir|!dir/keep", "dir/keep/x", false },
	{ "dir|!dir/keep|dir/keep/no", "dir/keep/no", true },
	{ "*.md|!README*.md|README-secret.md", "README-secret.md", true },
	{ "*.md|!README*.md|README-secret.md", "README-x.md", false },
	{ "# comment|x", "# comment", false },
	{ "  x  ", "x", true },
	{ "! x|y", "x", false },
	{ "y|! y", "y", false },
	{ "node_modules", "a/node_modules/b", false },
	{ "**/node_modules", "a/node_modules/b", true },
	{ "*/tmp/*", "a/tmp/b", true },
	{ "*/*/tmp", "a/b/tmp", true },
	{ "tmp?", "tmpa", true },
	{ "docs/\xC3\xA9*x", "docs/\xC3\xA9t\xC3\xA9x", true },
	{ "?x", "\xC3\xA9x", true },
	{ ".", "a", false },
};

static void parse(const char *lines, struct ignore **ret)
{
	cleanup_free char *text = xstrdup(lines);
	struct err err = ERR_INIT;

	for (char *c = text; *c; c++)
		*c = *c == '|' ? '\n' : *c;
	check(lines, ignore_parse(text, strlen(text), ".dockerignore", ret, &err) == 0, "%s",
	      err.msg);
}

/* A walk that passes on what held for the parent says the same as asking for the whole path. */
static bool by_steps(const struct ignore *ignore, const char *path)
{
	struct ignore_state parent = { 0 };
	bool out = false;

	for (size_t i = 1; i <= strlen(path); i++) {
		struct ignore_state next = { 0 };
		if (path[i] != '/' && path[i])
			continue;
		cleanup_free char *part = xstrndup(path, i);
		out = ignore_step(ignore, &parent, part, &next);
		/* What is left out and can have no exceptions below it is not walked. */
		if (path[i] && out && !ignore_has_exceptions(ignore, part)) {
			ignore_state_done(&parent);
			ignore_state_done(&next);
			return true;
		}
		ignore_state_done(&parent);
		parent = next;
	}
	ignore_state_done(&parent);
	return out;
}

static void test_cases(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(ignore_free_cleanup) struct ignore *ignore = NULL;
		size_t len = strlen(cases[i].path);

		parse(cases[i].lines, &ignore);
		check(cases[i].lines, ignore_path(ignore, cases[i].path) == cases[i].want, "%s",
		      cases[i].path);
		if (cases[i].path[0] != '/' && cases[i].path[len - 1] != '/')
			check(cases[i].lines, by_steps(ignore, cases[i].path) == cases[i].want,
			      "by steps: %s", cases[i].path);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *want;
	} mistakes[] = {
		{ "a\n!", ".dockerignore:2: the pattern '!' has nothing behind it" },
		{ "[",
		  ".dockerignore:1: the pattern '[' is not valid: a '[' that is not closed, or "
		  "a '\\' at the end" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		struct ignore *ignore = NULL;
		struct err err = ERR_INIT;
		assert_true(ignore_parse(mistakes[i].text, strlen(mistakes[i].text),
					 ".dockerignore", &ignore, &err) < 0);
		assert_string_equal(err.msg, mistakes[i].want);
		assert_null(ignore);
		err_done(&err);
	}
}

/* A pattern and a name that make a backtracking matcher take years. */
static void test_costly(void **state)
{
	cleanup_str struct str pattern = STR_INIT, path = STR_INIT;
	cleanup(ignore_free_cleanup) struct ignore *ignore = NULL;

	for (int i = 0; i < 300; i++) {
		str_add(&pattern, "**/a*");
		str_add(&path, "aaaa/");
	}
	str_add(&pattern, "b");
	str_add(&path, "c");
	parse(pattern.data, &ignore);
	assert_false(ignore_path(ignore, path.data));
	str_clear(&pattern);
	str_clear(&path);
	for (int i = 0; i < 1000; i++) {
		str_add(&pattern, "*a");
		str_add(&path, "aaa");
	}
	str_add(&pattern, "b");
	assert_false(glob_match(pattern.data, path.data));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_costly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
