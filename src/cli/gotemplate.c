/* The control structure of templates and their pipelines. Nothing is compiled: the text is walked,
 * and a branch that is not taken is walked without being evaluated. */
#include "cli/gotemplate.h"

#include "base/parse.h"

#include <ctype.h>

enum {
	DEPTH_MAX = 8, /* blocks, one in the other; parentheses, too */
	VARS_MAX = 32,
	NAME_MAX_ = 128,
};

struct variable {
	char name[NAME_MAX_];
	json_t *value; /* owned */
};

struct walk {
	const struct gotemplate *t;
	const char *p, *stop; /* what is left of the text */
	const json_t *row;    /* borrowed */
	struct variable vars[VARS_MAX];
	size_t n_vars;
	unsigned depth;
	bool lenient; /* in a condition a member may be missing */
	struct str *out;
	struct err *err;
};

/* The inside of an action, trimmed. */
struct inside {
	const char *p, *end;
};

static int bad(struct walk *w, const char *what)
{
	return err_usage(w->err, "template '%s': %s", w->t->text, what);
}

static int pipeline(struct walk *w, struct inside *in, const json_t *dot, json_t **ret);

/* --- words --- */

static void skip_blanks(struct inside *in)
{
	while (in->p < in->end && isspace((unsigned char)*in->p))
		in->p++;
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A name at in->p into `ret`; "" when there is none. */
static int take_name(struct walk *w, struct inside *in, char ret[NAME_MAX_])
{
	size_t n = 0;
	for (; in->p < in->end && name_char(*in->p); in->p++) {
		if (n + 1 >= NAME_MAX_)
			return bad(w, "a name is too long");
		ret[n++] = *in->p;
	}
	ret[n] = '\0';
	return 0;
}

/* The word, when the inside begins with it and nothing of a name follows. */
static bool take_word(struct inside *in, const char *word)
{
	size_t n = strlen(word);
	skip_blanks(in);
	if ((size_t)(in->end - in->p) < n || strncmp(in->p, word, n) != 0 ||
	    ((size_t)(in->end - in->p) > n && name_char(in->p[n])))
		return false;
	in->p += n;
	return true;
}

static bool at_end(struct inside *in)
{
	skip_blanks(in);
	return in->p == in->end;
}

static int quoted(struct walk *w, struct inside *in, json_t **ret)
{
	cleanup_str struct str text = STR_INIT;
	char quote = *in->p++;
	for (; in->p < in->end && *in->p != quote; in->p++) {
		char c = *in->p;
		if (quote == '"' && c == '\\' && in->p + 1 < in->end) {
			c = *++in->p;
			c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
		}
		str_addc(&text, c);
	}
	if (in->p == in->end)
		return bad(w, "unterminated quoted string");
	in->p++;
	*ret = json_string(str_text(&text));
	return *ret ? 0 : bad(w, "text that is no UTF-8");
}

static int number(struct walk *w, struct inside *in, json_t **ret)
{
	char text[32];
	size_t n = 0;
	int64_t value;
	while (in->p < in->end && n + 1 < sizeof(text) &&
	       (name_char(*in->p) || (!n && *in->p == '-')))
		text[n++] = *in->p++;
	text[n] = '\0';
	if (parse_i64(text, INT64_MIN, INT64_MAX, &value) < 0)
		return bad(w, "bad number");
	*ret = json_integer(value);
	return 0;
}

/* --- members --- */

/* Names the whole way, from behind its first dot. */
static int no_member(struct walk *w, const char *way, const char *stop)
{
	const char *end = way;
	while (end < stop && (name_char(*end) || *end == '.'))
		end++;
	return err_usage(w->err, "template '%s': no member '%.*s'", w->t->text, (int)(end - way),
			 way);
}

/* What .A.B.C at in->p means for `from`. A member that the row cannot have is an error: of the row
 * itself, or a whole way into it that leads nowhere. */
static int members(struct walk *w, struct inside *in, const json_t *from, json_t **ret)
{
	const json_t *v = from;
	const char *way = in->p + 1;
	bool of_row = from == w->row;
	char name[NAME_MAX_];
	for (unsigned level = 0; in->p < in->end && *in->p == '.'; level++) {
		in->p++;
		int r = take_name(w, in, name);
		if (r < 0)
			return r;
		if (!*name)
			return bad(w, "a name is missing behind a dot");
		const json_t *next = json_object_get(v, name);
		if (!next && of_row && !w->lenient && w->t->known &&
		    (level ? json_is_object(v) && !w->t->titles
			   : !json_object_get(w->t->known, name)))
			return no_member(w, way, in->end);
		if (!next && w->t->titles && level) {
			for (char *c = name; *c; c++)
				*c = (char)toupper((unsigned char)*c);
			cleanup_free char *title = xasprintf(
				"%s.%s", json_is_string(v) ? json_string_value(v) : "", name);
			json_decref(*ret);
			*ret = json_string(title);
			v = *ret;
			continue;
		}
		v = next;
	}
	json_t *found = v ? json_incref((json_t *)v) : json_null();
	json_decref(*ret);
	*ret = found;
	return 0;
}

static int variable(struct walk *w, struct inside *in, json_t **ret)
{
	char name[NAME_MAX_];
	in->p++;
	int r = take_name(w, in, name);
	if (r < 0)
		return r;
	const json_t *value = *name ? NULL : w->row;
	for (size_t i = w->n_vars; !value && i > 0; i--)
		if (strcmp(w->vars[i - 1].name, name) == 0)
			value = w->vars[i - 1].value;
	if (!value)
		return err_usage(w->err, "template '%s': undefined variable '$%s'", w->t->text,
				 name);
	if (in->p < in->end && *in->p == '.')
		return members(w, in, value, ret);
	*ret = json_incref((json_t *)value);
	return 0;
}

static int operand(struct walk *w, struct inside *in, const json_t *dot, json_t **ret)
{
	char name[NAME_MAX_];
	int r = 0;
	*ret = NULL;
	if (*in->p == '.') {
		if (in->p + 1 < in->end && name_char(in->p[1]))
			return members(w, in, dot, ret);
		in->p++;
		*ret = json_incref((json_t *)dot);
		return 0;
	}
	if (*in->p == '$')
		return variable(w, in, ret);
	if (*in->p == '"' || *in->p == '`')
		return quoted(w, in, ret);
	if (isdigit((unsigned char)*in->p) || *in->p == '-')
		return number(w, in, ret);
	if (*in->p == '(') {
		in->p++;
		if (++w->depth > DEPTH_MAX)
			return bad(w, "too deep");
		json_t *inner = NULL;
		r = pipeline(w, in, dot, &inner);
		w->depth--;
		if (r == 0 && (at_end(in) || *in->p != ')'))
			r = bad(w, "a parenthesis is not closed");
		in->p += r == 0;
		*ret = inner;
		if (r == 0 && in->p < in->end && *in->p == '.')
			r = members(w, in, inner, ret);
		return r;
	}
	r = take_name(w, in, name);
	if (r < 0)
		return r;
	if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0)
		*ret = json_boolean(*name == 't');
	else if (strcmp(name, "nil") == 0)
		*ret = json_null();
	else
		return err_usage(w->err, "template '%s': '%.40s' is not understood", w->t->text,
				 *name ? name : in->p);
	return 0;
}

