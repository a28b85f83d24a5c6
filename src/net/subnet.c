#include "net/subnet.h"

#include "base/parse.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef unsigned __int128 u128;

static unsigned bits_of(int family)
{
	return family == AF_INET6 ? 128 : 32;
}

/* The bits that number the hosts of a subnet. */
static u128 host_mask(const struct subnet *s)
{
	unsigned bits = bits_of(s->family) - s->prefix;
	return bits >= 128 ? ~(u128)0 : ((u128)1 << bits) - 1;
}

struct address address__load(int family, const void *bytes)
{
	struct address a = { .family = family };
	const uint8_t *b = bytes;
	for (unsigned i = 0; i < bits_of(family) / 8; i++)
		a.value = a.value << 8 | b[i];
	return a;
}

void address__store(const struct address *a, void *bytes)
{
	uint8_t *b = bytes;
	unsigned n = bits_of(a->family) / 8;
	for (unsigned i = 0; i < n; i++)
		b[i] = (uint8_t)(a->value >> (8 * (n - 1 - i)));
}

int address__parse(const char *text, struct address *ret)
{
	uint8_t bytes[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, text, bytes) != 1)
		return -EINVAL;
	*ret = address__load(family, bytes);
	return 0;
}

char *address__format(const struct address *a, char *buf)
{
	uint8_t bytes[16];
	address__store(a, bytes);
	if (!inet_ntop(a->family, bytes, buf,
		       a->family == AF_INET ? INET_ADDRSTRLEN : INET6_ADDRSTRLEN))
		buf[0] = '\0';
	return buf;
}

int subnet__parse(const char *text, struct subnet *ret)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	struct address a;
	if (address__parse(host, &a) < 0)
		return -EINVAL;
	int prefix = (int)bits_of(a.family);
	if (slash && parse_int(slash + 1, 0, prefix, &prefix) < 0)
		return -EINVAL;
	struct subnet s = { .family = a.family, .prefix = (unsigned)prefix };
	s.base = a.value & ~host_mask(&s);
	*ret = s;
	return 0;
}

char *subnet__format(const struct subnet *s, char buf[SUBNET_TEXT])
{
	char host[INET6_ADDRSTRLEN];
	struct address a = { .family = s->family, .value = s->base };
	snprintf(buf, SUBNET_TEXT, "%s/%u", address__format(&a, host), s->prefix);
	return buf;
}

bool subnet__equal(const struct subnet *a, const struct subnet *b)
{
	return a->family == b->family && a->prefix == b->prefix && a->base == b->base;
}

bool subnet__within(const struct subnet *inner, const struct subnet *outer)
{
	return inner->family == outer->family && inner->prefix >= outer->prefix &&
	       (inner->base & ~host_mask(outer)) == outer->base;
}

bool subnet__overlaps(const struct subnet *a, const struct subnet *b)
{
	return subnet__within(a, b) || subnet__within(b, a);
}

bool subnet__contains(const struct subnet *s, const struct address *a)
{
	return s->family == a->family && (a->value & ~host_mask(s)) == s->base;
}

struct address subnet__host(const struct subnet *s, uint64_t n)
{
	return (struct address){ .family = s->family, .value = s->base + n };
}

struct address subnet__last(const struct subnet *s)
{
	return (struct address){ .family = s->family, .value = s->base | host_mask(s) };
}

uint64_t subnet__index(const struct subnet *s, const struct address *a)
{
	return (uint64_t)(a->value - s->base);
}

uint64_t subnet__size(const struct subnet *s)
{
	unsigned bits = bits_of(s->family) - s->prefix;
	return (uint64_t)1 << (bits > 62 ? 62 : bits);
}

void subnet__bounds(const struct subnet *s, const struct subnet *range, uint64_t *ret_first,
		    uint64_t *ret_last)
{
	uint64_t first = 0, last = subnet__size(s) - 1;
	if (range) {
		struct address base = { .family = range->family, .value = range->base };
		first = subnet__index(s, &base);
		last = first + subnet__size(range) - 1;
	}
	bool small = bits_of(s->family) - s->prefix <= 1; /* point to point: both are hosts */
	if (!small && first == 0)
		first = 1;
	if (!small && s->family == AF_INET && last == subnet__size(s) - 1)
		last--;
	*ret_first = first;
	*ret_last = last;
}

bool subnet__choose(const struct subnet *pool, unsigned prefix, uint64_t start,
		    const struct subnets *taken, struct subnet *ret)
{
	if (prefix < pool->prefix || prefix > bits_of(pool->family))
		return false;
	unsigned free_bits = prefix - pool->prefix;
	uint64_t count = (uint64_t)1 << (free_bits > 16 ? 16 : free_bits);
	for (uint64_t i = 0; i < count; i++) {
		struct subnet s = { .family = pool->family, .prefix = prefix };
		u128 step = (u128)1 << (bits_of(pool->family) - prefix);
		s.base = pool->base + (u128)((start + i) % count) * step;
		bool clash = false;
		vec_each(t, &taken->list)
			clash = clash || subnet__overlaps(t, &s);
		if (!clash) {
			*ret = s;
			return true;
		}
	}
	return false;
}
