#include "test.h"

#include "net/resolv.h"

static void files_are_read_as_the_c_library_does(void **state)
{
	static const struct {
		const char *name, *text, *servers, *search, *options;
	} cases[] = {
		{ "empty", "", "", "", "" },
		{ "plain", "nameserver 10.0.0.1\nsearch a.example b.example\noptions edns0\n",
		  "10.0.0.1", "a.example b.example", "edns0" },
		{ "several", "nameserver 10.0.0.1\nnameserver fd00::1\nnameserver\tfe80::1%eth0\n",
		  "10.0.0.1 fd00::1 fe80::1%eth0", "", "" },
		{ "the last search counts", "domain x\nsearch y z\n", "", "y z", "" },
		{ "comments", "# nameserver 1.1.1.1\n;nameserver 2.2.2.2\nnameserver 3.3.3.3 # x\n",
		  "3.3.3.3", "", "" },
		{ "not addresses",
		  "nameserver example.com\nnameserver 1.2.3\nnameserver 1.2.3.4%x\n"
		  "nameservers 5.5.5.5\nnameserver\n",
		  "", "", "" },
		{ "CRLF", "nameserver 10.0.0.1\r\nsearch a\r\n", "10.0.0.1", "a", "" },
		{ "at most eight",
		  "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4\n"
		  "nameserver 1.0.0.5\nnameserver 1.0.0.6\nnameserver 1.0.0.7\nnameserver 1.0.0.8\n"
		  "nameserver 1.0.0.9",
		  "1.0.0.1 1.0.0.2 1.0.0.3 1.0.0.4 1.0.0.5 1.0.0.6 1.0.0.7 1.0.0.8", "", "" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_resolv struct resolv r = { 0 };
		resolv_parse(cases[i].text, &r);
		cleanup_free char *servers = strv_join(&r.servers, " ");
		cleanup_free char *search = strv_join(&r.search, " ");
		cleanup_free char *options = strv_join(&r.options, " ");
		check_text(cases[i].name, servers, cases[i].servers);
		check_text(cases[i].name, search, cases[i].search);
		check_text(cases[i].name, options, cases[i].options);
	}
}

static void containers_ask_us(void **state)
{
	static const struct {
		const char *name, *host, *search, *options, *want;
	} cases[] = {
		{ "nothing", "", "", "", "nameserver 127.0.0.11\noptions ndots:0\n" },
		{ "the host's search", "search a b\noptions trust-ad\n", "", "",
		  "nameserver 127.0.0.11\nsearch a b\noptions ndots:0\n" },
		{ "its own", "search a b\n", "x y", "ndots:2 timeout:1",
		  "nameserver 127.0.0.11\nsearch x y\noptions ndots:2 timeout:1\n" },
		{ "none at all", "search a b\n", ".", "rotate",
		  "nameserver 127.0.0.11\noptions rotate ndots:0\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_resolv struct resolv host = { 0 };
		cleanup_strv struct strv search = { 0 }, options = { 0 };
		cleanup_str struct str out = STR_INIT;
		resolv_parse(cases[i].host, &host);
		if (cases[i].search[0])
			search = strv_split(cases[i].search, ' ');
		if (cases[i].options[0])
			options = strv_split(cases[i].options, ' ');
		resolv_container(&host, &search, &options, &out);
		check_text(cases[i].name, str_text(&out), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read_as_the_c_library_does),
		cmocka_unit_test(containers_ask_us),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
