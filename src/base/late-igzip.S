/* ISA-L, where it was found; otherwise gzip is zlib's, through libarchive (image/igzip.h). */
#include "base/late.inc"

LATE_LIBRARY isal, "libisal.so.2"
LATE_FUNCTION isal, isal_deflate
LATE_FUNCTION isal, isal_deflate_init
LATE_FUNCTION isal, isal_inflate
LATE_FUNCTION isal, isal_inflate_init
LATE_FUNCTION isal, isal_inflate_reset

.section .note.GNU-stack, "", @progbits
