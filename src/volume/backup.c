/* Backup files: written whole, found again by name, put back into a volume. */
#include "volume/tar.h"

#include "base/fs.h"
#include "base/hash.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum {
	KEY_FILE_MAX = 4096,
	TEMP_OLD = 60, /* seconds: one that was just made is not locked yet */
};

#define TEMP_PREFIX ".stave-backup-"

void backup_info_done(struct backup_info *info)
{
	json_decref(info->manifest);
	*info = (struct backup_info){ 0 };
}

/* --- keys --- */

static bool hex_key(const struct str *text, struct backup_key *ret)
{
	size_t len = text->len;

	while (len && isspace((unsigned char)text->data[len - 1]))
		len--;
	if (len != 2 * sizeof(ret->bytes))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text->data[i];
		int digit =
			isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;

		if (!isxdigit((unsigned char)c))
			return false;
		ret->bytes[i / 2] = (unsigned char)(ret->bytes[i / 2] << 4 | digit);
	}
	return true;
}

int backup_key_load(const char *path, struct backup_key *ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(AT_FDCWD, path, KEY_FILE_MAX, &text, err);

	if (r < 0)
		return err_wrap(err, "key file");
	if (text.len == sizeof(ret->bytes))
		memcpy(ret->bytes, text.data, sizeof(ret->bytes));
	else if (!hex_key(&text, ret))
		r = err_input(err,
			      "key file '%s': expected 32 random bytes or their 64 hexadecimal "
			      "digits, as of 'head -c 32 /dev/urandom'",
			      path);
	if (text.data)
		explicit_bzero(text.data, text.len);
	return r;
}

void backup_key_done(struct backup_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

/* --- names --- */

char *backup_file_name(const char *volume, nsec_t wall, bool encrypted)
{
	time_t t = (time_t)(wall / NSEC_PER_SEC);
	struct tm tm;
	char stamp[32];

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	return xasprintf("%s-%s.tar.zst%s", volume, stamp, encrypted ? ".enc" : "");
}

bool backup_file_is(const char *name, const char *volume)
{
	const char *s = str_after(name, volume);

	if (!s || *s++ != '-')
		return false;
	for (const char *p = "ddddddddTddddddZ"; *p; p++, s++)
		if (*p == 'd' ? !isdigit((unsigned char)*s) : *s != *p)
			return false;
	return str_eq(s, ".tar.zst") || str_eq(s, ".tar.zst.enc");
}

int backup_retain(const char *dir, const char *volume, int keep, struct strv *removed,
		  struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_fd int fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	int have = 0, r = fd < 0 ? fd : fs_list(fd, ".", &names, err);

	for (size_t i = names.n; r == 0 && i-- > 0;) {
		if (!backup_file_is(names.v[i], volume) || ++have <= keep)
			continue;
		if (unlinkat(fd, names.v[i], 0) < 0 && errno != ENOENT)
			r = err_sys(err, errno, "remove the old backup '%s/%s'", dir, names.v[i]);
		else
			strv_add(removed, names.v[i]);
	}
	return r;
}

/* --- writing --- */

json_t *backup_manifest_of(const struct volume *v)
{
	char now[RFC3339_TEXT];
	json_t *j = json_object();

	json_put_str(j, "volume", v->name);
	json_put_str(j, "project", v->project);
	json_put_str(j, "key", v->key);
	json_put_str(j, "driver", v->driver);
	if (v->options)
		json_put(j, "options", json_incref(v->options));
	if (v->labels)
		json_put(j, "labels", json_incref(v->labels));
	json_put_str(j, "created", format_rfc3339(now_wall(), now));
	json_put_str(j, "stave", STAVE_VERSION);
	return j;
}

/* What a killed backup left: old, and nobody holds its lock. */
static void sweep(int dir)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_err struct err ignored = ERR_INIT;
	time_t old = (time_t)(now_wall() / NSEC_PER_SEC) - TEMP_OLD;

	(void)fs_list(dir, ".", &names, &ignored);
	for (size_t i = 0; i < names.n; i++) {
		cleanup_fd int fd = FD_NONE;
		struct stat st;

		if (!str_starts(names.v[i], TEMP_PREFIX))
			continue;
		fd = openat(dir, names.v[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_mtime < old &&
		    flock(fd, LOCK_EX | LOCK_NB) == 0)
			(void)unlinkat(dir, names.v[i], 0);
	}
}

static int fill(int fd, const char *path, const json_t *manifest,
		const struct backup_options *options, struct backup_info *info, struct err *err)
{
	cleanup(seal_writer_free_cleanup) struct seal_writer *w = NULL;
	cleanup_fd int data = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, err);
	int r = data < 0 ? data : seal_writer_open(fd, options->key, manifest, &w, err);

	if (r == 0)
		r = tar_pack(w, data, options, info, err);
	if (r == 0)
		r = seal_writer_end(w, info->entries, info->bytes, err);
	if (r == 0 && fsync(fd) < 0)
		r = err_sys(err, errno, "sync");
	return r;
}

