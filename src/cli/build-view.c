#include "cli/build-view.h"

#include <stdio.h>

int build_view_init(struct build_view *view, struct cli *cli, const char *mode, bool quiet,
		    struct err *err)
{
	static const char *const modes[] = { "auto", "plain", "tty", "quiet" };
	bool known = str_empty(mode);

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		known = known || str_eq(mode, modes[i]);
	if (!known)
		return err_usage(err, "progress '%s' is not auto, plain, tty or quiet", mode);
	*view = (struct build_view){ .cli = cli, .quiet = quiet || str_eq(mode, "quiet") };
	if (!view->quiet && cli->stderr_tty && !str_eq(mode, "plain"))
		view->progress = progress_new(cli, 0);
	return 0;
}

void build_view_done(struct build_view *view)
{
	progress_done(view->progress);
	view->progress = NULL;
	if (view->failure)
		fprintf(stderr, "%s\n", view->failure);
	free(ptr_take(view->failure));
	vec_each(name, &view->names)
		free(*name);
	vec_done(&view->names);
}

static const char *name_of(const struct build_view *view, int number)
{
	return number >= 0 && (size_t)number < view->names.n && view->names.v[number]
		       ? view->names.v[number]
		       : "";
}

/* "[web 2/5] RUN make", as BuildKit names the steps of several builds. */
static char *shown_name(const char *service, const char *name)
{
	if (!service)
		return xstrdup(name);
	if (*name == '[')
		return xasprintf("[%s %s", service, name + 1);
	return xasprintf("[%s] %s", service, name);
}

static void set_name(struct build_view *view, int number, char *name)
{
	while (view->names.n <= (size_t)number)
		vec_push(&view->names, NULL);
	free(view->names.v[number]);
	view->names.v[number] = name;
}

static void show_live(struct build_view *view, const struct build_event *e)
{
	const char *subject = name_of(view, e->number);
	static const struct {
		const char *action, *text;
	} rows[] = {
		[BUILD_STARTED] = { "start", "" },  [BUILD_CACHED] = { "done", "CACHED" },
		[BUILD_DONE] = { "done", "" },	    [BUILD_FAILED] = { "error", "ERROR" },
		[BUILD_OUTPUT] = { "start", NULL }, [BUILD_STATUS] = { "start", NULL },
	};

	if (e->kind >= ARRAY_SIZE(rows) || !rows[e->kind].action)
		return;
	progress_step(view->progress, subject, rows[e->kind].action,
		      rows[e->kind].text ? rows[e->kind].text : e->text);
}

static void print_plain(const struct build_view *view, const struct build_event *e)
{
	double seconds = (double)e->duration / (double)NSEC_PER_SEC;

	switch (e->kind) {
	case BUILD_STARTED: fprintf(stderr, "#%d %s\n", e->number, name_of(view, e->number)); break;
	case BUILD_CACHED: fprintf(stderr, "#%d CACHED\n\n", e->number); break;
	case BUILD_DONE: fprintf(stderr, "#%d DONE %.1fs\n\n", e->number, seconds); break;
	case BUILD_FAILED: fprintf(stderr, "#%d ERROR\n", e->number); break;
	case BUILD_OUTPUT: fprintf(stderr, "#%d %.3f %s\n", e->number, seconds, e->text); break;
	case BUILD_STATUS: fprintf(stderr, "#%d %s\n", e->number, e->text); break;
	case BUILD_EXPLAINED: fprintf(stderr, "#%d not cached: %s\n", e->number, e->text); break;
	case BUILD_WARNING: break;
	}
}

void build_view_event(void *data, const struct build_event *event)
{
	const struct build_view_part *part = data;
	struct build_view *view = part->view;
	struct build_event own = *event, *e = &own;

	own.number += part->base;
	if (own.number > view->numbers)
		view->numbers = own.number;
	if (e->kind == BUILD_STARTED)
		set_name(view, e->number, shown_name(part->service, e->text));
	if (e->kind == BUILD_FAILED && !view->failure)
		view->failure = xstrdup(e->text);
	if (e->kind == BUILD_WARNING)
		cli_warn(view->cli, "%s", e->text);
	else if (view->progress)
		show_live(view, e);
	else if (!view->quiet)
		print_plain(view, e);
}

int build_view_checked(const struct build_view *view)
{
	if (!view->warnings)
		printf("Check complete, no warnings found.\n");
	else
		printf("Check complete, %zu warning%s been found!\n", view->warnings,
		       view->warnings == 1 ? " has" : "s have");
	return view->warnings != 0;
}

void build_view_diagnose(void *data, const struct diagnostics *diagnostics)
{
	struct build_view *view = ((struct build_view_part *)data)->view;

	vec_each(d, &diagnostics->items)
		view->warnings += d->severity == SEVERITY_WARNING;
	if (!view->quiet || diagnostics->errors)
		cli_print_diagnostics(view->cli, diagnostics);
	if (diagnostics->errors)
		view->cli->told = true;
}
