#include "engine/resources.h"

#include "base/fs.h"
#include "base/parse.h"

#include <fcntl.h>

enum { NET_DEV_MAX = 1 << 20, NET_DEV_HEAD = 2, NET_DEV_COLUMNS = 16 };

struct traffic traffic_parse(const char *text)
{
	enum { SENT = 8 }; /* bytes packets errs drop fifo frame compressed multicast, then sent */
	struct traffic sum = { 0 };
	cleanup_strv struct strv lines = strv_split(text, '\n');
	for (size_t i = NET_DEV_HEAD; i < lines.n; i++) {
		const char *name = lines.v[i] + strspn(lines.v[i], " ");
		const char *p = strchr(name, ':');
		if (!p || str_starts(name, "lo:"))
			continue;
		uint64_t n[NET_DEV_COLUMNS] = { 0 };
		p++;
		for (size_t k = 0; k < ARRAY_SIZE(n); k++) {
			p += strspn(p, " ");
			cleanup_free char *number = xstrndup(p, strcspn(p, " "));
			if (parse_u64(number, 0, UINT64_MAX, &n[k]) < 0)
				break;
			p += strlen(number);
		}
		sum.received_bytes += n[0];
		sum.received_packets += n[1];
		sum.received_errors += n[2];
		sum.received_dropped += n[3];
		sum.sent_bytes += n[SENT];
		sum.sent_packets += n[SENT + 1];
		sum.sent_errors += n[SENT + 2];
		sum.sent_dropped += n[SENT + 3];
	}
	return sum;
}

static bool own_network(const struct container *c)
{
	const char *mode = c->network_mode;
	return !mode || !(str_eq(mode, "host") || str_starts(mode, "service:") ||
			  str_starts(mode, "container:"));
}

static void read_traffic(const struct container *c, struct resources *ret)
{
	cleanup_free char *path = xasprintf("/proc/%d/net/dev", (int)c->pid);
	cleanup_str struct str text = STR_INIT;
	cleanup_err struct err ended = ERR_INIT;
	if (!own_network(c) || fs_read(AT_FDCWD, path, NET_DEV_MAX, &text, &ended) < 0)
		return;
	ret->has_traffic = true;
	ret->traffic = traffic_parse(str_text(&text));
}

int container_resources(const struct engine_paths *paths, const struct container *c,
			struct resources *ret, struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	struct resources found = { 0 };
	if (c->pid <= 0)
		return err_not_found(err, "container '%s' is not running", c->name);
	int r = state_spec_load(paths, c, &spec, err);
	if (r == 0)
		r = runtime_stats(&spec, &found.stats, err);
	if (r < 0)
		return r;
	if (spec.resources.cpu_quota_us > 0 && spec.resources.cpu_period_us > 0)
		found.cpu_limit =
			(double)spec.resources.cpu_quota_us / (double)spec.resources.cpu_period_us;
	read_traffic(c, &found);
	*ret = found;
	return 0;
}
