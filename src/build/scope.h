/* The variables of a Dockerfile: which value `$NAME` has, and which of them a RUN step sees.
 *
 * The global scope (ARG before the first FROM) is seen by FROM lines; a stage sees of it only what
 * it declares again. ENV wins over ARG of the same name. What the caller gives (--build-arg) counts
 * where the name is declared, and for the proxy variables everywhere. */
#ifndef STAVE_BUILD_SCOPE_H
#define STAVE_BUILD_SCOPE_H

#include "build/dockerfile.h"
#include "build/expand.h"

struct scope {
	const struct strv *given;      /* --build-arg: "NAME=value"; borrowed */
	const struct strv *predefined; /* TARGETPLATFORM and its like; borrowed */
	const struct scope *global;    /* NULL: this is the global one */
	struct strv args;	       /* declared, with their values */
	struct strv env;	       /* of the image so far; ENV */
	char escape;
};
void scope_done(struct scope *scope);
#define cleanup_scope cleanup(scope_done)

/* TARGETPLATFORM, BUILDPLATFORM and their parts. platform: "linux/amd64[/variant]". */
void scope_predefine(const char *target, const char *build, struct strv *ret);

/* For instruction_expand(); borrows the scope. */
struct expand scope_expand(const struct scope *scope);
/* ARG with its default expanded already: one pair. */
void scope_declare(struct scope *scope, const struct pair *pair);
/* The value of a name, or NULL; borrowed. */
const char *scope_value(const struct scope *scope, const char *name);
/* What a RUN step gets besides the image's environment: declared arguments that ENV does not
 * hide. Appends "NAME=value". */
void scope_run_args(const struct scope *scope, struct strv *ret);
/* The proxy variables that were given; they are in no key and in no history. */
void scope_proxies(const struct scope *scope, struct strv *ret);
/* Names given that nothing declares. Appends. */
void scope_unused(const struct strv *given, const struct strv *declared, struct strv *ret);

#endif
