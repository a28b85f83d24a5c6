/* After a crash of the machine: what was named since the mark is looked at, what did not survive is
 * made again. */
#include "base/fs.h"
#include "base/log.h"
#include "image/unsynced.h"

#include <fcntl.h>
#include <sys/stat.h>

#define CLOCK_SLACK (5 * NSEC_PER_SEC)

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
	char boot[UNSYNCED_BOOT_MAX];
	bool any = false;
	struct unsynced_mark m;
	int r = image__unsynced_read(store, &m, err);

	if (r < 0 || !m.since)
		return r;
	r = image__boot_id(boot, err);
	if (r < 0 || str_eq(m.boot, boot))
		return r;
	r = image__lock(store, IMAGE_LOCK_EXCLUSIVE, &lock, err);
	if (r == 0)
		r = image__unsynced_read(store, &m, err);
	if (r < 0 || !m.since || str_eq(m.boot, boot)) /* somebody else was faster */
		return r;
	r = check_blobs(store, m.since, err);
	if (r == 0)
		r = drop_layers(store, m.since, &any, err);
	if (r == 0 && any)
		r = unpack_again(store, err);
	return r < 0 ? r : image__unsynced_forget(store, err);
}
