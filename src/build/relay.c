#include "build/relay.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { CONNECTIONS_MAX = 64, CHUNK = 16384 };

struct connection {
	int fd[2]; /* the container's, the agent's */
};

static int address_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || address_of(path, &address) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fd_close(fd);
	return fd;
}

/* The other process has ended this side: what was said is through. false: over. */
static bool pass(int from, int to)
{
	char buf[CHUNK];
	ssize_t n = read(from, buf, sizeof(buf));

	return n > 0 && fs_write_all(to, buf, (size_t)n) == 0;
}

static void accept_one(int listener, const char *agent, struct connection *list, size_t *n)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int other = fd >= 0 && *n < CONNECTIONS_MAX ? connect_to(agent) : FD_NONE;

	if (other < 0)
		fd_close(fd);
	else
		list[(*n)++] = (struct connection){ { fd, other } };
}

static _Noreturn void serve(int listener, const char *agent)
{
	struct connection list[CONNECTIONS_MAX];
	struct pollfd polls[1 + 2 * CONNECTIONS_MAX];
	size_t n = 0;

	for (;;) {
		polls[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (size_t i = 0; i < 2 * n; i++)
			polls[1 + i] = (struct pollfd){
				.fd = list[i / 2].fd[i % 2],
				.events = POLLIN,
			};
		if (poll(polls, 1 + 2 * n, -1) < 0 && errno != EINTR)
			_exit(1);
		for (size_t i = n; i-- > 0;) {
			bool over = false;

			for (int side = 0; side < 2; side++)
				if (polls[1 + 2 * i + (size_t)side].revents)
					over = over || !pass(list[i].fd[side], list[i].fd[!side]);
			if (over) {
				fd_close(list[i].fd[0]);
				fd_close(list[i].fd[1]);
				list[i] = list[--n];
			}
		}
		if (polls[0].revents & POLLIN)
			accept_one(listener, agent, list, &n);
	}
}

static int listen_at(const char *path, uint32_t uid, uint32_t gid, uint32_t mode, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_free char *parent = path_dir(path);
	cleanup_fd int dir = fs_open(AT_FDCWD, parent, O_PATH | O_DIRECTORY, 0, err);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (dir < 0)
		return dir;
	/* The store's path may be longer than a socket's address. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir,
		 path_base(path));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, CONNECTIONS_MAX) < 0 || chown(path, uid, gid) < 0 || chmod(path, mode) < 0)
		return err_sys(err, errno, "listen on '%s'", path);
	return fd_take(fd);
}

int relay_start(const char *dir, const char *agent, uint32_t uid, uint32_t gid, uint32_t mode,
		pid_t *ret_pid, struct err *err)
{
	cleanup_free char *path = path_join(dir, RELAY_SOCKET);
	cleanup_fd int fd = listen_at(path, uid, gid, mode, err);
	cleanup_fd int probe = FD_NONE;
	pid_t pid;

	if (fd < 0)
		return fd;
	probe = connect_to(agent);
	if (probe < 0)
		return err_not_found(err, "no SSH agent answers on '%s'", agent);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGTERM, SIG_DFL);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		serve(fd, agent);
	}
	if (pid < 0)
		return err_sys(err, errno, "start a process");
	*ret_pid = pid;
	return 0;
}

void relay_stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}
