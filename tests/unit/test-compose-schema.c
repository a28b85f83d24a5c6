/* .env.schema: which values it refuses, what it says, and where. */
#include "test.h"

#include "compose-case.h"

#define COMPOSE "services: {web: {image: i}}\n"

/* One rule for the variable X, which .env sets in its third line. */
static const struct {
	const char *name, *rule, *value, *message; /* message NULL: accepted */
} values[] = {
	{ "string", "{\"type\": \"string\"}", "anything", NULL },
	{ "integer", "{\"type\": \"integer\"}", "-12", NULL },
	{ "no integer", "{\"type\": \"integer\"}", "12.5", "must be an integer" },
	{ "number", "{\"type\": \"number\"}", "12.5", NULL },
	{ "no number", "{\"type\": \"number\"}", "many", "must be a number" },
	{ "boolean", "{\"type\": \"boolean\"}", "True", NULL },
	{ "no boolean", "{\"type\": \"boolean\"}", "maybe", "must be true or false" },
	{ "enum", "{\"enum\": [\"dev\", \"prod\"]}", "prod", NULL },
	{ "not in enum", "{\"enum\": [\"dev\", \"prod\"]}", "test",
	  "must be one of 'dev', 'prod'" },
	{ "enum of numbers", "{\"enum\": [1, 2]}", "2", NULL },
	{ "range", "{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}", "65535", NULL },
	{ "over a range", "{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}", "65536",
	  "must be a number of at most 65535" },
	{ "under a range", "{\"minimum\": 0.5}", "0.4", "must be a number of at least 0.5" },
	{ "exclusive", "{\"exclusiveMinimum\": 0}", "0", "must be a number of more than 0" },
	{ "exclusive maximum", "{\"exclusiveMaximum\": 8}", "8",
	  "must be a number of less than 8" },
	{ "a range of what is no number", "{\"minimum\": 1}", "one", "must be a number" },
	{ "pattern", "{\"pattern\": \"^[a-z]+$\"}", "abc", NULL },
	{ "no match", "{\"pattern\": \"^[a-z]+$\"}", "ABC", "does not match the pattern ^[a-z]+$" },
	{ "a pattern is not anchored", "{\"pattern\": \"b\"}", "abc", NULL },
	{ "digits", "{\"pattern\": \"^\\\\d{3}-[\\\\d.]+$\"}", "123-4.5", NULL },
	{ "digits that are none", "{\"pattern\": \"^\\\\d{3}$\"}", "12a", "does not match" },
	{ "group", "{\"pattern\": \"^(?:a|b)c$\"}", "bc", NULL },
	{ "web address", "{\"pattern\": \"^https?://[^/]+/?$\"}", "https://example.org/", NULL },
	{ "look-around", "{\"pattern\": \"^(?=a)\"}", "a", "look-around" },
	{ "back reference", "{\"pattern\": \"(a)\\\\1\"}", "aa", "back reference" },
	{ "repetitions", "{\"pattern\": \"((a{100}){100})\"}", "a", "repeats too much" },
	{ "no expression", "{\"pattern\": \"(\"}", "a", "is not a regular expression" },
	{ "length", "{\"minLength\": 3, \"maxLength\": 4}", "\xce\xb1\xce\xb2\xce\xb3", NULL },
	{ "too short", "{\"minLength\": 32}", "short", "must have at least 32 characters" },
	{ "too long", "{\"maxLength\": 1}", "ab", "must have at most 1 character" },
	{ "empty is not set", "{\"type\": \"integer\"}", "", NULL },
	{ "unknown rule", "{\"patern\": \"a\"}", "a", "'patern' of variable 'X' is not supported" },
	{ "unknown type", "{\"type\": \"text\"}", "a", "type must be" },
	{ "notes", "{\"description\": \"d\", \"default\": 1, \"writeOnly\": true}", "a", NULL },
};

static void values_and_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct loading l;
		cleanup_free char *schema = xasprintf(
			"{\"type\": \"object\", \"properties\": {\"X\": %s}}", values[i].rule);
		cleanup_free char *env = xasprintf("# comment\nOTHER=1\nX=%s\n", values[i].value);
		const struct case_file files[] = { { "compose.yaml", COMPOSE },
						   { ".env.schema", schema },
						   { ".env", env } };
		loading_begin(&l, files, ARRAY_SIZE(files));
		l.options.check_variables = true;
		loading_run(&l);
		const struct diagnostic *d = loading_error(&l);
		if (!values[i].message) {
			check(values[i].name, l.r == 0, "%s", d ? d->message : l.err.msg);
		} else {
			check(values[i].name, l.r < 0 && d, "was accepted");
			check(values[i].name, strstr(d->message, values[i].message), "%s",
			      d->message);
			/* A fault of the value is at its line, one of the schema there. */
			bool value_fault = str_starts(d->message, "variable 'X' ");
			check(values[i].name, d->mark.line == (value_fault ? 3 : 1), "line %d",
			      d->mark.line);
			check(values[i].name,
			      strstr(d->mark.file, value_fault ? ".env" : ".env.schema") != NULL,
			      "file %s", d->mark.file);
		}
		loading_end(&l);
	}
}

