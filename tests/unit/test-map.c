#include "test.h"

#include "base/alloc.h"
#include "base/map.h"

#include <stdio.h>
#include <string.h>

static int freed;
static void count_free(void *p)
{
	freed++;
	free(p);
}

static void empty_maps_answer(void **state)
{
	struct map m = MAP_INIT;
	assert_null(map_get(&m, "a"));
	assert_false(map_has(&m, "a"));
	assert_null(map_take(&m, "a"));
	map_each(e, &m)
		fail();
	map_done(&m);
}

static void order_is_that_of_insertion(void **state)
{
	static const char *const keys[] = { "z", "a", "", "m" };
	cleanup_map struct map m = MAP_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		map_set(&m, keys[i], (void *)keys[i]);
	map_set(&m, "a", (void *)"again"); /* keeps its place */
	size_t i = 0;
	map_each(e, &m)
		assert_string_equal(e->key, keys[i++]);
	assert_int_equal(i, ARRAY_SIZE(keys));
	assert_string_equal(map_get(&m, "a"), "again");
}

static void values_are_freed_once(void **state)
{
	struct map m = MAP_INIT_FREE(count_free);
	freed = 0;
	map_set(&m, "a", xstrdup("1"));
	map_set(&m, "a", xstrdup("2"));
	assert_int_equal(freed, 1);
	char *same = map_get(&m, "a");
	map_set(&m, "a", same); /* the same value is not freed under its own feet */
	assert_int_equal(freed, 1);
	cleanup_free char *taken = map_take(&m, "a");
	assert_string_equal(taken, "2");
	assert_int_equal(freed, 1);
	map_set(&m, "b", xstrdup("3"));
	map_set(&m, "null", NULL);
	assert_true(map_has(&m, "null"));
	map_done(&m);
	assert_int_equal(freed, 2);
}

/* Against a plain array as the model. */
static void many_keys_survive_growth_and_removal(void **state)
{
	enum { KEYS = 3000 };
	static bool there[KEYS];
	cleanup_map struct map m = MAP_INIT;
	char key[16];
	unsigned random = 1;
	size_t live = 0;
	for (int round = 0; round < 20000; round++) {
		random = random * 1103515245u + 12345u;
		size_t k = (random >> 8) % KEYS;
		snprintf(key, sizeof(key), "k%zu", k);
		check(key, map_has(&m, key) == there[k], "in round %d", round);
		if (there[k])
			assert_ptr_equal(map_take(&m, key), &there[k]);
		else
			map_set(&m, key, &there[k]);
		live += there[k] ? (size_t)-1 : 1;
		there[k] = !there[k];
		assert_int_equal(m.live, live);
	}
	size_t seen = 0;
	map_each(e, &m) {
		assert_true(*(bool *)e->value);
		seen++;
	}
	assert_int_equal(seen, live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_maps_answer),
		cmocka_unit_test(order_is_that_of_insertion),
		cmocka_unit_test(values_are_freed_once),
		cmocka_unit_test(many_keys_survive_growth_and_removal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
