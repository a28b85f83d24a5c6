#include "base/proc.h"

#include "base/fs.h"
#include "base/parse.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int proc_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? -errno : fd;
}

int proc_pidfd_signal(int pidfd, int signo)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

/* Of a file of /proc/PID, without the newline that ends it. */
static int proc_text(pid_t pid, const char *file, char *text, size_t size)
{
	char path[48];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n <= 0)
		return -ESRCH;
	text[n - (text[n - 1] == '\n')] = '\0';
	return 0;
}

/* Field `number` (as proc(5) counts) of /proc/PID/stat. The name in field 2 may hold blanks and
 * brackets, so counting begins behind the last bracket. */
static int stat_field(pid_t pid, int number, uint64_t *ret)
{
	char text[1024];
	int r = proc_text(pid, "stat", text, sizeof(text));
	if (r < 0)
		return r;

	char *p = strrchr(text, ')');
	for (int field = 2; p && field < number; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	if (!p)
		return -EINVAL;
	p[strcspn(p, " \n")] = '\0';
	return parse_u64(p, 0, UINT64_MAX, ret);
}

uint64_t proc_start_time(pid_t pid)
{
	uint64_t value;
	return stat_field(pid, 22, &value) < 0 ? 0 : value;
}

bool proc_alive(pid_t pid, uint64_t start_time)
{
	return pid > 0 && start_time && proc_start_time(pid) == start_time;
}

bool proc_abandoned(pid_t pid)
{
	char stat[1024], name[32];
	if (proc_text(pid, "stat", stat, sizeof(stat)) < 0)
		return false;
	const char *behind = strrchr(stat, ')');
	if (!behind || !str_starts(behind, ") Z"))
		return false;
	uint64_t threads;
	if (stat_field(pid, 20, &threads) == 0 && threads > 1)
		return false; /* its first thread only */
	return proc_text(proc_parent(pid), "comm", name, sizeof(name)) < 0 ||
	       !str_eq(name, "stave");
}

uint64_t proc_cpu_time(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/schedstat", (int)pid);
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err err = ERR_INIT; /* it has ended */
	uint64_t ns = 0;
	if (fs_read(AT_FDCWD, path, 256, &text, &err) < 0)
		return 0;
	cleanup_strv struct strv words = strv_split(str_text(&text), ' ');
	(void)parse_u64(words.v[0], 0, UINT64_MAX, &ns);
	return ns;
}

pid_t proc_parent(pid_t pid)
{
	uint64_t value;
	return stat_field(pid, 4, &value) < 0 ? -1 : (pid_t)value;
}

enum { FAMILY_MAX = 1024 };

void proc_kill_family(pid_t first)
{
	pid_t pids[FAMILY_MAX];
	size_t n = 0;
	pids[n++] = first;
	for (size_t i = 0; i < n; i++) {
		(void)kill(pids[i], SIGSTOP); /* gone is as good */
		cleanup_free char *path =
			xasprintf("/proc/%d/task/%d/children", (int)pids[i], (int)pids[i]);
		cleanup_str struct str text = STR_INIT_MAX(64 << 10);
		cleanup_err struct err ignored = ERR_INIT;
		cleanup_fd int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0, &ignored);
		if (fd < 0 || fs_read_fd(fd, path, 64 << 10, &text, &ignored) < 0)
			continue;
		cleanup_strv struct strv words = strv_split(str_text(&text), ' ');
		for (size_t w = 0; w < words.n && n < FAMILY_MAX; w++) {
			int pid;
			if (parse_int(words.v[w], 2, INT32_MAX, &pid) == 0)
				pids[n++] = pid;
		}
	}
	while (n > 0)
		(void)kill(pids[--n], SIGKILL);
}

/* The title. With CAP_SYS_RESOURCE, and where the kernel was built for it, the kernel can be
 * pointed at a page of ours; else the text goes over the area where argv was, and as far as it must
 * over environ behind it: what is left of that stays to be read in /proc/PID/environ. */
static struct {
	char *area;
	size_t argv_size, size;
	char *page;
} title;

enum { TITLE_SIZE = 4096 };

void proc_title_init(int argc, char **argv)
{
	if (argc < 1)
		return;
	char *end = argv[0];
	title.area = argv[0];
	for (int i = 0; i < argc; i++) {
		if (argv[i] != end)
			return (void)(title.area = NULL); /* not in one piece: leave it alone */
		end += strlen(end) + 1;
		argv[i] = xstrdup(argv[i]);
	}
	title.argv_size = (size_t)(end - title.area);
	size_t count = 0;
	while (environ[count])
		count++;
	char **copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++) {
		if (environ[i] == end)
			end += strlen(end) + 1;
		copy[i] = xstrdup(environ[i]);
	}
	environ = copy;
	title.size = (size_t)(end - title.area);
}

void proc_forget_environment(void)
{
	if (title.area)
		explicit_bzero(title.area + title.argv_size, title.size - title.argv_size);
}

