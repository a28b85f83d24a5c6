/* The bytes of a backup file: compressed, checked, perhaps encrypted. For the files of this room.
 *
 *   frame   zstd skippable: "stave-volume 1\n" and the manifest, a JSON object
 *   frames  zstd: the tar
 *   frame   zstd skippable: SEAL_END: entries, bytes, and the SHA-256 of everything before it
 *
 * so that `zstd -d | tar -x` reads it without stave. Encrypted it is "stave-encrypted 1\n", the
 * header of libsodium's secretstream (XChaCha20-Poly1305), and the above in pieces of SEAL_CHUNK
 * bytes, the last one marked as such. */
#ifndef STAVE_VOLUME_SEAL_H
#define STAVE_VOLUME_SEAL_H

#include "volume/backup.h"

#include <stddef.h>
#include <sys/types.h>

enum {
	SEAL_MANIFEST_MAX = 1 << 20,
	SEAL_CHUNK = 64 << 10,
};

/* --- writing --- */
struct seal_writer;
/* Writes the manifest at the position of fd (borrowed). */
int seal_writer_open(int fd, const struct backup_key *key, const json_t *manifest,
		     struct seal_writer **ret, struct err *err);
int seal_write(struct seal_writer *w, const void *data, size_t len, struct err *err);
/* The end mark. Does not sync. */
int seal_writer_end(struct seal_writer *w, uint64_t entries, uint64_t bytes, struct err *err);
void seal_writer_free(struct seal_writer *w);
DEFINE_CLEANUP(struct seal_writer, seal_writer_free)

/* --- reading: everything is checked, nothing is believed --- */
struct seal_reader;
/* Reads as far as the manifest (*ret_manifest: new reference). ERR_USAGE when a key is missing or
 * not needed. */
int seal_reader_open(int fd, const struct backup_key *key, struct seal_reader **ret,
		     json_t **ret_manifest, bool *ret_encrypted, struct err *err);
/* The next bytes of the tar, borrowed until the next call; 0 at its end. */
ssize_t seal_read(struct seal_reader *r, const void **ret, struct err *err);
/* Reads what is left and compares the end mark. */
int seal_reader_end(struct seal_reader *r, uint64_t entries, uint64_t bytes, struct err *err);
void seal_reader_free(struct seal_reader *r);
DEFINE_CLEANUP(struct seal_reader, seal_reader_free)

#endif
