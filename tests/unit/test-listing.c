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
		{ "table without a blank", "table{{.Number}}", "NUMBER\n1\n2\n" },
		{ "unknown member", "{{.Nmae}}", "!template '{{.Nmae}}': no member 'Nmae'" },
		{ "underscore", "{{.Na_me}}", "!template '{{.Na_me}}': no member 'Na_me'" },
		{ "not closed", "{{.Name", "!template '{{.Name': unclosed action" },
		{ "range", "{{range .List}}<{{.}}>{{end}}{{.Number}}", "<1>1\n2\n" },
		{ "range over nothing", "{{range .Ports}}x{{end}}", "\n\n" },
		{ "range as JSON", "{{ range .List }}{{json .}}{{ end }}", "1\n\n" },
		{ "range not closed", "{{range .List}}x",
		  "!template '{{range .List}}x': unclosed block: {{end}} is missing" },
		{ "end of nothing", "{{end}}", "!template '{{end}}': unexpected {{end}}" },
		{ "range of no member", "{{range .Lits}}{{end}}",
		  "!template '{{range .Lits}}{{end}}': no member 'Lits'" },
		{ "range with variables",
		  "{{range $k, $v := .List}}{{$k}}={{$v}}{{$.Number}}{{end}}", "0=11\n\n" },
		{ "range with else", "{{range .List}}x{{else}}none{{end}}", "x\nnone\n" },
		{ "list as Go prints it", "{{.List}}", "[1]\n[]\n" },
		{ "upper, lower, title",
		  "{{upper .Status}} {{lower .Status}} {{title (lower .Status)}}",
		  "UP up Up\nEXITED (0) exited (0) Exited (0)\n" },
		{ "split, join", "{{split .Name \"-\"}} {{join (split .Name \"-\") \"/\"}}",
		  "[demo web 1] demo/web/1\n[\xc3\xa4] \xc3\xa4\n" },
		{ "pad, truncate", "<{{pad .Status 1 2}}> {{truncate .Status 3}}",
		  "< Up  > Up\n< Exited (0)  > Exi\n" },
		{ "println", "{{println .Number .Status}}x", "1 Up\nx\n2 Exited (0)\nx\n" },
		{ "printf", "{{printf \"%-4s|%3d|%q|%%\" .Status .Number .Status}}",
		  "Up  |  1|\"Up\"|%\nExited (0)|  2|\"Exited (0)\"|%\n" },
		{ "pipe", "{{.Status | lower | printf \"%s!\"}}", "up!\nexited (0)!\n" },
		{ "if", "{{if eq .Number 1}}one{{else if gt .Number 1}}more{{else}}less{{end}}",
		  "one\nmore\n" },
		{ "if of what no row has", "{{if .Nope}}x{{else}}y{{end}}", "y\ny\n" },
		{ "and, or, not", "{{if and .List (not .Ports)}}a{{end}}{{or .Ports \"none\"}}",
		  "80/tcp\nnone\n" },
		{ "with", "{{with $x := .Ports}}{{$x}}{{.}}{{end}}", "80/tcp80/tcp\n\n" },
		{ "index, len", "{{len .List}}{{if .List}}{{index .List 0}}{{end}}", "11\n0\n" },
		{ "blanks trimmed", "a {{- .Number -}} b{{/* no comment */}}", "a1b\na2b\n" },
		{ "raw text, braces in text", "{{print `}}` \"{{\"}}", "}}{{\n}}{{\n" },
		{ "titles through functions", "table {{upper .Name}}\\t{{.Number}}",
		  "NAME         NUMBER\nDEMO-WEB-1   1\n\xc3\xa4            2\n" },
		{ "no such function", "{{frob .Name}}",
		  "!template '{{frob .Name}}': 'frob' is not understood" },
		{ "no such variable", "{{$x}}", "!template '{{$x}}': undefined variable '$x'" },
		{ "arguments of no function", "{{.Name 1}}",
		  "!template '{{.Name 1}}': what is no function was given arguments" },
		{ "out of range", "{{index .List 7}}",
		  "!template '{{index .List 7}}': index: index out of range" },
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
