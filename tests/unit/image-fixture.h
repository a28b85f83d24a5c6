/* Archives made in memory, and a store of one's own below /tmp, for the tests of image/. */
#ifndef STAVE_TESTS_IMAGE_FIXTURE_H
#define STAVE_TESTS_IMAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "image/store.h"

struct fixture {
	char root[64];
	struct image_store *store;
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = new0(struct fixture);
	struct err err = ERR_INIT;

	snprintf(f->root, sizeof(f->root), "/tmp/stave-test-XXXXXX");
	if (!mkdtemp(f->root) || image_store_open(f->root, &f->store, &err) < 0)
		return -1;
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int r;

	image_store_free(f->store);
	r = fs_remove_tree(AT_FDCWD, f->root, &err);
	err_done(&err);
	free(f);
	return r;
}

/* One entry of a tar. `type` is AE_IF*; with `link` a hard link (type 0) or a symlink. */
struct tar_entry {
	const char *name;
	mode_t type;
	mode_t mode;
	const char *data;
	const char *link;
	int64_t uid, gid, mtime;
	const char *xattr, *xattr_value;
	unsigned major, minor;
	int64_t size; /* 0: of data */
};

/* A descriptor of an anonymous file that holds the archive, at its start. filter: ARCHIVE_FILTER_*.
 */
static inline int tar_make(const struct tar_entry *entries, size_t count, int filter)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);
	struct archive *a = archive_write_new();

	archive_write_set_format_pax_restricted(a);
	archive_write_add_filter(a, filter);
	archive_write_set_bytes_in_last_block(a, 1);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	for (size_t i = 0; i < count; i++) {
		const struct tar_entry *t = &entries[i];
		struct archive_entry *e = archive_entry_new();
		size_t len = t->data ? strlen(t->data) : 0;

		archive_entry_set_pathname(e, t->name);
		archive_entry_set_filetype(e, t->type ? t->type : AE_IFREG);
		archive_entry_set_perm(e, t->mode ? t->mode : 0644);
		archive_entry_set_size(e, t->size ? t->size : (la_int64_t)len);
		archive_entry_set_uid(e, t->uid);
		archive_entry_set_gid(e, t->gid);
		archive_entry_set_mtime(e, t->mtime, 0);
		if (t->link && t->type == AE_IFLNK)
			archive_entry_set_symlink(e, t->link);
		else if (t->link)
			archive_entry_set_hardlink(e, t->link);
		if (t->type == AE_IFCHR || t->type == AE_IFBLK) {
			archive_entry_set_rdevmajor(e, t->major);
			archive_entry_set_rdevminor(e, t->minor);
		}
		if (t->xattr)
			archive_entry_xattr_add_entry(e, t->xattr, t->xattr_value,
						      strlen(t->xattr_value));
		assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
		if (len)
			assert_true(archive_write_data(a, t->data, len) >= 0);
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static inline ssize_t read_fd_source(void *data, void *buf, size_t size, struct err *err)
{
	ssize_t n = read(*(int *)data, buf, size);

	return n < 0 ? err_sys(err, errno, "read") : n;
}

#endif
