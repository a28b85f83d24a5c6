/* Runs the program from a sealed copy in memory. A process that enters a container is, until its
 * exec, a process of the container that runs our binary: through /proc/PID/exe the container could
 * otherwise write to the binary on the host's disk (CVE-2019-5736). */
#include "runtime/runtime.h"

#include "base/fs.h"

#include <fcntl.h>
#include <link.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static int copy_all(int from, int to, off_t size)
{
	for (off_t at = 0; at < size;) {
		ssize_t n = sendfile(to, from, &at, (size_t)(size - at));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
	}
	return 0;
}

/* Where what is loaded ends: symbols and debugging information behind it, three quarters of a file
 * that was not stripped, need no copy. The whole file when it is not an ELF file of this machine.
 */
static off_t loaded_end(int fd, off_t size)
{
	ElfW(Ehdr) header;
	off_t end = 0;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_phentsize != sizeof(ElfW(Phdr)))
		return size;
	for (size_t i = 0; i < header.e_phnum; i++) {
		ElfW(Phdr) segment;
		off_t at = (off_t)(header.e_phoff + i * sizeof(segment));
		if (pread(fd, &segment, sizeof(segment), at) != sizeof(segment))
			return size;
		off_t behind = (off_t)(segment.p_offset + segment.p_filesz);
		end = segment.p_type == PT_LOAD && behind > end ? behind : end;
	}
	return end > 0 && end < size ? end : size;
}

/* Kernels from 6.3 on ask to say that the copy is to be executed; older ones refuse the flag. */
static int make_memfd(void)
{
	int fd = memfd_create("stave", MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x10u /* MFD_EXEC */);

	return fd < 0 && errno == EINVAL ? memfd_create("stave", MFD_CLOEXEC | MFD_ALLOW_SEALING)
					 : fd;
}

/* The kernel refuses while anybody holds one of the new pages for a moment (reclaim, compaction):
 * seen on a busy machine. */
static int seal(int fd)
{
	enum { TRIES = 100, PAUSE_US = 1000 };
	for (int i = 0; i < TRIES; i++) {
		if (fcntl(fd, F_ADD_SEALS, SEALS) == 0)
			return 0;
		if (errno != EBUSY)
			return -errno;
		(void)usleep(PAUSE_US);
	}
	return -EBUSY;
}

/* The arguments that this process was started with. */
static int own_arguments(struct strv *ret, struct err *err)
{
	enum { BYTES_MAX = 4 << 20 }; /* above what the kernel allows by default */
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(AT_FDCWD, "/proc/self/cmdline", BYTES_MAX, &text, err);

	if (r < 0)
		return r;
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1)
		strv_add(ret, text.data + at);
	return 0;
}

int runtime_protect(char **argv, struct err *err)
{
	cleanup_strv struct strv own = { 0 };
	cleanup_fd int self = fs_open(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, err);
	struct stat st;
	int r;

	if (self < 0)
		return self;
	if (fcntl(self, F_GET_SEALS) == SEALS)
		return 0;
	cleanup_fd int copy = make_memfd();
	if (copy < 0 || fstat(self, &st) < 0)
		return err_sys(err, errno, "make a sealed copy of the program");
	if ((r = copy_all(self, copy, loaded_end(self, st.st_size))) < 0)
		return err_sys(err, -r, "copy the program");
	if ((r = seal(copy)) < 0)
		return err_sys(err, -r, "seal the copy of the program");
	if (!argv && (r = own_arguments(&own, err)) < 0)
		return r;
	(void)syscall(SYS_execveat, copy, "", argv ? argv : own.v, environ, AT_EMPTY_PATH);
	return err_sys(err, errno, "execute the copy of the program");
}
