#include "cli/build-view.h"

#include "base/hash.h"
#include "base/parse.h"

#include <stdio.h>

int build_view_init(struct build_view *view, struct cli *cli, const char *mode, bool quiet,
		    struct err *err)
{
	static const char *const modes[] = { "auto", "plain", "tty", "quiet", "none", "rawjson" };
	bool known = str_empty(mode);

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		known = known || str_eq(mode, modes[i]);
	if (!known)
		return err_usage(err, "progress '%s' is not auto, plain, tty, quiet or rawjson",
				 mode);
	*view = (struct build_view){
		.cli = cli,
		.quiet = quiet || str_eq(mode, "quiet") || str_eq(mode, "none"),
		.raw = str_eq(mode, "rawjson"),
		.said = STR_INIT,
		.found = json_array(),
	};
	if (!view->quiet && cli->stderr_tty && !view->raw && !str_eq(mode, "plain"))
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

void build_view_free(struct build_view *view)
{
	build_view_done(view);
	str_done(&view->said);
	json_decref(ptr_take(view->found));
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

/* One line of JSON for what happened, as BuildKit's: a step is a vertex by a digest of its name. */
static void print_raw(const struct build_view *view, const struct build_event *e)
{
	cleanup_json json_t *j = NULL;
	cleanup_free char *text = NULL,
			  *name = xasprintf("%d %s", e->number, name_of(view, e->number));
	char hex[SHA256_HEX], now[RFC3339_TEXT], since[RFC3339_TEXT];
	cleanup_free char *digest = NULL;

	hash_hex(name, strlen(name), hex);
	digest = xasprintf("sha256:%s", hex);
	format_rfc3339(now_wall(), now);
	format_rfc3339(now_wall() - e->duration, since);
	switch (e->kind) {
	case BUILD_STARTED:
		j = json_pack("{s:[{s:s,s:s,s:s}]}", "vertexes", "digest", digest, "name",
			      name_of(view, e->number), "started", now);
		break;
	case BUILD_CACHED:
		j = json_pack("{s:[{s:s,s:s,s:s,s:s,s:b}]}", "vertexes", "digest", digest, "name",
			      name_of(view, e->number), "started", since, "completed", now,
			      "cached", 1);
		break;
	case BUILD_DONE:
	case BUILD_FAILED:
		j = json_pack("{s:[{s:s,s:s,s:s,s:s,s:s*}]}", "vertexes", "digest", digest, "name",
			      name_of(view, e->number), "started", since, "completed", now, "error",
			      e->kind == BUILD_FAILED ? e->text : NULL);
		break;
	case BUILD_OUTPUT: {
		cleanup_free char *line = xasprintf("%s\n", e->text);
		cleanup_free char *data = format_base64(line, strlen(line));

		j = json_pack("{s:[{s:s,s:i,s:s,s:s}]}", "logs", "vertex", digest, "stream", 1,
			      "data", data, "timestamp", now);
		break;
	}
	default:
		j = json_pack("{s:[{s:s,s:s,s:s}]}", "statuses", "id", e->text ? e->text : "",
			      "vertex", digest, "timestamp", now);
	}
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (text)
		fprintf(stderr, "%s\n", text);
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
	else if (view->raw)
		print_raw(view, e);
	else if (view->progress)
		show_live(view, e);
	else if (!view->quiet)
		print_plain(view, e);
}

void build_view_diagnose(void *data, const struct diagnostics *diagnostics, const struct str *text)
{
	struct build_view *view = ((struct build_view_part *)data)->view;

	if (view->checking)
		build_view_note(view, diagnostics, text);
	if (diagnostics->errors || (!view->quiet && !view->checking))
		cli_print_diagnostics(view->cli, diagnostics);
	if (diagnostics->errors)
		view->cli->told = true;
}
