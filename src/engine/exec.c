/* Another process in a running container, started by the caller itself: record and spec say all
 * that is needed. */
#include "engine/client.h"
#include "runtime/runtime.h"

#include <sys/ioctl.h>

int engine_exec(const struct engine_paths *paths, const struct container *c,
		const struct exec_options *options, struct runtime_child *ret, struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	if (!container_is_up(c->state) || c->pid <= 0)
		return err_new(err, ERR_CONFLICT, ESRCH, "container '%s' is not running", c->name);
	if (c->state == CONTAINER_PAUSED)
		return err_new(err, ERR_CONFLICT, EBUSY, "container '%s' is paused", c->name);
	int r = state_spec_load(paths, c, &spec, err);
	if (r < 0)
		return r;
	struct spec_process *process = &spec.process;
	strv_done(&process->args);
	strv_copy(&process->args, &options->args);
	for (size_t i = 0; i < options->env.n; i++)
		env_put(&process->env, options->env.v[i]);
	if (options->user) {
		free(process->user);
		process->user = xstrdup(options->user);
	}
	if (options->workdir) {
		free(process->cwd);
		process->cwd = xstrdup(options->workdir);
	}
	process->tty = options->tty;
	/* The size is there before the program looks. */
	struct winsize window;
	if (options->tty && ioctl(options->stdio[1], TIOCGWINSZ, &window) == 0) {
		process->rows = window.ws_row;
		process->cols = window.ws_col;
	}
	if (options->tty && !env_get(&process->env, "TERM"))
		env_set(&process->env, "TERM", "xterm");
	const struct runtime_exec exec = {
		.pid = c->pid,
		.start_time = c->start_time,
		.process = process,
		.privileged = options->privileged,
		.stdio = { options->stdio[0], options->stdio[1], options->stdio[2] },
	};
	return runtime_exec(&spec, &exec, ret, err);
}
