/* What tests run inside containers: a static program that does what its arguments say, one after
 * the other, and prints what it sees. Each argument is VERB or VERB=VALUE; "exit=N" ends.
 * Linked to many names (true, sh, ...) by tests that need a command of that name. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

static int number(const char *text)
{
	int n = 0;

	return sscanf(text, "%d", &n) == 1 ? n : 0;
}

static void result(const char *what, long r)
{
	printf("%s: %s\n", what, r < 0 ? strerrorname_np(errno) : "ok");
}

static void do_cat(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	fflush(stdout);
	if (fd < 0) {
		printf("%s: %s\n", path, strerrorname_np(errno));
		return;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	if (n < 0)
		printf("%s: %s\n", path, strerrorname_np(errno));
	close(fd);
}

static void do_ls(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir) {
		printf("ls %s: %s\n", path, strerrorname_np(errno));
		return;
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			printf("ls %s: %s\n", path, e->d_name);
	closedir(dir);
}

static void do_fds(const char *unused)
{
	(void)unused;
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("fd %d\n", fd);
}

static void do_cwd(const char *unused)
{
	char buf[4096];

	(void)unused;
	if (syscall(SYS_getcwd, buf, sizeof(buf)) < 0)
		printf("cwd: %s\n", strerrorname_np(errno));
	else
		printf("cwd %s\n", buf);
}

static void do_id(const char *unused)
{
	gid_t groups[256];
	int n = getgroups(256, groups);

	(void)unused;
	printf("uid %u gid %u groups", getuid(), getgid());
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	printf("\n");
}

static void do_stat(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		printf("stat %s: %s\n", path, strerrorname_np(errno));
		return;
	}
	printf("stat %s: %o %u:%u %lld", path, st.st_mode, st.st_uid, st.st_gid,
	       (long long)st.st_size);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf(" %u:%u", major(st.st_rdev), minor(st.st_rdev));
	printf("\n");
}

static void do_open(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY);

	printf("open %s: %s\n", path, fd < 0 ? strerrorname_np(errno) : "ok");
	if (fd >= 0)
		close(fd);
}

static void do_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0666);

	printf("create %s: %s\n", path, fd < 0 ? strerrorname_np(errno) : "ok");
	if (fd >= 0) {
		if (write(fd, "hello\n", 6) != 6)
			printf("write %s: %s\n", path, strerrorname_np(errno));
		close(fd);
	}
}

static void do_poke(const char *value) /* PATH:TEXT */
{
	const char *colon = strrchr(value, ':');
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%.*s", (int)(colon - value), value);
	fd = open(path, O_WRONLY);
	printf("poke %s: %s\n", path,
	       fd < 0 || write(fd, colon + 1, strlen(colon + 1)) < 0 ? strerrorname_np(errno)
								     : "ok");
	if (fd >= 0)
		close(fd);
}

static void do_mknod(const char *value) /* PATH:MAJOR:MINOR */
{
	char path[256];
	unsigned maj, min;

	if (sscanf(value, "%255[^:]:%u:%u", path, &maj, &min) != 3)
		abort();
	if (mknod(path, S_IFCHR | 0666, makedev(maj, min)) < 0)
		printf("mknod %s: %s\n", path, strerrorname_np(errno));
	else
		do_open(path);
}

static void do_env(const char *unused)
{
	(void)unused;
	for (char **e = environ; *e; e++)
		printf("env %s\n", *e);
}

static void do_uts(const char *unused)
{
	struct utsname u;

	(void)unused;
	uname(&u);
	printf("hostname %s\n", u.nodename);
	printf("domainname %s\n", u.domainname);
}

static void do_tty(const char *unused)
{
	struct winsize size = { 0 };

	(void)unused;
	ioctl(0, TIOCGWINSZ, &size);
	printf("tty %s %s\n", isatty(0) ? "yes" : "no", ttyname(0) ? ttyname(0) : "none");
	printf("size %u %u\n", size.ws_row, size.ws_col);
	printf("foreground %s\n", tcgetpgrp(0) == getpgrp() ? "yes" : "no");
	printf("session leader %s\n", getsid(0) == getpid() ? "yes" : "no");
	do_open("/dev/tty");
	do_stat("/dev/console");
}

static void do_rlimit(const char *unused)
{
	struct rlimit r;

	(void)unused;
	getrlimit(RLIMIT_NOFILE, &r);
	printf("nofile %llu %llu\n", (unsigned long long)r.rlim_cur,
	       (unsigned long long)r.rlim_max);
}

static void do_umask(const char *unused)
{
	(void)unused;
	printf("umask %o\n", umask(0));
}

static void do_signals(const char *unused)
{
	sigset_t set;
	int blocked = 0, handled = 0;

	(void)unused;
	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int s = 1; s < NSIG; s++) {
		struct sigaction a;
		blocked += sigismember(&set, s) == 1;
		handled += sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_DFL;
	}
	printf("signals blocked %d handled %d\n", blocked, handled);
}

