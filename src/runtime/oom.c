/* Kills for want of memory, heard of as they happen: v1 signals an eventfd just before the kernel
 * looks for a victim, v2 marks memory.events as changed. */
#include "runtime/cgroup.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define cleanup_cgroup cleanup(cgroup_cleanup)
static void cgroup_cleanup(struct cgroup **cg)
{
	runtime__cgroup_free(*cg);
}

static int watch_v1(const char *dir, struct runtime_oom_watch *ret, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/memory.oom_control", dir);
	cleanup_fd int control = fs_open(AT_FDCWD, path, O_RDONLY, 0, err);
	if (control < 0)
		return control;
	cleanup_fd int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return err_sys(err, errno, "make an eventfd");
	cleanup_free char *text = xasprintf("%d %d", event, control);
	cleanup_free char *register_path = xasprintf("%s/cgroup.event_control", dir);
	int r = fs_poke(AT_FDCWD, register_path, text, err);
	if (r < 0)
		return r;
	*ret = (struct runtime_oom_watch){ .fd = fd_take(event), .events = EPOLLIN };
	return 0;
}

static int watch_v2(const char *dir, struct runtime_oom_watch *ret, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/memory.events", dir);
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0, err);
	if (fd < 0)
		return fd;
	*ret = (struct runtime_oom_watch){ .fd = fd, .events = EPOLLPRI };
	runtime_oom_clear(ret); /* changes count from the first look on */
	return 0;
}

int runtime_oom_watch(const struct spec *spec, struct runtime_oom_watch *ret, struct err *err)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);
	const char *dir = runtime__cgroup_dir(cg, "memory");
	if (!dir)
		return err_unsupported(err, "the machine has no 'memory' control group controller");
	return cg->host->v2 ? watch_v2(dir, ret, err) : watch_v1(dir, ret, err);
}

void runtime_oom_clear(const struct runtime_oom_watch *watch)
{
	char text[512];
	/* An eventfd is set back by the reading, memory.events is looked at from its beginning;
	 * what it says is asked for by runtime_oom_kills(). */
	if (watch->events == EPOLLPRI)
		(void)lseek(watch->fd, 0, SEEK_SET);
	if (read(watch->fd, text, sizeof(text)) < 0)
		return; /* another reader was first, or the group is gone: nothing to be set back */
}

uint64_t runtime_oom_kills(const struct spec *spec)
{
	cleanup_cgroup struct cgroup *cg = runtime__cgroup_new(spec, NULL);
	const char *dir = runtime__cgroup_dir(cg, "memory");
	if (!dir)
		return 0;
	return runtime__cgroup_read_key(dir, cg->host->v2 ? "memory.events" : "memory.oom_control",
					"oom_kill");
}
