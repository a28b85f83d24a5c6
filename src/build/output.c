/* The files of the last stage, in a directory or a tar, instead of an image. */
#include "build/export.h"

#include "base/fs.h"
#include "build/copy.h"
#include "build/stack.h"

#include <fcntl.h>

/* `COPY . /`, from the stage to the directory: it becomes the caller's own, as with Docker. */
static int to_dir(const struct build_options *o, const struct depot *depot,
		  const struct stack_view *view, const char *dest, struct err *err)
{
	cleanup(copy_free_cleanup) struct copy *copy = NULL;
	cleanup(depot_temp_cleanup) char *scratch = NULL;
	cleanup_fd int scratch_fd = FD_NONE, to = FD_NONE;
	struct instruction in = { .kind = INSTRUCTION_COPY };
	struct tree tree = { .fd = view->fd, .name = "the image" };
	struct copy_options options = {
		.in = &in,
		.from = &tree,
		.workdir = "/",
		.has_epoch = o->has_epoch,
		.epoch = o->epoch,
	};
	int r = fs_mkdirs(AT_FDCWD, dest, 0755, err);

	strv_add(&in.args, ".");
	strv_add(&in.args, "/");
	if (r == 0)
		r = to = fs_open(AT_FDCWD, dest, O_RDONLY | O_DIRECTORY, 0, err);
	if (r >= 0)
		r = depot_temp(depot, &scratch, err);
	if (r == 0)
		r = scratch_fd = fs_open(AT_FDCWD, scratch, O_RDONLY | O_DIRECTORY, 0, err);
	options.scratch = scratch_fd;
	if (r >= 0)
		r = copy_open(&options, &copy, err);
	if (r == 0) {
		struct copy_target target = { .root = to, .own = to, .users = to };

		r = copy_apply(copy, &target, err);
	}
	copy_free(ptr_take(copy));
	strv_done(&in.args);
	return r;
}

static int to_tar(const struct stack_view *view, const char *dest, struct err *err)
{
	cleanup_fd int fd = FD_NONE;

	if (str_eq(dest, "-"))
		return image_tree_pack(view->fd, STDOUT_FILENO, err);
	fd = fs_open(AT_FDCWD, dest, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
	return fd < 0 ? fd : image_tree_pack(view->fd, fd, err);
}

int output_files(const struct build_options *options, const struct depot *depot,
		 const struct stack *stack, const struct build_output *output, struct err *err)
{
	cleanup_stack_view struct stack_view view = STACK_VIEW_NONE;
	int r = output->kind == BUILD_TO_NOTHING
			? 0
			: stack_view(depot, options->store, stack, &view, err);

	if (r < 0 || output->kind == BUILD_TO_NOTHING)
		return r;
	r = output->kind == BUILD_TO_DIR ? to_dir(options, depot, &view, output->dest, err)
					 : to_tar(&view, output->dest, err);
	return r < 0 ? err_wrap(err, "write to '%s'", output->dest) : 0;
}
