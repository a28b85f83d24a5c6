#include "test.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "net/subnet.h"

#include <string.h>

static void subnets_parse_and_format(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{ "10.1.2.0/24", "10.1.2.0/24" },
		{ "10.1.2.3/24", "10.1.2.0/24" },
		{ "10.1.2.3", "10.1.2.3/32" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "172.16.0.0/12", "172.16.0.0/12" },
		{ "fd00:1:2:3::/64", "fd00:1:2:3::/64" },
		{ "fd00:1:2:3::9/64", "fd00:1:2:3::/64" },
		{ "::/0", "::/0" },
		{ "::1", "::1/128" },
		{ "10.1.2.0/33", NULL },
		{ "10.1.2.0/-1", NULL },
		{ "10.1.2.0/ 8", NULL },
		{ "10.1.2.0/", NULL },
		{ "10.1.2/24", NULL },
		{ "fd00::/129", NULL },
		{ "", NULL },
		{ "/24", NULL },
		{ "web/24", NULL },
		{ "10.1.2.0/24/8", NULL },
		{ "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/64", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct subnet s;
		char text[SUBNET_TEXT];
		int r = subnet__parse(cases[i].text, &s);
		check(cases[i].text, (r == 0) == (cases[i].want != NULL), "got %d", r);
		if (r == 0)
			check_text(cases[i].text, subnet__format(&s, text), cases[i].want);
	}
}

static void subnets_know_what_they_share(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlaps, within; /* a within b */
	} cases[] = {
		{ "10.0.0.0/24", "10.0.1.0/24", false, false },
		{ "10.0.0.0/24", "10.0.0.0/24", true, true },
		{ "10.0.0.0/24", "10.0.0.0/8", true, true },
		{ "10.0.0.0/8", "10.0.0.0/24", true, false },
		{ "10.0.0.0/8", "0.0.0.0/0", true, true },
		{ "0.0.0.0/0", "::/0", false, false },
		{ "fd00::/64", "fd00::/48", true, true },
		{ "fd00::/64", "fd00:0:0:1::/64", false, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct subnet a, b;
		assert_int_equal(subnet__parse(cases[i].a, &a), 0);
		assert_int_equal(subnet__parse(cases[i].b, &b), 0);
		check(cases[i].a, subnet__overlaps(&a, &b) == cases[i].overlaps, "with %s",
		      cases[i].b);
		check(cases[i].a, subnet__overlaps(&b, &a) == cases[i].overlaps, "with %s",
		      cases[i].b);
		check(cases[i].a, subnet__within(&a, &b) == cases[i].within, "in %s", cases[i].b);
	}
}

static void bounds_leave_room_for_the_network_itself(void **state)
{
	static const struct {
		const char *subnet, *range;
		uint64_t first, last;
	} cases[] = {
		{ "10.0.0.0/24", NULL, 1, 254 },
		{ "10.0.0.0/30", NULL, 1, 2 },
		{ "10.0.0.0/31", NULL, 0, 1 },
		{ "10.0.0.0/16", "10.0.5.0/24", 1280, 1535 },
		{ "10.0.0.0/24", "10.0.0.0/25", 1, 127 },
		{ "10.0.0.0/24", "10.0.0.128/25", 128, 254 },
		{ "fd00::/120", NULL, 1, 255 },
		{ "fd00::/64", NULL, 1, ((uint64_t)1 << 62) - 1 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct subnet s, range;
		uint64_t first, last;
		assert_int_equal(subnet__parse(cases[i].subnet, &s), 0);
		if (cases[i].range)
			assert_int_equal(subnet__parse(cases[i].range, &range), 0);
		subnet__bounds(&s, cases[i].range ? &range : NULL, &first, &last);
		check(cases[i].subnet, first == cases[i].first, "first %llu",
		      (unsigned long long)first);
		check(cases[i].subnet, last == cases[i].last, "last %llu",
		      (unsigned long long)last);
	}
}

static void the_first_free_subnet_is_chosen(void **state)
{
	static const struct {
		const char *name, *pool;
		uint64_t start;
		const char *taken[4];
		const char *want;
	} cases[] = {
		{ "empty", "10.190.0.0/15", 0, { NULL }, "10.190.0.0/24" },
		{ "start", "10.190.0.0/15", 3, { NULL }, "10.190.3.0/24" },
		{ "around", "10.190.0.0/15", 512 + 2, { NULL }, "10.190.2.0/24" },
		{ "next", "10.190.0.0/15", 3, { "10.190.3.0/24" }, "10.190.4.0/24" },
		{ "wide", "10.190.0.0/15", 3, { "10.190.0.0/16" }, "10.191.0.0/24" },
		{ "narrow", "10.190.0.0/15", 0, { "10.190.0.77" }, "10.190.1.0/24" },
		{ "last wraps", "10.190.0.0/15", 511, { "10.191.255.0/24" }, "10.190.0.0/24" },
		{ "all", "10.190.0.0/15", 0, { "10.0.0.0/8" }, NULL },
		{ "two halves", "10.190.0.0/15", 9, { "10.190.0.0/16", "10.191.0.0/16" }, NULL },
		{ "too small", "10.190.0.0/25", 0, { NULL }, NULL },
		{ "other family", "10.190.0.0/15", 0, { "::/0" }, "10.190.0.0/24" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct subnet pool, s, got;
		struct subnets taken = { 0 };
		char text[SUBNET_TEXT];
		assert_int_equal(subnet__parse(cases[i].pool, &pool), 0);
		for (size_t t = 0; t < 4 && cases[i].taken[t]; t++) {
			assert_int_equal(subnet__parse(cases[i].taken[t], &s), 0);
			vec_push(&taken.list, s);
		}
		bool found = subnet__choose(&pool, 24, cases[i].start, &taken, &got);
		check_text(cases[i].name, found ? subnet__format(&got, text) : NULL, cases[i].want);
		vec_done(&taken.list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subnets_parse_and_format),
		cmocka_unit_test(subnets_know_what_they_share),
		cmocka_unit_test(bounds_leave_room_for_the_network_itself),
		cmocka_unit_test(the_first_free_subnet_is_chosen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
