/* What files hashed to, by their status: a sorted array in a file that is mapped, and a list of
 * what was added since. A file whose status could still hide a change (touched within the clock's
 * coarseness of being read) is not remembered. */
#include "base/fs.h"
#include "base/time.h"
#include "base/vec.h"
#include "build/tree-private.h"

#include <fcntl.h>
#include <sys/mman.h>

#define MAGIC "stvdig01"
enum { KEEP_DAYS = 30, TOUCH_DAYS = 7, RECORDS_MAX = 4000000, WRITE_AT_ONCE = 256 << 10 };
#define RACY_NS ((int64_t)100000000) /* ten ticks of the coarsest kernel's clock */

struct record {
	struct digest_key key;
	uint32_t day; /* when it was last asked for, in days since 1970 */
	uint32_t zero;
	unsigned char digest[SHA256_SIZE];
};

struct head {
	char magic[8];
	uint64_t count;
};

struct digest_cache {
	int dir;
	char *name;
	void *map;
	size_t map_size;
	const struct record *old;
	size_t count;
	bool *used; /* of the old ones */
	bool stale; /* a used one's day is so old that it should be written again */
	uint32_t today;
	VEC(struct record) added;
	uint32_t *slots; /* by inode: index into added, plus one */
	size_t slot_count;
	uint64_t read, known;
};

static int64_t nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static int64_t wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return nanoseconds(&now);
}

struct digest_key digest__key(const struct stat *st)
{
	return (struct digest_key){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = nanoseconds(&st->st_mtim),
		.ctime_ns = nanoseconds(&st->st_ctim),
	};
}

static int compare(const struct digest_key *a, const struct digest_key *b)
{
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return a->inode == b->inode ? 0 : a->inode < b->inode ? -1 : 1;
}

static void map_file(struct digest_cache *c)
{
	cleanup_err struct err ignored =
		ERR_INIT; /* no cache, or none that can be read: all is new */
	cleanup_fd int fd = fs_open_beneath(c->dir, c->name, O_RDONLY, 0, &ignored);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (size_t)st.st_size < sizeof(struct head))
		return;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return;
	const struct head *head = map;
	size_t body = (size_t)st.st_size - sizeof(*head);
	if (memcmp(head->magic, MAGIC, sizeof(head->magic)) != 0 ||
	    body % sizeof(struct record) != 0 || head->count != body / sizeof(struct record)) {
		munmap(map, (size_t)st.st_size);
		return;
	}
	c->map = map;
	c->map_size = (size_t)st.st_size;
	c->old = (const struct record *)(head + 1);
	c->count = head->count;
	c->used = xcalloc(c->count + 1, sizeof(bool));
}

struct digest_cache *digest_cache_open(int dirfd, const char *name)
{
	struct digest_cache *c = new0(struct digest_cache);

	c->dir = dirfd;
	c->today = (uint32_t)(wall_now() / 1000000000 / 86400);
	if (name) {
		c->name = xstrdup(name);
		map_file(c);
	}
	return c;
}

void digest_cache_free(struct digest_cache *c)
{
	if (!c)
		return;
	if (c->map)
		munmap(c->map, c->map_size);
	free(c->used);
	vec_done(&c->added);
	free(c->slots);
	free(c->name);
	free(c);
}

void digest_cache_counts(const struct digest_cache *c, uint64_t *ret_read, uint64_t *ret_known)
{
	*ret_read = c->read;
	*ret_known = c->known;
}

/* The slot of an added file, or the free one where it belongs. */
static uint32_t *slot_of(const struct digest_cache *c, const struct digest_key *key)
{
	size_t at = (size_t)((key->inode * 0x9e3779b97f4a7c15u) >> 32) & (c->slot_count - 1);

	while (c->slots[at] && compare(&c->added.v[c->slots[at] - 1].key, key) != 0)
		at = (at + 1) & (c->slot_count - 1);
	return &c->slots[at];
}

static void note_slot(struct digest_cache *c, size_t index)
{
	*slot_of(c, &c->added.v[index].key) = (uint32_t)index + 1;
}

static void grow_slots(struct digest_cache *c)
{
	free(c->slots);
	c->slot_count = c->slot_count ? c->slot_count * 2 : 1024;
	c->slots = xcalloc(c->slot_count, sizeof(*c->slots));
	for (size_t i = 0; i < c->added.n; i++)
		note_slot(c, i);
}

