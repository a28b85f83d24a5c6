/* A packing process, a pipe, an unpacking process. */
#include "cli/copy.h"

#include "base/fs.h"
#include "base/late.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { KIND_NONE, KIND_FILE, KIND_DIR };

/* What a process at one end answers with: written to a pipe whole, so no longer than PIPE_BUF. */
struct answer {
	int no;
	enum kind kind;
	char text[512];
};

static int fail(struct answer *a, int no, const char *what, const char *detail)
{
	a->no = no;
	snprintf(a->text, sizeof(a->text), "%s: %s", what, detail);
	return -no;
}

static int enter(const struct copy_end *end, struct answer *a)
{
	if (end->root < 0)
		return 0;
	late_close("libarchive.so.13"); /* behind the chroot it would be the container's */
	if (end->userns >= 0 && setns(end->userns, CLONE_NEWUSER) < 0)
		return fail(a, errno, "join the user namespace", strerror(errno));
	if (end->userns >= 0 && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return fail(a, errno, "become the container's root", strerror(errno));
	if (fchdir(end->root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return fail(a, errno, "enter the container's root", strerror(errno));
	return 0;
}

static enum kind look(const char *path, bool follow)
{
	struct stat st;
	if ((follow ? stat(path, &st) : lstat(path, &st)) < 0)
		return KIND_NONE;
	return S_ISDIR(st.st_mode) ? KIND_DIR : KIND_FILE;
}

struct pack {
	const char *path,
		*name; /* name: what the top entry is called; "." for the content of a directory */
	bool follow;
	const struct strv *files; /* NULL, or only these beneath path */
	int fd;
};

/* "<path>/a/b" becomes "<name>/a/b". */
static char *entry_name(const struct pack *p, const char *full)
{
	const char *rest = str_after(full, p->path);
	while (rest && *rest == '/')
		rest++;
	return rest && *rest ? xasprintf("%s/%s", p->name, rest) : xstrdup(p->name);
}

static int copy_data(struct archive *from, struct archive *to)
{
	const void *block;
	size_t size;
	la_int64_t offset;
	int r;
	while ((r = archive_read_data_block(from, &block, &size, &offset)) == ARCHIVE_OK)
		if (archive_write_data_block(to, block, size, offset) < ARCHIVE_OK)
			return ARCHIVE_FATAL;
	return r == ARCHIVE_EOF ? ARCHIVE_OK : r;
}

/* tar has no data blocks with offsets: sparse holes are written out. */
static int write_data(struct archive *from, struct archive *to)
{
	static const char zeros[4096];
	const void *block;
	size_t size;
	la_int64_t offset, at = 0;
	int r;
	while ((r = archive_read_data_block(from, &block, &size, &offset)) == ARCHIVE_OK) {
		while (at < offset) {
			size_t gap = (size_t)(offset - at) < sizeof(zeros) ? (size_t)(offset - at)
									   : sizeof(zeros);
			if (archive_write_data(to, zeros, gap) < 0)
				return ARCHIVE_FATAL;
			at += (la_int64_t)gap;
		}
		if (archive_write_data(to, block, size) < 0)
			return ARCHIVE_FATAL;
		at += (la_int64_t)size;
	}
	return r == ARCHIVE_EOF ? ARCHIVE_OK : r;
}

static int pack(const struct pack *p, struct answer *a)
{
	struct archive *disk = archive_read_disk_new(), *out = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	int r;
	p->follow ? archive_read_disk_set_symlink_hybrid(disk)
		  : archive_read_disk_set_symlink_physical(disk);
	archive_write_set_format_pax_restricted(out);
	archive_write_set_bytes_in_last_block(out, 1);
	if (archive_write_open_fd(out, p->fd) != ARCHIVE_OK ||
	    archive_read_disk_open(disk, p->path) != ARCHIVE_OK)
		return fail(a, EIO, p->path,
			    archive_error_string(disk) ? archive_error_string(disk)
						       : "cannot be read");
	while ((r = archive_read_next_header2(disk, entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		archive_read_disk_descend(disk);
		cleanup_free char *name = entry_name(p, archive_entry_pathname(entry));
		archive_entry_set_pathname(entry, name);
		archive_entry_set_hardlink(entry, NULL);
		if (archive_write_header(out, entry) < ARCHIVE_WARN ||
		    (archive_entry_size(entry) > 0 && write_data(disk, out) != ARCHIVE_OK))
			return fail(a, EIO, name,
				    archive_error_string(out) ? archive_error_string(out)
							      : "not read whole");
		archive_entry_clear(entry);
	}
	if (r != ARCHIVE_EOF || archive_write_close(out) != ARCHIVE_OK)
		return fail(a, EIO, p->path,
			    archive_error_string(disk) ? archive_error_string(disk)
						       : "not written whole");
	return 0;
}

/* --- a list of files --- */

/* Exactly `size` bytes, whatever the file has become since it was looked at. */
static int write_file(struct archive *out, int fd, off_t size)
{
	char buf[1 << 16];
	while (size > 0) {
		size_t want = (off_t)sizeof(buf) < size ? sizeof(buf) : (size_t)size;
		ssize_t n = fd >= 0 ? read(fd, buf, want) : 0;
		if (n <= 0) {
			memset(buf, 0, want);
			n = (ssize_t)want;
		}
		if (archive_write_data(out, buf, (size_t)n) < 0)
			return -1;
		size -= n;
	}
	return 0;
}

static int pack_file(struct archive *out, struct archive_entry *entry, const char *name)
{
	char link[PATH_MAX];
	struct stat st;
	if (lstat(name, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)))
		return 0;
	cleanup_fd int fd =
		S_ISREG(st.st_mode) ? open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : FD_NONE;
	ssize_t n = S_ISLNK(st.st_mode) ? readlink(name, link, sizeof(link) - 1) : 0;
	if (n < 0 || (S_ISREG(st.st_mode) && (fd < 0 || fstat(fd, &st) < 0)))
		return 0; /* gone, or not ours to read */
	link[n] = '\0';
	archive_entry_clear(entry);
	archive_entry_copy_stat(entry, &st);
	archive_entry_set_pathname(entry, name);
	archive_entry_set_hardlink(entry, NULL);
	if (S_ISLNK(st.st_mode))
		archive_entry_copy_symlink(entry, link);
	if (archive_write_header(out, entry) < ARCHIVE_WARN)
		return -1;
	return S_ISREG(st.st_mode) ? write_file(out, fd, st.st_size) : 0;
}

static int pack_files(const struct pack *p, struct answer *a)
{
	struct archive *out = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	if (chdir(p->path) < 0)
		return fail(a, errno, p->path, strerror(errno));
	archive_write_set_format_pax_restricted(out);
	archive_write_set_bytes_in_last_block(out, 1);
	if (archive_write_open_fd(out, p->fd) != ARCHIVE_OK)
		return fail(a, EIO, p->path, "cannot be packed");
	for (size_t i = 0; i < p->files->n; i++)
		if (pack_file(out, entry, p->files->v[i]) < 0)
			return fail(a, EIO, p->files->v[i],
				    archive_error_string(out) ? archive_error_string(out)
							      : "not packed");
	return archive_write_close(out) == ARCHIVE_OK ? 0 : fail(a, EIO, p->path, "not packed");
}

struct unpack {
	const char *dir;
	const struct strv *gone; /* NULL, or what is removed first; then `dir` is made, too */
	bool owners;
	int fd;
};

/* The directory, made where it is missing, with what is gone removed from it. */
static int prepare(const struct unpack *u, struct answer *a)
{
	cleanup_err struct err err = ERR_INIT;
	int r = fs_mkdirs(AT_FDCWD, u->dir, 0755, &err);
	if (r == 0 && chdir(u->dir) < 0)
		return fail(a, errno, u->dir, strerror(errno));
	for (size_t i = 0; r == 0 && i < u->gone->n; i++)
		r = fs_remove_tree(AT_FDCWD, u->gone->v[i], &err);
	return r < 0 ? fail(a, -r, "remove", err.msg ? err.msg : "cannot") : 0;
}

static int unpack(const struct unpack *u, struct answer *a)
{
	struct archive *in = archive_read_new(), *disk = archive_write_disk_new();
	struct archive_entry *entry;
	int r;
	if (u->gone && (r = prepare(u, a)) < 0)
		return r;
	if (!u->gone && chdir(u->dir) < 0)
		return fail(a, errno, u->dir, strerror(errno));
	archive_read_support_format_tar(in);
	archive_read_support_filter_all(in);
	archive_write_disk_set_options(
		disk, ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR |
			      ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
			      ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS |
			      (u->owners ? ARCHIVE_EXTRACT_OWNER : 0));
	if (archive_read_open_fd(in, u->fd, 1 << 16) != ARCHIVE_OK)
		return fail(a, EIO, "tar stream", archive_error_string(in));
	while ((r = archive_read_next_header(in, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		if (!u->owners) {
			archive_entry_set_uid(entry, geteuid());
			archive_entry_set_gid(entry, getegid());
		}
		if (archive_write_header(disk, entry) < ARCHIVE_WARN ||
		    copy_data(in, disk) != ARCHIVE_OK ||
		    archive_write_finish_entry(disk) < ARCHIVE_WARN)
			return fail(a, archive_errno(disk) ? archive_errno(disk) : EIO,
				    archive_entry_pathname(entry),
				    archive_error_string(disk) ? archive_error_string(disk)
							       : "not written whole");
	}
	if (r != ARCHIVE_EOF)
		return fail(a, EIO, "tar stream", archive_error_string(in));
	return archive_write_close(disk) == ARCHIVE_OK
		       ? 0
		       : fail(a, EIO, u->dir, archive_error_string(disk));
}

/* One job in a process at an end. */
struct job {
	const struct copy_end *end;
	const struct pack *pack;
	const struct unpack *unpack;
	const char *look; /* else: only look at this path */
	pid_t pid;
	int answer_fd;
};

static int job_start(struct job *job, const int *close_fds, size_t close_count, struct err *err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	job->pid = fork();
	if (job->pid < 0) {
		int no = errno;
		fd_close(fds[0]);
		fd_close(fds[1]);
		return err_sys(err, no, "fork");
	}
	if (job->pid > 0) {
		fd_close(fds[1]);
		job->answer_fd = fds[0];
		return 0;
	}
	struct answer a = { 0 };
	for (size_t i = 0; i < close_count; i++)
		fd_close(close_fds[i]);
	umask(0);
	if (enter(job->end, &a) == 0) {
		if (job->pack)
			(void)(job->pack->files ? pack_files : pack)(job->pack, &a);
		else if (job->unpack)
			(void)unpack(job->unpack, &a);
		else
			a.kind = look(job->look, true);
	}
	_exit(fs_write_all(fds[1], &a, sizeof(a)) < 0);
}

static int job_end(struct job *job, enum kind *ret_kind, struct err *err)
{
	struct answer a = { .no = EPIPE, .text = "the copying process died" };
	ssize_t n = read(job->answer_fd, &a, sizeof(a));
	fd_close(job->answer_fd);
	(void)waitpid(job->pid, NULL, 0);
	if (n != sizeof(a) || a.no)
		return err_new(err, ERR_SYSTEM, n == sizeof(a) ? a.no : EPIPE, "%.*s",
			       (int)sizeof(a.text), a.text);
	if (ret_kind)
		*ret_kind = a.kind;
	return 0;
}

static int kind_at(const struct copy_end *end, const char *path, enum kind *ret, struct err *err)
{
	struct job job = { .end = end, .look = path };
	int r = job_start(&job, NULL, 0, err);
	return r < 0 ? r : job_end(&job, ret, err);
}

/* Where it goes and under which name, by Docker's rules. */
static int choose(const struct copy_end *from, const struct copy_end *to, char **ret_dir,
		  char **ret_name, struct err *err)
{
	enum kind source, target, parent;
	size_t len = strlen(from->path);
	bool content = len >= 2 && strcmp(from->path + len - 2, "/.") == 0;
	cleanup_free char *clean = path_clean(from->path);
	int r = kind_at(from, from->path, &source, err);
	if (r == 0)
		r = kind_at(to, to->path, &target, err);
	if (r < 0)
		return r;
	if (source == KIND_NONE)
		return err_not_found(err, "no such file or directory: '%s'", from->path);
	if (target == KIND_DIR) {
		*ret_dir = xstrdup(to->path);
		*ret_name = xstrdup(content || strcmp(clean, "/") == 0 ? "." : path_base(clean));
		return 0;
	}
	if (target == KIND_FILE && source == KIND_DIR)
		return err_new(err, ERR_CONFLICT, ENOTDIR,
			       "cannot copy a directory over the file '%s'", to->path);
	if (target == KIND_NONE && source == KIND_FILE && str_ends(to->path, "/"))
		return err_not_found(err, "no such directory: '%s'", to->path);
	cleanup_free char *clean_to = path_clean(to->path);
	cleanup_free char *dir = path_dir(clean_to);
	r = kind_at(to, dir, &parent, err);
	if (r < 0)
		return r;
	if (parent != KIND_DIR)
		return err_not_found(err, "no such directory: '%s'", dir);
	*ret_name = xstrdup(path_base(clean_to));
	*ret_dir = ptr_take(dir);
	return 0;
}

static int transfer(const struct copy_end *from, const struct copy_end *to, struct pack *p,
		    struct unpack *u, struct err *err)
{
	int fds[2];
	cleanup_err struct err other = ERR_INIT;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	p->fd = fds[1];
	u->fd = fds[0];
	struct job packing = { .end = from, .pack = p }, unpacking = { .end = to, .unpack = u };
	int r = job_start(&packing, &fds[0], 1, err);
	if (r == 0) {
		r = job_start(&unpacking, &fds[1], 1, err);
		fd_close(fds[0]);
		fd_close(fds[1]);
		int r_pack = job_end(&packing, NULL, &other);
		if (r == 0)
			r = job_end(&unpacking, NULL, err);
		/* when the unpacking end failed, the packing end's broken pipe is not the news */
		if (r == 0 && r_pack < 0)
			r = err_move(err, &other);
		return r;
	}
	fd_close(fds[0]);
	fd_close(fds[1]);
	return r;
}

int copy_tree(const struct copy_end *from, const struct copy_end *to, unsigned flags,
	      struct err *err)
{
	cleanup_free char *dir = NULL, *name = NULL;
	if (strcmp(to->path, "-") == 0 && to->root < 0) {
		cleanup_free char *clean = path_clean(from->path);
		struct pack p = { .path = clean,
				  .name = path_base(clean),
				  .follow = flags & COPY_FOLLOW,
				  .fd = STDOUT_FILENO };
		struct job job = { .end = from, .pack = &p };
		int r = job_start(&job, NULL, 0, err);
		return r < 0 ? r : job_end(&job, NULL, err);
	}
	if (strcmp(from->path, "-") == 0 && from->root < 0) {
		struct unpack u = { .dir = to->path, .owners = true, .fd = STDIN_FILENO };
		struct job job = { .end = to, .unpack = &u };
		int r = job_start(&job, NULL, 0, err);
		return r < 0 ? r : job_end(&job, NULL, err);
	}
	int r = choose(from, to, &dir, &name, err);
	if (r < 0)
		return r;
	struct pack p = { .path = from->path, .name = name, .follow = flags & COPY_FOLLOW };
	struct unpack u = { .dir = dir, .owners = flags & COPY_OWNERS };
	return transfer(from, to, &p, &u, err);
}

int copy_sync(const char *base, const struct strv *files, const struct strv *gone,
	      const struct copy_end *to, struct err *err)
{
	const struct copy_end here = { .root = FD_NONE, .userns = FD_NONE, .path = base };
	struct pack p = { .path = base, .files = files };
	struct unpack u = { .dir = to->path, .gone = gone };
	return transfer(&here, to, &p, &u, err);
}
