#include "test.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <string.h>

static void known_digests(void **state)
{
	static const struct {
		const char *text, *hex;
	} cases[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char hex[SHA256_HEX];
		hash_hex(cases[i].text, strlen(cases[i].text), hex);
		check_text(cases[i].text, hex, cases[i].hex);
		cleanup(hash_free_cleanup) struct hash *h = hash_new();
		for (const char *p = cases[i].text; *p; p++)
			hash_add(h, p, 1);
		hash_end(h, hex);
		check_text(cases[i].text, hex, cases[i].hex);
	}
}

static void lists_are_unambiguous(void **state)
{
	char one[SHA256_HEX], two[SHA256_HEX];
	cleanup(hash_free_cleanup) struct hash *a = hash_new(), *b = hash_new();
	hash_add_str(a, "ab");
	hash_add_str(a, "c");
	hash_add_str(b, "a");
	hash_add_str(b, "bc");
	hash_end(a, one);
	hash_end(b, two);
	assert_string_not_equal(one, two);
}

static void hexadecimal(void **state)
{
	char out[9], other[9], odd[4];
	hex_encode("\x00\x0f\xf0\xff", 4, out);
	assert_string_equal(out, "000ff0ff");
	hex_random(odd, 3);
	assert_int_equal(strlen(odd), 3);
	assert_int_equal(strspn(odd, "0123456789abcdef"), 3);
	char a[65], b[65];
	hex_random(a, 64);
	hex_random(b, 64);
	assert_int_equal(strspn(a, "0123456789abcdef"), 64);
	assert_string_not_equal(a, b);
	hex_random(other, 0);
	assert_string_equal(other, "");
}

/* Kept until the end, begun in that way and gone on with libcrypto, and with libcrypto from the
 * beginning: also when so much was hashed that nothing is kept any more. */
static void pieces(void **state)
{
	enum { ROUNDS = 20 };
	static const size_t lengths[] = { 0, 1, 32767, 32768, 32769, 40000, 100000 };
	cleanup_free unsigned char *data = xmalloc(100000);

	for (size_t i = 0; i < 100000; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	for (size_t i = 0; i < ROUNDS * ARRAY_SIZE(lengths); i++) {
		size_t len = lengths[i % ARRAY_SIZE(lengths)];
		char one[SHA256_HEX], two[SHA256_HEX];
		cleanup(hash_free_cleanup) struct hash *h = hash_new();

		hash_hex(data, len, one);
		for (size_t at = 0; at < len; at += 1000)
			hash_add(h, data + at, len - at < 1000 ? len - at : 1000);
		hash_end(h, two);
		check_text("pieces", one, two);
	}
}

/* The short way and libcrypto's (so much was hashed before that nothing is kept), over every place
 * where padding changes. */
static void both_ways_agree(void **state)
{
	enum { MOST = HASH_SHORT + 2 };
	cleanup_free unsigned char *data = xmalloc(MOST);
	for (size_t i = 0; i < MOST; i++)
		data[i] = (unsigned char)(i * 131 + i / 251);
	for (size_t len = 0; len <= MOST; len = len == 300 ? HASH_SHORT - 2 : len + 1) {
		char one[SHA256_HEX], two[SHA256_HEX];
		cleanup(hash_free_cleanup) struct hash *h = hash_new();
		hash_hex(data, len, one);
		hash_add(h, data, len);
		hash_end(h, two);
		assert_string_equal(one, two);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_digests),   cmocka_unit_test(lists_are_unambiguous),
		cmocka_unit_test(both_ways_agree), cmocka_unit_test(hexadecimal),
		cmocka_unit_test(pieces),	   cmocka_unit_test(both_ways_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
