/* Slots: what stays when the container in it is replaced, and the id ranges they lease. */
#include "engine/slot.h"

#include "base/fs.h"
#include "base/parse.h"
#include "engine/record.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Index i stands for host ids from 0x10000 * (8 + i): 0x80000..0x6fffffff is what systemd's table
 * of users gives to containers' user namespaces, far from people, services and /etc/subuid. */
enum {
	IDMAP_COUNT = 0x10000,
	IDMAP_FIRST = 8,
	IDMAP_INDEXES = 0x7000 - IDMAP_FIRST,
	SLOT_RECORD_MAX = 1 << 20,
};

static const struct record_field idmap_fields[] = {
	RECORD_U32(struct spec_idmap, base),
	RECORD_U32(struct spec_idmap, count),
};
static const struct record idmap_record = RECORD(struct spec_idmap, idmap_fields);

static const struct record_field anonymous_volume_fields[] = {
	RECORD_STR(struct anonymous_volume, target),
	RECORD_STR(struct anonymous_volume, volume),
};
static const struct record anonymous_volume_record =
	RECORD(struct anonymous_volume, anonymous_volume_fields);

static const struct record_field slot_fields[] = {
	RECORD_STR(struct slot, project),
	RECORD_STR(struct slot, name),
	RECORD_STR(struct slot, service),
	RECORD_U32(struct slot, number),
	RECORD_GROUP(struct slot, idmap, &idmap_record),
	RECORD_LIST(struct slot, volumes, &anonymous_volume_record),
};
const struct record state__slot_record = RECORD(struct slot, slot_fields);

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

/* What a slot that is to be stored must say. */
static int check_slot(const char *project, struct slot *slot, struct err *err)
{
	if (!slot->project)
		slot->project = xstrdup(project);
	return check_names(project, slot->name, err);
}

static int load(const char *path, struct slot *ret, struct err *err)
{
	cleanup_json json_t *j = NULL;
	int r = json_read(AT_FDCWD, path, SLOT_RECORD_MAX, &j, err);
	if (r == 0)
		r = record_load(&state__slot_record, j, path, ret, err);
	ret->stored = r == 0;
	return r;
}

static char *record_path(const struct engine_paths *paths, const char *project, const char *name)
{
	return xasprintf("%s/projects/%s/slots/%s.json", paths->root, project, name);
}

int slot_open(const struct engine_paths *paths, const char *project, const char *name,
	      const char *service, uint32_t number, struct slot *ret, struct err *err)
{
	int r = check_names(project, name, err);
	if (r < 0)
		return r;
	struct slot slot = { 0 };
	cleanup_free char *path = record_path(paths, project, name);
	r = load(path, &slot, err);
	if (r == -ENOENT) {
		err_done(err);
		slot.name = xstrdup(name);
		slot.service = xstrdup(service);
		slot.number = number;
		r = 0;
	}
	if (r < 0) {
		slot_done(&slot);
		return r;
	}
	*ret = slot;
	return 0;
}

int slot_save(const struct engine_paths *paths, const char *project, struct slot *slot,
	      struct err *err)
{
	int r = check_slot(project, slot, err);
	if (r < 0)
		return r;
	cleanup_free char *dir = state_slots_dir(paths, project);
	cleanup_free char *path = record_path(paths, project, slot->name);
	cleanup_json json_t *j = record_save(&state__slot_record, slot);
	if (!slot->stored)
		r = fs_mkdirs(AT_FDCWD, dir, 0700, err);
	if (r >= 0)
		r = json_write(AT_FDCWD, path, j, 0600, 0, err);
	slot->stored |= r == 0;
	return r;
}

/* --- the lease of ids --- */

/* FNV-1a: only spreads the first guesses, so that finding a free index takes one or two tries and
 * the same slot gets the same range again. */
