/* Text. `struct str` is a growing byte buffer with a largest size given when it is made; going over
 * it is not a crash: the buffer is marked and str_overflowed() says so. `struct strv` is a
 * NULL-terminated array of owned strings that can be passed to execve. */
#ifndef STAVE_BASE_STR_H
#define STAVE_BASE_STR_H

#include "base/alloc.h"
#include "base/cleanup.h"

#include <stdbool.h>
#include <string.h>

struct str {
	char *data; /* NUL-terminated when not NULL; may hold NULs before `len` */
	size_t len;
	size_t cap;
	size_t max; /* most bytes, without the terminator; 0: STR_MAX_DEFAULT */
	bool overflow;
};

#define STR_MAX_DEFAULT ((size_t)64 << 20)
#define STR_INIT	((struct str){ 0 })
#define STR_INIT_MAX(m) ((struct str){ .max = (m) })

void str_done(struct str *s);
#define cleanup_str cleanup(str_done)
void str_clear(struct str *s); /* length 0, keeps the memory and the maximum, forgets an overflow */

/* After an overflow all adding functions do nothing: check once, at the end. */
void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const void *data, size_t len);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool str_overflowed(const struct str *s);

/* The text, never NULL, owned by s. */
const char *str_text(const struct str *s);
/* Hands the memory over (never NULL; free()), leaves s empty. */
char *str_take(struct str *s);
/* At least `more` bytes of room after len (for read()); NULL when that is over the maximum. Add the
 * count read to len with str_grew(). */
char *str_room(struct str *s, size_t more);
void str_grew(struct str *s, size_t count);

struct strv {
	char **v; /* NULL, or NULL-terminated */
	size_t n;
};

void strv_done(struct strv *sv);
#define cleanup_strv cleanup(strv_done)
void strv_add(struct strv *sv, const char *text); /* copies */
void strv_take(struct strv *sv, char *text);	  /* takes ownership */
void strv_addf(struct strv *sv, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strv_copy(struct strv *to, const struct strv *from); /* appends copies */
bool strv_has(const struct strv *sv, const char *text);
bool strv_equal(const struct strv *a, const struct strv *b);
void strv_remove(struct strv *sv, size_t index);
void strv_sort(struct strv *sv);
char *strv_join(const struct strv *sv, const char *separator); /* owned */
/* Splits at each `separator`, keeping empty pieces; "" gives one empty piece. */
struct strv strv_split(const char *text, char separator);

/* `KEY=value` lists. Set replaces the entry with the same key in place. Get returns the value
 * (borrowed) or NULL. */
void env_set(struct strv *env, const char *key, const char *value);
void env_put(struct strv *env, const char *entry); /* entry is "KEY=value" */
const char *env_get(const struct strv *env, const char *key);
void env_unset(struct strv *env, const char *key);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* What follows the prefix, or NULL. */
const char *str_after(const char *s, const char *prefix);
static inline bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}
static inline bool str_empty(const char *s)
{
	return !s || !*s;
}
/* True when s is valid UTF-8 without NUL; and without C0/C1 control characters and DEL when
 * `printable`. */
bool str_utf8(const char *s, size_t len, bool printable);
/* Puts blanks in place of C0/C1 control characters and DEL, so that a text of others says nothing
 * to a terminal; newlines and tabs stay with `lines`. Returns s. */
char *str_tame(char *s, bool lines);
/* Edit distance of the two, at most `limit` + 1 (for "did you mean"). */
size_t str_distance(const char *a, const char *b, size_t limit);

#endif