static bool title_by_kernel(const char *text, size_t len)
{
	char *page =
		mmap(NULL, TITLE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	memcpy(page, text, len);
	unsigned long start = (unsigned long)page, end = start + len + 1;
	/* start must never be above end, so the order depends on where the page is. */
	bool ok = prctl(PR_SET_MM, PR_SET_MM_ARG_START, start, 0, 0) == 0 &&
		  prctl(PR_SET_MM, PR_SET_MM_ARG_END, end, 0, 0) == 0;
	if (!ok)
		ok = prctl(PR_SET_MM, PR_SET_MM_ARG_END, end, 0, 0) == 0 &&
		     prctl(PR_SET_MM, PR_SET_MM_ARG_START, start, 0, 0) == 0;
	if (!ok) {
		munmap(page, TITLE_SIZE);
		return false;
	}
	if (title.page)
		munmap(title.page, TITLE_SIZE);
	title.page = page;
	return true;
}

void proc_title(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *rest = xvasprintf(format, ap);
	va_end(ap);
	cleanup_free char *text = xasprintf("stave: %s", rest);
	size_t len = strlen(text);
	if (len > TITLE_SIZE - 1)
		len = TITLE_SIZE - 1;

	(void)prctl(PR_SET_NAME, "stave"); /* cannot fail */
	if (title_by_kernel(text, len) || !title.area || title.size < 2)
		return;
	if (len > title.size - 1)
		len = title.size - 1;
	memcpy(title.area, text, len);
	title.area[len] = '\0';
	/* The kernel shows the whole of argv when its last byte is a NUL. */
	if (len < title.argv_size)
		memset(title.area + len, 0, title.argv_size - len);
}

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "SIGHUP", SIGHUP },
	{ "SIGINT", SIGINT },
	{ "SIGQUIT", SIGQUIT },
	{ "SIGILL", SIGILL },
	{ "SIGTRAP", SIGTRAP },
	{ "SIGABRT", SIGABRT },
	{ "SIGBUS", SIGBUS },
	{ "SIGFPE", SIGFPE },
	{ "SIGKILL", SIGKILL },
	{ "SIGUSR1", SIGUSR1 },
	{ "SIGSEGV", SIGSEGV },
	{ "SIGUSR2", SIGUSR2 },
	{ "SIGPIPE", SIGPIPE },
	{ "SIGALRM", SIGALRM },
	{ "SIGTERM", SIGTERM },
	{ "SIGSTKFLT", SIGSTKFLT },
	{ "SIGCHLD", SIGCHLD },
	{ "SIGCONT", SIGCONT },
	{ "SIGSTOP", SIGSTOP },
	{ "SIGTSTP", SIGTSTP },
	{ "SIGTTIN", SIGTTIN },
	{ "SIGTTOU", SIGTTOU },
	{ "SIGURG", SIGURG },
	{ "SIGXCPU", SIGXCPU },
	{ "SIGXFSZ", SIGXFSZ },
	{ "SIGVTALRM", SIGVTALRM },
	{ "SIGPROF", SIGPROF },
	{ "SIGWINCH", SIGWINCH },
	{ "SIGIO", SIGIO },
	{ "SIGPWR", SIGPWR },
	{ "SIGSYS", SIGSYS },
	/* Second names, behind the ones that signal_name gives. */
	{ "SIGIOT", SIGABRT },
	{ "SIGCLD", SIGCHLD },
	{ "SIGPOLL", SIGIO },
};

/* The kernel's numbers: libc's SIGRTMIN is higher, as it keeps some for itself, but containers
 * count with theirs; 34 is what both glibc and Docker call RTMIN. */
enum { RT_LOW = 34, RT_HIGH = 64 };

static int parse_realtime(const char *name)
{
	int offset = 0;
	bool low = str_starts(name, "RTMIN");
	if (!low && !str_starts(name, "RTMAX"))
		return -EINVAL;
	name += 5;
	if (*name) {
		if (*name != (low ? '+' : '-') ||
		    parse_int(name + 1, 0, RT_HIGH - RT_LOW, &offset) < 0)
			return -EINVAL;
	}
	return low ? RT_LOW + offset : RT_HIGH - offset;
}

int signal_parse(const char *name)
{
	int number;
	if (parse_int(name, 1, RT_HIGH, &number) == 0)
		return number;
	char upper[16];
	size_t len = strlen(name);
	if (len >= sizeof(upper))
		return -EINVAL;
	for (size_t i = 0; i <= len; i++)
		upper[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
	const char *bare = str_after(upper, "SIG");
	if (!bare)
		bare = upper;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcmp(signals[i].name + 3, bare) == 0)
			return signals[i].number;
	return parse_realtime(bare);
}

const char *signal_name(int signo)
{
	static char text[16]; /* for the real-time ones only */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].number == signo)
			return signals[i].name;
	if (signo < RT_LOW || signo > RT_HIGH)
		return "SIG?";
	snprintf(text, sizeof(text), signo == RT_LOW ? "SIGRTMIN" : "SIGRTMIN+%d", signo - RT_LOW);
	return text;
}
