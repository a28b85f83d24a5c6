#include "api/sample.h"

#include "base/fs.h"
#include "base/parse.h"
#include "engine/client.h"

#include <fcntl.h>

enum { STATM_MAX = 256 };

static void project_done(struct sample_project *p)
{
	vec_done(&p->containers);
	containers_done(&p->records);
	free(p->name);
}

void sample_done(struct sample *sample)
{
	vec_each(p, &sample->projects)
		project_done(p);
	vec_done(&sample->projects);
}

/* The second number of /proc/PID/statm: pages. */
static uint64_t resident_bytes(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/statm", (int)pid);
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err ended = ERR_INIT;
	uint64_t pages = 0;
	if (fs_read(AT_FDCWD, path, STATM_MAX, &text, &ended) < 0)
		return 0;
	cleanup_strv struct strv numbers = strv_split(str_text(&text), ' ');
	if (numbers.n < 2 || parse_u64(numbers.v[1], 0, UINT64_MAX, &pages) < 0)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int take_project(const struct engine_paths *paths, const char *name,
			struct sample_project *p, struct err *err)
{
	p->name = xstrdup(name);
	p->supervisor = client_supervisor_pid(paths, name);
	if (p->supervisor)
		p->supervisor_memory = resident_bytes(p->supervisor);
	int r = state_containers(paths, name, &p->records, err);
	p->readable = r == 0;
	vec_each(c, &p->records.items) {
		struct sample_container *one = vec_add(&p->containers);
		cleanup_err struct err ended = ERR_INIT;
		one->c = *c;
		one->running = container_resources(paths, *c, &one->resources, &ended) == 0;
	}
	return r;
}

int sample_take(const struct engine_paths *paths, const char *project, struct sample *ret,
		struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	*ret = (struct sample){ 0 };
	if (project) {
		int r = state_name_check("project", project, err);
		return r < 0 ? r : take_project(paths, project, vec_add(&ret->projects), err);
	}
	int r = state_projects(paths, &names, err);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		cleanup_err struct err damaged = ERR_INIT;
		(void)take_project(paths, names.v[i], vec_add(&ret->projects), &damaged);
	}
	return r;
}
