/* What a power cut could spoil. Names are given without waiting for the disk: the kernel writes
 * when it likes, and a pull is done when the bytes are in its hands. So that a name still means
 * "whole and checked" after a crash of the machine, a mark on the disk says since when names may be
 * ahead of their bytes, and in which boot: it is made, and synced, before the first name of a
 * burst. Whoever opens the store in another boot looks at what was named since. Waiting for the
 * disk at the end of each pull instead costs as long as writing the bytes does; one small synced
 * file costs a few milliseconds.
 *
 * The mark is `blobs/unsynced`: "<boot id> <nanoseconds since 1970>". One that is older than the
 * kernel keeps dirty pages is first made good by a syncfs, which then has little to do. */
#include "image/unsynced.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"

#include <fcntl.h>

#define MARK_NAME "../unsynced"
enum { MARK_MAX = 256 };
#define MARK_FRESH (60 * NSEC_PER_SEC)

int image__boot_id(char ret[UNSYNCED_BOOT_MAX], struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", UNSYNCED_BOOT_MAX, &text, err);

	if (r < 0)
		return r;
	snprintf(ret, UNSYNCED_BOOT_MAX, "%.*s", (int)strcspn(str_text(&text), "\n "),
		 str_text(&text));
	return 0;
}

/* A mark that cannot be read is one of the beginning of time: everything is looked at. */
int image__unsynced_read(struct image_store *store, struct unsynced_mark *ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	struct unsynced_mark m = { .since = 0 };
	const char *space;
	int r = fs_read(store->tmp, MARK_NAME, MARK_MAX, &text, err);

	*ret = m;
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	if (r < 0)
		return r;
	space = strchr(str_text(&text), ' ');
	m.since = 1;
	if (space && space - str_text(&text) < UNSYNCED_BOOT_MAX) {
		int64_t since;

		memcpy(m.boot, str_text(&text), (size_t)(space - str_text(&text)));
		if (parse_i64(space + 1, 1, INT64_MAX, &since) == 0)
			m.since = since;
	}
	*ret = m;
	return 0;
}

int image__unsynced_mark(struct image_store *store, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	char boot[UNSYNCED_BOOT_MAX];
	nsec_t now = now_wall();
	struct unsynced_mark m;
	int r;

	if (store->marked)
		return 0;
	r = image__boot_id(boot, err);
	if (r == 0)
		r = image__unsynced_read(store, &m, err);
	if (r < 0)
		return r;
	/* One of another boot is the business of who opens the store next; it stays. */
	store->marked = m.since && (!str_eq(m.boot, boot) || now - m.since < MARK_FRESH);
	if (store->marked)
		return 0;
	if (m.since && syncfs(store->tmp) < 0)
		return err_sys(err, errno, "sync the image store '%s'", store->root);
	str_addf(&text, "%s %lld", boot, (long long)now);
	r = fs_write_atomic(store->tmp, MARK_NAME, str_text(&text), text.len, 0600, FS_SYNC, err);
	store->marked = r == 0;
	return r;
}

int image__unsynced_forget(struct image_store *store, struct err *err)
{
	if (syncfs(store->tmp) < 0 || (unlinkat(store->tmp, MARK_NAME, 0) < 0 && errno != ENOENT))
		return err_sys(err, errno, "sync the image store '%s'", store->root);
	store->marked = false;
	return 0;
}