/* --- pipelines --- */

/* {{.Label "key"}} */
static int label(const struct gotemplate *t, const json_t *key, json_t **ret)
{
	const json_t *found = json_object_get(t->labels, json_string_value(key));
	*ret = t->titles ? json_incref((json_t *)key)
	       : found	 ? json_incref((json_t *)found)
			 : json_string("");
	return 0;
}

static bool ends_command(struct inside *in)
{
	return at_end(in) || *in->p == '|' || *in->p == ')';
}

struct arguments {
	json_t *v[GOTEMPLATE_ARGS_MAX];
	size_t n;
};

static void arguments_done(struct arguments *a)
{
	for (size_t i = 0; i < a->n; i++)
		json_decref(a->v[i]);
}

static int take_arguments(struct walk *w, struct inside *in, const json_t *dot,
			  struct arguments *ret)
{
	while (!ends_command(in)) {
		if (ret->n == GOTEMPLATE_ARGS_MAX)
			return bad(w, "too many arguments");
		int r = operand(w, in, dot, &ret->v[ret->n]);
		ret->n += ret->v[ret->n] != NULL;
		if (r < 0)
			return r;
	}
	return 0;
}

/* One command: a function with its arguments, or a value. `piped` (or NULL) is taken over. */
static int command(struct walk *w, struct inside *in, const json_t *dot, json_t *piped,
		   json_t **ret)
{
	cleanup(arguments_done) struct arguments args = { 0 };
	cleanup_json json_t *owned = piped, *value = NULL;
	cleanup_err struct err why = ERR_INIT;
	char name[NAME_MAX_];
	*ret = NULL;
	if (ends_command(in))
		return bad(w, "missing value for command");
	struct inside before = *in;
	int r = take_name(w, in, name);
	if (r < 0)
		return r;
	if (*name && gotemplate_is_function(name)) {
		r = take_arguments(w, in, dot, &args);
		if (r == 0 && piped && args.n < GOTEMPLATE_ARGS_MAX)
			args.v[args.n++] = json_incref(piped);
		if (r < 0)
			return r;
		r = gotemplate_call(name, args.v, args.n, ret, &why);
		return r < 0 ? bad(w, why.msg) : 0;
	}
	*in = before;
	bool labelled = take_word(in, ".Label") || take_word(in, "$.Label");
	*in = labelled ? *in : before;
	if (!labelled)
		r = operand(w, in, dot, &value);
	if (r == 0)
		r = take_arguments(w, in, dot, &args);
	if (r < 0)
		return r;
	if (labelled && args.n == 1 && json_is_string(args.v[0]))
		return label(w->t, args.v[0], ret);
	if (args.n || piped || labelled)
		return bad(w, "what is no function was given arguments");
	*ret = ptr_take(value);
	return 0;
}

