/* Lists of strings, and the environment as one. */
#include "base/str.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

void strv_done(struct strv *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	free(sv->v);
	*sv = (struct strv){ 0 };
}

/* The capacity is not stored: it is always the next power of two above n, at least 4. */
static bool is_full(size_t n)
{
	return n == 0 || (n + 1 >= 4 && ((n + 1) & n) == 0);
}

void strv_take(struct strv *sv, char *text)
{
	if (!sv->v || is_full(sv->n)) {
		size_t cap = sv->n + 1 < 4 ? 4 : (sv->n + 1) * 2;
		sv->v = xreallocarray(sv->v, cap, sizeof(*sv->v));
	}
	sv->v[sv->n++] = text;
	sv->v[sv->n] = NULL;
}

void strv_add(struct strv *sv, const char *text)
{
	strv_take(sv, xstrdup(text));
}

void strv_addf(struct strv *sv, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	strv_take(sv, xvasprintf(format, ap));
	va_end(ap);
}

void strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

bool strv_has(const struct strv *sv, const char *text)
{
	for (size_t i = 0; i < sv->n; i++)
		if (strcmp(sv->v[i], text) == 0)
			return true;
	return false;
}

bool strv_equal(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

void strv_remove(struct strv *sv, size_t index)
{
	assert(index < sv->n);
	free(sv->v[index]);
	memmove(&sv->v[index], &sv->v[index + 1], (sv->n - index) * sizeof(*sv->v));
	sv->n--;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *sv)
{
	if (sv->n > 1)
		qsort(sv->v, sv->n, sizeof(*sv->v), compare);
}

char *strv_join(const struct strv *sv, const char *separator)
{
	size_t size = 1, gap = strlen(separator);
	for (size_t i = 0; i < sv->n; i++)
		size += strlen(sv->v[i]) + gap;

	char *text = xmalloc(size), *end = text;
	for (size_t i = 0; i < sv->n; i++) {
		if (i)
			end = mempcpy(end, separator, gap);
		end = mempcpy(end, sv->v[i], strlen(sv->v[i]));
	}
	*end = '\0';
	return text;
}

struct strv strv_split(const char *text, char separator)
{
	struct strv sv = { 0 };
	for (;;) {
		const char *end = strchrnul(text, separator);
		strv_take(&sv, xstrndup(text, (size_t)(end - text)));
		if (!*end)
			return sv;
		text = end + 1;
	}
}

/* The index of the entry whose key is the `len` bytes at key, or env->n. */
static size_t env_find(const struct strv *env, const char *key, size_t len)
{
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], key, len) == 0 &&
		    (env->v[i][len] == '=' || env->v[i][len] == '\0'))
			return i;
	return env->n;
}

void env_put(struct strv *env, const char *entry)
{
	size_t i = env_find(env, entry, (size_t)(strchrnul(entry, '=') - entry));
	if (i == env->n) {
		strv_add(env, entry);
		return;
	}
	char *copy = xstrdup(entry);
	free(env->v[i]);
	env->v[i] = copy;
}

void env_set(struct strv *env, const char *key, const char *value)
{
	cleanup_free char *entry = xasprintf("%s=%s", key, value);
	env_put(env, entry);
}

const char *env_get(const struct strv *env, const char *key)
{
	size_t len = strlen(key), i = env_find(env, key, len);
	return i < env->n && env->v[i][len] == '=' ? env->v[i] + len + 1 : NULL;
}

void env_unset(struct strv *env, const char *key)
{
	size_t i = env_find(env, key, strlen(key));
	if (i < env->n)
		strv_remove(env, i);
}
