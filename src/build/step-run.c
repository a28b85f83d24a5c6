/* RUN: a command in a container on the stage's files. */
#include "build/emulator.h"
#include "build/mounts.h"
#include "build/run.h"
#include "build/stage.h"

#include "base/fs.h"

struct run_data {
	const struct instruction *in;
	struct run run;
	struct mounts mounts;
	char *cwd, *script;
	struct strv hosts;
};

static void run_data_done(struct run_data *d)
{
	strv_done(&d->run.args);
	strv_done(&d->run.env);
	mounts_done(&d->mounts);
	free(d->cwd);
}

/* A heredoc that begins with "#!" is a program: what the kernel would do with it is done here,
 * because it is mounted where nothing may be executed. */
static int script_args(struct run_data *d, const struct instruction *in, struct err *err)
{
	const char *name = in->heredocs.n ? in->heredocs.v[0].name : "script";
	const char *line = in->args.v[0] + 2;
	size_t word;

	line += strspn(line, " \t");
	word = strcspn(line, " \t\n");
	if (!word)
		return err_input(err, "the heredoc's first line names no interpreter");
	strv_take(&d->run.args, xstrndup(line, word));
	line += word;
	line += strspn(line, " \t");
	if (*line && *line != '\n')
		strv_take(&d->run.args, xstrndup(line, strcspn(line, "\n")));
	strv_addf(&d->run.args, "/dev/pipes/%s", name);
	mounts_add_script(&d->mounts, name, in->args.v[0]);
	return 0;
}

static int set_args(struct stage_run *stage, struct run_data *d, const struct instruction *in,
		    struct err *err)
{
	if (in->script)
		return script_args(d, in, err);
	if (!in->json)
		product_shell(&stage->product, &d->run.args);
	strv_copy(&d->run.args, &in->args);
	return 0;
}

/* "NAME[,required]". No device is registered with this builder (there is no CDI): a step that can
 * do without runs without. */
static int check_devices(const struct instruction *in, struct err *err)
{
	for (size_t i = 0; i < in->devices.n; i++) {
		cleanup_strv struct strv parts = strv_split(in->devices.v[i], ',');
		bool required = false;

		for (size_t k = 1; k < parts.n; k++)
			required = required || str_eq(parts.v[k], "required") ||
				   str_eq(parts.v[k], "required=true");
		if (required)
			return err_unsupported(err,
					       "RUN --device=%s: devices (CDI) are not supported, "
					       "and this one is required",
					       in->devices.v[i]);
	}
	return 0;
}

static int set_network(struct stage_run *stage, struct run *run, const struct instruction *in,
		       struct err *err)
{
	const struct build_options *o = stage->options;
	const char *whole = o->network;

	run->network = str_eq(whole, "none")   ? SANDBOX_NONE
		       : str_eq(whole, "host") ? SANDBOX_HOST
					       : SANDBOX_BRIDGE;
	if (in->network == RUN_NETWORK_NONE)
		run->network = SANDBOX_NONE;
	if (in->network == RUN_NETWORK_HOST) {
		if (!o->allow_host_network && !str_eq(whole, "host"))
			return err_new(err, ERR_PERMISSION, EPERM,
				       "granting entitlement network.host is not allowed by build "
				       "configuration: RUN --network=host needs '--allow "
				       "network.host' or 'entitlements: [network.host]'");
		run->network = SANDBOX_HOST;
	}
	run->insecure = in->insecure;
	if (in->insecure && !o->allow_insecure)
		return err_new(err, ERR_PERMISSION, EPERM,
			       "granting entitlement security.insecure is not allowed by build "
			       "configuration: RUN --security=insecure needs '--allow "
			       "security.insecure', 'entitlements: [security.insecure]' or "
			       "'privileged: true'");
	return 0;
}

static void add_list(struct cache_entry *e, const char *kind, const struct strv *list)
{
	for (size_t i = 0; i < list->n; i++) {
		size_t len = strcspn(list->v[i], "=");
		cleanup_free char *name = xasprintf("%s %.*s", kind, (int)len, list->v[i]);

		cache_input(e, name, list->v[i]);
	}
}

/* Everything that may make another result: not the network's state, not the secrets. */
static void add_inputs(struct stage_run *stage, struct run_data *d, const struct strv *args,
		       struct cache_entry *e)
{
	static const char *const networks[] = { "bridge", "none", "host" };
	cleanup_free char *command = NULL;
	cleanup_strv struct strv env = { 0 };
	cleanup_json json_t *words = json_from_strv(&d->run.args);

