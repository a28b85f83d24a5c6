#include "base/hash.h"

#include "base/alloc.h"
#include "base/sha256.h"
#include "base/str.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

/* Short texts are kept until their end, and then hashed without libcrypto: loading it takes as long
 * as 30 steps of a build that are in the cache. */
struct hash {
	EVP_MD_CTX *context; /* NULL: all is in `kept` so far */
	struct str kept;
};

/* Whoever hashes much is better off with libcrypto after all: it is four times as fast. */
enum { KEPT_TOTAL = 256 << 10 };
static size_t kept_total; /* of this process, that was hashed without it */

/* libcrypto fails here only without memory or without SHA-256: both end the program. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct hash *hash_new(void)
{
	struct hash *h = new0(struct hash);

	h->kept = STR_INIT_MAX(HASH_SHORT);
	return h;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	if (h->context)
		EVP_MD_CTX_free(h->context);
	str_done(&h->kept);
	free(h);
}

/* Goes on with libcrypto. */
static void start(struct hash *h)
{
	h->context = EVP_MD_CTX_new();
	must(h->context != NULL);
	must(EVP_DigestInit_ex(h->context, EVP_sha256(), NULL));
	must(EVP_DigestUpdate(h->context, str_text(&h->kept), h->kept.len));
	str_done(&h->kept);
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	if (!h->context && len <= HASH_SHORT - h->kept.len && kept_total < KEPT_TOTAL) {
		str_addn(&h->kept, data, len);
		return;
	}
	if (!h->context)
		start(h);
	must(EVP_DigestUpdate(h->context, data, len));
}

void hash_add_str(struct hash *h, const char *s)
{
	hash_add(h, s, strlen(s) + 1);
}

void hash_end(struct hash *h, char hex[SHA256_HEX])
{
	unsigned char digest[SHA256_SIZE];

	if (h->context) {
		must(EVP_DigestFinal_ex(h->context, digest, NULL));
	} else {
		kept_total += h->kept.len;
		sha256_short(str_text(&h->kept), h->kept.len, digest);
	}
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
