/* The Container Device Interface: files in /etc/cdi and /var/run/cdi (STAVE_CDI_DIRS names others,
 * separated by colons; the later counts more) say which nodes, mounts and variables a device such
 * as "vendor.com/class=name" consists of. Read when a container is made; their authors are the
 * host's administrators, and yet everything is bounded and checked. */
#ifndef STAVE_ENGINE_CDI_H
#define STAVE_ENGINE_CDI_H

#include "base/err.h"
#include "base/str.h"
#include "runtime/spec.h"

/* Whether it is a device's name, and not a path: "vendor.com/class=name". */
bool cdi_is_name(const char *text);
/* Puts the devices, each once, into the spec: variables, nodes, mounts, groups. What is not acted
 * on is added to `warnings`. ERR_NOT_FOUND: there is no such device, or two files describe it;
 * ERR_UNSUPPORTED: it needs what is not done here (hooks); ERR_INPUT. The spec is then unfinished.
 */
int cdi_apply(const struct strv *devices, struct spec *spec, struct strv *warnings,
	      struct err *err);

#endif