/* Refused, unknown and allowed calls, as a seccomp profile decides. */
static void do_syscalls(const char *unused)
{
	(void)unused;
	result("socket alg", socket(38, SOCK_SEQPACKET, 0));
	result("socket packet", socket(AF_PACKET, SOCK_RAW, 0));
	result("socket vsock", socket(40, SOCK_STREAM, 0));
	result("socket inet", socket(AF_INET, SOCK_STREAM, 0));
	result("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
	result("unshare", syscall(SYS_unshare, 0x10000000));
	result("clone userns", syscall(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0));
	result("clone3", syscall(435, NULL, 0));
	result("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	result("add_key", syscall(SYS_add_key, "user", "a", "b", 1, -3));
	result("bpf", syscall(SYS_bpf, 0, NULL, 0));
	result("perf", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	result("userfaultfd", syscall(SYS_userfaultfd, 0));
	result("io_uring", syscall(425, 1, NULL));
	result("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
	result("kexec", syscall(SYS_kexec_load, 0, 0, NULL, 0));
	result("open_by_handle", syscall(SYS_open_by_handle_at, -1, NULL, 0));
	result("settime", syscall(SYS_clock_settime, 0, NULL));
	result("unknown", syscall(999));
	result("mseal", syscall(462, 1, 4096, 0));
	result("futex_waitv", syscall(449, NULL, 0, 0, NULL, 0));
	result("personality", syscall(SYS_personality, 0xffffffff));
	result("personality bad", syscall(SYS_personality, 0x0040000));
	result("syslog", syscall(SYS_syslog, 3, NULL, 0));
	result("ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
	result("chroot", chroot("/"));
}

static void do_sleep(const char *unused)
{
	(void)unused;
	fflush(stdout);
	for (;;)
		pause();
}

static volatile sig_atomic_t got;
static void handler(int signo)
{
	got = signo;
}

/* Prints "ready", then the signals it gets until SIGUSR2. */
static void do_trap(const char *unused)
{
	sigset_t none, all;

	(void)unused;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGTERM, handler);
	signal(SIGUSR1, handler);
	signal(SIGUSR2, handler);
	printf("ready\n");
	fflush(stdout);
	sigemptyset(&none);
	while (got != SIGUSR2) {
		sigsuspend(&none);
		printf("signal %d\n", (int)got);
		fflush(stdout);
	}
}

static void do_fork(const char *count)
{
	int n = 0;

	for (int i = 0; i < number(count); i++) {
		pid_t pid = fork();
		if (pid == 0) {
			pause();
			_exit(0);
		}
		n += pid > 0;
	}
	printf("forked %d\n", n);
}

/* Leaves an orphan that ends at once, and sees whether somebody reaps it. */
static void do_orphan(const char *unused)
{
	int fds[2];
	pid_t orphan = 0;

	(void)unused;
	if (pipe(fds) < 0)
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0)
			_exit(0);
		if (write(fds[1], &grandchild, sizeof(grandchild)) < 0)
			abort();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	if (read(fds[0], &orphan, sizeof(orphan)) < 0)
		abort();
	for (int i = 0; i < 200 && kill(orphan, 0) == 0; i++)
		usleep(5000);
	printf("orphan %s\n", kill(orphan, 0) == 0 ? "left" : "reaped");
	printf("pid %d\n", getpid());
}

static void do_eat(const char *megabytes)
{
	size_t size = (size_t)number(megabytes) << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	printf("ate %s\n", megabytes);
}

static void do_statvfs(const char *path)
{
	struct statvfs fs;

	if (statvfs(path, &fs) < 0) {
		printf("statvfs %s: %s\n", path, strerrorname_np(errno));
		return;
	}
	printf("statvfs %s:%s%s%s%s size %llu\n", path, fs.f_flag & ST_RDONLY ? " ro" : "",
	       fs.f_flag & ST_NOSUID ? " nosuid" : "", fs.f_flag & ST_NODEV ? " nodev" : "",
	       fs.f_flag & ST_NOEXEC ? " noexec" : "",
	       (unsigned long long)fs.f_blocks * fs.f_frsize);
}

static void do_exe(const char *pid) /* may /proc/PID/exe be opened for writing, or read? */
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	fd = open(path, O_RDWR);
	printf("exe %s rw: %s\n", pid, fd < 0 ? strerrorname_np(errno) : "ok");
	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	fd = open(path, O_RDWR);
	printf("mem %s rw: %s\n", pid, fd < 0 ? strerrorname_np(errno) : "ok");
}

static void do_sigpending(const char *unused)
{
	(void)unused;
	printf("pid %d ppid %d\n", getpid(), getppid());
}

static const struct {
	const char *name;
	void (*run)(const char *value);
} verbs[] = {
	{ "cat", do_cat },
	{ "ls", do_ls },
	{ "fds", do_fds },
	{ "cwd", do_cwd },
	{ "id", do_id },
	{ "stat", do_stat },
	{ "open", do_open },
	{ "create", do_create },
	{ "poke", do_poke },
	{ "mknod", do_mknod },
	{ "env", do_env },
	{ "uts", do_uts },
	{ "tty", do_tty },
	{ "rlimit", do_rlimit },
	{ "umask", do_umask },
	{ "signals", do_signals },
	{ "syscalls", do_syscalls },
	{ "sleep", do_sleep },
	{ "trap", do_trap },
	{ "fork", do_fork },
	{ "orphan", do_orphan },
	{ "eat", do_eat },
	{ "statvfs", do_statvfs },
	{ "exe", do_exe },
	{ "pid", do_sigpending },
};

int main(int argc, char **argv)
{
	/* A test that fails leaves its containers behind; they end with it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		size_t len = value ? (size_t)(value - argv[i]) : strlen(argv[i]);
		size_t k = 0;

		if (value && strncmp(argv[i], "exit", len) == 0)
			return number(value + 1);
		while (k < sizeof(verbs) / sizeof(verbs[0]) &&
		       (strlen(verbs[k].name) != len || strncmp(verbs[k].name, argv[i], len) != 0))
			k++;
		if (k == sizeof(verbs) / sizeof(verbs[0])) {
			fprintf(stderr, "payload: no verb '%s'\n", argv[i]);
			return 2;
		}
		verbs[k].run(value ? value + 1 : "");
		fflush(stdout);
	}
	return 0;
}
