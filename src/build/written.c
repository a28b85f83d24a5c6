#include "build/written.h"

#include "base/fs.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

#define NAME  "written"
#define MAGIC "stvwrt02"

enum {
	FLUSH_AT = 256 << 10,
	FILES_MAX = 4000000,
	SHARED = 1,   /* flags of a file: it has several names, or is not to be offered */
	COMPLETE = 1, /* flags of the list */
	HAS_EPOCH = 2,
};
#define BYTES_MAX ((off_t)2 << 30)

struct head {
	char magic[8];
	uint64_t count, bytes; /* files; of the whole list */
	uint64_t flags;
	int64_t epoch;
};

/* Records are padded so that each is aligned. */
static size_t record_size(size_t path_len)
{
	return (sizeof(struct written_file) + path_len + 7) / 8 * 8;
}

/* --- the list of before --- */

struct written {
	int tree;
	char *map;
	size_t size;
	uint32_t *slots; /* offset of the record / 8; 0: free */
	size_t mask;
	unsigned char *seen; /* a bit for each offset / 8 */
};

static const struct written_file *record_at(const struct written *w, uint32_t slot)
{
	return (const struct written_file *)(w->map + (size_t)slot * 8);
}

static const char *path_of(const struct written_file *f)
{
	return (const char *)(f + 1);
}

static bool is_path(const struct written_file *f, const char *path, size_t len)
{
	return f->path_len == len && memcmp(path_of(f), path, len) == 0;
}

/* The slot of the path, or the free one where it belongs. */
static uint32_t *slot_of(const struct written *w, const char *path, size_t len)
{
	size_t at = map_hash(path, len) & w->mask;

	while (w->slots[at] && !is_path(record_at(w, w->slots[at]), path, len))
		at = (at + 1) & w->mask;
	return &w->slots[at];
}

/* False: it is not what we write. */
static bool read_records(struct written *w, uint64_t count)
{
	size_t at = sizeof(struct head), slots = 1024;

	while (slots < count * 2)
		slots *= 2;
	w->slots = xcalloc(slots, sizeof(*w->slots));
	w->mask = slots - 1;
	for (uint64_t i = 0; i < count; i++) {
		struct written_file *f = (struct written_file *)(w->map + at);
		uint32_t *slot;

		if (w->size - at < sizeof(*f) || w->size - at < record_size(f->path_len) ||
		    !f->path_len || f->path_len >= PATH_MAX ||
		    memchr(path_of(f), '\0', f->path_len))
			return false;
		slot = slot_of(w, path_of(f), f->path_len);
		/* A path that is there twice was written over: nothing is known of it. */
		if (*slot)
			((struct written_file *)(w->map + (size_t)*slot * 8))->flags |= SHARED;
		else
			*slot = (uint32_t)(at / 8);
		at += record_size(f->path_len);
	}
	return at == w->size;
}

static bool map_list(struct written *w, int fd)
{
	const struct head *head;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > BYTES_MAX ||
	    st.st_size < (off_t)sizeof(struct head))
		return false;
	/* Private: marks that are made in reading stay in memory. */
	w->map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (w->map == MAP_FAILED) {
		w->map = NULL;
		return false;
	}
	w->size = (size_t)st.st_size;
	head = (const struct head *)w->map;
	return memcmp(head->magic, MAGIC, sizeof(head->magic)) == 0 && head->bytes == w->size &&
	       head->count <= FILES_MAX && read_records(w, head->count);
}

struct written *written_open(int diff)
{
	cleanup_fd int fd = openat(diff, "../" NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup(written_close_cleanup) struct written *w = NULL;

	if (fd < 0)
		return NULL;
	w = new0(struct written);
	w->tree = fcntl(diff, F_DUPFD_CLOEXEC, 0);
	if (w->tree < 0 || !map_list(w, fd))
		return NULL;
	return ptr_take(w);
}

void written_close(struct written *w)
{
	if (!w)
		return;
	fd_close(w->tree);
	if (w->map)
		munmap(w->map, w->size);
	free(w->slots);
	free(w->seen);
	free(w);
}

int written_tree(const struct written *w)
{
	return w->tree;
}

bool written_find(const struct written *w, const char *path, struct written_file *ret)
{
	uint32_t slot = *slot_of(w, path, strlen(path));

	if (!slot || record_at(w, slot)->flags & SHARED)
		return false;
	*ret = *record_at(w, slot);
	return true;
}

bool written_complete(const struct written *w, bool has_epoch, int64_t epoch)
{
	const struct head *head = (const struct head *)w->map;

	return head->flags == (COMPLETE | (has_epoch ? HAS_EPOCH : 0u)) &&
	       head->epoch == (has_epoch ? epoch : 0);
}

size_t written_count_of(const struct written *w)
{
	return (size_t)((const struct head *)w->map)->count;
}

bool written_see(struct written *w, const char *path)
{
	uint32_t slot = *slot_of(w, path, strlen(path));

	if (!slot)
		return false;
	if (!w->seen)
		w->seen = xcalloc(w->size / 64 + 1, 1);
	w->seen[slot / 8] |= (unsigned char)(1 << slot % 8);
	return true;
}

/* A path that is there twice counts once, as its first record. */
static bool is_unseen(const struct written *w, const struct written_file *f, uint32_t at)
{
	uint32_t slot = *slot_of(w, path_of(f), f->path_len);

	return slot == at && !(w->seen && w->seen[slot / 8] & 1 << slot % 8);
}

int written_unseen(const struct written *w,
		   int (*fn)(void *data, const char *path, mode_t mode, struct err *err),
		   void *data, struct err *err)
{
	VEC(uint32_t) found = { 0 };
	int r = 0;

	for (size_t at = sizeof(struct head); at < w->size;) {
		const struct written_file *f = record_at(w, (uint32_t)(at / 8));

		if (is_unseen(w, f, (uint32_t)(at / 8)))
			vec_push(&found, (uint32_t)(at / 8));
		at += record_size(f->path_len);
	}
	for (size_t i = found.n; r == 0 && i-- > 0;) {
		const struct written_file *f = record_at(w, found.v[i]);
		cleanup_free char *path = xstrndup(path_of(f), f->path_len);

		r = fn(data, path, f->mode, err);
	}
	vec_done(&found);
	return r;
}

/* --- the list of now --- */

struct written_list {
	int dir, fd;
	struct str out;
	uint64_t count, bytes; /* what stands in the file and in `out` */
	uint64_t files;	       /* of count: no directories, nor what is only noted */
	VEC(uint64_t) shared;
	bool spoilt, partial, has_epoch;
	int64_t epoch;
	uint64_t on_disk;
	int no; /* errno of a write that failed */
};

int written_begin(int dir, bool has_epoch, int64_t epoch, struct written_list **ret,
		  struct err *err)
{
	cleanup(written_free_cleanup) struct written_list *list = new0(struct written_list);
	struct head head = { .magic = "" };

