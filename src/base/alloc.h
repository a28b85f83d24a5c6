/* Memory that never fails: every allocator here aborts the process when memory runs out. A
 * crash-only program may do that because sizes that come from outside are checked before they get
 * here (style: habit 7). Not for the keeper after its start, nor between clone and exec. */
#ifndef STAVE_BASE_ALLOC_H
#define STAVE_BASE_ALLOC_H

#include <stdarg.h>
#include <stddef.h>

/* All return memory that the caller frees with free(). A size of 0 gives a valid pointer. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size); /* zeroed; aborts on overflow of count * size */
void *xreallocarray(void *ptr, size_t count, size_t size);
char *xstrdup(const char *s);		   /* NULL in, NULL out */
char *xstrndup(const char *s, size_t max); /* at most max bytes, always terminated */
void *xmemdup(const void *data, size_t size);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));

#define new0(type) ((type *)xcalloc(1, sizeof(type)))

#endif