static uint32_t first_guess(const struct slot *slot)
{
	uint32_t h = 2166136261u;
	for (const char *c = slot->project; *c; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	h = (h ^ '/') * 16777619u;
	for (const char *c = slot->name; *c; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	return h % IDMAP_INDEXES;
}

static bool is_lease_of(const char *lease, const struct slot *slot)
{
	struct slot holder = { 0 };
	cleanup_err struct err ignored = ERR_INIT;
	bool same = load(lease, &holder, &ignored) == 0 && holder.project &&
		    str_eq(holder.project, slot->project) && str_eq(holder.name, slot->name);
	slot_done(&holder);
	return same;
}

static int rewrite(int fd, const struct slot *slot)
{
	cleanup_json json_t *j = record_save(&state__slot_record, slot);
	cleanup_free char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	size_t len = strlen(text);
	if (lseek(fd, 0, SEEK_SET) < 0 || ftruncate(fd, 0) < 0)
		return -errno;
	return fs_write_all(fd, text, len);
}

/* The record with the range is written under a temporary name first; the link to it is the lease,
 * taken only if nobody has it, and whole from its first moment. A crash before the record has its
 * name leaves a lease that is found to be ours the next time. */
static int lease(const char *leases, const char *temporary, int fd, struct slot *slot,
		 struct err *err)
{
	uint32_t start = first_guess(slot);
	slot->idmap.count = IDMAP_COUNT;
	for (uint32_t i = 0; i < IDMAP_INDEXES; i++) {
		uint32_t index = (start + i) % IDMAP_INDEXES;
		cleanup_free char *path = xasprintf("%s/%u", leases, index);
		slot->idmap.base = (uint32_t)IDMAP_COUNT * (IDMAP_FIRST + index);
		int r = rewrite(fd, slot);
		if (r < 0)
			return err_sys(err, -r, "write '%s'", temporary);
		if (linkat(AT_FDCWD, temporary, AT_FDCWD, path, 0) == 0)
			return 0;
		if (errno != EEXIST)
			return err_sys(err, errno, "create '%s'", path);
		if (is_lease_of(path, slot))
			return 0;
	}
	slot->idmap = (struct spec_idmap){ 0 };
	return err_new(err, ERR_CONFLICT, ENOSPC, "all %d ranges of user ids in '%s' are leased",
		       IDMAP_INDEXES, leases);
}

int slot_lease_idmap(const struct engine_paths *paths, const char *project, struct slot *slot,
		     struct err *err)
{
	if (slot->idmap.count)
		return 0;
	int r = check_slot(project, slot, err);
	cleanup_free char *leases = xasprintf("%s/idmaps", paths->root);
	cleanup_free char *dir = state_slots_dir(paths, project);
	cleanup_free char *path = record_path(paths, project, slot->name);
	cleanup_free char *temporary = xasprintf("%s/.tmp-lease-%s", dir, slot->name);
	if (r == 0)
		r = fs_mkdirs(AT_FDCWD, leases, 0700, err);
	if (r >= 0)
		r = fs_mkdirs(AT_FDCWD, dir, 0700, err);
	if (r < 0)
		return r;
	(void)unlink(temporary); /* of one that was killed here */
	cleanup_fd int fd = fs_open(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
	if (fd < 0)
		return fd;
	r = lease(leases, temporary, fd, slot, err);
	if (r == 0 && rename(temporary, path) < 0)
		r = err_sys(err, errno, "write '%s'", path);
	if (r < 0)
		(void)unlink(temporary); /* the first failure is the one to report */
	slot->stored |= r == 0;
	return r;
}

/* Only a lease that names this slot is given back: its file may be another's by now. */
static void release_idmap(const struct engine_paths *paths, const struct slot *slot)
{
	if (!slot->idmap.count || !slot->project)
		return;
	cleanup_free char *path = xasprintf("%s/idmaps/%u", paths->root,
					    slot->idmap.base / IDMAP_COUNT - IDMAP_FIRST);
	if (is_lease_of(path, slot))
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
	cleanup_free char *path = record_path(paths, project, name);
	cleanup_err struct err unreadable =
		ERR_INIT; /* then its lease is found again by its name */
	if (load(path, &slot, &unreadable) == 0)
		release_idmap(paths, &slot);
	slot_done(&slot);
	r = fs_remove_tree(AT_FDCWD, dir, err);
	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = err_sys(err, errno, "remove '%s'", path);
	return r;
}
