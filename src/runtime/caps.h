/* Capability names and sets (capabilities(7)). */
#ifndef STAVE_RUNTIME_CAPS_H
#define STAVE_RUNTIME_CAPS_H

#include <stdint.h>

/* Docker's fourteen: what a container has by default. */
uint64_t caps_default(void);
uint64_t caps_all(void); /* every capability this kernel knows */
/* "NET_ADMIN", "CAP_NET_ADMIN", any case; the number, or -EINVAL. */
int caps_parse(const char *name);
const char *caps_name(int cap); /* "CAP_NET_ADMIN"; NULL when unknown */

#endif
