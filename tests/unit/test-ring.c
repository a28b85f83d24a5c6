/* Bytes between threads: whole, in order, to every taker; and nobody waits for ever. */
#include "test.h"

#include "base/ring.h"

#include <string.h>

enum { CHUNK = RING_ALIGN, ROUNDS = 500 };

struct taker {
	struct ring *ring;
	size_t who;
	size_t chunks, wrong;
	bool slow;
	ssize_t last;
};

static size_t length(size_t i)
{
	return 1 + i * 37 % CHUNK;
}

static void *take_all(void *data)
{
	struct taker *t = data;
	const void *bytes;

	while ((t->last = ring_get(t->ring, t->who, &bytes)) > 0) {
		const unsigned char *b = bytes;
		size_t len = length(t->chunks);

		if (t->slow && t->chunks % 64 == 0)
			usleep(1000);
		/* read after the wait: a chunk stays what it is while a taker holds it */
		t->wrong += (size_t)t->last != len || b[0] != (unsigned char)t->chunks ||
			    b[len - 1] != (unsigned char)t->chunks ||
			    (uintptr_t)bytes % RING_ALIGN != 0;
		t->chunks++;
	}
	return NULL;
}

static void test_every_taker_sees_all(void **state)
{
	struct ring *ring = ring_new(3, CHUNK, 2);
	struct taker takers[] = { { ring, 0 }, { ring, 1, .slow = true } };
	struct thread threads[2] = { 0 };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(takers); i++)
		assert_int_equal(thread_start(&threads[i], take_all, &takers[i], &err), 0);
	for (size_t i = 0; i < ROUNDS; i++) {
		void *room = ring_room(ring);

		assert_non_null(room);
		assert_ptr_equal(room, ring_room(ring)); /* until it is given away */
		memset(room, (int)(unsigned char)i, length(i));
		ring_put(ring, length(i));
	}
	ring_end(ring);
	for (size_t i = 0; i < ARRAY_SIZE(takers); i++) {
		thread_join(&threads[i]);
		assert_int_equal(takers[i].chunks, ROUNDS);
		assert_int_equal(takers[i].wrong, 0);
		assert_int_equal(takers[i].last, 0);
	}
	assert_false(ring_stopped(ring));
	ring_free(ring);
}

static void *give_for_ever(void *data)
{
	struct ring *ring = data;

	while (ring_room(ring))
		ring_put(ring, 1);
	return NULL;
}

/* One waits for room that nobody makes, the other for a chunk that nobody gives. */
static void test_stop_wakes_who_waits(void **state)
{
	struct ring *full = ring_new(2, CHUNK, 1), *empty = ring_new(2, CHUNK, 1);
	struct taker taker = { empty, 0 };
	struct thread giver = { 0 }, waiter = { 0 };
	struct err err = ERR_INIT;
	const void *bytes;

	assert_int_equal(thread_start(&giver, give_for_ever, full, &err), 0);
	assert_int_equal(thread_start(&waiter, take_all, &taker, &err), 0);
	ring_stop(full);
	ring_stop(empty);
	thread_join(&giver);
	thread_join(&waiter);
	assert_int_equal(taker.last, -ECANCELED);
	assert_true(ring_stopped(full));
	/* also what was given before is not handed out any more */
	assert_int_equal(ring_get(full, 0, &bytes), -ECANCELED);
	ring_free(full);
	ring_free(empty);
}

static void test_an_end_without_bytes(void **state)
{
	struct ring *ring = ring_new(1, CHUNK, 1);
	struct thread none = { 0 };
	const void *bytes;

	thread_join(&none); /* one that does not run */
	assert_non_null(ring_room(ring));
	ring_end(ring);
	assert_int_equal(ring_get(ring, 0, &bytes), 0);
	assert_int_equal(ring_get(ring, 0, &bytes), 0);
	ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_taker_sees_all),
		cmocka_unit_test(test_stop_wakes_who_waits),
		cmocka_unit_test(test_an_end_without_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
