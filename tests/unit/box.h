/* A container for tests: a temporary directory, a layer with nothing but the payload program and
 * the usual files, a spec, and what became of it.
 *
 *	struct box *box = box_new(BOX_USER_NS);
 *	box->spec.readonly_root = true;
 *	box_run(box, "stat=/", NULL);                    starts, waits, collects the output
 *	box_expect(box, "stat /: 40755 0:0");
 *	box_free(box);
 */
#ifndef STAVE_TESTS_BOX_H
#define STAVE_TESTS_BOX_H

#include "runtime/caps.h"
#include "runtime/runtime.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/proc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { BOX_USER_NS = 1u << 0, BOX_HOST_NET = 1u << 1 };

struct box {
	char *dir;
	struct spec spec;
	struct runtime_namespaces ns;
	struct runtime_child child;
	struct err err;
	int out; /* read end of the container's output */
	struct str text;
	int result; /* of runtime_start or runtime_start_result */
	int status; /* as waitpid gives it */
	int life;   /* the guard's pipe */
};

/* A process that waits for the test's death and then leaves nothing of the box behind, when a test
 * has failed in the middle or was killed. */
static inline void box_guard(struct box *box)
{
	struct err err = ERR_INIT;
	int fds[2];
	char byte;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(fds[0]);
		box->life = fds[1];
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		return;
	}
	if (fork() != 0) /* no child of the test's: some count theirs */
		_exit(0);
	setsid();
	dup2(fds[0], 0);
	close_range(1, ~0U, 0);
	if (read(0, &byte, 1) != 1) {
		(void)runtime_kill_all(&box->spec, SIGKILL, &err);
		for (int i = 0; i < 600 && runtime_cleanup(&box->spec, &err) < 0; i++) {
			err_done(&err);
			usleep(100000); /* who is killed is gone when it has been reaped */
		}
		(void)fs_remove_tree(AT_FDCWD, box->dir, &err);
	}
	_exit(0);
}

