/* DNS messages as bytes. */
#include "test.h"

#include "net/dns-packet.h"

/* Builds a message from text: "\x.." escapes come from the C compiler, lengths from sizeof. */
#define PACKET(literal) (const uint8_t *)(literal), sizeof(literal) - 1
#define HEAD(qd, ar)	"\x12\x34\x01\x00\x00" qd "\x00\x00\x00\x00\x00" ar
#define WEB		"\x03WeB\x00\x00\x01\x00\x01"
#define OPT		"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"

static void queries_are_read(void **state)
{
	static const struct {
		const char *name;
		const uint8_t *packet;
		size_t len;
		int want;
		const char *question;
		uint16_t type, udp_size;
	} cases[] = {
		{ "plain", PACKET(HEAD("\x01", "\x00") WEB), 0, "web", DNS_A, 512 },
		{ "edns", PACKET(HEAD("\x01", "\x01") WEB OPT), 0, "web", DNS_A, 1232 },
		{ "edns cut short", PACKET(HEAD("\x01", "\x01") WEB "\x00\x00\x29"), 0, "web",
		  DNS_A, 512 },
		{ "root", PACKET(HEAD("\x01", "\x00") "\x00\x00\x02\x00\x01"), 0, "", 2, 512 },
		{ "dot in a label", PACKET(HEAD("\x01", "\x00") "\x03w.b\x00\x00\x01\x00\x01"), 0,
		  "w?b", DNS_A, 512 },
		{ "two labels",
		  PACKET(HEAD("\x01", "\x00") "\x01"
					      "a\x02"
					      "Bc\x00\x00\x1c\x00\x01"),
		  0, "a.bc", DNS_AAAA, 512 },
		{ "short", PACKET("\x12\x34\x01"), -ENOENT, NULL, 0, 0 },
		{ "an answer", PACKET("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00" WEB),
		  -ENOENT, NULL, 0, 0 },
		{ "notify", PACKET("\x12\x34\x20\x00\x00\x01\x00\x00\x00\x00\x00\x00" WEB),
		  DNS_NOTIMP, NULL, 0, 0 },
		{ "no question", PACKET(HEAD("\x00", "\x00")), DNS_FORMERR, NULL, 0, 0 },
		{ "two questions", PACKET(HEAD("\x02", "\x00") WEB WEB), DNS_FORMERR, NULL, 0, 0 },
		{ "name without end", PACKET(HEAD("\x01", "\x00") "\x03web"), DNS_FORMERR, NULL, 0,
		  0 },
		{ "no type", PACKET(HEAD("\x01", "\x00") "\x03web\x00\x00"), DNS_FORMERR, NULL, 0,
		  0 },
		{ "pointer to itself", PACKET(HEAD("\x01", "\x00") "\xc0\x0c\x00\x01\x00\x01"),
		  DNS_FORMERR, NULL, 0, 0 },
		{ "label too long", PACKET(HEAD("\x01", "\x00") "\x40" WEB), DNS_FORMERR, NULL, 0,
		  0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dns_query q = { 0 };
		int r = dns__parse_query(cases[i].packet, cases[i].len, &q);
		check(cases[i].name, r == cases[i].want, "got %d", r);
		if (r != 0)
			continue;
		check_text(cases[i].name, q.question.name, cases[i].question);
		check(cases[i].name, q.question.type == cases[i].type, "type %u", q.question.type);
		check(cases[i].name, q.udp_size == cases[i].udp_size, "size %u", q.udp_size);
		check(cases[i].name, q.question.id == 0x1234, "id %x", q.question.id);
	}
}

/* A name of 255 bytes on the wire is the longest; one more is refused. */
static void names_have_a_longest(void **state)
{
	uint8_t packet[400] = { 0x12, 0x34, 1, 0, 0, 1 };
	for (int last = 61; last <= 62; last++) {
		struct dns_question q;
		size_t at = DNS_HEADER;
		for (int label = 0; label < 4; label++) {
			int len = label < 3 ? 63 : last;
			packet[at++] = (uint8_t)len;
			memset(packet + at, 'a', (size_t)len);
			at += (size_t)len;
		}
		memset(packet + at, 0, 5);
		packet[at + 4] = 1;
		int r = dns_parse_question(packet, at + 5, &q);
		assert_int_equal(r, last == 61 ? 0 : -EBADMSG);
		if (r == 0)
			assert_int_equal(strlen(q.name), 253);
	}
}

static size_t answer_to(const char *query, size_t len, size_t records, uint8_t *out, bool tcp)
{
	struct dns_query q;
	struct dns_record all[200] = { 0 };
	for (size_t i = 0; i < records; i++)
		all[i] = (struct dns_record){ .type = DNS_A, .address = { 10, 0, 0, (uint8_t)i } };
	assert_int_equal(dns__parse_query((const uint8_t *)query, len, &q), 0);
	return dns__answer((const uint8_t *)query, &q, DNS_NOERROR, all, records, out,
			   tcp ? DNS_MESSAGE_MAX : q.udp_size);
}

static void answers_say_what_was_asked_and_fit(void **state)
{
	static uint8_t out[DNS_MESSAGE_MAX];
	static const char plain[] = HEAD("\x01", "\x00") WEB, edns[] = HEAD("\x01", "\x01") WEB OPT;
	size_t len = answer_to(plain, sizeof(plain) - 1, 1, out, false);
	static const char want[] =
		"\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00" WEB
		"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x00\x00\x00";
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(out, want, len);

	static const struct {
		const char *name;
		bool edns, tcp;
		size_t records, count;
		bool truncated;
	} cases[] = {
		{ "none", false, false, 0, 0, false },
		{ "30 fit", false, false, 30, 30, false },
		{ "31 do not", false, false, 31, 30, true },
		{ "edns", true, false, 76, 75, true },
		{ "tcp", false, true, 200, 200, false },
		{ "tcp, edns", true, true, 200, 200, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		len = cases[i].edns ? answer_to(edns, sizeof(edns) - 1, cases[i].records, out,
						cases[i].tcp)
				    : answer_to(plain, sizeof(plain) - 1, cases[i].records, out,
						cases[i].tcp);
		size_t count = (size_t)(out[6] << 8 | out[7]);
		check(cases[i].name, count == cases[i].count, "%zu records", count);
		check(cases[i].name, (out[2] & 2) == (cases[i].truncated ? 2 : 0), "flags %x",
		      out[2]);
		check(cases[i].name, out[11] == cases[i].edns, "%u additional", out[11]);
		check(cases[i].name, cases[i].tcp || len <= (cases[i].edns ? 1232 : 512),
		      "%zu bytes", len);
	}
}

static void a_refusal_needs_no_question(void **state)
{
	static const char broken[] = HEAD("\x01", "\x00") "\xc0";
	uint8_t out[512];
	struct dns_query q;
	assert_int_equal(dns__parse_query((const uint8_t *)broken, sizeof(broken) - 1, &q),
			 DNS_FORMERR);
	size_t len = dns__answer((const uint8_t *)broken, &q, DNS_FORMERR, NULL, 0, out, 512);
	assert_int_equal(len, DNS_HEADER);
	assert_memory_equal(out, "\x12\x34\x81\x81\x00\x00\x00\x00\x00\x00\x00\x00", 12);
}

static void reverse_names(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "4.3.2.1.in-addr.arpa", "1.2.3.4" },
		{ "256.3.2.1.in-addr.arpa", NULL },
		{ "3.2.1.in-addr.arpa", NULL },
		{ "4.3.2.1.in-addr.arpa.x", NULL },
		{ "web", NULL },
		{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
		  "fd00::1" },
		{ "1.0.0.0.ip6.arpa", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char address[INET6_ADDRSTRLEN];
		bool found = dns__reverse_name(cases[i].name, address);
		check_text(cases[i].name, found ? address : NULL, cases[i].want);
	}
}

static void strangers_answers_are_known(void **state)
{
	static const char q[] = HEAD("\x01", "\x00") WEB;
	static const struct {
		const char *name;
		const uint8_t *packet;
		size_t len;
		bool want;
	} cases[] = {
		{ "right", PACKET("\x12\x34\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00" WEB), true },
		{ "other id", PACKET("\x12\x35\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00" WEB),
		  false },
		{ "a question", PACKET(HEAD("\x01", "\x00") WEB), false },
		{ "other name",
		  PACKET("\x12\x34\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x03wab\x00\x00\x01\x00"
			 "\x01"),
		  false },
		{ "failure alone", PACKET("\x12\x34\x81\x82\x00\x00\x00\x00\x00\x00\x00\x00"),
		  true },
		{ "success alone", PACKET("\x12\x34\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00"),
		  false },
		{ "short", PACKET("\x12\x34\x81"), false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(cases[i].name,
		      dns__answers((const uint8_t *)q, sizeof(q) - 1, cases[i].packet,
				   cases[i].len) == cases[i].want,
		      "want %d", cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_are_read),
		cmocka_unit_test(names_have_a_longest),
		cmocka_unit_test(answers_say_what_was_asked_and_fit),
		cmocka_unit_test(a_refusal_needs_no_question),
		cmocka_unit_test(reverse_names),
		cmocka_unit_test(strangers_answers_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
