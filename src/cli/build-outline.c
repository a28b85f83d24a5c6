/* What --call prints, on stdout: the same tables and documents as Docker's. */
#include "build/rules.h"
#include "cli/build-view.h"

#include "base/fs.h"

#include <ctype.h>
#include <stdio.h>

static int width_of(const json_t *list, const char *key, const char *title, int padding)
{
	size_t width = strlen(title), i;
	const json_t *item;

	json_array_foreach(list, i, item) {
		size_t len = strlen(json_str(item, key, ""));

		width = len > width ? len : width;
	}
	return (int)width + padding;
}

static char *shown_target(const json_t *item)
{
	const char *name = json_str(item, "name", "");
	bool standard = json_flag(item, "default", false);

	return xasprintf("%s%s%s", name, standard && *name ? " " : "", standard ? "(default)" : "");
}

static void print_targets(const json_t *doc)
{
	const json_t *list = json_object_get(doc, "targets"), *item;
	size_t width = strlen("TARGET"), i;

	json_array_foreach(list, i, item) {
		cleanup_free char *shown = shown_target(item);

		width = strlen(shown) > width ? strlen(shown) : width;
	}
	printf("%-*s %s\n", (int)width, "TARGET", "DESCRIPTION");
	json_array_foreach(list, i, item) {
		cleanup_free char *shown = shown_target(item);

		printf("%-*s %s\n", (int)width, shown, json_str(item, "description", ""));
	}
}

static void print_outline(const json_t *doc)
{
	enum { PADDING = 3 };
	const json_t *args = json_object_get(doc, "args"), *item;
	const json_t *secrets = json_object_get(doc, "secrets"), *ssh = json_object_get(doc, "ssh");
	int name = width_of(args, "name", "BUILD ARG", PADDING);
	int value = width_of(args, "value", "VALUE", PADDING);
	int secret = width_of(secrets, "name", "SECRET", PADDING);
	int agent = width_of(ssh, "name", "SSH", PADDING);
	size_t i;

	if (json_str(doc, "name", NULL))
		printf("TARGET:      %s\n", json_str(doc, "name", ""));
	if (json_str(doc, "description", NULL))
		printf("DESCRIPTION: %s\n", json_str(doc, "description", ""));
	if (json_str(doc, "name", NULL))
		putchar('\n');
	if (json_array_size(args))
		printf("%-*s%-*s%s\n", name, "BUILD ARG", value, "VALUE", "DESCRIPTION");
	json_array_foreach(args, i, item)
		printf("%-*s%-*s%s\n", name, json_str(item, "name", ""), value,
		       json_str(item, "value", ""), json_str(item, "description", ""));
	if (json_array_size(secrets))
		printf("\n%-*sREQUIRED\n", secret, "SECRET");
	json_array_foreach(secrets, i, item)
		printf("%-*s%s\n", secret, json_str(item, "name", ""),
		       json_flag(item, "required", false) ? "true" : "");
	if (json_array_size(ssh))
		printf("\n%-*sREQUIRED\n", agent, "SSH");
	json_array_foreach(ssh, i, item)
		printf("%-*s%s\n", agent, json_str(item, "name", ""),
		       json_flag(item, "required", false) ? "true" : "");
	putchar('\n');
}

static void print_json(const json_t *doc)
{
	cleanup_free char *text = json_dumps(doc, JSON_INDENT(2));

	puts(text ? text : "{}");
}

void build_view_outline(void *data, const json_t *doc)
{
	const struct build_view *view = ((struct build_view_part *)data)->view;

	if (view->json)
		print_json(doc);
	else if (json_object_get(doc, "targets"))
		print_targets(doc);
	else
		print_outline(doc);
}

/* --- --check --- */

/* "JSONArgsRecommended" is "json-args-recommended" where it is described. */
static char *page_of(const char *rule)
{
	cleanup_str struct str out = STR_INIT;

	for (const char *c = rule; *c; c++) {
		bool upper = isupper((unsigned char)*c);

		if (upper && c > rule &&
		    (!isupper((unsigned char)c[-1]) || islower((unsigned char)c[1])))
			str_add(&out, "-");
		str_addf(&out, "%c", tolower((unsigned char)*c));
	}
	return xasprintf("https://docs.docker.com/go/dockerfile/rule/%s/", str_text(&out));
}

static void add_place(struct str *out, const struct diagnostic *d, const struct str *text)
{
	int line = d->mark.line;

	str_addf(out, "%s:%d\n--------------------\n", path_base(d->mark.file), line);
	for (int i = line > 3 ? line - 2 : 1; i <= line + 2; i++) {
		cleanup_free char *source = source_line(str_text(text), text->len, (uint32_t)i);

		if (source)
			str_addf(out, "%4d | %s %s\n", i, i == line ? ">>>" : "   ", source);
	}
	str_add(out, "--------------------\n");
}

/* The message begins with the rule's name, as everywhere else. */
static const char *detail_of(const struct diagnostic *d)
{
	const char *rest = d->path ? str_after(d->message, d->path) : NULL;

	rest = rest ? str_after(rest, ": ") : NULL;
	return rest ? rest : d->message;
}

static json_t *warning_json(const struct diagnostic *d)
{
	const char *rule = d->path ? d->path : "", *summary = "";
	cleanup_free char *url = page_of(rule);

	for (size_t i = 0; check_name(i); i++)
		if (str_eq(check_name(i), rule))
			summary = check_summary(i);
	return json_pack("{s:s,s:s,s:s,s:s,s:{s:[{s:{s:i},s:{s:i}}]}}", "ruleName", rule,
			 "description", summary, "url", url, "detail", detail_of(d), "location",
			 "ranges", "start", "line", d->mark.line, "end", "line", d->mark.line);
}

void build_view_note(struct build_view *view, const struct diagnostics *diagnostics,
		     const struct str *text)
{
	vec_each(d, &diagnostics->items) {
		const char *rule = d->path ? d->path : "";
		cleanup_free char *url = page_of(rule);

		if (d->severity != SEVERITY_WARNING)
			continue;
		json_array_append_new(view->found, warning_json(d));
		str_addf(&view->said, "\nWARNING: %s - %s\n%s\n", rule, url, detail_of(d));
		add_place(&view->said, d, text);
	}
}

int build_view_checked(const struct build_view *view)
{
	size_t n = json_array_size(view->found);
	cleanup_json json_t *doc = json_pack("{s:O}", "warnings", view->found);

	if (view->json)
		print_json(doc);
	else if (!n)
		printf("Check complete, no warnings found.\n");
	else
		printf("Check complete, %zu warning%s been found!\n%s", n,
		       n == 1 ? " has" : "s have", str_text(&view->said));
	return n != 0;
}
