/* Time. nsec_t is monotonic unless the name says wall. */
#ifndef STAVE_BASE_TIME_H
#define STAVE_BASE_TIME_H

#include <stdint.h>

typedef int64_t nsec_t;

#define NSEC_PER_SEC  ((nsec_t)1000000000)
#define NSEC_PER_MSEC ((nsec_t)1000000)
#define NSEC_PER_USEC ((nsec_t)1000)
#define NSEC_NEVER    INT64_MAX

nsec_t now_mono(void);
nsec_t now_wall(void); /* since 1970 */

/* RFC 3339 in UTC with nanoseconds, "2026-11-21T04:25:44.123456789Z" (30 characters). */
enum { RFC3339_TEXT = 32 };
char *format_rfc3339(nsec_t wall, char buf[RFC3339_TEXT]);
/* RFC 3339 with any fraction and Z or an offset; also a date alone, a date and time without zone
 * (UTC), and seconds since 1970 with a fraction. Returns 0 or -EINVAL. */
int parse_rfc3339(const char *s, nsec_t *ret_wall);
/* "5 seconds ago" as Docker words it; d is an age. */
enum { AGE_TEXT = 32 };
char *format_age(nsec_t d, char buf[AGE_TEXT]); /* "5 seconds", "About a minute", "3 weeks" */

#endif
