/* For base/hash.c: SHA-256 without libcrypto, for short texts. */
#ifndef STAVE_BASE_SHA256_H
#define STAVE_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

void sha256_short(const void *data, size_t len, unsigned char digest[32]);

#endif