static const char all[] = "type: object\n"
			  "required: [PASSWORD, TOKEN]\n"
			  "properties:\n"
			  "  PASSWORD: {type: string, description: of the database}\n"
			  "  PORT: {type: integer}\n"
			  "  LEVEL: {enum: [info, debug]}\n"
			  "additionalProperties: false\n";

static bool says(const struct loading *l, const char *message, const char *file, int line)
{
	vec_each(d, &l->result.diagnostics.items)
		if (strstr(d->message, message) && d->mark.file && strstr(d->mark.file, file) &&
		    d->mark.line == line)
			return true;
	return false;
}

static void all_faults_in_one_report(void **state)
{
	struct loading l;
	const struct case_file files[] = {
		{ "compose.yaml", COMPOSE },
		{ ".env.schema", all },
		{ ".env", "PORT=http\nPASSWORD=\nLEVLE=info\nCOMPOSE_PROFILES=a\n" },
	};
	(void)state;
	loading_begin(&l, files, ARRAY_SIZE(files));
	l.options.check_variables = true;
	strv_add(&l.environ, "LEVEL=loud");
	loading_run(&l);
	assert_true(l.r < 0);
	assert_int_equal(l.result.diagnostics.errors, 5);
	assert_true(says(&l, "variable 'PORT' must be an integer", ".env", 1));
	assert_true(
		says(&l, "variable 'PASSWORD' is required and empty: of the database", ".env", 2));
	assert_true(says(&l, "variable 'TOKEN' is required and not set", ".env.schema", 2));
	/* The shell's: the schema's place. */
	assert_true(says(&l, "variable 'LEVEL' must be one of", ".env.schema", 6));
	assert_true(says(&l, "variable 'LEVLE' is not in .env.schema", ".env", 3));
	loading_end(&l);
}

static void not_asked_not_checked(void **state)
{
	struct loading l;
	const struct case_file files[] = { { "compose.yaml", COMPOSE }, { ".env.schema", all } };
	(void)state;
	loading_begin(&l, files, ARRAY_SIZE(files));
	loading_run(&l);
	assert_int_equal(l.r, 0);
	loading_end(&l);
}

/* A schema that is wrong says what and where; the file has X=a. */
static void broken_schemas(void **state)
{
	static const struct {
		const char *text, *message;
		int line, column;
	} schemas[] = {
		{ "[1, 2]", ".env.schema must be a mapping, not a list", 1, 1 },
		{ "required: X", "required must be a list of variables", 1, 11 },
		{ "required:\n  - X\n  - 1", "required must be a list of variables", 3, 5 },
		{ "properties: [a]", "properties must be a mapping", 1, 13 },
		{ "propertys: {}", "'propertys' is not supported in .env.schema", 1, 1 },
		{ "properties: {X: 5}", "the rules of variable 'X' must be a mapping", 1, 14 },
		{ "properties:\n  X: {enam: [a]}",
		  "'enam' of variable 'X' is not supported in .env.schema", 2, 7 },
		{ "properties:\n  X: {enum: a}", "enum must be a list", 2, 13 },
		{ "properties:\n  X: {minimum: a}", "a number is wanted here, not a string", 2,
		  16 },
		{ "properties:\n  X: {maxLength: -1}", "a length is wanted here", 2, 18 },
		{ "properties:\n  X: {pattern: '('}",
		  "the pattern of 'X' is not a regular expression", 2, 16 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(schemas); i++) {
		struct loading l;
		const struct case_file files[] = { { "compose.yaml", COMPOSE },
						   { ".env.schema", schemas[i].text },
						   { ".env", "X=a\n" } };
		loading_begin(&l, files, ARRAY_SIZE(files));
		l.options.check_variables = true;
		loading_run(&l);
		const struct diagnostic *d = loading_error(&l);
		check(schemas[i].text, l.r < 0 && d, "was accepted");
		check(schemas[i].text, strstr(d->message, schemas[i].message), "%s", d->message);
		check(schemas[i].text,
		      d->mark.line == schemas[i].line && d->mark.column == schemas[i].column,
		      "at %d:%d", d->mark.line, d->mark.column);
		loading_end(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_rules),
		cmocka_unit_test(all_faults_in_one_report),
		cmocka_unit_test(not_asked_not_checked),
		cmocka_unit_test(broken_schemas),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
