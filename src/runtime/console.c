/* The terminal and the standard descriptors. A container's pty comes from its own devpts, so that
 * `tty` names a device that exists inside; the child makes it first of all and sends the master
 * back, before anything of the image is touched. */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"
#include "base/log.h"

#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <termios.h>

static int send_fd(int socket, int fd)
{
	char byte = 0;
	union {
		char data[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.data,
		.msg_controllen = sizeof(control.data),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int runtime__console_receive(int socket)
{
	char byte;
	union {
		char data[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.data,
		.msg_controllen = sizeof(control.data),
	};
	ssize_t n;
	int fd;

	do {
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return FD_NONE;
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

/* A new pty of the devpts instance that `dev` (a /dev, or a detached devpts) leads to. */
static int open_pty(struct launch *l, int dir, const char *ptmx, struct err *err)
{
	struct winsize size = { .ws_row = l->process->rows, .ws_col = l->process->cols };
	cleanup_fd int master = fs_open(dir, ptmx, O_RDWR | O_NOCTTY, 0, err);
	int locked = 0, r;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &locked) < 0)
		return err_sys(err, errno, "unlock the pty");
	l->console = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (l->console < 0)
		return err_sys(err, errno, "open the pty");
	if ((size.ws_row || size.ws_col) && ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_sys(err, errno, "set the size of the pty");
	if ((r = send_fd(l->console_socket, master)) < 0)
		return err_sys(err, -r, "hand over the pty");
	l->console_socket = fd_close(l->console_socket);
	return 0;
}

int runtime__console_make(struct launch *l, struct err *err)
{
	static const char *const options[] = { "newinstance", "ptmxmode=0666", "mode=0620", "gid=5",
					       NULL };

	if (!l->process->tty)
		return 0;
	if (l->exec)
		return open_pty(l, AT_FDCWD, "/dev/pts/ptmx", err);
	l->devpts =
		runtime__fs_mount("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, options, err);
	return l->devpts < 0 ? l->devpts : open_pty(l, l->devpts, "ptmx", err);
}

void runtime__stdio_give(int fd, uid_t uid, gid_t gid)
{
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PIPEFS_MAGIC)
		return;
	if (fchown(fd, uid, gid) < 0)
		debug("cannot give descriptor %d to user %u: %s", fd, uid, strerror(errno));
}

int runtime__stdio_set(struct launch *l, struct err *err)
{
	cleanup_fd int null = FD_NONE;
	int fds[3];

	for (int i = 0; i < 3; i++) {
		int from = l->console >= 0 ? l->console : l->stdio[i];
		if (from < 0 && null < 0 &&
		    (null = fs_open(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY, 0, err)) < 0)
			return null;
		/* Out of the way first: what is to be 1 may be 0 now. */
		fds[i] = fcntl(from < 0 ? null : from, F_DUPFD_CLOEXEC, 3);
		if (fds[i] < 0)
			return err_sys(err, errno, "take over descriptor %d", i);
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(fds[i], i) < 0)
			return err_sys(err, errno, "set descriptor %d", i);
		close(fds[i]);
	}
	if (l->console >= 0 && ioctl(0, TIOCSCTTY, 0) < 0)
		return err_sys(err, errno, "make the pty the controlling terminal");
	return 0;
}
