/* The functions of templates: Docker's, and those of Go's text/template that make sense on lists.
 */
#include "cli/gotemplate.h"

#include "base/parse.h"

#include <ctype.h>
#include <stdio.h>

struct call {
	const char *name;
	json_t *const *args;
	size_t n;
	struct err *err;
};

static int wrong(const struct call *c, const char *what)
{
	return err_usage(c->err, "%s: %s", c->name, what);
}

static int give_text(json_t **ret, const char *text)
{
	*ret = json_string(text);
	return 0;
}

static const char *text_of(const struct call *c, size_t i)
{
	return i < c->n ? json_string_value(c->args[i]) : NULL;
}

static int need_text(const struct call *c, const char **ret)
{
	*ret = text_of(c, 0);
	return *ret ? 0 : wrong(c, "wants text");
}

static int fn_json(const struct call *c, json_t **ret)
{
	cleanup_free char *text = json_text(c->args[0]);
	return give_text(ret, text);
}

static int fn_split(const struct call *c, json_t **ret)
{
	const char *text = text_of(c, 0), *separator = text_of(c, 1);
	if (!text || !separator)
		return wrong(c, "wants a text and a separator");
	*ret = json_array();
	if (!*separator) {
		for (; *text; text++)
			json_array_append_new(*ret, json_stringn(text, 1));
		return 0;
	}
	for (const char *at; (at = strstr(text, separator)); text = at + strlen(separator))
		json_array_append_new(*ret, json_stringn(text, (size_t)(at - text)));
	json_array_append_new(*ret, json_string(text));
	return 0;
}

static int fn_join(const struct call *c, json_t **ret)
{
	cleanup_str struct str out = STR_INIT;
	const char *separator = text_of(c, 1);
	const json_t *part;
	size_t i;
	if (!json_is_array(c->args[0]) || !separator) {
		if (!json_is_string(c->args[0])) /* a title is joined already */
			return wrong(c, "wants a list and a separator");
		return give_text(ret, text_of(c, 0));
	}
	json_array_foreach(c->args[0], i, part) {
		if (i)
			str_add(&out, separator);
		gotemplate_print(part, &out);
	}
	return give_text(ret, str_text(&out));
}

static int change_case(const struct call *c, int (*change)(int), bool first_only, json_t **ret)
{
	const char *text;
	int r = need_text(c, &text);
	if (r < 0)
		return r;
	cleanup_free char *copy = xstrdup(text);
	bool first = true;
	for (char *p = copy; *p; p++) {
		if (!first_only || first)
			*p = (char)change((unsigned char)*p);
		first = isspace((unsigned char)*p) || ispunct((unsigned char)*p);
		first = first && *p != '_' && *p != '\'';
	}
	return give_text(ret, copy);
}

static int fn_lower(const struct call *c, json_t **ret)
{
	return change_case(c, tolower, false, ret);
}

static int fn_upper(const struct call *c, json_t **ret)
{
	return change_case(c, toupper, false, ret);
}

static int fn_title(const struct call *c, json_t **ret)
{
	return change_case(c, toupper, true, ret);
}

static int fn_pad(const struct call *c, json_t **ret)
{
	enum { PAD_MAX = 10000 };
	cleanup_free char *padded = NULL;
	const char *text;
	int r = need_text(c, &text);
	if (r < 0)
		return r;
	json_int_t before = json_integer_value(c->args[1]), after = json_integer_value(c->args[2]);
	if (before < 0 || after < 0 || before > PAD_MAX || after > PAD_MAX)
		return wrong(c, "wants a text and two numbers of blanks");
	if (!*text)
		return give_text(ret, "");
	padded = xasprintf("%*s%s%*s", (int)before, "", text, (int)after, "");
	return give_text(ret, padded);
}

static int fn_truncate(const struct call *c, json_t **ret)
{
	const char *text;
	int r = need_text(c, &text);
	if (r < 0)
		return r;
	json_int_t n = json_integer_value(c->args[1]);
	if (n < 0)
		return wrong(c, "wants a text and a length");
	size_t len = strlen(text), keep = (json_int_t)len < n ? len : (size_t)n;
	for (; keep && keep < len && (text[keep] & 0xC0) == 0x80; keep--)
		; /* not inside a character */
	*ret = json_stringn(text, keep);
	return 0;
}

