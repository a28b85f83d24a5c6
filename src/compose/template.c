#include "compose/template.h"

#include <ctype.h>

struct expansion {
	const struct template_hooks *hooks;
	struct str *out, *error;
	const char *start; /* of the whole string, for offsets */
	size_t error_at;
	unsigned depth;
};

static bool name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

static size_t name_length(const char *p, const char *end)
{
	const char *q = p;
	if (q == end || !name_start(*q))
		return 0;
	while (q < end && (name_start(*q) || isdigit((unsigned char)*q)))
		q++;
	return q - p;
}

/* The brace that closes the one before p. Braces are counted, with or without a dollar, and what
 * comes right behind an opening one is not looked at; when they do not match, the last one of the
 * line is taken. That is how Compose finds it. */
static const char *closing_brace(const char *p, const char *end)
{
	int open = 1;
	const char *last = NULL;
	for (const char *c = p; c < end; c++) {
		if (*c == '}' && --open == 0)
			return c;
		if (*c == '{') {
			open++;
			c++;
		}
	}
	for (const char *c = p; c < end && *c != '\n'; c++)
		if (*c == '}')
			last = c;
	return last;
}

/* Reads the reference at the dollar `p`. Returns what follows it, or NULL when it is none. */
static const char *parse_use(const char *p, const char *end, const char *start,
			     struct template_use *use)
{
	*use = (struct template_use){ .at = p - start };
	const char *q = p + 1;
	if (q < end && *q == '{') {
		use->braced = true;
		q++;
	}
	use->name = q;
	use->len = name_length(q, end);
	if (!use->len)
		return NULL;
	q += use->len;
	if (!use->braced)
		return q;
	if (q < end && *q == '}')
		return q + 1;
	bool colon = q < end && *q == ':';
	q += colon;
	if (q == end || !strchr("-?+", *q) || !*q)
		return NULL;
	use->kind = *q++;
	use->word = q;
	const char *close = closing_brace(q, end);
	if (!close)
		return NULL;
	use->word_len = close - q;
	/* The pattern that defines the syntax does not match across lines. */
	if (memchr(q, '\n', use->word_len))
		return NULL;
	return close + 1;
}

static int fail_at(struct expansion *x, const char *p)
{
	x->error_at = p - x->start;
	return -1;
}

static int expand(struct expansion *x, const char *p, const char *end);

static int expand_word(struct expansion *x, const struct template_use *use)
{
	if (x->depth >= TEMPLATE_DEPTH_MAX) {
		str_add(x->error, "variables are nested too deeply");
		return fail_at(x, use->word);
	}
	x->depth++;
	int r = expand(x, use->word, use->word + use->word_len);
	x->depth--;
	return r;
}

static int required(struct expansion *x, const struct template_use *use, const char *name)
{
	struct str message = STR_INIT_MAX(4096);
	struct str *out = x->out;
	x->out = &message;
	int r = expand_word(x, use);
	x->out = out;
	if (r == 0) {
		str_addf(x->error, "required variable '%s' is missing a value", name);
		if (message.len)
			str_addf(x->error, ": %s", str_text(&message));
		r = fail_at(x, use->name);
	}
	str_done(&message);
	return r;
}

static int expand_use(struct expansion *x, const struct template_use *use)
{
	char name[256];
	if (use->len >= sizeof(name)) {
		str_add(x->error, "the name of a variable is longer than 255 characters");
		return fail_at(x, use->name);
	}
	memcpy(name, use->name, use->len);
	name[use->len] = '\0';
	const char *value = x->hooks->lookup(x->hooks->data, name);
	bool colon = use->kind && use->name[use->len] == ':';
	bool there = value && (!colon || *value);
	switch (use->kind) {
	case '-':
		if (!there)
			return expand_word(x, use);
		break;
	case '?':
		if (!there)
			return required(x, use, name);
		break;
	case '+':
		if (there)
			return expand_word(x, use);
		break;
	default:
		if (!value && x->hooks->missing)
			x->hooks->missing(x->hooks->data, name, use);
	}
	if (value)
		str_add(x->out, value);
	return 0;
}

static int expand(struct expansion *x, const char *p, const char *end)
{
	while (p < end) {
		const char *dollar = memchr(p, '$', end - p);
		if (!dollar) {
			str_addn(x->out, p, end - p);
			break;
		}
		str_addn(x->out, p, dollar - p);
		if (dollar + 1 < end && dollar[1] == '$') {
			str_addc(x->out, '$');
			p = dollar + 2;
			continue;
		}
		/* One that begins nothing stands for itself, as in "$1" and "5 $". */
		if (dollar + 1 == end || (dollar[1] != '{' && !name_start(dollar[1]))) {
			str_addc(x->out, '$');
			p = dollar + 1;
			continue;
		}
		struct template_use use;
		p = parse_use(dollar, end, x->start, &use);
		if (!p) {
			str_add(x->error,
				"invalid interpolation format; to write a dollar sign, double "
				"it: '$$'");
			return fail_at(x, dollar);
		}
		if (expand_use(x, &use) < 0)
			return -1;
	}
	return 0;
}

int template_expand(const char *text, size_t len, const struct template_hooks *hooks,
		    struct str *out, struct str *error, size_t *ret_at)
{
	struct expansion x = { .hooks = hooks, .out = out, .error = error, .start = text };
	int r = expand(&x, text, text + len);
	if (r == 0 && str_overflowed(out)) {
		str_add(error, "the value becomes too long");
		r = -1;
	}
	if (r < 0)
		*ret_at = x.error_at;
	return r;
}

static void uses(const char *p, const char *end, const char *start, unsigned depth,
		 void (*fn)(void *data, const struct template_use *use), void *data)
{
	while (p < end && (p = memchr(p, '$', end - p))) {
		struct template_use use;
		if (p + 1 < end && p[1] == '$') {
			p += 2;
			continue;
		}
		const char *next = parse_use(p, end, start, &use);
		if (!next) {
			p++;
			continue;
		}
		fn(data, &use);
		if (use.word && depth < TEMPLATE_DEPTH_MAX)
			uses(use.word, use.word + use.word_len, start, depth + 1, fn, data);
		p = next;
	}
}

void template_uses(const char *text, size_t len,
		   void (*fn)(void *data, const struct template_use *use), void *data)
{
	uses(text, text + len, text, 0, fn, data);
}
