#include "base/hash.h"

#include "base/alloc.h"
#include "base/sha256.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

/* libcrypto fails here only without memory or without SHA-256: both end the program. */
struct hash {
	EVP_MD_CTX *context;
};

static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct hash *hash_new(void)
{
	struct hash *h = new0(struct hash);
	h->context = EVP_MD_CTX_new();
	must(h->context != NULL);
	must(EVP_DigestInit_ex(h->context, EVP_sha256(), NULL));
	return h;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->context);
	free(h);
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	must(EVP_DigestUpdate(h->context, data, len));
}

void hash_add_str(struct hash *h, const char *s)
{
	hash_add(h, s, strlen(s) + 1);
}

void hash_end(struct hash *h, char hex[SHA256_HEX])
{
	unsigned char digest[SHA256_SIZE];
	must(EVP_DigestFinal_ex(h->context, digest, NULL));
	hex_encode(digest, sizeof(digest), hex);
}

void hash_hex(const void *data, size_t len, char hex[SHA256_HEX])
{
	if (len <= HASH_SHORT) {
		unsigned char digest[SHA256_SIZE];
		sha256_short(data, len, digest);
		hex_encode(digest, sizeof(digest), hex);
		return;
	}
	cleanup(hash_free_cleanup) struct hash *h = hash_new();
	hash_add(h, data, len);
	hash_end(h, hex);
}

void hex_encode(const void *data, size_t len, char *out)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = "0123456789abcdef"[p[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
	out[2 * len] = '\0';
}

void hex_random(char *out, size_t len)
{
	while (len) {
		unsigned char bytes[16];
		char text[2 * sizeof(bytes) + 1];
		if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			continue; /* interrupted before the pool was ready */
		hex_encode(bytes, sizeof(bytes), text);
		size_t n = len < 2 * sizeof(bytes) ? len : 2 * sizeof(bytes);
		memcpy(out, text, n);
		out += n;
		len -= n;
	}
	*out = '\0';
}
