/* DNS messages (RFC 1035, 6891): reading a query, writing an answer. Pure. */
#ifndef STAVE_NET_DNS_PACKET_H
#define STAVE_NET_DNS_PACKET_H

#include "net/dns.h"

enum {
	DNS_HEADER = 12,
	DNS_QUERY_MAX = 4096, /* larger queries are nonsense */
	DNS_UDP_PLAIN = 512,  /* answer without EDNS (RFC 1035, 4.2.1) */
	DNS_UDP_MOST = 4096,  /* answer with EDNS: loopback carries it in one piece */
	DNS_MESSAGE_MAX = 65535,
	DNS_TTL = 5,
};

enum dns_type {
	DNS_A = 1,
	DNS_PTR = 12,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_ANY = 255,
};
enum { DNS_CLASS_IN = 1, DNS_CLASS_ANY = 255 };
enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

struct dns_query {
	struct dns_question question;
	size_t question_end; /* offset after the question */
	uint16_t flags;	     /* of the header, host byte order */
	uint16_t udp_size;   /* how large a UDP answer may be */
	bool edns;
};

/* Reads a query. -ENOENT: not worth an answer (too short, or itself an answer); otherwise the
 * rcode that refuses it (FORMERR, NOTIMP), or 0. The question's bytes other than letters, digits,
 * '-' and '_' are '?' in question.name, which no name of ours has. */
int dns__parse_query(const uint8_t *packet, size_t len, struct dns_query *ret);

/* One record of an answer; all answer the question's name. */
struct dns_record {
	uint16_t type;
	uint8_t address[16]; /* A, AAAA */
	const char *name;    /* PTR */
};

/* Writes the answer to `query` (the packet it was read from) into out: the question again,
 * byte by byte, and the records that fit in `limit` bytes, with the truncation flag when some did
 * not. With rcode FORMERR the question may be missing. Returns the length; `limit` is at least 512
 * and out has that much room. */
size_t dns__answer(const uint8_t *packet, const struct dns_query *query, enum dns_rcode rcode,
		   const struct dns_record *records, size_t n, uint8_t *out, size_t limit);

/* "4.3.2.1.in-addr.arpa" or the ip6.arpa form to an address as text. False when it is none. */
bool dns__reverse_name(const char *name, char address[INET6_ADDRSTRLEN]);

/* Whether `answer` can be one to `query`: same id, same question, marked as an answer. */
bool dns__answers(const uint8_t *query, size_t query_len, const uint8_t *answer, size_t len);
uint16_t dns__rcode(const uint8_t *packet); /* of a message of at least DNS_HEADER bytes */

#endif
