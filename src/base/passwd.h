/* The users and groups of a root file system: its etc/passwd and etc/group. Both belong to an
 * image, so they are opened beneath the root, without waiting (a FIFO would hang), as regular files
 * of bounded size only. A missing file is an empty one: many images have none, and numbers still
 * work. */
#ifndef STAVE_BASE_PASSWD_H
#define STAVE_BASE_PASSWD_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PASSWD_BYTES_MAX = 4 << 20 };

struct passwd {
	char *users, *groups; /* the texts, never NULL after loading */
};
#define PASSWD_INIT ((struct passwd){ 0 })

int passwd_load(int root, struct passwd *ret, struct err *err);
void passwd_done(struct passwd *p);
#define cleanup_passwd cleanup(passwd_done)

struct passwd_user {
	uid_t uid;
	gid_t gid;
	char *name, *home; /* owned */
};
void passwd_user_done(struct passwd_user *user);
#define cleanup_passwd_user cleanup(passwd_user_done)

/* The entry with that name or number. False, and *ret untouched, when there is none. */
bool passwd_user_find(const struct passwd *p, const char *name, struct passwd_user *ret);
/* The same for a group; a number that has no entry is itself. */
bool passwd_group_find(const struct passwd *p, const char *name, gid_t *ret);
/* Calls `add` for each group that lists the user as a member. */
void passwd_groups_each(const struct passwd *p, const char *user,
			void (*add)(void *data, gid_t gid), void *data);
/* A number as /etc/passwd has them: 0 to 2^31-1. */
bool passwd_id_parse(const char *text, uint32_t *ret);

#endif
