#include "test.h"

#include "cli/cmd.h"

#include <string.h>

struct values {
	bool all, quiet, colour;
	const char *format, *policy;
	struct strv env, volumes;
	struct option_int index;
	struct option_duration timeout;
};
#define O(field) offsetof(struct values, field)
static const struct option table[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL, "", 0 },
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL, "", 0 },
	{ 0, "colour", OPTION_FLAG, O(colour), NULL, "true", "", 0 },
	{ 'f', "format", OPTION_TEXT, O(format), "F", "table", "", 0 },
	{ 0, "policy", OPTION_TEXT, O(policy), "P", NULL, "", OPTION_TEXT_OPT },
	{ 'e', "env", OPTION_LIST, O(env), "E", NULL, "", 0 },
	{ 0, "volume", OPTION_CSV, O(volumes), "V", NULL, "", 0 },
	{ 0, "index", OPTION_INT, O(index), "N", NULL, "", 0 },
	{ 't', "timeout", OPTION_DURATION, O(timeout), "T", NULL, "", 0 },
	{ .name = NULL },
};
struct outer {
	bool dry_run;
};
static const struct option outer_table[] = {
	{ 0, "dry-run", OPTION_FLAG, offsetof(struct outer, dry_run), NULL, NULL, "", 0 },
	{ .name = NULL },
};

/* What was parsed as one line of text: only what differs from the defaults. */
static char *describe(const struct values *v, const struct outer *outer, const struct strv *rest)
{
	struct str out = STR_INIT;
	str_addf(&out, "%s%s%s%s", v->all ? "all " : "", v->quiet ? "quiet " : "",
		 v->colour ? "" : "grey ", outer->dry_run ? "dry " : "");
	if (strcmp(v->format, "table") != 0)
		str_addf(&out, "format=%s ", v->format);
	if (v->policy)
		str_addf(&out, "policy=%s ", v->policy);
	for (size_t i = 0; i < v->env.n; i++)
		str_addf(&out, "env=%s ", v->env.v[i]);
	for (size_t i = 0; i < v->volumes.n; i++)
		str_addf(&out, "volume=%s ", v->volumes.v[i]);
	if (v->index.set)
		str_addf(&out, "index=%d ", (int)v->index.value);
	if (v->timeout.set)
		str_addf(&out, "timeout=%lldms ", (long long)v->timeout.ns / 1000000);
	for (size_t i = 0; i < rest->n; i++)
		str_addf(&out, "[%s]", rest->v[i]);
	return str_take(&out);
}

