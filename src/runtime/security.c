/* The last thing before the exec: groups, user, capabilities, seccomp. */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

static int set_caps(uint64_t permitted, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)permitted, .permitted = (uint32_t)permitted },
		{ .effective = (uint32_t)(permitted >> 32),
		  .permitted = (uint32_t)(permitted >> 32) },
	};

	if (syscall(SYS_capset, &header, data) < 0)
		return err_sys(err, errno, "set the capabilities");
	return 0;
}

static int get_caps(uint64_t *ret, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return err_sys(err, errno, "read the capabilities");
	*ret = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return 0;
}

static int drop_bounding(uint64_t keep, struct err *err)
{
	for (int cap = 0; cap < 64; cap++) {
		if (keep >> cap & 1)
			continue;
		/* EINVAL: the first number that this kernel does not have. */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : err_sys(err, errno, "drop a capability");
	}
	return 0;
}

static int become_user(const struct launch *l, struct err *err)
{
	int r;

	if ((r = sys_setgroups(l->groups.n, l->groups.v)) < 0)
		return err_sys(err, -r, "set %zu supplementary groups", l->groups.n);
	if ((r = sys_setresgid(l->gid)) < 0)
		return err_sys(err, -r, "become group %u", l->gid);
	if ((r = sys_setresuid(l->uid)) < 0)
		return err_sys(err, -r, "become user %u", l->uid);
	return 0;
}

static int load_filter(const struct launch *l, struct err *err)
{
	if (!l->seccomp)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, l->seccomp) < 0)
		return err_sys(err, errno, "load the seccomp filter of %u instructions",
			       l->seccomp->len);
	return 0;
}

int runtime__limits_set(const struct launch *l, struct err *err)
{
	vec_each(r, &l->process->rlimits) {
		struct rlimit value = { .rlim_cur = r->soft, .rlim_max = r->hard };
		if (setrlimit((unsigned)r->resource, &value) < 0)
			return err_sys(err, errno, "set a resource limit (RLIMIT number %d)",
				       r->resource);
	}
	return 0;
}

int runtime__security_set_init(const struct launch *l, struct err *err)
{
	uint64_t have;
	int r;

	if ((r = get_caps(&have, err)) < 0)
		return r;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (l->process->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "set no_new_privs");
	if ((r = drop_bounding(l->caps, err)) < 0 || (r = load_filter(l, err)) < 0)
		return r;
	return set_caps((l->caps | UINT64_C(1) << CAP_KILL) & have, err);
}

int runtime__security_set(struct launch *l, struct err *err)
{
	uint64_t have, keep;
	int r;

	if ((r = runtime__limits_set(l, err)) < 0)
		return r;
	if ((r = get_caps(&have, err)) < 0)
		return r;
	/* What stave itself does not have it cannot give (CAP_SYS_RESOURCE in many sandboxes). */
	keep = l->caps & have;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if ((r = drop_bounding(l->caps, err)) < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "keep the capabilities for now");
	if ((r = become_user(l, err)) < 0)
		return r;
	if (l->process->no_new_privs) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return err_sys(err, errno, "set no_new_privs");
	} else {
		/* Loading a filter needs CAP_SYS_ADMIN, until the very last. */
		if ((r = set_caps((l->uid ? 0 : keep) | (have & UINT64_C(1) << CAP_SYS_ADMIN),
				  err)) < 0 ||
		    (r = load_filter(l, err)) < 0)
			return r;
	}
	if ((r = set_caps(l->uid ? 0 : keep, err)) < 0)
		return r;
	return l->process->no_new_privs ? load_filter(l, err) : 0;
}
