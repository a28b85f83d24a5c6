#include "base/alloc.h"

#include "base/cleanup.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* abort() and not exit(): the core shows who asked, and no cleanup code runs on half a state. */
static void *checked(void *p)
{
	if (!p) {
		static const char message[] = "stave: out of memory\n";
		ssize_t n = write(STDERR_FILENO, message, sizeof(message) - 1);
		(void)n; /* nothing can be done about it here */
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xreallocarray(void *ptr, size_t count, size_t size)
{
	return checked(reallocarray(ptr, count ? count : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return s ? checked(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t max)
{
	return checked(strndup(s, max));
}

void *xmemdup(const void *data, size_t size)
{
	void *copy = xmalloc(size);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

char *xvasprintf(const char *format, va_list ap)
{
	char *text = NULL;
	if (vasprintf(&text, format, ap) < 0)
		checked(NULL);
	return text;
}

char *xasprintf(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	char *text = xvasprintf(format, ap);
	va_end(ap);
	return text;
}
