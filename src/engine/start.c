/* Starting a container, and what follows its end. */
#include "base/log.h"
#include "base/proc.h"
#include "engine/oom.h"
#include "engine/service-spec.h"
#include "engine/supervisor.h"
#include "runtime/runtime.h"
#include "volume/volume.h"

#include <signal.h>

static int join_one(struct life *life, const char *mode, enum spec_ns *sort, pid_t *pid,
		    struct err *err)
{
	if (!mode || (!str_starts(mode, "service:") && !str_starts(mode, "container:")))
		return 0;
	struct life *other = supervisor_life_by_mode(life->s, mode);
	if (!other)
		return err_new(err, ERR_CONFLICT, ESRCH,
			       "cannot share a namespace of '%s': it is not running",
			       strchr(mode, ':') + 1);
	*sort = SPEC_NS_JOIN;
	*pid = other->c->pid;
	return 0;
}

/* Pids of the containers whose namespaces this one joins are known only now. */
static int fill_joined(struct life *life, struct spec *spec, struct err *err)
{
	if (spec->pid != SPEC_NS_JOIN && spec->ipc != SPEC_NS_JOIN)
		return 0;
	struct project *project = supervisor_project(life->s, err);
	const struct service *service = project ? project_service(project, life->c->service) : NULL;
	if (!service)
		return project ? err_not_found(err, "no such service: '%s'", life->c->service)
			       : -err->no;
	int r = join_one(life, service->pid, &spec->pid, &spec->pid_join, err);
	return r < 0 ? r : join_one(life, service->ipc, &spec->ipc, &spec->ipc_join, err);
}

static void status_ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct life *life = data;
	(void)w;
	(void)events;
	int r = runtime_start_result(fd, &life->start_error);
	watch_close(life->status_watch);
	life->status_watch = NULL;
	life->status_fd = fd_close(life->status_fd);
	if (r == 0) {
		life->s->tell->started(life);
		return;
	}
	debug("%s: %s", life->c->name, life->start_error.msg);
	/* The transition comes with the end of its process, so that nothing of it is left by then.
	 */
	(void)proc_pidfd_signal(life->pidfd, SIGKILL);
}

static void process_exists(struct life *life, struct runtime_child *child)
{
	life->c->pid = child->pid;
	life->c->start_time = child->start_time;
	fd_close(life->pidfd);
	life->pidfd = fd_take(child->pidfd);
	life->foreign = false;
	life->console = fd_take(child->console);
	life->status_fd = fd_take(child->status_fd);
	life->status_watch =
		loop_watch(life->s->loop, life->status_fd, EPOLLIN, status_ready, life);
	stdio_started(life);
}

static int start_here(struct life *life, const struct spec *spec,
		      const struct runtime_namespaces *ns, const int stdio[3], struct err *err)
{
	const struct runtime_start start = { .flags = RUNTIME_CLONE_PARENT,
					     .ns = *ns,
					     .stdio = { stdio[0], stdio[1], stdio[2] } };
	struct runtime_child child = RUNTIME_CHILD_NONE;
	int r = runtime_start(spec, &start, &child, err);
	if (r < 0)
		return r;
	process_exists(life, &child);
	runtime_child_done(&child);
	return 0;
}

/* What the process beside could not do is done here: it has the reason. */
static void answered(struct life *life, const struct spec *spec,
		     const struct runtime_namespaces *ns, const int stdio[3],
		     struct runtime_child *child)
{
	cleanup_err struct err err = ERR_INIT;
	if (child->pid > 0) {
		process_exists(life, child);
		return;
	}
	/* One that was killed half-way has left what it had begun. */
	int r = runtime_cleanup(spec, &err);
	if (r == 0)
		r = start_here(life, spec, ns, stdio, &err);
	if (r == 0)
		return;
	err_done(&life->start_error);
	(void)err_move(&life->start_error, &err);
	life->s->tell->start_failed(life);
}

/* Takes the spec's content when it is started by the process beside. */
static int start_process(struct life *life, struct spec *spec, const struct runtime_namespaces *ns,
			 struct err *err)
{
	int stdio[3] = { FD_NONE, FD_NONE, FD_NONE };
	int r = stdio_open(life, stdio, err);
	if (r == 0 && !ahead_start(life, spec, ns, stdio, answered))
		r = start_here(life, spec, ns, stdio, err);
	for (int i = 0; i < 3; i++)
		fd_close(stdio[i]);
	return r;
}

static int take_spec(struct life *life, struct spec *ret, struct err *err)
{
	if (!life->spec)
		return state_spec_load(&life->s->paths, life->c, ret, err);
	*ret = *life->spec;
	free(ptr_take(life->spec));
	return 0;
}

/* --- volumes that are file systems of their own --- */

static int mount_volumes(struct life *life, struct err *err)
{
	int r = 0;
	vec_each(mounted, &life->c->volumes) {
		cleanup_volume struct volume v = { 0 };
		if (r < 0 || !mounted->name)
			continue;
		r = volume_load(life->s->paths.root, mounted->name, &v, err);
		if (r == 0)
			r = volume_mount(&v, err);
	}
	return r;
}

static bool is_used(const struct supervisor *s, const char *volume)
{
	map_each(e, &s->lives) {
		const struct container *c = ((struct life *)e->value)->c;
		if (!container_is_up(c->state) && c->state != CONTAINER_BACKOFF)
			continue;
		vec_each(v, &c->volumes)
			if (str_eq(v->name, volume))
				return true;
	}
	return false;
}

/* What another project's containers still see, they go on seeing. */
static void unmount_volumes(struct life *life)
{
	vec_each(mounted, &life->c->volumes) {
		cleanup_volume struct volume v = { 0 };
		cleanup_err struct err err = ERR_INIT;
		if (!mounted->name || is_used(life->s, mounted->name))
			continue;
		if (volume_load(life->s->paths.root, mounted->name, &v, &err) < 0 ||
		    volume_unmount(&v, &err) < 0)
			debug("%s", err.msg);
	}
}

int start_begin(struct life *life, struct err *err)
{
	struct supervisor *s = life->s;
	struct container *c = life->c;
	cleanup_spec struct spec spec = { 0 };
	struct runtime_namespaces ns = RUNTIME_NAMESPACES_NONE;
	err_done(&life->start_error);
	c->oom_killed = false;
	int r = take_spec(life, &spec, err);
	if (r == 0)
		r = mount_volumes(life, err);
	if (r == 0)
		r = berth_open(life->berth, life, &spec, &ns, err);
	if (r == 0)
		r = fill_joined(life, &spec, err);
	if (r == 0) {
		struct project *project = supervisor_project(s, err);
		r = project ? service_fill_etc(&s->paths, project, c, &spec, err) : -err->no;
	}
	if (r == 0)
		r = start_process(life, &spec, &ns, err);
	if (r < 0)
		stdio_close(life);
	return r;
}

void start_ended(struct life *life)
{
	struct supervisor *s = life->s;
	replica_ended(life);
	watch_close(life->status_watch);
	life->status_watch = NULL;
	life->status_fd = fd_close(life->status_fd);
	life->pidfd = fd_close(life->pidfd);
	life->interactive = false;
	health_stop(life);
	oom_end(life);
	stdio_close(life);
	cleanup_spec struct spec spec = { 0 };
	cleanup_err struct err err = ERR_INIT;
	if (state_spec_load(&s->paths, life->c, &spec, &err) < 0 ||
	    runtime_cleanup(&spec, &err) < 0)
		event_warning(s, "container '%s': %s", life->c->name, err.msg);
	unmount_volumes(life);
}
