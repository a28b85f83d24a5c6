/* Slots: what stays when the container in it is replaced, and the id ranges they lease. */
#include "engine/slot.h"

#include "base/fs.h"
#include "base/log.h"
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
	free(slot->damaged);
	slot->damaged = NULL;
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
	if (r == 0 && (!ret->project || !ret->name))
		r = err_input(err, "%s: not a whole record", path);
	ret->stored = r == 0;
	return r;
}

static char *record_path(const struct engine_paths *paths, const char *project, const char *name)
{
	return xasprintf("%s/projects/%s/slots/%s.json", paths->root, project, name);
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

/* A slot whose record cannot be read: its lease is another name of the same file, or, where the
 * record was written anew since, a file that says whose it is. */
static bool find_lease(const struct engine_paths *paths, const char *record, struct slot *slot)
{
	cleanup_free char *dir = xasprintf("%s/idmaps", paths->root);
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err ignored = ERR_INIT;
	struct stat own = { 0 }, st;
	bool has_record = lstat(record, &own) == 0;
	if (fs_list(AT_FDCWD, dir, &names, &ignored) < 0)
		return false;
	for (size_t i = 0; i < names.n; i++) {
		cleanup_free char *path = path_join(dir, names.v[i]);
		int index = 0;
		if (parse_int(names.v[i], 0, IDMAP_INDEXES - 1, &index) < 0)
			continue;
		if (!(has_record && lstat(path, &st) == 0 && st.st_ino == own.st_ino) &&
		    !is_lease_of(path, slot))
			continue;
		slot->idmap = (struct spec_idmap){
			.base = (uint32_t)IDMAP_COUNT * (IDMAP_FIRST + (uint32_t)index),
			.count = IDMAP_COUNT,
		};
		return true;
	}
	return false;
}

static void begin(struct slot *slot, const char *project, const char *name)
{
	slot_done(slot);
	*slot = (struct slot){ .project = xstrdup(project), .name = xstrdup(name) };
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
	if (r < 0 && (r == -ENOENT || err->kind == ERR_INPUT)) {
		begin(&slot, project, name);
		slot.service = xstrdup(service);
		slot.number = number;
		slot.damaged = r != -ENOENT ? ptr_take(err->msg) : NULL;
		if (slot.damaged)
			(void)find_lease(paths, path, &slot);
		err_done(err);
		r = 0;
	}
	if (r < 0) {
		slot_done(&slot);
		return r;
	}
	*ret = slot;
	return 0;
}

static char *lease_path(const struct engine_paths *paths, const struct slot *slot)
{
	return xasprintf("%s/idmaps/%u", paths->root, slot->idmap.base / IDMAP_COUNT - IDMAP_FIRST);
}

/* It can be read as nobody's, and is no other slot's record under a second name. */
static bool is_damaged_lease(const char *path)
{
	struct slot holder = { 0 };
	struct stat st;
	cleanup_err struct err err = ERR_INIT;
	bool damaged = load(path, &holder, &err) < 0 && err.kind == ERR_INPUT &&
		       lstat(path, &st) == 0 && st.st_nlink == 1;
	slot_done(&holder);
	return damaged;
}

/* The lease is another name of the record again: one that is damaged tells whose the other is. */
static void renew_lease(const struct engine_paths *paths, const char *record,
			const struct slot *slot)
{
	if (!slot->idmap.count)
		return;
	cleanup_free char *path = lease_path(paths, slot);
	cleanup_free char *temporary =
		xasprintf("%s/idmaps/.tmp-%s-%s", paths->root, slot->project, slot->name);
	if (!is_lease_of(path, slot) && !is_damaged_lease(path))
		return;
	(void)unlink(temporary); /* of one that was killed here */
	if (linkat(AT_FDCWD, record, AT_FDCWD, temporary, 0) < 0 || rename(temporary, path) < 0)
		debug("renew '%s': %s", path, strerror(errno)); /* it still says whose it is */
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
	if (r == 0)
		renew_lease(paths, path, slot);
	return r;
}

/* A file that was cut to nothing is written out by ext4 as it is closed: so that is not done to a
 * new one. */
static int rewrite(int fd, const struct slot *slot)
{
	cleanup_json json_t *j = record_save(&state__slot_record, slot);
	cleanup_free char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	size_t len = strlen(text);
	bool is_new = lseek(fd, 0, SEEK_CUR) == 0;
	if (!is_new && (lseek(fd, 0, SEEK_SET) < 0 || ftruncate(fd, 0) < 0))
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
	if (!slot->idmap.count)
		return;
	cleanup_free char *path = lease_path(paths, slot);
	if (is_lease_of(path, slot) || is_damaged_lease(path))
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
	cleanup_err struct err unreadable = ERR_INIT;
	if (load(path, &slot, &unreadable) == 0) {
		release_idmap(paths, &slot);
	} else if (unreadable.kind == ERR_INPUT) {
		begin(&slot, project, name);
		if (find_lease(paths, path, &slot)) {
			cleanup_free char *held = lease_path(paths, &slot);
			(void)unlink(held);
		}
	}
	slot_done(&slot);
	r = fs_remove_tree(AT_FDCWD, dir, err);
	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = err_sys(err, errno, "remove '%s'", path);
	return r;
}
