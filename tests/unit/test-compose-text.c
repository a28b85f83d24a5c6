/* Text in one line or one file: variables, .env files, ports, volumes, command lines, YAML scalars;
 * and the table of keys, row by row. */
#include "test.h"

#include "compose/dotenv.h"
#include "compose/keys.h"
#include "compose/pass.h"
#include "compose/template.h"
#include "compose/words.h"
#include "compose/yaml-scalar.h"

static const char *lookup(void *data, const char *name)
{
	return strcmp(name, "A") == 0 ? "a" : strcmp(name, "E") == 0 ? "" : NULL;
}

static void templates_expand(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
		size_t at;
	} cases[] = {
		{ "", "", 0 },
		{ "x", "x", 0 },
		{ "$A", "a", 0 },
		{ "${A}", "a", 0 },
		{ "x$A.y", "xa.y", 0 },
		{ "$$A", "$A", 0 },
		{ "$NONE", "", 0 },
		{ "${A:-d}${E:-d}${NONE:-d}", "add", 0 },
		{ "${A-d}${E-d}${NONE-d}", "ad", 0 },
		{ "${A:+r}${E:+r}${NONE:+r}", "r", 0 },
		{ "${A+r}${E+r}${NONE+r}", "rr", 0 },
		{ "${A:?m}", "a", 0 },
		{ "${E?m}", "", 0 },
		{ "${NONE:-${E:-${A}}}", "a", 0 },
		{ "${NONE:-{x}}", "{x}", 0 },
		{ "${A:-{x}}", "a", 0 },
		{ "${NONE:-{}} x", "{} x", 0 }, /* braces are counted that way */
		{ "${NONE:-a:b-c?d}", "a:b-c?d", 0 },
		{ "${A:-$}", "a", 0 },
		{ "${NONE:?}", NULL, 2 },
		{ "${E:?m}", NULL, 2 },
		{ "$", "$", 0 },
		{ "a$", "a$", 0 },
		{ "$1", "$1", 0 },
		{ "${}", NULL, 0 },
		{ "${A", NULL, 0 },
		{ "x${A:}", NULL, 1 },
		{ "${A!x}", NULL, 0 },
		{ "$(x)", "$(x)", 0 },
		{ "${NONE:-a\nb}", NULL, 0 },
	};
	struct template_hooks hooks = { .lookup = lookup };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_str struct str out = STR_INIT, error = STR_INIT;
		size_t at = 0;
		int r = template_expand(cases[i].text, strlen(cases[i].text), &hooks, &out, &error,
					&at);
		check(cases[i].text, (r == 0) == (cases[i].want != NULL), "%d: %s", r,
		      str_text(&error));
		if (r == 0)
			check_text(cases[i].text, str_text(&out), cases[i].want);
		else
			check(cases[i].text, at == cases[i].at && error.len, "at %zu", at);
	}
}

static void env_files_are_read(void **state)
{
	static const struct {
		const char *text, *name, *want; /* want NULL: not set */
	} cases[] = {
		{ "X=1", "X", "1" },
		{ "  X = 1  ", "X", "1" },
		{ "export X=1", "X", "1" },
		{ "X: 1", "X", "1" },
		{ "X=", "X", "" },
		{ "# c\n\nX=1 # c", "X", "1" },
		{ "X=a#b", "X", "a#b" },
		{ "X=1\r\nY=2\r\n", "Y", "2" },
		{ "X='a $A # b' # c\nY=2", "X", "a $A # b" },
		{ "X='a $A # b' # c\nY=2", "Y", "2" },
		{ "X=\"a\\n\\\"b\\\"\\$A $A\"", "X", "a\n\"b\"$A a" },
		{ "X=\"a\nb\"", "X", "a\nb" },
		{ "X=1\nY=${X}2", "Y", "12" },
		{ "X=1\nX=2", "X", "2" },
		{ "Y=${NONE:-d}", "Y", "d" },
		{ "A\nNONE", "A", "a" },
		{ "A\nNONE", "NONE", NULL },
		{ "\xef\xbb\xbfX=1", "X", "1" },
		{ "X.Y-Z[0]=1", "X.Y-Z[0]", "1" },
	};
	static const struct {
		const char *text;
		uint32_t line;
	} wrong[] = { { "X Y=1", 1 }, { "X=1\nY+=1", 2 }, { "X=\"a\nb", 1 }, { "\nX=${", 2 } };
	struct arena *arena = arena_new();
	uint32_t line;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dotenv d = { .arena = arena, .lookup = lookup };
		struct err err = ERR_INIT;
		int r = dotenv_parse(&d, cases[i].text, strlen(cases[i].text), &line, &err);
		check(cases[i].text, r == 0, "%s", err.msg);
		check_text(cases[i].text, dotenv_get(&d, cases[i].name), cases[i].want);
		dotenv_done(&d);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct dotenv d = { .arena = arena, .lookup = lookup };
		struct err err = ERR_INIT;
		int r = dotenv_parse(&d, wrong[i].text, strlen(wrong[i].text), &line, &err);
		check(wrong[i].text, r < 0 && line == wrong[i].line, "line %u", line);
		err_done(&err);
		dotenv_done(&d);
	}
	arena_free(arena);
}

