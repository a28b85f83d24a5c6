/* Where nothing is late: everything was linked and opened at start. */
#include "base/late.h"

#include <iconv.h>

void late_close(const char *library)
{
	(void)library;
	/* As in late.c: the C library's own table of character set modules. */
	iconv_t conversion = iconv_open("UTF-8", "ANSI_X3.4-1968");
	if (conversion != (iconv_t)-1)
		iconv_close(conversion);
}

bool late_has(const char *soname)
{
	(void)soname;
	return true;
}

void late_forbid(void)
{
}
