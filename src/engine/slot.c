/* Slots: what stays when the container in it is replaced, and the id ranges they lease. */
#include "engine/state.h"

#include "base/fs.h"
#include "base/parse.h"
#include "engine/state-json.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Index i stands for host ids from 0x10000 * (8 + i): 0x80000..0x6fffffff is what systemd's table
 * of users gives to containers' user namespaces, far from people, services and /etc/subuid. */
enum {
	IDMAP_COUNT = 0x10000,
	IDMAP_FIRST = 8,
	IDMAP_INDEXES = 0x7000 - IDMAP_FIRST,
	SLOT_RECORD_MAX = 1 << 20,
	LEASE_MAX = 1024,
};

void slot_done(struct slot *slot)
{
	record_done(&state__slot_record, slot);
	slot->idmap = (struct spec_idmap){ 0 };
}

static int check_names(const char *project, const char *name, struct err *err)
{
	int r = state_name_check("project", project, err);
	return r < 0 ? r : state_name_check("slot", name, err);
}

static int load(const char *dir, struct slot *ret, struct err *err)
{
	cleanup_json json_t *j = NULL;
	cleanup_free char *path = xasprintf("%s/slot.json", dir);
	int r = json_read(AT_FDCWD, path, SLOT_RECORD_MAX, &j, err);
	return r < 0 ? r : record_load(&state__slot_record, j, path, ret, err);
}

int slot_open(const struct engine_paths *paths, const char *project, const char *name,
	      const char *service, uint32_t number, struct slot *ret, struct err *err)
{
	int r = check_names(project, name, err);
	if (r < 0)
		return r;
	struct slot slot = { 0 };
	cleanup_free char *dir = state_slot_dir(paths, project, name);
	r = load(dir, &slot, err);
	if (r == -ENOENT) {
		err_done(err);
		slot.name = xstrdup(name);
		slot.service = xstrdup(service);
		slot.number = number;
		r = slot_save(paths, project, &slot, err);
	}
	if (r < 0) {
		slot_done(&slot);
		return r;
	}
	*ret = slot;
	return 0;
}

int slot_save(const struct engine_paths *paths, const char *project, const struct slot *slot,
	      struct err *err)
{
	int r = check_names(project, slot->name, err);
	if (r < 0)
		return r;
	cleanup_free char *dir = state_slot_dir(paths, project, slot->name);
	cleanup_free char *path = xasprintf("%s/slot.json", dir);
	cleanup_json json_t *j = record_save(&state__slot_record, slot);
	r = fs_mkdirs(AT_FDCWD, dir, 0700, err);
	return r < 0 ? r : json_write(AT_FDCWD, path, j, 0600, 0, err);
}

/* FNV-1a: only spreads the first guesses, so that finding a free index takes one or two tries and
 * the same slot gets the same range again. */
static uint32_t first_guess(const char *holder)
{
	uint32_t h = 2166136261u;
	for (const char *c = holder; *c; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	return h % IDMAP_INDEXES;
}

/* 1: ours now; 0: somebody else's. */
static int take_index(const char *path, const char *holder, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0) {
		int r = fs_write_all(fd, holder, strlen(holder));
		fd_close(fd);
		if (r == 0)
			return 1;
		(void)unlink(path); /* an empty lease would be nobody's for ever */
		return err_sys(err, -r, "write '%s'", path);
	}
	if (errno != EEXIST)
		return err_sys(err, errno, "create '%s'", path);
	/* A crash between the lease and the slot's record leaves a lease that is ours already. */
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err ignored = ERR_INIT;
	int r = fs_read(AT_FDCWD, path, LEASE_MAX, &text, &ignored);
	return r >= 0 && str_eq(str_text(&text), holder);
}

int slot_lease_idmap(const struct engine_paths *paths, const char *project, struct slot *slot,
		     struct err *err)
{
	if (slot->idmap.count)
		return 0;
	cleanup_free char *dir = xasprintf("%s/idmaps", paths->root);
	cleanup_free char *holder = xasprintf("%s/%s", project, slot->name);
	int r = fs_mkdirs(AT_FDCWD, dir, 0700, err);
	if (r < 0)
		return r;
	uint32_t start = first_guess(holder);
	for (uint32_t i = 0; i < IDMAP_INDEXES; i++) {
		uint32_t index = (start + i) % IDMAP_INDEXES;
		cleanup_free char *path = xasprintf("%s/%u", dir, index);
		r = take_index(path, holder, err);
		if (r < 0)
			return r;
		if (r > 0) {
			slot->idmap.base = (uint32_t)IDMAP_COUNT * (IDMAP_FIRST + index);
			slot->idmap.count = IDMAP_COUNT;
			return slot_save(paths, project, slot, err);
		}
	}
	return err_new(err, ERR_CONFLICT, ENOSPC, "all %d ranges of user ids in '%s' are leased",
		       IDMAP_INDEXES, dir);
}

/* Only a lease that names this slot is given back: its file may be another's by now. */
static void release_idmap(const struct engine_paths *paths, const char *project, const char *name,
			  const struct slot *slot)
{
	if (!slot->idmap.count)
		return;
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	cleanup_free char *holder = xasprintf("%s/%s", project, name);
	cleanup_free char *path = xasprintf("%s/idmaps/%u", paths->root,
					    slot->idmap.base / IDMAP_COUNT - IDMAP_FIRST);
	if (fs_read(AT_FDCWD, path, LEASE_MAX, &text, &ignored) >= 0 &&
	    str_eq(str_text(&text), holder))
		(void)unlink(path); /* gone already is as good */
}

int slot_remove(const struct engine_paths *paths, const char *project, const char *name,
		struct err *err)
{
	int r = check_names(project, name, err);
	if (r < 0)
		return r;
	struct slot slot = { 0 };
	cleanup_free char *dir = state_slot_dir(paths, project, name);
	cleanup_err struct err unreadable =
		ERR_INIT; /* then its lease is found again by its name */
	if (load(dir, &slot, &unreadable) == 0)
		release_idmap(paths, project, name, &slot);
	slot_done(&slot);
	return fs_remove_tree(AT_FDCWD, dir, err);
}
