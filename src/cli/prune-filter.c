#include "cli/prune-filter.h"

#include "base/parse.h"

void prune_filter_done(struct prune_filter *f)
{
	strv_done(&f->labels);
	strv_done(&f->not_labels);
}

/* "24h", "10m", seconds since 1970, RFC 3339, or a day. */
static int read_until(const char *text, nsec_t *ret, struct err *err)
{
	cleanup_free char *day = xasprintf("%sT00:00:00Z", text);
	cleanup_free char *zone = xasprintf("%sZ", text);
	int64_t seconds;
	nsec_t age;

	if (parse_duration(text, &age) == 0)
		*ret = now_wall() - age;
	else if (parse_i64(text, 0, INT64_MAX / NSEC_PER_SEC, &seconds) == 0)
		*ret = seconds * NSEC_PER_SEC;
	else if (parse_rfc3339(text, ret) < 0 && parse_rfc3339(zone, ret) < 0 &&
		 parse_rfc3339(day, ret) < 0)
		return err_usage(err, "invalid filter 'until=%s': expected a time or an age (24h)",
				 text);
	return 0;
}

int prune_filter_read(const struct strv *texts, struct prune_filter *ret, struct err *err)
{
	for (size_t i = 0; i < texts->n; i++) {
		const char *text = texts->v[i], *value;
		int r = 0;

		if ((value = str_after(text, "until=")))
			r = read_until(value, &ret->until, err);
		else if ((value = str_after(text, "unused-for=")))
			r = read_until(value, &ret->until, err);
		else if ((value = str_after(text, "label!=")) && *value)
			strv_add(&ret->not_labels, value);
		else if ((value = str_after(text, "label=")) && *value)
			strv_add(&ret->labels, value);
		else if ((value = str_after(text, "dangling=")) &&
			 parse_bool(value, &ret->dangling) == 0)
			ret->has_dangling = true;
		else
			r = err_usage(err,
				      "invalid filter '%s': expected until=, label=, label!= or "
				      "dangling=true|false",
				      text);
		if (r < 0)
			return r;
	}
	return 0;
}
