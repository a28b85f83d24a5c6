/* A backup file of a volume: its frames, manifest, tar and end mark. Without and with a key. */
#include "base/fs.h"
#include "volume/backup.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct backup_key key = { "0123456789abcdef0123456789abcde" };
	cleanup_fd int fd = memfd_create("backup", MFD_CLOEXEC);
	char path[48];

	if (size > FUZZ_MAX || fd < 0 || fs_write_all(fd, data, size) < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int with = 0; with < 2; with++) {
		cleanup_backup_info struct backup_info info = { 0 };
		cleanup_err struct err err = ERR_INIT;
		struct backup_options options = { .key = with ? &key : NULL };

		if (backup_verify(path, &options, &info, &err) == 0)
			assert(json_is_object(info.manifest) && info.encrypted == (with == 1));
	}
	return 0;
}