static void command_lines_are_split(void **state)
{
	static const struct {
		const char *line, *want; /* words joined by |; NULL: refused */
	} cases[] = {
		{ "", "" },
		{ "a  b", "a|b" },
		{ "'a b' \"c d\"", "a b|c d" },
		{ "a\\ b", "a b" },
		{ "'a\\b'", "a\\b" },
		{ "\"a\\\"b\"", "a\"b" },
		{ "'' a", "|a" },
		{ "a'b'\"c\"", "abc" },
		{ "a && b", "a" },
		{ "a; b", "a" },
		{ "a | b", "a" },
		{ "a 2>x", "a" },
		{ "a '&&' b", "a|&&|b" },
		{ "echo $(a b) c", "echo|$(a b)|c" },
		{ "'a", NULL },
		{ "a \\", NULL },
		{ "(a)", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strv struct strv words = { 0 };
		int r = words_split(cases[i].line, &words);
		check(cases[i].line, (r == 0) == (cases[i].want != NULL), "%d", r);
		cleanup_free char *got = r == 0 ? strv_join(&words, "|") : NULL;
		check_text(cases[i].line, got, cases[i].want);
	}
}

static void scalars_have_types(void **state)
{
	static const struct {
		const char *text;
		enum node_kind kind;
		const char *want;
	} cases[] = {
		{ "", NODE_NULL, "<nil>" },
		{ "~", NODE_NULL, "<nil>" },
		{ "null", NODE_NULL, "<nil>" },
		{ "true", NODE_BOOL, "true" },
		{ "False", NODE_BOOL, "false" },
		{ "yes", NODE_STRING, "yes" },
		{ "on", NODE_STRING, "on" },
		{ "12", NODE_INT, "12" },
		{ "-12", NODE_INT, "-12" },
		{ "+12", NODE_INT, "12" },
		{ "0644", NODE_INT, "420" },
		{ "0o17", NODE_INT, "15" },
		{ "0x1f", NODE_INT, "31" },
		{ "0b11", NODE_INT, "3" },
		{ "1_000", NODE_INT, "1000" },
		{ "08", NODE_FLOAT, "8" },
		{ "1.50", NODE_FLOAT, "1.5" },
		{ "1e3", NODE_FLOAT, "1000" },
		{ ".5", NODE_FLOAT, "0.5" },
		{ "1e30", NODE_FLOAT, "1e+30" },
		{ ".inf", NODE_FLOAT, "+Inf" },
		{ "1.2.3", NODE_STRING, "1.2.3" },
		{ "0x", NODE_STRING, "0x" },
		{ "1:20", NODE_STRING, "1:20" },
		{ "2001-01-01", NODE_TIME, "2001-01-01 00:00:00 +0000 UTC" },
		{ "10.0.0.1", NODE_STRING, "10.0.0.1" },
	};
	struct arena *arena = arena_new();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct node *n =
			yaml_scalar(arena, cases[i].text, strlen(cases[i].text), true, "", NOWHERE);
		check(cases[i].text, n->kind == cases[i].kind, "kind %d", n->kind);
		check_text(cases[i].text, node_text(arena, n), cases[i].want);
	}
	arena_free(arena);
}

/* Every row is complete, no name is there twice, and every name is found. */
static void walk_shape(const struct shape *shape, const char *where, int depth)
{
	check(where, shape && shape->kinds, "no kinds");
	if (depth > 8)
		return;
	if (shape->keys || shape->each)
		check(where, shape->kinds & K_MAP, "keys of something that is no mapping");
	if (shape->items) {
		check(where, shape->kinds & K_LIST, "items of something that is no list");
		walk_shape(shape->items, where, depth + 1);
	}
	if (shape->each)
		walk_shape(shape->each, where, depth + 1);
	for (const struct key *k = shape->keys; k && k->name; k++) {
		check(k->name, shape_key(shape, k->name) == k, "defined twice in %s", where);
		check(k->name,
		      k->out < OUT_MAX_ && k->canon < CANON_MAX_ && k->item_canon < CANON_MAX_ &&
			      k->preset < PRESET_MAX_ && k->item_preset < PRESET_MAX_,
		      "out of range");
		walk_shape(k->shape, k->name, depth + 1);
	}
	for (const char *const *r = shape->required; r && *r; r++)
		check(*r, shape_key(shape, *r), "required in %s, but no key", where);
}

static void the_table_of_keys_is_sound(void **state)
{
	walk_shape(&root_shape, "the root", 0);
	assert_non_null(service_key("image"));
	assert_null(service_key("imgae"));
}

/* Large maps are found by hash, in any order of adding and removing. */
static void maps_keep_what_is_put(void **state)
{
	enum { N = 5000 };
	struct arena *arena = arena_new();
	struct node *map = node_map(arena, NOWHERE);
	for (int i = 0; i < N; i++)
		map_put(arena, map, arena_printf(arena, "k%d", i), node_int(arena, i, NOWHERE),
			NOWHERE);
	map_drop(map, "k7");
	map_put(arena, map, "k8", node_int(arena, -8, NOWHERE), NOWHERE);
	assert_int_equal(map->n, N - 1);
	assert_null(map_at(map, "k7"));
	assert_null(map_at(map, "none"));
	for (int i = 0; i < N; i++)
		if (i != 7)
			assert_int_equal(map_at(map, arena_printf(arena, "k%d", i))->i,
					 i == 8 ? -8 : i);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_expand),
		cmocka_unit_test(env_files_are_read),
		cmocka_unit_test(command_lines_are_split),
		cmocka_unit_test(scalars_have_types),
		cmocka_unit_test(the_table_of_keys_is_sound),
		cmocka_unit_test(maps_keep_what_is_put),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
