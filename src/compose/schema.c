#include "compose/schema.h"

#include "compose/document.h"

#include "base/fs.h"
#include "base/parse.h"

#include <float.h>
#include <regex.h>
#include <sys/stat.h>

enum {
	PATTERN_MAX = 512,	/* bytes */
	REPETITIONS_MAX = 1000, /* of all {n,m} of a pattern, multiplied: the matcher's memory */
};

/* One variable under its rules. */
struct subject {
	struct compose_model *m;
	const char *name, *value;
	struct where where; /* of the variable, or of the schema's property */
};

static void fault(const struct subject *s, const char *what)
{
	complain(s->m, s->where, s->name, "variable '%s' %s", s->name, what);
}

/* --- the rules --- */

static bool number_of(const struct node *n, double *ret)
{
	if (node_is(n, NODE_INT))
		*ret = (double)n->i;
	else if (node_is(n, NODE_FLOAT))
		*ret = n->f;
	else
		return false;
	return true;
}

static bool integer_text(const char *text)
{
	int64_t value;
	return parse_i64(text, INT64_MIN, INT64_MAX, &value) == 0;
}

static bool number_text(const char *text, double *ret)
{
	return parse_double(text, -DBL_MAX, DBL_MAX, ret) == 0;
}

static bool check_type(const struct subject *s, const struct node *rule)
{
	const char *type = node_str(rule);
	double number;
	bool flag;
	if (str_eq(type, "string"))
		return true;
	if (str_eq(type, "integer"))
		return integer_text(s->value) || (fault(s, "must be an integer"), false);
	if (str_eq(type, "number"))
		return number_text(s->value, &number) || (fault(s, "must be a number"), false);
	if (str_eq(type, "boolean"))
		return parse_bool(s->value, &flag) == 0 ||
		       (fault(s, "must be true or false"), false);
	complain(s->m, rule->where, s->name,
		 "type must be 'string', 'integer', 'number' or 'boolean'");
	return false;
}

static bool check_enum(const struct subject *s, const struct node *rule)
{
	cleanup_str struct str words = STR_INIT;
	if (!node_is(rule, NODE_LIST)) {
		complain(s->m, rule->where, s->name, "enum must be a list");
		return false;
	}
	list_each(item, rule) {
		const char *word = node_text(s->m->arena, *item);
		if (strcmp(word, s->value) == 0)
			return true;
		str_addf(&words, "%s'%s'", words.len ? ", " : "", word);
	}
	cleanup_free char *what = xasprintf("must be one of %s", str_text(&words));
	fault(s, what);
	return false;
}

enum bound { BOUND_MIN, BOUND_MAX, BOUND_OVER, BOUND_UNDER };
static const char *const bound_words[] = { "at least", "at most", "more than", "less than" };

static bool in_bound(enum bound bound, double value, double limit)
{
	switch (bound) {
	case BOUND_MIN: return value >= limit;
	case BOUND_MAX: return value <= limit;
	case BOUND_OVER: return value > limit;
	default: return value < limit;
	}
}

static bool check_bound(const struct subject *s, const struct node *rule, enum bound bound)
{
	double limit, value;
	if (!number_of(rule, &limit)) {
		complain(s->m, rule->where, s->name, "a number is wanted here, not %s",
			 node_kind_name(rule->kind));
		return false;
	}
	if (number_text(s->value, &value) && in_bound(bound, value, limit))
		return true;
	cleanup_free char *what = xasprintf("must be a number of %s %s", bound_words[bound],
					    node_text(s->m->arena, rule));
	fault(s, what);
	return false;
}

static bool check_length(const struct subject *s, const struct node *rule, bool most)
{
	size_t characters = 0;
	for (const char *p = s->value; *p; p++)
		characters += (*p & 0xC0) != 0x80;
	if (!node_is(rule, NODE_INT) || rule->i < 0) {
		complain(s->m, rule->where, s->name, "a length is wanted here");
		return false;
	}
	if (most ? characters <= (uint64_t)rule->i : characters >= (uint64_t)rule->i)
		return true;
	cleanup_free char *what =
		xasprintf("must have at %s %lld character%s", most ? "most" : "least",
			  (long long)rule->i, rule->i == 1 ? "" : "s");
	fault(s, what);
	return false;
}

