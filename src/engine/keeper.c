/* The keeper: the supervisor's parent, and every container's. It holds what must outlive a
 * supervisor (descriptors under names, exit statuses) and starts another supervisor when one dies.
 * It does nothing else.
 *
 * It allocates nothing once it runs: its tables are static, sized for about two thousand
 * containers, and pages that were never touched cost no memory. When a table is full it says no to
 * new entries (the supervisor then keeps the only copy) and leaves further dead children to the
 * kernel's process table, which loses nothing. */
#include "engine/keeper.h"

#include "base/fs.h"
#include "base/proc.h"
#include "engine/client.h"
#include "engine/keeper-protocol.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	HELD_MAX = 16384,
	EXITS_MAX = 4096,
	DESCRIPTORS_WANTED = 65536, /* seven a container, in keeper and supervisor */
	BACKOFF_FIRST_MS = 20,
	BACKOFF_MAX_MS = 60000,
	STEADY_MS = 10000, /* a supervisor that lived this long starts the backoff anew */
};

static struct {
	uint32_t count;
	uint32_t hash[HELD_MAX];
	int fd[HELD_MAX];
	char name[HELD_MAX][KEEPER_NAME_MAX];
} held;

static struct {
	uint32_t count, sent; /* the first `sent` are with the present supervisor */
	struct {
		pid_t pid;
		int status;
	} v[EXITS_MAX];
} exits;

static struct {
	int lock, signals, socket, ready;
	pid_t supervisor; /* 0: none runs */
	bool upgrade;	  /* the next one is the newest binary */
	bool over;
	int result;
	uint32_t list_next; /* next of `held` to send; UINT32_MAX: no list is under way */
	int backoff_ms;
	nsec_t started, start_at;
	char *argv[4], *binary;
} keeper;

