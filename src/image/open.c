/* Opening the store: its directories, and what a power cut could have spoilt. */
#include "image/store.h"

#include "base/fs.h"

#include <fcntl.h>

/* Layers hold other people's setuid programs: nobody but the owner may walk in. */
enum { STORE_MODE = 0700 };

static int open_dir(const char *root, const char *name, struct err *err)
{
	cleanup_free char *path = path_join(root, name);
	int r = fs_mkdirs(AT_FDCWD, path, STORE_MODE, err);

	if (r < 0)
		return r;
	return fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, err);
}

int image_store_open(const char *root, struct image_store **ret, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *s = new0(struct image_store);
	cleanup_free char *real = NULL;
	int r;

	s->blobs = s->tmp = s->refs = s->layers = FD_NONE;
	r = fs_mkdirs(AT_FDCWD, root, 0711, err);
	if (r < 0)
		return r;
	/* Absolute, because the paths of layers are handed to other processes. */
	real = realpath(root, NULL);
	if (!real)
		return err_sys(err, errno, "open the image store '%s'", root);
	s->root = ptr_take(real);
	if ((s->blobs = open_dir(s->root, "blobs/sha256", err)) < 0)
		return s->blobs;
	if ((s->tmp = open_dir(s->root, "blobs/tmp", err)) < 0)
		return s->tmp;
	if ((s->refs = open_dir(s->root, "refs", err)) < 0)
		return s->refs;
	if ((s->layers = open_dir(s->root, "layers", err)) < 0)
		return s->layers;
	r = image__unsynced_recover(s, err);
	if (r == 0)
		*ret = ptr_take(s);
	return r;
}

void image_store_free(struct image_store *store)
{
	if (!store)
		return;
	fd_close(store->blobs);
	fd_close(store->tmp);
	fd_close(store->refs);
	fd_close(store->layers);
	free(store->root);
	free(store);
}
