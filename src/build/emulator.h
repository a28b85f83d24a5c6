/* Programs of other machines: the kernel runs them where an interpreter is registered with
 * binfmt_misc. */
#ifndef STAVE_BUILD_EMULATOR_H
#define STAVE_BUILD_EMULATOR_H

#include <stdbool.h>

/* Whether this machine runs programs of the architecture ("arm64") itself. */
bool emulator_is_native(const char *architecture);
/* Whether an enabled entry takes its ELF programs. An architecture that is not known here: true,
 * the kernel will say. */
bool emulator_there(const char *architecture);

#endif