static inline void box_write(struct box *box, const char *path, const char *text, mode_t mode)
{
	char *full = xasprintf("%s/layer/%s", box->dir, path);
	char *dir = path_dir(full);
	int made = fs_mkdirs(AT_FDCWD, dir, 0755, &box->err);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(made, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	free(dir);
	free(full);
}

static inline void box_link(struct box *box, const char *path, const char *points_to)
{
	char *full = xasprintf("%s/layer/%s", box->dir, path);

	assert_int_equal(symlink(points_to, full), 0);
	free(full);
}

static inline void box_payload(struct box *box)
{
	struct str program = STR_INIT;
	char *full = xasprintf("%s/layer/bin/payload", box->dir);

	box_write(box, "bin/payload", "", 0755);
	assert_int_equal(fs_read(AT_FDCWD, TEST_PAYLOAD, 64 << 20, &program, &box->err), 0);
	int fd = open(full, O_WRONLY | O_CLOEXEC);
	assert_int_equal(fs_write_all(fd, program.data, program.len), 0);
	close(fd);
	free(full);
	str_done(&program);
}

static inline struct box *box_new(unsigned flags)
{
	struct box *box = new0(struct box);
	char template[] = "/var/tmp/stave-test-XXXXXX";

	assert_non_null(mkdtemp(template));
	box->dir = xstrdup(template);
	box->out = FD_NONE;
	box->child = RUNTIME_CHILD_NONE;
	assert_int_equal(chmod(box->dir, 0755), 0);
	spec_init(&box->spec);
	hex_random(box->spec.id, SPEC_ID_LEN);
	box->spec.project = xasprintf("test%d", getpid());
	box->spec.name = xstrdup("box");
	box->spec.dir = xasprintf("%s/container", box->dir);
	box->spec.hostname = xstrdup("box");
	assert_int_equal(mkdir(box->spec.dir, 0700), 0);
	box_payload(box);
	box_write(box, "etc/passwd",
		  "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n", 0644);
	box_write(box, "etc/group", "root:x:0:\nstaff:x:50:alice,bob\nalice:x:1001:\n", 0644);
	box_write(box, "tmp/.keep", "", 0644);
	char *layer = xasprintf("%s/layer", box->dir);
	strv_take(&box->spec.layers, layer);
	if (flags & BOX_USER_NS)
		box->spec.idmap = (struct spec_idmap){ .base = 1000000, .count = 65536 };
	box->ns = RUNTIME_NAMESPACES_NONE;
	box_guard(box);
	if (runtime_namespaces_new(&box->spec.idmap, !(flags & BOX_HOST_NET), &box->ns, &box->err) <
	    0)
		fail_msg("%s", box->err.msg);
	return box;
}

static inline void box_start_with(struct box *box, unsigned flags)
{
	int fds[2];
	struct runtime_start start = { .flags = flags, .ns = box->ns };

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fd_close(box->out);
	box->out = fds[0];
	str_clear(&box->text);
	err_done(&box->err);
	start.stdio[0] = FD_NONE;
	start.stdio[1] = start.stdio[2] = fds[1];
	box->result = runtime_start(&box->spec, &start, &box->child, &box->err);
	close(fds[1]);
	if (box->result == 0)
		box->result = runtime_start_result(box->child.status_fd, &box->err);
}

/* The arguments are the payload's; NULL ends them. */
static inline void box_args(struct box *box, va_list ap)
{
	const char *arg;

	strv_done(&box->spec.process.args);
	strv_add(&box->spec.process.args, "/bin/payload");
	while ((arg = va_arg(ap, const char *)))
		strv_add(&box->spec.process.args, arg);
}

static inline void box_start(struct box *box, ...)
{
	va_list ap;

	va_start(ap, box);
	box_args(box, ap);
	va_end(ap);
	box_start_with(box, 0);
}

/* Reads some output; false at its end. */
static inline bool box_read(struct box *box)
{
	char buf[4096];
	ssize_t n = read(box->out, buf, sizeof(buf));

	if (n > 0)
		str_addn(&box->text, buf, (size_t)n);
	return n > 0;
}

/* Reads the output to its end and reaps. */
static inline void box_wait(struct box *box)
{
	struct err err = ERR_INIT;

	(void)fs_read_fd(box->out, "output", 1 << 20, &box->text, &err);
	if (box->child.pid > 0)
		assert_int_equal(waitpid(box->child.pid, &box->status, __WALL), box->child.pid);
	runtime_child_done(&box->child);
	if (runtime_cleanup(&box->spec, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void box_run(struct box *box, ...)
{
	va_list ap;

	va_start(ap, box);
	box_args(box, ap);
	va_end(ap);
	box_start_with(box, 0);
	box_wait(box);
	if (box->result < 0)
		fail_msg("start failed: %s", box->err.msg);
}

/* A line of the output. */
static inline bool box_said(const struct box *box, const char *line)
{
	struct strv lines = strv_split(str_text(&box->text), '\n');
	bool said = strv_has(&lines, line);

	strv_done(&lines);
	return said;
}

#define box_expect(box, line)                                                                      \
	do {                                                                                       \
		if (!box_said((box), (line)))                                                      \
			fail_msg("no line '%s' in:\n%s", (line), str_text(&(box)->text));          \
	} while (0)

static inline struct spec_mount *box_mount(struct box *box, enum spec_mount_type type,
					   const char *source, const char *target)
{
	struct spec_mount *m = vec_add(&box->spec.mounts);

	m->type = type;
	m->source = source ? xstrdup(source) : NULL;
	m->target = target ? xstrdup(target) : NULL;
	return m;
}

static inline void box_free(struct box *box)
{
	struct err err = ERR_INIT;

	if (box->child.pid > 0) {
		(void)runtime_kill_all(&box->spec, SIGKILL, &err);
		err_done(&err);
		box_wait(box);
	}
	fd_close(box->out);
	fd_close(box->ns.user);
	fd_close(box->ns.net);
	if (fs_remove_tree(AT_FDCWD, box->dir, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(write(box->life, "", 1), 1);
	close(box->life);
	str_done(&box->text);
	err_done(&box->err);
	spec_done(&box->spec);
	free(box->dir);
	free(box);
}

/* For tests that start containers. */
#define need_root()                                                                                \
	do {                                                                                       \
		if (geteuid() != 0) {                                                              \
			print_message("skipped: needs root\n");                                    \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

#endif