/* print puts a blank between two arguments of which neither is text; println between all. */
static int print_all(const struct call *c, bool line, json_t **ret)
{
	cleanup_str struct str out = STR_INIT;
	for (size_t i = 0; i < c->n; i++) {
		if (i && (line || (!json_is_string(c->args[i]) && !json_is_string(c->args[i - 1]))))
			str_addc(&out, ' ');
		gotemplate_print(c->args[i], &out);
	}
	if (line)
		str_addc(&out, '\n');
	return give_text(ret, str_text(&out));
}

static int fn_print(const struct call *c, json_t **ret)
{
	return print_all(c, false, ret);
}

static int fn_println(const struct call *c, json_t **ret)
{
	return print_all(c, true, ret);
}

/* One directive: flags, width and precision as C has them, which Go took over. */
struct directive {
	bool left, zero;
	int width, precision;
	char verb;
};

static const char *read_directive(const char *p, struct directive *ret)
{
	enum { WIDTH_MAX = 1000 };
	*ret = (struct directive){ .precision = -1 };
	for (; *p == '-' || *p == '0' || *p == '+' || *p == ' ' || *p == '#'; p++) {
		ret->left |= *p == '-';
		ret->zero |= *p == '0';
	}
	for (; isdigit((unsigned char)*p) && ret->width < WIDTH_MAX; p++)
		ret->width = ret->width * 10 + (*p - '0');
	if (*p == '.')
		for (p++, ret->precision = 0;
		     isdigit((unsigned char)*p) && ret->precision < WIDTH_MAX; p++)
			ret->precision = ret->precision * 10 + (*p - '0');
	ret->verb = *p;
	return *p ? p + 1 : p;
}

static void add_directive(const struct directive *d, const json_t *value, struct str *out)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_free char *quoted = NULL;
	if (d->verb == 'q' && json_is_string(value)) {
		quoted = json_text(value);
		str_add(&text, quoted);
	} else if (d->verb == 'x' && json_is_integer(value)) {
		str_addf(&text, "%llx", (unsigned long long)json_integer_value(value));
	} else if (d->verb == 'f' && json_is_number(value)) {
		str_addf(&text, "%.*f", d->precision < 0 ? 6 : d->precision,
			 json_number_value(value));
	} else {
		gotemplate_print(value, &text);
		if (d->verb == 's' && d->precision >= 0 && (size_t)d->precision < text.len)
			text.len = (size_t)d->precision;
	}
	int missing = d->width > (int)text.len ? d->width - (int)text.len : 0;
	for (int i = 0; i < missing && !d->left; i++)
		str_addc(out, d->zero ? '0' : ' ');
	str_addn(out, text.data, text.len);
	for (int i = 0; i < missing && d->left; i++)
		str_addc(out, ' ');
}

static int fn_printf(const struct call *c, json_t **ret)
{
	cleanup_str struct str out = STR_INIT;
	const char *p;
	size_t used = 1;
	int r = need_text(c, &p);
	if (r < 0)
		return r;
	while (*p) {
		struct directive d;
		if (*p != '%') {
			str_addc(&out, *p++);
			continue;
		}
		p = read_directive(p + 1, &d);
		if (d.verb == '%')
			str_addc(&out, '%');
		else if (!d.verb || !strchr("svdqtfxgT", d.verb))
			return wrong(c, "understands %s, %v, %d, %q, %t, %f, %g and %x");
		else if (used >= c->n)
			str_addf(&out, "%%!%c(MISSING)", d.verb);
		else
			add_directive(&d, c->args[used++], &out);
	}
	return give_text(ret, str_text(&out));
}

static int fn_len(const struct call *c, json_t **ret)
{
	const json_t *v = c->args[0];
	if (!json_is_string(v) && !json_is_array(v) && !json_is_object(v) && !json_is_null(v))
		return wrong(c, "wants text, a list or a map");
	*ret = json_integer((json_int_t)(json_is_string(v)  ? json_string_length(v)
					 : json_is_array(v) ? json_array_size(v)
							    : json_object_size(v)));
	return 0;
}