/* One that was read by this process: COPY asks for what its key was made of. */
static bool added_before(const struct digest_cache *c, const struct digest_key *key,
			 unsigned char digest[SHA256_SIZE])
{
	uint32_t slot = c->slot_count ? *slot_of(c, key) : 0;

	if (!slot || memcmp(&c->added.v[slot - 1].key, key, sizeof(*key)) != 0)
		return false;
	memcpy(digest, c->added.v[slot - 1].digest, SHA256_SIZE);
	return true;
}

bool digest__cached(struct digest_cache *c, const struct digest_key *key,
		    unsigned char digest[SHA256_SIZE])
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(&c->old[middle].key, key);

		if (order == 0) {
			const struct record *found = &c->old[middle];
			if (memcmp(&found->key, key, sizeof(*key)) != 0)
				break;
			memcpy(digest, found->digest, SHA256_SIZE);
			c->used[middle] = true;
			c->stale = c->stale || found->day + TOUCH_DAYS < c->today;
			c->known++;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return added_before(c, key, digest);
}

void digest__remember(struct digest_cache *c, const struct digest_key *key,
		      const unsigned char digest[SHA256_SIZE])
{
	int64_t newest = key->ctime_ns > key->mtime_ns ? key->ctime_ns : key->mtime_ns;
	struct record record = { .key = *key, .day = c->today };

	c->read++;
	if (newest + RACY_NS > wall_now() || c->added.n >= RECORDS_MAX)
		return;
	memcpy(record.digest, digest, SHA256_SIZE);
	vec_push(&c->added, record);
	if (c->added.n * 2 > c->slot_count)
		grow_slots(c);
	else
		note_slot(c, c->added.n - 1);
}

static int by_key(const void *a, const void *b)
{
	return compare(&((const struct record *)a)->key, &((const struct record *)b)->key);
}

static bool kept(const struct digest_cache *c, size_t i)
{
	return c->used[i] || c->old[i].day + KEEP_DAYS >= c->today;
}

/* Old and new ones merged; of the same file the new one. Returns the count. */
static uint64_t write_records(const struct digest_cache *c, FILE *to)
{
	uint64_t count = 0;
	size_t i = 0, k = 0;

	while (i < c->count || k < c->added.n) {
		struct record record;
		int order = i >= c->count     ? 1
			    : k >= c->added.n ? -1
					      : compare(&c->old[i].key, &c->added.v[k].key);

		if (order < 0) {
			bool keep = kept(c, i);
			record = c->old[i];
			record.day = c->used[i] ? c->today : record.day;
			i++;
			if (!keep)
				continue;
		} else {
			i += order == 0;
			record = c->added.v[k++];
			/* One file by two names. */
			if (k < c->added.n && by_key(&record, &c->added.v[k]) == 0)
				continue;
		}
		if (count++ < RECORDS_MAX)
			fwrite(&record, sizeof(record), 1, to);
	}
	return count < RECORDS_MAX ? count : RECORDS_MAX;
}

int digest_cache_save(struct digest_cache *c, struct err *err)
{
	char temp[64] = DIGESTS_TEMP;
	struct head head = { .magic = MAGIC };

	if (!c->added.n && !c->stale)
		return 0;
	hex_random(temp + strlen(temp), 16);
	int fd = fs_open(c->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	if (fd < 0)
		return fd;
	cleanup_file FILE *to = fdopen(fd, "w");
	if (!to) {
		fd_close(fd);
		return err_sys(err, ENOMEM, "write '%s'", c->name);
	}
	setvbuf(to, NULL, _IOFBF, WRITE_AT_ONCE);
	if (c->added.n)
		qsort(c->added.v, c->added.n, sizeof(struct record), by_key);
	fwrite(&head, sizeof(head), 1, to);
	head.count = write_records(c, to);
	rewind(to);
	fwrite(&head, sizeof(head), 1, to);
	if (fflush(to) != 0 || ferror(to) || renameat(c->dir, temp, c->dir, c->name) < 0) {
		int no = errno ? errno : EIO;
		unlinkat(c->dir, temp, 0);
		return err_sys(err, no, "write '%s'", c->name);
	}
	return 0;
}
