/* The kernel's own floor: what a container costs when nothing is done but what the kernel must do.
 * Not a line of stave in it.
 *
 * usage: floor N [CONCURRENCY] [user]
 *        floor exec PID PROGRAM [ARGUMENT...]
 *
 * Makes N containers, CONCURRENCY (default: the number of processors) at a time: clone3 with all
 * namespaces (with `user`, a user namespace too, its maps written by the parent), an overlay with
 * an upper directory of its own, proc, pivot_root, exec of a static program that ends at once; and
 * waits for each. Prints the milliseconds in all and for each. Needs root.
 *
 * The second form is the floor of `exec`: enters the namespaces of a container's process, runs the
 * program there and waits for it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char work[] = "/var/tmp/floor-XXXXXX";

static void need(long r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* Ends at once, without a C library: the smallest program there is. */
static const unsigned char program[] = {
	0x7f, 'E',  'L',  'F',	2,    1, 1,    0,    0,	   0,	 0,    0,    0, 0, 0, 0, /* 64-bit,
											    little
											    endian
											  */
	2,    0,    0x3e, 0,	1,    0, 0,    0, /* executable, x86-64 */
	0x78, 0,    0x40, 0,	0,    0, 0,    0, /* entry 0x400078 */
	0x40, 0,    0,	  0,	0,    0, 0,    0,    0,	   0,	 0,    0,    0, 0, 0, 0, /* program
											    headers
											    at 0x40
											  */
	0,    0,    0,	  0,	0x40, 0, 0x38, 0,    1,	   0,	 0,    0,    0, 0, 0, 0, 1,
	0,    0,    0,	  5,	0,    0, 0,    0,    0,	   0,	 0,    0,    0, 0, 0,	 /* PT_LOAD,
											    r-x, offset
											    0 */
	0,    0,    0x40, 0,	0,    0, 0,    0,    0,	   0,	 0x40, 0,    0, 0, 0, 0, /* at
											    0x400000
											  */
	0x84, 0,    0,	  0,	0,    0, 0,    0,    0x84, 0,	 0,    0,    0, 0, 0, 0, /* size */
	0,    0x10, 0,	  0,	0,    0, 0,    0,			     /* alignment */
	0x31, 0xff, 0xb8, 0x3c, 0,    0, 0,    0x0f, 0x05, 0x90, 0x90, 0x90, /* exit(0)
									      */
};

static void make_image(void)
{
	char path[256];

	need(mkdtemp(work) ? 0 : -1, "mkdtemp");
	need(chdir(work), "chdir");
	need(chmod(work, 0755), "chmod");
	need(mkdir("layer", 0755), "mkdir");
	need(mkdir("layer/proc", 0755), "mkdir");
	snprintf(path, sizeof(path), "layer/true");
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	need(fd, path);
	need(write(fd, program, sizeof(program)), "write");
	close(fd);
}

static void make_dirs(int i)
{
	char path[64];
	const char *names[] = { "", "/u", "/w", "/r" };

	for (size_t k = 0; k < 4; k++) {
		snprintf(path, sizeof(path), "c%d%s", i, names[k]);
		need(mkdir(path, 0755), path);
	}
}

static void child(int i, int go)
{
	char options[256], root[64], byte;
	char *const argv[] = { "true", NULL };

	if (go >= 0)
		need(read(go, &byte, 1), "read");
	need(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "private mounts");
	snprintf(options, sizeof(options), "userxattr,lowerdir=layer,upperdir=c%d/u,workdir=c%d/w",
		 i, i);
	snprintf(root, sizeof(root), "c%d/r", i);
	need(mount("overlay", root, "overlay", 0, options), "overlay");
	need(chdir(root), "chdir");
	need(mount("proc", "proc", "proc", 0, NULL), "proc");
	need(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	need(umount2(".", MNT_DETACH), "umount");
	need(execv("/true", argv), "exec");
}

static void write_map(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	need(fd, path);
	need(write(fd, "0 0 65536", 9), path);
	close(fd);
}

static void start(int i, int user)
{
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWCGROUP | (user ? CLONE_NEWUSER : 0),
		.exit_signal = SIGCHLD,
	};
	int go[2] = { -1, -1 };

	make_dirs(i);
	if (user)
		need(pipe2(go, O_CLOEXEC), "pipe");
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	need(pid, "clone3");
	if (pid == 0) {
		child(i, go[0]);
		_exit(1);
	}
	if (!user)
		return;
	write_map((pid_t)pid, "uid_map");
	write_map((pid_t)pid, "gid_map");
	need(write(go[1], "", 1), "write");
	close(go[0]);
	close(go[1]);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int number(const char *text)
{
	int n = 0;

	return sscanf(text, "%d", &n) == 1 ? n : 0;
}

static void clean_up(int n)
{
	char path[64];
	const char *names[] = { "/u", "/w/work", "/w", "/r", "" };

	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < 5; k++) {
			snprintf(path, sizeof(path), "c%d%s", i, names[k]);
			(void)rmdir(path);
		}
	}
	(void)unlink("layer/true");
	(void)rmdir("layer/proc");
	(void)rmdir("layer");
	(void)rmdir(work);
}

static int enter_and_run(const char *pid, char *const command[])
{
	static const char *const names[] = { "ipc", "uts", "net", "pid", "cgroup", "user", "mnt" };
	int fds[sizeof(names) / sizeof(*names)], status = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct stat own, theirs;
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		need(stat(path, &own), path);
		snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, names[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		need(fds[i], path);
		need(fstat(fds[i], &theirs), path);
		if (own.st_ino == theirs.st_ino)
			fds[i] = -1;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (fds[i] >= 0)
			need(setns(fds[i], 0), names[i]);
	pid_t child = fork();
	need(child, "fork");
	if (child == 0)
		need(execv(command[0], command), command[0]);
	need(waitpid(child, &status, 0), "wait");
	return status != 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "exec") == 0)
		return enter_and_run(argv[2], argv + 3);
	int n = argc > 1 ? number(argv[1]) : 50;
	int at_once = argc > 2 ? number(argv[2]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
	int user = argc > 3 && strcmp(argv[3], "user") == 0;
	int running = 0, failed = 0, status;

	if (n < 1 || at_once < 1) {
		fprintf(stderr, "usage: floor N [CONCURRENCY] [user]\n");
		return 2;
	}
	make_image();
	double begin = now();
	for (int i = 0; i < n || running; i += i < n) {
		if (i < n && running < at_once) {
			start(i, user);
			running++;
			continue;
		}
		if (wait(&status) < 0)
			break;
		failed += status != 0;
		running--;
		i -= i < n;
	}
	double spent = now() - begin;
	clean_up(n);
	printf("%d containers, %d at a time: %.1f ms, %.2f ms each\n", n, at_once, spent,
	       spent / n);
	return failed ? 1 : 0;
}
