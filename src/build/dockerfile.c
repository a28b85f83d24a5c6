/* A Dockerfile's lines: directives, comments, continuations; and the stages that they make. */
#include "build/dockerfile.h"

#include "base/parse.h"
#include "build/parser.h"

#include <ctype.h>
#include <stdarg.h>

struct parser {
	struct dockerfile *file;
	struct diagnostics *diagnostics;
	size_t at; /* in the text */
	struct line_source lines;
	struct strv comments; /* directly above what comes next */
	size_t count, errors;
};

void dockerfile_diagnose(const struct dockerfile *file, struct diagnostics *d,
			 enum severity severity, uint32_t line, const char *hint,
			 const char *format, ...)
{
	struct mark mark = { .file = file->name, .line = (int)line, .column = 1 };
	va_list ap;

	va_start(ap, format);
	char *message = xvasprintf(format, ap);
	va_end(ap);
	char *source = source_line(file->text, file->len, line);
	if (source)
		mark.column += (int)strspn(source, " \t");
	struct diagnostic *item = diagnostics_add(d, severity, &mark, message);
	if (!item) {
		free(source);
		return;
	}
	item->hint = xstrdup(hint);
	item->source = source;
}

/* --- lines --- */

/* The next line without its end. */
static bool next_line(void *data, const char **ret, size_t *ret_len)
{
	struct parser *p = data;
	const char *text = p->file->text + p->at;
	size_t left = p->file->len - p->at, len;
	const char *end;

	if (!left)
		return false;
	end = memchr(text, '\n', left);
	len = end ? (size_t)(end - text) : left;
	p->at += len + (end != NULL);
	p->lines.line++;
	if (len && text[len - 1] == '\r')
		len--;
	*ret = text;
	*ret_len = len;
	return true;
}

static size_t leading_blanks(const char *line, size_t len)
{
	size_t n = 0;

	while (n < len && isspace((unsigned char)line[n]))
		n++;
	return n;
}

static bool is_comment(const char *line, size_t len)
{
	size_t n = leading_blanks(line, len);

	return n < len && line[n] == '#';
}

static bool is_empty(const char *line, size_t len)
{
	return leading_blanks(line, len) == len;
}

/* Adds a line to the logical one; returns whether it goes on: it ends with an escape that is not
 * escaped itself, blanks behind it aside. */
static bool add_line(struct str *out, const char *line, size_t len, char escape)
{
	size_t end = len;

	while (end && (line[end - 1] == ' ' || line[end - 1] == '\t'))
		end--;
	if (end && line[end - 1] == escape && (end < 2 || line[end - 2] != escape)) {
		str_addn(out, line, end - 1);
		return true;
	}
	str_addn(out, line, len);
	return false;
}

/* --- directives --- */

static char *directive_value(const char *s, size_t len)
{
	while (len && isspace((unsigned char)*s)) {
		s++;
		len--;
	}
	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	return xstrndup(s, len);
}

/* Reads `# key=value`; false: it is no directive that we know, and none can follow. */
static bool read_directive(struct parser *p, const char *line, size_t len, bool *ret_failed)
{
	struct dockerfile *f = p->file;
	const char *equals = memchr(line, '=', len);

	if (!len || *line != '#' || !equals)
		return false;
	cleanup_free char *key = directive_value(line + 1, (size_t)(equals - line) - 1);
	cleanup_free char *value = directive_value(equals + 1, len - (size_t)(equals + 1 - line));
	bool escape = strcasecmp(key, "escape") == 0, check = strcasecmp(key, "check") == 0;
	if (!*value || !(escape || check || strcasecmp(key, "syntax") == 0))
		return false;
	if (escape ? f->escape != 0 : check ? f->check != NULL : f->syntax != NULL) {
		dockerfile_diagnose(f, p->diagnostics, SEVERITY_ERROR, p->lines.line, NULL,
				    "the parser directive '%s' is given twice", key);
		*ret_failed = true;
	} else if (escape) {
		if (!str_eq(value, "\\") && !str_eq(value, "`")) {
			dockerfile_diagnose(f, p->diagnostics, SEVERITY_ERROR, p->lines.line, NULL,
					    "escape=%s is neither '\\' nor '`'", value);
			*ret_failed = true;
		}
		f->escape = *value;
	} else if (check) {
		f->check = ptr_take(value);
		f->check_line = p->lines.line;
	} else {
		f->syntax = ptr_take(value);
	}
	return true;
}