/* The letter behind a backslash. NULL, or what is wrong with it. */
static const char *translate_escape(char letter, bool in_set, struct str *out)
{
	if (letter == 'd')
		str_add(out, in_set ? "0-9" : "[0-9]");
	else if (letter == 'D' && !in_set)
		str_add(out, "[^0-9]");
	else if (letter >= '1' && letter <= '9')
		return "has a back reference, which is not supported";
	else if (in_set && (letter == 'w' || letter == 's'))
		str_add(out, letter == 'w' ? "a-zA-Z0-9_" : " \t");
	else if (in_set)
		str_addc(out, letter);
	else
		str_addf(out, "\\%c", letter);
	return NULL;
}

/* The largest number of {n,m}. */
static unsigned long repetitions(const char *brace)
{
	unsigned long n = 0, most = 1;
	for (const char *p = brace + 1; *p && *p != '}'; p++) {
		bool digit = *p >= '0' && *p <= '9';
		n = digit && n <= REPETITIONS_MAX ? n * 10 + (unsigned long)(*p - '0') : 0;
		most = n > most ? n : most;
	}
	return most;
}

/* JSON Schema's expressions are JavaScript's; those that people write for variables differ from
 * POSIX's in \d, \D and (?:...), which are rewritten. What POSIX has no word for is refused, and so
 * are back references and large repetitions, which could take any time and memory. */
static const char *translate(const char *pattern, struct str *out)
{
	bool in_set = false;
	unsigned long repeated = 1;
	const char *trouble = strlen(pattern) > PATTERN_MAX ? "is too long" : NULL;
	for (const char *p = pattern; *p && !trouble; p++) {
		if (*p == '\\' && p[1]) {
			trouble = translate_escape(*++p, in_set, out);
			continue;
		}
		if (!in_set && strncmp(p, "(?:", 3) == 0) {
			str_addc(out, '(');
			p += 2;
			continue;
		}
		if (!in_set && strncmp(p, "(?", 2) == 0)
			return "has a look-around or a flag, which is not supported";
		if (!in_set && *p == '{' && (repeated *= repetitions(p)) > REPETITIONS_MAX)
			return "repeats too much";
		str_addc(out, *p);
		in_set = in_set ? *p != ']' : *p == '[';
	}
	return trouble;
}

static bool check_pattern(const struct subject *s, const struct node *rule)
{
	cleanup_str struct str text = STR_INIT;
	regex_t regex;
	const char *pattern = node_str(rule);
	const char *trouble = pattern ? translate(pattern, &text) : "must be a string";
	if (!trouble && regcomp(&regex, str_text(&text), REG_EXTENDED | REG_NOSUB) != 0)
		trouble = "is not a regular expression";
	if (trouble) {
		complain(s->m, rule->where, s->name, "the pattern of '%s' %s", s->name, trouble);
		return false;
	}
	bool matches = regexec(&regex, s->value, 0, NULL, 0) == 0;
	regfree(&regex);
	if (matches)
		return true;
	cleanup_free char *what = xasprintf("does not match the pattern %s", pattern);
	fault(s, what);
	return false;
}

/* --- the schema --- */

static const char *const rules[] = { "type",
				     "enum",
				     "pattern",
				     "minimum",
				     "maximum",
				     "exclusiveMinimum",
				     "exclusiveMaximum",
				     "minLength",
				     "maxLength",
				     NULL };
/* For people and other programs. */
static const char *const notes[] = { "title",	 "description", "default",  "examples",	  "format",
				     "$comment", "writeOnly",	"readOnly", "deprecated", NULL };

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static void check_rule(const struct subject *s, const char *name, const struct node *rule)
{
	if (strcmp(name, "enum") == 0)
		(void)check_enum(s, rule);
	else if (strcmp(name, "pattern") == 0)
		(void)check_pattern(s, rule);
	else if (strcmp(name, "minimum") == 0)
		(void)check_bound(s, rule, BOUND_MIN);
	else if (strcmp(name, "maximum") == 0)
		(void)check_bound(s, rule, BOUND_MAX);
	else if (strcmp(name, "exclusiveMinimum") == 0)
		(void)check_bound(s, rule, BOUND_OVER);
	else if (strcmp(name, "exclusiveMaximum") == 0)
		(void)check_bound(s, rule, BOUND_UNDER);
	else if (strcmp(name, "minLength") == 0)
		(void)check_length(s, rule, false);
	else if (strcmp(name, "maxLength") == 0)
		(void)check_length(s, rule, true);
}

