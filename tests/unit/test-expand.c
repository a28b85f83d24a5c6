/* Variables, quotes and words of Dockerfiles. */
#include "build/expand.h"

#include "base/cleanup.h"
#include "build/dockerfile.h"
#include "test.h"

static const char *lookup(void *data, const char *name)
{
	static const char *const env[][2] = {
		{ "HOME", "/home/me" },
		{ "EMPTY", "" },
		{ "two", "a  b c" },
		{ "str", "foobarbaz" },
		{ "path", "/a/b/c.tar.gz" },
		{ "star", "a*b*c" },
		{ "umlaut", "\xC3\xA4\xC3\xB6\xC3\xBC" },
		{ "_x1", "under" },
		{ "1", "one" },
		{ "?", "zero" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(env); i++)
		if (str_eq(env[i][0], name))
			return env[i][1];
	return NULL;
}

static const struct {
	const char *word, *want; /* want NULL: a mistake */
} words[] = {
	{ "", "" },
	{ "plain text  stays", "plain text  stays" },
	{ "$HOME", "/home/me" },
	{ "${HOME}x", "/home/mex" },
	{ "$HOMEx", "" },
	{ "$HOME.x", "/home/me.x" },
	{ "$unset-", "-" },
	{ "$_x1", "under" },
	{ "$1x", "onex" },
	{ "$?", "zero" },
	{ "$", "$" },
	{ "a$", "a$" },
	{ "$ a", "$ a" },
	{ "\\$HOME", "$HOME" },
	{ "\\${HOME}", "${HOME}" },
	{ "\\\\$HOME", "\\/home/me" },
	{ "a\\ b", "a b" },
	{ "a\\", "a" },
	/* quotes */
	{ "'$HOME'", "$HOME" },
	{ "'a\\b'", "a\\b" },
	{ "\"$HOME\"", "/home/me" },
	{ "\"a\\b\"", "a\\b" },
	{ "\"a\\\"b\\$c\\\\\"", "a\"b$c\\" },
	{ "\"it's\"", "it's" },
	{ "'say \"x\"'", "say \"x\"" },
	{ "a'b'\"c\"d", "abcd" },
	{ "\"", NULL },
	{ "'", NULL },
	{ "\"$HOME", NULL },
	/* modifiers */
	{ "${EMPTY:-d}", "d" },
	{ "${EMPTY-d}", "" },
	{ "${unset:-d}", "d" },
	{ "${unset-d}", "d" },
	{ "${HOME:-d}", "/home/me" },
	{ "${HOME:+d}", "d" },
	{ "${EMPTY:+d}", "" },
	{ "${EMPTY+d}", "d" },
	{ "${unset+d}", "" },
	{ "${unset:-$HOME/${EMPTY:-x}}", "/home/me/x" },
	{ "${unset:-\"a } b\"}", "a } b" },
	{ "${unset:-a\\}b}", "a}b" },
	{ "${HOME:?no}", "/home/me" },
	{ "${unset:?no}", NULL },
	{ "${EMPTY:?no}", NULL },
	{ "${EMPTY?no}", "" },
	{ "${unset?no}", NULL },
	/* patterns, the documented ones first */
	{ "${str#f*b}", "arbaz" },
	{ "${str##f*b}", "az" },
	{ "${str%b*}", "foobar" },
	{ "${str%%b*}", "foo" },
	{ "${str/ba/fo}", "fooforbaz" },
	{ "${str//ba/fo}", "fooforfoz" },
	{ "${path##*/}", "c.tar.gz" },
	{ "${path%/*}", "/a/b" },
	{ "${path%%.*}", "/a/b/c" },
	{ "${path#*.}", "tar.gz" },
	{ "${path//\\//_}", "_a_b_c.tar.gz" },
	{ "${str#x}", "foobarbaz" },
	{ "${str#?}", "oobarbaz" },
	{ "${str%??}", "foobarb" },
	{ "${str#*}", "foobarbaz" },
	{ "${str##*}", "" },
	{ "${str%*}", "foobarbaz" },
	{ "${str%%*}", "" },
	{ "${str/o*r/-}", "f-baz" },
	{ "${str//b?/}", "foorz" },
	{ "${str/x/y}", "foobarbaz" },
	{ "${str/*/y}", "y" },
	{ "${str//?/x}", "xxxxxxxxx" },
	{ "${star#a\\*}", "b*c" },
	{ "${star//\\*/+}", "a+b+c" },
	{ "${umlaut#?}", "\xC3\xB6\xC3\xBC" },
	{ "${umlaut%?}", "\xC3\xA4\xC3\xB6" },
	{ "${str#$unset}", "foobarbaz" },
	{ "${str%${umlaut}}", "foobarbaz" },
	{ "${unset#x}", "" },
	{ "${unset/x/y}", "" },
	/* mistakes */
	{ "${", NULL },
	{ "${HOME", NULL },
	{ "${}", NULL },
	{ "${:-x}", NULL },
	{ "${{a}}", NULL },
	{ "${HOME:x}", NULL },
	{ "${HOME,}", NULL },
	{ "${HOME:-", NULL },
	{ "${str/a}", NULL },
};

static void test_words(void **state)
{
	struct expand x = { .lookup = lookup };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_free char *got = NULL;
		int r = expand_text(&x, words[i].word, &got, &err);
		check(words[i].word, (r == 0) == (words[i].want != NULL), "%d %s %s", r,
		      err.msg ? err.msg : "", got ? got : "");
		check_text(words[i].word, got, words[i].want);
		check(words[i].word, r == 0 || err.kind == ERR_INPUT, "%d", err.kind);
	}
}