	list->has_epoch = has_epoch;
	list->epoch = has_epoch ? epoch : 0;
	list->dir = FD_NONE;
	list->fd = fs_open(dir, NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	if (list->fd < 0)
		return list->fd;
	list->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	list->out = STR_INIT_MAX(FLUSH_AT + PATH_MAX + 1024);
	str_addn(&list->out, &head, sizeof(head));
	list->bytes = sizeof(head);
	*ret = ptr_take(list);
	return 0;
}

static void flush(struct written_list *list)
{
	int r = list->no ? 0 : fs_write_all(list->fd, list->out.data, list->out.len);

	if (r < 0)
		list->no = -r;
	str_clear(&list->out);
}

void written_add(struct written_list *list, const struct written_file *file, const char *path,
		 uint64_t *at)
{
	static const char zeros[8];
	struct written_file f = *file;
	size_t len = strlen(path), size = record_size(len);

	*at = list->bytes;
	if (!len || len >= PATH_MAX || list->count >= FILES_MAX ||
	    (off_t)(list->bytes + size) > BYTES_MAX) {
		list->spoilt = true;
		return;
	}
	f.path_len = (uint16_t)len;
	f.flags = 0;
	str_addn(&list->out, &f, sizeof(f));
	str_addn(&list->out, path, len);
	str_addn(&list->out, zeros, size - sizeof(f) - len);
	list->bytes += size;
	list->count++;
	list->files += S_ISREG(f.mode) || S_ISLNK(f.mode);
	if (list->out.len >= FLUSH_AT)
		flush(list);
}

void written_shared(struct written_list *list, uint64_t at)
{
	vec_push(&list->shared, at);
}

void written_add_other(struct written_list *list, mode_t mode, const char *path)
{
	struct written_file file = { .mode = mode };
	uint64_t at;

	written_add(list, &file, path, &at);
	written_shared(list, at);
}

void written_partial(struct written_list *list)
{
	list->partial = true;
}

void written_count(struct written_list *list, uint64_t bytes)
{
	list->on_disk += bytes;
}

bool written_bytes(const struct written_list *list, uint64_t *ret)
{
	*ret = list->on_disk;
	return list->files && !list->spoilt;
}

void written_spoil(struct written_list *list)
{
	list->spoilt = true;
}

int written_end(struct written_list *list, struct err *err)
{
	struct head head = {
		.magic = MAGIC,
		.count = list->count,
		.bytes = list->bytes,
		.flags = (list->partial ? 0u : COMPLETE) | (list->has_epoch ? HAS_EPOCH : 0u),
		.epoch = list->epoch,
	};
	uint16_t flags = SHARED;

	if (list->spoilt)
		return 0;
	flush(list);
	vec_each(at, &list->shared)
		if (!list->no &&
		    pwrite(list->fd, &flags, sizeof(flags),
			   (off_t)(*at + offsetof(struct written_file, flags))) != sizeof(flags))
			list->no = errno;
	if (!list->no && pwrite(list->fd, &head, sizeof(head), 0) != sizeof(head))
		list->no = errno ? errno : ENOSPC;
	if (list->no)
		return err_sys(err, list->no, "write the list of what was copied");
	list->dir = fd_close(list->dir); /* it stays */
	return 0;
}

void written_free(struct written_list *list)
{
	if (!list)
		return;
	if (list->dir >= 0)
		(void)unlinkat(list->dir, NAME, 0); /* a list without its head is none, too */
	fd_close(list->dir);
	fd_close(list->fd);
	str_done(&list->out);
	vec_done(&list->shared);
	free(list);
}
