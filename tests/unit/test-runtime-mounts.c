/* What is mounted in a container: volumes, binds, tmpfs, secrets, devices; and the root itself. */
#include "box.h"

#include "test.h"

#include <sys/mount.h>

static const unsigned kinds[] = { BOX_USER_NS, 0 };

static bool output_has(const struct box *box, const char *text)
{
	return strstr(str_text(&box->text), text);
}

static char *make_dir(struct box *box, const char *name)
{
	char *path = xasprintf("%s/%s", box->dir, name);

	assert_int_equal(mkdir(path, 0755), 0);
	return path;
}

static void test_volume_is_filled(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		char *volume = make_dir(box, "volume"), *file;
		struct spec_mount *m = box_mount(box, SPEC_MOUNT_VOLUME, volume, "/data");
		struct stat st;

		m->copy_up = true;
		box_write(box, "data/deep/file", "from the image", 0640);
		box_link(box, "data/link", "deep/file");
		file = xasprintf("%s/layer/data/deep/file", box->dir);
		assert_int_equal(chown(file, 1000, 1001), 0);
		free(file);
		box_run(box, "cat=/data/deep/file", "stat=/data/deep/file", "stat=/data/link",
			"create=/data/new", NULL);
		assert_true(output_has(box, "from the image"));
		assert_true(output_has(box, "stat /data/deep/file: 100640 1000:1001 14"));
		assert_true(output_has(box, "stat /data/link: 120777"));
		file = xasprintf("%s/deep/file", volume);
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(st.st_uid, 1000); /* natural owners on the host */
		free(file);
		file = xasprintf("%s/new", volume);
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(st.st_uid, 0);
		free(file);
		/* The second time it is not empty; and a part of it, read-only. */
		m->subpath = xstrdup("deep");
		m->readonly = true;
		m->copy_up = false;
		box_run(box, "ls=/data", "create=/data/x", NULL);
		assert_true(output_has(box, "ls /data: file\n"));
		assert_true(output_has(box, "create /data/x: EROFS"));
		assert_false(output_has(box, "new"));
		free(m->subpath);
		m->subpath = xstrdup("../../../../etc");
		box_start(box, "ls=/data", NULL);
		assert_true(box->result < 0); /* beneath the volume there is no 'etc' */
		free(volume);
		box_free(box);
	}
}

static void test_binds(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		char *source = make_dir(box, "source"), *inner = make_dir(box, "source/inner");
		char *file = xasprintf("%s/file.conf", box->dir);
		int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_int_equal(fs_write_all(fd, "config\n", 7), 0);
		close(fd);
		assert_int_equal(mount("tmpfs", inner, "tmpfs", 0, NULL), 0);
		box_mount(box, SPEC_MOUNT_BIND, source, "/rw");
		box_mount(box, SPEC_MOUNT_BIND, source, "/ro")->readonly = true;
		box_mount(box, SPEC_MOUNT_BIND, source, "/plain")->nonrecursive = true;
		box_mount(box, SPEC_MOUNT_BIND, file, "/etc/deep/er/file.conf")->readonly = true;
		box_run(box, "create=/rw/a", "create=/ro/b", "create=/ro/inner/c",
			"create=/rw/inner/d", "ls=/plain/inner", "cat=/etc/deep/er/file.conf",
			"create=/etc/deep/er/file.conf", NULL);
		umount2(inner, MNT_DETACH);
		box_expect(box, "create /rw/a: ok");
		box_expect(box, "create /ro/b: EROFS");
		box_expect(box, "create /ro/inner/c: EROFS");
		box_expect(box, "create /rw/inner/d: ok");
		assert_false(output_has(box, "ls /plain/inner: d"));
		assert_true(output_has(box, "config"));
		box_expect(box, "create /etc/deep/er/file.conf: EROFS");
		free(source);
		free(inner);
		free(file);
		/* A source that is not there. */
		free(box->spec.mounts.v[0].source);
		box->spec.mounts.v[0].source = xstrdup("/nonexistent/stave");
		box_start(box, "pid", NULL);
		assert_true(box->result < 0);
		assert_int_equal(box->err.kind, ERR_NOT_FOUND);
		assert_non_null(strstr(box->err.msg, "/nonexistent/stave"));
		box_free(box);
	}
}

