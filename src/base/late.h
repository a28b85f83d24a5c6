/* Shared libraries that only some runs of stave need are opened at the first call into them, not
 * at start: libcurl alone brings thirty others. Measured on 2 cores, a program that does nothing:
 * 6.7 ms and 9.4 MB with everything linked, 0.9 ms and 0.7 MB without what is late. `exec`, `ps`,
 * every keeper and every supervisor pay that.
 *
 * late.S lists the functions that are called, and gives each a trampoline under its own name, so
 * that C code calls them as ever. The first call resolves the function and goes on into it; later
 * ones jump straight. A library or a function that is missing ends the program with a message, as
 * the dynamic linker would have done at start. On processors other than x86-64 meson links the
 * libraries as usual.
 *
 * A process that enters a root which is not the host's must not open libraries there: they would be
 * the container's. It calls late_close() first, and then every late call that was not made before
 * aborts.
 */
#ifndef STAVE_BASE_LATE_H
#define STAVE_BASE_LATE_H

#include <stdbool.h>

/* Whether a library that stave can do without is there; opens it then. */
bool late_has(const char *soname);

struct late_library {
	const char *soname;
	void *handle; /* NULL until it is opened */
};
struct late_function {
	void *address; /* of the function once it is resolved; of the resolving code before */
	const char *name;
	struct late_library *library;
};

/* From here on nothing is opened any more; what is resolved stays. `library` (a soname, may be
 * NULL) is opened whole before that, and what the C library itself reads late is read. */
void late_close(const char *library);

/* The same without the preparations, for a process that needs no library any more. Costs nothing.
 */
void late_forbid(void);

/* For the assembly and for tests: finds the function, remembers and returns its address. */
void *late_resolve(struct late_function *f);

#endif
