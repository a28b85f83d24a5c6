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
#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MARK_NAME "../unsynced"
enum { MARK_MAX = 256, BOOT_ID_MAX = 64 };
#define MARK_FRESH  (60 * NSEC_PER_SEC)
#define CLOCK_SLACK (5 * NSEC_PER_SEC)

struct mark {
	char boot[BOOT_ID_MAX];
	nsec_t since; /* wall; 0: there is no mark */
};

static int boot_id(char ret[BOOT_ID_MAX], struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", BOOT_ID_MAX, &text, err);

	if (r < 0)
		return r;
	snprintf(ret, BOOT_ID_MAX, "%.*s", (int)strcspn(str_text(&text), "\n "), str_text(&text));
	return 0;
}

/* A mark that cannot be read is one of the beginning of time: everything is looked at. */
static int read_mark(struct image_store *store, struct mark *ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	struct mark m = { .since = 0 };
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
	if (space && space - str_text(&text) < BOOT_ID_MAX) {
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
	char boot[BOOT_ID_MAX];
	nsec_t now = now_wall();
	struct mark m;
	int r;

	if (store->marked)
		return 0;
	r = boot_id(boot, err);
	if (r == 0)
		r = read_mark(store, &m, err);
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

/* --- after a crash --- */

static bool named_since(int dir, const char *name, nsec_t since)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ctim.tv_sec * NSEC_PER_SEC + st.st_ctim.tv_nsec >= since - CLOCK_SLACK;
}

static int check_blobs(struct image_store *store, nsec_t since, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(store->blobs, ".", &names, err);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		bool good = true;

		if (!named_since(store->blobs, names.v[i], since))
			continue;
		r = image__blob_check(store, names.v[i], &good, err);
		if (r == 0 && !good) {
			debug("blob %s did not survive", names.v[i]);
			r = fs_remove_tree(store->blobs, names.v[i], err);
		}
	}
	return r < 0 ? r : 0;
}

/* Layers are not looked at but made again: their blobs are there, or are fetched with the image. */
static int drop_layers(struct image_store *store, nsec_t since, bool *ret_any, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(store->layers, ".", &names, err);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		cleanup_free char *doomed = xasprintf("tmp-gone-%s", names.v[i]);

		if (str_starts(names.v[i], "tmp-") ||
		    !named_since(store->layers, names.v[i], since))
			continue;
		*ret_any = true;
		if (renameat(store->layers, names.v[i], store->layers, doomed) < 0)
			return err_sys(err, errno, "set layer '%s' aside", names.v[i]);
		r = fs_remove_tree(store->layers, doomed, err);
	}
	return r < 0 ? r : 0;
}

/* Containers stand on layers by name, so they must be back before anything starts. */
static int unpack_again(struct image_store *store, struct err *err)
{
	cleanup_refs struct ref_list refs = { 0 };
	int r = image__refs_list(store, &refs, err);

	vec_each(ref, &refs.items) {
		cleanup_image struct image image = { 0 };
		struct err lost = ERR_INIT; /* an image that did not survive is pulled again */

		if (r == 0 &&
		    image__load_manifest(store, ref->manifest, true, NULL, &image, &lost) < 0) {
			debug("%s: %s", ref->name ? ref->name : ref->manifest, lost.msg);
			err_done(&lost);
		}
	}
	return r;
}

int image__unsynced_recover(struct image_store *store, struct err *err)
{
	cleanup_fd int lock = FD_NONE;
	char boot[BOOT_ID_MAX];
	bool any = false;
	struct mark m;
	int r = read_mark(store, &m, err);

	if (r < 0 || !m.since)
		return r;
	r = boot_id(boot, err);
	if (r < 0 || str_eq(m.boot, boot))
		return r;
	r = image__lock(store, IMAGE_LOCK_EXCLUSIVE, &lock, err);
	if (r == 0)
		r = read_mark(store, &m, err);
	if (r < 0 || !m.since || str_eq(m.boot, boot)) /* somebody else was faster */
		return r;
	r = check_blobs(store, m.since, err);
	if (r == 0)
		r = drop_layers(store, m.since, &any, err);
	if (r == 0 && any)
		r = unpack_again(store, err);
	if (r < 0)
		return r;
	if (syncfs(store->tmp) < 0 || (unlinkat(store->tmp, MARK_NAME, 0) < 0 && errno != ENOENT))
		return err_sys(err, errno, "sync the image store '%s'", store->root);
	store->marked = false;
	return 0;
}