	command = json_text(words);
	product_env(&stage->product, &env);
	cache_input(e, "the command", command);
	add_list(e, "the variable", &env);
	add_list(e, "the argument", args);
	cache_input(e, "the working directory", d->run.cwd);
	cache_input(e, "the user", d->run.user ? d->run.user : "");
	cache_input(e, "the network", networks[d->run.network]);
	if (d->run.insecure)
		cache_input(e, "the security mode", "insecure");
	if (d->script)
		cache_input(e, "the script", d->script);
}

/* Said before the kernel says "not a program of this machine". */
static int check_machine(struct stage_run *stage, struct err *err)
{
	const char *arch = json_str(stage->product.doc, "architecture", NULL);

	if (str_empty(arch) || emulator_is_native(arch) || emulator_there(arch))
		return 0;
	return err_unsupported(
		err,
		"RUN in an image for '%s' on this '%s' machine needs an emulator, and "
		"none is registered (binfmt_misc); install one (qemu-user-static), or "
		"let the stage run on this machine: FROM --platform=$BUILDPLATFORM",
		arch, image_architecture());
}

static int run_make(struct stage_run *stage, const struct work *work, void *data, struct err *err)
{
	struct run_data *d = data;
	int status = 0, r = check_machine(stage, err);

	if (r < 0)
		return r;
	if (!stage->has_sandbox) {
		r = stage->loop ? 0 : loop_new(&stage->loop, err);
		if (r == 0)
			r = sandbox_open(stage->options->root, stage->options->run, stage->loop,
					 &stage->sandbox, err);
		if (r < 0)
			return r;
		stage->has_sandbox = true;
	}
	d->run.work = work;
	d->run.sandbox = &stage->sandbox;
	r = mounts_make(&d->mounts, stage, work, err);
	vec_each(m, &d->mounts.made)
		vec_push(&d->run.mounts, *m);
	vec_done(&d->mounts.made);
	strv_copy(&d->run.env, &d->mounts.env);
	if (r == 0)
		r = run_step(&d->run, &status, err);
	mounts_release(&d->mounts, stage);
	if (r < 0 || status == 0)
		return r;
	cleanup_free char *words = strv_join(&d->run.args, " ");

	return err_new(err, ERR_CONTAINER, EIO,
		       "process \"%s\" did not complete successfully: exit code: %d", words,
		       status);
}

static void pass_output(void *data, const char *text, size_t len)
{
	stage_output(data, text, len);
}

int stage_run_step(struct stage_run *stage, const struct instruction *in, struct err *err)
{
	const struct build_options *o = stage->options;
	cleanup_cache_entry struct cache_entry entry = { 0 };
	cleanup(run_data_done) struct run_data d = { .in = in };
	cleanup_strv struct strv args = { 0 };
	struct stage_step step = {
		.what = in->original,
		.entry = &entry,
		.make = run_make,
		.data = &d,
	};
	int r = set_args(stage, &d, in, err);

	if (r == 0)
		r = check_devices(in, err);
	if (r == 0)
		r = set_network(stage, &d.run, in, err);
	if (r < 0)
		return r;
	d.cwd = path_join("/", product_text(&stage->product, "WorkingDir", "/"));
	d.script = in->script ? in->args.v[0] : NULL;
	d.run.cwd = d.cwd;
	d.run.user = product_text(&stage->product, "User", NULL);
	d.run.extra_hosts = &o->extra_hosts;
	d.run.shm_size = o->shm_size;
	d.run.memory = o->memory;
	d.run.cgroup_parent = o->cgroup_parent;
	vec_each(l, &o->rlimits)
		vec_push(&d.run.rlimits, *l);
	d.run.output = pass_output;
	d.run.data = stage;
	d.run.cancelled = &stage->cancelled;
	scope_run_args(&stage->scope, &args);
	product_env(&stage->product, &d.run.env);
	strv_copy(&d.run.env, &args);
	scope_proxies(&stage->scope, &d.run.env);
	add_inputs(stage, &d, &args, &entry);
	r = mounts_parse(&d.mounts, stage, in, &entry, err);
	if (r == 0)
		r = stage_step(stage, &step, err);
	vec_done(&d.run.rlimits);
	return r;
}
