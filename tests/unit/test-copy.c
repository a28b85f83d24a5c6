/* COPY and ADD into a directory: each rule of the reference about what goes where. */
#include "base/cleanup.h"
#include "base/fs.h"
#include "build/copy.h"
#include "build/expand.h"
#include "build/mode.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

struct world {
	char path[64];
	int fd, context, root, scratch;
};

static int sub(struct world *w, const char *name)
{
	assert_int_equal(mkdirat(w->fd, name, 0755), 0);
	int fd = openat(w->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int set_up(void **state)
{
	struct world *w = new0(struct world);

	umask(022);
	snprintf(w->path, sizeof(w->path), "/tmp/stave-copy-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->context = sub(w, "context");
	w->root = sub(w, "root");
	w->scratch = sub(w, "scratch");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;

	assert_int_equal(fs_remove_tree(AT_FDCWD, w->path, &err), 0);
	close(w->fd);
	close(w->context);
	close(w->root);
	close(w->scratch);
	free(w);
	return 0;
}

/* "dir/ a=content d/b=x x*=content l>target" makes directories, files, programs and links. */
static void make(int dir, const char *spec)
{
	cleanup_free char *copy = xstrdup(spec);
	char *rest = copy;
	struct err err = ERR_INIT;

	for (char *word; (word = strsep(&rest, " "));) {
		size_t len = strcspn(word, "=>");
		char kind = word[len];
		bool program = kind == '=' && len && word[len - 1] == '*';
		const char *text = kind ? word + len + 1 : "";

		if (!*word)
			continue;
		word[program ? len - 1 : len] = 0;
		cleanup_free char *parent = path_dir(word);
		assert_int_equal(fs_mkdirs(dir, parent, 0755, &err), 0);
		if (kind == '>') {
			assert_int_equal(symlinkat(text, dir, word), 0);
		} else if (!kind) {
			assert_int_equal(fs_mkdirs(dir, word, 0755, &err), 0);
		} else {
			assert_int_equal(fs_write_atomic(dir, word, text, strlen(text),
							 program ? 0755 : 0644, 0, &err),
					 0);
		}
	}
}

static void list(int dir, const char *path, bool owners, struct str *out)
{
	struct err err = ERR_INIT;
	cleanup_strv struct strv names = { 0 };

	assert_int_equal(fs_list(dir, ".", &names, &err), 0);
	for (size_t i = 0; i < names.n; i++) {
		cleanup_free char *full = xasprintf("%s%s%s", path, *path ? "/" : "", names.v[i]);
		char text[256] = "";
		struct stat st;
		ssize_t n;

		assert_int_equal(fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		str_addf(out, "%s%s", out->len ? " " : "", full);
		cleanup_fd int fd = S_ISLNK(st.st_mode) ? FD_NONE
							: openat(dir, names.v[i],
								 O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (S_ISDIR(st.st_mode)) {
			str_add(out, "/");
		} else if (S_ISLNK(st.st_mode)) {
			n = readlinkat(dir, names.v[i], text, sizeof(text) - 1);
			str_addf(out, ">%.*s", (int)n, text);
		} else if (S_ISREG(st.st_mode)) {
			n = read(fd, text, sizeof(text) - 1);
			for (char *c = text; *c; c++)
				*c = *c == '\n' ? '~' : *c;
			str_addf(out, "=%.*s", (int)n, text);
		}
		mode_t usual = S_ISDIR(st.st_mode) ? 0755 : S_ISLNK(st.st_mode) ? 0777 : 0644;
		if ((st.st_mode & 07777) != usual)
			str_addf(out, "(%o)", st.st_mode & 07777);
		if (owners && (st.st_uid || st.st_gid))
			str_addf(out, "[%u:%u]", st.st_uid, st.st_gid);
		if (S_ISDIR(st.st_mode))
			list(fd, full, owners, out);
	}
}

static int run_copy(struct world *w, const char *line, const char *workdir,
		    const struct ignore *ignore, bool keep_owner, char hex[65], struct err *err)
{
	struct tree from = { .fd = w->context,
			     .name = "the build context",
			     .ignore = ignore,
			     .keep_owner = keep_owner };
	cleanup(copy_free_cleanup) struct copy *copy = NULL;
	struct expand nothing = { 0 };
	struct instruction *in = NULL;
	int r;

	if ((r = instruction_parse(line, "test", &in, err)) < 0)
		return r;
	if ((r = instruction_expand(in, &nothing, err)) == 0) {
		struct copy_options o = {
			.in = in, .from = &from, .workdir = workdir, .scratch = w->scratch
		};
		r = copy_open(&o, &copy, err);
	}
	if (r == 0)
		r = copy_digest(copy, hex, err);
	if (r == 0)
		r = copy_apply(
			copy,
			&(struct copy_target){ .root = w->root, .own = w->root, .users = w->root },
			err);
	copy_free(copy);
	copy = NULL;
	instruction_free(in);
	return r;
}

static void empty(int dir)
{
	struct err err = ERR_INIT;
	cleanup_strv struct strv names = { 0 };

	assert_int_equal(fs_list(dir, ".", &names, &err), 0);
	for (size_t i = 0; i < names.n; i++)
		assert_int_equal(fs_remove_tree(dir, names.v[i], &err), 0);
}

#define PASSWD                                                                                     \
	"etc/passwd=root:x:0:0::/:/bin/sh~web:x:33:34::/:/x etc/group=root:x:0:~staff:x:50:web"

static const struct {
	const char *name, *context, *root, *line, *workdir, *want;
} copies[] = {
	/* files and slashes */
	{ "file to a name", "a=1", "", "COPY a /b", NULL, "b=1" },
	{ "file to a new directory", "a=1", "", "COPY a /x/y/", NULL, "x/ x/y/ x/y/a=1" },
	{ "file to a new path", "a=1", "", "COPY a /x/y", NULL, "x/ x/y=1" },
	{ "file to a directory that is there", "a=1", "x/", "COPY a /x", NULL, "x/ x/a=1" },
	{ "file over a file", "a=1", "b=2", "COPY a /b", NULL, "b=1" },
	{ "several files", "a=1 b=2", "", "COPY a b /x/", NULL, "x/ x/a=1 x/b=2" },
	{ "several files to what is there", "a=1 b=2", "x/", "COPY a b /x", NULL,
	  "x/ x/a=1 x/b=2" },
	{ "relative to WORKDIR", "a=1", "", "COPY a b/", "/w", "w/ w/b/ w/b/a=1" },
	{ "a dot", "a=1", "", "COPY a .", "/w", "w/ w/a=1" },
	{ "dot slash", "a=1", "", "COPY a ./", "/w/v", "w/ w/v/ w/v/a=1" },
	{ "two dots in the destination", "a=1", "", "COPY a ../../../x", "/w", "x=1" },
	{ "two dots in the source", "a=1", "", "COPY ../../a /", NULL, "a=1" },
	{ "JSON form", "a=1", "", "COPY [\"a\", \"/b c\"]", NULL, "b c=1" },
	{ "mode is kept", "a*=1", "", "COPY a /", NULL, "a=1(755)" },
	/* directories */
	{ "directory's content", "d/a=1 d/e/b=2 d/f", "", "COPY d /x", NULL,
	  "x/ x/a=1 x/e/ x/e/b=2 x/f/" },
	{ "directory's content, slashes", "d/a=1", "", "COPY d/ /x/", NULL, "x/ x/a=1" },
	{ "into one that is there", "d/a=1 d/e/b=2", "x/a=0 x/c=3 x/e/d=4", "COPY d /x", NULL,
	  "x/ x/a=1 x/c=3 x/e/ x/e/b=2 x/e/d=4" },
	{ "several directories", "d/a=1 e/b=2", "", "COPY d e /x", NULL, "x/ x/a=1 x/b=2" },
	{ "all", "a=1 d/b=2", "", "COPY . .", "/w", "w/ w/a=1 w/d/ w/d/b=2" },
	{ "links stay links", "d/a=1 d/l>a d/out>/etc/passwd", "", "COPY d /x", NULL,
	  "x/ x/a=1 x/l>a x/out>/etc/passwd" },
	{ "a link that is named is followed", "a=1 l>a d/b=2 m>d", "", "COPY l m /x/", NULL,
	  "x/ x/b=2 x/l=1" },
	{ "empty directory", "d/", "", "COPY d /x", NULL, "x/" },
	/* wildcards */
	{ "wildcard", "a.c=1 b.c=2 c.h=3", "", "COPY *.c /x/", NULL, "x/ x/a.c=1 x/b.c=2" },
	{ "wildcard of nothing", "a=1", "", "COPY *.c /x/", NULL, "" },
	{ "something and an optional file", "a=1", "", "COPY a b* /x/", NULL, "x/ x/a=1" },
	{ "wildcard of directories", "d1/a=1 d2/b=2 e/c=3", "", "COPY d* /x/", NULL,
	  "x/ x/a=1 x/b=2" },
	{ "wildcard in the middle", "p/a/x=1 p/b/x=2 p/b/y=3", "", "COPY p/*/y /z/", NULL,
	  "z/ z/y=3" },
	{ "brackets", "arr[0].txt=1", "", "COPY arr[[]0].txt /", NULL, "arr[0].txt=1" },
	/* links in the image */
	{ "through a link of the image", "a=1", "real/ l>real", "COPY a /l/", NULL,
	  "l>real real/ real/a=1" },
	{ "through an absolute link", "a=1", "real/ l>/real", "COPY a /l/x/", NULL,
	  "l>/real real/ real/x/ real/x/a=1" },
	{ "through a link that climbs out", "a=1", "l>../../../../..", "COPY a /l/x", NULL,
	  "l>../../../../.. x=1" },
	{ "to a link to a file", "a=1", "f=0 l>f", "COPY a /l", NULL, "f=1 l>f" },
	{ "through a dangling link", "a=1", "l>nowhere", "COPY a /l/", NULL,
	  "l>nowhere nowhere/ nowhere/a=1" },
	{ "a file replaces a link", "d/l=1", "x/l>/etc/shadow", "COPY d /x", NULL, "x/ x/l=1" },
	{ "a link replaces a file", "d/l>t", "x/l=0", "COPY d /x", NULL, "x/ x/l>t" },
	/* flags */
	{ "chmod", "a=1 d/b*=2", "", "COPY --chmod=640 a d /x/", NULL,
	  "x/(640) x/a=1(640) x/b=2(640)" },
	{ "chmod of directories", "d/e/b=1", "", "COPY --chmod=700 d /x", NULL,
	  "x/(700) x/e/(700) x/e/b=1(700)" },
	{ "chmod by letters", "d/e/b=1 d/p*=2", "", "COPY --chmod=u=rwX,go= d /x", NULL,
	  "x/ x/e/(700) x/e/b=1(600) x/p=2(700)" },
	{ "chown", "a=1", "", "COPY --chown=1:2 a /x/", NULL, "x/[1:2] x/a=1[1:2]" },
	{ "chown of a number alone", "a=1", "", "COPY --chown=7 a /", NULL, "a=1[7:7]" },
	{ "chown with names", "a=1 l>a d/l>a", PASSWD, "COPY --chown=web:staff d /d", NULL,
	  "d/[33:50] d/l>a[33:50] etc/ etc/group=root:x:0:~staff:x:50:web etc/"
	  "passwd=root:x:0:0::/:/bin/sh~web:x:33:34::/:/x" },
	{ "chown of a name alone", "a=1", PASSWD, "COPY --chown=web a /a", NULL,
	  "a=1[33:34] etc/ etc/group=root:x:0:~staff:x:50:web etc/"
	  "passwd=root:x:0:0::/:/bin/sh~web:x:33:34::/:/x" },
	{ "exclude", "d/a.c=1 d/a.h=2 d/e/b.h=3", "", "COPY --exclude=*.h d /x", NULL,
	  "x/ x/a.c=1 x/e/ x/e/b.h=3" },
	{ "exclude deep", "d/a.c=1 d/a.h=2 d/e/b.h=3", "", "COPY --exclude=**/*.h d /x", NULL,
	  "x/ x/a.c=1 x/e/" },
	{ "exclude of what a wildcard gives", "home.txt=1 home.md=2 homer=3", "",
	  "COPY --exclude=*.txt --exclude=*.md hom* /x/", NULL, "x/ x/homer=3" },
	{ "parents", "x/a.txt=1 y/a.txt=2", "", "COPY --parents ./x/a.txt ./y/a.txt /p/", NULL,
	  "p/ p/x/ p/x/a.txt=1 p/y/ p/y/a.txt=2" },
	{ "parents with a pivot", "x/y/a.txt=1 x/y/b.txt=2 x/y/c=3", "",
	  "COPY --parents ./x/./y/*.txt /p/", NULL, "p/ p/y/ p/y/a.txt=1 p/y/b.txt=2" },
	{ "parents, any depth", "src/a.txt=1 src/x/b.txt=2 src/x/y/c.txt=3 src/z=4", "",
	  "COPY --parents ./src/**/*.txt /p/", NULL,
	  "p/ p/src/ p/src/a.txt=1 p/src/x/ p/src/x/b.txt=2 p/src/x/y/ p/src/x/y/c.txt=3" },
	{ "parents of a directory", "a/b/c=1 a/d=2", "", "COPY --parents a/b /p/", NULL,
	  "p/ p/a/ p/a/b/ p/a/b/c=1" },
	/* heredocs */
	{ "heredoc", "", "", "COPY <<E /x/f\na\n$b\nE", NULL, "x/ x/f=a~~" },
	{ "quoted heredoc", "", "", "COPY <<\"E\" /f\na\n$b\\$\nE", NULL, "f=a~$b\\$~" },
	{ "heredocs by name", "c=3", "", "COPY <<a.txt <<-b.txt c /x/\n1\na.txt\n\t\t2\n\tb.txt",
	  NULL, "x/ x/a.txt=1~ x/b.txt=2~ x/c=3" },
	{ "heredoc with a mode", "", "", "COPY --chmod=755 --chown=5 <<E /f\nx\nE", NULL,
	  "f=x~(755)[5:5]" },
	/* a destination of several meanings */
	{ "a slash and a dot", "a=1", "", "COPY a /x/.", NULL, "x/ x/a=1" },
	{ "the root", "d/a=1", "", "COPY d /", NULL, "a=1" },
};

static void test_copies(void **state)
{
	struct world *w = *state;

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
		cleanup_str struct str out = STR_INIT;
		struct err err = ERR_INIT;
		char hex[65];

		empty(w->context);
		empty(w->root);
		make(w->context, copies[i].context);
		make(w->root, copies[i].root);
		/* The tables write a line's end as '~'. */
		struct str passwd = STR_INIT;
		if (fs_read(w->root, "etc/passwd", 4096, &passwd, &err) == 0) {
			for (char *c = passwd.data; *c; c++)
				*c = *c == '~' ? '\n' : *c;
			assert_int_equal(fs_write_atomic(w->root, "etc/passwd", passwd.data,
							 passwd.len, 0644, 0, &err),
					 0);
			str_clear(&passwd);
			fs_read(w->root, "etc/group", 4096, &passwd, &err);
			for (char *c = passwd.data; *c; c++)
				*c = *c == '~' ? '\n' : *c;
			assert_int_equal(fs_write_atomic(w->root, "etc/group", passwd.data,
							 passwd.len, 0644, 0, &err),
					 0);
		}
		err_done(&err);
		str_done(&passwd);
		int r = run_copy(w, copies[i].line, copies[i].workdir, NULL, false, hex, &err);
		check(copies[i].name, r == 0, "%s", err.msg);
		list(w->root, "", true, &out);
		check_text(copies[i].name, str_text(&out), copies[i].want);
		cleanup_strv struct strv left = { 0 };
		assert_int_equal(fs_list(w->scratch, ".", &left, &err), 0);
		check(copies[i].name, left.n == 0, "scratch is not empty");
	}
}

static const struct {
	const char *name, *context, *root, *line, *want;
} mistakes[] = {
	{ "missing", "", "", "COPY a /", "'a' is not in the build context" },
	{ "missing with parents", "", "", "COPY --parents a/b /",
	  "'a/b' is not in the build context" },
	{ "out of the context", "l>/etc/passwd", "", "COPY l /",
	  "'etc/passwd' is not in the build context" },
	{ "several to one file", "a=1 b=2", "", "COPY a b /x",
	  "COPY has more than one source, so its destination must be a directory and end with '/': "
	  "'/x/'" },
	{ "directory onto a file", "d/a=1", "x=0", "COPY d /x",
	  "cannot copy the directory 'd' to '/x': something that is not a directory is there" },
	{ "directory onto a link", "d/lib/a=1", "usr/lib lib>usr/lib", "COPY d /",
	  "cannot copy the directory 'd/lib' to '/lib': something that is not a directory is "
	  "there" },
	{ "file onto a directory", "d/a=1", "x/a/", "COPY d /x",
	  "cannot replace the directory '/x/a' with a file" },
	{ "below a file", "a=1", "x=0", "COPY a /x/y",
	  "'x' of '/x' is there and is not a directory" },
	{ "unknown user", "a=1", "", "COPY --chown=nobody a /",
	  "--chown=nobody: the image has no user 'nobody' in /etc/passwd" },
	{ "unknown group", "a=1", "", "COPY --chown=1:web a /",
	  "--chown=1:web: the image has no group 'web' in /etc/group" },
	{ "bad mode", "a=1", "", "COPY --chmod=888 a /",
	  "--chmod=888 is neither an octal mode (0 to 7777) nor one such as u=rwX,go=rX" },
	{ "URL", "", "", "COPY http://x/y /", "COPY cannot fetch 'http://x/y': use ADD" },
	{ "git", "", "", "COPY git@x:y /", "COPY cannot fetch 'git@x:y': use ADD" },
	{ "checksum of a file", "a=1", "", "ADD --checksum=sha256:0 a /",
	  "--checksum is for URLs and git repositories; 'a' is neither" },
	{ "a deletion", "d/.wh.x=1", "", "COPY d /x",
	  "'.wh.x' cannot be in an image: names that begin with '.wh.' mean deletions in a layer" },
	{ "URL without a name", "", "", "ADD http://127.0.0.1:1/ /x/",
	  "'http://127.0.0.1:1/' has no file name: give the destination one (not ending with a "
	  "slash)" },
};

static void test_mistakes(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		struct err err = ERR_INIT;
		char hex[65];

		empty(w->context);
		empty(w->root);
		make(w->context, mistakes[i].context);
		make(w->root, mistakes[i].root);
		int r = run_copy(w, mistakes[i].line, NULL, NULL, false, hex, &err);
		check(mistakes[i].name, r < 0, "no error");
		check_text(mistakes[i].name, err.msg, mistakes[i].want);
		err_done(&err);
	}
}

/* The host's own files cannot be written through what a context or an image brings along. */
static void test_nothing_outside(void **state)
{
	struct world *w = *state;
	cleanup_str struct str out = STR_INIT;
	struct err err = ERR_INIT;
	char hex[65];

	make(w->fd, "victim=safe");
	cleanup_free char *absolute = xasprintf("%s/victim", w->path);
	make(w->context, "d/victim=evil a=evil");
	assert_int_equal(symlinkat(absolute, w->root, "l"), 0);
	assert_int_equal(symlinkat("../victim", w->root, "m"), 0);
	assert_int_equal(symlinkat("..", w->root, "up"), 0);
	assert_int_equal(run_copy(w, "COPY a /l", NULL, NULL, false, hex, &err), 0);
	assert_int_equal(run_copy(w, "COPY a /m", NULL, NULL, false, hex, &err), 0);
	assert_int_equal(run_copy(w, "COPY d /up/", NULL, NULL, false, hex, &err), 0);
	assert_int_equal(fs_read(w->fd, "victim", 100, &out, &err), 0);
	assert_string_equal(str_text(&out), "safe");
	assert_true(fs_exists(w->root, "victim"));
}

static void test_ignored(void **state)
{
	struct world *w = *state;
	cleanup(ignore_free_cleanup) struct ignore *ignore = NULL;
	cleanup_str struct str out = STR_INIT;
	struct err err = ERR_INIT;
	char hex[65], again[65];
	static const char lines[] = "node_modules\n*.log\n!keep.log\nout\n!out/bin/x\n";

	assert_int_equal(ignore_parse(lines, strlen(lines), ".dockerignore", &ignore, &err), 0);
	make(w->context, "a=1 b.log=2 keep.log=3 node_modules/m=4 out/bin/x=5 out/bin/y=6 out/z=7");
	assert_int_equal(run_copy(w, "COPY . /x", NULL, ignore, false, hex, &err), 0);
	list(w->root, "", false, &out);
	assert_string_equal(str_text(&out),
			    "x/ x/a=1 x/keep.log=3 x/out/ x/out/bin/ x/out/bin/x=5");
	/* What is ignored does not matter to the cache. */
	make(w->context, "b.log=changed node_modules/new=1");
	assert_int_equal(run_copy(w, "COPY . /x", NULL, ignore, false, again, &err), 0);
	assert_string_equal(hex, again);
	make(w->context, "a=changed");
	assert_int_equal(run_copy(w, "COPY . /x", NULL, ignore, false, again, &err), 0);
	assert_string_not_equal(hex, again);
}

/* Hard links, holes, attributes, times, owners of stages. */
static void test_kept(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	char hex[65];
	struct stat a, b;
	struct timespec times[2] = { { 1000, 5 }, { 2000, 6 } };

	if (geteuid() != 0)
		skip();
	make(w->context, "d/a=1 d/e/x=2");
	assert_int_equal(linkat(w->context, "d/a", w->context, "d/e/b", 0), 0);
	cleanup_fd int fd = openat(w->context, "d/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	assert_int_equal(pwrite(fd, "end", 3, (64 << 20) - 3), 3);
	assert_int_equal(pwrite(fd, "mid", 3, 32 << 20), 3);
	bool xattrs = fsetxattr(fd, "user.x", "y", 1, 0) == 0;
	assert_int_equal(fchownat(w->context, "d/e/x", 12, 13, 0), 0);
	assert_int_equal(fchmodat(w->context, "d/e/x", 04755, 0), 0);
	assert_int_equal(utimensat(w->context, "d/a", times, 0), 0);
	assert_int_equal(utimensat(w->context, "d/e", times, 0), 0);
	assert_int_equal(mkfifoat(w->context, "d/fifo", 0640), 0);
	assert_int_equal(run_copy(w, "COPY d /x", NULL, NULL, true, hex, &err), 0);
	assert_int_equal(fstatat(w->root, "x/a", &a, 0), 0);
	assert_int_equal(fstatat(w->root, "x/e/b", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_mtim.tv_sec, 2000);
	assert_int_equal(fstatat(w->root, "x/e", &a, 0), 0);
	assert_int_equal(a.st_mtim.tv_sec, 2000);
	assert_int_equal(fstatat(w->root, "x/sparse", &a, 0), 0);
	assert_int_equal(a.st_size, 64 << 20);
	assert_true(a.st_blocks < 1024);
	assert_int_equal(fstatat(w->root, "x/e/x", &a, 0), 0);
	assert_int_equal(a.st_uid, 12);
	assert_int_equal(a.st_gid, 13);
	assert_int_equal(a.st_mode & 07777, 04755);
	assert_int_equal(fstatat(w->root, "x/fifo", &a, 0), 0);
	assert_true(S_ISFIFO(a.st_mode));
	cleanup_fd int copied = openat(w->root, "x/sparse", O_RDONLY | O_CLOEXEC);
	char text[4] = "";
	assert_int_equal(pread(copied, text, 3, 32 << 20), 3);
	assert_string_equal(text, "mid");
	if (xattrs)
		assert_int_equal(fgetxattr(copied, "user.x", text, 1), 1);
	assert_int_equal(run_copy(w, "COPY d/e /y", NULL, NULL, false, hex, &err), 0);
	assert_int_equal(fstatat(w->root, "y/x", &a, 0), 0);
	assert_int_equal(a.st_uid, 0);
}

static void shell(struct world *w, const char *command)
{
	cleanup_free char *line = xasprintf("cd %s/context && %s", w->path, command);
	int status = system(line);

	check(command, WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
}

static void test_archives(void **state)
{
	static const struct {
		const char *name, *make, *root, *line, *want;
	} cases[] = {
		{ "tar",
		  "mkdir -p s/d && echo 1 >s/a && ln -s a s/l && ln s/a s/d/h && chmod 600 s/a && "
		  "tar cf t.tar --owner=5 --group=6 -C s . && rm -r s",
		  "", "ADD t.tar /x",
		  "x/ x/a=1~(600)[5:6] x/d/[5:6] x/d/h=1~(600)[5:6] x/l>a[5:6]" },
		{ "gzip, into what is there", "echo 1 >a && tar czf t a && rm a", "x/a/b=0 x/c=2",
		  "ADD t /x/", "x/ x/a=1~ x/c=2" },
		{ "xz by any name", "echo 1 >a && tar cJf t.txt a && rm a", "", "ADD t.txt /",
		  "a=1~" },
		{ "bzip2", "echo 1 >a && tar cjf t a && rm a", "", "ADD t /", "a=1~" },
		{ "zstd", "echo 1 >a && tar --zstd -cf t a && rm a", "", "ADD t /", "a=1~" },
		{ "not unpacked by COPY", "printf x >a && tar cf t a && rm a && printf '' >t", "",
		  "COPY t /t", "t=" },
		{ "not an archive", "echo text >t.tar", "", "ADD t.tar /x/", "x/ x/t.tar=text~" },
		{ "an empty file", ": >t.tar.gz", "", "ADD t.tar.gz /x/", "x/ x/t.tar.gz=" },
		{ "not wanted", "echo a >a && gzip -n a && mv a.gz t && : >keep", "",
		  "ADD --unpack=false keep /keep", "keep=" },
		{ "through a link of the image",
		  "mkdir lib && echo 1 >lib/a && tar cf t lib/a && rm -r "
		  "lib",
		  "usr/lib/ lib>usr/lib", "ADD t /", "lib>usr/lib usr/ usr/lib/ usr/lib/a=1~" },
	};
	struct world *w = *state;

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_str struct str out = STR_INIT;
		struct err err = ERR_INIT;
		char hex[65];

		empty(w->context);
		empty(w->root);
		shell(w, cases[i].make);
		make(w->root, cases[i].root);
		check(cases[i].name, run_copy(w, cases[i].line, NULL, NULL, false, hex, &err) == 0,
		      "%s", err.msg);
		list(w->root, "", true, &out);
		check_text(cases[i].name, str_text(&out), cases[i].want);
	}
}

static void test_hostile_archives(void **state)
{
	static const struct {
		const char *name, *make, *want;
	} cases[] = {
		{ "upwards", "echo x >a && tar cPf t --transform='s,a,../../victim,' a",
		  "'../../victim' of 't' leads out of the destination" },
		{ "deletion", "mkdir d && echo x >d/.wh.passwd && tar cf t d",
		  "'.wh.passwd' cannot be in an image: names that begin with '.wh.' mean deletions "
		  "in "
		  "a layer" },
		{ "cut off", "head -c 100000 /dev/urandom >a && tar cf u a && head -c 50000 u >t",
		  "'t' is a damaged archive: Truncated tar archive" },
		{ "hard link outwards",
		  "echo x >a && ln a b && tar cPf t --transform='s,^a$,../../../victim,hR' "
		  "--transform='flags=h;s,^a$,../../../../victim,' a b",
		  NULL },
	};
	struct world *w = *state;

	if (geteuid() != 0)
		skip();
	make(w->fd, "victim=safe");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		char hex[65];

		empty(w->context);
		empty(w->root);
		shell(w, cases[i].make);
		int r = run_copy(w, "ADD t /x", NULL, NULL, false, hex, &err);
		check(cases[i].name, r < 0, "unpacked");
		if (cases[i].want)
			check_text(cases[i].name, err.msg, cases[i].want);
		err_done(&err);
	}
	/* A link in the archive, and then a file through it: it stays in the image. */
	struct err err = ERR_INIT;
	cleanup_str struct str out = STR_INIT;
	char hex[65];
	empty(w->context);
	empty(w->root);
	shell(w,
	      "ln -s ../../../.. l && tar cf t l && rm l && mkdir l && echo evil >l/victim && tar "
	      "rf t l/victim");
	assert_int_equal(run_copy(w, "ADD t /x", NULL, NULL, false, hex, &err), 0);
	list(w->root, "", true, &out);
	assert_string_equal(str_text(&out), "victim=evil~ x/ x/l>../../../..");
	str_clear(&out);
	assert_int_equal(fs_read(w->fd, "victim", 100, &out, &err), 0);
	assert_string_equal(str_text(&out), "safe");
}

static void test_modes(void **state)
{
	static const struct {
		const char *text;
		mode_t before, want;
	} cases[] = {
		{ "755", S_IFREG | 0600, 0755 },
		{ "0644", S_IFDIR | 0700, 0644 },
		{ "4711", S_IFREG, 04711 },
		{ "0", S_IFREG | 0777, 0 },
		{ "+x", S_IFREG | 0644, 0755 },
		{ "u+x,g-w,o=", S_IFREG | 0666, 0740 },
		{ "a=r", S_IFREG | 0777, 0444 },
		{ "u=rwX,go=rX", S_IFREG | 0600, 0644 },
		{ "u=rwX,go=rX", S_IFREG | 0700, 0755 },
		{ "u=rwX,go=rX", S_IFDIR | 0700, 0755 },
		{ "g=u", S_IFREG | 0750, 0770 },
		{ "o=g", S_IFREG | 0751, 0755 },
		{ "ug+s,+t", S_IFREG | 0755, 07755 },
		{ "u+rw-x", S_IFREG | 0100, 0600 },
		{ "a-w,u+w", S_IFREG | 0666, 0644 },
		{ "=", S_IFREG | 0777, 0 },
	};
	static const char *const bad[] = { "",	   "8",	  "77777", "10000", "u",   "x",	   "u+z",
					   "u+x,", "rwx", "0x1ff", "7 5",   "+x+", "u==x?" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(mode_free_cleanup) struct mode_change *m = NULL;
		struct err err = ERR_INIT;
		check(cases[i].text, mode_parse(cases[i].text, &m, &err) == 0, "%s", err.msg);
		check(cases[i].text, mode_apply(m, cases[i].before) == cases[i].want, "%o",
		      mode_apply(m, cases[i].before));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup(mode_free_cleanup) struct mode_change *m = NULL;
		struct err err = ERR_INIT;
		if (str_eq(bad[i], "+x+"))
			continue; /* chmod takes it: add x, add nothing */
		check(bad[i], mode_parse(bad[i], &m, &err) < 0, "taken");
		err_done(&err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_copies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mistakes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_outside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ignored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_archives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile_archives, set_up, tear_down),
		cmocka_unit_test(test_modes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