static void test_tmpfs_and_files(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		struct spec_mount *m = box_mount(box, SPEC_MOUNT_TMPFS, NULL, "/scratch");

		m->size = 1 << 20;
		m->mode = 0750;
		m->uid = 1000;
		m->noexec = m->nosuid = true;
		m = box_mount(box, SPEC_MOUNT_FILES, NULL, NULL);
		vec_push(&m->files, (struct spec_file){ .target = xstrdup("/run/secrets/password"),
							.data = xstrdup("hunter2"),
							.len = 7,
							.uid = 1000,
							.gid = 1001,
							.mode = 0440 });
		vec_push(&m->files, (struct spec_file){ .target = xstrdup("/etc/app.conf"),
							.data = xstrdup("a=1\n"),
							.len = 4,
							.mode = 0444 });
		m = box_mount(box, SPEC_MOUNT_OWN, NULL, NULL);
		vec_push(&m->files, (struct spec_file){ .target = xstrdup("/etc/own"),
							.data = xstrdup("b=2\n"),
							.len = 4,
							.mode = 0644 });
		box->spec.readonly_root = true;
		box_run(box, "stat=/scratch", "statvfs=/scratch", "cat=/run/secrets/password",
			"stat=/run/secrets/password", "cat=/etc/app.conf", "create=/etc/app.conf",
			"cat=/etc/own", "create=/etc/own", "create=/x", "create=/tmp/x",
			"create=/scratch/x", "create=/dev/shm/x", "ls=/run/secrets", NULL);
		assert_true(output_has(box, "stat /scratch: 40750 1000:0"));
		assert_true(output_has(box, "nosuid noexec size 1048576") ||
			    output_has(box, "nosuid nodev noexec size 1048576"));
		assert_true(output_has(box, "hunter2"));
		assert_true(output_has(box, "stat /run/secrets/password: 100440 1000:1001 7"));
		box_expect(box, "a=1");
		box_expect(box, "create /etc/app.conf: EROFS");
		box_expect(box, "b=2");
		box_expect(box, "create /etc/own: ok");
		box_expect(box, "create /x: EROFS");
		box_expect(box, "create /tmp/x: EROFS");
		box_expect(box, "create /scratch/x: ok");
		box_expect(box, "create /dev/shm/x: ok");
		box_free(box);
	}
}

static void test_devices(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		vec_push(&box->spec.devices,
			 (struct spec_device){ xstrdup("/dev/zero"), xstrdup("/dev/my/zero"),
					       xstrdup("r") });
		vec_push(&box->spec.devices,
			 (struct spec_device){ xstrdup("/dev/full"), xstrdup("/opt/full"), NULL });
		box_run(box, "stat=/dev/my/zero", "stat=/opt/full", "open=/opt/full", NULL);
		assert_true(output_has(box, "stat /dev/my/zero: 20666 0:0 0 1:5"));
		assert_true(output_has(box, " 1:7"));
		box_expect(box, "open /opt/full: ok");
		box_free(box);
	}
	struct box *box = box_new(BOX_HOST_NET);
	box->spec.privileged = true;
	box->spec.process.caps = caps_all();
	box_run(box, "stat=/dev/kmsg", "statvfs=/sys", "cat=/proc/self/status", "statvfs=/proc/sys",
		NULL);
	assert_true(output_has(box, " 1:11") || access("/dev/kmsg", F_OK) < 0);
	assert_false(output_has(box, "statvfs /sys: ro"));
	assert_false(output_has(box, "statvfs /proc/sys: ro"));
	box_expect(box, "Seccomp:\t0");
	box_free(box);
}

/* Layers on top of each other; what a container wrote is still there for the next start, and in the
 * root of the stopped container. */
static void test_root(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct box *box = box_new(kinds[i]);
		char *top = make_dir(box, "top"), *file = xasprintf("%s/top", top);
		struct stat st;
		int root, fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		close(fd);
		for (int k = 0; k < 20; k++) {
			cleanup_free char *name = xasprintf("middle%d", k);
			strv_take(&box->spec.layers, make_dir(box, name));
		}
		strv_take(&box->spec.layers, top);
		box_run(box, "stat=/top", "create=/written", NULL);
		assert_true(output_has(box, "stat /top: 100644"));
		box_run(box, "cat=/written", NULL);
		box_expect(box, "hello");
		assert_int_equal(runtime_mount_root(&box->spec, &root, &box->err), 0);
		assert_int_equal(fstatat(root, "written", &st, 0), 0);
		assert_int_equal(fstatat(root, "top", &st, 0), 0);
		close(root);
		free(file);
		/* A plain directory as root. */
		char *rootfs = xasprintf("%s/layer", box->dir);
		strv_done(&box->spec.layers);
		box->spec.rootfs = rootfs;
		box_run(box, "ls=/", NULL);
		box_expect(box, "ls /: bin");
		box_free(box);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_volume_is_filled),
		cmocka_unit_test(test_binds),
		cmocka_unit_test(test_tmpfs_and_files),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