static int pipeline(struct walk *w, struct inside *in, const json_t *dot, json_t **ret)
{
	json_t *piped = NULL;
	for (;;) {
		int r = command(w, in, dot, piped, &piped);
		if (r < 0) {
			json_decref(piped);
			return r;
		}
		if (at_end(in) || *in->p != '|')
			break;
		in->p++;
	}
	*ret = piped;
	return 0;
}

/* "$x := " or "$i, $x := " in front of a pipeline; how many names. */
static int take_declaration(struct walk *w, struct inside *in, char names[2][NAME_MAX_],
			    size_t *ret_n)
{
	struct inside at = *in;
	size_t n = 0;
	*ret_n = 0;
	for (skip_blanks(&at); n < 2 && at.p < at.end && *at.p == '$'; skip_blanks(&at)) {
		at.p++;
		int r = take_name(w, &at, names[n++]);
		if (r < 0)
			return r;
		skip_blanks(&at);
		if (at.p == at.end || *at.p != ',')
			break;
		at.p++;
	}
	if (!n || at.end - at.p < 2)
		return 0;
	size_t sign = at.p[0] == ':' && at.p[1] == '=' ? 2 : at.p[0] == '=' && n == 1 ? 1 : 0;
	if (!sign)
		return 0;
	at.p += sign;
	*in = at;
	*ret_n = n;
	return 0;
}

static int set_variable(struct walk *w, const char *name, json_t *value /* taken over */)
{
	if (w->n_vars == VARS_MAX) {
		json_decref(value);
		return bad(w, "too many variables");
	}
	struct variable *v = &w->vars[w->n_vars++];
	memcpy(v->name, name, sizeof(v->name));
	v->value = value;
	return 0;
}

static void drop_variables(struct walk *w, size_t keep)
{
	while (w->n_vars > keep)
		json_decref(w->vars[--w->n_vars].value);
}

static int whole_pipeline(struct walk *w, struct inside *in, const json_t *dot, json_t **ret)
{
	int r = pipeline(w, in, dot, ret);
	if (r == 0 && !at_end(in)) {
		json_decref(*ret);
		*ret = NULL;
		r = bad(w, "unexpected text in an action");
	}
	return r;
}

/* --- blocks --- */

enum stop { STOP_TEXT, STOP_END, STOP_ELSE };