int keeper_lock(int dir)
{
	for (int tries = 0; tries < 16; tries++) {
		cleanup_fd int fd =
			openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return -errno;
		/* The previous holder removes the file as it leaves: a lock on a removed file locks
		 * nobody. */
		struct stat mine, named;
		if (fstat(fd, &mine) == 0 &&
		    fstatat(dir, "lock", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    mine.st_ino == named.st_ino && mine.st_dev == named.st_dev)
			return fd_take(fd);
	}
	return -EWOULDBLOCK;
}

/* --- what is held --- */

static uint32_t name_hash(const char *name)
{
	uint32_t h = 2166136261u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

static void held_forget(uint32_t i)
{
	fd_close(held.fd[i]);
	uint32_t last = --held.count;
	held.hash[i] = held.hash[last];
	held.fd[i] = held.fd[last];
	memcpy(held.name[i], held.name[last], KEEPER_NAME_MAX);
}

static void held_drop(const char *name)
{
	size_t len = strlen(name);
	bool all_below = len > 0 && name[len - 1] == '/';
	uint32_t hash = name_hash(name);
	for (uint32_t i = held.count; i-- > 0;) {
		if (all_below ? strncmp(held.name[i], name, len) == 0
			      : held.hash[i] == hash && strcmp(held.name[i], name) == 0)
			held_forget(i);
	}
}

static void held_add(const char *name, int fd)
{
	held_drop(name);
	if (held.count == HELD_MAX) {
		fd_close(fd);
		return;
	}
	held.hash[held.count] = name_hash(name);
	held.fd[held.count] = fd;
	memcpy(held.name[held.count], name, KEEPER_NAME_MAX);
	held.count++;
}

/* FD_NONE: nobody gave one. */
static int held_program(void)
{
	static const char name[] = KEEPER_PROGRAM_OWNER "/" KEEPER_PROGRAM;
	uint32_t hash = name_hash(name);
	for (uint32_t i = 0; i < held.count; i++)
		if (held.hash[i] == hash && strcmp(held.name[i], name) == 0)
			return held.fd[i];
	return FD_NONE;
}

/* --- exit statuses --- */

static void exits_ack(pid_t pid)
{
	for (uint32_t i = 0; i < exits.count; i++) {
		if (exits.v[i].pid != pid)
			continue;
		memmove(&exits.v[i], &exits.v[i + 1], (exits.count - i - 1) * sizeof(exits.v[0]));
		exits.count--;
		if (exits.sent > i)
			exits.sent--;
		return;
	}
}

static bool receive(int socket, int flags);

static void supervisor_ended(int status)
{
	/* Its last words are still in the socket. */
	while (keeper.socket >= 0 && receive(keeper.socket, MSG_DONTWAIT))
		;
	keeper.supervisor = 0;
	keeper.socket = fd_close(keeper.socket);
	keeper.list_next = UINT32_MAX;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (code == SUPERVISOR_DONE || code == SUPERVISOR_FAILED) {
		keeper.over = true;
		keeper.result = code;
		return;
	}
	if (code == SUPERVISOR_UPGRADE) {
		keeper.upgrade = true;
		keeper.backoff_ms = BACKOFF_FIRST_MS;
		keeper.start_at = 0;
		return;
	}
	if (now_mono() - keeper.started > STEADY_MS * NSEC_PER_MSEC)
		keeper.backoff_ms = BACKOFF_FIRST_MS;
	keeper.start_at = now_mono() + keeper.backoff_ms * NSEC_PER_MSEC;
	keeper.backoff_ms =
		keeper.backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : keeper.backoff_ms * 2;
}

static void reap(void)
{
	while (exits.count < EXITS_MAX) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return;
		if (pid == keeper.supervisor) {
			supervisor_ended(status);
			continue;
		}
		exits.v[exits.count].pid = pid;
		exits.v[exits.count].status = status;
		exits.count++;
	}
}

/* --- the supervisor --- */

/* The two descriptors go to their fixed numbers, by way of high ones so that neither overwrites the
 * other. */
static void child_descriptors(int socket, int ready)
{
	int high_socket = fcntl(socket, F_DUPFD_CLOEXEC, 64);
	int high_ready = ready >= 0 ? fcntl(ready, F_DUPFD_CLOEXEC, 64) : FD_NONE;
	(void)close(KEEPER_FD_SOCKET);
	(void)close(KEEPER_FD_READY);
	if (high_socket < 0 || dup2(high_socket, KEEPER_FD_SOCKET) < 0)
		_exit(127);
	if (high_ready >= 0)
		(void)dup2(high_ready, KEEPER_FD_READY);
}

static void supervisor_start(void)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		keeper.start_at = now_mono() + BACKOFF_MAX_MS * NSEC_PER_MSEC;
		return;
	}
	keeper.started = now_mono();
	keeper.start_at = NSEC_NEVER;
	pid_t pid = fork();
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		child_descriptors(pair[1], keeper.ready);
		int program = held_program();
		if (program >= 0)
			(void)syscall(SYS_execveat, program, "", keeper.argv, environ,
				      AT_EMPTY_PATH);
		if (keeper.upgrade && keeper.binary)
			execv(keeper.binary, keeper.argv);
		execv("/proc/self/exe", keeper.argv);
		_exit(127);
	}
	fd_close(pair[1]);
	keeper.ready = fd_close(keeper.ready);
	if (pid < 0) {
		fd_close(pair[0]);
		keeper.start_at = now_mono() + BACKOFF_MAX_MS * NSEC_PER_MSEC;
		return;
	}
	keeper.supervisor = pid;
	keeper.socket = pair[0];
	keeper.list_next = UINT32_MAX;
	exits.sent = exits.count; /* nothing is sent unasked: LIST comes first */
	(void)fcntl(keeper.socket, F_SETFL, O_NONBLOCK);
}

/* True when something waits for room in the socket. */
static bool flush(void)
{
	struct keeper_message m;
	while (keeper.list_next != UINT32_MAX && keeper.list_next < held.count) {
		keeper_message_init(&m, KEEPER_HELD, held.name[keeper.list_next]);
		if (keeper_send(keeper.socket, &m, held.fd[keeper.list_next]) < 0)
			return true;
		keeper.list_next++;
	}
	while (exits.sent < exits.count) {
		keeper_message_init(&m, KEEPER_EXIT, NULL);
		m.pid = exits.v[exits.sent].pid;
		m.status = exits.v[exits.sent].status;
		if (keeper_send(keeper.socket, &m, FD_NONE) < 0)
			return true;
		exits.sent++;
	}
	if (keeper.list_next != UINT32_MAX) {
		keeper_message_init(&m, KEEPER_LIST_END, NULL);
		if (keeper_send(keeper.socket, &m, FD_NONE) < 0)
			return true;
		keeper.list_next = UINT32_MAX;
	}
	return false;
}

/* One message. Returns false when there is none, when the socket has ended, and after a GO. */
static bool receive(int socket, int flags)
{
	struct keeper_message m;
	int fd = FD_NONE;
	int r = keeper_receive(socket, flags, &m, &fd);
	if (r == -EBADMSG)
		return true;
	if (r <= 0)
		return false;
	switch (m.type) {
	case KEEPER_HOLD:
		if (fd >= 0)
			held_add(m.name, fd_take(fd));
		break;
	case KEEPER_DROP: held_drop(m.name); break;
	case KEEPER_LIST:
		keeper.list_next = 0;
		exits.sent = 0;
		break;
	case KEEPER_ACK: exits_ack(m.pid); break;
	case KEEPER_GO: return false;
	default: /* of a newer supervisor */ break;
	}
	fd_close(fd);
	return true;
}

