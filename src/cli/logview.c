/* Log lines for people. */
#include "cli/logview.h"

#include <stdio.h>

static const char *const colours[] = { "36", "33", "32", "35", "34", "96", "93", "92", "95", "94" };

const char *logview_name(const struct container *c)
{
	cleanup_free char *usual = xasprintf("%s-%s", c->project, c->slot);
	return strcmp(c->name, usual) == 0 ? c->name + strlen(c->project) + 1 : c->name;
}

void logview_add(struct logview *view, struct log_query *query, const struct cli *cli,
		 const struct container *c)
{
	struct log_source *source = vec_add(&query->sources);
	source->slot_dir = state_slot_dir(&cli->paths, c->project, c->slot);
	strv_add(&view->names, logview_name(c));
	size_t len = strlen(logview_name(c));
	if (len > view->width)
		view->width = len;
}

static void print_prefix(const struct logview *view, const struct log_line *line, FILE *out)
{
	const char *colour = colours[line->source % ARRAY_SIZE(colours)];
	if (view->colour)
		fprintf(out, "\033[%sm", colour);
	fprintf(out, "%-*s  |%s ", (int)view->width, view->names.v[line->source],
		view->colour ? "\033[0m" : "");
}

int logview_line(const struct log_line *line, void *data)
{
	struct logview *view = data;
	FILE *out = view->apart && line->stream == LOG_STDERR ? stderr : stdout;
	char when[RFC3339_TEXT];
	bool goes_on = view->open_line && view->open == line->source;
	if (view->open_line && !goes_on)
		fputc('\n', out);
	if (!goes_on) {
		if (view->prefix)
			print_prefix(view, line, out);
		if (view->timestamps)
			fprintf(out, "%s ", format_rfc3339(line->time, when));
	}
	fwrite(line->text, 1, line->len, out);
	view->open_line = line->partial;
	view->open = line->source;
	if (!line->partial)
		fputc('\n', out);
	return ferror(out) ? -EPIPE : 0;
}

void logview_done(struct logview *view, struct log_query *query)
{
	if (view->open_line)
		putchar('\n');
	strv_done(&view->names);
	vec_each(source, &query->sources)
		free(source->slot_dir);
	vec_done(&query->sources);
}