/* Walks until the end of the text, or an {{end}} or {{else}} of this level; *in is what followed
 * "else". */
static int walk_list(struct walk *w, const json_t *dot, bool skip, enum stop *ret,
		     struct inside *in);

/* Whether a block closes as it must. */
static int need_end(struct walk *w, enum stop stop)
{
	return stop == STOP_END	   ? 0
	       : stop == STOP_TEXT ? bad(w, "unclosed block: {{end}} is missing")
				   : bad(w, "{{else}} is not expected here");
}

/* if and with: `in` is behind the word. */
static int walk_if(struct walk *w, struct inside *in, const json_t *dot, bool with, bool skip)
{
	char names[2][NAME_MAX_];
	bool taken = false, is_else = false;
	enum stop stop;
	for (;;) {
		cleanup_json json_t *value = NULL;
		size_t vars = w->n_vars, n = 0;
		int r = 0;
		bool enter = is_else;
		if (!skip && !taken && !is_else) {
			w->lenient = true;
			r = take_declaration(w, in, names, &n);
			if (r == 0)
				r = whole_pipeline(w, in, dot, &value);
			w->lenient = false;
			if (r == 0 && n)
				r = set_variable(w, names[0], json_incref(value));
			if (r < 0)
				return r;
			enter = gotemplate_truth(value);
		}
		bool run = !skip && !taken && enter;
		taken = taken || run;
		r = walk_list(w, with && !is_else && run ? value : dot, !run, &stop, in);
		drop_variables(w, vars);
		if (r < 0)
			return r;
		if (stop != STOP_ELSE || is_else)
			return need_end(w, stop);
		is_else = at_end(in);
		if (!is_else && !take_word(in, with ? "with" : "if"))
			return bad(w, "{{else}} is followed by something else");
	}
}

/* The body once for a key (or index) and a value, from where it begins. */
static int walk_once(struct walk *w, const char *body, char names[2][NAME_MAX_], size_t n,
		     json_t *key, json_t *value, enum stop *stop, struct inside *in)
{
	size_t vars = w->n_vars;
	int r = 0;
	if (n == 2)
		r = set_variable(w, names[0], json_incref(key));
	if (r == 0 && n)
		r = set_variable(w, names[n - 1], json_incref(value));
	w->p = body;
	if (r == 0)
		r = walk_list(w, value, false, stop, in);
	drop_variables(w, vars);
	json_decref(key);
	return r;
}

static int walk_range(struct walk *w, struct inside *in, const json_t *dot, bool skip)
{
	cleanup_json json_t *list = NULL;
	cleanup_strv struct strv keys = { 0 };
	char names[2][NAME_MAX_];
	const char *body = w->p, *key;
	enum stop stop = STOP_TEXT;
	json_t *value;
	size_t n = 0, i;
	int r = 0;
	if (!skip)
		r = take_declaration(w, in, names, &n);
	if (!skip && r == 0)
		r = whole_pipeline(w, in, dot, &list);
	if (r < 0)
		return r;
	json_array_foreach(list, i, value)
		if (r == 0)
			r = walk_once(w, body, names, n, json_integer((json_int_t)i), value, &stop,
				      in);
	json_object_foreach(list, key, value)
		strv_add(&keys, key);
	strv_sort(&keys); /* as Go does */
	for (i = 0; r == 0 && i < keys.n; i++)
		r = walk_once(w, body, names, n, json_string(keys.v[i]),
			      json_object_get(list, keys.v[i]), &stop, in);
	bool any = json_array_size(list) || keys.n;
	if (r == 0 && !any)
		r = walk_list(w, dot, true, &stop, in);
	if (r == 0 && stop == STOP_ELSE)
		r = walk_list(w, dot, skip || any, &stop, in);
	return r < 0 ? r : need_end(w, stop);
}

/* Where the action ends whose inside begins at p: quotes may hold braces. NULL: nowhere. */
static const char *action_end(const char *p, const char *stop)
{
	char quote = '\0';
	for (; p + 1 < stop; p++) {
		if (quote && *p == '\\' && quote == '"')
			p++;
		else if (quote)
			quote = *p == quote ? '\0' : quote;
		else if (*p == '"' || *p == '`')
			quote = *p;
		else if (p[0] == '}' && p[1] == '}')
			return p;
	}
	return NULL;
}

