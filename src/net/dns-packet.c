#include "net/dns-packet.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FLAG_QR = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RD = 0x0100, FLAG_RA = 0x0080 };
enum { OPCODE_MASK = 0x7800, LABEL_MAX = 63, NAME_WIRE_MAX = 255, POINTER = 0xc0 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* Reads the name at *at into `name` (256 bytes), moves *at behind it. Compression makes no sense in
 * a question: there is nothing before it to point at. */
static int read_name(const uint8_t *packet, size_t len, size_t *at, char *name)
{
	size_t i = *at, out = 0;
	for (;;) {
		if (i >= len)
			return -EBADMSG;
		size_t label = packet[i++];
		if (label == 0)
			break;
		if (label > LABEL_MAX || i + label > len || i + label - *at > NAME_WIRE_MAX - 1)
			return -EBADMSG;
		if (out)
			name[out++] = '.';
		for (size_t k = 0; k < label; k++) {
			uint8_t c = packet[i + k];
			bool plain = isalnum(c) || c == '-' || c == '_';
			name[out++] = plain && c < 0x80 ? (char)tolower(c) : '?';
		}
		i += label;
	}
	name[out] = '\0';
	*at = i;
	return 0;
}

static int read_question(const uint8_t *packet, size_t len, struct dns_question *ret, size_t *at)
{
	struct dns_question q = { .id = get16(packet) };
	size_t i = DNS_HEADER;
	if (get16(packet + 4) != 1 || read_name(packet, len, &i, q.name) < 0 || i + 4 > len)
		return -EBADMSG;
	q.type = get16(packet + i);
	q.class = get16(packet + i + 2);
	*ret = q;
	*at = i + 4;
	return 0;
}

int dns_parse_question(const void *packet, size_t len, struct dns_question *ret)
{
	size_t end;
	if (len < DNS_HEADER || len > DNS_QUERY_MAX)
		return -EBADMSG;
	return read_question(packet, len, ret, &end);
}

/* Looks through the additional records for OPT, which says how large an answer may be. Queries have
 * no answer or authority records; where there are some the sizes are walked over all the same. */
static void read_edns(const uint8_t *packet, size_t len, size_t at, struct dns_query *q)
{
	unsigned records = (unsigned)get16(packet + 6) + get16(packet + 8) + get16(packet + 10);
	char name[256];
	for (unsigned i = 0; i < records; i++) {
		if (read_name(packet, len, &at, name) < 0 || at + 10 > len)
			return;
		uint16_t type = get16(packet + at), size = get16(packet + at + 2);
		size_t data = get16(packet + at + 8);
		if (type == DNS_OPT && !name[0]) {
			q->edns = true;
			q->udp_size = size < DNS_UDP_PLAIN  ? DNS_UDP_PLAIN
				      : size > DNS_UDP_MOST ? DNS_UDP_MOST
							    : size;
			return;
		}
		at += 10 + data;
		if (at > len)
			return;
	}
}

int dns__parse_query(const uint8_t *packet, size_t len, struct dns_query *ret)
{
	if (len < DNS_HEADER)
		return -ENOENT;
	struct dns_query q = { .flags = get16(packet + 2), .udp_size = DNS_UDP_PLAIN };
	if (q.flags & FLAG_QR)
		return -ENOENT;
	q.question.id = get16(packet);
	q.question_end = DNS_HEADER;
	*ret = q;
	if (q.flags & OPCODE_MASK)
		return DNS_NOTIMP;
	if (len > DNS_QUERY_MAX || read_question(packet, len, &q.question, &q.question_end) < 0)
		return DNS_FORMERR;
	read_edns(packet, len, q.question_end, &q);
	*ret = q;
	return 0;
}

/* "a.b" as labels; 0 when it cannot be one. */
static size_t write_name(const char *name, uint8_t *out, size_t room)
{
	size_t at = 0;
	while (*name) {
		size_t label = strcspn(name, ".");
		if (label == 0 || label > LABEL_MAX || at + label + 2 > room ||
		    at + label + 2 > NAME_WIRE_MAX)
			return 0;
		out[at++] = (uint8_t)label;
		memcpy(out + at, name, label);
		at += label;
		name += label + (name[label] == '.');
	}
	if (at + 1 > room)
		return 0;
	out[at++] = 0;
	return at;
}

/* The record's length, or 0 when it does not fit. */
static size_t write_record(const struct dns_record *r, uint8_t *out, size_t room)
{
	enum { FIXED = 12 };
	if (room < FIXED)
		return 0;
	size_t data;
	if (r->type == DNS_PTR)
		data = write_name(r->name, out + FIXED, room - FIXED);
	else
		data = r->type == DNS_A ? 4 : 16;
	if (data == 0 || FIXED + data > room)
		return 0;
	if (r->type != DNS_PTR)
		memcpy(out + FIXED, r->address, data);
	put16(out, POINTER << 8 | DNS_HEADER); /* the question's name */
	put16(out + 2, r->type);
	put16(out + 4, DNS_CLASS_IN);
	put16(out + 6, 0);
	put16(out + 8, DNS_TTL);
	put16(out + 10, (unsigned)data);
	return FIXED + data;
}

size_t dns__answer(const uint8_t *packet, const struct dns_query *query, enum dns_rcode rcode,
		   const struct dns_record *records, size_t n, uint8_t *out, size_t limit)
{
	enum { OPT_SIZE = 11 };
	size_t at = query->question_end, count = 0;
	unsigned flags = FLAG_QR | FLAG_RA | (query->flags & (FLAG_RD | OPCODE_MASK)) | rcode;
	size_t end = limit - (query->edns ? OPT_SIZE : 0);
	memcpy(out, packet, at);
	for (size_t i = 0; i < n; i++) {
		size_t len = write_record(&records[i], out + at, end - at);
		if (len == 0) {
			flags |= FLAG_TC;
			break;
		}
		at += len;
		count++;
	}
	if (rcode == DNS_NOERROR)
		flags |= FLAG_AA;
	put16(out + 2, flags);
	put16(out + 4, query->question_end > DNS_HEADER);
	put16(out + 6, (unsigned)count);
	put16(out + 8, 0);
	put16(out + 10, query->edns);
	if (query->edns) {
		memset(out + at, 0, OPT_SIZE);
		put16(out + at + 1, DNS_OPT);
		put16(out + at + 3, DNS_UDP_MOST);
		at += OPT_SIZE;
	}
	return at;
}

/* --- names of addresses --- */

static bool reverse4(const char *name, char *address)
{
	unsigned b[4];
	int end = 0;
	if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &b[0], &b[1], &b[2], &b[3], &end) != 4 ||
	    end == 0 || name[end] || b[0] > 255 || b[1] > 255 || b[2] > 255 || b[3] > 255)
		return false;
	snprintf(address, INET6_ADDRSTRLEN, "%u.%u.%u.%u", b[3], b[2], b[1], b[0]);
	return true;
}

