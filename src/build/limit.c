/* /etc/stave/build.conf: how large the build cache may become. */
#include "build/cache.h"

#include "base/fs.h"
#include "base/parse.h"
#include "base/settings.h"

#include <fcntl.h>

#define FILE_NAME     "build.conf"
#define CACHE_DEFAULT ((uint64_t)20 << 30)

enum { FILE_MAX = 1 << 16 };

static int read_line(char *line, uint64_t *ret, struct err *err)
{
	const char *name = settings_word(&line), *value = name ? settings_word(&line) : NULL;

	if (!name)
		return 0;
	if (!str_eq(name, "cache-size"))
		return err_input(err, "the setting '%.64s' is not cache-size", name);
	if (!value || settings_word(&line) || parse_size(value, ret) < 0)
		return err_input(err, "cache-size is a size like 20gb, not '%.64s'",
				 value ? value : "");
	return 0;
}

int cache_limit(uint64_t *ret, struct err *err)
{
	cleanup_strv struct strv dirs = settings_dirs();

	*ret = CACHE_DEFAULT;
	for (size_t i = 0; i < dirs.n; i++) {
		cleanup_free char *path = path_join(dirs.v[i], FILE_NAME);
		cleanup_str struct str text = STR_INIT;
		struct err why = ERR_INIT;
		int line = 0, r = fs_read(AT_FDCWD, path, FILE_MAX, &text, &why);

		if (r == -ENOENT || r == -ENOTDIR) {
			err_done(&why);
			continue;
		}
		if (r < 0)
			return err_move(err, &why);
		for (char *rest = text.data, *at; rest && (at = strsep(&rest, "\n"));) {
			line++;
			r = read_line(at, ret, err);
			if (r < 0)
				return err_wrap(err, "%s:%d", path, line);
		}
		return 0;
	}
	return 0;
}
