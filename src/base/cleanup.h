/* Ownership by attribute: `cleanup_free char *name = NULL;` frees at the end of the scope; `return
 * ptr_take(name)` hands over. Descriptors start as FD_NONE and are closed by cleanup_fd. A room's
 * own types bring their own attribute with DEFINE_CLEANUP. */
#ifndef STAVE_BASE_CLEANUP_H
#define STAVE_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Owning something until the end of the scope is a use, which clang does not see. */
#define cleanup(fn) __attribute__((cleanup(fn), unused))

/* "No descriptor": a valid errno by itself, so that a forgotten one fails loudly instead of meaning
 * fd 0. */
#define FD_NONE (-EBADF)

/* Defines `NAME_cleanup(type **)` for use as cleanup(NAME_cleanup), calling `fn` on a pointer that
 * is not NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
	static inline void fn##_cleanup(type **p)                                                  \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

/* Closes fd when it is one (>= 0), keeps errno, returns FD_NONE so that `fd = fd_close(fd)` forgets
 * it. */
static inline int fd_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;
		(void)close(fd); /* Linux frees the number whatever close() says; there is nothing
				    to retry */
		errno = saved;
	}
	return FD_NONE;
}

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}
static inline void cleanup_fd_(int *fd)
{
	fd_close(*fd);
}
static inline void cleanup_file_(FILE **f)
{
	if (*f)
		fclose(*f);
}
static inline void cleanup_dir_(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define cleanup_free cleanup(cleanup_free_)
#define cleanup_fd   cleanup(cleanup_fd_)
#define cleanup_file cleanup(cleanup_file_)
#define cleanup_dir  cleanup(cleanup_dir_)

/* Take ownership out of a variable that would otherwise be cleaned up. */
#define ptr_take(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define fd_take(fd)                                                                                \
	({                                                                                         \
		int taken_fd_ = (fd);                                                              \
		(fd) = FD_NONE;                                                                    \
		taken_fd_;                                                                         \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