/* The inside of the action at w->p, which goes behind it, and behind the blanks that -}} eats. */
static int take_action(struct walk *w, struct inside *ret)
{
	const char *begin = w->p + 2, *end = action_end(begin, w->stop);
	if (strncmp(begin, "/*", 2) == 0 || strncmp(begin, "- /*", 4) == 0) {
		const char *close = strstr(begin, "*/");
		end = close && close < w->stop ? action_end(close, w->stop) : NULL;
	}
	if (!end)
		return bad(w, "unclosed action");
	*ret = (struct inside){ begin, end };
	w->p = end + 2;
	if (end - begin >= 2 && begin[0] == '-' && isspace((unsigned char)begin[1]))
		ret->p++;
	if (end - ret->p >= 2 && end[-1] == '-' && isspace((unsigned char)end[-2])) {
		ret->end--;
		while (w->p < w->stop && isspace((unsigned char)*w->p))
			w->p++;
	}
	while (ret->p < ret->end && isspace((unsigned char)ret->end[-1]))
		ret->end--;
	skip_blanks(ret);
	return 0;
}

static int print_action(struct walk *w, struct inside *in, const json_t *dot)
{
	cleanup_json json_t *value = NULL;
	char names[2][NAME_MAX_];
	size_t n;
	int r = take_declaration(w, in, names, &n);
	if (r == 0)
		r = whole_pipeline(w, in, dot, &value);
	if (r < 0)
		return r;
	if (n)
		return set_variable(w, names[0], json_incref(value));
	gotemplate_print(value, w->out);
	return 0;
}

/* The text up to the next action, less what its {{- eats. */
static void walk_text(struct walk *w, bool skip)
{
	const char *next = strstr(w->p, "{{"), *end;
	next = next && next < w->stop ? next : w->stop;
	end = next;
	if (next + 3 < w->stop && next[2] == '-' && isspace((unsigned char)next[3]))
		while (end > w->p && isspace((unsigned char)end[-1]))
			end--;
	if (!skip)
		str_addn(w->out, w->p, (size_t)(end - w->p));
	w->p = next;
}

static int walk_action(struct walk *w, const json_t *dot, bool skip, enum stop *ret,
		       struct inside *in)
{
	int r = take_action(w, in);
	if (r < 0)
		return r;
	if (strncmp(in->p, "/*", 2) == 0)
		return 0;
	if (take_word(in, "end")) {
		*ret = STOP_END;
		return 0;
	}
	if (take_word(in, "else")) {
		*ret = STOP_ELSE;
		return 0;
	}
	if (take_word(in, "if"))
		return walk_if(w, in, dot, false, skip);
	if (take_word(in, "with"))
		return walk_if(w, in, dot, true, skip);
	if (take_word(in, "range"))
		return walk_range(w, in, dot, skip);
	return skip ? 0 : print_action(w, in, dot);
}

static int walk_list(struct walk *w, const json_t *dot, bool skip, enum stop *ret,
		     struct inside *in)
{
	int r = 0;
	*ret = STOP_TEXT;
	if (++w->depth > DEPTH_MAX + 1)
		return bad(w, "too deep");
	while (r == 0 && *ret == STOP_TEXT && w->p < w->stop) {
		walk_text(w, skip);
		if (w->p < w->stop)
			r = walk_action(w, dot, skip, ret, in);
	}
	w->depth--;
	return r;
}

int gotemplate_expand(const struct gotemplate *t, const json_t *row, struct str *out,
		      struct err *err)
{
	struct walk w = {
		.t = t,
		.p = t->text,
		.stop = t->text + strlen(t->text),
		.row = row,
		.out = out,
		.err = err,
	};
	struct inside in;
	enum stop stop;
	int r = walk_list(&w, row, false, &stop, &in);
	if (r == 0 && stop != STOP_TEXT)
		r = bad(&w, stop == STOP_END ? "unexpected {{end}}" : "unexpected {{else}}");
	drop_variables(&w, 0);
	if (r == 0 && str_overflowed(out))
		r = bad(&w, "too much output");
	return r;
}