int backup_write(const char *file, const char *path, const json_t *manifest,
		 const struct backup_options *options, struct backup_info *ret, struct err *err)
{
	char temp[32] = TEMP_PREFIX;
	cleanup_free char *folder = path_dir(file);
	cleanup_fd int dir = fs_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_fd int fd = FD_NONE;
	struct backup_info info = { .encrypted = options->key != NULL };
	int r;

	if (dir < 0)
		return dir;
	sweep(dir);
	hex_random(temp + strlen(temp), 16);
	fd = fs_open(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	if (fd < 0)
		return err_wrap(err, "backup '%s'", file);
	(void)flock(fd, LOCK_EX); /* ours alone: it says that we live */
	r = fill(fd, path, manifest, options, &info, err);
	if (r == 0 && renameat(dir, temp, dir, path_base(file)) < 0)
		r = err_sys(err, errno, "rename");
	if (r == 0 && fsync(dir) < 0)
		r = err_sys(err, errno, "sync the directory");
	if (r < 0) {
		(void)unlinkat(dir, temp, 0);
		return err_wrap(err, "backup '%s'", file);
	}
	info.manifest = json_incref((json_t *)manifest);
	*ret = info;
	return 0;
}

/* --- reading --- */

static int read_all(const char *file, int dir, const struct backup_options *options,
		    struct backup_info *ret, struct err *err)
{
	cleanup(seal_reader_free_cleanup) struct seal_reader *reader = NULL;
	cleanup_backup_info struct backup_info info = { 0 };
	cleanup_fd int fd = fs_open(AT_FDCWD, file, O_RDONLY, 0, err);
	int r;

	if (fd < 0)
		return fd;
	r = seal_reader_open(fd, options->key, &reader, &info.manifest, &info.encrypted, err);
	if (r == 0)
		r = tar_unpack(reader, dir, options, &info, err);
	if (r < 0)
		return err_wrap(err, "'%s'", file);
	*ret = info;
	info = (struct backup_info){ 0 };
	return 0;
}

int backup_verify(const char *file, const struct backup_options *options, struct backup_info *ret,
		  struct err *err)
{
	return read_all(file, FD_NONE, options, ret, err);
}

int backup_extract(const char *file, int dir, const struct backup_options *options,
		   struct backup_info *ret, struct err *err)
{
	return read_all(file, dir, options, ret, err);
}

int backup_manifest(const char *file, const struct backup_options *options, json_t **ret,
		    struct err *err)
{
	cleanup(seal_reader_free_cleanup) struct seal_reader *reader = NULL;
	cleanup_fd int fd = fs_open(AT_FDCWD, file, O_RDONLY, 0, err);
	int r;

	if (fd < 0)
		return fd;
	r = seal_reader_open(fd, options->key, &reader, ret, NULL, err);
	return r < 0 ? err_wrap(err, "'%s'", file) : 0;
}
