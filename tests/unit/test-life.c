/* The life of a container: the table is whole, and says what the design says. */
#include "engine/life.h"
#include "engine/restart.h"
#include "test.h"

#define X(name, text) CONTAINER_##name,
static const enum container_state states[] = { CONTAINER_STATES(X) };
#undef X

static void test_no_cell_is_empty(void **unused)
{
	(void)unused;
	for (size_t s = 0; s < ARRAY_SIZE(states); s++) {
		for (int e = 0; e < LIFE_EVENT_MAX_; e++) {
			const struct life_cell *cell = life_cell(states[s], (enum life_event)e);
			if (cell->sort == CELL_EMPTY)
				fail_msg("%s + %s is empty", container_state_name(states[s]),
					 life_event_name((enum life_event)e));
			if (cell->sort == CELL_GO &&
			    (!cell->action || cell->next >= CONTAINER_STATE_MAX_))
				fail_msg("%s + %s goes nowhere", container_state_name(states[s]),
					 life_event_name((enum life_event)e));
		}
	}
}

static void test_events_have_names(void **unused)
{
	(void)unused;
	for (int e = 0; e < LIFE_EVENT_MAX_; e++)
		assert_non_null(life_event_name((enum life_event)e));
}

static void test_transitions(void **unused)
{
	(void)unused;
	static const struct {
		const char *name;
		enum container_state from;
		enum life_event event;
		int to; /* -1: ignored, -2: refused */
	} cases[] = {
		{ "first start", CONTAINER_CREATED, LIFE_START, CONTAINER_STARTING },
		{ "executed", CONTAINER_STARTING, LIFE_STARTED, CONTAINER_RUNNING },
		{ "not executed", CONTAINER_STARTING, LIFE_START_FAILED, CONTAINER_EXITED },
		{ "start what runs", CONTAINER_RUNNING, LIFE_START, -1 },
		{ "start what is paused", CONTAINER_PAUSED, LIFE_START, CONTAINER_RUNNING },
		{ "start what is stopping", CONTAINER_STOPPING, LIFE_START, -2 },
		{ "end", CONTAINER_RUNNING, LIFE_DIED, CONTAINER_EXITED },
		{ "end with a restart policy", CONTAINER_RUNNING, LIFE_DIED_RETRY,
		  CONTAINER_BACKOFF },
		{ "backoff ends", CONTAINER_BACKOFF, LIFE_BACKOFF_OVER, CONTAINER_STARTING },
		{ "stop in backoff", CONTAINER_BACKOFF, LIFE_STOP, CONTAINER_EXITED },
		{ "backoff that was stopped", CONTAINER_EXITED, LIFE_BACKOFF_OVER, -1 },
		{ "a stopped one is not restarted", CONTAINER_STOPPING, LIFE_DIED_RETRY,
		  CONTAINER_EXITED },
		{ "grace period over", CONTAINER_STOPPING, LIFE_GRACE_OVER, CONTAINER_STOPPING },
		{ "grace period over too late", CONTAINER_EXITED, LIFE_GRACE_OVER, -1 },
		{ "pause what does not run", CONTAINER_EXITED, LIFE_PAUSE, -2 },
		{ "remove what runs", CONTAINER_RUNNING, LIFE_REMOVE, -2 },
		{ "remove", CONTAINER_EXITED, LIFE_REMOVE, CONTAINER_REMOVING },
		{ "remove after a crash", CONTAINER_REMOVING, LIFE_REMOVE, CONTAINER_REMOVING },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct life_cell *cell = life_cell(cases[i].from, cases[i].event);
		int to = cell->sort == CELL_GO	     ? (int)cell->next
			 : cell->sort == CELL_IGNORE ? -1
			 : cell->sort == CELL_REFUSE ? -2
						     : -3;
		if (to != cases[i].to)
			fail_msg("%s: goes to %d, not %d", cases[i].name, to, cases[i].to);
	}
}

/* A process that exists is never forgotten: from a state with one, only its end leads to a state
 * without. */
static void test_only_an_end_ends(void **unused)
{
	(void)unused;
	for (size_t s = 0; s < ARRAY_SIZE(states); s++) {
		for (int e = 0; e < LIFE_EVENT_MAX_; e++) {
			const struct life_cell *cell = life_cell(states[s], (enum life_event)e);
			bool ends =
				e == LIFE_DIED || e == LIFE_DIED_RETRY || e == LIFE_START_FAILED;
			if (cell->sort == CELL_GO && container_is_up(states[s]) && !ends &&
			    !container_is_up(cell->next))
				fail_msg("%s + %s forgets a process",
					 container_state_name(states[s]),
					 life_event_name((enum life_event)e));
		}
	}
}

static void test_restart_wanted(void **unused)
{
	(void)unused;
	static const struct {
		const char *name;
		struct container c;
		bool wanted;
	} cases[] = {
		{ "no", { .restart = RESTART_NO, .wanted = true, .exit_code = 1 }, false },
		{ "always", { .restart = RESTART_ALWAYS, .wanted = true }, true },
		{ "always, stopped", { .restart = RESTART_ALWAYS }, false },
		{ "unless-stopped", { .restart = RESTART_UNLESS_STOPPED, .wanted = true }, true },
		{ "unless-stopped, stopped", { .restart = RESTART_UNLESS_STOPPED }, false },
		{ "on-failure, 0", { .restart = RESTART_ON_FAILURE, .wanted = true }, false },
		{ "on-failure, 3",
		  { .restart = RESTART_ON_FAILURE, .wanted = true, .exit_code = 3 },
		  true },
		{ "on-failure:2, first",
		  { .restart = RESTART_ON_FAILURE,
		    .wanted = true,
		    .exit_code = 3,
		    .restart_retries = 2,
		    .restarts = 1 },
		  true },
		{ "on-failure:2, used up",
		  { .restart = RESTART_ON_FAILURE,
		    .wanted = true,
		    .exit_code = 3,
		    .restart_retries = 2,
		    .restarts = 2 },
		  false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (restart_wanted(&cases[i].c) != cases[i].wanted)
			fail_msg("%s", cases[i].name);
}

static void test_restart_delay(void **unused)
{
	(void)unused;
	nsec_t delay = 0;
	static const int expected_ms[] = { 100,	 200,	400,   800,   1600,  3200,
					   6400, 12800, 25600, 51200, 60000, 60000 };
	for (size_t i = 0; i < ARRAY_SIZE(expected_ms); i++) {
		delay = restart_delay(delay, NSEC_PER_SEC);
		assert_int_equal(delay, expected_ms[i] * NSEC_PER_MSEC);
	}
	assert_int_equal(restart_delay(delay, 10 * NSEC_PER_SEC), 100 * NSEC_PER_MSEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_cell_is_empty), cmocka_unit_test(test_events_have_names),
		cmocka_unit_test(test_transitions),	 cmocka_unit_test(test_only_an_end_ends),
		cmocka_unit_test(test_restart_wanted),	 cmocka_unit_test(test_restart_delay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
