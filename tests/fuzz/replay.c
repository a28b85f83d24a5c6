/* Runs a fuzz target over the files of its corpus, as an ordinary test:
 *
 *	fuzz-dns tests/fuzz/corpus/dns
 *
 * To fuzz instead: clang -fsanitize=fuzzer,address with the target's file and its room's library.
 */
#include "base/fs.h"

#include <fcntl.h>
#include <stdint.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_strv struct strv files = { 0 };
	if (argc != 2)
		return 2;
	cleanup_fd int dir = fs_open(AT_FDCWD, argv[1], O_RDONLY | O_DIRECTORY, 0, &err);
	if (dir < 0 || fs_list(dir, ".", &files, &err) < 0 || files.n == 0) {
		fprintf(stderr, "%s: %s\n", argv[1], err.msg ? err.msg : "no files");
		return 1;
	}
	for (size_t i = 0; i < files.n; i++) {
		cleanup_str struct str bytes = STR_INIT;
		if (fs_read(dir, files.v[i], INPUT_MAX, &bytes, &err) < 0) {
			fprintf(stderr, "%s: %s\n", files.v[i], err.msg);
			return 1;
		}
		/* A copy of its own size, so that the address sanitizer sees the end. */
		cleanup_free uint8_t *copy = xmemdup(bytes.len ? bytes.data : "", bytes.len);
		LLVMFuzzerTestOneInput(copy, bytes.len);
	}
	printf("%zu inputs\n", files.n);
	return 0;
}
