/* The least that inflating costs: gzip files, one process a core, nothing but the library. Prints
 * seconds, and the bytes that came out. bench/image takes the fastest of the libraries that were
 * there when this was built.
 *
 *   inflate LIBRARY FILE...      LIBRARY: zlib, libdeflate, isal */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

enum { OUT = 1 << 18 };

static unsigned long long with_zlib(const unsigned char *in, size_t len)
{
	static unsigned char out[OUT];
	z_stream z = { .next_in = (unsigned char *)in, .avail_in = (unsigned)len };
	int r = inflateInit2(&z, 31);

	while (r == Z_OK) {
		z.next_out = out;
		z.avail_out = OUT;
		r = inflate(&z, Z_NO_FLUSH);
	}
	inflateEnd(&z);
	return r == Z_STREAM_END ? z.total_out : 0;
}

#ifdef HAVE_LIBDEFLATE
static unsigned long long with_libdeflate(const unsigned char *in, size_t len)
{
	size_t room = (size_t)1 << 28, got = 0;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	unsigned char *out =
		mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (libdeflate_gzip_decompress(d, in, len, out, room, &got) != LIBDEFLATE_SUCCESS)
		got = 0;
	munmap(out, room);
	return got;
}
#endif

#ifdef HAVE_ISAL
static unsigned long long with_isal(const unsigned char *in, size_t len)
{
	static unsigned char out[OUT];
	static struct inflate_state s;
	unsigned long long total = 0;

	isal_inflate_init(&s);
	s.crc_flag = ISAL_GZIP;
	s.next_in = (unsigned char *)in;
	s.avail_in = (unsigned)len;
	do {
		s.next_out = out;
		s.avail_out = OUT;
		if (isal_inflate(&s) != ISAL_DECOMP_OK)
			return 0;
		total += OUT - s.avail_out;
	} while (s.block_state != ISAL_BLOCK_FINISH);
	return total;
}
#endif

static const struct {
	const char *name;
	unsigned long long (*inflate)(const unsigned char *in, size_t len);
} libraries[] = {
	{ "zlib", with_zlib },
#ifdef HAVE_LIBDEFLATE
	{ "libdeflate", with_libdeflate },
#endif
#ifdef HAVE_ISAL
	{ "isal", with_isal },
#endif
};

static unsigned long long one(const char *library, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *in;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	in = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	close(fd);
	for (size_t i = 0; in != MAP_FAILED && i < sizeof(libraries) / sizeof(*libraries); i++)
		if (strcmp(library, libraries[i].name) == 0)
			return libraries[i].inflate(in, (size_t)st.st_size);
	return 0;
}

int main(int argc, char **argv)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned long long *total =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (long c = 0; c < cores; c++) /* core c takes each cores-th file */
		if (fork() == 0) {
			for (int i = 2 + (int)c; i < argc; i += (int)cores) {
				unsigned long long n = one(argv[1], argv[i]);

				if (!n)
					_exit(1);
				__atomic_add_fetch(total, n, __ATOMIC_RELAXED);
			}
			_exit(0);
		}
	for (int status; wait(&status) > 0;)
		if (status)
			return 1;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.3f %llu\n", (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9,
	       *total);
	return 0;
}
