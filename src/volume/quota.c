/* By descriptor throughout (quotactl_fd, Linux 5.14), so that no device has to be found. A
 * project's number is chosen at random among those that own nothing and have no limit: nothing but
 * the directory itself needs to remember it. */
#include "volume/quota.h"

#include "base/cleanup.h"

#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

enum {
	QUOTA_TRIES = 32,
	QUOTA_ID_LOW = 1 << 20, /* below are what people choose by hand */
};

static int quota(int fd, unsigned cmd, uint32_t id, void *arg)
{
	return (int)syscall(SYS_quotactl_fd, fd, QCMD(cmd, PRJQUOTA), id, arg);
}

static int check_enforced(int dir, struct err *err)
{
	struct fs_quota_stat state = { 0 };

	if (quota(dir, Q_XGETQSTAT, 0, &state) == 0 && (state.qs_flags & FS_QUOTA_PDQ_ENFD))
		return 0;
	return err_unsupported(err, "the file system of the volumes keeps no limits of size: they "
				    "need ext4 or XFS with project quotas (for ext4 'tune2fs -O "
				    "project,quota', and both mounted with 'prjquota')");
}

/* A number that is nobody's. */
static int choose(int dir, uint32_t *ret, struct err *err)
{
	for (int i = 0; i < QUOTA_TRIES; i++) {
		struct if_dqblk have = { 0 };
		uint32_t id = 0;

		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return err_sys(err, errno, "choose a number");
		id = id % (INT32_MAX - QUOTA_ID_LOW) + QUOTA_ID_LOW;
		if (quota(dir, Q_GETQUOTA, id, &have) < 0 && errno != ENOENT)
			return err_sys(err, errno, "look at the quota of project %u", id);
		if (have.dqb_curspace || have.dqb_curinodes || have.dqb_bhardlimit)
			continue;
		*ret = id;
		return 0;
	}
	return err_new(err, ERR_SYSTEM, EAGAIN, "no free project number was found");
}

static int set_limit(int dir, uint32_t id, uint64_t bytes)
{
	struct if_dqblk limit = { .dqb_bhardlimit = (bytes + QIF_DQBLKSIZE - 1) / QIF_DQBLKSIZE,
				  .dqb_bsoftlimit = (bytes + QIF_DQBLKSIZE - 1) / QIF_DQBLKSIZE,
				  .dqb_valid = QIF_BLIMITS };

	return quota(dir, Q_SETQUOTA, id, &limit);
}

int quota_limit(int dir, uint64_t bytes, struct err *err)
{
	struct fsxattr attr = { 0 };
	uint32_t id = 0;
	int r = check_enforced(dir, err);

	if (r == 0)
		r = choose(dir, &id, err);
	if (r < 0)
		return r;
	if (ioctl(dir, FS_IOC_FSGETXATTR, &attr) < 0)
		return err_sys(err, errno, "read the directory's project");
	attr.fsx_projid = id;
	attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	if (ioctl(dir, FS_IOC_FSSETXATTR, &attr) < 0)
		return err_sys(err, errno, "give the directory a project");
	if (set_limit(dir, id, bytes) < 0)
		return err_sys(err, errno, "limit project %u", id);
	return 0;
}

void quota_release(int dir)
{
	struct fsxattr attr = { 0 };

	if (ioctl(dir, FS_IOC_FSGETXATTR, &attr) == 0 && attr.fsx_projid >= QUOTA_ID_LOW)
		(void)set_limit(dir, attr.fsx_projid, 0); /* at worst it binds nobody */
}
