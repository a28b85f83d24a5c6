#include "test.h"

#include "cli/listing.h"

static const struct listing_column columns[] = {
	{ "NAME", "Name" },
	{ "PORTS", "Ports" },
	{ "STATUS", "Status" },
	{ NULL, NULL },
};

static const char rows_text[] = "[{\"Name\":\"demo-web-1\",\"Ports\":\"80/"
				"tcp\",\"Status\":\"Up\",\"Number\":1,\"List\":[1]},"
				"{\"Name\":\"\xc3\xa4\",\"Ports\":null,\"Status\":\"Exited "
				"(0)\",\"Number\":2,\"List\":[]}]";

static void formats(void **state)
{
	static const struct {
		const char *name, *format, *want; /* '!' before a message */
	} cases[] = {
		{ "none", NULL,
		  "NAME         PORTS     STATUS\n"
		  "demo-web-1   80/tcp    Up\n"
		  "\xc3\xa4                      Exited (0)\n" },
		{ "json", "json",
		  "{\"List\":[1],\"Name\":\"demo-web-1\",\"Number\":1,\"Ports\":\"80/"
		  "tcp\",\"Status\":"
		  "\"Up\"}\n"
		  "{\"List\":[],\"Name\":\"\xc3\xa4\",\"Number\":2,\"Ports\":null,\"Status\":"
		  "\"Exited (0)\"}\n" },
		{ "template", "{{.Name}}: {{ .Status }}",
		  "demo-web-1: Up\n\xc3\xa4: Exited (0)\n" },
		{ "tab", "{{.Number}}\\t{{.Ports}}", "1\t80/tcp\n2\t\n" },
		{ "as JSON", "{{json .List}} {{json .Ports}}", "[1] \"80/tcp\"\n[] null\n" },
		{ "table", "table {{.Name}}\\t{{.Number}}",
		  "NAME         NUMBER\ndemo-web-1   1\n\xc3\xa4            2\n" },
		{ "unknown member", "{{.Nmae}}", "!template '{{.Nmae}}': no member 'Nmae'" },
		{ "underscore", "{{.Na_me}}", "!template '{{.Na_me}}': no member 'Na_me'" },
		{ "not closed", "{{.Name",
		  "!template '{{.Name': only {{.Member}}, {{json .Member}} and {{range "
		  ".Member}}...{{end}} are understood" },
		{ "range", "{{range .List}}<{{.}}>{{end}}{{.Number}}", "<1>1\n2\n" },
		{ "range over nothing", "{{range .Ports}}x{{end}}", "\n\n" },
		{ "range as JSON", "{{ range .List }}{{json .}}{{ end }}", "1\n\n" },
		{ "range not closed", "{{range .List}}x",
		  "!template '{{range .List}}x': only {{.Member}}, {{json .Member}} and {{range "
		  ".Member}}...{{end}} are understood" },
		{ "end of nothing", "{{end}}",
		  "!template '{{end}}': only {{.Member}}, {{json .Member}} and {{range "
		  ".Member}}...{{end}} are understood" },
		{ "range of no member", "{{range .Lits}}{{end}}",
		  "!template '{{range .Lits}}{{end}}': no member 'Lits'" },
		{ "too clever", "{{range $k, $v := .List}}x{{end}}",
		  "!template '{{range $k, $v := .List}}x{{end}}': only {{.Member}}, {{json "
		  ".Member}} and {{range .Member}}...{{end}} are understood" },
		{ "bare dot", "{{.}}",
		  "!template '{{.}}': only {{.Member}}, {{json .Member}} and {{range "
		  ".Member}}...{{end}} are understood" },
		{ "no template", "yaml",
		  "!invalid value 'yaml' for '--format': expected table, json or a template "
		  "({{.Name}})" },
	};
	cleanup_err struct err none = ERR_INIT;
	cleanup_json json_t *rows = NULL;
	assert_int_equal(json_parse(rows_text, strlen(rows_text), "rows", &rows, &none), 0);
	struct listing listing = { .columns = columns, .rows = rows };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_str struct str out = STR_INIT;
		int r = listing__render(&listing, cases[i].format, &out, &err);
		if (r < 0) {
			str_clear(&out);
			str_addf(&out, "!%s", err.msg);
		}
		check_text(cases[i].name, str_text(&out), cases[i].want);
	}
}

/* As people ask docker inspect for a container's address. */
static void ranges(void **state)
{
	static const char text[] =
		"[{\"Networks\":{\"b\":{\"IP\":\"10.0.0.2\",\"Names\":[\"x\",\"y\"]},"
		"\"a\":{\"IP\":\"10.0.0.1\",\"Names\":[]}},\"Deep\":[[[[[[[[[[1]]]]]]]]]]}]";
	static const char nine[] =
		"{{range .Deep}}{{range .}}{{range .}}{{range .}}{{range .}}{{range .}}{{range "
		".}}{{range .}}"
		"{{range .}}{{.}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}";
	static const struct {
		const char *name, *format, *want;
	} cases[] = {
		{ "of an object", "{{range .Networks}}{{.IP}} {{end}}", "10.0.0.1 10.0.0.2 \n" },
		{ "one in the other",
		  "{{range .Networks}}{{.IP}}:{{range .Names}}{{.}},{{end}};{{end}}",
		  "10.0.0.1:;10.0.0.2:x,y,;\n" },
		{ "no such member inside", "{{range .Networks}}<{{.Nothing}}>{{end}}", "<><>\n" },
		{ "too deep", nine, NULL },
	};
	cleanup_err struct err none = ERR_INIT;
	cleanup_json json_t *rows = NULL;
	assert_int_equal(json_parse(text, strlen(text), "rows", &rows, &none), 0);
	struct listing listing = { .columns = columns, .rows = rows };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_str struct str out = STR_INIT;
		int r = listing__render(&listing, cases[i].format, &out, &err);
		check_text(cases[i].name, r < 0 ? NULL : str_text(&out), cases[i].want);
	}
}

static void no_rows(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_str struct str out = STR_INIT;
	cleanup_json json_t *rows = json_array();
	struct listing listing = { .columns = columns, .rows = rows };
	assert_int_equal(listing__render(&listing, "json", &out, &err), 0);
	assert_string_equal(str_text(&out), "");
	listing.json_array = true;
	assert_int_equal(listing__render(&listing, "json", &out, &err), 0);
	assert_string_equal(str_text(&out), "[]\n");
	str_clear(&out);
	assert_int_equal(listing__render(&listing, "{{.Name}}", &out, &err), 0);
	assert_string_equal(str_text(&out), "");
	assert_int_equal(listing__render(&listing, "table", &out, &err), 0);
	assert_string_equal(str_text(&out), "NAME      PORTS     STATUS\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(ranges),
		cmocka_unit_test(no_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
