/* Dockerfiles, their variables, their checks, .dockerignore, --chmod and git addresses: what a
 * stranger's build brings along as text. */
#include "build/check.h"
#include "build/dockerfile.h"
#include "build/expand.h"
#include "build/fetch.h"
#include "build/glob.h"
#include "build/ignore.h"
#include "build/mode.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(void *data, const char *name)
{
	return strcmp(name, "A") == 0 ? "some/value.tar.gz" : strcmp(name, "B") == 0 ? "" : NULL;
}

/* Each variable doubled again and again stays within the bounds. */
static void use_instruction(struct instruction *in)
{
	struct expand x = { .lookup = lookup };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < in->mounts.n; i++) {
		struct run_mount m = { 0 };
		assert(run_mount_parse(in->mounts.v[i], &x, &m, &err) == 0 || err.msg);
		run_mount_done(&m);
		err_done(&err);
	}
	if (instruction_expand(in, &x, &err) < 0)
		assert(err.msg);
	err_done(&err);
	vec_each(pair, &in->pairs)
		assert(!pair->value || strlen(pair->value) <= DOCKERFILE_BYTES_MAX);
	if (in->copy.chmod) {
		struct mode_change *mode = NULL;
		if (mode_parse(in->copy.chmod, &mode, &err) == 0)
			assert((mode_apply(mode, S_IFREG | 0644) & ~(mode_t)07777) == 0);
		mode_free(mode);
		err_done(&err);
	}
	if (in->onbuild) {
		struct instruction *again = NULL;
		/* What goes into an image can be read from it. */
		assert(instruction_parse(in->args.v[0], "ONBUILD", &again, &err) == 0);
		assert(again->kind == in->onbuild->kind);
		instruction_free(again);
	}
}

static void read_dockerfile(const char *text, size_t len)
{
	cleanup_dockerfile struct dockerfile file = DOCKERFILE_INIT;
	cleanup_diagnostics struct diagnostics d = { 0 };
	struct check_options options = { 0 };

	if (dockerfile_parse(text, len, "Dockerfile", &file, &d) < 0) {
		assert(d.errors > 0);
		return;
	}
	assert(d.errors == 0 && file.stages.n > 0);
	(void)dockerfile_check(&file, &options, &d);
	vec_each(in, &file.globals)
		use_instruction(*in);
	vec_each(stage, &file.stages) {
		assert(stage->from->first <= stage->from->last);
		use_instruction(stage->from);
		vec_each(in, &stage->body)
			use_instruction(*in);
	}
}

static void read_ignore(const char *text, size_t len)
{
	static const char *const paths[] = { "a", "a/b/c.txt", "src/main.c", "x\xC3\xA9/\xFF" };
	struct ignore *ignore = NULL;
	struct err err = ERR_INIT;

	if (ignore_parse(text, len, ".dockerignore", &ignore, &err) < 0)
		assert(err.msg && !ignore);
	for (size_t i = 0; ignore && i < ARRAY_SIZE(paths); i++) {
		(void)ignore_path(ignore, paths[i]);
		(void)ignore_has_exceptions(ignore, paths[i]);
	}
	ignore_free(ignore);
	err_done(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_git_ref struct git_ref ref = { 0 };
	struct err err = ERR_INIT;

	if (size > 16 << 10)
		return 0;
	cleanup_free char *text = xstrndup((const char *)data, size);
	read_dockerfile((const char *)data, size);
	read_ignore(text, strlen(text));
	(void)glob_match(text, "a/b");
	(void)git_ref_parse(text, true, &ref, &err);
	err_done(&err);
	return 0;
}
