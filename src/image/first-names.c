#include "image/first-names.h"

enum { SLOTS_FIRST = 1024 };
#define PATHS_MAX ((size_t)1 << 30)

void first_names_done(struct first_names *names)
{
	free(names->slots);
	str_done(&names->paths);
	*names = (struct first_names){ 0 };
}

static struct first_name_slot *find(struct first_name_slot *slots, size_t count, uint64_t inode)
{
	size_t at = (size_t)((inode * 0x9e3779b97f4a7c15u) >> 32) & (count - 1);

	while (slots[at].path && slots[at].inode != inode)
		at = (at + 1) & (count - 1);
	return &slots[at];
}

static void grow(struct first_names *names)
{
	size_t count = names->count ? names->count * 2 : SLOTS_FIRST;
	struct first_name_slot *slots = xcalloc(count, sizeof(*slots));

	for (size_t i = 0; i < names->count; i++)
		if (names->slots[i].path)
			*find(slots, count, names->slots[i].inode) = names->slots[i];
	free(names->slots);
	names->slots = slots;
	names->count = count;
}

const char *first_name(struct first_names *names, const struct stat *st, const char *path)
{
	size_t len = strlen(path) + 1;
	struct first_name_slot *slot;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return NULL;
	if (!names->count) {
		names->device = st->st_dev;
		names->paths.max = PATHS_MAX;
	}
	if (names->used * 4 >= names->count * 3)
		grow(names);
	slot = find(names->slots, names->count, st->st_ino);
	if (slot->path)
		return st->st_dev == names->device ? names->paths.data + slot->path - 1 : NULL;
	/* Where there is no room for its name, a file comes out as two. */
	if (names->paths.len + len > PATHS_MAX || st->st_dev != names->device)
		return NULL;
	*slot = (struct first_name_slot){ st->st_ino, (uint32_t)names->paths.len + 1 };
	str_addn(&names->paths, path, len);
	names->used++;
	return NULL;
}
