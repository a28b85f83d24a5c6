/* What a spec must not say, whoever wrote it: checked before anything is done for it. */
#include "runtime/launch.h"

#include "base/fs.h"

#include <ctype.h>

enum { HOSTNAME_MAX = 64, SYSCTL_MAX = 256 };

static bool has_control(const char *text)
{
	for (; text && *text; text++)
		if (iscntrl((unsigned char)*text))
			return true;
	return false;
}

static int check_names(const struct spec *s, struct err *err)
{
	const struct {
		const char *what, *text;
		size_t max;
	} rows[] = {
		{ "hostname", s->hostname, HOSTNAME_MAX },
		{ "domainname", s->domainname, HOSTNAME_MAX },
		{ "container name", s->name, 255 },
		{ "project", s->project, 255 },
		{ "working directory", s->process.cwd, 4095 },
		{ "user", s->process.user, 255 },
	};

	if (strlen(s->id) != SPEC_ID_LEN || strspn(s->id, "0123456789abcdef") != SPEC_ID_LEN)
		return err_input(err, "the container id '%s' is not 64 hexadecimal digits", s->id);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (has_control(rows[i].text))
			return err_input(err, "the %s holds a control character", rows[i].what);
		if (rows[i].text && strlen(rows[i].text) > rows[i].max)
			return err_input(err, "the %s is longer than %zu characters", rows[i].what,
					 rows[i].max);
	}
	if (!str_empty(s->hostname) && strspn(s->hostname, ".") == strlen(s->hostname))
		return err_input(err, "'%s' cannot be a host name: it has only dots", s->hostname);
	if (s->project &&
	    (strchr(s->project, '/') || strspn(s->project, ".") == strlen(s->project)))
		return err_input(err, "'%s' cannot be a project's name", s->project);
	if (s->process.cwd && *s->process.cwd && *s->process.cwd != '/')
		return err_input(err, "the working directory '%s' is not absolute", s->process.cwd);
	return 0;
}

/* On top of these a mount would hide what protects the container; below /dev it is harmless. */
static int check_target(const struct spec *s, const struct spec_mount *m, const char *target,
			struct err *err)
{
	static const char *const kernel[] = { "/proc", "/sys", "/dev" };

	if (!target || *target != '/' || has_control(target))
		return err_input(err, "the mount point '%s' is not an absolute path",
				 target ? target : "");
	cleanup_free char *clean = path_clean(target);
	if (str_eq(clean, "/"))
		return err_input(err, "nothing can be mounted on '/'");
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++) {
		const char *rest = str_after(clean, kernel[i]);
		bool on = rest && !*rest, below = rest && *rest == '/';
		if (s->privileged && m->type == SPEC_MOUNT_BIND && i > 0)
			continue; /* the host's /dev and /sys are a privileged container's usual
				     wish */
		if (on || (below && i == 0))
			return err_input(err, "'%s' cannot be mounted on: it is the kernel's",
					 clean);
	}
	return 0;
}

static int check_mounts(const struct spec *s, struct err *err)
{
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct spec_mount *m = &s->mounts.v[i];
		bool files = m->type == SPEC_MOUNT_FILES || m->type == SPEC_MOUNT_OWN;
		int r = files ? 0 : check_target(s, m, m->target, err);
		for (size_t k = 0; r == 0 && files && k < m->files.n; k++)
			r = check_target(s, m, m->files.v[k].target, err);
		if (r < 0)
			return r;
		bool view = m->type == SPEC_MOUNT_OVERLAY && !m->source;
		if ((m->type == SPEC_MOUNT_BIND || m->type == SPEC_MOUNT_VOLUME ||
		     m->type == SPEC_MOUNT_OVERLAY) &&
		    !view && (str_empty(m->source) || *m->source != '/'))
			return err_input(err,
					 "the source of the mount on '%s' is not an absolute "
					 "path",
					 m->target);
	}
	return 0;
}

static int check_sysctls(const struct spec *s, struct err *err)
{
	for (size_t i = 0; i < s->sysctls.n; i++) {
		const char *name = s->sysctls.v[i].name;
		if (str_empty(name) || strlen(name) > SYSCTL_MAX || strstr(name, "..") ||
		    *name == '/' || *name == '.' || !s->sysctls.v[i].value)
			return err_input(err, "'%s' cannot be a sysctl", name ? name : "");
	}
	return 0;
}

int runtime__spec_check(const struct spec *s, struct err *err)
{
	int r = check_names(s, err);

	if (r < 0)
		return r;
	if (!s->process.args.n || str_empty(s->process.args.v[0]))
		return err_input(err, "there is no command to run: neither the service nor the "
				      "image says one");
	if (!s->layers.n && str_empty(s->rootfs))
		return err_input(err, "there is no root file system");
	if (s->layers.n && (str_empty(s->dir) || *s->dir != '/'))
		return err_input(err, "there is no directory for the writable layer");
	if ((r = check_mounts(s, err)) < 0)
		return r;
	return check_sysctls(s, err);
}