static void test_messages(void **state)
{
	struct expand x = { .lookup = lookup };
	static const struct {
		const char *word, *want;
	} cases[] = {
		{ "${unset:?give it}", "unset: give it" },
		{ "${unset:?}", "unset: is not allowed to be unset" },
		{ "${EMPTY:?}", "EMPTY: is not allowed to be empty" },
		{ "${HOME", "a '}' is missing after '${HOME'" },
		{ "${HOME:x}", "unsupported modifier ':x' in the substitution of 'HOME'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		char *got = NULL;
		assert_true(expand_text(&x, cases[i].word, &got, &err) < 0);
		check_text(cases[i].word, err.msg, cases[i].want);
	}
}

static void test_splitting(void **state)
{
	struct expand x = { .lookup = lookup };
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "a b", "[a][b]" },
		{ " a\t\n b ", "[a][b]" },
		{ "$two", "[a][b][c]" },
		{ "x$two.y", "[xa][b][c.y]" },
		{ "\"$two\"", "[a  b c]" },
		{ "a\\ b c", "[a b][c]" },
		{ "'a b'c d", "[a bc][d]" },
		{ "$EMPTY $unset", "" },
		{ "${unset:-80 443}", "[80][443]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_strv struct strv list = { 0 };
		cleanup_str struct str out = STR_INIT;
		assert_int_equal(expand_words(&x, cases[i].text, &list, &err), 0);
		for (size_t k = 0; k < list.n; k++)
			str_addf(&out, "[%s]", list.v[k]);
		check_text(cases[i].text, str_text(&out), cases[i].want);
	}
}

static void test_escape_character(void **state)
{
	struct expand x = { .lookup = lookup, .escape = '`' };
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *got = NULL;

	assert_int_equal(expand_text(&x, "c:\\x\\`$HOME", &got, &err), 0);
	assert_string_equal(got, "c:\\x\\$HOME");
}

static void test_heredoc(void **state)
{
	struct expand x = { .lookup = lookup };
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *got = NULL;

	assert_int_equal(expand_heredoc(&x, "\"it's $HOME\" '$EMPTY' \\$HOME\n", &got, &err), 0);
	assert_string_equal(got, "\"it's /home/me\" '' $HOME\n");
}

/* Doubling a variable line by line ends at the bound, not at the end of the memory. */
static const char *doubled(void *data, const char *name)
{
	return *(char **)data;
}

static void test_doubling(void **state)
{
	char *value = xstrdup("0123456789abcdef");
	struct expand x = { .lookup = doubled, .data = &value };
	struct err err = ERR_INIT;
	int rounds = 0;

	for (;; rounds++) {
		char *next = NULL;
		if (expand_text(&x, "$v$v", &next, &err) < 0)
			break;
		assert_true(strlen(next) <= EXPAND_WORD_MAX);
		free(value);
		value = next;
	}
	assert_int_equal(rounds, 12);
	assert_string_equal(err.msg,
			    "the result of replacing variables is longer than 131071 bytes");
	err_done(&err);
	/* A pattern on the longest value is quick, whatever it is. */
	cleanup_free char *got = NULL;
	assert_int_equal(expand_text(&x, "${v//*0*1*2*3*4*5*z/x}", &got, &err), 0);
	cleanup_free char *also = NULL;
	assert_int_equal(expand_text(&x, "${v%%?*?*?*?*?*?*z*}", &also, &err), 0);
	free(value);
}

