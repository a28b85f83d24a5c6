/* What goes to stderr: errors, warnings, diagnostics with the line and a caret. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

static const char *paint(const struct cli *cli, const char *code)
{
	return cli->colour ? code : "";
}

void cli_warn(struct cli *cli, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *text = xvasprintf(format, ap);
	va_end(ap);
	fprintf(stderr, "%swarning:%s %s\n", paint(cli, "\033[33m"), paint(cli, "\033[0m"), text);
}

void cli_print_err(struct cli *cli, const struct err *err)
{
	/* It may quote a registry, a file's name, an image's label. */
	cleanup_free char *text = xstrdup(err->msg ? err->msg : err_kind_name(err->kind));
	fprintf(stderr, "%s%s:%s %s\n", paint(cli, "\033[1;31m"), "error", paint(cli, "\033[0m"),
		str_tame(text, true));
}

int cli_also_failed(struct cli *cli, int r, struct err *one, struct err *err)
{
	if (r == 0)
		return err_move(err, one);
	cli_print_err(cli, one);
	return r;
}

/* The caret stands under the column; tabs of the line are kept so that it lines up. Columns count
 * characters. */
static void print_source(const struct cli *cli, const char *source, int line, int column)
{
	fprintf(stderr, "%6d | %s\n       | ", line, source);
	int at = 1;
	for (const char *p = source; *p && at < column; p++) {
		if ((*p & 0xC0) == 0x80)
			continue;
		fputc(*p == '\t' ? '\t' : ' ', stderr);
		at++;
	}
	fprintf(stderr, "%s^%s\n", paint(cli, "\033[1;32m"), paint(cli, "\033[0m"));
}

static const struct {
	const char *word, *colour;
} severities[] = {
	[SEVERITY_ERROR] = { "error", "\033[1;31m" },
	[SEVERITY_WARNING] = { "warning", "\033[33m" },
	[SEVERITY_NOTE] = { "note", "\033[36m" },
};

static void print_diagnostic(const struct cli *cli, const struct diagnostic *d)
{
	vec_each(mark, &d->chain)
		fprintf(stderr, "%s:%d:%d: from here\n", mark->file, mark->line, mark->column);
	if (d->mark.file) {
		fprintf(stderr, "%s%s", paint(cli, "\033[1m"), d->mark.file);
		if (d->mark.line > 0)
			fprintf(stderr, ":%d:%d", d->mark.line, d->mark.column);
		fprintf(stderr, ":%s ", paint(cli, "\033[0m"));
	}
	fprintf(stderr, "%s%s:%s %s\n", paint(cli, severities[d->severity].colour),
		severities[d->severity].word, paint(cli, "\033[0m"), d->message);
	if (d->source && d->mark.line > 0)
		print_source(cli, d->source, d->mark.line, d->mark.column);
	if (d->hint)
		fprintf(stderr, "       = %s\n", d->hint);
}

void cli_print_diagnostics(struct cli *cli, const struct diagnostics *diagnostics)
{
	vec_each(d, &diagnostics->items) {
		cli->told = cli->told || d->severity == SEVERITY_ERROR;
		print_diagnostic(cli, d);
	}
}

void cli_warn_inert(struct cli *cli)
{
	for (size_t i = 0; i < cli->project->warnings_keys.n; i++) {
		const char *path = cli->project->warnings_keys.v[i],
			   *key = str_after(path, "services.");
		const char *dot = key ? strchr(key, '.') : NULL;
		cleanup_free char *name = dot ? xstrndup(key, (size_t)(dot - key)) : NULL;
		const struct service *s = name ? project_service(cli->project, name) : NULL;
		const char *place = s ? json_str(s->places, dot + 1, NULL) : NULL;
		cli_warn(cli, "%s%s'%s' is accepted, but not acted on", place ? place : "",
			 place ? ": " : "", path);
	}
}