static void read_directives(struct parser *p)
{
	const char *line;
	size_t len;
	bool failed = false;

	for (;;) {
		size_t at = p->at;
		uint32_t number = p->lines.line;

		if (!next_line(p, &line, &len))
			break;
		if (read_directive(p, line, len, &failed))
			continue;
		p->at = at;
		p->lines.line = number;
		break;
	}
	if (!p->file->escape)
		p->file->escape = '\\';
	p->errors += failed;
}

/* --- instructions --- */

static void report(struct parser *p, uint32_t line, const struct fault *fault)
{
	p->errors++;
	dockerfile_diagnose(p->file, p->diagnostics, SEVERITY_ERROR, line, fault->hint, "%s",
			    fault->message);
}

/* Puts the instruction where it belongs. */
static void place(struct parser *p, struct instruction *in)
{
	struct dockerfile *f = p->file;

	if (in->kind == INSTRUCTION_FROM) {
		struct stage *stage = vec_add(&f->stages);
		*stage = (struct stage){ .from = in,
					 .name = in->stage_name,
					 .index = f->stages.n - 1 };
		return;
	}
	if (f->stages.n) {
		struct stage *stage = &f->stages.v[f->stages.n - 1];
		vec_push(&stage->body, in);
		return;
	}
	if (in->kind != INSTRUCTION_ARG) {
		p->errors++;
		dockerfile_diagnose(f, p->diagnostics, SEVERITY_ERROR, in->first, NULL,
				    "%s stands before the first FROM; only ARG can",
				    instruction_name(in->kind));
	}
	vec_push(&f->globals, in);
}

static void read_instruction(struct parser *p, const char *line, size_t len)
{
	cleanup_str struct str text = STR_INIT_MAX(DOCKERFILE_BYTES_MAX);
	cleanup_fault struct fault fault = FAULT_INIT;
	struct instruction *in = new0(struct instruction);
	size_t blanks = leading_blanks(line, len);
	bool more;

	in->first = p->lines.line;
	in->comments = p->comments;
	p->comments = (struct strv){ 0 };
	more = add_line(&text, line + blanks, len - blanks, p->file->escape);
	while (more && next_line(p, &line, &len)) {
		if (is_comment(line, len))
			continue;
		if (is_empty(line, len)) {
			in->empty_continuation = true;
			continue;
		}
		more = add_line(&text, line, len, p->file->escape);
	}
	if (is_empty(str_text(&text), text.len)) {
		instruction_free(in);
		return;
	}
	int r = instruction__read(str_text(&text), p->file->escape, &p->lines, false, in, &fault);
	in->last = p->lines.line;
	if (in->onbuild) {
		in->onbuild->first = in->first;
		in->onbuild->last = in->last;
	}
	if (r < 0)
		report(p, in->first, &fault);
	/* A broken FROM still begins a stage: what follows is not before the first one. */
	if (r < 0 && (in->kind != INSTRUCTION_FROM || !in->rest))
		instruction_free(in);
	else
		place(p, in);
}

static void read_all(struct parser *p)
{
	const char *line;
	size_t len;

	while (p->errors < DIAGNOSTICS_MAX && next_line(p, &line, &len)) {
		if (is_comment(line, len)) {
			size_t n = leading_blanks(line, len) + 1;
			strv_take(&p->comments, directive_value(line + n, len - n));
		} else if (is_empty(line, len)) {
			strv_done(&p->comments);
		} else if (p->count++ >= DOCKERFILE_INSTRUCTIONS_MAX) {
			struct fault fault = { .message = xasprintf(
						       "there are more than %d instructions",
						       DOCKERFILE_INSTRUCTIONS_MAX) };
			report(p, p->lines.line, &fault);
			fault_done(&fault);
			return;
		} else {
			read_instruction(p, line, len);
		}
	}
}

