/* What every unit test includes: cmocka with the headers it wants, and a runner for tables. */
#ifndef STAVE_TEST_H
#define STAVE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fails with the case's name and a reason: `check(c->name, value == c->want, "got %d", value)`. */
#define check(name, condition, ...)                                                                \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_error("case '%s': %s: ", (name), #condition);                        \
			print_error(__VA_ARGS__);                                                  \
			print_error("\n");                                                         \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

/* The same for text, either of which may be NULL. */
#define check_text(name, got, want)                                                                \
	do {                                                                                       \
		const char *got_ = (got), *want_ = (want);                                         \
		check((name), got_ == want_ || (got_ && want_ && strcmp(got_, want_) == 0),        \
		      "got \"%s\", want \"%s\"", got_ ? got_ : "(null)",                           \
		      want_ ? want_ : "(null)");                                                   \
	} while (0)

#endif
