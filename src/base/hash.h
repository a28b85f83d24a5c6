/* SHA-256 over libcrypto (or, of short texts, without it), and hexadecimal. */
#ifndef STAVE_BASE_HASH_H
#define STAVE_BASE_HASH_H

#include "base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_HEX = 65 };

struct hash; /* a running SHA-256 */
struct hash *hash_new(void);
void hash_free(struct hash *h);
DEFINE_CLEANUP(struct hash, hash_free)
void hash_add(struct hash *h, const void *data, size_t len);
void hash_add_str(struct hash *h,
		  const char *s); /* with its terminator, so that lists are unambiguous */
/* Ends it; hex is 64 lower-case digits and a NUL. */
void hash_end(struct hash *h, char hex[SHA256_HEX]);
/* Up to HASH_SHORT bytes without loading libcrypto. */
enum { HASH_SHORT = 32768 };
void hash_hex(const void *data, size_t len, char hex[SHA256_HEX]);
void hex_encode(const void *data, size_t len, char *out); /* out: 2 * len + 1 bytes */
/* Random lower-case hex of `len` characters and a NUL, from getrandom(). */
void hex_random(char *out, size_t len);

#endif