static int refuse(struct parser *p, const char *message)
{
	dockerfile_diagnose(p->file, p->diagnostics, SEVERITY_ERROR, 0, NULL, "%s", message);
	return -EINVAL;
}

int dockerfile_parse(const char *text, size_t len, const char *name, struct dockerfile *ret,
		     struct diagnostics *diagnostics)
{
	struct parser p = { .file = ret, .diagnostics = diagnostics };

	*ret = (struct dockerfile){ .name = xstrdup(name) };
	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
		text += 3;
		len -= 3;
	}
	ret->text = xstrndup("", 0);
	if (len > DOCKERFILE_BYTES_MAX)
		return refuse(&p, "the file is larger than 1 MiB");
	if (memchr(text, 0, len))
		return refuse(&p, "the file has a NUL byte: it is not text");
	free(ret->text);
	ret->text = xstrndup(text, len);
	ret->len = len;
	p.lines = (struct line_source){ .next = next_line, .data = &p };
	read_directives(&p);
	read_all(&p);
	strv_done(&p.comments);
	if (!p.errors && !p.count)
		return refuse(&p, "the file has no instructions");
	if (!p.errors && !ret->stages.n)
		return refuse(&p, "the file has no FROM, which begins a build stage");
	return p.errors ? -EINVAL : 0;
}

void dockerfile_done(struct dockerfile *f)
{
	free(f->name);
	free(f->text);
	free(f->syntax);
	free(f->check);
	vec_each(in, &f->globals)
		instruction_free(*in);
	vec_done(&f->globals);
	vec_each(stage, &f->stages) {
		instruction_free(stage->from);
		vec_each(in, &stage->body)
			instruction_free(*in);
		vec_done(&stage->body);
	}
	vec_done(&f->stages);
	*f = DOCKERFILE_INIT;
}

/* --- an instruction alone --- */

struct text_lines {
	const char *rest;
};

static bool next_text_line(void *data, const char **ret, size_t *ret_len)
{
	struct text_lines *t = data;

	if (!*t->rest)
		return false;
	*ret = t->rest;
	*ret_len = strcspn(t->rest, "\n");
	t->rest += *ret_len + (t->rest[*ret_len] == '\n');
	return true;
}

int instruction_parse(const char *text, const char *what, struct instruction **ret, struct err *err)
{
	size_t len = strcspn(text, "\n");
	struct text_lines t = { .rest = text + len + (text[len] == '\n') };
	struct line_source lines = { .next = next_text_line, .data = &t };
	cleanup_free char *line = xstrndup(text, len);
	cleanup_fault struct fault fault = FAULT_INIT;
	struct instruction *in;

	if (strlen(text) > DOCKERFILE_BYTES_MAX)
		return err_input(err, "%s: longer than 1 MiB", what);
	in = new0(struct instruction);
	if (instruction__read(line, '\\', &lines, true, in, &fault) < 0) {
		instruction_free(in);
		return err_input(err, "%s: %s%s%s", what, fault.message, fault.hint ? "; " : "",
				 fault.hint ? fault.hint : "");
	}
	*ret = in;
	return 0;
}

const struct stage *dockerfile_stage(const struct dockerfile *file, const char *name, size_t before)
{
	size_t n = before < file->stages.n ? before : file->stages.n;
	uint64_t number;

	for (size_t i = n; i-- > 0;)
		if (file->stages.v[i].name && strcasecmp(file->stages.v[i].name, name) == 0)
			return &file->stages.v[i];
	if (n && parse_u64(name, 0, n - 1, &number) == 0)
		return &file->stages.v[number];
	return NULL;
}
