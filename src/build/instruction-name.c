/* What instructions are called. */
#include "build/parser.h"

const char *const instruction__names[] = {
#define X(name) #name,
	INSTRUCTION_KINDS(X)
#undef X
		NULL
};

const char *instruction_name(enum instruction_kind kind)
{
	return instruction__names[kind];
}