/* --- beginning and end --- */

static int say_ready(int fd, const char *text, int result)
{
	if (fd >= 0)
		(void)fs_write_all(fd, text, strlen(text)); /* nobody listens: nobody to tell */
	return result;
}

static bool is_socket(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool is_pipe(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* From a supervisor whose keeper was killed: it hands over all it has, and leaves. */
static void take_over(void)
{
	while (receive(KEEPER_FD_SOCKET, 0))
		;
	(void)close(KEEPER_FD_SOCKET);
}

static int keeper_open(const struct engine_paths *paths, const char *project)
{
	struct err err = ERR_INIT;
	cleanup_free char *path = xasprintf("%s/projects/%s", paths->run, project);
	cleanup_fd int dir = fs_opendirs(AT_FDCWD, path, 0700, &err);
	if (dir < 0) {
		(void)say_ready(keeper.ready, err.msg, 0);
		err_done(&err);
		return -1;
	}
	/* A dying supervisor that hands over may outlive the killed keeper's lock by nothing at
	 * all, but another keeper may have been started by an impatient client: the first one wins.
	 */
	keeper.lock = keeper_lock(dir);
	if (keeper.lock < 0)
		return say_ready(keeper.ready, READY_BUSY, -1);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < DESCRIPTORS_WANTED) {
		files.rlim_cur =
			files.rlim_max < DESCRIPTORS_WANTED ? files.rlim_max : DESCRIPTORS_WANTED;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* fewer containers, then */
	}
	return 0;
}

static void keeper_loop(void)
{
	while (!keeper.over) {
		bool waiting = keeper.supervisor && flush();
		nsec_t until = keeper.supervisor ? NSEC_NEVER : keeper.start_at - now_mono();
		if (!keeper.supervisor && until <= 0) {
			supervisor_start();
			continue;
		}
		struct pollfd fds[2] = {
			{ .fd = keeper.signals, .events = POLLIN },
			{ .fd = keeper.socket, .events = POLLIN | (waiting ? POLLOUT : 0) },
		};
		if (poll(fds, 2, until == NSEC_NEVER ? -1 : (int)(until / NSEC_PER_MSEC) + 1) < 0)
			continue;
		while (keeper.socket >= 0 && receive(keeper.socket, MSG_DONTWAIT))
			;
		struct signalfd_siginfo info;
		while (read(keeper.signals, &info, sizeof(info)) > 0)
			;
		reap();
		/* A supervisor that closed its end but lives is about to exit: its death is the
		 * news. */
		if (fds[1].revents & (POLLHUP | POLLERR))
			keeper.socket = fd_close(keeper.socket);
	}
}

int keeper_main(const struct engine_paths *paths, const char *project, char **argv)
{
	struct err err = ERR_INIT;
	keeper.socket = keeper.signals = keeper.lock = FD_NONE;
	keeper.ready = is_pipe(KEEPER_FD_READY) ? KEEPER_FD_READY : FD_NONE;
	bool handed_over = is_socket(KEEPER_FD_SOCKET);
	if (runtime_protect(argv, &err) < 0) {
		(void)say_ready(keeper.ready, err.msg, 0);
		err_done(&err);
		return SUPERVISOR_FAILED;
	}
	proc_title("%s [keeper]", project);
	/* A container is made by a short-lived process in between; when that ends, it becomes ours.
	 */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (keeper_open(paths, project) < 0)
		return SUPERVISOR_FAILED;
	if (keeper.ready >= 0)
		(void)fcntl(keeper.ready, F_SETFD, FD_CLOEXEC);

	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set,
		    NULL); /* only SIGKILL ends a keeper whose supervisor lives */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	keeper.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	char *const args[] = { argv[0], (char *)"supervisor", (char *)project, NULL };
	memcpy(keeper.argv, args, sizeof(args));
	keeper.binary = getenv("STAVE_BINARY");
	keeper.backoff_ms = BACKOFF_FIRST_MS;
	keeper.list_next = UINT32_MAX;
	if (handed_over)
		take_over();

	keeper_loop();

	cleanup_free char *path = xasprintf("%s/projects/%s", paths->run, project);
	struct err ignored = ERR_INIT; /* what stays is swept by the next keeper */
	(void)fs_remove_tree(AT_FDCWD, path, &ignored);
	err_done(&ignored);
	return keeper.result;
}
