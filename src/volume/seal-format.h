/* What seal-write.c and seal-read.c agree on. */
#ifndef STAVE_VOLUME_SEAL_FORMAT_H
#define STAVE_VOLUME_SEAL_FORMAT_H

#include "volume/seal.h"

#include <sodium.h>

#define SEAL_MAGIC     "stave-volume 1\n"
#define SEAL_ENCRYPTED "stave-encrypted 1\n"

enum {
	SEAL_FRAME = 8, /* head of a skippable frame */
	SEAL_TAG = crypto_secretstream_xchacha20poly1305_ABYTES,
	SEAL_END_TEXT = 17 + 8 + 20 + 7 + 20 + 8 + 64 + 1,
	SEAL_END = SEAL_FRAME + SEAL_END_TEXT,
};
_Static_assert(sizeof(((struct backup_key *)0)->bytes) ==
		       crypto_secretstream_xchacha20poly1305_KEYBYTES,
	       "a key of libsodium's size");

/* Magic number 0x184D2A50 and the length of what follows. */
static inline void seal__frame(unsigned char head[SEAL_FRAME], size_t len)
{
	static const unsigned char magic[4] = { 0x50, 0x2a, 0x4d, 0x18 };

	memcpy(head, magic, sizeof(magic));
	for (int i = 0; i < 4; i++)
		head[4 + i] = (unsigned char)(len >> (8 * i));
}

void seal__end_mark(unsigned char mark[SEAL_END], uint64_t entries, uint64_t bytes,
		    const char *hex);

#endif
