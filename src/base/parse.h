/* Text to numbers, strictly: no leading blanks, no trailing text, no overflow; and back. */
#ifndef STAVE_BASE_PARSE_H
#define STAVE_BASE_PARSE_H

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All return 0, or -EINVAL (not a number, trailing text) or -ERANGE (outside low..high), and write
 * only on success. */
int parse_i64(const char *s, int64_t low, int64_t high, int64_t *ret);
int parse_u64(const char *s, uint64_t low, uint64_t high, uint64_t *ret);
int parse_int(const char *s, int low, int high, int *ret);
int parse_octal(const char *s, uint32_t high, uint32_t *ret); /* 0644, 644 or 0o644 */
int parse_double(const char *s, double low, double high, double *ret);
int parse_bool(const char *s, bool *ret); /* true/false/1/0/yes/no/on/off/t/f/y/n, any case */

/* Durations as Go and Compose write them: "1h30m", "1.5s", "250ms", "10us", "-1s" refused; a bare
 * "0" is allowed. */
int parse_duration(const char *s, nsec_t *ret);
/* "1m30s" as Go prints it: 90000000000 -> "1m30s". Into buf (at least DURATION_TEXT bytes); returns
 * buf. */
enum { DURATION_TEXT = 40 };
char *format_duration(nsec_t d, char buf[DURATION_TEXT]);
/* Byte sizes as Docker reads them: "512", "64k", "1.5gb", "10MiB" (all powers of 1024). */
int parse_size(const char *s, uint64_t *ret);
/* "12.3MB", as Docker shows sizes (powers of 1000). Owned. */
char *format_size(uint64_t bytes);
/* Base64 with padding, on one line. Owned. */
char *format_base64(const void *data, size_t len);

#endif
