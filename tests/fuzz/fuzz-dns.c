/* DNS messages from containers and resolvers: whatever the bytes, nothing is read or written past
 * its end, and what we answer is a message. */
#include "net/dns-packet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dns_record records[] = {
		{ .type = DNS_A, .address = { 10, 0, 0, 1 } },
		{ .type = DNS_AAAA, .address = { 0xfd } },
		{ .type = DNS_PTR, .name = "web-1.proj_default" },
	};
	static uint8_t out[DNS_MESSAGE_MAX];
	char address[INET6_ADDRSTRLEN];
	struct dns_question question;
	struct dns_query query;
	if (size > DNS_MESSAGE_MAX)
		return 0;
	(void)dns_parse_question(data, size, &question);
	int r = dns__parse_query(data, size, &query);
	if (r >= 0) {
		size_t len = dns__answer(data, &query, (enum dns_rcode)r, records,
					 r == 0 ? sizeof(records) / sizeof(records[0]) : 0, out,
					 query.udp_size);
		assert(len >= DNS_HEADER && len <= query.udp_size);
		if (r == 0) {
			assert(strlen(query.question.name) <= 254);
			assert(dns__answers(data, size, out, len));
			(void)dns__reverse_name(query.question.name, address);
		}
	}
	/* The same bytes as an answer to a question of ours. */
	static const uint8_t asked[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				       "\x03web\x00\x00\x01\x00\x01";
	(void)dns__answers(asked, sizeof(asked) - 1, data, size);
	return 0;
}
