#include "base/late.h"

#include <dlfcn.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void missing(const struct late_function *f)
{
	const char *why = dlerror();
	fprintf(stderr, "stave: '%s' of '%s' is needed here: %s\n", f->name, f->library->soname,
		why ? why : "not found");
	_exit(127); /* the dynamic linker's status for the same trouble */
}

static bool closed;

/* The linker gives a section with such a name these two symbols. */
extern struct late_function __start_late_functions[], __stop_late_functions[];

void late_close(const char *soname)
{
	for (struct late_function *f = __start_late_functions; f < __stop_late_functions; f++)
		if (soname && strcmp(f->library->soname, soname) == 0 && !f->library->handle) {
			f->library->handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
			if (!f->library->handle)
				missing(f);
		}
	/* The C library reads the table of its character set modules at the first conversion, from
	 * whatever root there is then: so that is now. */
	iconv_t conversion = iconv_open("UTF-8", "ANSI_X3.4-1968");
	if (conversion != (iconv_t)-1)
		iconv_close(conversion);
	closed = true;
}

bool late_has(const char *soname)
{
	struct late_library *library = NULL;

	for (struct late_function *f = __start_late_functions; f < __stop_late_functions; f++)
		if (strcmp(f->library->soname, soname) == 0)
			library = f->library;
	if (library && !library->handle && !closed)
		library->handle = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);
	return library && library->handle;
}

void late_forbid(void)
{
	closed = true;
}

void *late_resolve(struct late_function *f)
{
	struct late_library *library = f->library;
	if (!library->handle && closed)
		abort(); /* a mistake in stave: it would be opened in a container's root */
	if (!library->handle)
		library->handle = dlopen(library->soname, RTLD_LAZY | RTLD_LOCAL);
	if (!library->handle)
		missing(f);
	void *address = dlsym(library->handle, f->name);
	if (!address)
		missing(f);
	f->address = address;
	return address;
}