static int fn_index(const struct call *c, json_t **ret)
{
	const json_t *v = c->args[0];
	for (size_t i = 1; i < c->n; i++) {
		json_int_t at = json_integer_value(c->args[i]);
		if (json_is_array(v)) {
			if (!json_is_integer(c->args[i]) || at < 0 ||
			    (size_t)at >= json_array_size(v))
				return wrong(c, "index out of range");
			v = json_array_get(v, (size_t)at);
		} else if (json_is_object(v) && json_is_string(c->args[i])) {
			v = json_object_get(v, json_string_value(c->args[i]));
		} else if (v && !json_is_null(v)) {
			return wrong(c, "wants a list and a number, or a map and a name");
		}
	}
	*ret = v ? json_incref((json_t *)v) : json_null();
	return 0;
}

static int fn_and(const struct call *c, json_t **ret)
{
	size_t i = 0;
	while (i + 1 < c->n && gotemplate_truth(c->args[i]))
		i++;
	*ret = json_incref(c->args[i]);
	return 0;
}

static int fn_or(const struct call *c, json_t **ret)
{
	size_t i = 0;
	while (i + 1 < c->n && !gotemplate_truth(c->args[i]))
		i++;
	*ret = json_incref(c->args[i]);
	return 0;
}

static int fn_not(const struct call *c, json_t **ret)
{
	*ret = json_boolean(!gotemplate_truth(c->args[0]));
	return 0;
}

static int fn_eq(const struct call *c, json_t **ret)
{
	bool equal = false;
	for (size_t i = 1; i < c->n; i++)
		equal = equal || json_equal(c->args[0], c->args[i]);
	*ret = json_boolean(equal);
	return 0;
}

static int fn_ne(const struct call *c, json_t **ret)
{
	*ret = json_boolean(!json_equal(c->args[0], c->args[1]));
	return 0;
}

/* -1, 0, 1 into *ret. */
static int compare(const struct call *c, int *ret)
{
	const json_t *a = c->args[0], *b = c->args[1];
	if (json_is_string(a) && json_is_string(b)) {
		int order = strcmp(json_string_value(a), json_string_value(b));
		*ret = (order > 0) - (order < 0);
		return 0;
	}
	if (!json_is_number(a) || !json_is_number(b))
		return wrong(c, "incompatible types for comparison");
	double x = json_number_value(a), y = json_number_value(b);
	*ret = (x > y) - (x < y);
	return 0;
}

static int order(const struct call *c, json_t **ret)
{
	int sign, r = compare(c, &sign);
	if (r < 0)
		return r;
	bool strict = c->name[1] == 't';
	*ret = json_boolean((!strict && sign == 0) || sign == (c->name[0] == 'l' ? -1 : 1));
	return 0;
}

static const struct function {
	const char *name;
	size_t min, max;
	int (*call)(const struct call *c, json_t **ret);
} functions[] = {
	{ "and", 1, GOTEMPLATE_ARGS_MAX, fn_and },
	{ "eq", 2, GOTEMPLATE_ARGS_MAX, fn_eq },
	{ "ge", 2, 2, order },
	{ "gt", 2, 2, order },
	{ "index", 1, GOTEMPLATE_ARGS_MAX, fn_index },
	{ "join", 2, 2, fn_join },
	{ "json", 1, 1, fn_json },
	{ "le", 2, 2, order },
	{ "len", 1, 1, fn_len },
	{ "lower", 1, 1, fn_lower },
	{ "lt", 2, 2, order },
	{ "ne", 2, 2, fn_ne },
	{ "not", 1, 1, fn_not },
	{ "or", 1, GOTEMPLATE_ARGS_MAX, fn_or },
	{ "pad", 3, 3, fn_pad },
	{ "print", 0, GOTEMPLATE_ARGS_MAX, fn_print },
	{ "printf", 1, GOTEMPLATE_ARGS_MAX, fn_printf },
	{ "println", 0, GOTEMPLATE_ARGS_MAX, fn_println },
	{ "split", 2, 2, fn_split },
	{ "title", 1, 1, fn_title },
	{ "truncate", 2, 2, fn_truncate },
	{ "upper", 1, 1, fn_upper },
};

static const struct function *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

bool gotemplate_is_function(const char *name)
{
	return find(name) != NULL;
}

int gotemplate_call(const char *name, json_t *const *args, size_t n, json_t **ret, struct err *err)
{
	const struct function *f = find(name);
	if (!f)
		return err_not_found(err, "no function '%s'", name);
	if (n < f->min || n > f->max)
		return err_usage(err, "%s: wrong number of arguments: %zu", name, n);
	const struct call call = { .name = name, .args = args, .n = n, .err = err };
	return f->call(&call, ret);
}
