/* Small helpers over jansson: cleanup, files, and reading members with a default. */
#ifndef STAVE_BASE_JSON_H
#define STAVE_BASE_JSON_H

#include "base/err.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

static inline void json_cleanup_(json_t **j)
{
	json_decref(*j);
}
#define cleanup_json cleanup(json_cleanup_)

/* Parses text (len bytes; duplicate keys refused; depth bounded by jansson's 2048). Returns a new
 * reference in ret. `what` names the source in messages. */
int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct err *err);
/* An empty file is -ENODATA. */
int json_read(int dirfd, const char *path, size_t max, json_t **ret, struct err *err);
/* Writes atomically (temporary name, rename); flags as fs_write_atomic. */
int json_write(int dirfd, const char *path, const json_t *j, mode_t mode, unsigned flags,
	       struct err *err);
char *json_text(const json_t *j); /* compact, sorted keys, owned: equal values give equal text */

/* Members with a default when missing, null or of another type. Strings are borrowed. */
const char *json_str(const json_t *obj, const char *key, const char *fallback);
int64_t json_int(const json_t *obj, const char *key, int64_t fallback);
double json_num(const json_t *obj, const char *key, double fallback);
bool json_flag(const json_t *obj, const char *key, bool fallback);
/* Appends the strings of an array member; other elements are skipped. */
void json_strv(const json_t *obj, const char *key, struct strv *out);
json_t *json_from_strv(const struct strv *sv); /* new reference: an array */

/* Sets obj[key], stealing value; skips when value is NULL. */
void json_put(json_t *obj, const char *key, json_t *value);
void json_put_str(json_t *obj, const char *key, const char *value); /* skips when value is NULL */

#endif