static void words_become_values(void **state)
{
	static const struct {
		const char *words; /* with blanks between */
		bool stop;
		const char *want; /* or the message, with a '!' before it */
	} cases[] = {
		{ "", false, "" },
		{ "-a", false, "all " },
		{ "-aq x", false, "all quiet [x]" },
		{ "x -a y", false, "all [x][y]" },
		{ "x -a y", true, "[x][-a][y]" },
		{ "-a x -q", true, "all [x][-q]" },
		{ "-- -a", false, "[-a]" },
		{ "x -- -a", false, "[x][-a]" },
		{ "--format json", false, "format=json " },
		{ "--format=json", false, "format=json " },
		{ "--format=", false, "format= " },
		{ "--format --all", false, "format=--all " },
		{ "-f json", false, "format=json " },
		{ "-fjson", false, "format=json " },
		{ "-f=json", false, "format=json " },
		{ "-aqf json", false, "all quiet format=json " },
		{ "-aqfjson", false, "all quiet format=json " },
		{ "--format a --format b", false, "format=b " },
		{ "--all=false", false, "" },
		{ "--all=true", false, "all " },
		{ "--colour=false", false, "grey " },
		{ "--all=maybe", false, "!invalid value 'maybe' for '--all' (see 't --help')" },
		{ "-e A=1 -e B=2,3", false, "env=A=1 env=B=2,3 " },
		{ "--volume a,b --volume c", false, "volume=a volume=b volume=c " },
		{ "--policy x", false, "policy= [x]" },
		{ "--policy=always", false, "policy=always " },
		{ "--index 3", false, "index=3 " },
		{ "--index x", false, "!invalid value 'x' for '--index' (see 't --help')" },
		{ "-t 5", false, "timeout=5000ms " },
		{ "-t 1m30s", false, "timeout=90000ms " },
		{ "-t x", false, "!invalid value 'x' for '--timeout' (see 't --help')" },
		{ "--dry-run x", false, "dry [x]" },
		{ "x --dry-run", true, "[x][--dry-run]" },
		{ "-", false, "[-]" },
		{ "--format", false, "!flag needs an argument: --format (see 't --help')" },
		{ "-f", false, "!flag needs an argument: -f (see 't --help')" },
		{ "-x", false, "!unknown shorthand flag: 'x' in -x (see 't --help')" },
		{ "--al", false, "!unknown flag: --al; did you mean --all? (see 't --help')" },
		{ "--dryrun", false,
		  "!unknown flag: --dryrun; did you mean --dry-run? (see 't --help')" },
		{ "--zzzzzz", false, "!unknown flag: --zzzzzz (see 't --help')" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_strv struct strv args = { 0 }, rest = { 0 };
		struct values values = { 0 };
		struct outer outer = { 0 };
		struct option_scope outer_scope = { outer_table, &outer, NULL };
		struct option_scope scope = { table, &values, &outer_scope };
		if (*cases[i].words)
			args = strv_split(cases[i].words, ' ');
		options_defaults(table, &values);
		int r = options_parse(&scope, &args, 0, cases[i].stop, NULL, &rest, "t", &err);
		cleanup_free char *got =
			r < 0 ? xasprintf("!%s", err.msg) : describe(&values, &outer, &rest);
		check_text(cases[i].words, got, cases[i].want);
		check(cases[i].words, r == 0 || err.kind == ERR_USAGE, "kind %d", (int)err.kind);
		options_done(table, &values);
	}
}

/* A table is sound when its defaults parse and nothing is there twice. */
static void check_table(const char *who, const struct option *options, size_t size)
{
	cleanup_free char *values = xcalloc(1, size + 1);
	for (const struct option *o = options; o && o->name; o++) {
		check(who, o->help && *o->help, "--%s has no help", o->name);
		check(who, (o->arg == NULL) == (o->type == OPTION_FLAG), "--%s and its value",
		      o->name);
		check(who, !str_ends(o->help, "."), "--%s: a full stop", o->name);
		for (const struct option *p = o + 1; p->name; p++) {
			check(who, strcmp(o->name, p->name) != 0, "--%s is there twice", o->name);
			check(who, !o->letter || o->letter != p->letter, "-%c is there twice",
			      o->letter);
			check(who, strcmp(o->name, p->name) < 0, "--%s before --%s", p->name,
			      o->name);
		}
		cleanup_err struct err err = ERR_INIT;
		cleanup_strv struct strv args = { 0 }, rest = { 0 };
		if (!o->fallback)
			continue;
		strv_addf(&args, "--%s=%s", o->name, o->fallback);
		struct option_scope scope = { options, values, NULL };
		check(who, options_parse(&scope, &args, 0, false, NULL, &rest, who, &err) == 0,
		      "default of --%s: %s", o->name, err.msg);
	}
	if (options)
		options_done(options, values);
}

static void every_verb_is_sound(void **state)
{
	check_table("stave", global_options, 4096);
	for (const struct cmd *const *c = cmds; *c; c++) {
		const char *name = (*c)->name;
		check(name, cmd_work(*c)->run != NULL, "does nothing");
		check(name, (*c)->summary && *(*c)->summary >= 'A' && *(*c)->summary <= 'Z',
		      "summary");
		check(name, !str_ends((*c)->summary, "."), "summary with a full stop");
		check(name, (*c)->max_args == ARGS_ANY || (*c)->min_args <= (*c)->max_args,
		      "counts of arguments");
		check(name, (*c)->max_args == 0 || (*c)->args || ((*c)->flags & CMD_HIDDEN),
		      "arguments are not named");
		check(name, !(*c)->options || (*c)->options_size, "no place for options");
		if (c[1])
			check(name, strcmp(name, c[1]->name) < 0, "stands before '%s'", c[1]->name);
		check_table(name, (*c)->options, (*c)->options_size);
	}
}

static void verbs_are_found(void **state)
{
	static const struct {
		const char *words, *name;
		size_t used;
	} cases[] = {
		{ "ps", "ps", 1 },
		{ "ps web", "ps", 1 },
		{ "pss", NULL, 0 },
		{ "", NULL, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strv struct strv args = strv_split(cases[i].words, ' ');
		size_t used = 0;
		const struct cmd *cmd = cmd_find(&args, 0, &used);
		check_text(cases[i].words, cmd ? cmd->name : NULL, cases[i].name);
		check(cases[i].words, used == cases[i].used, "used %zu", used);
	}
	assert_string_equal(cmd_nearest("strat"), "start");
	assert_string_equal(cmd_nearest("pss"), "ps");
	assert_null(cmd_nearest("frobnicate"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_values),
		cmocka_unit_test(every_verb_is_sound),
		cmocka_unit_test(verbs_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
