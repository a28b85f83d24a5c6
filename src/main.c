#include "base/proc.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	proc_title_init(argc, argv);
	if (argc == 2 && strcmp(argv[1], "version") == 0)
		return puts("stave version " STAVE_VERSION) < 0;
	fprintf(stderr, "usage: stave version\n");
	return 2;
}
