/* Paths as text: nothing here looks at the disk. */
#include "base/fs.h"

char *path_clean(const char *path)
{
	bool absolute = path[0] == '/';
	char *out = xmalloc(strlen(path) + 2);
	/* Where the removable parts begin: behind the root, and behind leading ".." parts. */
	size_t len = 0, floor = 0;

	if (absolute)
		out[len++] = '/';
	floor = len;
	while (*path) {
		size_t n = strcspn(path, "/");
		bool up = n == 2 && path[0] == '.' && path[1] == '.';
		if (n == 0 || (n == 1 && path[0] == '.') || (up && absolute && len == floor)) {
			/* adds nothing */
		} else if (up && len > floor) {
			while (len > floor && out[len - 1] != '/')
				len--;
			if (len > floor)
				len--;
		} else {
			if (len > (size_t)absolute)
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
			if (up)
				floor = len;
		}
		path += n + (path[n] == '/');
	}
	if (len == 0)
		out[len++] = '.';
	out[len] = '\0';
	return out;
}

char *path_join(const char *base, const char *path)
{
	if (path[0] == '/')
		return path_clean(path);
	cleanup_free char *joined = xasprintf("%s/%s", base, path);
	return path_clean(joined);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}
