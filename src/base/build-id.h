/* Which build of the program runs: the linker's build id, in hex; "" when it was linked without. */
#ifndef STAVE_BASE_BUILD_ID_H
#define STAVE_BASE_BUILD_ID_H

enum { BUILD_ID_TEXT = 65 };
const char *build_id(void);

#endif