static bool reverse6(const char *name, char *address)
{
	uint8_t bytes[16] = { 0 };
	for (int nibble = 0; nibble < 32; nibble++, name += 2) {
		if (!isxdigit((unsigned char)name[0]) || name[1] != '.')
			return false;
		int value = name[0] <= '9' ? name[0] - '0' : tolower(name[0]) - 'a' + 10;
		bytes[15 - nibble / 2] |= (uint8_t)(value << (nibble % 2 * 4));
	}
	return strcmp(name, "ip6.arpa") == 0 &&
	       inet_ntop(AF_INET6, bytes, address, INET6_ADDRSTRLEN);
}

bool dns__reverse_name(const char *name, char address[INET6_ADDRSTRLEN])
{
	return reverse4(name, address) || reverse6(name, address);
}

/* --- answers of others --- */

uint16_t dns__rcode(const uint8_t *packet)
{
	return packet[3] & 0x0f;
}

bool dns__answers(const uint8_t *query, size_t query_len, const uint8_t *answer, size_t len)
{
	struct dns_question asked, got;
	size_t end;
	if (query_len < DNS_HEADER || len < DNS_HEADER || get16(query) != get16(answer) ||
	    !(get16(answer + 2) & FLAG_QR))
		return false;
	/* An error answer may come without the question. */
	if (get16(answer + 4) == 0)
		return dns__rcode(answer) != DNS_NOERROR;
	return read_question(query, query_len, &asked, &end) == 0 &&
	       read_question(answer, len, &got, &end) == 0 && strcmp(asked.name, got.name) == 0 &&
	       asked.type == got.type && asked.class == got.class;
}