static void check_words(struct compose_model *m, const struct entry *property)
{
	map_each_entry(e, property->value)
		if (!is_one_of(e->key, rules) && !is_one_of(e->key, notes))
			diagnose(m, SEVERITY_ERROR, e->where, property->key,
				 nearest_hint(m, e->key, rules),
				 "'%s' of variable '%s' is not supported in .env.schema", e->key,
				 property->key);
}

/* Where a file sets it; else where the schema speaks of it. */
static struct where place_of(const struct compose_model *m, const char *name, struct where schema)
{
	const struct where *at = map_get(&m->env_where, name);
	return at ? *at : schema;
}

/* Empty counts as not set, as with ${X:?}. */
static void check_property(struct compose_model *m, const struct entry *property)
{
	const char *value = model_env(m, property->key);
	struct subject s = { m, property->key, value, place_of(m, property->key, property->where) };
	if (!node_is(property->value, NODE_MAP)) {
		complain(m, property->where, property->key,
			 "the rules of variable '%s' must be a mapping", property->key);
		return;
	}
	check_words(m, property);
	if (str_empty(value))
		return;
	const struct node *type = map_at(property->value, "type");
	/* What is no number has no range. */
	if (type && !check_type(&s, type))
		return;
	map_each_entry(e, property->value)
		check_rule(&s, e->key, e->value);
}

static void check_required(struct compose_model *m, const struct node *required,
			   const struct node *properties)
{
	if (!required)
		return;
	if (!node_is(required, NODE_LIST)) {
		complain(m, required->where, NULL, "required must be a list of variables");
		return;
	}
	list_each(item, required) {
		const char *name = node_str(*item);
		const char *about =
			node_str(map_at(map_at(properties, name ? name : ""), "description"));
		if (!name)
			complain(m, (*item)->where, NULL, "required must be a list of variables");
		else if (str_empty(model_env(m, name)))
			complain(m, place_of(m, name, (*item)->where), name,
				 "variable '%s' is required and %s%s%s", name,
				 model_env(m, name) ? "empty" : "not set", about ? ": " : "",
				 about ? about : "");
	}
}

/* additionalProperties: false means that a file may set nothing else; the shell may. */
static void check_others(struct compose_model *m, const struct node *allowed,
			 const struct node *properties)
{
	VEC(const char *) names = { 0 };
	if (!node_is(allowed, NODE_BOOL) || allowed->flag)
		return;
	if (properties)
		map_each_entry(e, properties)
			vec_push(&names, e->key);
	vec_push(&names, NULL);
	map_each(e, &m->env_where)
		if (!map_at(properties, e->key) && !str_starts(e->key, "COMPOSE_"))
			diagnose(m, SEVERITY_ERROR, *(struct where *)e->value, e->key,
				 nearest_hint(m, e->key, names.v),
				 "variable '%s' is not in .env.schema", e->key);
	vec_done(&names);
}

static const char *const top_words[] = { "type", "properties", "required", "additionalProperties",
					 NULL };

static void check_all(struct compose_model *m, const struct node *schema)
{
	const struct node *properties = map_at(schema, "properties");
	map_each_entry(e, schema)
		if (!is_one_of(e->key, top_words) && !is_one_of(e->key, notes) && *e->key != '$')
			diagnose(m, SEVERITY_ERROR, e->where, NULL,
				 nearest_hint(m, e->key, top_words),
				 "'%s' is not supported in .env.schema", e->key);
	if (properties && !node_is(properties, NODE_MAP)) {
		complain(m, properties->where, NULL, "properties must be a mapping");
		return;
	}
	check_required(m, map_at(schema, "required"), properties);
	if (properties)
		map_each_entry(e, properties)
			check_property(m, e);
	check_others(m, map_at(schema, "additionalProperties"), properties);
}

void schema_check(struct compose_model *m)
{
	struct stat st;
	cleanup_free char *found = path_join(m->working_dir, ".env.schema");
	const char *path = arena_strdup(m->arena, found);
	if (stat(path, &st) < 0)
		return;
	struct node *documents = load_documents(m, path, NOWHERE);
	if (!documents || documents->n == 0)
		return;
	const struct node *schema = documents->items[0];
	if (node_is(schema, NODE_MAP))
		check_all(m, schema);
	else
		complain(m, schema->where, NULL, ".env.schema must be a mapping, not %s",
			 node_kind_name(schema->kind));
}