static void test_depth(void **state)
{
	cleanup_str struct str text = STR_INIT;
	struct expand x = { .lookup = lookup };
	cleanup_err struct err err = ERR_INIT;
	char *got = NULL;

	for (int i = 0; i < 20000; i++)
		str_add(&text, "${unset:-");
	assert_true(expand_text(&x, text.data, &got, &err) < 0);
	assert_string_equal(err.msg, "variables are nested more than 64 deep");
}

static void told(void *data, const char *name)
{
	str_addf(data, "%s ", name);
}

static void test_unset(void **state)
{
	cleanup_str struct str names = STR_INIT;
	struct expand x = { .unset = told, .data = &names };
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *got = NULL;

	assert_int_equal(expand_text(&x, "$a ${b} ${c:-d} ${e+f} '$g' \"$h\" ${i#x}", &got, &err),
			 0);
	assert_string_equal(str_text(&names), "a b h i ");
}

/* Which operands are replaced, instruction by instruction. */
static void test_instructions(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "ENV a=$str b=\"$two\" $str=1", "{a=foobarbaz} {b=a  b c} {foobarbaz=1}" },
		{ "ENV a  $str 'x' ", "{a=foobarbaz x}" },
		{ "LABEL \"x y\"='$str'", "{x y=$str}" },
		{ "ARG a=$str b", "{a=foobarbaz} {b}" },
		{ "WORKDIR $HOME/x", "[/home/me/x]" },
		{ "USER $str:\"$EMPTY\"", "[foobarbaz:]" },
		{ "EXPOSE $two 80", "[a][b][c][80]" },
		{ "VOLUME $HOME /x", "[/home/me][/x]" },
		{ "STOPSIGNAL $str", "[foobarbaz]" },
		{ "RUN echo $str", "[echo $str]" },
		{ "CMD echo $str", "[echo $str]" },
		{ "CMD [\"$str\"]", "[$str]" },
		{ "ENTRYPOINT [\"$str\"]", "[$str]" },
		{ "COPY --chown=$str --chmod=$1 --exclude=$str $HOME \"$str\" /x",
		  "[/home/me][foobarbaz][/x] chown=foobarbaz chmod=one exclude=foobarbaz" },
		{ "COPY <<E <<'F' /x\n$str\nE\n$str\nF",
		  "[<<E][<<'F'][/x] <foobarbaz\n> <$str\n>" },
	};
	struct expand x = { .lookup = lookup };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct instruction *in = NULL;
		cleanup_err struct err err = ERR_INIT;
		cleanup_str struct str out = STR_INIT;

		check(cases[i].line, instruction_parse(cases[i].line, "test", &in, &err) == 0, "%s",
		      err.msg);
		check(cases[i].line, instruction_expand(in, &x, &err) == 0, "%s", err.msg);
		for (size_t k = 0; k < in->args.n; k++)
			str_addf(&out, "[%s]", in->args.v[k]);
		vec_each(pair, &in->pairs)
			str_addf(&out, "%s{%s%s%s}", out.len ? " " : "", pair->key,
				 pair->value ? "=" : "", pair->value ? pair->value : "");
		if (in->copy.chown)
			str_addf(&out, " chown=%s", in->copy.chown);
		if (in->copy.chmod)
			str_addf(&out, " chmod=%s", in->copy.chmod);
		if (in->copy.exclude.n)
			str_addf(&out, " exclude=%s", in->copy.exclude.v[0]);
		vec_each(h, &in->heredocs)
			str_addf(&out, " <%s>", h->content);
		check_text(cases[i].line, str_text(&out), cases[i].want);
		instruction_free(in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	     cmocka_unit_test(test_messages),
		cmocka_unit_test(test_splitting),    cmocka_unit_test(test_escape_character),
		cmocka_unit_test(test_heredoc),	     cmocka_unit_test(test_doubling),
		cmocka_unit_test(test_depth),	     cmocka_unit_test(test_unset),
		cmocka_unit_test(test_instructions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
